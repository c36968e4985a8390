"""The authored lexicon files: every packaged row holds, and a bad row is refused by file and line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coder_assist.codes import Library
from coder_assist.codes.lexicon import drug_key
from coder_assist.codes.sources import (
    SYNONYM_KINDS,
    Combination,
    Drug,
    Procedure,
    Sense,
    Synonym,
    data_file,
    read_abbreviations,
    read_combinations,
    read_drugs,
    read_procedures,
    read_synonyms,
)
from coder_assist.codes.terms import content_stems, key
from coder_assist.errors import LexiconError
from coder_assist.types import Code, System

READERS: dict[str, Callable[[Path], Iterator[Any]]] = {
    "synonyms.tsv": read_synonyms,
    "abbreviations.tsv": read_abbreviations,
    "drugs.tsv": read_drugs,
    "cpt.tsv": read_procedures,
}
HEADERS = {
    "synonyms.tsv": "term\tsystem\tcode\tkind",
    "abbreviations.tsv": "abbreviation\texpansion\tsystem\tcode\tsense\tcase\tcues",
    "drugs.tsv": "drug\tgeneric\tconditions\tstatus_code",
    "cpt.tsv": "code\tlabel\tterms\trequires\texcludes\tfamily\taddon\tlaterality",
}


def repeated(values: Iterator[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def cells(name: str) -> list[dict[str, str]]:
    header, *lines = data_file(name).read_text(encoding="utf-8").splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


@pytest.fixture(scope="module")
def synonyms() -> list[Synonym]:
    return list(read_synonyms(data_file("synonyms.tsv")))


@pytest.fixture(scope="module")
def senses() -> list[Sense]:
    return list(read_abbreviations(data_file("abbreviations.tsv")))


@pytest.fixture(scope="module")
def drugs() -> list[Drug]:
    return list(read_drugs(data_file("drugs.tsv")))


@pytest.fixture(scope="module")
def procedures() -> list[Procedure]:
    return list(read_procedures(data_file("cpt.tsv")))


def test_synonyms_name_codes_of_the_book(synonyms: list[Synonym], library: Library) -> None:
    """Every synonym names a code that its book has, never a block or chapter."""
    assert [s for s in synonyms if s.code not in library.books[s.system]] == []
    assert [s for s in synonyms if str(Code.parse(s.system, s.code)) != s.code] == []


def test_synonyms_stand_once(synonyms: list[Synonym]) -> None:
    """No two synonyms have one key and one code."""
    assert repeated((key(s.term), s.system, s.code) for s in synonyms) == []


def test_synonyms_reach_the_lexicon(synonyms: list[Synonym], library: Library) -> None:
    """Every synonym has words that count, not too many, and is found by its key."""
    assert [s.term for s in synonyms if not 1 <= len(content_stems(s.term)) <= 14] == []
    keys = np.array([key(s.term) for s in synonyms], dtype=np.uint64)
    assert library.lexicon.known_keys(keys).all()


def test_synonyms_are_plain_text(synonyms: list[Synonym]) -> None:
    """A synonym is written in lower case with single blanks, and every kind is in use."""
    assert [s.term for s in synonyms if s.term != " ".join(s.term.split())] == []
    assert {s.kind for s in synonyms} <= set(SYNONYM_KINDS)


def test_abbreviations_name_codes_of_the_book(senses: list[Sense], library: Library) -> None:
    """Every code of an abbreviation's sense is in the ICD-10-CM book."""
    assert [(s.abbreviation, code) for s in senses for code in s.codes if code not in library.icd] == []


def test_abbreviations_stand_once(senses: list[Sense]) -> None:
    """No sense of an abbreviation stands twice."""
    assert repeated((s.abbreviation, s.codes, s.sense, s.cues) for s in senses) == []


def test_senses_of_an_abbreviation_agree(senses: list[Sense]) -> None:
    """An ``only`` sense stands alone, a ``never`` has no code, and there is at most one default."""
    by_form: dict[str, list[Sense]] = {}
    for sense in senses:
        by_form.setdefault(sense.abbreviation, []).append(sense)
    assert [
        form for form, group in by_form.items() if len(group) > 1 and any(s.sense == "only" for s in group)
    ] == []
    assert [form for form, group in by_form.items() if sum(s.sense == "default" for s in group) > 1] == []
    assert [s.abbreviation for s in senses if s.sense == "never" and s.codes] == []
    assert [s.abbreviation for s in senses if s.sense == "only" and not s.codes] == []


def test_abbreviations_say_their_system(senses: list[Sense]) -> None:
    """An abbreviation with a code says ICD-10-CM, one without says nothing; each is spelt out."""
    assert {(row["system"], bool(row["code"])) for row in cells("abbreviations.tsv")} <= {
        ("ICD-10-CM", True),
        ("", False),
    }
    assert [s for s in senses if not s.abbreviation.strip() or not s.expansion.strip()] == []


def test_drugs_name_codes_of_the_book(drugs: list[Drug], library: Library) -> None:
    """A drug's conditions are codes of the book, its status code a billable one of Z79 (long-term use)."""
    assert [(d.name, code) for d in drugs for code in d.conditions if code not in library.icd] == []
    status = {d.status_code for d in drugs} - {""}
    assert {
        code for code in status if not code.startswith("Z79.") or not library.icd.entry(code).billable
    } == set()


def test_drugs_stand_once(drugs: list[Drug], library: Library) -> None:
    """No drug stands twice, each has a generic name, and the lexicon knows them all."""
    assert repeated(d.name for d in drugs) == []
    assert [d.name for d in drugs if not d.generic.strip()] == []
    assert set(library.lexicon.drugs) == {drug_key(d.name) for d in drugs}


def test_procedures_are_well_formed(procedures: list[Procedure]) -> None:
    """A CPT row has a code in its form, once, a label of ours, and terms with words that count."""
    assert repeated(p.code for p in procedures) == []
    assert [p.code for p in procedures if str(Code.parse("CPT", p.code)) != p.code] == []
    assert [p.code for p in procedures if not p.label.strip()] == []
    assert [(p.code, t) for p in procedures for t in p.terms if not 1 <= len(content_stems(t)) <= 14] == []
    assert [p.code for p in procedures if repeated(iter(p.terms))] == []


def test_procedures_cues_are_lower_case(procedures: list[Procedure]) -> None:
    """Terms and cues are lower case, and no requirement is an empty group."""
    written = [
        (p.code, text)
        for p in procedures
        for text in (*p.terms, *p.excludes, *(c for g in p.requires for c in g))
    ]
    assert [(code, text) for code, text in written if text != text.lower()] == []
    assert [p.code for p in procedures if not all(p.requires)] == []
    assert {row[flag] for row in cells("cpt.tsv") for flag in ("addon", "laterality")} <= {"yes", ""}


def test_no_cue_is_both_required_and_excluded(procedures: list[Procedure]) -> None:
    """A cue that must stand in the note does not also contradict the code."""
    assert [p.code for p in procedures if {c for group in p.requires for c in group} & set(p.excludes)] == []


def test_procedures_are_the_cpt_book(procedures: list[Procedure], library: Library) -> None:
    """The CPT book holds the catalogue: its codes, billable, under our labels."""
    book = library.books[System.CPT]
    assert {entry.code.value: entry.title for entry in book} == {p.code: p.label for p in procedures}
    assert book.billable_count() == len(procedures) == len(book)


@pytest.mark.parametrize("name", READERS)
def test_header_must_match(tmp_path: Path, name: str) -> None:
    """A file with other columns, or with none, is refused at line 1."""
    for text in ("", "a\tb\n", HEADERS[name].replace("\t", ",") + "\n"):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(LexiconError, match=rf"{re.escape(name)}:1: expected the header") as caught:
            list(READERS[name](path))
        assert (caught.value.file, caught.value.line) == (name, 1)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("synonyms.tsv", "flu\tICD-10-CM\tJ11.1", "expected 4 tab-separated columns; got 3"),
        ("synonyms.tsv", "flu\tICD10\tJ11.1\tlay", "system must be one of ICD-10-CM, .*; got 'ICD10'"),
        ("abbreviations.tsv", "QQ\tq\tCPT\t27447\tonly\tany\t", "system must be ICD-10-CM .*; got 'CPT'"),
        ("synonyms.tsv", "", "expected 4 tab-separated columns; got 1"),
        ("synonyms.tsv", "flu\tICD-10-CM\tJ11.1\tslang", "kind must be one of lay, .*; got 'slang'"),
        (
            "synonyms.tsv",
            "Flu\tICD-10-CM\tJ11.1\tlay",
            "term must be lower case without outer blanks; got 'Flu'",
        ),
        ("synonyms.tsv", " flu\tICD-10-CM\tJ11.1\tlay", "term must be lower case"),
        ("synonyms.tsv", "\tICD-10-CM\tJ11.1\tlay", "term must be lower case"),
        (
            "abbreviations.tsv",
            "QQ\tq\tICD-10-CM\tI10\tsometimes\tany\t",
            "sense must be one of only, .*; got 'sometimes'",
        ),
        (
            "abbreviations.tsv",
            "QQ\tq\tICD-10-CM\tI10\tonly\tupper\t",
            "case must be exact or any; got 'upper'",
        ),
        ("abbreviations.tsv", "QQ\tq\tICD-10-CM\tI10\tcued\tany\t", "a cued sense needs cues"),
        ("drugs.tsv", "Doxy\tdoxycycline\tA00\t", "drug must be lower case without outer blanks; got 'Doxy'"),
        ("cpt.tsv", "9999\tLabel\tterm\t\t\t\t\t", "expected a five-character code and terms; got '9999'"),
        ("cpt.tsv", "99999\tLabel\t\t\t\t\t\t", "expected a five-character code and terms; got '99999'"),
    ],
)
def test_bad_row(tmp_path: Path, name: str, row: str, message: str) -> None:
    """A bad row is refused with file, line and what was expected."""
    good = data_file(name).read_text(encoding="utf-8").splitlines()[1]
    path = tmp_path / name
    path.write_text(f"{HEADERS[name]}\n{good}\n{row}\n{good}\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=rf"{re.escape(name)}:3: {message}") as caught:
        list(READERS[name](path))
    assert caught.value.line == 3


def test_row_in_another_encoding(tmp_path: Path) -> None:
    """A file that is not UTF-8 is refused with the line of the first wrong byte."""
    path = tmp_path / "synonyms.tsv"
    row = "syndrome de ménière\tICD-10-CM\tH81.09\tlay\n"
    path.write_bytes(f"\ufeff{HEADERS['synonyms.tsv']}\n".encode() + row.encode("latin-1"))
    with pytest.raises(LexiconError, match=r"synonyms\.tsv:2: expected UTF-8; got byte 0xe9") as caught:
        list(read_synonyms(path))
    assert caught.value.line == 2


def test_byte_order_mark(tmp_path: Path) -> None:
    """A file that a spreadsheet saved as UTF-8 with a byte order mark is read."""
    path = tmp_path / "synonyms.tsv"
    path.write_text(HEADERS["synonyms.tsv"] + "\nflu\tICD-10-CM\tJ11.1\tlay\n", encoding="utf-8-sig")
    assert [s.term for s in read_synonyms(path)] == ["flu"]


def test_row_of_a_procedure(tmp_path: Path) -> None:
    """Terms are parted by ';', requirements by '&' into groups of cues, flags are ``yes``."""
    path = tmp_path / "cpt.tsv"
    row = "99999\tLabel\tone term; another\tcast, splint & forearm\topen ,\tarm\tyes\t"
    path.write_text(f"{HEADERS['cpt.tsv']}\n{row}\n")
    assert list(read_procedures(path)) == [
        Procedure(
            System.CPT,
            "99999",
            "Label",
            ("one term", "another"),
            (("cast", "splint"), ("forearm",)),
            ("open",),
            "arm",
            True,
            False,
        )
    ]


def test_row_of_an_abbreviation(tmp_path: Path) -> None:
    """Several codes are parted by blanks, cues by commas."""
    path = tmp_path / "abbreviations.tsv"
    path.write_text(
        f"{HEADERS['abbreviations.tsv']}\nN/V\tnausea, vomiting\tICD-10-CM\tR11.2 R11.0\tcued\tany\temesis, ate\n"
    )
    assert list(read_abbreviations(path)) == [
        Sense("N/V", "nausea, vomiting", ("R11.2", "R11.0"), "cued", True, ("emesis", "ate"))
    ]


def test_row_of_a_combination_with_a_context(tmp_path: Path) -> None:
    """The group behind ``@`` is the context; the others are the conditions, parted by ``+`` and ``|``."""
    path = tmp_path / "combinations.tsv"
    path.write_text(
        "conditions\tcode\treplaces\tauthority\n@O09|Z33.1 + J45|J44\tO99.51\tJ45.9 J44.9\tmade up\n"
    )
    assert list(read_combinations(path)) == [
        Combination((("J45", "J44"),), "O99.51", ("J45.9", "J44.9"), "made up", ("O09", "Z33.1"))
    ]


def test_row_of_a_combination_of_one_sentence(tmp_path: Path) -> None:
    """``&`` asks that one sentence says the conditions; one group alone is a row, too."""
    path = tmp_path / "combinations.tsv"
    path.write_text(
        "conditions\tcode\treplaces\tauthority\n& Z86.73 + G81 + !I63|G45\tI69.35\tG81\tmade up\nG30\tF02.80\t\tmade up\n"
    )
    assert list(read_combinations(path)) == [
        Combination(
            (("Z86.73",), ("G81",)), "I69.35", ("G81",), "made up", together=True, unless=("I63", "G45")
        ),
        Combination((("G30",),), "F02.80", (), "made up"),
    ]
