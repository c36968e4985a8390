"""The lexicon: exact keys, retrieval against a slow reference, misspellings, senses, drugs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz
from rapidfuzz.distance import DamerauLevenshtein

from coder_assist.codes import Hit, Lexicon, Library
from coder_assist.codes.lexicon import COMMON_WORD, RESCORED, KeySet
from coder_assist.codes.terms import content_stems, key
from coder_assist.codes.terms import words as cut
from coder_assist.types import System


@pytest.fixture(scope="module")
def lexicon(library: Library) -> Lexicon:
    return library.lexicon


@dataclass
class SlowLexicon:
    """What ``Lexicon.retrieve`` computes, term by term in plain Python."""

    lexicon: Lexicon
    stems_of: list[list[str]]
    rows_with: dict[str, list[int]]

    @classmethod
    def of(cls, lexicon: Lexicon) -> SlowLexicon:
        stems_of = [content_stems(lexicon.term(row).text) for row in range(len(lexicon))]
        rows_with: dict[str, list[int]] = {}
        for row, stems in enumerate(stems_of):
            for stem in set(stems):
                rows_with.setdefault(stem, []).append(row)
        return cls(lexicon, stems_of, rows_with)

    def weight(self, stem: str) -> float:
        return log((1 + len(self.stems_of)) / (1 + len(self.rows_with[stem])))

    def norm(self, stems: set[str]) -> float:
        return sqrt(sum(self.weight(stem) ** 2 for stem in stems))

    def cosines(self, asked: Sequence[str]) -> dict[int, float]:
        """Return the TF-IDF cosine of each term that has a telling word of the query."""
        known = {stem for stem in asked if stem in self.rows_with}
        telling = {stem for stem in known if len(self.rows_with[stem]) <= COMMON_WORD} or known
        found = {}
        for row in {row for stem in telling for row in self.rows_with[stem]}:
            term = set(self.stems_of[row])
            shared = sum(self.weight(stem) ** 2 for stem in known & term)
            found[row] = shared / (self.norm(known) * self.norm(term))
        return found

    def score(self, asked: Sequence[str], row: int, cosine: float) -> float:
        """Return the score of one term: six parts cosine, four parts likeness of the sorted stems."""
        likeness = fuzz.token_sort_ratio(" ".join(asked), " ".join(self.stems_of[row])) / 100
        return min(1.0, 0.6 * cosine + 0.4 * likeness)


@pytest.fixture(scope="module")
def slow(lexicon: Lexicon) -> SlowLexicon:
    return SlowLexicon.of(lexicon)


@pytest.mark.parametrize(
    "text",
    [
        "chronic kidney disease stage 3",
        "closed fracture of distal radius, right",
        "recurrent acute maxillary sinusitis",
        "heart failure",
        "left femur fracture after a fall from a ladder",
        "diabetic neuropathy",
        "congestive congestive heart failure",
        "laparoscopic cholecystectomy",
        "xyzzy pneumonia",
        "pain",
    ],
)
def test_retrieval_agrees_with_the_reference(lexicon: Lexicon, slow: SlowLexicon, text: str) -> None:
    """The fast retrieval finds the terms, and gives the scores, of the slow reference."""
    asked = content_stems(text)
    cosines = slow.cosines(asked)
    hits = lexicon.retrieve(asked, limit=25)
    assert len(hits) == min(25, len(cosines))
    # Where several terms tie for the last place among those rescored, either may be taken.
    last = sorted(cosines.values(), reverse=True)[:RESCORED][-1]
    by_term = {lexicon.term(row): (row, cosine) for row, cosine in cosines.items()}
    for hit in hits:
        row, cosine = by_term[hit.term]
        assert cosine >= last - 1e-4
        assert hit.score == pytest.approx(slow.score(asked, row, cosine), abs=1e-4)
    found = {hit.term for hit in hits}
    sure = [row for row, cosine in cosines.items() if cosine > last + 1e-4]
    better = {
        lexicon.term(row) for row in sure if slow.score(asked, row, cosines[row]) > hits[-1].score + 1e-4
    }
    assert better <= found


@pytest.mark.parametrize(
    "text", ["heart failure", "pain in the left knee", "acute appendicitis with abscess"]
)
def test_scores_fall_within_bounds(lexicon: Lexicon, text: str) -> None:
    """Scores lie in [0, 1], best first, and an exact term has the best."""
    hits = lexicon.retrieve(content_stems(text), limit=50)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_exact_term_is_retrieved_first(lexicon: Lexicon) -> None:
    """A term's own words retrieve it with the full score."""
    first = lexicon.retrieve(content_stems("obstructive sleep apnea"))[0]
    assert first.score == pytest.approx(1.0, abs=1e-4)
    assert first.term.code.value == "G47.33"


@pytest.mark.parametrize("text", ["Pain, unspecified", "fractures of the femur"])
def test_same_key_has_the_full_score(lexicon: Lexicon, text: str) -> None:
    """A term that says the same as the query but for case, plural and stop words has the full score."""
    asked = content_stems(text)
    same = [hit for hit in lexicon.retrieve(asked, limit=200) if key(hit.term.text) == key(text)]
    assert same
    assert all(hit.score == pytest.approx(1.0, abs=1e-4) for hit in same)


def test_nothing_known_retrieves_nothing(lexicon: Lexicon) -> None:
    """Words that no term has retrieve nothing."""
    assert lexicon.retrieve(["xyzzy", "qwrtp"]) == []
    assert lexicon.retrieve([]) == []


def test_retrieval_repeats_itself(lexicon: Lexicon) -> None:
    """The same words give the same hits in the same order, whatever their own order's set of words."""
    asked = content_stems("chronic obstructive pulmonary disease with exacerbation")
    hits: list[Hit] = lexicon.retrieve(asked)
    assert hits == lexicon.retrieve(asked)
    assert {hit.term for hit in hits} == {hit.term for hit in lexicon.retrieve(asked[::-1])}


def test_terms_of_a_key(lexicon: Lexicon) -> None:
    """All terms with a key come, from official titles to synonyms."""
    found = lexicon.terms_of(key("Essential hypertension"))
    assert "I10" in {term.code.value for term in found}
    assert all(key(term.text) == key("essential hypertension") for term in found)
    assert lexicon.terms_of(key("xyzzy qwrtp")) == ()
    assert lexicon.terms_of(0) == ()


def test_every_term_has_its_key(lexicon: Lexicon) -> None:
    """The table's rows are sorted by key, and each row's key and length are those of its text."""
    assert (np.diff(lexicon._keys.astype(object)[::200]) >= 0).all()
    for row in range(0, len(lexicon), 97):
        term = lexicon.term(row)
        assert key(term.text) == int(lexicon._keys[row])
        assert len(content_stems(term.text)) == term.length <= lexicon.longest


def test_known_keys_of_any_shape(lexicon: Lexicon) -> None:
    """Many keys are asked at once, in an array of any shape; the largest key there is does no harm."""
    keys = np.array([[key("heart failure"), key("xyzzy")], [2**64 - 1, key("Cough")]], dtype=np.uint64)
    assert lexicon.known_keys(keys).tolist() == [[True, False], [False, True]]


@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 2**64 - 1)))
def test_a_set_of_keys_holds_its_own(held: list[int], asked: list[int]) -> None:
    """Whatever the keys, also none: a set says of each whether it is one of its own."""
    keys = KeySet(np.unique(np.array(held, dtype=np.uint64)))
    everything = [*asked, *held, *(key ^ 1 for key in held)]
    assert keys.holds(np.array(everything, dtype=np.uint64)).tolist() == [key in held for key in everything]


def test_terms_name_codes_of_the_books(library: Library) -> None:
    """Every term of the lexicon names a code of an installed book."""
    codes = {library.lexicon.term(row).code for row in range(len(library.lexicon))}
    assert [code for code in codes if code.value not in library.books[code.system]] == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pneumonai", "pneumonia"),
        ("hypertention", "hypertension"),
        ("fracure", "fracture"),
        ("apendicitis", "appendicitis"),
        ("pneumonia", "pneumonia"),
        ("pian", None),
        ("ypertension", None),
        ("zzzzzzzz", None),
        ("covid19", None),
    ],
)
def test_closest_word(lexicon: Lexicon, typed: str, meant: str | None) -> None:
    """A misspelling is near one word with its first letter; short or far words have no neighbour."""
    assert lexicon.closest_word(typed) == meant


def test_idf_is_larger_for_rarer_words(lexicon: Lexicon) -> None:
    """The rarer a word, the more it tells; an unknown one tells nothing."""
    assert lexicon.knows("fracture")
    assert not lexicon.knows("xyzzy")
    assert lexicon.idf("pheochromocytoma") > lexicon.idf("fracture") > lexicon.idf("xyzzy") == 0.0


def test_abbreviation_in_exact_case_only(small_library: Library) -> None:
    """An abbreviation of exact case is not found in lower case; one of any case is."""
    senses = small_library.lexicon.senses
    assert set(senses) == {"HIV", "hiv", "FX"}
    assert senses["hiv"][0].codes == ("B20",)
    assert (senses["FX"][0].sense, senses["FX"][0].cues) == ("cued", ("forearm", "cast"))


def test_well_known_abbreviations(lexicon: Lexicon) -> None:
    """Abbreviations that every note has are there, with their codes."""
    assert [sense.codes for sense in lexicon.senses["ABLA"]] == [("D62",)]
    assert {sense.sense for sense in lexicon.senses["A&O"]} == {"never"}
    assert any("I50.9" in sense.codes for sense in lexicon.senses["CHF"])


def test_drugs_say_what_they_treat(lexicon: Lexicon) -> None:
    """A brand name knows its generic, its conditions and its long-term-use code."""
    actos = lexicon.drugs["actos"]
    assert (actos.generic, actos.conditions, actos.status_code) == ("pioglitazone", ("E11",), "Z79.84")


def test_lexicon_has_a_version(lexicon: Lexicon) -> None:
    """The version is a short digest, which a run records."""
    assert len(lexicon.version) == 12
    int(lexicon.version, 16)


def test_held_by_finds_scattered_words(library: Library) -> None:
    """A line holds a term whose words stand apart; one code is offered once, best first."""
    stems = content_stems("placement of a left femoral vein triple lumen catheter under ultrasound")
    hits = library.lexicon.held_by(stems, System.CPT, 6)
    codes = [hit.term.code.value for hit in hits]
    assert "36556" in codes[:3]
    assert len(codes) == len(set(codes)) and {hit.term.code.system for hit in hits} == {System.CPT}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert library.lexicon.held_by(["zzz"], System.CPT, 6) == []
    assert (
        library.lexicon.held_by(["catheter"], System.CPT, 6) == []
    )  # one word of longer terms is not enough


def test_held_by_returns_all_codes_of_a_term(library: Library) -> None:
    """A term of a large family is offered for each of its codes, however few are asked for."""
    stems = content_stems("excision of left upper cheek skin lesion")
    few, many = (library.lexicon.held_by(stems, System.CPT, limit) for limit in (2, 500))
    terms = {hit.term.text for hit in few}
    assert {hit.term.code for hit in few} >= {hit.term.code for hit in many if hit.term.text in terms}
    assert len(few) > 2


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("amoxicillin-clavulanate 875 mg", 2),
        ("Insulin glargine at bedtime", 2),
        ("bictegravir/emtricitabine/tenofovir alafenamide daily", 4),
        ("metformin 500", 1),
        ("water", 0),
    ],
)
def test_drugs_of_several_words(library: Library, written: str, words: int) -> None:
    raws = [word.raw for word in cut(written)]
    assert library.lexicon.drug_length(raws) == words
    assert (library.lexicon.drug(" ".join(raws[:words])) is not None) is (words > 0)


@pytest.mark.parametrize(
    "stem",
    ["pneumonnia", "apendicitis", "diabtes", "hypertnesion", "arthrits", "zzzzzz", "obtaind", "cholecystitus", "xylofone", "fracure"],
)  # fmt: skip
def test_the_closest_word_is_that_of_the_whole_vocabulary(lexicon: Lexicon, stem: str) -> None:
    """What the letters rule out is nothing that a look at every word would find."""
    allowed = 2 if len(stem) >= 9 else 1
    rated = sorted(
        (distance, word)
        for word in lexicon.vocabulary
        if word[:1] == stem[0]
        and (distance := DamerauLevenshtein.distance(stem, word, score_cutoff=allowed)) <= allowed
    )
    alone = rated and (len(rated) == 1 or rated[0][0] < rated[1][0]) and len(rated[0][1]) >= 5
    assert lexicon.closest_word(stem) == (rated[0][1] if alone else None)
