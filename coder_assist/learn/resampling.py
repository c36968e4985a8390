"""How sure the metrics are: bootstrap intervals, and paired tests of two packs on the same notes.

``intervals`` gives what ``measure.bootstrap`` gives for each metric, from the same draws, but by sums over
a table with a row for each note: a thousand rounds over hundreds of notes in about a second.

References: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 15; Koehn,
Statistical significance tests for machine translation evaluation, EMNLP 2004 (paired).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from coder_assist.measure import BINS, RECALL_AT, NoteScore, summarize

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]

FIGURES = (
    "precision",
    "recall",
    "f1",
    "f1_category",
    "f1_macro_notes",
    "map",
    *(f"recall_at_{k}" for k in RECALL_AT),
    "reach",
    "evidence",
    "first_listed",
    "ece",
)
ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of two packs on the same notes.

    ``interval`` is that of ``second - first`` by a paired bootstrap, ``p`` the two-sided probability of a
    difference at least as large if the two were exchangeable, by swapping them at random note by note.
    """

    first: float | None
    second: float | None
    difference: float | None
    interval: Interval | None
    p: float | None


class _Table:
    """The countable outcomes of notes as columns, and their calibration points in order of probability."""

    def __init__(self, system: str, notes: Sequence[NoteScore]) -> None:
        self.system = system
        rows = [
            (
                n.required,
                n.selected,
                n.hits,
                n.category_required + n.category_selected,
                n.category_hits,
                n.f1,
                n.average_precision or 0.0,
                n.average_precision is not None,
                n.reached,
                n.evidence_possible,
                n.evidence_hits,
                n.has_primary,
                n.primary_first,
                *(n.in_top[k] for k in RECALL_AT),
            )
            for n in notes
        ]
        self.columns = np.array(rows, dtype=np.float64).reshape(len(notes), 13 + len(RECALL_AT))
        points = sorted((p, y, owner) for owner, n in enumerate(notes) for p, y in n.points)
        self.gaps = np.array([p - y for p, y, _ in points], dtype=np.float64)
        self.owners = np.array([owner for _, _, owner in points], dtype=np.intp)

    def metrics(self, weights: Array) -> dict[str, Array]:
        """Return each metric over weighted notes, NaN where undefined; shape (rounds, notes) -> (rounds,)."""
        sums = weights @ self.columns
        (required, selected, hits, categories, category_hits, f1, average, averages) = sums.T[:8]
        (reached, possible, located, primaries, first, *top) = sums.T[8:]
        with np.errstate(divide="ignore", invalid="ignore"):
            nothing = np.full(len(weights), np.nan)
            found = {
                "precision": hits / selected,
                "recall": hits / required,
                "f1": 2 * hits / (selected + required),
                "f1_category": 2 * category_hits / categories if self.system == "ICD-10-CM" else nothing,
                "f1_macro_notes": f1 / weights.sum(axis=1),
                "map": average / averages,
                **{f"recall_at_{k}": at / required for k, at in zip(RECALL_AT, top, strict=True)},
                "reach": reached / required,
                "evidence": located / possible,
                "first_listed": first / primaries,
            }
        found["ece"] = np.array([self._calibration_error(row) for row in weights])
        return found

    def _calibration_error(self, weights: Array) -> float:
        """Return the calibration error over weighted notes, in bins of equal count.

        The sum of gaps over the first t points is linear between points, also where a bin ends within the
        copies of one, so ten look-ups into the running sums do.
        """
        counts = weights[self.owners]
        ends = np.concatenate(([0.0], np.cumsum(counts)))
        total = ends[-1]
        if not total:
            return float("nan")
        sums = np.concatenate(([0.0], np.cumsum(counts * self.gaps)))
        edges = np.arange(BINS + 1) * int(total) // BINS
        return float(np.abs(np.diff(np.interp(edges, ends, sums))).sum() / total)


@lru_cache(maxsize=4)
def _draws(notes: int, rounds: int, seed: int) -> Array:
    """Return how often each note is drawn in each round; the draws are those of ``measure.bootstrap``."""
    chance = random.Random(seed)  # noqa: S311 - statistics, not secrets
    places = range(notes)
    return np.array(
        [np.bincount(chance.choices(places, k=notes), minlength=notes) for _ in range(rounds)],
        dtype=np.float64,
    )


def _interval(values: Array, level: float) -> Interval | None:
    kept = np.sort(values[~np.isnan(values)])
    if not len(kept):
        return None
    tail = (1 - level) / 2
    low, high = kept[int(tail * len(kept))], kept[min(len(kept) - 1, int((1 - tail) * len(kept)))]
    return round(float(low), 4), round(float(high), 4)


def intervals(
    system: str, notes: Sequence[NoteScore], rounds: int = ROUNDS, seed: int = 0, level: float = 0.95
) -> dict[str, Interval | None]:
    """Return the bootstrap interval of each metric; ``None`` where it is undefined in every draw."""
    if not notes:
        return dict.fromkeys(FIGURES)
    drawn = _Table(system, notes).metrics(_draws(len(notes), rounds, seed))
    return {name: _interval(drawn[name], level) for name in FIGURES}


def compare(
    system: str,
    first: Sequence[NoteScore],
    second: Sequence[NoteScore],
    rounds: int = ROUNDS,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Difference]:
    """Compare two packs, scored on the same notes in the same order, metric by metric.

    Raises ``ValueError`` if the notes are not the same.
    """
    if [n.note_id for n in first] != [n.note_id for n in second]:
        raise ValueError("expected both packs scored on the same notes in the same order; got other ids")
    if not first:
        return {name: Difference(None, None, None, None, None) for name in FIGURES}
    before, after = summarize(system, first).as_dict(), summarize(system, second).as_dict()
    draws = _draws(len(first), rounds, seed)
    table, other = _Table(system, first).metrics(draws), _Table(system, second).metrics(draws)
    both = _Table(system, [*first, *second])
    swapped = np.random.default_rng(seed).integers(0, 2, (rounds, len(first))).astype(np.float64)
    mine = both.metrics(np.hstack([1 - swapped, swapped]))
    theirs = both.metrics(np.hstack([swapped, 1 - swapped]))
    unswapped = np.ones((1, len(first)))
    exact = [_Table(system, notes).metrics(unswapped) for notes in (first, second)]
    result = {}
    for name in FIGURES:
        observed = float(exact[1][name][0] - exact[0][name][0])
        if np.isnan(observed):
            result[name] = Difference(before[name], after[name], None, None, None)
            continue
        shuffled = np.abs(theirs[name] - mine[name])
        as_large = int(np.sum(shuffled >= abs(observed) - 1e-12))
        result[name] = Difference(
            before[name],
            after[name],
            round(observed, 4),
            _interval(other[name] - table[name], level),
            round((1 + as_large) / (1 + rounds), 4),
        )
    return result
