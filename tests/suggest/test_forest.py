"""The fast trees agree with scikit-learn's own prediction."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from coder_assist.suggest.forest import Forest


def fitted(seed: int, leaves: int = 16) -> HistGradientBoostingClassifier:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(400, 6))
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] + chance.normal(size=400) > 0).astype(int)
    return HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=leaves, random_state=seed).fit(
        rows, labels
    )


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_reference(seed: int) -> None:
    """Probabilities equal the mean of predict_proba over the estimators, also on thresholds and outliers."""
    estimators = [fitted(seed), fitted(seed + 10)]
    rows = np.random.default_rng(seed).normal(size=(50, 6)) * 3
    limits = [node["num_threshold"] for node in estimators[0]._predictors[0][0].nodes if not node["is_leaf"]]
    rows[: len(limits), 0] = limits
    expected = np.mean([estimator.predict_proba(rows)[:, 1] for estimator in estimators], axis=0)
    assert np.abs(Forest(estimators).probabilities(rows) - expected).max() < 1e-12


def test_too_many_leaves_are_refused() -> None:
    """A tree with more than 16 leaves does not fit the bit patterns and is refused."""
    with pytest.raises(ValueError, match="at most 16 leaves"):
        Forest([fitted(0, leaves=40)])
