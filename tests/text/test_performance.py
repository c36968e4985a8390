"""Whether a procedure was done is held to ``corpora/regression/performance.tsv``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from coder_assist.codes import Library
from coder_assist.text import NoteReader
from coder_assist.text.performance import Performance
from coder_assist.types import Note

PHRASES = Path(__file__).parents[2] / "corpora" / "regression" / "performance.tsv"


def _rows() -> list[dict[str, str]]:
    with PHRASES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = _rows()


@pytest.fixture(scope="module")
def reader(library: Library) -> NoteReader:
    return NoteReader(library.lexicon.store)


def read(reader: NoteReader, row: dict[str, str]) -> set[str]:
    """Return what the note says of the procedures at the row's mention."""
    start = row["text"].lower().index(row["mention"].lower())
    end = start + len(row["mention"])
    mentions = reader.read(Note("n", row["text"])).mentions
    at = [m for m in mentions if m.span.start < end and start < m.span.end and m.kind.value != "drug"]
    return {m.attributes.get("performance", "") for m in at if m.source not in ("phrase", "learned")}


@pytest.mark.parametrize("row", [r for r in ROWS if not r["known"]], ids=lambda row: row["text"][:60])
def test_phrase(row, reader):
    """The phrase nearest to a procedure, or its section, says whether it was done."""
    assert row["expected"] in read(reader, row)


@pytest.mark.parametrize("row", [r for r in ROWS if r["known"]], ids=lambda row: row["text"][:60])
@pytest.mark.xfail(strict=True, reason="open: see the column `known`")
def test_open_phrase(row, reader):
    """An open phrase fails; once it passes, its mark goes."""
    assert read(reader, row) == {row["expected"]}


def test_rows_are_well_formed():
    """Each row expects a performance or none, at words that stand in its text; no text is asked twice."""
    assert len({row["text"] for row in ROWS}) == len(ROWS) >= 50
    for row in ROWS:
        assert row["expected"] in {"", *Performance}
        assert row["mention"].lower() in row["text"].lower()


def test_a_condition_has_no_performance(reader):
    """Only what names a procedure was done or not."""
    for mention in reader.read(Note("n", "Will obtain the records. Recommend rest for pneumonia.")).mentions:
        assert "performance" not in mention.attributes
