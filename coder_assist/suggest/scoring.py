"""From features to probabilities: by a trained ranker, or by hand-set weights in one place.

The transparent scoring is ``probability = 1 / (1 + exp(-(bias + sum of weight x feature)))``; it needs no
training and is what a pack without a ranker uses. A trained ranker stands behind the same methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from coder_assist.suggest.features import FEATURES
from coder_assist.suggest.forest import Forest, Ranks, table_of
from coder_assist.types import System

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
    "first_position": -0.03,
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
    "alternative_rank": -1.5,
    "displaced": -2.0,
    "combination": 0.5,
    "from_drug": -0.8,
    "measured": 1.0,
    # The cues that set a procedure apart from its family.
    "requirement": 0.8,
    "excluded": -1.5,
    "performed": 1.2,
}
THRESHOLD = 0.5


class Scorer(Protocol):
    """What turns features into probabilities."""

    def probabilities(self, rows: Sequence[Mapping[str, float]]) -> list[float]:
        """Return for each row of features the probability, in [0, 1], that a coder would assign the code."""
        ...

    def threshold(self, system: System) -> float:
        """Return the probability from which a code of a system is preselected."""
        ...


class WeightedScorer:
    """Scores by a table of weights (``WEIGHTS`` unless given), with one threshold for all systems."""

    def __init__(
        self, weights: Mapping[str, float] | None = None, bias: float = BIAS, cut: float = THRESHOLD
    ) -> None:
        unknown = set(weights or ()) - set(FEATURES)
        if unknown:
            raise ValueError(f"weights must be named after features; got {sorted(unknown)}")
        self.weights = dict(WEIGHTS if weights is None else weights)
        self.bias = bias
        self.cut = cut

    def threshold(self, system: System) -> float:
        """Return the one threshold."""
        return self.cut

    def probabilities(self, rows: Sequence[Mapping[str, float]]) -> list[float]:
        """Return the probability of each row, in [0, 1]."""
        return [self._probability(row) for row in rows]

    def _probability(self, row: Mapping[str, float]) -> float:
        total = self.bias + sum(weight * row.get(name, 0.0) for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


class TrainedScorer:
    """Scores by a trained ranker.

    ``ranker`` gives probabilities for a table of features: a ``Forest``, or anything with that one method.
    ``names`` are the features in the order of the columns it was trained on; ``cuts`` the thresholds by
    system, .5 for a system that is not listed.
    """

    def __init__(self, ranker: Ranks, names: Sequence[str], cuts: Mapping[str, float]) -> None:
        self.ranker = ranker
        self.names = list(names)
        self.cuts = dict(cuts)

    def threshold(self, system: System) -> float:
        """Return a system's threshold."""
        return self.cuts.get(system.value, THRESHOLD)

    def probabilities(self, rows: Sequence[Mapping[str, float]]) -> list[float]:
        """Return the probability of each row, in [0, 1]."""
        if not rows:
            return []
        probabilities: list[float] = self.ranker.probabilities(table_of(rows, self.names)).tolist()
        return probabilities


class MeanOfEstimators:
    """Any fitted scikit-learn classifiers, whose mean probability counts."""

    def __init__(self, estimators: Sequence[Any]) -> None:
        self.estimators = list(estimators)

    def probabilities(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the mean probability of class 1 for each row."""
        return np.asarray(
            np.mean([estimator.predict_proba(rows)[:, 1] for estimator in self.estimators], axis=0)
        )


def make_ranker(estimators: Sequence[Any]) -> Ranks:
    """Return the fast trees where the estimators are boosted trees that fit them, else the estimators."""
    if all(hasattr(estimator, "_predictors") for estimator in estimators):
        try:
            return Forest(estimators)
        except ValueError:
            pass  # trees with more leaves than the fast form holds are served by scikit-learn
    return MeanOfEstimators(estimators)


def describe(row: Mapping[str, float]) -> tuple[str, ...]:
    """Say in words which of a code's features a coder would want to know."""
    said = [f"stands in {place}" for name, place in _PLACES.items() if row.get(name)]
    if row.get("mentions", 0.0) > math.log1p(1.5):
        said.append(f"mentioned {round(math.expm1(row['mentions']))} times")
    said += [words for name, words in _FACTS.items() if row.get(name)]
    if row.get("seen_words_count", 0.0) >= math.log1p(3):
        rate = 1 / (1 + math.exp(-row["seen_words"]))
        said.append(f"these words earned this code about {rate:.0%} of the time in coded notes")
    return tuple(said)


_PLACES = {
    "in_diagnosis_list": "the diagnosis list",
    "in_diagnosis_early": "the indication or preoperative diagnosis",
    "in_procedure_title": "the procedure's title",
    "in_past_history": "past history",
    "in_review_of_systems": "the review of systems",
}
_FACTS = {
    "drug_support": "a drug of the notes usually treats it",
    "combination": "two conditions of the notes together earn it",
    "history": "a condition of the past",
    "measured": "a number in the note",
    "denied": "no mention holds for the patient, but the notes that this pack learnt from code such findings",
    "displaced": "a combination code of this encounter makes it redundant",
    "retrieved": "found by similar words, not by a known term",
}
