"""Diagnosis pointers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coder_assist.codes import Library
from coder_assist.suggest.rules import Coding, FactBook, parse_line
from coder_assist.suggest.rules.pointers import MOST_POINTERS, pointers
from coder_assist.text import NoteReader
from coder_assist.types import Encounter, Evidence, Note, SectionKind, Span


@pytest.fixture(scope="module")
def facts(library: Library) -> FactBook:
    return FactBook(library)


def linked(facts: FactBook, *codes: str) -> dict[str, list[str]]:
    """The diagnoses that each procedure points to, in a set without notes."""
    lines = [replace(parse_line(code), sequence=place) for place, code in enumerate(codes, 1)]
    coding = Coding.of(Encounter.of(Note("n1", "No text.")), lines, facts)
    return {line.value: [code for code, _ in found] for line, found in pointers(coding).items()}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("I10 K63.5 45385", ["K63.5"]),
        ("Z12.11 K63.5 45380", ["K63.5", "Z12.11"]),
        ("E11.9 M17.11 20610", ["M17.11"]),
        ("I25.10 E78.5 93458", ["I25.10", "E78.5"]),
        ("G56.01 M65.341 64721", ["G56.01", "M65.341"]),
        ("Z23 Z00.129 90471", ["Z23", "Z00.129"]),
        ("R07.9 I10 93010", ["I10", "R07.9"]),
        ("H25.12 E11.9 66984", ["H25.12", "E11.9"]),
        ("I10 E78.5 99214", ["I10", "E78.5"]),
        ("I10 47562", []),
        ("W19.XXXA S52.501A 25609", ["S52.501A"]),
    ],
)
def test_what_a_procedure_points_to(facts: FactBook, codes: str, expected: list[str]) -> None:
    """The procedure's own diagnoses, signs and history behind what was found, external causes never."""
    *_, procedure = codes.split()
    assert linked(facts, *codes.split())[procedure] == expected


def test_a_line_points_to_at_most_four_of_the_first_twelve(facts: FactBook) -> None:
    """The thirteenth diagnosis supports nothing on the claim."""
    diagnoses = ["I10", "E78.5", "E11.9", "J45.909", "K21.9", "M17.11", "G43.909", "F32.A", "N40.0", "E03.9", "J44.9", "L40.0"]  # fmt: skip
    assert len(linked(facts, *diagnoses, "99214")["99214"]) == MOST_POINTERS
    assert linked(facts, *diagnoses, "K80.20", "47562")["47562"] == []


def test_a_sentence_or_an_indication_links_what_the_codes_do_not(facts: FactBook, library: Library) -> None:
    """The note's own words support a procedure that no table knows a diagnosis for."""
    note = Note("n1", "Cholecystectomy was postponed for hypertension. Gout is stable.")
    document = NoteReader(library.lexicon.store).read(note)

    def line(code: str, phrase: str, section: SectionKind = SectionKind.OTHER):  # type: ignore[no-untyped-def]
        start = note.text.index(phrase)
        evidence = Evidence("n1", Span(start, start + len(phrase)), phrase, section)
        return replace(parse_line(code), evidence=(evidence,))

    procedure = line("47562", "Cholecystectomy")
    coding = Coding.of(
        Encounter.of(note), [procedure, line("I10", "hypertension"), line("M10.9", "Gout")], facts, [document]
    )
    assert pointers(coding) == {procedure: (("I10", "one sentence of the note names both"),)}
    indicated = line("M10.9", "Gout", SectionKind.INDICATION)
    again = Coding.of(Encounter.of(note), [procedure, indicated], facts, [document])
    assert pointers(again) == {procedure: (("M10.9", "it is the indication"),)}


def test_shared_site_words_link(facts: FactBook) -> None:
    """The label of the procedure and the title of the diagnosis name one organ."""
    lines = [parse_line("76776"), parse_line("Z94.0")]
    coding = Coding.of(Encounter.of(Note("n1", "x")), lines, facts)
    assert [code for found in pointers(coding).values() for code, _ in found] == ["Z94.0"]
