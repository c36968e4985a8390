"""Whether coding changed between two periods: codes, scores, answers, accuracy, vocabulary, editions.

Each of five kinds of change is tested at a fifth of ``ALPHA``, and within a kind Holm's method corrects for
the number of tests: of a hundred reports without any change about one alarms. A change must also be large
enough to matter (``LEAST_RATIO`` ...), for with many encounters every trifle is significant.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from coder_assist.codes.book import CodeBook
from coder_assist.errors import UnknownCode
from coder_assist.review.accuracy import Ledger
from coder_assist.review.facts import CodeFact, Facts
from coder_assist.review.measures import ANSWERS, CODERS, Measure, Scope
from coder_assist.types import System

ALPHA = 0.01
LEAST_RATIO = 1.5  # of how often a code or a word comes up
LEAST_DISTANCE = 0.1  # between the distributions of scores
LEAST_STEP = 0.03  # of a rate
SEEN = 10  # encounters of both periods that a code or word must be in to be tested
MOST_EXAMPLES = 20


class Kind(StrEnum):
    """What may have changed."""

    CODES = "codes"
    SCORES = "scores"
    ANSWERS = "answers"
    ACCURACY = "accuracy"
    VOCABULARY = "vocabulary"


@dataclass(frozen=True, slots=True)
class Change:
    """One comparison of two periods. ``p`` is corrected for all tests of its kind.

    ``before`` and ``after`` are rates, of scores means. ``examples`` are encounters of the later period
    (of the earlier one for what became rare). For vocabulary ``what`` is a number of words, never a word.
    """

    kind: Kind
    what: str
    before: float
    after: float
    p: float
    alarm: bool
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """The comparison of two periods: how many encounters, which, what was compared, how far the codes moved.

    ``stability`` is the population stability index over chapters; below 0.1 is usually called stable.
    """

    encounters: tuple[int, int]
    changes: tuple[Change, ...]
    stability: float | None
    periods: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def alarms(self) -> tuple[Change, ...]:
        """The changes that are both beyond chance and large enough to matter."""
        return tuple(change for change in self.changes if change.alarm)


Words = Mapping[str, Collection[str]]


def compare(before: Facts, after: Facts, words: Words | None = None) -> Drift:
    """Compare two periods. ``words`` are the words of each encounter's notes; none of them is given back."""
    first, second = Ledger.of(before), Ledger.of(after)
    sizes = len(before.encounters), len(after.encounters)
    periods = tuple(e.encounter for e in before.encounters), tuple(e.encounter for e in after.encounters)
    if not all(sizes):
        return Drift(sizes, (), None, periods)
    changes = [
        *_frequencies(_categories(first), _categories(second)),
        *_scores(first, second),
        *_rates(Kind.ANSWERS, ANSWERS, first, second),
        *_rates(Kind.ACCURACY, CODERS[:1], first, second),
    ]
    if words is not None:
        changes += _vocabulary(first, second, words)
    moved = stability(_chapters(before.codes), _chapters(after.codes))
    return Drift(sizes, tuple(changes), moved, periods)


def halves(facts: Facts) -> tuple[Facts, Facts]:
    """Return the facts of the first and of the second half of a period."""
    middle = facts.since + (facts.until - facts.since) / 2
    parts = []
    for since, until in ((facts.since, middle), (middle, facts.until)):
        encounters = tuple(e for e in facts.encounters if since <= e.at < until)
        ids = {encounter.encounter for encounter in encounters}
        parts.append(
            Facts(
                since,
                until,
                encounters,
                tuple(c for c in facts.codes if c.encounter in ids),
                tuple(d for d in facts.decisions if since <= d.at < until),
                tuple(f for f in facts.findings if f.encounter in ids),
            )
        )
    return parts[0], parts[1]


# --- what is compared ---------------------------------------------------------------------------------


Holders = Mapping[str, Sequence[str]]


def _categories(ledger: Ledger) -> tuple[int, Holders]:
    """Return how many encounters there are, and those that hold each category of the submitted codes."""
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for encounter in ledger.encounters:
        codes = ledger.codes.get(encounter.encounter, ())
        for name in {f"{code.system} {code.category}" for code in codes if code.submitted}:
            holders[name].append(encounter.encounter)
    return len(ledger.encounters), holders


def _frequencies(before: tuple[int, Holders], after: tuple[int, Holders]) -> list[Change]:
    (size, holders), (later_size, later) = before, after
    names = [
        name
        for name in sorted({*holders, *later})
        if len(holders.get(name, ())) + len(later.get(name, ())) >= SEEN
    ]
    counts = [(len(holders.get(name, ())), len(later.get(name, ()))) for name in names]
    corrected = holm([fisher(a, size, b, later_size) for a, b in counts])
    changes = []
    for name, (a, b), p in zip(names, counts, corrected, strict=True):
        ratio = max((b + 0.5) / later_size, 1e-9) / ((a + 0.5) / size)
        grew = ratio > 1
        changes.append(
            Change(
                Kind.CODES,
                name,
                a / size,
                b / later_size,
                p,
                p < _alpha() and max(ratio, 1 / ratio) >= LEAST_RATIO,
                tuple((later if grew else holders).get(name, ())[-MOST_EXAMPLES:]),
            )
        )
    return sorted(changes, key=lambda change: (change.p, change.what))


def _alpha() -> float:
    return ALPHA / len(Kind)


def _scores(first: Ledger, second: Ledger) -> list[Change]:
    """Compare the mean probability of each encounter's preselected codes."""
    before, after = _mean_scores(first), _mean_scores(second)
    if not before or not after:
        return []
    values, later = [v for v, _ in before], [v for v, _ in after]
    distance, p = kolmogorov_smirnov(values, later)
    means = sum(values) / len(values), sum(later) / len(later)
    # The examples are those that moved the most in the direction of the whole.
    ordered = sorted(after, reverse=means[1] > means[0])
    return [
        Change(
            Kind.SCORES,
            "mean probability of preselected codes",
            *means,
            p,
            p < _alpha() and distance >= LEAST_DISTANCE,
            tuple(id for _, id in ordered[:MOST_EXAMPLES]),
        )
    ]


def _mean_scores(ledger: Ledger) -> list[tuple[float, str]]:
    means = []
    for encounter in ledger.encounters:
        codes = ledger.codes.get(encounter.encounter, ())
        scores = [code.probability for code in codes if code.selected and code.probability is not None]
        if scores:
            means.append((sum(scores) / len(scores), encounter.encounter))
    return means


def _rates(kind: Kind, measures: Sequence[Measure], first: Ledger, second: Ledger) -> list[Change]:
    found = []
    for measure in measures:
        before, after = _units(first, measure), _units(second, measure)
        if before and after:
            found.append((measure, before, after))
    corrected = holm([_rate_test(before, after) for _, before, after in found])
    changes = []
    for (measure, before, after), p in zip(found, corrected, strict=True):
        old, new = _rate(before), _rate(after)
        short = [id for id, hits, total in after if (hits < total if new < old else hits > 0)]
        alarm = p < _alpha() and abs(new - old) >= LEAST_STEP
        changes.append(Change(kind, measure.title, old, new, p, alarm, tuple(short[:MOST_EXAMPLES])))
    return changes


Unit = tuple[str, float, float]


def _units(ledger: Ledger, measure: Measure) -> list[Unit]:
    units = []
    for encounter in ledger.within(measure.scope):
        hits, total = measure.count(encounter, ledger.codes.get(encounter.encounter, ()))
        if total:
            weight = encounter.weight if measure.scope is Scope.AUDITED else 1.0
            units.append((encounter.encounter, weight * hits, weight * total))
    return units


def _rate(units: Sequence[Unit]) -> float:
    return sum(hits for _, hits, _ in units) / sum(total for _, _, total in units)


def _rate_test(before: Sequence[Unit], after: Sequence[Unit]) -> float:
    """Return the p of equal rates, their variances linearised over encounters."""
    if len(before) < SEEN or len(after) < SEEN:
        return 1.0
    spread = math.sqrt(_variance(before) + _variance(after))
    difference = abs(_rate(before) - _rate(after))
    if spread == 0:
        return 1.0 if difference == 0 else 0.0
    return math.erfc(difference / spread / math.sqrt(2))


def _variance(units: Sequence[Unit]) -> float:
    rate, size, count = _rate(units), sum(total for _, _, total in units), len(units)
    return count / (count - 1) * sum((h - rate * t) ** 2 for _, h, t in units) / size**2


def _vocabulary(first: Ledger, second: Ledger, words: Words) -> list[Change]:
    """Compare how many encounters each word is in; what is said is how many words changed, not which."""
    pair = _word_holders(first, words), _word_holders(second, words)
    tested = _frequencies(*pair)
    if not tested:
        return []
    alarming = [change for change in tested if change.alarm]
    shown = alarming or tested[:1]
    hits = Counter(id for change in alarming for id in change.examples)
    return [
        Change(
            Kind.VOCABULARY,
            f"{len(alarming)} of {len(tested)} words come up more or less often",
            sum(change.before for change in shown) / len(shown),
            sum(change.after for change in shown) / len(shown),
            tested[0].p,
            bool(alarming),
            tuple(id for id, _ in hits.most_common(MOST_EXAMPLES)),
        )
    ]


def _word_holders(ledger: Ledger, words: Words) -> tuple[int, Holders]:
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for encounter in ledger.encounters:
        for word in sorted(set(words.get(encounter.encounter, ()))):
            holders[word].append(encounter.encounter)
    return len(ledger.encounters), holders


def _chapters(codes: Iterable[CodeFact]) -> Counter[str]:
    return Counter(code.chapter for code in codes if code.submitted)


# --- the tests ----------------------------------------------------------------------------------------


def fisher(hits: int, total: int, later_hits: int, later_total: int) -> float:
    """Return the two-sided p of Fisher's exact test that two proportions are the same.

    >>> round(fisher(1, 10, 11, 14), 6)
    0.002759
    """
    both, everything = hits + later_hits, total + later_total
    low, high = max(0, both - later_total), min(both, total)

    def log_chance(k: int) -> float:
        return _log_choose(total, k) + _log_choose(later_total, both - k) - _log_choose(everything, both)

    seen = log_chance(hits) + 1e-7
    chances = (log_chance(k) for k in range(low, high + 1))
    return min(1.0, sum(math.exp(chance) for chance in chances if chance <= seen))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method, in their order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, highest = [1.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = highest
    return corrected


def kolmogorov_smirnov(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the largest distance of two samples' distributions, and its asymptotic p (Stephens 1970)."""
    distance = 0.0
    steps = sorted([(v, 1 / len(first)) for v in first] + [(v, -1 / len(second)) for v in second])
    level = 0.0
    for place, (value, step) in enumerate(steps):
        level += step
        if place + 1 == len(steps) or steps[place + 1][0] != value:
            distance = max(distance, abs(level))
    root = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:
        return distance, 1.0
    series = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 101))
    return distance, min(1.0, max(0.0, series))


def stability(before: Mapping[str, int], after: Mapping[str, int]) -> float | None:
    """Return the population stability index of two counts by part; half a count stands for none."""
    if not sum(before.values()) or not sum(after.values()):
        return None
    names = {*before, *after}
    first = {name: before.get(name, 0) or 0.5 for name in names}
    second = {name: after.get(name, 0) or 0.5 for name in names}
    all_first, all_second = sum(first.values()), sum(second.values())
    shares = ((first[name] / all_first, second[name] / all_second) for name in sorted(names))
    return sum((q - p) * math.log(q / p) for p, q in shares)


# --- another edition of a code set ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EditionEffect:
    """A code of the period that another edition treats differently, why, and what stands there instead."""

    code: str
    why: str
    instead: tuple[str, ...]
    suggested: tuple[str, ...]
    submitted: tuple[str, ...]


def edition_effects(
    facts: Facts, old: CodeBook, new: CodeBook, system: System = System.ICD10CM
) -> list[EditionEffect]:
    """Return which codes suggested or submitted in a period another edition would not let stand as they are.

    A code is gone, is no longer billable (its billable children are named), or has another title.
    """
    holders: defaultdict[str, list[CodeFact]] = defaultdict(list)
    for fact in facts.codes:
        if fact.system == system and (fact.probability is not None or fact.submitted):
            holders[fact.code].append(fact)
    effects = []
    for code, held in sorted(holders.items()):
        found = _effect(code, old, new)
        if found is not None:
            why, instead = found
            effects.append(
                EditionEffect(
                    code,
                    why,
                    instead,
                    _ids(held, lambda fact: fact.probability is not None),
                    _ids(held, lambda fact: fact.submitted),
                )
            )
    return effects


def _ids(facts: Sequence[CodeFact], wanted: Callable[[CodeFact], bool]) -> tuple[str, ...]:
    return tuple(sorted({fact.encounter for fact in facts if wanted(fact)}))


def _effect(code: str, old: CodeBook, new: CodeBook) -> tuple[str, tuple[str, ...]] | None:
    try:
        now = new.entry(code)
    except UnknownCode:
        above = next((name for name in _shorter(code) if name in new), None)
        return f"not in {new.edition}", tuple(new.billable_below(above)[:MOST_EXAMPLES]) if above else ()
    if not now.billable:
        return f"not billable in {new.edition}", tuple(new.billable_below(code)[:MOST_EXAMPLES])
    if code in old and old.title(code) != now.title:
        return f"another title in {new.edition}", (code,)
    return None


def _shorter(code: str) -> list[str]:
    return [code[:length].rstrip(".") for length in range(len(code) - 1, 2, -1)]
