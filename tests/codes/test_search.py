"""What a coder types into the search field, and what should come first."""

from __future__ import annotations

import pytest

from coder_assist.codes import Library
from coder_assist.types import Code, System

# What people say, and the nodes of which one should be among the first five: the one that the
# Alphabetical Index gives, its header, or (for a header) the unspecified code below it.
EVERYDAY = [
    ("heart attack", {"I21.9"}),
    ("knee pain", {"M25.56", "M25.569"}),
    ("high blood pressure", {"I10"}),
    ("low back pain", {"M54.5", "M54.50"}),
    ("sore throat", {"J02.9"}),
    ("stroke", {"I63.9"}),
    ("kidney stones", {"N20.0"}),
    ("shortness of breath", {"R06.02"}),
    ("ear infection", {"H66.9", "H66.90"}),
    ("acid reflux", {"K21.9"}),
    ("pink eye", {"H10.02", "H10.9"}),
    ("blood clot in leg", {"I82.40", "I82.409"}),
    ("passing out", {"R55"}),
    ("underactive thyroid", {"E03.9"}),
    ("broken hip", {"S72.00", "S72.009"}),
    ("sprained ankle", {"S93.40", "S93.409"}),
    ("nose bleed", {"R04.0"}),
    ("flu shot", {"Z23"}),
    ("mini stroke", {"G45.9"}),
    ("annual physical", {"Z00.0", "Z00.00"}),
    ("belly pain", {"R10.9"}),
    ("ingrown toenail", {"L60.0"}),
    ("tennis elbow", {"M77.1", "M77.10"}),
    ("hay fever", {"J30.1", "J30.9"}),
    ("stuffy nose", {"R09.81"}),
    ("panic attacks", {"F41.0"}),
    ("allergic to penicillin", {"Z88.0"}),
    ("smoker", {"F17.210", "F17.200", "Z72.0"}),
    ("kidney failure", {"N19", "N17.9"}),
    ("hearing loss", {"H91.9", "H91.90"}),
]

MISSPELT = [
    ("diabetis", {"E11.9"}),
    ("hypertention", {"I10"}),
    ("pnuemonia", {"J18.9"}),
    ("carpal tunel", {"G56.0", "G56.00"}),
    ("myocardal infarction", {"I21.9"}),
    ("athsma", {"J45", "J45.909", "J45.90"}),
]

UNFINISHED = [
    ("chf exacerb", {"I50.9", "I50.33", "I50.23"}),
    ("copd exac", {"J44.1"}),
    ("hypothyr", {"E03.9"}),
    ("diab neurop", {"E11.40"}),
    ("appendic", {"K37", "K35.80"}),
]


def values(library: Library, text: str, system: System | None = None, limit: int = 5) -> list[str]:
    return [entry.code.value for entry in library.search(text, system, limit)]


@pytest.mark.parametrize(("text", "expected"), EVERYDAY)
def test_everyday_phrase(library: Library, text: str, expected: set[str]) -> None:
    """What people call it has the right code among the first five."""
    assert expected & set(values(library, text))


@pytest.mark.parametrize(("text", "expected"), MISSPELT)
def test_misspelt_phrase(library: Library, text: str, expected: set[str]) -> None:
    """A misspelling still has the right code among the first five."""
    assert expected & set(values(library, text))


@pytest.mark.parametrize(("text", "expected"), UNFINISHED)
def test_unfinished_phrase(library: Library, text: str, expected: set[str]) -> None:
    """Words that are still being typed have the right code among the first five."""
    assert expected & set(values(library, text))


@pytest.mark.parametrize("typed", ["e112", "E11.2", "E112", " e11.2"])
def test_code_as_typed(library: Library, typed: str) -> None:
    """A code's beginning gives the codes below it first, dot or no dot."""
    assert values(library, typed, limit=4) == ["E11.2", "E11.21", "E11.22", "E11.29"]


@pytest.mark.parametrize(
    ("typed", "first"),
    [("s52501a", "S52.501A"), ("B20", "B20"), ("b20", "B20"), ("t148xxa", "T14.8XXA"), ("27447", "27447")],
)
def test_whole_code_comes_first(library: Library, typed: str, first: str) -> None:
    """A whole code, however typed, comes first."""
    assert values(library, typed)[0] == first


@pytest.mark.parametrize("typed", ["E11.2", "s52.501a", "B20", "Z99.999"])
def test_typed_code_brings_no_words(library: Library, typed: str) -> None:
    """What is a code's beginning brings only codes that begin so."""
    assert all(value.lower().startswith(typed.lower()) for value in values(library, typed, limit=10))


@pytest.mark.parametrize("typed", ["Z99.999", "e11999", "S52.501X", "U99.9", "00000", "9999Z"])
def test_typed_code_that_is_not_there(library: Library, typed: str) -> None:
    """What can only be a code, and is none, finds nothing."""
    assert values(library, typed) == []


@pytest.mark.parametrize(
    ("typed", "expected"), [("A1c", "R73.09"), ("B12", "E53.8"), ("H1N1", "J10.1"), ("G6PD", "D75.A")]
)
def test_word_that_looks_like_a_code(library: Library, typed: str, expected: str) -> None:
    """A word with digits that begins no code of a book is searched as a word."""
    assert expected in values(library, typed)


@pytest.mark.parametrize("typed", ["E1", "e1"])
def test_two_characters_of_a_code(library: Library, typed: str) -> None:
    """Two characters of a code already give the categories that begin so."""
    assert values(library, typed)[0] == "E10"


@pytest.mark.parametrize("text", ["", "   ", "of the", "…", "'", "\x00", "xyzzyq wqrtp"])
def test_nothing_to_find(library: Library, text: str) -> None:
    """What carries no word finds nothing, and nothing breaks."""
    assert values(library, text) == []


@pytest.mark.parametrize("limit", [1, 3, 10, 40])
def test_limit_and_no_code_twice(library: Library, limit: int) -> None:
    """At most ``limit`` entries come, none twice."""
    found = library.search("fracture", limit=limit)
    assert len(found) == limit
    assert len({entry.code for entry in found}) == limit


def test_entries_are_those_of_the_books(library: Library) -> None:
    """What search returns are the books' own entries."""
    assert all(entry == library.entry(entry.code) for entry in library.search("heart failure"))


@pytest.mark.parametrize("system", [System.ICD10CM, System.CPT])
def test_search_in_one_system(library: Library, system: System) -> None:
    """Asked for one system, only its codes come."""
    found = library.search("knee replacement", system)
    assert found
    assert {entry.code.system for entry in found} == {system}


def test_search_in_a_system_without_a_book(library: Library) -> None:
    """A system that is not installed has nothing to find."""
    assert library.search("walker", System.ICD10PCS) == []


@pytest.mark.parametrize("text", ["fracture", "pain"])
def test_search_in_one_system_looks_at_all_of_it(library: Library, text: str) -> None:
    """A system with few terms is not crowded out by one with many."""
    assert any(
        text in term.text
        for term in map(library.lexicon.term, range(len(library.lexicon)))
        if term.code.system is System.CPT
    )
    assert library.search(text, System.CPT)


def test_hits_of_the_lexicon(library: Library) -> None:
    """The lexicon's own search gives each code's best term, best first, with scores in [0, 1]."""
    hits = library.lexicon.search("heart attack", limit=10)
    assert hits[0].term.code == Code(System.ICD10CM, "I21.9")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0.0 < hit.score <= 1.0 for hit in hits)
    assert len({hit.term.code for hit in hits}) == len(hits)
