"""Properties of keys, ranges, editions, the book and search that hold for any input."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_assist.codes import CodeRange, Edition, Library, edition_for
from coder_assist.codes.instructions import parse_ranges
from coder_assist.codes.terms import KEY_MASK, STOPWORDS, content_stems, fold, key, words

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
def test_words_slice_back(text: str) -> None:
    """Words stand in order, do not overlap, and slice back to their letters."""
    end = 0
    for word in words(text):
        assert end <= word.start < word.end <= len(text)
        assert fold(text[word.start : word.end]) == word.raw
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
