"""The packaged April 2026 book: its codes, their places and their 7th characters."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from coder_assist.codes import CodeBook, Library
from coder_assist.codes.editions import packaged_edition
from coder_assist.codes.tabular import dotted
from coder_assist.errors import UnknownCode
from coder_assist.types import Code, CodeEntry, System

ONE_CATEGORY_BLOCKS = [
    "B10",
    "B20",
    "B99",
    "C50",
    "C7A",
    "C7B",
    "D3A",
    "D49",
    "D78",
    "E36",
    "E89",
    "F99",
    "H59",
    "H95",
    "J95",
    "L76",
    "M04",
    "M95",
    "M96",
    "M97",
    "M99",
    "N99",
    "O09",
    "P09",
    "P84",
    "QA0",
    "R97",
    "R99",
    "T07",
    "T14",
    "T79",
    "X50",
    "Z16",
    "Z17",
    "Z18",
    "Z19",
    "Z66",
    "Z67",
    "Z68",
]


@pytest.fixture(scope="module")
def book(library: Library) -> CodeBook:
    return library.icd


@pytest.fixture(scope="module")
def entries(book: CodeBook) -> dict[str, CodeEntry]:
    return {entry.code.value: entry for entry in book}


def test_billable_codes_are_those_of_the_release(book: CodeBook, entries: dict[str, CodeEntry]) -> None:
    """The April 2026 release has 74,719 billable codes."""
    assert book.billable_count() == 74_719
    assert sum(entry.billable for entry in entries.values()) == 74_719


def test_book_has_the_codes_of_the_published_list(entries: dict[str, CodeEntry]) -> None:
    """The codes and headers are exactly those of the code list that comes with the release."""
    listed = (packaged_edition().tabular.parent / "code-list-April-2026.txt").read_text().split()
    published = {dotted(line) for line in listed if "-" not in line and not line.isdigit()}
    assert set(entries) == published


def test_length_counts_codes_and_headers_only(book: CodeBook, entries: dict[str, CodeEntry]) -> None:
    """The length of a book leaves out chapters and blocks."""
    assert len(book) == len(entries)
    assert "chapter 4" in book
    assert "chapter 4" not in entries


@pytest.mark.parametrize("category", ONE_CATEGORY_BLOCKS)
def test_block_of_one_category_keeps_the_category(book: CodeBook, category: str) -> None:
    """A block that is one category is named twice over, and the category keeps its name."""
    assert book.entry(category).parent == f"{category}-{category}"
    assert book.children(f"{category}-{category}") == (category,)
    assert book.entry(f"{category}-{category}").billable is False


def test_there_are_39_blocks_of_one_category(book: CodeBook, entries: dict[str, CodeEntry]) -> None:
    """No other category shares its name with its block."""
    assert len(ONE_CATEGORY_BLOCKS) == 39
    assert sorted(name for name, e in entries.items() if e.parent == f"{name}-{name}") == ONE_CATEGORY_BLOCKS


@pytest.mark.parametrize(
    ("code", "title", "billable", "ancestors"),
    [
        ("B20", "Human immunodeficiency virus [HIV] disease", True, ("B20-B20", "chapter 1")),
        ("C50", "Malignant neoplasm of breast", False, ("C50-C50", "C00-C75", "C00-C96", "chapter 2")),
        ("E11", "Type 2 diabetes mellitus", False, ("E08-E13", "chapter 4")),
        ("E11.9", "Type 2 diabetes mellitus without complications", True, ("E11", "E08-E13", "chapter 4")),
        ("F99", "Mental disorder, not otherwise specified", True, ("F99-F99", "chapter 5")),
        ("I10", "Essential (primary) hypertension", True, ("I10-I1A", "chapter 9")),
        (
            "J45.909",
            "Unspecified asthma, uncomplicated",
            True,
            ("J45.90", "J45.9", "J45", "J40-J4A", "chapter 10"),
        ),
        ("U07.1", "COVID-19", True, ("U07", "U00-U49", "chapter 22")),
        (
            "S52.501A",
            "Unspecified fracture of the lower end of right radius, initial encounter for closed fracture",
            True,
            ("S52.501", "S52.50", "S52.5", "S52", "S50-S59", "chapter 19"),
        ),
        (
            "E11.3211",
            "Type 2 diabetes mellitus with mild nonproliferative diabetic retinopathy with macular edema, right eye",
            True,
            ("E11.321", "E11.32", "E11.3", "E11", "E08-E13", "chapter 4"),
        ),
    ],
)
def test_known_codes(
    book: CodeBook, code: str, title: str, billable: bool, ancestors: tuple[str, ...]
) -> None:
    """Codes that every coder knows have their official title, flag and place."""
    entry = book.entry(code)
    assert entry.code == Code(System.ICD10CM, code)
    assert (entry.title, entry.billable, entry.parent) == (title, billable, ancestors[0])
    assert book.title(code) == title
    assert book.ancestors(code) == ancestors


@pytest.mark.parametrize(
    ("code", "terms"),
    [
        ("J45.909", ("Asthma NOS",)),
        (
            "K35.80",
            ("Acute appendicitis NOS", "Acute appendicitis without (localized) (generalized) peritonitis"),
        ),
        ("Z79.84", ("Long term (current) use of oral antidiabetic drugs",)),
        ("E11.9", ()),
    ],
)
def test_inclusion_terms(book: CodeBook, code: str, terms: tuple[str, ...]) -> None:
    """A code carries its inclusion terms, in order, as printed."""
    assert book.entry(code).inclusion_terms == terms


def test_chapter_and_block_titles_have_no_range(book: CodeBook) -> None:
    """The range in parentheses after a chapter's or block's title is not part of the title."""
    assert book.title("chapter 4") == "Endocrine, nutritional and metabolic diseases"
    assert book.title("E08-E13") == "Diabetes mellitus"


def test_every_code_hangs_in_the_tree(book: CodeBook, entries: dict[str, CodeEntry]) -> None:
    """Every code's parent is in the book, and a parent code is where its child's letters begin."""
    for name, entry in entries.items():
        assert entry.parent is not None
        parent = entries.get(entry.parent)
        if parent is None:
            assert entry.parent in book, name
        else:
            assert name.startswith(entry.parent), name
            assert not parent.billable, name


def test_billable_is_what_has_nothing_below(entries: dict[str, CodeEntry]) -> None:
    """A code may stand on a claim exactly when no code stands below it (guideline I.B.2)."""
    above = {entry.parent for entry in entries.values()}
    assert {name for name, entry in entries.items() if entry.billable} == set(entries) - above


def test_every_code_is_in_written_form(entries: dict[str, CodeEntry]) -> None:
    """Every code of the book is the one written form that ``Code.parse`` gives."""
    for name, entry in entries.items():
        assert Code.parse("ICD-10-CM", name.replace(".", "").lower()) == entry.code


@pytest.mark.parametrize("typed", ["QA0.0101", "qa00101"])
def test_category_qa0_is_in_written_form(book: CodeBook, typed: str) -> None:
    """QA0 (neurodevelopmental disorders by gene) has a letter second and is a category like any other."""
    assert book.entry("QA0.0101").billable
    assert [entry.code.value for entry in book.starting_with(typed, 10)] == ["QA0.0101"]
    assert Code.parse("ICD-10-CM", typed).value == "QA0.0101"


@pytest.mark.parametrize(
    ("stem", "characters"),
    [
        ("S52.501", "ABCDEFGHJKMNPQRS"),
        ("T14.8", "ADS"),
        ("M80.00", "ADGKPS"),
        ("S12.9", "ADS"),
        ("S52.111", "ADGKPS"),
        ("O32.1", "0123459"),
        ("H40.10", "01234"),
        ("H40.111", "01234"),
        ("E11.321", "1239"),
        ("R40.211", "01234"),
        ("M1A.9", "01"),
        ("T07", "ADS"),
        ("S06.1X7", "A"),
        ("S06.1X8", "A"),
        ("S06.1X9", "ADS"),
        ("S06.5X7", "A"),
        ("S06.0XA", "ADS"),
        ("E11.9", ""),
        ("S52.501A", ""),
        ("S52", ""),
    ],
)
def test_seventh_characters(book: CodeBook, stem: str, characters: str) -> None:
    """A code takes the 7th characters of the nearest definition above it; S06 excepts D and S after 7 and 8."""
    completed = book.seventh_characters(stem)
    assert "".join(completed) == characters
    bare = stem.replace(".", "").ljust(6, "X")
    assert completed == {c: f"{bare[:3]}.{bare[3:]}{c}" for c in characters}
    assert all(book.entry(code).billable for code in completed.values())
    assert not characters or not book.entry(stem).billable


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("T14.8XXA", "Other injury of unspecified body region, initial encounter"),
        ("O32.1XX0", "Maternal care for breech presentation, not applicable or unspecified"),
        ("H40.10X3", "Unspecified open-angle glaucoma, severe stage"),
        ("H40.1112", "Primary open-angle glaucoma, right eye, moderate stage"),
        ("M1A.9XX1", "Chronic gout, unspecified, with tophus (tophi)"),
        (
            "M80.00XG",
            "Age-related osteoporosis with current pathological fracture, unspecified site, "
            "subsequent encounter for fracture with delayed healing",
        ),
    ],
)
def test_title_of_a_completed_code(book: CodeBook, code: str, title: str) -> None:
    """A 7th character adds its meaning to the title, after the placeholder X where one is needed."""
    assert book.title(code) == title


@pytest.mark.parametrize("code", ["S06.1X7D", "S06.1X8S", "H40.11X0", "T14.8A", "S52.501", "E11"])
def test_incomplete_or_excepted_code_is_not_billable(book: CodeBook, code: str) -> None:
    """A code without its 7th character, or with one that does not apply, cannot stand on a claim."""
    entry = book.get(code)
    assert entry is None or not entry.billable


@pytest.mark.parametrize("code", ["Z99.999", "", "e11.9", "E119", "chapter 99", "nonsense"])
def test_unknown_code(book: CodeBook, code: str) -> None:
    """A code that is not in the book is ``None`` to ``get``, and an error that names it elsewhere."""
    assert book.get(code) is None
    assert code not in book
    for ask in (book.entry, book.title, book.billable_below, book.instructions):
        with pytest.raises(UnknownCode, match=r"ICD-10-CM edition 2026-04 has no code"):
            ask(code)


def test_billable_below(book: CodeBook) -> None:
    """Below a header are its billable codes in book order; a billable code is below itself."""
    assert book.billable_below("E11.9") == ["E11.9"]
    assert book.billable_below("E11.2") == ["E11.21", "E11.22", "E11.29"]
    assert book.billable_below("B20-B20") == ["B20"]
    assert book.billable_below("T14.8") == ["T14.8XXA", "T14.8XXD", "T14.8XXS"]
    assert len(book.billable_below("S52.50")) == 3 * 16


def test_chapters_share_all_billable_codes_out(book: CodeBook, entries: dict[str, CodeEntry]) -> None:
    """Every billable code is below one chapter, and below no other."""
    below = [code for number in range(1, 23) for code in book.billable_below(f"chapter {number}")]
    assert len(below) == len(set(below)) == book.billable_count()


@pytest.mark.parametrize("typed", ["e112", "E11.2", " e11.2 ", "E112"])
def test_starting_with_a_code_as_typed(book: CodeBook, typed: str) -> None:
    """A code's beginning is found in any case, with or without the dot."""
    assert [entry.code.value for entry in book.starting_with(typed, 10)] == [
        "E11.2",
        "E11.21",
        "E11.22",
        "E11.29",
    ]


def test_starting_with_keeps_to_its_limit(book: CodeBook) -> None:
    """At most ``limit`` entries start as typed."""
    assert [entry.code.value for entry in book.starting_with("E11", 3)] == ["E11", "E11.0", "E11.00"]
    assert book.starting_with("E11", 0) == []


@pytest.mark.parametrize("typed", ["", "e", "diabetes", "E11%", "E11_", "E11~", "x'; drop table nodes"])
def test_starting_with_no_code(book: CodeBook, typed: str) -> None:
    """What does not look like a code's beginning starts nothing."""
    assert book.starting_with(typed, 10) == []


def test_starting_with_is_in_book_order(book: CodeBook) -> None:
    """What starts as typed comes in book order: S06.0XA stands before S06.0X9."""
    found = [entry.code.value for entry in book.starting_with("S06.0X", 40)]
    assert [code for code in found if len(code) == 7] == list(book.children("S06.0X"))


def test_validity_of_the_packaged_book(book: CodeBook) -> None:
    """The April 2026 update is valid for dates of service from 1 April to 30 September 2026."""
    assert (book.edition, book.valid_from, book.valid_to) == ("2026-04", date(2026, 4, 1), date(2026, 9, 30))
    assert repr(book) == "CodeBook(ICD-10-CM, edition 2026-04)"


def test_threads_read_one_book(book: CodeBook, entries: dict[str, CodeEntry]) -> None:
    """Several threads may read one book at once and get what one thread gets."""
    names = list(entries)[::40]
    fresh = [book._get, book._ancestors, book._children]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: [ask(name) for ask in fresh], names))
    assert answers == [[ask(name) for ask in fresh] for name in names]


def test_closed_book(small_library: Library, tmp_path: Path) -> None:
    """A book, and a library of them, closes at the end of a ``with`` block."""
    (store,) = (tmp_path / "cache").glob("FY2031-*")
    with CodeBook(store / "codes.sqlite", System.ICD10CM, "FY2031") as book:
        assert "A00.9" in book
    with small_library as library:
        assert "A00.9" in library.icd
    for closed in (book, small_library.icd):
        with pytest.raises(sqlite3.ProgrammingError):
            len(closed)


def test_library_knows_both_books(library: Library) -> None:
    """A library answers for each installed system and says which edition it has."""
    assert library.versions() == {"ICD-10-CM": "2026-04", "CPT": "catalogue", "HCPCS": "catalogue"}
    assert (
        library.entry(Code.parse("ICD-10-CM", "e119")).title
        == "Type 2 diabetes mellitus without complications"
    )
    assert library.entry(Code.parse("CPT", "27447")).billable


def test_library_refuses_a_system_without_a_book(library: Library) -> None:
    """A code of a system that is not installed is unknown, and the error says so."""
    with pytest.raises(UnknownCode, match="no ICD-10-PCS book is installed"):
        library.entry(Code(System.ICD10PCS, "0FT44ZZ"))
