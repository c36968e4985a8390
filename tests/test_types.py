"""The records refuse what may never be."""

from __future__ import annotations

import pytest

from coder_assist.types import (
    Claim,
    Code,
    Encounter,
    Evidence,
    Note,
    SectionKind,
    Setting,
    Span,
    Suggestion,
    System,
)


@pytest.mark.parametrize(
    ("system", "typed", "written"),
    [
        ("ICD-10-CM", " e119 ", "E11.9"),
        ("ICD-10-CM", "I10", "I10"),
        ("ICD-10-CM", "s52501a", "S52.501A"),
        ("CPT", "0001u", "0001U"),
        ("HCPCS", "g0105", "G0105"),
        ("ICD-10-PCS", "0dtj4zz", "0DTJ4ZZ"),
    ],
)
def test_codes_have_one_written_form(system: str, typed: str, written: str) -> None:
    """Case, blanks and the dot are normalised at the edge."""
    assert Code.parse(system, typed).value == written


@pytest.mark.parametrize(
    ("system", "typed"), [("ICD-10-CM", "hello"), ("CPT", "123"), ("ICD-9", "250.00"), ("HCPCS", "")]
)
def test_what_is_no_code_is_refused(system: str, typed: str) -> None:
    """A value in no system's form is an error that shows what came."""
    with pytest.raises(ValueError, match="got"):
        Code.parse(system, typed)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2)])
def test_spans_are_ordered(start: int, end: int) -> None:
    """A span never starts before the text or after its end."""
    with pytest.raises(ValueError, match="0 <= start <= end"):
        Span(start, end)


def test_touching_spans_do_not_overlap() -> None:
    """Half-open spans that only touch share no character."""
    assert not Span(0, 3).overlaps(Span(3, 5))
    assert Span(0, 4).overlaps(Span(3, 5))


def test_suggestion_needs_evidence_and_a_probability() -> None:
    """Without evidence, or with a probability outside [0, 1], a suggestion does not exist."""
    code = Code(System.ICD10CM, "I10")
    evidence = (Evidence("n", Span(0, 3), "HTN", SectionKind.ASSESSMENT),)
    with pytest.raises(ValueError, match="no evidence"):
        Suggestion(code, "t", 0.5, True, 1, ())
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        Suggestion(code, "t", 1.5, True, 1, evidence)


@pytest.mark.parametrize(
    ("setting", "claim", "established"),
    [
        (Setting.OUTPATIENT, None, False),
        (Setting.OUTPATIENT, Claim.FACILITY, False),
        (Setting.INPATIENT, None, True),
        (Setting.INPATIENT, Claim.FACILITY, True),
        (Setting.INPATIENT, Claim.PROFESSIONAL, False),
    ],
)
def test_uncertain_diagnoses_by_setting_and_claim(
    setting: Setting, claim: Claim | None, established: bool
) -> None:
    """Guidelines II.H and IV.H: only a facility's inpatient claim codes the probable as established."""
    assert Encounter("e", (Note("n", "x"),), setting, claim).uncertain_as_established is established
