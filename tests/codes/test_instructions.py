"""Instructional notes: kinds, ranges, inheritance."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from coder_assist.codes import CodeBook, CodeRange, Instruction, InstructionKind, Library
from coder_assist.codes.instructions import parse_ranges
from coder_assist.errors import UnknownCode

# Codes that the official April 2026 notes name although the book has none of them.
SLIPS_OF_THE_RELEASE = {"G31.90", "R10.4", "Y89"}


@pytest.fixture(scope="module")
def book(library: Library) -> CodeBook:
    return library.icd


@pytest.fixture(scope="module")
def notes(book: CodeBook) -> list[Instruction]:
    """Every note of the book, once, where it stands."""
    names = [f"chapter {number}" for number in range(1, 23)]
    for name in names:  # grows: a block may hold further blocks
        names += [child for child in book.children(name) if "-" in child]
    names += [entry.code.value for entry in book]
    return [note for name in names for note in book.instructions(name, inherited=False)]


def named(book: CodeBook, code: str, kind: InstructionKind) -> dict[str, tuple[CodeRange, ...]]:
    return {note.text: note.ranges for note in book.instructions(code, kind)}


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("diabetes mellitus due to underlying condition (E08.-)", [("E08", "E08")]),
        ("gestational diabetes (O24.4-)", [("O24.4", "O24.4")]),
        ("type 2 diabetes mellitus (E11)", [("E11", "E11")]),
        ("complications of abortion (O00-O07)", [("O00", "O07")]),
        ("complications of abortion (O00 - O07)", [("O00", "O07")]),
        ("hypertension (O10-O11, O13-O16)", [("O10", "O11"), ("O13", "O16")]),
        ("codes (E08.-, E09.311, O24.4-)", [("E08", "E08"), ("E09.311", "E09.311"), ("O24.4", "O24.4")]),
        ("pain (R10.1-R10.3-)", [("R10.1", "R10.3")]),
        ("a fracture (S52.501A)", [("S52.501A", "S52.501A")]),
        ("neuroendocrine tumors (C7A.-, C7B-)", [("C7A", "C7A"), ("C7B", "C7B")]),
        ("obstetric (O00-O9A)", [("O00", "O9A")]),
        ("a range that runs backwards (O07-O00)", []),
        ("code to identify control using:", []),
        ("7th characters D and S do not apply", []),
        ("Chapter 20, H1N1, CD4 and T4", []),
        ("", []),
    ],
)
def test_ranges_of_a_text(text: str, ranges: list[tuple[str, str]]) -> None:
    """Codes, stems with a dash, ranges and lists are read in order; other words give nothing."""
    assert parse_ranges(text) == tuple(CodeRange(*pair) for pair in ranges)


@pytest.mark.parametrize(
    ("first", "last", "code", "covered"),
    [
        ("O00", "O07", "O00", True),
        ("O00", "O07", "O00.0", True),
        ("O00", "O07", "O07", True),
        ("O00", "O07", "O07.4", True),
        ("O00", "O07", "O03.9", True),
        ("O00", "O07", "O08", False),
        ("O00", "O07", "N99.9", False),
        ("E08.1", "E08.3", "E08", False),
        ("E08.1", "E08.3", "E08.0", False),
        ("E08.1", "E08.3", "E08.1", True),
        ("E08.1", "E08.3", "E08.321", True),
        ("E08.1", "E08.3", "E08.4", False),
        ("E08", "E08", "E08.9", True),
        ("E08", "E08", "E09", False),
        ("O00", "O9A", "O9A.212", True),
        ("I10", "I1A", "I16.9", True),
        ("C00", "C96", "C7A.0", True),
        ("Z79.4", "Z79.4", "Z79.41", True),
        ("Z79.4", "Z79.4", "Z79", False),
        ("S00", "T88", "S52.501A", True),
        ("S00", "T88", "T88.9XXS", True),
        ("S00", "T88", "V00", False),
    ],
)
def test_range_covers_both_ends_and_below(first: str, last: str, code: str, covered: bool) -> None:
    """A range holds both its ends with all that is below them, and nothing above or beside."""
    assert CodeRange(first, last).covers(code) is covered


def test_a_code_has_its_own_notes_first(book: CodeBook) -> None:
    """Notes come nearest first: E11.9's own, then E11's, then those of the chapter."""
    nodes = [note.node for note in book.instructions("E11.9")]
    assert list(dict.fromkeys(nodes)) == ["E11.9", "E11", "chapter 4"]
    assert [note.node for note in book.instructions("E11.9", inherited=False)] == ["E11.9"]


def test_category_notes_reach_a_leaf(book: CodeBook) -> None:
    """E11.9 inherits from E11 what it excludes and what to add."""
    excluded = named(book, "E11.9", InstructionKind.EXCLUDES1)
    assert excluded["type 1 diabetes mellitus (E10.-)"] == (CodeRange("E10", "E10"),)
    added = named(book, "E11.9", InstructionKind.USE_ADDITIONAL)
    assert added["code to identify control using: insulin (Z79.4)"] == (CodeRange("Z79.4", "Z79.4"),)


def test_block_notes_reach_a_leaf(book: CodeBook) -> None:
    """I10 inherits from its block to add tobacco use, and that the newborn's is excluded."""
    note = next(n for n in book.instructions("I10") if n.text == "code to identify: tobacco use (Z72.0)")
    assert note == Instruction(
        InstructionKind.USE_ADDITIONAL,
        "code to identify: tobacco use (Z72.0)",
        (CodeRange("Z72.0", "Z72.0"),),
        "I10-I1A",
    )
    assert "neonatal hypertension (P29.2)" in named(book, "I10", InstructionKind.EXCLUDES1)


def test_chapter_notes_reach_a_leaf(book: CodeBook) -> None:
    """A completed injury code inherits from chapter 19, six levels up."""
    text = "code to identify any retained foreign body, if applicable (Z18.-)"
    note = next(n for n in book.instructions("S52.501A") if n.text == text)
    assert (note.node, note.ranges) == ("chapter 19", (CodeRange("Z18", "Z18"),))


@pytest.mark.parametrize(
    ("code", "block"),
    [("T20.00XA", "T20-T32"), ("V43.52XA", "V00-V99"), ("M17.0", "M00-M25"), ("Y63.0", "Y62-Y84")],
)
def test_notes_of_a_block_of_blocks_reach_a_leaf(book: CodeBook, code: str, block: str) -> None:
    """A block that only groups further blocks binds the codes of those blocks."""
    assert book.instructions(block, inherited=False)
    assert block in {note.node for note in book.instructions(code)}


def test_every_kind_of_note_is_read(notes: list[Instruction]) -> None:
    """The book has notes of every kind there is."""
    assert {note.kind for note in notes} == set(InstructionKind)


@pytest.mark.parametrize(
    ("code", "kind", "pointed_to"),
    [
        ("F02.80", InstructionKind.CODE_FIRST, "G30.9"),
        ("E11.9", InstructionKind.USE_ADDITIONAL, "Z79.84"),
        ("E11.9", InstructionKind.EXCLUDES1, "E10.9"),
        ("I10", InstructionKind.EXCLUDES2, "I63.9"),
        ("S06.0X0A", InstructionKind.CODE_ALSO, "S02.0XXA"),
        ("E05.00", InstructionKind.EXCLUDES1, "P72.1"),
    ],
)
def test_notes_by_kind(book: CodeBook, code: str, kind: InstructionKind, pointed_to: str) -> None:
    """Asked for one kind, only that kind comes, and its ranges cover the code it points to."""
    found = book.instructions(code, kind)
    assert {note.kind for note in found} == {kind}
    assert any(part.covers(pointed_to) for note in found for part in note.ranges)


def test_a_leading_line_is_repeated(book: CodeBook) -> None:
    """A line that ends in a colon stands before each line that it introduces."""
    texts = [note.text for note in book.instructions("S06", InstructionKind.CODE_ALSO, inherited=False)]
    assert texts == [
        "any associated:",
        "any associated: open wound of head (S01.-)",
        "any associated: skull fracture (S02.-)",
    ]


def test_notes_of_an_unknown_code(book: CodeBook) -> None:
    """Notes are not made up for a code that is not in the book."""
    with pytest.raises(UnknownCode):
        book.instructions("E11.999")


def test_unparsed_notes_are_counted(book: CodeBook, notes: list[Instruction]) -> None:
    """Notes that name no code are counted by kind, and their text is kept."""
    without = [note for note in notes if not note.ranges]
    assert book.unparsed_notes() == Counter(note.kind for note in without)
    assert all(note.text for note in without)


def test_no_code_in_parentheses_is_missed(notes: list[Instruction]) -> None:
    """No note that shows a code in parentheses goes unparsed."""
    shown = re.compile(r"\([A-Z]\d[0-9A-Z]")
    assert [note.text for note in notes if shown.search(note.text) and not note.ranges] == []


def test_ranges_end_in_codes_of_the_book(book: CodeBook, notes: list[Instruction]) -> None:
    """Every end of a range is in the book, but for slips of the release itself."""
    ends = {end for note in notes for part in note.ranges for end in (part.first, part.last)}
    assert {end for end in ends if end not in book} == SLIPS_OF_THE_RELEASE


def test_vitamin_b12_is_no_code() -> None:
    """A vitamin's name is not read as a code."""
    assert parse_ranges("vitamin B12 deficiency anemia (D51.-)") == (CodeRange("D51", "D51"),)


@pytest.mark.parametrize(
    ("code", "kind", "between"),
    [
        ("S06.0", InstructionKind.EXCLUDES1, "S06.341A"),
        ("S06.9", InstructionKind.EXCLUDES1, "S06.4X0A"),
        ("M05.A", InstructionKind.CODE_FIRST, "M05.411"),
    ],
)
def test_a_range_in_words_covers_what_is_between(
    book: CodeBook, code: str, kind: InstructionKind, between: str
) -> None:
    """``S06.1- to S06.6-`` is a range, as ``S06.1-S06.6`` is."""
    own = book.instructions(code, kind, inherited=False)
    assert any(part.covers(between) for note in own for part in note.ranges)
