"""The codes of an encounter as a claim would carry them: diagnoses with letters, procedures that point to them."""

from __future__ import annotations

import csv
import io
from typing import Any

from coder_assist.api import answers
from coder_assist.codes import Library
from coder_assist.review.records import Desk
from coder_assist.types import System

# A professional claim has room for twelve diagnoses, and a line points to at most four of them.
_LETTERS = "ABCDEFGHIJKL"
_MOST_POINTERS = 4


def claim_of(desk: Desk, library: Library) -> dict[str, Any]:
    """Return the claim view of the codes that stand on a desk.

    Until a coder says otherwise each procedure points to the first diagnoses.
    """
    standing = sorted(desk.codes, key=lambda code: code.sequence)
    diagnoses = [
        {**_line(answers.final_code(code, library)), "pointer": letter}
        for letter, code in zip(
            _LETTERS, (code for code in standing if code.code.system is System.ICD10CM), strict=False
        )
    ]
    letters = [str(diagnosis["pointer"]) for diagnosis in diagnoses[:_MOST_POINTERS]]
    procedures = [
        {
            **_line(answers.final_code(code, library)),
            "modifiers": list(code.modifiers),
            "units": code.units,
            "pointers": letters,
        }
        for code in standing
        if code.code.system is not System.ICD10CM
    ]
    encounter = desk.encounter
    return {
        "encounter": encounter.id,
        "state": desk.summary.state,
        "setting": encounter.setting,
        "claim": encounter.claim,
        "service_date": encounter.service_date,
        "version": desk.version,
        "diagnoses": diagnoses,
        "procedures": procedures,
    }


def _line(code: dict[str, Any]) -> dict[str, Any]:
    return {name: code[name] for name in ("system", "code", "title", "sequence")}


_COLUMNS = (
    "encounter",
    "service_date",
    "kind",
    "sequence",
    "system",
    "code",
    "modifiers",
    "units",
    "pointers",
)


def as_csv(claim: dict[str, Any]) -> str:
    """Return a claim view as a table, a line for each code."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(_COLUMNS)
    day = claim["service_date"].isoformat() if claim["service_date"] else ""
    for kind, lines in (("diagnosis", claim["diagnoses"]), ("procedure", claim["procedures"])):
        for line in lines:
            table.writerow(
                [
                    claim["encounter"],
                    day,
                    kind,
                    line["sequence"],
                    line["system"],
                    line["code"],
                    " ".join(line.get("modifiers", ())),
                    line.get("units", ""),
                    " ".join(line.get("pointers", [line.get("pointer")])),
                ]
            )
    return written.getvalue()
