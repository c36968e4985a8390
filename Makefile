# Two commands matter: `make run` and `make test`. Each sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install run test check bench endurance smoke screenshots train lab notebooks pages clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV): once, a few minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/coder-assist codes compile
	@touch $@

run: install
	$(BIN)/coder-assist serve

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not endurance"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The default pack. With the shared corpora beside the checkout it trains on those too, else on corpora/ alone.
SHARED ?= ../shared/data
REAL := $(wildcard $(SHARED)/mtsamples/coded-train.jsonl $(SHARED)/mtsamples/coded-blind.jsonl)
PRIORS := $(wildcard $(SHARED)/mdace/code-counts.tsv)
# Our codes of notes whose texts are somebody else's: joined where the texts are here.
TEXTS := $(wildcard $(SHARED)/mtsamples/uncoded.jsonl.gz)
VISITS := $(wildcard $(SHARED)/aci-bench/notes.jsonl.gz)
JOINED := $(if $(TEXTS),build/mtsamples-coded.jsonl) $(if $(VISITS),build/aci-bench-coded.jsonl)

build/mtsamples-coded.jsonl: corpora/mtsamples-codes.jsonl $(TEXTS) | install
	$(BIN)/coder-assist corpus attach corpora/mtsamples-codes.jsonl $(TEXTS) --out $@

build/aci-bench-coded.jsonl: corpora/aci-bench-codes.jsonl $(VISITS) | install
	$(BIN)/coder-assist corpus attach corpora/aci-bench-codes.jsonl $(VISITS) --out $@

train: install $(JOINED)
	$(BIN)/coder-assist train $(foreach file,$(REAL) $(JOINED) corpora/encounters.jsonl,--corpus $(file)) \
	  $(if $(PRIORS),--priors $(PRIORS)) --alone corpora/encounters.jsonl --out models/clinical-us

bench: install
	$(BIN)/python -m benchmarks.speed --json build/bench/speed.json
	$(BIN)/python -m benchmarks.load --json build/bench/load.json

MINUTES ?= 30
NOTES ?= 100000
endurance: install
	$(BIN)/python -m pytest -m endurance
	$(BIN)/python -m benchmarks.endurance --minutes $(MINUTES) --notes $(NOTES)

# A short version of everything that takes long, meant for four minutes on two free cores: what CI runs of it.
smoke: install
	KILLS=2 $(BIN)/python -m pytest -m endurance tests/endurance/test_endurance.py tests/review/test_crash.py tests/review/test_service_crash.py
	$(BIN)/python -m benchmarks.speed --most 20 --json $$(mktemp -d)/speed.json
	@if $(BIN)/python -c 'import atheris' 2>/dev/null; \
	  then $(BIN)/python -m benchmarks.fuzz all --runs 1500 --seed 1 --jobs 2; \
	  else echo "!!! NO ATHERIS for this machine: nothing WAS FUZZED" >&2; fi

screenshots: install
	$(BIN)/python -m benchmarks.screenshots

lab: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[workbench]'
	$(BIN)/coder-assist lab

# All notebooks headless, and the desk in a real JupyterLab.
notebooks: install
	$(BIN)/python -m pytest -m endurance tests/notebooks

# The notebooks, run, as HTML to hand round: build/notebooks.
pages: install
	CODER_ASSIST_DATA_DIR=$$(mktemp -d) $(BIN)/jupyter nbconvert --execute --to html --output-dir build/notebooks notebooks/*.ipynb

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
