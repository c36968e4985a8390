"""The corridor end to end: what a coder would see for short notes."""

from __future__ import annotations

from datetime import date

import pytest

from coder_assist.errors import NoteError
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import run_record
from coder_assist.types import Claim, Encounter, Note, Run, Setting

NOTE = """CHIEF COMPLAINT: Cough.
PAST MEDICAL HISTORY: Hypertension, type 2 diabetes.
FAMILY HISTORY: Mother had breast cancer.
REVIEW OF SYSTEMS: Denies chest pain. No fever.
ASSESSMENT:
1. COPD exacerbation.
2. Hypertension.
"""


def codes(run: Run) -> list[str]:
    return [suggestion.code.value for suggestion in run.suggestions]


def selected(run: Run) -> set[str]:
    return {suggestion.code.value for suggestion in run.suggestions if suggestion.selected}


def test_finds_the_assessed_conditions(coder: Coder) -> None:
    """What the assessment lists is preselected."""
    assert {"J44.1", "I10"} <= selected(coder.suggest(Note("n", NOTE)))


def test_evidence_is_verbatim_and_short(coder: Coder) -> None:
    """Each piece of evidence is a phrase of the note, cut out by its offsets."""
    run = coder.suggest(Note("n", NOTE))
    assert run.suggestions
    for suggestion in run.suggestions:
        assert suggestion.evidence
        for evidence in suggestion.evidence:
            assert evidence.text == NOTE[evidence.span.start : evidence.span.end]
            assert 0 < len(evidence.text) <= 200


def test_family_and_denied_mentions_are_withheld_with_the_reason(coder: Coder) -> None:
    """A relative's cancer and a denied symptom are in withheld, with why, and not suggested."""
    run = coder.suggest(Note("n", NOTE))
    reasons = {item.code.value: item.reason for item in run.withheld}
    assert reasons["R07.9"] == "negated"
    assert not {"R07.9", "R50.9", "C50.919"} & set(codes(run))
    assert any(item.reason == "family history" for item in run.withheld)


def test_ruled_out_is_named(coder: Coder) -> None:
    """A condition that was ruled out is withheld as ruled out."""
    run = coder.suggest(Note("n", "ASSESSMENT: Chest pain. Pulmonary embolism was ruled out."))
    assert {item.code.value: item.reason for item in run.withheld}["I26.99"] == "ruled out"


@pytest.mark.parametrize(
    ("setting", "claim", "may_select"),
    [
        (Setting.OUTPATIENT, None, False),
        (Setting.INPATIENT, Claim.PROFESSIONAL, False),
        (Setting.INPATIENT, Claim.FACILITY, True),
    ],
)
def test_uncertain_diagnoses_follow_the_claim(
    coder: Coder, setting: Setting, claim: Claim | None, may_select: bool
) -> None:
    """Guideline IV.H: probable pneumonia is not preselected outside of a facility's inpatient claim (II.H)."""
    note = Note("n", "DISCHARGE DIAGNOSIS:\n1. Probable pneumonia.\n2. Dehydration.\n")
    run = coder.suggest(Encounter("n", (note,), setting, claim))
    pneumonia = next(s for s in run.suggestions if s.code.value == "J18.9")
    if not may_select:
        assert not pneumonia.selected
        assert any("IV.H" in reason for reason in pneumonia.reasons)
    else:
        assert not any("IV.H" in reason for reason in pneumonia.reasons)


def test_silent_side_gives_the_unspecified_code_and_its_siblings(coder: Coder) -> None:
    """Knee pain without a side is unspecified; both sides are alternatives."""
    run = coder.suggest(Note("n", "ASSESSMENT: Knee pain."))
    found = next(s for s in run.suggestions if s.code.value == "M25.569")
    assert {"M25.561", "M25.562"} <= {code.value for code in found.alternatives}


def test_stated_side_is_taken(coder: Coder) -> None:
    """A stated side is walked to, wherever fuzzy matching would put it."""
    assert codes(coder.suggest(Note("n", "ASSESSMENT: Left knee pain.")))[0] == "M25.562"


def test_combination_stands_for_its_parts(coder: Coder) -> None:
    """Hypertension with heart failure is I11.0 (guideline I.C.9.a.1)."""
    run = coder.suggest(Note("n", "ASSESSMENT:\n1. Congestive heart failure.\n2. Hypertension.\n"))
    assert "I11.0" in codes(run)[:3]


def test_same_condition_in_three_notes_is_one_suggestion(coder: Coder) -> None:
    """An encounter of three notes that say the same has one suggestion with evidence in all three."""
    notes = tuple(Note(f"n{i}", "ASSESSMENT: Gout.") for i in range(3))
    run = coder.suggest(Encounter("e", notes))
    gout = [s for s in run.suggestions if s.code.value == "M10.9"]
    assert len(gout) == 1
    assert {evidence.note_id for evidence in gout[0].evidence} == {"n0", "n1", "n2"}


def test_first_listed_is_the_reason_and_not_a_status(coder: Coder) -> None:
    """The first item of the diagnosis list is sequenced first, apart from probability."""
    run = coder.suggest(Note("n", "POSTOPERATIVE DIAGNOSIS:\n1. Acute appendicitis.\n2. Hypertension.\n"))
    first = next(s for s in run.suggestions if s.sequence == 1 and s.code.system == "ICD-10-CM")
    assert first.code.value.startswith("K35")


def test_date_that_no_edition_covers_is_said(coder: Coder) -> None:
    """A date of service outside of every installed edition is a notice of the run."""
    note = Note("n", "ASSESSMENT: Gout.")
    covered = coder.suggest(Encounter("n", (note,), service_date=date(2026, 5, 1)))
    late = coder.suggest(Encounter("n", (note,), service_date=date(2026, 11, 1)))
    assert covered.notices == ()
    assert "2026-11-01" in late.notices[0]


def test_run_is_the_same_bytes_every_time(coder: Coder) -> None:
    """The same note gives the same record, alone, again, or between others."""
    alone = run_record(coder.suggest(Note("n", NOTE)))
    runs = list(coder.pipe([Note("a", "Gout."), Note("n", NOTE), Note("b", "Fever.")]))
    assert run_record(runs[1]) == alone


@pytest.mark.parametrize("text", ["", "   \n\t "])
def test_empty_note_is_refused_by_id(coder: Coder, text: str) -> None:
    """An empty note is an error that names the note."""
    with pytest.raises(NoteError, match="'n' is empty"):
        coder.suggest(Note("n", text))


def test_too_long_note_is_refused_without_its_text(coder: Coder) -> None:
    """A note beyond the limit is an error with the count, never the text."""
    with pytest.raises(NoteError, match="has 300,000 characters; expected at most 200,000") as caught:
        coder.suggest(Note("n", ("secret " * 42858)[:300_000]))
    assert "secret" not in str(caught.value)


def test_emoji_and_combining_characters_keep_offsets(coder: Coder) -> None:
    """Offsets are code points of the original text, whatever stands before."""
    text = "👩‍⚕️ Cafe\u0301 visit. İ ASSESSMENT: gout."
    gout = next(s for s in coder.suggest(Note("n", text)).suggestions if s.code.value == "M10.9")
    span = gout.evidence[0].span
    assert text[span.start : span.end] == "gout"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("ASSESSMENT: Hyperlipidemia. Annual physical examination.", "Z00"),  # may only be first
        (
            "ASSESSMENT: Screening colonoscopy. Hypertension.",
            "Z12",
        ),  # the reason for the visit, as it is listed
        ("ASSESSMENT: History of breast cancer. Hypertension.", "I10"),  # a history follows
    ],
)
def test_some_codes_stand_first_by_their_nature(coder: Coder, text: str, first: str) -> None:
    """Guideline I.C.21.c.16 and c.3: some Z codes may only be first, statuses follow, others keep the note's order."""
    run = coder.suggest(Note("n", text))
    assert next(s.code.value for s in run.suggestions if s.sequence == 1).startswith(first)
