"""Which submitted encounters an audit reads: drawn by chance, evenly, or where mistakes are likely.

The same seed draws the same encounters from the same submissions, in the same order. ``inclusion`` says how
likely each one was to be drawn: figures of a sample that prefers some encounters are right for all of them
only if each counts by the inverse of its chance.

>>> sample_size(0.05, expected=0.5)
385
>>> sample_size(0.05, expected=0.5, population=1000)
278
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from coder_assist.errors import InputError
from coder_assist.measure import Z
from coder_assist.review.states import SampleKind

# An encounter without any sign of risk may still be drawn: what is never looked at is never found out.
_BASE_RISK = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """A submitted encounter, as a sample sees it. ``stratum`` is coder, setting and specialty."""

    encounter_id: str
    submission: int
    stratum: tuple[str, ...]
    risk: float


def draw(cases: Sequence[Case], kind: SampleKind, size: int, seed: int) -> list[Case]:
    """Return at most ``size`` of the cases."""
    ordered = sorted(cases, key=lambda case: case.encounter_id)
    chance = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    match kind:
        case SampleKind.RANDOM:
            return chance.sample(ordered, min(size, len(ordered)))
        case SampleKind.STRATIFIED:
            return _evenly(ordered, size, chance)
        case SampleKind.RISK:
            # Efraimidis and Spirakis: u^(1/weight) draws without replacement, in proportion to the weights.
            keyed = [(chance.random() ** (1 / (_BASE_RISK + case.risk)), case) for case in ordered]
            keyed.sort(key=lambda pair: (-pair[0], pair[1].encounter_id))
            return [case for _, case in keyed[:size]]


def _evenly(ordered: Sequence[Case], size: int, chance: Random) -> list[Case]:
    """Take one of each stratum in turn until there are enough."""
    strata: defaultdict[tuple[str, ...], list[Case]] = defaultdict(list)
    for case in ordered:
        strata[case.stratum].append(case)
    piles = [strata[stratum] for stratum in sorted(strata)]
    chance.shuffle(piles)
    for pile in piles:
        chance.shuffle(pile)
    drawn: list[Case] = []
    while piles and len(drawn) < size:
        drawn += [pile.pop() for pile in piles]
        piles = [pile for pile in piles if pile]
    return drawn[:size]


def risk_of(
    accepted: Sequence[float], bulk: int, replaced: int, added: int, overruled: Sequence[float]
) -> float:
    """Return how likely a submission hides a mistake, as a number to compare with others.

    ``accepted`` are the probabilities of accepted suggestions, ``overruled`` those of rejected ones.
    """
    doubt = sum(1 - probability for probability in accepted)
    return doubt + 0.5 * bulk + replaced + added + sum(overruled)


def sample_size(
    margin: float,
    expected: float = 0.95,
    population: int | None = None,
    design_effect: float = 1.0,
    z: float = Z,
) -> int:
    """Return how many encounters a simple random sample needs for a margin of error (half an interval).

    ``expected`` is the proportion that is expected; 0.5 is the safe side. A ``population`` that is not much
    larger than the sample needs less of it, a ``design_effect`` above 1 more (Cochran, Sampling Techniques,
    1977, 4.4). Raises ``InputError`` for numbers out of range.
    """
    if not 0 < margin < 1:
        raise InputError(f"margin must be between 0 and 1; got {margin:g}")
    if not 0 < expected < 1:
        raise InputError(f"expected must be between 0 and 1; got {expected:g}")
    if design_effect < 1:
        raise InputError(f"design effect must be 1 or more; got {design_effect:g}")
    if population is not None and population < 1:
        raise InputError(f"population must be 1 or more; got {population}")
    size = z * z * expected * (1 - expected) / (margin * margin) * design_effect
    if population is not None:
        size = min(float(population), size / (1 + (size - 1) / population))
    return math.ceil(round(size, 6))


def inclusion(cases: Sequence[Case], kind: SampleKind, size: int) -> dict[str, float]:
    """Return each encounter's chance to be in a sample of ``size``; the chances sum up to the size.

    That of a risk sample is approximate: Efraimidis and Spirakis draw the smallest of exponential times, so
    a case is in if its time passes before that of the sample's end (Rosen, J Stat Plan Inference 1997).
    """
    if size >= len(cases):
        return {case.encounter_id: 1.0 for case in cases}
    match kind:
        case SampleKind.RANDOM:
            return {case.encounter_id: size / len(cases) for case in cases}
        case SampleKind.STRATIFIED:
            sizes = Counter(case.stratum for case in cases)
            shares = _even_shares(sizes, size)
            return {case.encounter_id: shares[case.stratum] / sizes[case.stratum] for case in cases}
        case SampleKind.RISK:
            weights = {case.encounter_id: _BASE_RISK + case.risk for case in cases}
            low, high = 0.0, 1.0
            while sum(-math.expm1(-high * weight) for weight in weights.values()) < size:
                high *= 2
            for _ in range(60):
                middle = (low + high) / 2
                if sum(-math.expm1(-middle * weight) for weight in weights.values()) < size:
                    low = middle
                else:
                    high = middle
            return {id: -math.expm1(-high * weight) for id, weight in weights.items()}


def _even_shares(sizes: Counter[tuple[str, ...]], size: int) -> dict[tuple[str, ...], float]:
    """Return how many of each stratum ``_evenly`` draws on average: one each in turn, by chance at the end."""
    shares = dict.fromkeys(sizes, 0.0)
    while size > 0:
        open_strata = [stratum for stratum in sizes if shares[stratum] < sizes[stratum]]
        for stratum in open_strata:
            shares[stratum] += min(1.0, size / len(open_strata))
        size -= min(size, len(open_strata))
    return shares


def size_for(cases: Sequence[Case], kind: SampleKind, margin: float, expected: float = 0.95) -> int:
    """Return the size with which a sample of this kind reaches a margin of error over all the cases.

    A sample that prefers some encounters says less about all of them; how much less is taken from its
    weights (Kish, Survey Sampling, 1965, 11.7). It is at most the number of cases.
    """
    if not cases:
        raise InputError("there is no submitted encounter to draw from")
    needed = sample_size(margin, expected, len(cases))
    low, high = needed, len(cases)
    while low < high:
        middle = (low + high) // 2
        chances = inclusion(cases, kind, middle).values()
        if len(cases) ** 2 / sum(1 / chance for chance in chances) > needed - 1e-6:
            high = middle
        else:
            low = middle + 1
    return low
