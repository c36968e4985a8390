"""The lexicon: what clinicians call the things that codes name.

Terms of the code books and of the authored files, found by key (exact, whatever the order of the
words), by shared words (retrieval), or as one types (``search``). Everything is read from the
compiled store; arrays are mapped into memory, not loaded.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process
from rapidfuzz.distance import DamerauLevenshtein

from coder_assist.codes.compiler import FORMAT, SOURCES
from coder_assist.codes.sources import Procedure, Sense
from coder_assist.codes.terms import KEY_MASK, STOPWORDS, words
from coder_assist.errors import CodeBookError
from coder_assist.types import Code, System

COMMON_WORD = 6000
RESCORED = 200
FILTER_BITS = 20
_SHIFT = np.uint64(64 - FILTER_BITS)
# Of a term that a line holds: how much its own words count against those of the line, and the least of it.
OF_TERM = 0.7
LEAST_OF_TERM = 0.6


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the lexicon: its words, the code it names, and where it comes from."""

    text: str
    code: Code
    source: str
    length: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A term found by shared words. ``score`` in [0, 1]: how much of both sides' weight is shared."""

    term: Term
    score: float


@dataclass(frozen=True, slots=True)
class DrugFacts:
    """What a drug usually treats (code nodes, supporting evidence only) and its long-term-use code."""

    generic: str
    conditions: tuple[str, ...]
    status_code: str


def drug_key(name: str) -> str:
    """Return how a drug's name is looked up: its words, whatever joins them.

    >>> drug_key("Amoxicillin-Clavulanate") == drug_key("amoxicillin / clavulanate")
    True
    """
    return " ".join(word.raw for word in words(name))


def _letters_of(word: str) -> np.uint32:
    """Return which characters a word has, as bits; a few of them share one."""
    bits = 0
    for character in word:
        bits |= 1 << (ord(character) & 31)
    return np.uint32(bits)


class KeySet:
    """Sorted keys, asked for many at a time; the first bits of most others tell without a search that they are none."""

    def __init__(self, keys: npt.NDArray[np.uint64]) -> None:
        self._keys = keys
        self._may_hold = np.zeros(1 << FILTER_BITS, dtype=bool)
        self._may_hold[keys >> _SHIFT] = True

    def __len__(self) -> int:
        return len(self._keys)

    def holds(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Say for each key (any shape) whether it is one of these."""
        held: npt.NDArray[np.bool_] = self._may_hold[keys >> _SHIFT]
        places = held.nonzero()
        asked = keys[places]
        found = self._keys.searchsorted(asked)
        found[found == len(self._keys)] = 0
        held[places] = self._keys[found] == asked
        return held


class Lexicon:
    """Terms, abbreviations and drugs of a compiled store. Safe to use from several threads."""

    def __init__(self, store: Path) -> None:
        self.store = store
        meta = json.loads((store / "meta.json").read_text(encoding="utf-8"))
        if meta.get("format") != FORMAT:
            raise CodeBookError(
                f"{store.name}: expected a store of format {FORMAT}; got {meta.get('format')}; compile it anew"
            )
        facts = json.loads((store / "facts.json").read_text(encoding="utf-8"))
        self.version: str = meta["lexicon"]
        self._codes = [Code(System(system), value) for system, value in facts["codes"]]
        self._table = np.load(store / "terms.npy", mmap_mode="r")
        self._keys: npt.NDArray[np.uint64] = np.ascontiguousarray(self._table["key"])
        self._key_set = KeySet(self._keys)
        self._offsets = np.load(store / "offsets.npy")
        self._texts = (store / "texts.bin").read_bytes()
        self._stems = (store / "stems.bin").read_bytes()
        self._stem_offsets = np.load(store / "stem-offsets.npy")
        self.vocabulary: list[str] = (store / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
        self._postings = np.load(store / "postings.npy", mmap_mode="r")
        self._starts = np.load(store / "starts.npy").astype(np.int64)
        counts = np.diff(self._starts)
        self._idf = np.log((1 + len(self._table)) / (1 + counts)).astype(np.float32)
        self.drugs = {
            drug_key(name): DrugFacts(generic, tuple(conditions), status)
            for name, (generic, conditions, status) in facts["drugs"].items()
        }
        # How long the names that begin with a word are, longest first: most words of a note begin none.
        self._drug_lengths: dict[str, tuple[int, ...]] = {}
        for name in self.drugs:
            first, length = name.partition(" ")[0], name.count(" ") + 1
            self._drug_lengths[first] = tuple(
                sorted({length, *self._drug_lengths.get(first, ())}, reverse=True)
            )
        self.procedures = {
            code: Procedure(**{**fields, "system": System(fields["system"]), "requires": tuple(map(tuple, fields["requires"])), "terms": (),
                               "excludes": tuple(fields["excludes"])})
            for code, fields in facts["procedures"].items()
        }  # fmt: skip
        self.senses: dict[str, list[Sense]] = {}
        for fields in facts["senses"]:
            sense = Sense(**{**fields, "codes": tuple(fields["codes"]), "cues": tuple(fields["cues"])})
            written = (
                {sense.abbreviation, sense.abbreviation.lower()} if sense.any_case else {sense.abbreviation}
            )
            for form in sorted(written):
                self.senses.setdefault(form, []).append(sense)
        self.begins_drug = self._drug_lengths.__contains__
        # How the first word of an abbreviation is read, and that of its plural ("CVAs").
        firsts = [word.raw for form in self.senses for word in words(form)[:1]]
        self.begins_sense = frozenset([*firsts, *(first + "s" for first in firsts)]).__contains__
        self.closest_word = lru_cache(maxsize=32768)(self._closest_word)
        self._drug_key = lru_cache(maxsize=4096)(drug_key)
        self._sorted_stems = lru_cache(maxsize=16384)(self._sort_stems)
        self.terms_of = lru_cache(maxsize=16384)(self._terms_of)
        self._of_system = lru_cache(maxsize=len(System))(self._rows_of_system)
        self._postings_of = lru_cache(maxsize=len(System))(self._read_postings_of)

    def drug(self, name: str) -> DrugFacts | None:
        """Return what is known of a drug by its name as a note writes it, ``None`` for no drug of ours."""
        return self.drugs.get(self._drug_key(name))

    def drug_length(self, raws: Sequence[str], at: int = 0) -> int:
        """Return of how many words the longest drug name at a place of ``raws`` is, 0 if none is there."""
        for length in self._drug_lengths.get(raws[at], ()):
            if at + length <= len(raws) and " ".join(raws[at : at + length]) in self.drugs:
                return length
        return 0

    def __len__(self) -> int:
        return len(self._table)

    @cached_property
    def longest(self) -> int:
        """The number of content words of the longest term."""
        return int(self._table["length"].max())

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {word: position for position, word in enumerate(self.vocabulary)}

    @cached_property
    def _by_head(self) -> dict[str, tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
        """The vocabulary by first letter, with the lengths of the words and the letters that they have."""
        found: dict[str, list[str]] = {}
        for word in self.vocabulary:
            found.setdefault(word[:1], []).append(word)
        return {
            head: (
                known,
                np.array([len(word) for word in known]),
                np.array([_letters_of(word) for word in known], dtype=np.uint32),
            )
            for head, known in found.items()
        }

    @cached_property
    def _norms(self) -> npt.NDArray[np.float32]:
        squares = np.zeros(len(self._table), dtype=np.float32)
        weights = np.repeat(self._idf**2, np.diff(self._starts))
        np.add.at(squares, np.asarray(self._postings), weights)
        return np.sqrt(squares)

    @cached_property
    def _totals(self) -> npt.NDArray[np.float32]:
        """The weight of all words of each term."""
        totals = np.zeros(len(self._table), dtype=np.float32)
        np.add.at(totals, np.asarray(self._postings), np.repeat(self._idf, np.diff(self._starts)))
        return totals

    def term(self, row: int) -> Term:
        """Return the term in a row of the table."""
        record = self._table[row]
        start, end = int(self._offsets[row]), int(self._offsets[row + 1])
        code = self._codes[int(record["code"])]
        return Term(
            self._texts[start:end].decode(), code, SOURCES[int(record["source"])], int(record["length"])
        )

    def _rows_of_system(self, system: System) -> npt.NDArray[np.bool_]:
        """Say for each row of the table whether its code is of a system."""
        wanted = np.array([code.system is system for code in self._codes])
        return np.asarray(wanted[self._table["code"]])

    def _read_postings_of(self, system: System) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Return the rows of a system that hold each word, and where each word's begin among them."""
        rows = np.asarray(self._postings)
        wanted = self._of_system(system)[rows]
        before = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(wanted, out=before[1:])
        return rows[wanted], before[self._starts]

    def _sort_stems(self, row: int) -> str:
        return self._stems[int(self._stem_offsets[row]) : int(self._stem_offsets[row + 1])].decode()

    def known_keys(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Say for each key (any shape) whether a term has it."""
        return self._key_set.holds(keys)

    def _terms_of(self, key: int) -> tuple[Term, ...]:
        """Return the terms that have a key, authored ones not before official ones: by source order."""
        wanted = np.uint64(key & KEY_MASK)
        first, last = self._keys.searchsorted(wanted, "left"), self._keys.searchsorted(wanted, "right")
        return tuple(self.term(row) for row in range(int(first), int(last)))

    def knows(self, stem: str) -> bool:
        """Say whether a stem stands in any term."""
        return stem in self._positions

    def _closest_word(self, stem: str) -> str | None:
        """Return the word of the lexicon that a misspelt stem most likely is, or ``None``.

        At most one edit for 5 to 7 letters and two from 9 on (Damerau-Levenshtein), same first
        letter; a tie between two words is no answer.
        """
        if len(stem) < 5 or not stem.isalpha():
            return None
        allowed = 2 if len(stem) >= 9 else 1
        if stem[0] not in self._by_head:
            return None
        known, lengths, letters = self._by_head[stem[0]]
        # An edit changes the length by one at most, and at most two of the letters that a word has.
        possible = (np.abs(lengths - len(stem)) <= allowed) & (
            np.bitwise_count(letters ^ _letters_of(stem)) <= 2 * allowed
        )
        near = process.extract(
            stem,
            [known[place] for place in np.flatnonzero(possible).tolist()],
            scorer=DamerauLevenshtein.distance,
            score_cutoff=allowed,
            limit=2,
        )
        if not near or (len(near) == 2 and near[0][1] == near[1][1]):
            return None
        return str(near[0][0]) if len(near[0][0]) >= 5 else None

    def idf(self, stem: str) -> float:
        """Return how telling a stem is: the log of terms over terms with it; 0 for an unknown stem."""
        position = self._positions.get(stem)
        return float(self._idf[position]) if position is not None else 0.0

    def _scores(self, weighted: Sequence[tuple[int, float]]) -> npt.NDArray[np.float32]:
        scores = np.zeros(len(self._table), dtype=np.float32)
        for position, weight in weighted:
            rows = self._postings[self._starts[position] : self._starts[position + 1]]
            scores[rows] += np.float32(weight) * self._idf[position]
        return scores

    def retrieve(self, stems: Sequence[str], limit: int = 10) -> list[Hit]:
        """Return the terms that share the most telling words with ``stems``, best first.

        TF-IDF cosine picks at most 200 terms, RapidFuzz rescores them; scores are in [0, 1].
        """
        positions = sorted({self._positions[stem] for stem in stems if stem in self._positions})
        rare = [p for p in positions if self._starts[p + 1] - self._starts[p] <= COMMON_WORD] or positions
        if not rare:
            return []
        weights = [(p, float(self._idf[p])) for p in positions]
        candidates = np.unique(
            np.concatenate([self._postings[self._starts[p] : self._starts[p + 1]] for p in rare])
        )
        norm = float(np.sqrt(sum(float(self._idf[p]) ** 2 for p in positions)))
        scores = self._scores(weights)[candidates] / (self._norms[candidates] * norm)
        if len(candidates) > RESCORED:
            best = np.argpartition(-scores, RESCORED)[:RESCORED]
            candidates, scores = candidates[best], scores[best]
        phrase = " ".join(sorted(stems))
        rows = candidates.tolist()
        wordings = [self._sorted_stems(row) for row in rows]
        percents = process.cdist([phrase], wordings, scorer=fuzz.ratio)[0].tolist()
        rated = [
            min(1.0, 0.6 * cosine + 0.4 * (percent / 100))
            for cosine, percent in zip(scores.tolist(), percents, strict=True)
        ]
        least = sorted(rated, reverse=True)[: max(1, limit)][-1]
        hits = [Hit(self.term(row), score) for row, score in zip(rows, rated, strict=True) if score >= least]
        hits.sort(key=lambda hit: (-hit.score, SOURCES.index(hit.term.source), hit.term.code))
        return hits[:limit]

    def held_by(self, stems: Sequence[str], system: System, limit: int) -> list[Hit]:
        """Return the terms of a system whose words a line holds, wherever they stand, one of each code.

        A term counts where the line has two of its words and most of its weight. Scores are in [0, 1]:
        mostly how much of the term the line holds, then how much of the line the term explains. A term
        that is returned for one code is returned for every code that has it, beyond ``limit``, too.
        """
        positions = sorted({self._positions[stem] for stem in stems if stem in self._positions})
        if not positions:
            return []
        postings, starts = self._postings_of(system)
        rows = [postings[starts[p] : starts[p + 1]] for p in positions]
        candidates, shared = np.unique(np.concatenate(rows), return_counts=True)
        held = np.zeros(len(candidates), dtype=np.float32)
        for position, having in zip(positions, rows, strict=True):
            held[candidates.searchsorted(having)] += self._idf[position]
        wanted = shared >= np.minimum(2, self._table["length"][candidates])
        candidates, held = candidates[wanted], held[wanted]
        if not len(candidates):
            return []
        of_term = held / self._totals[candidates]
        scores = OF_TERM * of_term + (1 - OF_TERM) * held / float(sum(self._idf[p] for p in positions))
        order = np.lexsort((candidates, -scores))
        best: dict[Code, Hit] = {}
        taken: dict[str, float] = {}
        for place in order.tolist():
            full = len(best) >= limit
            if full and scores[place] < min(taken.values()):
                break
            if of_term[place] >= LEAST_OF_TERM:
                term = self.term(int(candidates[place]))
                if full and term.text not in taken:
                    continue
                taken[term.text] = scores[place]
                best.setdefault(term.code, Hit(term, min(1.0, float(scores[place]))))
        return list(best.values())

    def search(self, text: str, system: System | None = None, limit: int = 10) -> list[Hit]:
        """Return the best term of each code for what someone is typing, best first.

        The last word counts as a prefix; a word that the lexicon does not know counts as its
        nearest neighbours. The text of a code ("E11.2", "e112") is the business of the caller.
        """
        typed = [word for word in words(text) if word.stem not in STOPWORDS]
        if not typed:
            return []
        groups: list[list[tuple[int, float]]] = []
        for place, word in enumerate(typed):
            group = self._expansions(word.stem, word.raw, prefix=place == len(typed) - 1)
            if group:
                groups.append(group)
        if not groups:
            return []
        total = np.zeros(len(self._table), dtype=np.float32)
        matched = np.zeros(len(self._table), dtype=np.float32)
        shared = np.zeros(len(self._table), dtype=np.float32)
        for group in groups:
            best = np.zeros(len(self._table), dtype=np.float32)
            weight = max(float(self._idf[p]) * trust for p, trust in group)
            for position, trust in group:
                rows = self._postings[self._starts[position] : self._starts[position + 1]]
                best[rows] = np.maximum(best[rows], np.float32(trust))
            total += best * np.float32(weight)
            shared += best > 0
            matched += np.float32(weight)
        lengths = np.asarray(self._table["length"], dtype=np.float32)
        scores = total / np.maximum(matched, 1e-6)
        closeness = 1 / (1 + np.maximum(0, lengths - shared) * 0.08)
        sources = np.asarray(self._table["source"])
        scores = scores * closeness * np.where(sources == SOURCES.index("synonym"), 1.0, 0.985)
        if system is not None:
            scores = np.where(self._of_system(system), scores, np.float32(0))
        count = min(len(scores), limit * 12)
        best_rows = np.argpartition(-scores, count - 1)[:count]
        ordered = sorted(best_rows.tolist(), key=lambda row: (-float(scores[row]), row))
        hits: list[Hit] = []
        taken: set[Code] = set()
        for row in ordered:
            term = self.term(row)
            if term.code in taken or scores[row] <= 0:
                continue
            taken.add(term.code)
            hits.append(Hit(term, float(min(1.0, scores[row]))))
            if len(hits) == limit:
                break
        return hits

    def _expansions(self, stem: str, raw: str, prefix: bool) -> list[tuple[int, float]]:
        """Return the vocabulary positions that a typed word may mean, each with a trust in [0, 1]."""
        found: dict[int, float] = {}
        if stem in self._positions:
            found[self._positions[stem]] = 1.0
        if prefix and len(raw) >= 2:
            first = bisect_left(self.vocabulary, raw)
            for position in range(first, min(first + 400, len(self.vocabulary))):
                if not self.vocabulary[position].startswith(raw):
                    break
                share = len(raw) / len(self.vocabulary[position])
                found.setdefault(position, 0.75 + 0.24 * share)
        if not found and len(stem) >= 4:
            near = process.extract(
                stem,
                self.vocabulary,
                scorer=fuzz.ratio,
                score_cutoff=100 - 100 / max(4, len(stem)) * 1.6,
                limit=6,
            )
            for word, score, position in near:
                if word:
                    found[position] = score / 100 * 0.9
        return list(found.items())


@lru_cache(maxsize=8)
def open_lexicon(store: Path) -> Lexicon:
    """Return the lexicon of a compiled store, opened once per process."""
    return Lexicon(store)
