"""Procedures are held to the texts of ``corpora/regression/procedures.tsv``, behaviour by behaviour."""

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
from coder_assist.types import Note, System

PATH = Path(__file__).parents[2] / "corpora" / "regression" / "procedures.tsv"
with PATH.open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
BEHAVIOURS = {name: list(rows) for name, rows in groupby(ROWS, key=lambda row: row["behaviour"])}

Fitting = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def fitting(library: Library) -> Fitting:
    """The CPT codes that a text's words name and its cues do not contradict."""
    reader, proposer = NoteReader(library.lexicon.store), Proposer(library, {})

    def codes(text: str) -> set[str]:
        proposals, _ = proposer.propose([reader.read(Note("n", text.replace("\\n", "\n")))])
        return {
            proposal.code.value
            for proposal in proposals
            if proposal.code.system is System.CPT
            and proposal.requirement >= 0
            and not proposal.excluded
            and any(map(affirmed, proposal.candidates))
        }

    return codes


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_behaviour(behaviour: str, fitting: Fitting) -> None:
    """Every text of a behaviour gets the procedures that were done and none that its words rule out."""
    faults = []
    for row in BEHAVIOURS[behaviour]:
        got = fitting(row["text"])
        missing = sorted(set(row["expected"].split()) - got)
        surplus = sorted(set(row["not_expected"].split()) & got)
        if missing or surplus:
            faults.append(f"{row['text']} | missing {missing}, should not be {surplus}, got {sorted(got)}")
    assert not faults, f"{behaviour}\n" + "\n".join(faults)


def test_texts_are_well_formed(library: Library) -> None:
    """Each row names procedures of the catalogue; no text is asked twice; a behaviour's rows stand together."""
    assert len({row["text"] for row in ROWS}) == len(ROWS) >= 60
    assert len(BEHAVIOURS) == len({row["behaviour"] for row in ROWS})
    for row in ROWS:
        expected, unwanted = set(row["expected"].split()), set(row["not_expected"].split())
        assert expected and not expected & unwanted, row["text"]
        assert expected | unwanted <= library.lexicon.procedures.keys(), row["text"]
