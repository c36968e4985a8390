"""Train a ranker from coded notes, without leaking: what was learnt from a note never scores that note.

Phrase memory and experience (how often a code was right) are computed out of fold for the rows that the
model sees, and the figures of a pack come from rankers that never saw the note's group.
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
    Judged,
    feature_names,
    fold_of,
    gather_experience,
    judge,
    matrix,
)
from coder_assist.learn.remember import build_memory
from coder_assist.suggest import Coder
from coder_assist.suggest.experience import Experience
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.scoring import TrainedScorer, make_ranker
from coder_assist.types import System

FOLDS = 5
INNER_FOLDS = 8
MODELS = 3

Progress = Callable[[str], None]
MakeEstimator = Callable[[int], Any]
Scored = tuple[Judged, npt.NDArray[np.float64]]


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
    """A trained ranker: the estimators, whose mean probability counts, and what it remembers."""

    estimators: list[Any]
    experience: Experience
    memory: PhraseMemory
    names: list[str]

    def __post_init__(self) -> None:
        self.ranks = make_ranker(self.estimators)

    def score(self, coder: Coder, example: Example) -> Scored:
        """Return an example's proposals and their probabilities, in order."""
        judged = judge(coder, example, self.memory)
        if not judged.proposals:
            return judged, np.zeros(0)
        return judged, self.ranks.probabilities(matrix(judged, self.experience, self.names))


def fit(
    coder: Coder, examples: Sequence[Example], seed: int = 0, make: MakeEstimator = gradient_boosting
) -> Ranker:
    """Fit a ranker. ``make`` builds an unfitted scikit-learn classifier from a seed.

    Raises ``ValueError`` if the examples hold no right or no wrong proposal.
    """
    names = feature_names()
    inner = [fold_of(example.group, INNER_FOLDS, "inner") for example in examples]
    judged: list[Judged] = []
    for fold in range(INNER_FOLDS):
        memory = build_memory(e.phrases for e, own in zip(examples, inner, strict=True) if own != fold)
        judged += [judge(coder, e, memory) for e, own in zip(examples, inner, strict=True) if own == fold]
    blocks: list[npt.NDArray[np.float64]] = []
    labels: list[int] = []
    for fold in range(INNER_FOLDS):
        own_folds = [fold_of(one.example.group, INNER_FOLDS, "inner") for one in judged]
        outside = gather_experience(one for one, own in zip(judged, own_folds, strict=True) if own != fold)
        for one, own in zip(judged, own_folds, strict=True):
            keep = [label != NEUTRAL for label in one.labels]
            if own == fold and any(keep):
                blocks.append(matrix(one, outside, names)[keep])
                labels += [label for label in one.labels if label != NEUTRAL]
    if len(set(labels)) < 2:
        raise ValueError(f"training needs right and wrong proposals; got {len(labels)} labels of one kind")
    rows = np.concatenate(blocks)
    estimators = [make(seed + number).fit(rows, np.array(labels)) for number in range(MODELS)]
    return Ranker(estimators, gather_experience(judged), build_memory(e.phrases for e in examples), names)


def out_of_fold(
    coder: Coder,
    examples: Sequence[Example],
    folds: int = FOLDS,
    seed: int = 0,
    make: MakeEstimator = gradient_boosting,
    progress: Progress = lambda _: None,
) -> list[Scored]:
    """Return each example's proposals and probabilities from a ranker that never saw its group, in order."""
    scored: dict[int, Scored] = {}
    for fold in range(folds):
        progress(f"fold {fold + 1} of {folds}")
        ranker = fit(coder, [e for e in examples if fold_of(e.group, folds) != fold], seed, make)
        for place, example in enumerate(examples):
            if fold_of(example.group, folds) == fold:
                scored[place] = ranker.score(coder, example)
    return [scored[place] for place in range(len(examples))]


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


def thresholds(scored: Sequence[Scored]) -> dict[str, float]:
    """Return the best cut of each system, from out-of-fold probabilities."""
    cuts = {}
    for system in System:
        chosen = [
            (float(probability), label)
            for judged, values in scored
            for proposal, label, probability in zip(judged.proposals, judged.labels, values, strict=True)
            if proposal.code.system is system
        ]
        required = sum(
            code["system"] == system.value and code["status"] == "required"
            for judged, _ in scored
            for code in judged.example.line["codes"]
        )
        if chosen and required:
            probabilities, labels = [p for p, _ in chosen], [label for _, label in chosen]
            cuts[system.value] = round(best_threshold(probabilities, labels, required), 3)
    return cuts


def to_scorer(ranker: Ranker, cuts: dict[str, float]) -> TrainedScorer:
    """Return the scorer that a pack holds."""
    return TrainedScorer(ranker.ranks, ranker.names, cuts)
