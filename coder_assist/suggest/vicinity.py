"""How the words around a mention speak for its code: a linear model over hashed words, learnt from coded notes.

"Treated for pneumonia" earns a code that "pneumonia vaccine given" does not. What stands around a mention (six words
before and after it in its line, how the line begins, its section, with the code's chapter and category) becomes
*marks*: numbers below ``MARKS``, each with a learnt weight. No word is kept, and many words share a mark.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from coder_assist.codes.terms import word_hash, words_of_note
from coder_assist.types import Candidate, Encounter, Span, System

Marks = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]

FILE = "vicinity.npy"
BITS = 16
MARKS = 1 << BITS
WINDOW = 6
# So many mentions of a code are looked at.
MOST_MENTIONS = 8
UNKNOWN = -6.0
_SHIFT = np.uint64(64 - BITS)
# Odd numbers with bits all over (of the golden ratio and of pi): products with them spread neighbours apart.
_SPREAD, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x243F6A8885A308D3)


def _mark(numbers: Numbers, kind: str) -> Marks:
    """Return the marks of words in a role, such as "before"."""
    mixed = (numbers ^ np.uint64(word_hash(kind))) * _SPREAD
    return (mixed >> _SHIFT).astype(np.int64)


@lru_cache(maxsize=16384)
def _place(section: str, chapter: str, category: str) -> Marks:
    """Return the marks of a section, alone and for a code, and of the code's category."""
    named = (section, f"{section} {chapter}", f"{section} {category}", category)
    return _mark(np.array([word_hash(name) for name in named], dtype=np.uint64), "place")


class _Surrounding:
    """The marks of one note's words, by the role that they have for a mention."""

    def __init__(self, text: str) -> None:
        words = words_of_note(text)
        self._text = text
        self._starts = [word.start for word in words]
        self._numbers: Numbers = np.fromiter((word_hash(w.stem) for w in words), np.uint64, len(words))
        pairs = self._numbers[:-1] * _SECOND + self._numbers[1:]
        self._roles = {role: _mark(self._numbers, role) for role in ("before", "after", "within", "begins")}
        self._next = {role: _mark(self._numbers, role) for role in ("just before", "just after")}
        self._pairs = {role: _mark(pairs, role) for role in ("two before", "two after", "two begin")}
        self._near: dict[str, Marks] = {}
        self._known: dict[Span, tuple[slice, slice, Marks]] = {}

    def of(self, span: Span, chapter: str) -> tuple[Marks, Marks, Marks]:
        """Return the marks of a span: whatever the code, and before and behind it for codes of a chapter."""
        if span not in self._known:
            self._known[span] = self._around(span)
        before, after, around = self._known[span]
        if chapter not in self._near:
            self._near[chapter] = _mark(self._numbers, f"near {chapter}")
        near = self._near[chapter]
        return around, near[before], near[after]

    def _around(self, span: Span) -> tuple[slice, slice, Marks]:
        """Return the words before and behind a span in its line, and the marks of it all whatever the code."""
        ends = self._text.find("\n", span.end)
        line = bisect_left(self._starts, self._text.rfind("\n", 0, span.start) + 1)
        last = bisect_left(self._starts, ends) if ends >= 0 else len(self._starts)
        low, high = bisect_left(self._starts, span.start), bisect_left(self._starts, span.end)
        before, after = slice(max(line, low - WINDOW), low), slice(high, max(high, min(last, high + WINDOW)))
        roles, following, pairs = self._roles, self._next, self._pairs
        marks = np.concatenate(
            (
                roles["before"][before],
                roles["after"][after],
                roles["within"][low:high],
                roles["begins"][line : line + 1],
                following["just before"][max(line, low - 1) : low],
                following["just after"][high : min(after.stop, high + 1)],
                pairs["two before"][max(line, low - 2) : max(line, low - 1)],
                pairs["two after"][high : max(high, min(after.stop - 1, high + 1))],
                pairs["two begin"][line : max(line, min(last - 1, line + 1))],
            )
        )
        return before, after, marks


def marks_of(encounter: Encounter, mentioned: Sequence[Sequence[Candidate]]) -> tuple[Marks, Marks, Marks]:
    """Return the marks of candidates, by proposal: all in a row, where each candidate's begin, whose it is.

    Of each proposal's candidates the first ``MOST_MENTIONS`` count.
    """
    notes = {note.id: _Surrounding(note.text) for note in encounter.notes}
    rows: list[Marks] = []
    begins: list[int] = []
    owners: list[int] = []
    at = 0
    for owner, candidates in enumerate(mentioned):
        for candidate in candidates[:MOST_MENTIONS]:
            code, mention = candidate.code, candidate.mention
            icd = code.system is System.ICD10CM
            chapter, category = (code.value[0], code.value[:3]) if icd else ("-", f"-{code.value[:2]}")
            here = (
                _place(mention.section.value, chapter, category),
                *notes[candidate.note_id].of(mention.span, chapter),
            )
            rows += here
            begins.append(at)
            owners.append(owner)
            at += sum(map(len, here))
    flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return flat, np.array(begins, dtype=np.int64), np.array(owners, dtype=np.int64)


@dataclass(frozen=True)
class Vicinity:
    """The learnt weights of marks, and what every mention begins with."""

    weights: npt.NDArray[np.float32]
    bias: float

    def features(
        self, encounter: Encounter, mentioned: Sequence[Sequence[Candidate]]
    ) -> list[Mapping[str, float]]:
        """Return the ``vicinity_`` features of each proposal by its candidates: log odds, ``UNKNOWN`` without any."""
        best = np.full(len(mentioned), UNKNOWN)
        mean = np.full(len(mentioned), UNKNOWN)
        flat, begins, owners = marks_of(encounter, mentioned)
        if len(begins):
            odds = np.add.reduceat(self.weights[flat].astype(np.float64), begins) + self.bias
            held, first, counts = np.unique(owners, return_index=True, return_counts=True)
            best[held] = np.maximum.reduceat(odds, first)
            mean[held] = np.add.reduceat(odds, first) / counts
        return [
            {"vicinity_best": b, "vicinity_mean": m}
            for b, m in zip(best.tolist(), mean.tolist(), strict=True)
        ]

    def save(self, directory: Path) -> None:
        """Write ``vicinity.npy``: the weights, the bias behind them."""
        np.save(directory / FILE, np.append(self.weights, np.float32(self.bias)), allow_pickle=False)

    @classmethod
    def load(cls, directory: Path) -> Vicinity | None:
        """Read what ``save`` wrote; ``None`` if the pack has none. Raises ``ValueError`` for an array of another form."""
        if not (directory / FILE).is_file():
            return None
        saved = np.load(directory / FILE, allow_pickle=False)
        if saved.shape != (MARKS + 1,) or saved.dtype != np.float32:
            raise ValueError(f"{FILE} must hold {MARKS + 1} float32; got {saved.shape} of {saved.dtype}")
        return cls(saved[:-1], float(saved[-1]))
