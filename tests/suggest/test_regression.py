"""Proposals are held to the texts of ``corpora/regression``, behaviour by behaviour."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from coder_assist.codes import Library
from coder_assist.suggest.features import affirmed
from coder_assist.suggest.proposals import Proposer
from coder_assist.text import NoteReader
from coder_assist.types import Note, Setting, System

ROOT = Path(__file__).parents[2]


FILES = ("codes.tsv", "combinations.tsv")


def _rows() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for name in FILES:
        with (ROOT / "corpora" / "regression" / name).open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return rows


ROWS = _rows()
BEHAVIOURS = {name: list(rows) for name, rows in groupby(ROWS, key=lambda row: row["behaviour"])}
OPEN = [row for row in ROWS if row["known"] == "open"]

FirstChoices = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def first_choices(library: Library) -> FirstChoices:
    """The ICD-10-CM codes that are first choices for a text: affirmed, no alternative, not redundant."""
    lines = (ROOT / "models" / "clinical-us" / "priors.tsv").read_text(encoding="utf-8").splitlines()[1:]
    priors = {code: int(charts) for code, charts in (line.split("\t") for line in lines)}
    reader, proposer = NoteReader(library.lexicon.store), Proposer(library, priors)

    def codes(text: str) -> set[str]:
        proposals, _ = proposer.propose([reader.read(Note("n", text.replace("\\n", "\n")))])
        return {
            proposal.code.value
            for proposal in proposals
            if proposal.code.system is System.ICD10CM
            and proposal.alternative_rank == 0
            and not proposal.displaced_by
            and any(map(affirmed, proposal.candidates))
        }

    return codes


def wrong(row: dict[str, str], got: set[str]) -> str:
    """Return what is wrong with the codes of a row; empty if nothing is."""
    missing = sorted(set(row["expected"].split()) - got)
    surplus = sorted(set(row["not_expected"].split()) & got)
    if not missing and not surplus:
        return ""
    return f"{row['text']} | missing {missing}, should not be {surplus}, got {sorted(got)}"


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_behaviour(behaviour, first_choices, record_property):
    """Every text of a behaviour gets the codes it supports and none beyond, but for those known to be open."""
    rows = BEHAVIOURS[behaviour]
    found = [(row, wrong(row, first_choices(row["text"]))) for row in rows]
    record_property("pass_rate", f"{sum(not fault for _, fault in found)}/{len(rows)}")
    faults = [fault for row, fault in found if fault and row["known"] != "open"]
    assert not faults, f"{behaviour}\n" + "\n".join(faults)


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row["text"][:60])
@pytest.mark.xfail(strict=True, reason="open: see the column `known`")
def test_open_text(row, first_choices):
    """An open text fails; once it passes, its mark goes."""
    assert not wrong(row, first_choices(row["text"]))


def test_texts_are_well_formed(library):
    """Each row names billable codes and a setting; no text is asked twice; a behaviour's rows stand together."""
    assert len({row["text"] for row in ROWS}) == len(ROWS) >= 300
    assert len(BEHAVIOURS) == len({row["behaviour"] for row in ROWS})
    for row in ROWS:
        assert row["expected"] and row["known"] in ("", "open") and Setting(row["setting"])
        expected, unwanted = set(row["expected"].split()), set(row["not_expected"].split())
        assert not expected & unwanted, row["text"]
        for value in expected | unwanted:
            assert library.icd.entry(value).billable, f"{value} in {row['text']}"


def test_few_texts_are_open():
    """At least 92 % of the texts pass."""
    assert len(OPEN) <= 0.08 * len(ROWS)
