"""A procedure that was not done for the encounter is withheld, and the reason says why."""

from __future__ import annotations

import pytest

from coder_assist.suggest import Coder
from coder_assist.types import Note


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("She is scheduled for colonoscopy next week.", "45378", "planned, not performed"),
        ("We will obtain an MRI of the lumbar spine.", "72148", "ordered or recommended, not performed"),
        ("I recommend an EGD for her reflux.", "43235", "ordered or recommended, not performed"),
        ("The patient declined colonoscopy.", "45378", "declined or not done"),
        ("She had a colonoscopy three years ago.", "45378", "done before this encounter"),
    ],
)
def test_reason(plain: Coder, text: str, code: str, reason: str) -> None:
    """Planned, ordered, declined and earlier procedures are told apart."""
    run = plain.suggest(Note("n", text))
    assert code not in {s.code.value for s in run.suggestions}
    assert {w.reason for w in run.withheld if w.code.value == code} == {reason}


def test_a_procedure_of_today_is_suggested(plain: Coder) -> None:
    """ "Today" outranks everything; the same words without it are only named."""
    today = plain.suggest(Note("n", "HISTORY OF PRESENT ILLNESS: Colonoscopy was done today."))
    named = plain.suggest(Note("n", "HISTORY OF PRESENT ILLNESS: The colonoscopy showed a polyp."))
    probability = {
        name: next(s.probability for s in run.suggestions if s.code.value == "45378")
        for name, run in (("today", today), ("named", named))
    }
    assert probability["today"] > 0.8
    assert probability["named"] < 0.6


def test_what_was_planned_and_then_done_is_suggested(plain: Coder) -> None:
    """The operation's title outranks the plan before it."""
    run = plain.suggest(
        Note(
            "n",
            "INDICATION: She was scheduled for colonoscopy for anemia.\nPROCEDURE: Colonoscopy to the cecum.",
        )
    )
    found = next(s for s in run.suggestions if s.code.value == "45378")
    assert found.selected
    assert [e.section.value for e in found.evidence] == ["procedure"]


def test_an_operation_before_leaves_its_status(plain: Coder) -> None:
    """An earlier nephrectomy is no procedure of today, but the kidney is gone (Z90.5)."""
    run = plain.suggest(Note("n", "HISTORY: He underwent a left radical nephrectomy two years ago."))
    assert "Z90.5" in {s.code.value for s in run.suggestions}
    assert "done before this encounter" in {w.reason for w in run.withheld}
