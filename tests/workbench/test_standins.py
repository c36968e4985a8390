"""The stand-ins: they code as a corpus does, and slip at the rate that they are told to."""

from __future__ import annotations

from typing import Any

from coder_assist.types import Code, System, Verdict
from coder_assist.workbench.standins import decisions_as_coded

GOLD = [f"A{number:02d}.0" for number in range(90)]
RECORD = {"codes": [{"system": "ICD-10-CM", "code": code, "status": "required"} for code in GOLD]}


def run(*codes: str) -> dict[str, Any]:
    """Return a run that preselects these codes."""
    return {"suggestions": [{"system": "ICD-10-CM", "code": code, "selected": True} for code in codes]}


def coded(suggested: dict[str, Any], slips: float = 0.0, seed: str = "1 n") -> set[str]:
    """Return the codes that the stand-in takes or adds."""
    decisions = decisions_as_coded(suggested, RECORD, slips, seed)
    assert all(decision.code.system is System.ICD10CM for decision in decisions)
    return {decision.code.value for decision in decisions if decision.verdict is not Verdict.REJECT}


def test_without_slips_the_corpus_is_coded() -> None:
    """What was suggested is accepted or rejected, what was not is added."""
    assert coded(run("B15.9", *GOLD[:40])) == set(GOLD)
    (first, *_) = decisions_as_coded(run("B15.9"), RECORD)
    assert (first.verdict, first.code) == (Verdict.REJECT, Code(System.ICD10CM, "B15.9"))


def test_slips_are_the_same_whatever_was_suggested() -> None:
    """The same right codes are left out for the same seed, others for another, at about the rate that was asked for."""
    left = set(GOLD) - coded(run(*GOLD), 0.2)
    assert left == set(GOLD) - coded(run(), 0.2) == set(GOLD) - coded(run("B15.9", *GOLD[::3]), 0.2)
    assert 9 <= len(left) <= 28
    assert left != set(GOLD) - coded(run(*GOLD), 0.2, seed="2 n")
