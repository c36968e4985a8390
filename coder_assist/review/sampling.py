"""Which submitted encounters an audit reads: drawn by chance, evenly, or where mistakes are likely.

The same seed draws the same encounters from the same submissions, in the same order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

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
