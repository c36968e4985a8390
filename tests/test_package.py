"""The package as others install it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]


def test_records_import_without_the_pipeline() -> None:
    """``import coder_assist`` loads neither spaCy nor scikit-learn."""
    program = (
        "import sys, coder_assist; print([m for m in ('spacy', 'sklearn', 'fastapi') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_suggesting_needs_no_scikit_learn(cache_dir: Path) -> None:
    """A note is coded without importing scikit-learn: the ranker's trees are plain arrays."""
    program = (
        "import sys; from pathlib import Path; from coder_assist import Coder, Note;"
        "from coder_assist.settings import Settings;"
        f"run = Coder.load(settings=Settings(cache_dir=Path({str(cache_dir)!r}))).suggest(Note('n', 'ASSESSMENT: Gout.'));"
        "print(run.suggestions[0].code, 'sklearn' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["M10.9", "False"]


@pytest.mark.slow
def test_wheel_holds_data_and_the_default_pack(tmp_path: Path) -> None:
    """The wheel carries the lexicon's files and the default pack where the package looks for them."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(REPO)]
    subprocess.run(build, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        f"coder_assist/codes/data/{name}.tsv" for name in ("synonyms", "abbreviations", "drugs", "cpt")
    } <= names
    assert {"coder_assist/_models/clinical-us/checksums.json", "coder_assist/py.typed"} <= names
    assert {f"coder_assist/review/migrations/{name}.py" for name in ("env", "versions/0001_first")} <= names
    assert not any(name.startswith(("tests/", "corpora/")) for name in names)
