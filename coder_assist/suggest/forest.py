"""Boosted trees, evaluated for a handful of rows in about a millisecond.

scikit-learn's ``predict_proba`` is made for many rows; a note has twenty. All conditions of all trees are
tested at once, and each tree's exit leaf is the leftmost that no failed condition rules out
(QuickScorer: Lucchese et al., SIGIR 2015). ``predict_proba`` stays the reference, and a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

LEAVES = 16


def _exit_leaves() -> npt.NDArray[np.uint8]:
    """Return for each pattern of 16 bits the number of its lowest set bit: the exit leaf."""
    patterns = np.arange(1 << LEAVES, dtype=np.uint32)
    lowest = (patterns & (~patterns + 1)).astype(np.float64)
    lowest[0] = 1
    return np.asarray(np.log2(lowest).astype(np.uint8))


def table_of(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return named features as the table that rankers see: a row for each row, a column for each of ``names``."""
    if len(names) == 1:
        return np.array([[row[names[0]]] for row in rows], dtype=np.float64).reshape(len(rows), 1)
    read = itemgetter(*names)
    flat = np.fromiter(chain.from_iterable(map(read, rows)), np.float64, len(rows) * len(names))
    return flat.reshape(len(rows), len(names))


class Ranks(Protocol):
    """What gives probabilities for a table of features."""

    def probabilities(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the probability of each row of features."""
        ...


class Forest:
    """The trees of fitted ``HistGradientBoostingClassifier`` estimators (two classes, numbers only).

    ``probabilities(rows)`` is the mean of the estimators' probabilities of class 1. Raises ``ValueError``
    for a tree with more than 16 leaves or with categorical splits.
    """

    def __init__(self, estimators: Sequence[Any]) -> None:
        trees = [(number, tree[0].nodes) for number, e in enumerate(estimators) for tree in e._predictors]
        self._features = np.zeros((len(trees), LEAVES - 1), dtype=np.intp)
        self._limits = np.full((len(trees), LEAVES - 1), np.inf)
        self._masks = np.full((len(trees), LEAVES - 1), 0xFFFF, dtype=np.uint16)
        self._values = np.zeros((len(trees), LEAVES))
        self._tree_numbers = np.arange(len(trees))
        bounds = np.searchsorted([number for number, _ in trees], range(len(estimators)))
        self._starts = bounds.astype(np.intp)
        self._baselines = np.array([float(np.ravel(e._baseline_prediction)[0]) for e in estimators])
        for place, (_, nodes) in enumerate(trees):
            if nodes["is_leaf"].sum() > LEAVES:
                raise ValueError(f"expected trees of at most {LEAVES} leaves; got {nodes['is_leaf'].sum()}")
            self._read(place, nodes)
        self._arrange()

    def _read(self, place: int, nodes: npt.NDArray[np.void]) -> None:
        condition = 0
        leaf = 0

        def visit(index: int) -> int:
            """Number the leaves below a node from left to right, and return them as bits."""
            nonlocal condition, leaf
            node = nodes[index]
            if node["is_leaf"]:
                self._values[place, leaf] = node["value"]
                leaf += 1
                return 1 << (leaf - 1)
            if node["is_categorical"]:
                raise ValueError("expected splits on numbers; got a categorical one")
            mine, condition = condition, condition + 1
            left = visit(int(node["left"]))
            self._features[place, mine] = node["feature_idx"]
            self._limits[place, mine] = node["num_threshold"]
            self._masks[place, mine] = 0xFFFF & ~left
            return left | visit(int(node["right"]))

        visit(0)

    def _arrange(self) -> None:
        """Number the conditions that differ: trees ask the same again and again, and each is tested once.

        They are laid out one layer after another, so that the rows of a note lie side by side in memory.
        """
        self._leaf = _exit_leaves()
        asked = np.stack([self._features.T.ravel(), self._limits.T.ravel()], axis=1)
        distinct, numbers = np.unique(asked, axis=0, return_inverse=True)
        self._asked = distinct[:, 0].astype(np.intp)
        self._asked_limits = distinct[:, 1:].copy()
        self._layers = numbers.reshape(self._features.T.shape)
        self._ruled_out = np.ascontiguousarray(~self._masks.T)[:, :, np.newaxis]

    def probabilities(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the mean probability of class 1 for each row."""
        failed = np.ascontiguousarray(rows.T)[self._asked] > self._asked_limits
        ruled_out = np.bitwise_or.reduce(failed[self._layers] * self._ruled_out, axis=0)
        leaves = np.ascontiguousarray(self._leaf[~ruled_out].T)
        values = self._values[self._tree_numbers, leaves]
        sums = np.add.reduceat(values, self._starts, axis=1) + self._baselines
        return np.asarray((1 / (1 + np.exp(-sums))).mean(axis=1))

    def save(self, path: Path) -> None:
        """Write the trees as plain arrays (``.npz``), which load without scikit-learn."""
        np.savez_compressed(path, allow_pickle=False, **{name: getattr(self, f"_{name}") for name in _ARRAYS})

    @classmethod
    def load(cls, path: Path) -> Forest:
        """Read what ``save`` wrote."""
        forest = cls.__new__(cls)
        with np.load(path, allow_pickle=False) as arrays:
            for name in _ARRAYS:
                setattr(forest, f"_{name}", arrays[name])
        forest._arrange()
        return forest


_ARRAYS = ("features", "limits", "masks", "values", "tree_numbers", "starts", "baselines")
