"""Headings of many kinds become sections that cover the note."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_assist.text.sections import SHORT_PROCEDURE, find_sections, kind_of
from coder_assist.types import SectionKind as K


def kinds(text: str) -> list[K]:
    return [section.kind for section in find_sections(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HPI: cough.\n\nPMH:\n1. Asthma\n", [K.HISTORY_PRESENT, K.HISTORY_PAST]),
        ("Past Medical History\nAsthma\n\nMEDICATIONS\nnone", [K.HISTORY_PAST, K.MEDICATIONS]),
        ("Impression: gout\nPlan: rest", [K.ASSESSMENT, K.PLAN]),
        ("IMPRESSION AND PLAN:\n gout", [K.ASSESSMENT]),
        ("S: cough\nO: rales\nA: gout\nP: rest", [K.HISTORY_PRESENT, K.EXAMINATION, K.ASSESSMENT, K.PLAN]),
        ("PREOPERATIVE DIAGNOSIS: a\nPOSTOPERATIVE DIAGNOSIS: b", [K.DIAGNOSIS_PRE, K.DIAGNOSIS_POST]),
        ("ADMISSION DIAGNOSIS: a\nDISCHARGE DIAGNOSIS: b", [K.DIAGNOSIS_ADMISSION, K.DIAGNOSIS_DISCHARGE]),
        ("REASON FOR VISIT - cough", [K.CHIEF_COMPLAINT]),
        ("PAST MEDICAL HISTORY,1. Asthma", [K.HISTORY_PAST]),
        ("FAMILY HISTORY: gout\nSOCIAL HISTORY: smokes", [K.HISTORY_FAMILY, K.HISTORY_SOCIAL]),
        ("DISCHARGE INSTRUCTIONS: rest", [K.INSTRUCTIONS]),
        ("BRIEF SUMMARY OF HOSPITAL COURSE: well", [K.COURSE]),
        ("PROCEDURE,Colonoscopy.\nFINDINGS,Normal.", [K.PROCEDURE, K.FINDINGS]),
        ("HOSPITAL COURSE: a\nOPERATIONS: b", [K.COURSE, K.PROCEDURE]),
        ("SURGERIES: a\nED COURSE: b", [K.HISTORY_SURGICAL, K.COURSE]),
        ("PREOPERATIVE DX: a\nPRINCIPAL PROCEDURE: b", [K.DIAGNOSIS_PRE, K.PROCEDURE]),
    ],
)
def test_headings(text, expected):
    """A known title at the start of a line heads a section: with a colon, a dash, a list, or alone."""
    assert kinds(text) == expected


@pytest.mark.parametrize("number", ["1. ", "2) ", "II. ", "- ", "* ", "• "])
def test_numbered_headings(number):
    """A number or a bullet before the title does not hide it."""
    sections = find_sections(f"{number}PAST MEDICAL HISTORY: gout")
    assert (sections[-1].kind, sections[-1].title) == (K.HISTORY_PAST, "PAST MEDICAL HISTORY")


def test_headings_within_a_line():
    """Dictation without line breaks: a known title in capitals behind a full stop is a heading."""
    text = "He is well. DAILY. ALLERGIES: none. FAMILY HISTORY: gout"
    sections = find_sections(text)
    assert [section.kind for section in sections] == [K.OTHER, K.ALLERGIES, K.HISTORY_FAMILY]
    assert text[sections[1].body : sections[1].span.end] == " none. "


@pytest.mark.parametrize(
    "text", ["no headings here at all", "The patient: has gout", "He said: assessment of gout", "a", "\n\n\n"]
)
def test_no_heading(text):
    """What is no heading stays in one section without a title."""
    sections = find_sections(text)
    assert [(section.kind, section.title) for section in sections] == [(K.OTHER, "")]


def test_nothing_gives_a_section_of_nothing():
    """Even an empty text has its one section."""
    assert [(section.kind, len(section.span)) for section in find_sections("")] == [(K.OTHER, 0)]


def test_body_systems_keep_the_section_around_them():
    """ "HEENT:" is part of the examination or of the review of systems, whichever it stands in."""
    assert kinds("ROS:\nHEENT: well\nGI: well\nEXAM:\nHEENT: clear\n") == [
        K.REVIEW_OF_SYSTEMS, K.REVIEW_OF_SYSTEMS, K.REVIEW_OF_SYSTEMS, K.EXAMINATION, K.EXAMINATION,
    ]  # fmt: skip
    assert kinds("HEENT: clear") == [K.EXAMINATION]


def test_unknown_title_in_capitals_is_a_section():
    """An unknown heading ends the section before it; within an assessment it belongs to it."""
    assert kinds("HPI: cough\nFOO BAR BAZ: something") == [K.HISTORY_PRESENT, K.OTHER]
    assert kinds("ASSESSMENT: gout\nFOO BAR BAZ: something") == [K.ASSESSMENT, K.ASSESSMENT]


def test_procedure_heads_a_title_or_a_report():
    """ "PROCEDURE:" before a line is the procedure's name, before a page it is the report."""
    assert kinds("PROCEDURE: Appendectomy") == [K.PROCEDURE]
    assert kinds("PROCEDURE: " + "cut " * SHORT_PROCEDURE) == [K.PROCEDURE_BODY]


@pytest.mark.parametrize(
    ("title", "capitals", "kind"),
    [
        ("Past medical history", False, K.HISTORY_PAST),
        ("PAST  MEDICAL\tHISTORY", True, K.HISTORY_PAST),
        ("SIGNIFICANT FAMILY MEDICAL HISTORY", True, K.HISTORY_FAMILY),
        ("Findings that we saw in the operating room", False, None),
        ("Weather", True, None),
    ],
)
def test_kind_of(title, capitals, kind):
    """Titles are looked up whole, then by their telling words; long titles in small letters are prose."""
    assert kind_of(title, capitals) is kind


@given(st.text(alphabet="aA :.\n\r-1HPIMDS😀é", max_size=120))
def test_sections_cover_the_text(text):
    """Sections follow each other without gap or overlap, from the first character to the last."""
    sections = find_sections(text)
    assert sections[0].span.start == 0
    assert sections[-1].span.end == len(text)
    for one, other in pairwise(sections):
        assert one.span.end == other.span.start
    assert all(section.span.start <= section.body <= section.span.end for section in sections)


def test_the_exam_of_a_study_is_its_title():
    """ "EXAM:" above findings and impression names the study; in a visit's note it is the examination."""
    study = "EXAM: MRI of the left knee.\nCLINICAL: Pain.\nFINDINGS: Torn.\nIMPRESSION: Tear."
    assert kinds(study)[0] is K.PROCEDURE
    assert (
        kinds("HPI: pain.\nROS: none.\nEXAM: Tender knee.\nIMPRESSION: Tear.\nPLAN: rest")[2] is K.EXAMINATION
    )


def test_a_comma_heads_only_known_titles_in_capitals():
    """A sentence with a comma is no heading."""
    assert kinds("Procedure,colonoscopy and more. MEDICATIONS,which he takes") == [K.OTHER, K.MEDICATIONS]
    assert kinds("PAIN,worse at night") == [K.OTHER]
