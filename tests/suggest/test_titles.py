"""Titles of operations and studies: where they stand, and what their words hold."""

from __future__ import annotations

import pytest

from coder_assist.suggest import Coder
from coder_assist.suggest.titles import titles_of
from coder_assist.types import Code, Encounter, Note, SectionKind, System


def offered(coder: Coder, text: str) -> list[str]:
    """Return the CPT codes proposed for the title lines of a note."""
    encounter = Encounter.of(Note("n", text))
    proposals, _ = coder.propose(encounter, coder.read_all(encounter), None)
    return [
        proposal.code.value
        for proposal in proposals
        if proposal.code.system is System.CPT
        and any(c.mention.section is SectionKind.PROCEDURE for c in proposal.candidates)
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("PROCEDURE:\nInsertion of a right subclavian vein triple-lumen catheter.\n", "36556"),
        ("PROCEDURE:\nPosterior spine fusion, L4 to S1.\n", "22612"),
        ("EXAM:\nMRI LEFT KNEE WITHOUT CONTRAST\nFINDINGS: Normal menisci.\n", "73721"),
        ("EXAM: CT chest with contrast.\nHISTORY: Cough.\n", "71260"),
        ("DOBUTAMINE STRESS ECHOCARDIOGRAM\nREASON FOR EXAM: Chest discomfort.\n", "93351"),
        ("PROCEDURE PERFORMED:\nIncision and drainage of left submandibular space abscess.\n", "41017"),
    ],
)
def test_a_title_offers_its_procedure(coder: Coder, text: str, code: str) -> None:
    assert code in offered(coder, text)


@pytest.mark.parametrize(
    "text",
    [
        "ASSESSMENT:\nInsertion of a right subclavian vein triple-lumen catheter.\n",
        "SUBJECTIVE: Cough.\nEXAM: Blood pressure 120/80, lungs clear.\nIMPRESSION: Bronchitis.\n",
    ],
)
def test_what_is_no_title_offers_none(coder: Coder, text: str) -> None:
    assert offered(coder, text) == []


@pytest.mark.parametrize(
    "line", ["Right carpal tunnel release.", "The patient declined bladder biopsy and stent exchange."]
)
def test_titles_that_are_not_read(coder: Coder, line: str) -> None:
    """One that a term names as it stands needs no more; a denied one names nothing that was done."""
    document = coder.read(Note("n", f"PROCEDURE:\n{line}\n"))
    assert list(titles_of(document, coder.library.lexicon)) == []


@pytest.mark.parametrize(
    ("heading", "code"),
    [
        ("EKG", "93000"),
        ("NERVE CONDUCTION STUDIES", "95909"),
        ("MRI L-SPINE", "72148"),
        ("REFRACTION", "92015"),
        ("COUGH AND EKG", None),
        ("PHYSICAL EXAM - CVS", None),
    ],
)
def test_a_heading_within_a_report_offers_what_it_names_whole(
    coder: Coder, heading: str, code: str | None
) -> None:
    """Far from the top, a heading that is a procedure's term offers it, from the section that it heads."""
    text = f"HISTORY: {'Pain. ' * 60}\n{heading}:\nNormal.\n"
    encounter = Encounter.of(Note("n", text))
    proposals, _ = coder.propose(encounter, coder.read_all(encounter), None)
    found = {p.code.value: p.candidates[0].mention for p in proposals if p.code.system is System.CPT}
    assert (code in found and found[code].section is not SectionKind.PROCEDURE) if code else not found


def test_a_heading_at_the_top_that_is_a_term_whole_is_offered(coder: Coder) -> None:
    text = "PROCEDURE:\nThe patient slept in the laboratory.\nCPAP TITRATION STUDY:\nSleep efficiency 95%.\n"
    encounter = Encounter.of(Note("n", text))
    proposals, _ = coder.propose(encounter, coder.read_all(encounter), None)
    assert "95811" in {proposal.code.value for proposal in proposals}


def test_evidence_of_a_heading_is_the_heading(coder: Coder) -> None:
    text = "EXAM:\nMRI RIGHT ANKLE\nFINDINGS: Intact ligaments.\n"
    run = coder.suggest(Note("n", text))
    found = next(s for s in run.suggestions if s.code == Code(System.CPT, "73721"))
    assert any(
        e.text == "MRI RIGHT ANKLE" and text[e.span.start : e.span.end] == e.text for e in found.evidence
    )
