"""The transparent first scoring: hand-set weights over named features, in one place.

``probability = 1 / (1 + exp(-(bias + sum of weight x feature)))``. A trained ranker replaces this
behind the same two methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from coder_assist.suggest.features import FEATURES

BIAS = -1.6

WEIGHTS: dict[str, float] = {
    # How well the words fit.
    "match": 1.6,
    "retrieved": -2.2,
    "mended": -0.3,
    "words": 0.12,
    "ambiguity": -0.5,
    "rank_in_term": -1.6,
    # How the note speaks of it. A share of 1 outweighs any section.
    "mentions": 0.5,
    "negated_share": -4.0,
    "uncertain_share": -0.9,
    "hypothetical_share": -3.0,
    "family_share": -4.0,
    "historical_share": -0.5,
    "first_position": -0.2,
    # Where it stands: a diagnosis list is what the author wants coded.
    "in_diagnosis_list": 1.5,
    "in_diagnosis_early": 0.8,
    "in_narrative": 0.2,
    "in_past_history": 0.1,
    "in_social_history": 0.1,
    "in_review_of_systems": -1.1,
    "in_examination": -1.2,
    "in_results": -0.7,
    "in_plan": 0.0,
    "in_procedure_title": 0.9,
    "in_procedure_body": -1.0,
    "in_medications": -0.6,
    # What kind of code it is: symptoms yield to diagnoses, external causes are seldom coded.
    "symptom": -0.8,
    "status": -0.5,
    "external_cause": -0.9,
    "procedure": 0.4,
    "unspecified": -0.1,
    "prior": 0.12,
    "prior_category": 0.05,
    "stronger_sibling": -1.3,
    "drug_support": 0.5,
    "displaced": -2.0,
    "combination": 0.5,
    "from_drug": -0.8,
    "measured": 1.0,
}
THRESHOLD = 0.5


class Scorer(Protocol):
    """What turns features into probabilities. ``threshold`` is the probability from which to preselect."""

    threshold: float

    def probabilities(self, rows: Sequence[Mapping[str, float]]) -> list[float]:
        """Return for each row of features the probability, in [0, 1], that a coder would assign the code."""
        ...

    def reasons(self, row: Mapping[str, float]) -> tuple[str, ...]:
        """Return the features that spoke most for or against, in words."""
        ...


class WeightedScorer:
    """Scores by a table of weights (``WEIGHTS`` unless given)."""

    def __init__(self, weights: Mapping[str, float] | None = None, bias: float = BIAS, threshold: float = THRESHOLD) -> None:
        unknown = set(weights or ()) - set(FEATURES)
        if unknown:
            raise ValueError(f"weights must be named after features; got {sorted(unknown)}")
        self.weights = dict(WEIGHTS if weights is None else weights)
        self.bias = bias
        self.threshold = threshold

    def probabilities(self, rows: Sequence[Mapping[str, float]]) -> list[float]:
        """Return the probability of each row, in [0, 1]."""
        return [self._probability(row) for row in rows]

    def _probability(self, row: Mapping[str, float]) -> float:
        total = self.bias + sum(weight * row.get(name, 0.0) for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))

    def reasons(self, row: Mapping[str, float]) -> tuple[str, ...]:
        """Return up to three reasons, strongest first, with their sign."""
        parts = [(weight * row.get(name, 0.0), name) for name, weight in self.weights.items()]
        parts = [part for part in parts if abs(part[0]) >= 0.25 and part[1] != "match"]
        parts.sort(key=lambda part: -abs(part[0]))
        return tuple(f"{'+' if value > 0 else '-'} {FEATURES[name]}" for value, name in parts[:3])
