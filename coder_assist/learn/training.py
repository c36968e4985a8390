"""Train a ranker from coded notes, without leaking: what was learnt from a note never scores that note.

Experience (how often a code was right) is computed out of fold for the rows that the model sees, and the
figures of a pack come from models that never saw the note's group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from coder_assist.learn.examples import (
    NEUTRAL,
    Example,
    feature_names,
    fold_of,
    gather_experience,
    matrix,
)
from coder_assist.suggest.experience import Experience
from coder_assist.suggest.scoring import TrainedScorer
from coder_assist.types import System

FOLDS = 5
INNER_FOLDS = 8
MODELS = 3

Progress = Callable[[str], None]
MakeEstimator = Callable[[int], Any]


def gradient_boosting(seed: int) -> HistGradientBoostingClassifier:
    """Return the default estimator: boosted trees, small leaves forbidden, a sample of features a split."""
    return HistGradientBoostingClassifier(
        max_iter=220,
        learning_rate=0.05,
        max_leaf_nodes=16,
        min_samples_leaf=20,
        l2_regularization=5.0,
        max_features=0.4,
        early_stopping=False,
        random_state=seed,
    )


@dataclass
class Ranker:
    """A trained ranker: the estimators, whose mean probability counts, and the experience they use."""

    estimators: list[Any]
    experience: Experience
    names: list[str]

    def probabilities(self, example: Example) -> npt.NDArray[np.float64]:
        """Return the probability of each proposal of an example, in order."""
        if not example.proposals:
            return np.zeros(0)
        rows = matrix(example, self.experience, self.names)
        return np.asarray(np.mean([e.predict_proba(rows)[:, 1] for e in self.estimators], axis=0))


def fit(examples: Sequence[Example], seed: int = 0, make: MakeEstimator = gradient_boosting) -> Ranker:
    """Fit a ranker. ``make`` builds an unfitted scikit-learn classifier from a seed.

    Raises ``ValueError`` if the examples hold no right or no wrong proposal.
    """
    names = feature_names()
    blocks: list[npt.NDArray[np.float64]] = []
    labels: list[int] = []
    for inner in range(INNER_FOLDS):
        inside = [e for e in examples if fold_of(e.group, INNER_FOLDS, "inner") == inner]
        outside = gather_experience(e for e in examples if fold_of(e.group, INNER_FOLDS, "inner") != inner)
        for example in inside:
            keep = [label != NEUTRAL for label in example.labels]
            if any(keep):
                blocks.append(matrix(example, outside, names)[keep])
                labels += [label for label in example.labels if label != NEUTRAL]
    if len(set(labels)) < 2:
        raise ValueError(f"training needs right and wrong proposals; got {len(labels)} labels of one kind")
    rows = np.concatenate(blocks)
    estimators = [make(seed + number).fit(rows, np.array(labels)) for number in range(MODELS)]
    return Ranker(estimators, gather_experience(examples), names)


def out_of_fold(
    examples: Sequence[Example],
    folds: int = FOLDS,
    seed: int = 0,
    make: MakeEstimator = gradient_boosting,
    progress: Progress = lambda _: None,
) -> list[npt.NDArray[np.float64]]:
    """Return the probabilities of each example's proposals from a ranker that never saw its group."""
    result: list[npt.NDArray[np.float64]] = [np.zeros(0)] * len(examples)
    for fold in range(folds):
        progress(f"fold {fold + 1} of {folds}")
        ranker = fit([e for e in examples if fold_of(e.group, folds) != fold], seed, make)
        for place, example in enumerate(examples):
            if fold_of(example.group, folds) == fold:
                result[place] = ranker.probabilities(example)
    return result


def best_threshold(probabilities: Sequence[float], labels: Sequence[int], required: int) -> float:
    """Return the cut with the highest F1 over proposals, ``required`` codes in all; .5 without a right one."""
    order = np.argsort(-np.asarray(probabilities), kind="stable")
    hits = selected = 0
    best, cut = 0.0, 0.5
    for place, index in enumerate(order):
        hits += labels[index] == 1
        selected += labels[index] != NEUTRAL
        value = 2 * hits / (selected + required)
        following = probabilities[order[place + 1]] if place + 1 < len(order) else 0.0
        if value > best and probabilities[index] > following:
            best, cut = value, (float(probabilities[index]) + float(following)) / 2
    return cut


def thresholds(examples: Sequence[Example], scored: Sequence[npt.NDArray[np.float64]]) -> dict[str, float]:
    """Return the best cut of each system, from out-of-fold probabilities."""
    cuts = {}
    for system in System:
        chosen = [
            (float(probability), label)
            for example, values in zip(examples, scored, strict=True)
            for proposal, label, probability in zip(example.proposals, example.labels, values, strict=True)
            if proposal.code.system is system
        ]
        required = sum(
            code["system"] == system.value and code["status"] == "required"
            for e in examples
            for code in e.line["codes"]
        )
        if chosen and required:
            cuts[system.value] = round(
                best_threshold([p for p, _ in chosen], [label for _, label in chosen], required), 3
            )
    return cuts


def to_scorer(ranker: Ranker, cuts: dict[str, float]) -> TrainedScorer:
    """Return the scorer that a pack holds."""
    return TrainedScorer(ranker.estimators, ranker.names, cuts)
