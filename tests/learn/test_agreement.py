"""Two codings of the same notes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coder_assist.cli import app
from coder_assist.errors import InputError
from coder_assist.learn.agreement import agreement

TEXT = "Gout. Knee pain. Cough."


def coding(path: Path, notes: dict[str, list[tuple[str, str]]], text: str = TEXT) -> Path:
    """Write a coding: for each note its codes with "primary", "required" or "optional"."""
    lines = [
        {
            "id": id,
            "text": text,
            "codes": [
                {
                    "system": "ICD-10-CM",
                    "code": code,
                    "status": "optional" if status == "optional" else "required",
                    "primary": status == "primary",
                    "evidence": [{"start": 0, "end": 4}],
                }
                for code, status in codes
            ],
        }
        for id, codes in notes.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_second_is_scored_by_the_first(tmp_path: Path) -> None:
    """Only notes that both have count, and a code that the first calls optional counts neither way."""
    first = coding(
        tmp_path / "a.jsonl",
        {
            "n1": [("M10.9", "primary"), ("M25.569", "required"), ("R05.9", "optional")],
            "n2": [("R05.9", "primary")],
            "n3": [("M10.9", "primary")],
        },
    )
    second = coding(
        tmp_path / "b.jsonl",
        {
            "n1": [("M10.9", "primary"), ("R05.9", "required")],
            "n2": [("M10.9", "primary"), ("R05.9", "required")],
        },
    )
    scores = agreement(first, second).scores["ICD-10-CM"]
    assert (scores.notes, scores.required, scores.selected) == (2, 3, 3)
    assert scores.precision == scores.recall == scores.f1 == pytest.approx(2 / 3, abs=1e-4)
    assert scores.first_listed == 0.5


def test_a_coding_agrees_with_itself_on_the_command_line(tmp_path: Path) -> None:
    """The table shows each system with its figures."""
    one = coding(tmp_path / "a.jsonl", {"n1": [("M10.9", "primary")], "n2": []})
    said = CliRunner().invoke(app, ["corpus", "agreement", str(one), str(one)], env={"COLUMNS": "160"})
    assert said.exit_code == 0
    cells = said.output.split()
    assert cells[cells.index("ICD-10-CM") :] == "ICD-10-CM 2 1 1 1.000 1.000 1.000 1.000-1.000 1.000".split()


def test_other_notes_or_texts_are_refused(tmp_path: Path) -> None:
    """Codings of different notes, or of different texts under one id, cannot be compared; no text is shown."""
    one = coding(tmp_path / "a.jsonl", {"n1": [("M10.9", "primary")]})
    with pytest.raises(InputError, match="must have notes in common"):
        agreement(one, coding(tmp_path / "b.jsonl", {"n2": []}))
    with pytest.raises(InputError, match=r"note 'n1'.* they differ") as refused:
        agreement(one, coding(tmp_path / "c.jsonl", {"n1": []}, "Gouty arthritis."))
    assert "Gout" not in str(refused.value)
