"""Addenda outrank what they correct, and copies weigh once."""

from __future__ import annotations

import pytest

from coder_assist.suggest import Coder
from coder_assist.types import Encounter, Note, Run, Span, Suggestion


def by_code(run: Run) -> dict[str, Suggestion]:
    return {s.code.value: s for s in run.suggestions}


@pytest.mark.parametrize(
    "addendum",
    [
        "ADDENDUM: Correction: LEFT knee, not right.",
        "Addendum: the knee should read left.",
        "CORRECTION: It was not the right but the left knee.",
        "LATE ADDENDUM 3/4: pain of the left rather than the right knee.",
    ],
)
def test_a_corrected_side_outranks_the_body(plain: Coder, addendum: str) -> None:
    """The code takes the addendum's side; the body's side is lowered, and both say why."""
    found = by_code(plain.suggest(Note("n", f"ASSESSMENT: Right knee pain.\n\n{addendum}")))
    assert found["M25.562"].selected
    assert "left, not right, by an addendum" in found["M25.562"].reasons
    assert not found["M25.561"].selected
    assert found["M25.561"].probability < 0.5 * found["M25.562"].probability
    assert "lowered: an addendum corrects right to left" in found["M25.561"].reasons


def test_a_side_is_corrected_for_the_part_that_is_named(plain: Coder) -> None:
    """A correction about the knee leaves the shoulder as it is."""
    text = "ASSESSMENT: Right knee pain. Right shoulder pain.\n\nADDENDUM: LEFT knee, not right knee."
    found = by_code(plain.suggest(Note("n", text)))
    assert found["M25.562"].selected
    assert found["M25.511"].selected


def test_a_note_of_its_own_may_be_the_addendum(plain: Coder) -> None:
    """An addendum that is another note of the encounter corrects it too, whichever comes first."""
    body = Note("a", "ASSESSMENT: Right knee pain.")
    addendum = Note("b", "The side should read left, not right.", title="Addendum")
    for notes in ((body, addendum), (addendum, body)):
        found = by_code(plain.suggest(Encounter("e", notes)))
        assert found["M25.562"].selected
        assert not found["M25.561"].selected


def test_a_denied_diagnosis_is_lowered(plain: Coder) -> None:
    """What an addendum denies is no longer preselected; what it states instead is."""
    text = (
        "ASSESSMENT: Squamous cell carcinoma of the skin of the nose. Hypertension.\n"
        "ADDENDUM: Pathology shows basal cell carcinoma of the skin of the nose, not squamous cell carcinoma."
    )
    found = by_code(plain.suggest(Note("n", text)))
    assert not found["C44.321"].selected
    assert "lowered: an addendum denies it" in found["C44.321"].reasons
    assert found["C44.311"].selected
    assert found["I10"].selected


def test_sides_outside_of_an_addendum_correct_nothing(plain: Coder) -> None:
    """ "Left, not right" in the history is history."""
    found = by_code(
        plain.suggest(
            Note("n", "HISTORY: Pain of the left, not the right knee.\nASSESSMENT: Right hip pain.")
        )
    )
    assert found["M25.551"].selected
    assert not any("addendum" in reason for s in found.values() for reason in s.reasons)


PROBLEMS = "PROBLEM LIST:\n1. Gout\n2. Migraine\n3. Psoriasis of the scalp\n"


def test_a_list_that_is_copied_from_note_to_note_weighs_once(plain: Coder) -> None:
    """Three copies give three pieces of evidence, and the probability of one."""
    once = plain.suggest(
        Encounter("e", (Note("a", PROBLEMS), Note("b", "He slept well."), Note("c", "No news.")))
    )
    thrice = plain.suggest(
        Encounter(
            "e",
            (Note("a", PROBLEMS), Note("b", PROBLEMS + "He slept well."), Note("c", PROBLEMS + "No news.")),
        )
    )
    gout, copied = (by_code(run)["M10.9"] for run in (once, thrice))
    assert [e.note_id for e in copied.evidence] == ["a", "b", "c"]
    assert "mentioned 3 times" not in copied.reasons
    assert copied.probability == pytest.approx(gout.probability, abs=0.02)


def test_a_phrase_of_a_copy_gets_its_suggestions(plain: Coder) -> None:
    """What weighs nothing may still be selected: the copy shows the same code."""
    encounter = Encounter("e", (Note("a", PROBLEMS), Note("b", PROBLEMS)))
    start = PROBLEMS.index("Gout")
    found = plain.suggest_phrase(encounter, "b", Span(start, start + 4))
    assert found[0].code.value == "M10.9"
    assert [e.note_id for e in found[0].evidence] == ["b"]


def test_a_list_under_a_heading_that_says_copied_weighs_once(plain: Coder) -> None:
    """What stands only below such a heading counts once; beside another mention it does not count."""
    text = "ASSESSMENT: Gout.\nPROBLEM LIST (COPIED):\n1. Gout\n2. Gout\n3. Gout\n"
    found = by_code(plain.suggest(Note("n", text)))["M10.9"]
    assert len(found.evidence) == 4
    assert not any("mentioned" in reason for reason in found.reasons)


def test_the_same_diagnosis_before_and_after_is_no_copy(plain: Coder) -> None:
    """Pre- and postoperative diagnosis may be the same words; both count."""
    lines = "Acute cholecystitis with cholelithiasis and obstruction"
    text = f"PREOPERATIVE DIAGNOSIS: {lines}\nPOSTOPERATIVE DIAGNOSIS: {lines}\n"
    assert "stands in the diagnosis list" in plain.suggest(Note("n", text)).suggestions[0].reasons
