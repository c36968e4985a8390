"""Shares of clustered things and agreement of code sets, against statsmodels and scikit-learn."""

from __future__ import annotations

import random

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import proportion_confint

from coder_assist.measure import Z, agreement, bootstrap, clustered_share, kappa, student, wilson


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (8, 10), (95, 100), (10, 10), (4, 12)])
def test_single_things_give_wilsons_interval(hits: int, total: int) -> None:
    """With one thing to a unit nothing is clustered: statsmodels' Wilson interval, but for Student's t."""
    share = clustered_share([(1, 1)] * hits + [(0, 1)] * (total - hits))
    low, high = proportion_confint(hits, total, method="wilson")
    assert wilson(hits, total) == pytest.approx((low, high), abs=1e-6)
    assert (share.hits, share.total, share.units) == (hits, total, total)
    assert share.low <= low + 1e-6 and share.high >= high - 1e-6
    if hits in (0, total):
        assert (share.low, share.high) == pytest.approx((low, high), abs=1e-6)
    else:
        scale = (Z / stats.t.ppf(0.975, total - 1)) ** 2 * (total - 1) / total
        expected = wilson(hits * scale, total * scale)
        assert (share.low, share.high) == pytest.approx(expected, abs=2e-3)


def test_cluster_variance_is_that_of_a_robust_regression() -> None:
    """The effective sample size is the one that statsmodels' HC1 variance of the weighted mean implies."""
    chance = random.Random(5)
    units = []
    for _ in range(60):
        total, right = chance.randint(1, 9), chance.betavariate(1, 0.5)
        units.append((sum(chance.random() < right for _ in range(total)), total))
    weights = [chance.uniform(0.5, 3) for _ in units]
    sizes = np.array([w * total for (_, total), w in zip(units, weights, strict=True)])
    shares = np.array([hits / total for hits, total in units])
    fit = sm.WLS(shares, np.ones(len(units)), weights=sizes).fit(cov_type="HC1")
    value, variance = fit.params[0], fit.cov_params()[0, 0]
    effective = value * (1 - value) / variance * (Z / stats.t.ppf(0.975, len(units) - 1)) ** 2
    kish = sizes.sum() ** 2 / (np.array(weights) * sizes).sum()
    assert effective < kish
    share = clustered_share(units, weights)
    assert share.value == pytest.approx(value)
    assert (share.low, share.high) == pytest.approx(wilson(value * effective, effective), abs=1e-5)


def test_cluster_interval_is_near_the_bootstraps() -> None:
    """Over many encounters the interval is that of drawing encounters with replacement."""
    chance = random.Random(3)
    units = []
    for _ in range(400):
        total, right = chance.randint(1, 9), chance.betavariate(1, 0.5)
        units.append((sum(chance.random() < right for _ in range(total)), total))
    share = clustered_share(units)
    drawn = bootstrap(units, lambda some: sum(h for h, _ in some) / sum(t for _, t in some))
    assert drawn is not None
    assert (share.low, share.high) == pytest.approx(drawn, abs=0.006)


def test_shares_of_nothing() -> None:
    """Nothing to count has no value and says nothing; one unit alone gives no false precision."""
    empty = clustered_share([])
    assert (empty.value, empty.low, empty.high, empty.units) == (None, 0.0, 1.0, 0)
    assert clustered_share([(0, 0), (0, 0)]) == empty
    one = clustered_share([(3, 4)])
    assert one.value == 0.75 and one.low < 0.35 and one.high > 0.94
    with pytest.raises(ValueError, match="zip"):
        clustered_share([(1, 1)], [1.0, 2.0])


@pytest.mark.parametrize("freedom", [3, 5, 10, 30, 1000])
def test_student(freedom: int) -> None:
    """Hill's expansion is within 2 % of scipy's quantile from 3 degrees of freedom on."""
    assert student(Z, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.02)
    assert student(Z, 0) == student(Z, 3)


def test_set_agreement_is_kappa_over_encounters_and_codes() -> None:
    """The multi-label kappa is scikit-learn's kappa of the flattened yes/no matrix."""
    chance = random.Random(1)
    codes = [f"C{n}" for n in range(12)]
    pairs = []
    for _ in range(40):
        first = {code for code in codes if chance.random() < 0.25}
        second = {code for code in codes if chance.random() < (0.8 if code in first else 0.1)}
        pairs.append((first, second))
    found = agreement(pairs)
    flat = [[code in given for pair in pairs for given in [pair[side]] for code in codes] for side in (0, 1)]
    assert found.kappa == pytest.approx(cohen_kappa_score(flat[0], flat[1]))
    assert found.percent == pytest.approx(
        sum(len(a & b) for a, b in pairs) / sum(len(a | b) for a, b in pairs)
    )
    assert found.same_sets == sum(a == b for a, b in pairs) / 40
    part = agreement(pairs[:10], codes=12)
    assert part.both + part.only_first + part.only_second + part.neither == 120


def test_agreement_at_its_edges() -> None:
    """No encounters, no codes, one code that both always give."""
    nothing = agreement([])
    assert (nothing.kappa, nothing.percent, nothing.same_sets) == (None, None, None)
    empty = agreement([(set(), set())])
    assert (empty.kappa, empty.percent, empty.same_sets) == (None, None, 1.0)
    assert agreement([({"I10"}, {"I10"})] * 3).kappa == 1.0


def test_kappa_of_names() -> None:
    """Choices among several names give scikit-learn's kappa."""
    chance = random.Random(2)
    first = [chance.choice("abcd") for _ in range(80)]
    second = [name if chance.random() < 0.6 else chance.choice("abcd") for name in first]
    assert kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))
    assert kappa([], []) is None
    assert kappa(["a"], ["a"]) == 1.0
