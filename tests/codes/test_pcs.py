"""The words of inpatient procedures: tables read, codes narrowed character by character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from coder_assist.codes import ListedBook
from coder_assist.codes.listings import packaged_pcs
from coder_assist.codes.pcs import (
    Operation,
    Part,
    PcsVocabulary,
    plain,
    read_cues,
    read_operations,
    read_parts,
)
from coder_assist.codes.sources import data_file
from coder_assist.codes.terms import key
from coder_assist.errors import LexiconError

BOOK = (
    "0FB00ZZ 0FB03ZX 0FB04ZX 0FT40ZZ 0FT44ZZ 0FT47ZZ 0FT48ZZ 0TT00ZZ 0TT04ZZ 0TT10ZZ 0TT14ZZ 0TT20ZZ 0TT24ZZ "
    "0QS604Z 0QS606Z 0QS60ZZ 0QS634Z 0QS6XZZ 0QS704Z 0QS706Z 0QS70ZZ 0QS734Z 0QS7XZZ 5A1935Z 5A1945Z 5A1955Z "
    "0SR9019 0SR901A 0SR90J9 0SR90JA 0SR90JZ 0SRB0J9 0SRB0JA 0SRB0JZ 0SRB029 0SRB02A 0SRB02Z"
).split()


def like(pattern: str) -> list[str]:
    return [code for code in BOOK if fnmatchcase(code, pattern)]


@pytest.fixture(scope="module")
def vocabulary() -> PcsVocabulary:
    return PcsVocabulary.packaged()


def operation(vocabulary: PcsVocabulary, term: str) -> Operation:
    return vocabulary.operations_of[key(term)][0]


def parts(vocabulary: PcsVocabulary, term: str) -> Sequence[Part]:
    return vocabulary.parts_of[key(term)]


@pytest.mark.parametrize(
    ("term", "part", "side", "text", "code", "opened", "others"),
    [
        ("cholecystectomy", "", "", "laparoscopic cholecystectomy", "0FT44ZZ", (), ()),
        ("cholecystectomy", "", "", "cholecystectomy", "0FT40ZZ", ("character 5 (approach)",), 3),
        ("biopsy", "liver", "", "percutaneous liver biopsy", "0FB03ZX", (), ()),
        ("nephrectomy", "", "left", "open left nephrectomy", "0TT10ZZ", (), ()),
        ("nephrectomy", "", "both", "open bilateral nephrectomy", "0TT20ZZ", (), ()),
        ("nephrectomy", "", "", "open nephrectomy", "0TT00ZZ", ("character 4 (body part)",), 1),
        ("orif", "hip fracture", "right", "orif right hip fracture with a plate", "0QS604Z", (), ()),
        ("gamma nail", "", "left", "gamma nail left hip", "0QS706Z", (), ()),
        ("mechanical ventilation", "", "", "ventilation for 30 hours", "5A1945Z", (), ()),
        ("mechanical ventilation", "", "", "ventilation for 6 days", "5A1955Z", (), ()),
        ("mechanical ventilation", "", "", "ventilated", "5A1935Z", ("character 5",), 2),
        ("total hip replacement", "", "left", "cementless total hip", "0SRB0JA", (), ()),
        ("total hip replacement", "", "left", "metal on polyethylene, cemented", "0SRB029", (), ()),
    ],
)  # fmt: skip
def test_resolution(vocabulary, term, part, side, text, code, opened, others) -> None:
    """What is said fixes a character, what only one code allows too; the rest is open, and its codes are named."""
    near = parts(vocabulary, part) if part else ()
    found = vocabulary.resolve(operation(vocabulary, term), near, side, (plain(text),), like)
    assert found is not None
    assert (found.code, found.open) == (code, opened)
    assert len(found.others) == (others or 0)
    assert {found.code, *found.others} <= set(BOOK)


def test_nothing_is_proposed_that_the_book_lacks(vocabulary: PcsVocabulary) -> None:
    """Without a part of the body for a root operation, or without codes of the book, there is no resolution."""
    assert vocabulary.resolve(operation(vocabulary, "biopsy"), (), "", (" biopsy ",), like) is None
    assert vocabulary.resolve(operation(vocabulary, "splenectomy"), (), "", (" open ",), like) is None


def test_the_nearer_text_decides(vocabulary: PcsVocabulary) -> None:
    """What the mention's own sentence says outdoes what stands further away."""
    cholecystectomy = operation(vocabulary, "cholecystectomy")
    texts = (plain("open cholecystectomy"), plain("trocars were placed, laparoscopic view"))
    found = vocabulary.resolve(cholecystectomy, (), "", texts, like)
    assert found is not None and found.code == "0FT40ZZ" and not found.open


def test_every_root_operation_has_words() -> None:
    """The 31 root operations of the section Medical and Surgical each have words of their own."""
    generic = [row for row in read_operations(data_file("pcs_procedures.tsv")) if row.kind == "generic"]
    assert {row.values[2] for row in generic} == set("0123456789BCDFGHJKLMNPQRSTUVWXY")


def test_a_term_stands_once() -> None:
    """No term names two operations, or two parts of one body system."""
    operations = Counter(
        place
        for row in read_operations(data_file("pcs_procedures.tsv"))
        for place in {key(term) for term in row.terms}
    )
    parts = Counter(
        (row.system, place)
        for row in read_parts(data_file("pcs_parts.tsv"))
        for place in {key(term) for term in row.terms}
    )
    assert max(operations.values()) == max(parts.values()) == 1


@pytest.mark.parametrize(
    ("read", "name", "row", "expected"),
    [
        (read_operations, "pcs_procedures.tsv", "0FT4.Z\tnamed\tx", "a pattern of seven characters"),
        (read_operations, "pcs_procedures.tsv", "0FT4.ZZ\trare\tx", "kind must be one of named"),
        (read_parts, "pcs_parts.tsv", "0F\t4\t0\t1\t\tx", "a body system, a part or its right and left"),
        (read_cues, "pcs_values.tsv", "0\t8\tX\tx", "a character 3 to 7"),
    ],
)
def test_a_bad_row_is_refused(tmp_path: Path, read, name: str, row: str, expected: str) -> None:
    """A bad row is an error with file and line."""
    header = data_file(name).read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / name).write_text(f"{header}\n{row}\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=rf"{name}:2: .*{expected}"):
        list(read(tmp_path / name))


@pytest.mark.skipif(packaged_pcs() is None, reason="needs the extra pcs")
def test_tables_agree_with_the_book(cache_dir: Path) -> None:
    """Every pattern, part of the body and cue names codes that the book has, and sides are the book's."""
    listing = packaged_pcs()
    assert listing is not None
    book = ListedBook(listing, cache_dir)
    for row in read_operations(data_file("pcs_procedures.tsv")):
        assert book.like("".join(f"[{values}]" if values else "?" for values in row.values)), row.terms[0]
    for part in read_parts(data_file("pcs_parts.tsv")):
        for side, value in zip(("right", "left", "bilateral"), part.sides, strict=True):
            if value:
                titles = " ".join(
                    book.title(code) for code in book.like(f"{part.system}?{value}???")[:20]
                ).lower()
                assert side in titles or (side == "bilateral" and "bilateral" in titles), (part.system, value)
        if part.value:
            assert book.like(f"{part.system}?{part.value}???"), part.terms[0]
    for cue in read_cues(data_file("pcs_values.tsv")):
        pattern = cue.scope.pattern.replace(".", "?")
        length = len(pattern) - (pattern.index("]") - pattern.index("[") if "[" in pattern else 0)
        values = ["?"] * (7 - length)
        if cue.character > length:
            values[cue.character - length - 1] = cue.value
        assert book.like(pattern + "".join(values)), (cue.scope.pattern, cue.character, cue.value)
