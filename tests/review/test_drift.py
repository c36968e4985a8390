"""Drift: planted changes are found with their examples, and a year without any stays quiet."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.simulate import DRIFTS, START, Plan, alarms, facts_of, simulate
from coder_assist.codes import Library
from coder_assist.codes.book import CodeBook
from coder_assist.errors import UnknownCode
from coder_assist.review.drift import (
    Kind,
    compare,
    edition_effects,
    fisher,
    halves,
    holm,
    kolmogorov_smirnov,
    stability,
)
from coder_assist.review.facts import Facts
from coder_assist.types import CodeEntry


@pytest.mark.parametrize(
    "table", [(1, 10, 11, 14), (0, 20, 5, 20), (30, 600, 90, 600), (3, 3, 0, 4), (0, 5, 0, 5)]
)
def test_fisher(table: tuple[int, int, int, int]) -> None:
    """The exact test is scipy's."""
    hits, total, later, later_total = table
    expected = stats.fisher_exact([[hits, total - hits], [later, later_total - later]]).pvalue
    assert fisher(*table) == pytest.approx(expected, rel=1e-6)


def test_holm_and_kolmogorov_smirnov() -> None:
    """Holm's correction is statsmodels'; the distance scipy's, and its p near scipy's asymptotic one."""
    chance = random.Random(4)
    ps = [chance.random() ** 3 for _ in range(20)]
    assert holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]))
    assert holm([]) == []
    first = [chance.gauss(0, 1) for _ in range(150)]
    second = [round(chance.gauss(0.35, 1), 1) for _ in range(200)]
    distance, p = kolmogorov_smirnov(first, second)
    expected = stats.ks_2samp(first, second, method="asymp")
    assert distance == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, rel=0.5)
    assert kolmogorov_smirnov([1.0, 1.0], [1.0]) == (0.0, 1.0)


def test_stability() -> None:
    """The index is 0 for the same shares, and the textbook sum for others."""
    assert stability({"a": 10, "b": 30}, {"a": 1, "b": 3}) == pytest.approx(0)
    assert stability({"a": 50, "b": 50}, {"a": 60, "b": 40}) == pytest.approx(0.0405, abs=1e-4)
    assert stability({}, {"a": 1}) is None


@pytest.mark.endurance
def test_planted_drift_alarms_and_no_drift_does_not() -> None:
    """In each of ten years a planted drift alarms, as its kind and no other; 40 quiet years stay quiet."""
    expected = {
        "a wave of pneumonia": {Kind.CODES},
        "scores fall": {Kind.SCORES},
        "new words": {Kind.VOCABULARY},
    }
    for name, kinds in expected.items():
        assert alarms(DRIFTS[name], range(10)) == [kinds] * 10, name
    assert sum(map(bool, alarms(DRIFTS["none"], range(40)))) <= 2


def test_alarm_names_its_examples() -> None:
    """A wave of one code is named, with encounters of the later half that hold it, and no word is told."""
    year = simulate(Plan(encounters=800, wave=8.0, new_words=10), seed=3)
    facts = facts_of(year)
    drift = compare(*halves(facts), words=year.words)
    by_kind = {change.kind: change for change in drift.alarms}
    wave = by_kind[Kind.CODES]
    assert (wave.what, sum(drift.encounters)) == ("ICD-10-CM J18", 800)
    assert wave.after > 1.5 * wave.before and wave.p < 0.002
    later = {encounter.encounter for encounter in halves(facts)[1].encounters}
    holders = {code.encounter for code in facts.codes if code.category == "J18" and code.submitted}
    assert wave.examples and set(wave.examples) <= later & holders
    words = by_kind[Kind.VOCABULARY]
    assert words.what.startswith("10 of ") and set(words.examples) <= later
    told = {part for change in drift.changes for part in change.what.split()}
    assert not told & {word for some in year.words.values() for word in some}
    assert drift.stability is not None and drift.stability > 0.02


def test_nothing_to_compare() -> None:
    """An empty period is compared with nothing, and does not alarm."""
    empty = Facts(START, START, (), (), (), ())
    drift = compare(empty, facts_of(simulate(Plan(encounters=20, audited=5), 1)))
    assert (drift.alarms, drift.changes, drift.stability, drift.encounters) == ((), (), None, (0, 20))


@dataclass
class Later:
    """A made-up later edition: one code gone, one made a header, one renamed."""

    book: CodeBook
    edition: str = "2099"

    def __contains__(self, value: str) -> bool:
        return value != "M54.50" and value in self.book

    def entry(self, value: str) -> CodeEntry:
        if value not in self:
            raise UnknownCode(value)
        found = self.book.entry(value)
        if value == "I10":
            return CodeEntry(found.code, "Hypertension, otherwise named", True, found.parent)
        return CodeEntry(found.code, found.title, found.billable and value != "E78.5", found.parent)

    def billable_below(self, value: str) -> list[str]:
        return ["E78.51"] if value == "E78.5" else [c for c in self.book.billable_below(value) if c in self]


def test_edition_effects_on_past_suggestions(library: Library) -> None:
    """A later edition's deletions, new headers and new titles are named with the encounters they touch."""
    facts = facts_of(simulate(Plan(encounters=150, audited=30), 2))
    assert edition_effects(facts, library.icd, library.icd) == []
    effects = {e.code: e for e in edition_effects(facts, library.icd, Later(library.icd))}  # type: ignore[arg-type]
    assert {code: effect.why for code, effect in effects.items()} == {
        "E78.5": "not billable in 2099",
        "I10": "another title in 2099",
        "M54.50": "not in 2099",
    }
    assert effects["E78.5"].instead == ("E78.51",)
    assert effects["M54.50"].instead[:2] == ("M54.51", "M54.59")
    suggested = {c.encounter for c in facts.codes if c.code == "I10" and c.probability is not None}
    assert set(effects["I10"].suggested) == suggested
    assert set(effects["I10"].submitted) <= {c.encounter for c in facts.codes}
