"""Train a ranker from coded notes, without leaking: what was learnt from a note never scores that note.

Phrase memory and experience (how often a code was right) are computed out of fold for the rows that the
model sees, and the figures of a pack come from rankers that never saw the note's group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils.validation import has_fit_parameter

from coder_assist.errors import InputError
from coder_assist.learn.examples import (
    NEUTRAL,
    Example,
    Judged,
    feature_names,
    fold_of,
    gather_company,
    gather_experience,
    judge,
    matrix,
)
from coder_assist.learn.remember import KEEP_ALL, Retention, build_memory
from coder_assist.learn.vicinities import Described, learn_vicinity
from coder_assist.suggest import Coder
from coder_assist.suggest.company import Company
from coder_assist.suggest.experience import Experience
from coder_assist.suggest.features import affirmed
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.scoring import TrainedScorer, make_ranker
from coder_assist.suggest.second_look import SECOND_LOOK, SecondLook, columns, seen_first
from coder_assist.suggest.vicinity import Vicinity
from coder_assist.types import System

FOLDS = 5
INNER_FOLDS = 8
# So many inner folds at a time are kept from what is slow to learn and knows so many notes that few folds do.
SLOW_FOLDS = 2
MODELS = 3
LEAST_COMPLETE = 20

Progress = Callable[[str], None]
MakeEstimator = Callable[[int], Any]
Rows = npt.NDArray[np.float64]
Scored = tuple[Judged, Rows]


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
    """A trained ranker: the estimators, whose mean probability counts, and what it remembers.

    ``first`` is the estimator of the first look, which sees the features besides those of ``SECOND_LOOK``; ``None``
    where ``names`` has none of these.
    """

    estimators: list[Any]
    first: Any | None
    experience: Experience
    vicinity: Vicinity
    company: Company
    memory: PhraseMemory
    names: list[str]

    def __post_init__(self) -> None:
        self.ranks = make_ranker(self.estimators)
        self.second_look = None
        if self.first is not None:
            self.second_look = SecondLook(
                make_ranker([self.first]), tuple(seen_first(self.names)), self.company
            )

    def score(self, coder: Coder, example: Example) -> Scored:
        """Return an example's proposals and their probabilities, in order."""
        judged = judge(coder, example, self.memory)
        if not judged.proposals:
            return judged, np.zeros(0)
        rows = matrix(judged, self.experience, self.vicinity, self.second_look, self.names)
        return judged, self.ranks.probabilities(rows)


@dataclass(frozen=True)
class _Material:
    """What a ranker is fitted from: its examples in the order of their inner folds, and their features.

    ``rows`` have the features of ``names``, ``first_rows`` those that the first ranker sees.
    """

    judged: list[Judged]
    described: list[Described]
    first_rows: list[Rows]
    rows: list[Rows]


def training_rows(
    coder: Coder, examples: Sequence[Example], names: Sequence[str], retention: Retention = KEEP_ALL
) -> list[tuple[Judged, Rows]]:
    """Return the proposals of each example and their features ``names``, as a ranker sees them in training.

    What phrase memory, experience, vicinity, the first ranker and company tell of a note comes from the other groups
    alone. The order is that of the inner folds.
    """
    material = _gather(coder, examples, names, retention, 0, gradient_boosting)
    return list(zip(material.judged, material.rows, strict=True))


def _gather(
    coder: Coder,
    examples: Sequence[Example],
    names: Sequence[str],
    retention: Retention,
    seed: int,
    make: MakeEstimator,
) -> _Material:
    inner = [fold_of(example.group, INNER_FOLDS, "inner") for example in examples]
    judged: list[Judged] = []
    owners: list[int] = []
    for fold in range(INNER_FOLDS):
        memory = build_memory(
            (e.phrases for e, own in zip(examples, inner, strict=True) if own != fold),
            least_patients=retention.least_patients,
        )
        judged += [judge(coder, e, memory) for e, own in zip(examples, inner, strict=True) if own == fold]
        owners += [fold] * inner.count(fold)
    described = [Described.of(one, retention) for one in judged]
    first_names = seen_first(names)
    first_rows: list[Rows] = []
    for fold in range(INNER_FOLDS):
        if fold % SLOW_FOLDS == 0:
            apart = range(fold, fold + SLOW_FOLDS)
            vicinity = learn_vicinity(
                [one for one, own in zip(described, owners, strict=True) if own not in apart], retention
            )
        experience = gather_experience(
            (one for one, own in zip(judged, owners, strict=True) if own != fold), retention
        )
        first_rows += [
            matrix(one, experience, vicinity, None, first_names)
            for one, own in zip(judged, owners, strict=True)
            if own == fold
        ]
    if first_names == list(names):
        return _Material(judged, described, first_rows, first_rows)
    companies = [
        gather_company((one for one, own in zip(judged, owners, strict=True) if own != fold), retention)
        for fold in range(INNER_FOLDS)
    ]
    likely = _first_looks(judged, first_rows, [own // SLOW_FOLDS for own in owners], seed, make)
    place = {name: at for at, name in enumerate([*first_names, *SECOND_LOOK])}
    wanted = [place[name] for name in names]
    rows = [
        np.hstack([first, _second_columns(one, said, companies[own])])[:, wanted]
        for one, first, said, own in zip(judged, first_rows, likely, owners, strict=True)
    ]
    return _Material(judged, described, first_rows, rows)


def _first_looks(
    judged: Sequence[Judged],
    rows: Sequence[Rows],
    owners: Sequence[int],
    seed: int,
    make: MakeEstimator,
) -> list[Rows]:
    """Return what first rankers say of each example's proposals that were fitted on those of other ``owners``.

    Where the others have right or wrong ones alone, nothing is known: .5.
    """
    said: dict[int, Rows] = {}
    for owner in sorted(set(owners)):
        others = [place for place, own in enumerate(owners) if own != owner]
        features, labels, weights = _labelled([judged[at] for at in others], [rows[at] for at in others])
        ranker = None
        if len(set(labels.tolist())) > 1:
            ranker = make_ranker([_fitted(make(seed), features, labels, weights)])
        for place in (place for place, own in enumerate(owners) if own == owner):
            mine = rows[place]
            said[place] = (
                np.full(len(mine), 0.5) if ranker is None or not len(mine) else ranker.probabilities(mine)
            )
    return [said[place] for place in range(len(judged))]


def _second_columns(judged: Judged, likely: Rows, company: Company) -> Rows:
    held = [list(filter(affirmed, proposal.candidates)) for proposal in judged.proposals]
    return columns([proposal.code for proposal in judged.proposals], held, likely, company)


def _labelled(judged: Sequence[Judged], rows: Sequence[Rows]) -> tuple[Rows, npt.NDArray[np.int64], Rows]:
    """Return the rows whose label counts, with their labels and weights."""
    told = [
        (label, weight)
        for one in judged
        for label, weight in zip(one.labels, one.weights, strict=True)
        if label != NEUTRAL
    ]
    kept = [own[[label != NEUTRAL for label in one.labels]] for one, own in zip(judged, rows, strict=True)]
    return (
        np.concatenate(kept or [np.zeros((0, 0))]),
        np.array([label for label, _ in told], dtype=np.int64),
        np.array([weight for _, weight in told], dtype=np.float64),
    )


def fit(
    coder: Coder,
    examples: Sequence[Example],
    seed: int = 0,
    make: MakeEstimator = gradient_boosting,
    retention: Retention = KEEP_ALL,
) -> Ranker:
    """Fit a ranker. ``make`` builds an unfitted scikit-learn classifier from a seed.

    Raises ``ValueError`` if the examples hold no right or no wrong proposal, or if their codes bring weights
    that the classifier takes none of.
    """
    names = feature_names(coder.pack.any_assertion)
    found = _gather(coder, examples, names, retention, seed, make)
    first_rows, labels, weights = _labelled(found.judged, found.first_rows)
    if len(set(labels.tolist())) < 2:
        raise ValueError(f"training needs right and wrong proposals; got {len(labels)} labels of one kind")
    rows, _, _ = _labelled(found.judged, found.rows)
    looks_twice = seen_first(names) != names
    first = _fitted(make(seed), first_rows, labels, weights) if looks_twice else None
    return Ranker(
        [_fitted(make(seed + number), rows, labels, weights) for number in range(MODELS)],
        first,
        gather_experience(found.judged, retention),
        learn_vicinity(found.described, retention),
        gather_company(found.judged, retention),
        build_memory((e.phrases for e in examples), least_patients=retention.least_patients),
        names,
    )


def _fitted(estimator: Any, rows: Rows, labels: npt.NDArray[np.int64], weights: Rows) -> Any:
    if np.all(weights == 1.0):
        return estimator.fit(rows, labels)
    if not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"the codes bring weights, but {type(estimator).__name__}.fit takes no sample_weight; "
            "take the weights out of the corpus or choose another estimator"
        )
    return estimator.fit(rows, labels, sample_weight=weights)


def load_factory(name: str) -> MakeEstimator:
    """Return the function that ``module:factory`` names: it makes a classifier from a seed.

    Raises ``InputError`` if there is no such function, or if what it makes cannot be a ranker.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise InputError(f"estimator must be written module:factory; got {name!r}")
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"estimator {name!r} cannot be found; {error}") from None
    made = factory(0) if callable(factory) else factory
    if not callable(factory) or not all(hasattr(made, method) for method in ("fit", "predict_proba")):
        raise InputError(
            f"estimator {name!r} must be a function of a seed that returns a classifier with fit and "
            f"predict_proba; got {type(made).__name__}"
        )

    def make(seed: int) -> Any:
        return factory(seed)

    return make


def out_of_fold(
    coder: Coder,
    examples: Sequence[Example],
    folds: int = FOLDS,
    seed: int = 0,
    make: MakeEstimator = gradient_boosting,
    progress: Progress = lambda _: None,
    retention: Retention = KEEP_ALL,
) -> list[Scored]:
    """Return each example's proposals and probabilities from a ranker that never saw its group, in order."""
    scored: dict[int, Scored] = {}
    for fold in range(folds):
        progress(f"fold {fold + 1} of {folds}")
        others = [e for e in examples if fold_of(e.group, folds) != fold]
        ranker = fit(coder, others, seed, make, retention)
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
    """Return the best cut of each system, from out-of-fold probabilities.

    A cut is chosen on notes of which every code was judged, if there are ``LEAST_COMPLETE``: where coders only
    answered what was preselected, nothing is known of what a lower cut would add.
    """
    complete = [one for one in scored if one[0].example.line.get("complete", True)]
    scored = complete if len(complete) >= LEAST_COMPLETE else scored
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
