"""Read the same notes with coder_assist, medspaCy and MedCAT, one after another, and print what each took.

Each peer lives in a virtual environment of its own::

    python3 -m venv PEERS/medspacy && PEERS/medspacy/bin/pip install medspacy
    python3 -m venv PEERS/medcat && PEERS/medcat/bin/pip install medcat
    python -m benchmarks.speed_peers --python medspacy=PEERS/medspacy/bin/python \\
        --python medcat=PEERS/medcat/bin/python --json build/bench/peers.json

Both peers look for the terms of our lexicon. medspaCy has its tokenizer, PyRuSH sentences, the target matcher with the
terms, ConText and the sectionizer, all with the rules that it ships. MedCAT's own models are a download that needs a
licence for the vocabulary; with ``--medcat-pack PATH`` such a model pack is read with, as it is. Without one, MedCAT
makes a model of the same terms first, with its tokenizer that needs no spaCy model, untrained: it finds and
disambiguates, and judges no assertion. Neither ranks codes or applies coding rules; coder_assist does all of its stages.

The notes are those of ``benchmarks.speed``, and can be chosen in the same way. Every tool reads in a process of its own
on one core, some notes first to warm up; then what is loaded is exempted from garbage collection, for all alike. What a
tool found a note is there to show that it worked: mentions of the peers, codes proposed by coder_assist.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.pinned import REPO, Notes, machine, paced, write

WARM = 20
Read = Callable[[str], int]
OURS = "coder_assist"


def read_ours(terms: Path, pack: Path | None) -> Read:
    """Return all stages of coder_assist, which opens its own lexicon."""
    from coder_assist import Coder, Note

    coder = Coder.load()
    return lambda text: len(coder.suggest(Note("note", text)).suggestions)


def read_medspacy(terms: Path, pack: Path | None) -> Read:
    """Return medspaCy's pipeline with the terms as targets; of two codes with one term it gets the first."""
    import medspacy
    from medspacy.target_matcher import TargetRule

    parts = ("tokenizer", "pyrush", "target_matcher", "context", "sectionizer")
    nlp = medspacy.load(medspacy_enable=[f"medspacy_{part}" for part in parts])
    first: dict[str, str] = {}
    for text, code in json.loads(terms.read_text(encoding="utf-8")):
        first.setdefault(text, code)
    nlp.get_pipe("medspacy_target_matcher").add([TargetRule(text, code) for text, code in first.items()])
    return lambda text: len(nlp(text).ents)


def read_medcat(terms: Path, pack: Path | None) -> Read:
    """Return MedCAT with a model pack."""
    from medcat.cat import CAT

    cat = CAT.load_model_pack(str(pack))
    return lambda text: len(cat.get_entities(text)["entities"])


def make_medcat_pack(terms: Path, pack: Path) -> None:
    """Make a MedCAT model pack of the terms, in its environment."""
    import pandas
    from medcat.cat import CAT
    from medcat.config import Config
    from medcat.model_creation.cdb_maker import CDBMaker
    from medcat.vocab import Vocab

    config = Config()
    config.general.nlp.provider = "regex"
    rows = pandas.DataFrame(json.loads(terms.read_text(encoding="utf-8")), columns=["name", "cui"])
    cdb = CDBMaker(config).prepare_csvs([rows])
    cat = CAT(cdb=cdb, vocab=Vocab(), config=config)
    cat.save_model_pack(
        str(pack.parent), pack_name=pack.name, make_archive=False, add_hash_to_pack_name=False
    )


READERS = {OURS: read_ours, "medspacy": read_medspacy, "medcat": read_medcat}


def write_terms(file: Path) -> int:
    """Write the terms of our lexicon with their codes for the peers, and return how many they are."""
    from coder_assist import Coder

    lexicon = Coder.load().library.lexicon
    terms = [(term.text, term.code.value) for term in map(lexicon.term, range(len(lexicon)))]
    file.write_text(json.dumps(terms), encoding="utf-8")
    return len(terms)


def run(name: str, texts: list[str], terms: Path, pack: Path | None) -> dict[str, Any]:
    """Return one tool's figures; this process is its own and in its environment."""
    began = time.perf_counter()
    read = READERS[name](terms, pack)
    loading = time.perf_counter() - began
    found = sum(map(read, texts[:WARM]))
    gc.collect()
    gc.freeze()
    return {
        "version": version(name.replace("_", "-")),
        **paced(read, texts),
        "seconds_to_load": round(loading, 1),
        "found_a_note": round(found / len(texts[:WARM]), 1),
    }


def ask(name: str, python: str, home: Path, pack: Path | None) -> dict[str, Any]:
    """Run one tool in its environment and return its figures. Raises ``RuntimeError`` with its last words."""
    base = [python, "-m", "benchmarks.speed_peers", "--home", str(home)]
    if name == "medcat" and pack is None:
        pack = home / "pack"
        _call([*base, "--make-pack", str(pack)])
    return json.loads(_call([*base, "--run", name, *(["--medcat-pack", str(pack)] if pack else [])]))


def _call(command: list[str]) -> str:
    """Return the last line that a command prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def table(peers: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown table; milliseconds are wall time."""
    rows = [
        f"| {name} {peer['version']} | {peer['notes_a_second']} | {peer['milliseconds_median']} | "
        f"{peer['milliseconds_p95']} | {peer['milliseconds_p99']} | {peer['resident_megabytes']} | "
        f"{peer['seconds_to_load']} | {peer['found_a_note']} |"
        for name, peer in peers.items()
    ]
    return "\n".join(
        [
            "| tool | notes a second | p50 ms | p95 ms | p99 ms | memory, MB | loaded in, s | found a note |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *rows,
        ]
    )


def main() -> int:
    """Measure every environment and print the table; ``--run`` and ``--make-pack`` are for the peers' own processes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    Notes.options(parser, most=300)
    parser.add_argument(
        "--python", action="append", default=[], metavar="PEER=PATH", help="a peer's interpreter"
    )
    parser.add_argument("--medcat-pack", type=Path, help="a MedCAT model pack, instead of one of our terms")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--run", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--make-pack", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.make_pack:
        make_medcat_pack(wanted.home / "terms.json", wanted.make_pack)
        return 0
    if wanted.run:
        texts = json.loads((wanted.home / "texts.json").read_text(encoding="utf-8"))
        print(json.dumps(run(wanted.run, texts, wanted.home / "terms.json", wanted.medcat_pack)))
        return 0
    peers = dict(item.partition("=")[::2] for item in wanted.python)
    if unknown := sorted(set(peers) - set(READERS)):
        parser.error(f"--python: expected one of {', '.join(READERS)} before =; got {', '.join(unknown)}")
    notes = Notes.chosen(wanted)
    figures: dict[str, Any] = {"machine": machine(), "notes": notes.about(), "peers": {}}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        (home / "texts.json").write_text(json.dumps(notes.texts), encoding="utf-8")
        figures["terms"] = write_terms(home / "terms.json")
        pack = wanted.medcat_pack.resolve() if wanted.medcat_pack else None
        figures["medcat_pack"] = pack.name if pack else "of our terms, untrained"
        for name, python in {OURS: sys.executable, **peers}.items():
            try:
                figures["peers"][name] = ask(name, python, home, pack)
            except (RuntimeError, OSError) as error:
                print(f"{name}: could not be run: {error}", file=sys.stderr)
    on, read = figures["machine"], figures["notes"]
    print(table(figures["peers"]))
    print(
        f"\n{read['count']} notes of {read['mean_characters']:,} characters on average ({read['file']}, joined to "
        f"{read['joined_to_characters']}), {figures['terms']:,} terms; {on['processor']}, {on['cores']} cores, load "
        f"{on['load_at_start']} at the start; MedCAT's model {figures['medcat_pack']}."
    )
    if wanted.json:
        write(figures, wanted.json)
    return 0 if len(figures["peers"]) == 1 + len(set(peers) - {OURS}) else 1


if __name__ == "__main__":
    sys.exit(main())
