"""Properties of keys, ranges, editions, the book and search that hold for any input."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coder_assist.codes import CodeRange, Edition, Library, edition_for
from coder_assist.codes.instructions import parse_ranges
from coder_assist.codes.terms import KEY_MASK, STOPWORDS, content_stems, fold, key, words
from coder_assist.errors import InputError
from coder_assist.suggest.rules import Line, sequenced
from coder_assist.types import Code, System

relaxed = settings(deadline=None, max_examples=100)

ANY_TEXT = st.text()
NEAR_TEXT = st.text(alphabet="abehxstopwof ofdue'’é/-.,12 ÉİSß\n\U0001f600")
ASCII_TEXT = st.text(alphabet=st.characters(max_codepoint=127))
PLAIN_WORDS = st.lists(st.from_regex(r"[a-z]{3,9}", fullmatch=True), max_size=8)
CATEGORY = st.from_regex(r"[A-Z]([0-9][0-9A-Z]|A[0-9])", fullmatch=True)
TAIL = st.from_regex(r"(\.[0-9A-Z]{1,4})?", fullmatch=True)
DAYS = st.dates(date(2015, 10, 1), date(2040, 1, 1))


@relaxed
@given(ANY_TEXT | NEAR_TEXT)
def test_fold_keeps_every_place(text: str) -> None:
    """Folding keeps the number and the places of the code points, and is done once."""
    folded = fold(text)
    assert len(folded) == len(text)
    assert folded == "".join(map(fold, text)) == fold(folded)


@relaxed
@given(ANY_TEXT | NEAR_TEXT)
@example("\ufb00ect e\u0301de\u0301me")
def test_words_slice_back(text: str) -> None:
    """Words stand in order, do not overlap, and slice back to their letters (a ligature to those it joins)."""
    end = 0
    for word in words(text):
        assert end <= word.start < word.end <= len(text)
        assert [alone.raw for alone in words(text[word.start : word.end])] == [word.raw]
        assert word.stem
        end = word.end


@relaxed
@given(PLAIN_WORDS, st.randoms())
def test_key_does_not_depend_on_order(terms: list[str], random: Random) -> None:
    """The words of a term may stand in any order."""
    shuffled = list(terms)
    random.shuffle(shuffled)
    assert key(", ".join(terms)) == key(", ".join(shuffled))


@relaxed
@given(ASCII_TEXT)
def test_key_does_not_depend_on_case(text: str) -> None:
    """Capitals make no other term."""
    assert key(text.upper()) == key(text.lower()) == key(text)


@relaxed
@given(ANY_TEXT | NEAR_TEXT)
def test_key_does_not_depend_on_folding(text: str) -> None:
    """Accents and typographic apostrophes make no other term."""
    assert key(fold(text)) == key(text)


@relaxed
@given(PLAIN_WORDS, st.sampled_from(sorted(STOPWORDS)))
def test_stop_words_do_not_count(terms: list[str], stopword: str) -> None:
    """A stop word more makes no other term."""
    assert key(", ".join([*terms, stopword])) == key(", ".join(terms))


@relaxed
@given(ANY_TEXT | NEAR_TEXT, ANY_TEXT | NEAR_TEXT)
def test_keys_add_up(one: str, other: str) -> None:
    """The key of two phrases is the sum of theirs: how shared words are matched across gaps."""
    assert key(f"{one}, {other}") == (key(one) + key(other)) & KEY_MASK


@relaxed
@given(ANY_TEXT)
def test_key_is_a_64_bit_number(text: str) -> None:
    """A key fits 64 bits, and is 0 exactly where no word counts."""
    assert 0 <= key(text) <= KEY_MASK
    assert (key(text) == 0) == (not content_stems(text))


@relaxed
@given(ANY_TEXT | st.text(alphabet="ABO0123456789.-() ,XtoE"))
def test_ranges_of_any_text_are_in_order(text: str) -> None:
    """Whatever a note says, its ranges run upwards and are codes without a dash."""
    for part in parse_ranges(text):
        assert part.first <= part.last
        assert not {"-", " "} & set(part.first + part.last)


@relaxed
@given(st.lists(st.tuples(CATEGORY, TAIL, st.sampled_from(["", "-", ".-"])), max_size=6))
def test_listed_codes_are_read_in_order(parts: list[tuple[str, str, str]]) -> None:
    """Each code of a list is read, with or without the dash that stands for what is below."""
    written = [
        category + tail + (dash if tail == "" or dash != ".-" else "-") for category, tail, dash in parts
    ]
    expected = tuple(CodeRange(category + tail, category + tail) for category, tail, _ in parts)
    assert parse_ranges(f"see ({', '.join(written)})") == expected


@relaxed
@given(CATEGORY, CATEGORY, CATEGORY, TAIL)
def test_range_of_categories(first: str, last: str, category: str, tail: str) -> None:
    """A range of categories covers a code exactly when its category lies between the ends."""
    assert CodeRange(first, last).covers(category + tail) is (first <= category <= last)


@relaxed
@given(CATEGORY, TAIL, st.from_regex(r"[0-9A-Z]{0,3}", fullmatch=True))
def test_range_covers_what_is_below_its_ends(category: str, tail: str, more: str) -> None:
    """A range of one code covers it and all that is below it."""
    code = category + tail
    assert CodeRange(code, code).covers(code + (f".{more}" if more and not tail else more))


@relaxed
@given(st.lists(st.tuples(DAYS, st.integers(0, 500)), min_size=1, max_size=5), DAYS)
def test_edition_covers_where_one_does(spans: list[tuple[date, int]], day: date) -> None:
    """A notice comes exactly where no edition covers the date; else the covering one that is newest."""
    made = [
        Edition(f"e{i}", first, first + timedelta(length), Path("t"))
        for i, (first, length) in enumerate(spans)
    ]
    shelf = tuple(sorted(made, key=lambda edition: (edition.valid_from, edition.name)))
    chosen, notice = edition_for(shelf, day)
    covering = [edition for edition in shelf if edition.covers(day)]
    assert (notice is None) == bool(covering)
    if covering:
        assert chosen.covers(day)
        assert chosen.valid_from == max(edition.valid_from for edition in covering)
    else:
        gap = {e.name: max((e.valid_from - day).days, (day - e.valid_to).days) for e in shelf}
        assert gap[chosen.name] == min(gap.values())


@pytest.fixture(scope="module")
def billable(library: Library) -> list[str]:
    return [entry.code.value for entry in library.icd if entry.billable]


@relaxed
@given(st.data())
def test_a_code_starts_with_itself(library: Library, billable: list[str], data: st.DataObject) -> None:
    """Each code is the first that starts with it, however it is typed."""
    code = data.draw(st.sampled_from(billable))
    for typed in (code, code.lower(), code.replace(".", ""), f" {code} "):
        assert library.icd.starting_with(typed, 1) == [library.icd.entry(code)]
    assert library.search(code, limit=1) == [library.icd.entry(code)]


@settings(deadline=None, max_examples=50)
@given(
    ANY_TEXT | NEAR_TEXT | st.sampled_from(["fractur", "pain knee", "diabetis", "S52", "99", "e1"]),
    st.integers(1, 12),
)
def test_search_takes_anything(library: Library, text: str, limit: int) -> None:
    """Whatever is typed, search gives at most ``limit`` entries of the books, none twice."""
    found = library.search(text, limit=limit)
    assert len(found) <= limit
    assert len({entry.code for entry in found}) == len(found)
    assert all(entry == library.entry(entry.code) for entry in found)


SYSTEMS = st.sampled_from(list(System))
# The form of each system's codes, written anew: what is accepted is held against it.
FORMS = {
    System.ICD10CM: r"[A-Z]([0-9][0-9A-Z]|A[0-9])(\.[0-9A-Z]{1,4})?",
    System.ICD10PCS: r"[0-9A-HJ-NP-Z]{7}",
    System.CPT: r"[0-9]{4}[0-9A-Z]",
    System.HCPCS: r"[A-V][0-9]{4}",
}
CODES = SYSTEMS.flatmap(
    lambda system: st.from_regex(FORMS[system], fullmatch=True).map(lambda value: Code(system, value))
)
BLANKS = st.text(" \t\n\u00a0", max_size=2)
NEAR_CODE = st.text("EAIVZ019.-*@YN ıſß\u0661\uff11\n", max_size=12)


@relaxed
@given(SYSTEMS, ANY_TEXT | NEAR_CODE)
@example(System.CPT, "\u0669\u0669\u0662\u06613")  # digits, but no code's
@example(System.HCPCS, "A\uff10\uff10\uff12\uff11")
@example(System.ICD10CM, "ı10")  # whose capital is an I
@example(System.ICD10CM, "ſ52")
@example(System.ICD10CM, "")
def test_any_code_typed(system: System, typed: str) -> None:
    """Whatever is typed is refused, or is a code of ASCII letters and digits that were typed, in its one form."""
    try:
        code = Code.parse(system, typed)
    except ValueError as error:
        assert "not in its written form" in str(error)
        return
    assert code.value.isascii()
    assert code.value.replace(".", "").lower() == typed.strip().replace(".", "").lower()
    assert Code.parse(system, code.value) == code


@relaxed
@given(CODES, BLANKS, BLANKS, st.booleans(), st.booleans())
def test_a_code_is_one_however_it_is_typed(
    code: Code, before: str, after: str, small: bool, dotless: bool
) -> None:
    """Case, blanks around and the dot make no other code."""
    typed = code.value.lower() if small else code.value
    typed = typed.replace(".", "") if dotless else typed
    assert Code.parse(code.system, f"{before}{typed}{after}") == code


@relaxed
@given(st.text(max_size=12))
def test_any_system_typed(system: str) -> None:
    """A system that is none is refused by name."""
    if system not in list(System):
        with pytest.raises(ValueError, match="system must be one of"):
            Code.parse(system, "E11.9")


@relaxed
@given(
    st.lists(ANY_TEXT | NEAR_CODE | st.sampled_from(["E11.9", "I50.9@Y", "20610*2", "93000-26"]), max_size=5)
)
@example(["*", "@", "-", ".", "...", ""])
@example(["E11.9@Y*2"])
@example(["20610*" + "9" * 5000])
def test_any_codes_to_check(typed: list[str]) -> None:
    """``rules check`` takes lines as typed or says what a line must look like; places count in each system."""
    try:
        lines = sequenced(typed)
    except InputError:
        return
    assert len(lines) == len(typed)
    places: dict[System, int] = {}
    for line in lines:
        places[line.code.system] = places.get(line.code.system, 0) + 1
        assert line.sequence == places[line.code.system]
        assert line.value.isascii() and Code.parse(line.code.system, line.value) == line.code
        assert 0 <= line.units <= 9999


@pytest.mark.parametrize("typed", ["20610*\u0663", "20610*10000", "20610*" + "9" * 5000, "ı10"])
def test_a_line_is_not_taken_for_another(typed: str) -> None:
    """Units are at most 9999 in our digits, and a letter of another script stands for none of ours."""
    with pytest.raises(InputError, match="a line must look like"):
        sequenced([typed])


def _is_told_by_its_form(code: Code) -> bool:
    """Say whether ``rules check`` can know a code's system: it goes by dots, length and the first character."""
    return (code.system is System.ICD10CM) == ("." in code.value or len(code.value) == 3)


@relaxed
@given(
    CODES.filter(_is_told_by_its_form),
    st.lists(st.from_regex(r"[A-Z0-9]{2}", fullmatch=True), max_size=4),
    st.integers(1, 9999),
    st.none() | st.sampled_from("YNUW1"),
    st.booleans(),
)
def test_a_line_to_check_reads_back(
    code: Code, modifiers: list[str], units: int, present: str | None, small: bool
) -> None:
    """A code with modifiers, units and present on admission is read as it was written."""
    written = "-".join([code.value, *modifiers])
    written += f"*{units}" if units > 1 else ""
    written += f"@{present}" if present else ""
    (line,) = sequenced([written.lower() if small else written])
    assert line == Line(code, 1, tuple(modifiers), units, present_on_admission=present)
