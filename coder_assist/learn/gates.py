"""The gates before a promotion: where a challenger errs more than the present pack, on the same encounters.

An error is a code missed or a wrong one preselected. Of each system, chapter and code the encounters are
counted in which only the challenger errs, and those in which only the present pack does; a one-sided sign
test says whether the balance is chance. A code is also lost if the present pack found it and the challenger
never does. The tests are not corrected for their number: a gate that shuts too easily asks for a reason,
one that never shuts asks for nothing.

Reference: Dixon and Mood, The statistical sign test, J Am Stat Assoc 1946;41:557-566.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import Any

from coder_assist.codes import Library
from coder_assist.codes.chapters import chapter_of
from coder_assist.learn.breakdown import outcomes
from coder_assist.learn.evaluation import Evaluation
from coder_assist.learn.resampling import compare

LEAST = 3
LEVEL = 0.05
LEAST_ENCOUNTERS = 30
MOST_UNJUDGED = 0.25
LEVELS = ("system", "chapter", "code")


@dataclass(frozen=True, slots=True)
class Regression:
    """A system, chapter or code on which the challenger errs in more encounters: ``worse`` against ``better``.

    ``p`` is the probability of such a balance if both were as good; ``lost`` says that the challenger never
    finds the code. ``encounters`` are those where only the challenger errs.
    """

    level: str
    name: str
    worse: int
    better: int
    p: float
    lost: bool
    encounters: tuple[str, ...]

    def __str__(self) -> str:
        lost = ", found no more" if self.lost else ""
        return f"{self.level} {self.name}: {self.worse} worse, {self.better} better (p {self.p:.3f}{lost})"


@dataclass(frozen=True, slots=True)
class Gates:
    """What stands between a challenger and its promotion, and the figures of both packs by system."""

    champion: str
    challenger: str
    encounters: int
    short: tuple[str, ...]
    regressions: tuple[Regression, ...]
    figures: Mapping[str, Mapping[str, Mapping[str, float | None]]]

    @property
    def passed(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.short and not self.regressions

    @property
    def failures(self) -> tuple[str, ...]:
        """What stands in the way, in words."""
        return (*self.short, *map(str, self.regressions))

    def as_record(self) -> dict[str, Any]:
        """Return what a promotion keeps of it: JSON values, of encounters the ids alone."""
        return {**asdict(self), "passed": self.passed}


def sign_test(worse: int, better: int) -> float:
    """Return how likely so many or more of the changes are for the worse if both ways are equally likely.

    >>> sign_test(5, 0), sign_test(0, 0), sign_test(3, 3)
    (0.03125, 1.0, 0.65625)
    """
    total = worse + better
    return float(sum(comb(total, count) for count in range(worse, total + 1)) / 2**total)


def gates(first: Evaluation, second: Evaluation, library: Library, unjudged: float = 0.0) -> Gates:
    """Compare a challenger with the present pack on the same lines.

    ``unjudged`` is the share of the challenger's preselected codes that nobody has judged: above
    ``MOST_UNJUDGED`` the figures say too little to promote on. Raises ``ValueError`` for other lines.
    """
    encounters = len(first.lines)
    short = []
    if encounters < LEAST_ENCOUNTERS:
        short.append(f"{encounters} encounters compared; at least {LEAST_ENCOUNTERS} are needed")
    if unjudged > MOST_UNJUDGED:
        short.append(
            f"{unjudged:.0%} of the challenger's preselected codes were judged by nobody; at most "
            f"{MOST_UNJUDGED:.0%} may be"
        )
    regressions: list[Regression] = []
    figures = {}
    for system in sorted({*first.notes, *second.notes}):
        regressions += _regressions(first, second, library, system)
        if system in first.notes and system in second.notes:
            figures[system] = _figures(system, first, second)
    return Gates(first.pack, second.pack, encounters, tuple(short), tuple(regressions), figures)


def _regressions(
    first: Evaluation, second: Evaluation, library: Library, system: str
) -> Sequence[Regression]:
    before, after = (
        {(o.note_id, o.code, o.kind) for o in outcomes(each, system)} for each in (first, second)
    )
    hits = [Counter(code for _, code, kind in found if kind == "hit") for found in (before, after)]
    errors = [{(note, code) for note, code, kind in found if kind != "hit"} for found in (before, after)]
    changed: dict[tuple[str, str], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for place, pairs in enumerate((errors[1] - errors[0], errors[0] - errors[1])):
        for note, code in pairs:
            chapter = chapter_of(library, system, code)
            for level, name in zip(LEVELS, (system, chapter, code), strict=True):
                changed[level, name][place].append(note)
    found = []
    for (level, name), (worse, better) in changed.items():
        p = sign_test(len(worse), len(better))
        lost = level == "code" and hits[0][name] >= LEAST and not hits[1][name]
        if len(worse) - len(better) >= LEAST and (p <= LEVEL or lost):
            encounters = tuple(sorted(set(worse)))
            named = f"{system}: {name}" if level == "chapter" else name
            found.append(Regression(level, named, len(worse), len(better), round(p, 4), lost, encounters))
    return sorted(found, key=lambda each: (LEVELS.index(each.level), each.p, each.name))


def _figures(system: str, first: Evaluation, second: Evaluation) -> dict[str, dict[str, float | None]]:
    compared = compare(system, first.notes[system], second.notes[system])
    return {
        name: {
            "champion": compared[name].first,
            "challenger": compared[name].second,
            "difference": compared[name].difference,
            "p": compared[name].p,
        }
        for name in ("precision", "recall", "f1", "map", "first_listed", "ece")
    }
