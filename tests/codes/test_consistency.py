"""The data files contradict neither themselves nor each other, but for what is explained."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from coder_assist.codes import consistency
from coder_assist.codes.consistency import conflicts, counts, stale_explanations
from coder_assist.codes.sources import data_file


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A copy of the packaged files to add rows to."""
    shutil.copytree(data_file("synonyms.tsv").parent, tmp_path / "data")
    monkeypatch.setattr(consistency, "data_file", lambda name: tmp_path / "data" / name)

    def add(name: str, row: str) -> None:
        with (tmp_path / "data" / name).open("a", encoding="utf-8") as file:
            file.write(row + "\n")

    return add


def test_every_file_is_counted() -> None:
    """Every data file but the explanations is counted, and no row repeats another."""
    files = {path.name for path in data_file("synonyms.tsv").parent.glob("*.tsv")}
    known = counts()
    assert {file.name for file in known} >= files - {"explained.tsv", "integral.tsv"}
    assert {file.name: file.duplicates for file in known if file.duplicates} == {}
    assert all(file.rows > 50 for file in known)


def test_no_conflict_is_unexplained() -> None:
    """Each conflict has a reason, and each reason a conflict."""
    assert [conflict for conflict in conflicts() if not conflict.why] == []
    assert stale_explanations() == []


@pytest.mark.parametrize(
    ("name", "row", "check"),
    [
        ("synonyms.tsv", "fever, enteric\tICD-10-CM\tJ18.9\tlay", "synonym"),
        ("abbreviations.tsv", "XQZ\tpneumonia\tICD-10-CM\tI10\tonly\tany\t", "abbreviation and synonym"),
        (
            "abbreviations.tsv",
            "COPD\tanother\tICD-10-CM\tI10\tonly\tany\t",
            "abbreviation with two first senses",
        ),
        ("drugs.tsv", "another metformin\tmetformin\t\tZ79.4", "drug status"),
        ("combinations.tsv", "I10 + I50\tI11.9\tI10\tmade up", "combination"),
        ("combinations.tsv", "I10 + Z99\tI10\tI10\tmade up", "combination that replaces itself"),
        ("histories.tsv", "C50\tZ85.9\tmade up", "history"),
        ("relatives.tsv", "C50\tZ80.9\tmade up", "relative"),
        ("companions.tsv", "55250\tZ23\tmade up", "companion"),
        ("pcs_procedures.tsv", "0DTJ.ZZ\tnamed\tcholecystectomy", "inpatient operation"),
        ("pcs_parts.tsv", "0F\t9\t\t\t\tgallbladder", "inpatient part of the body"),
    ],
)
def test_a_contradiction_is_found(data: Callable[[str, str], None], name: str, row: str, check: str) -> None:
    """A row that contradicts another is a conflict, unexplained."""
    data(name, row)
    assert [conflict.check for conflict in conflicts() if not conflict.why] == [check]


def test_an_explained_conflict_is_told_from_others(data: Callable[[str, str], None]) -> None:
    """An explanation takes a conflict off the list; one without a conflict is named."""
    data("histories.tsv", "C50\tZ85.9\tmade up")
    data("explained.tsv", "history\tC50\tfor this test")
    assert [conflict.why for conflict in conflicts() if conflict.check == "history"] == ["for this test"]
    data("explained.tsv", "history\tC51\tno such conflict")
    assert stale_explanations() == ["history: C51"]


def test_a_repeated_row_is_counted(data: Callable[[str, str], None]) -> None:
    """The same words for the same code, in another order, are a repeated row."""
    data("synonyms.tsv", "fever, enteric\tICD-10-CM\tA01.00\tclinical")
    assert {file.name: file.duplicates for file in counts() if file.duplicates} == {"synonyms.tsv": 1}


def test_refining_is_no_conflict(data: Callable[[str, str], None]) -> None:
    """A node and a code below it agree: the walk starts at the deeper."""
    data("synonyms.tsv", "fever, enteric\tICD-10-CM\tA01.0\tclinical")
    assert [conflict for conflict in conflicts() if not conflict.why] == []
