"""The metrics: worked by hand, against scikit-learn, and against the one definition of them."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from coder_assist.learn.resampling import FIGURES, compare, intervals
from coder_assist.measure import (
    NoteScore,
    bootstrap,
    calibration_error,
    cut_for,
    kappa,
    left_out,
    meets,
    precision_curve,
    reliability,
    score,
    score_note,
    score_notes,
    summarize,
    wilson,
)

ICD = "ICD-10-CM"
DEFINITION = Path(__file__).parents[2] / "shared" / "eval" / "score.py"


def gold(
    id: str, *required: str, optional: tuple[str, ...] = (), system: str = ICD, primary: str = ""
) -> dict[str, Any]:
    codes = [
        {"system": system, "code": c, "status": "required", "evidence": [{"start": 10, "end": 20}]}
        for c in required
    ]
    codes += [{"system": system, "code": c, "status": "optional"} for c in optional]
    return {"id": id, "codes": [{**c, "primary": True} if c["code"] == primary else c for c in codes]}


def said(code: str, score: float, selected: bool = True, system: str = ICD, **more: Any) -> dict[str, Any]:
    return {
        "system": system,
        "code": code,
        "score": score,
        "selected": selected,
        "evidence": [{"start": 12, "end": 15}],
        **more,
    }


def line(id: str, *suggestions: dict[str, Any]) -> dict[str, Any]:
    return {"id": id, "suggestions": list(suggestions)}


@pytest.fixture(scope="module")
def definition() -> ModuleType:
    if not DEFINITION.is_file():
        pytest.skip("the shared definition of the metrics is not beside the checkout")
    spec = importlib.util.spec_from_file_location("score_definition", DEFINITION)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_worked_example() -> None:
    """Two notes, worked on paper: one hit and one miss, one false positive, one optional code."""
    golds = [gold("a", "E11.9", "I10", optional=("Z79.4",), primary="E11.9"), gold("b")]
    predictions = {
        "a": line(
            "a",
            said("E11.9", 0.9, sequence=2),
            said("Z79.4", 0.8, sequence=1),
            said("I11.9", 0.6, alternatives=["I10"], sequence=3),
            said("I10", 0.3, selected=False),
        ),
        "b": line("b", said("R05.9", 0.2, selected=False)),
    }
    result = score(ICD, golds, predictions)
    assert (result.notes, result.required, result.selected) == (2, 2, 2)
    assert (result.precision, result.recall, result.f1) == (0.5, 0.5, 0.5)
    assert result.f1_category == 0.5  # of E11, I10 required and E11, I11 selected; Z79 is optional
    assert result.f1_macro_notes == 0.75  # 0.5, and 1 for the note with nothing to find
    assert result.map == round((1 / 1 + 2 / 3) / 2, 4)  # ranks 1 and 3: the optional code has no rank
    assert (result.recall_at_5, result.recall_at_20) == (1.0, 1.0)
    assert result.reach == 1.0  # I10 is an alternative of I11.9
    assert result.evidence == 1.0
    assert result.first_listed == 0.0  # Z79.4 was put first
    assert result.ece == round((0.1 + 0.6 + 0.7 + 0.2) / 4, 4)  # four points, each a bin of its own


@pytest.mark.parametrize("system", [ICD, "CPT"])
def test_nothing_at_all(system: str) -> None:
    """Without notes every metric is None; nothing is divided by zero."""
    result = score(system, [], {})
    assert {value for name, value in result.as_dict().items() if name not in ("system",)} == {None, 0}


def test_notes_without_codes_count() -> None:
    """A note without codes counts: proposing nothing is right, proposing something is wrong."""
    assert score(ICD, [gold("a")], {}).f1_macro_notes == 1.0
    assert score(ICD, [gold("a")], {"a": line("a", said("I10", 0.9))}).f1_macro_notes == 0.0


def test_all_right() -> None:
    """Everything found and nothing else is 1 throughout, and perfectly calibrated at certainty."""
    golds = [gold(str(n), "I10", "E11.9", primary="I10") for n in range(3)]
    predictions = {str(n): line(str(n), said("I10", 1.0), said("E11.9", 1.0)) for n in range(3)}
    result = score(ICD, golds, predictions).as_dict()
    assert {result[name] for name in FIGURES if name != "ece"} == {1.0}
    assert result["ece"] == 0.0


def test_missing_prediction_is_none() -> None:
    """A note that is missing from the predictions has proposed nothing."""
    assert score(ICD, [gold("a", "I10")], {}) == score(ICD, [gold("a", "I10")], {"a": line("a")})


def test_ties_keep_the_order_given() -> None:
    """Suggestions of one probability are ranked as they came."""
    golds = [gold("a", "I10")]
    first = score(ICD, golds, {"a": line("a", said("I10", 0.5), said("R05.9", 0.5))})
    second = score(ICD, golds, {"a": line("a", said("R05.9", 0.5), said("I10", 0.5))})
    assert (first.map, second.map) == (1.0, 0.5)


def test_long_evidence_does_not_count() -> None:
    """A span of more than 200 characters points at nothing; one that only touches does not overlap."""
    for span, expected in (((0, 200), 1.0), ((0, 201), 0.0), ((20, 30), 0.0), ((0, 10), 0.0)):
        place = [{"start": span[0], "end": span[1]}]
        found = score(ICD, [gold("a", "I10")], {"a": line("a", said("I10", 0.9) | {"evidence": place})})
        assert found.evidence == expected, span


def test_one_prefix_meets_one_code() -> None:
    """A four-character PCS code is met by one code below it; an equal code is taken first."""
    assert meets("ICD-10-PCS", "0DB6", "0DB68ZX")
    assert not meets("ICD-10-PCS", "0DB", "0DB68ZX")
    assert not meets(ICD, "E119", "E119X")
    predicted = line("a", *(said(c, 0.9, system="ICD-10-PCS") for c in ("0DB68ZX", "0DB68ZZ", "0DB64ZX")))
    found = score("ICD-10-PCS", [gold("a", "0DB6", "0DB68ZZ", system="ICD-10-PCS")], {"a": predicted})
    assert (found.precision, found.recall) == (round(2 / 3, 4), 1.0)


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("CPT", "99213", True),
        ("CPT", "00100", True),
        ("CPT", "01999", True),
        ("CPT", "10060", False),
        ("CPT", "0001F", False),
        ("HCPCS", "J1100", True),
        ("HCPCS", "G0008", False),
        (ICD, "J18.9", False),
    ],
)
def test_left_out(system: str, code: str, expected: bool) -> None:
    """Visit levels, anesthesia and drug supply are neutral."""
    assert left_out(system, code) is expected


POOLS = {
    ICD: ["E11.9", "E11.65", "I10", "I11.9", "Z79.4", "R05.9"],
    "CPT": ["99213", "00100", "47562", "47563", "0001F"],
    "HCPCS": ["J1100", "G0008"],
    "ICD-10-PCS": ["0DB6", "0DB68ZX", "0DB68ZZ", "0DB64ZX"],
}


@st.composite
def corpora(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """A system, gold lines and prediction lines, with ties, gaps and optional codes."""
    system = draw(st.sampled_from(list(POOLS)))
    chance = random.Random(draw(st.integers(0, 2**32)))
    golds, predictions = [], {}
    for number in range(draw(st.integers(0, 6))):
        pool = POOLS[system]
        chosen = chance.sample(pool, chance.randint(0, len(pool)))
        cut = chance.randint(0, len(chosen))
        one = gold(str(number), *chosen[:cut], optional=tuple(chosen[cut:]), system=system)
        for code in one["codes"]:
            if chance.random() < 0.2:
                code.pop("evidence", None)
        if one["codes"] and chance.random() < 0.6:
            one["codes"][0]["primary"] = True
        golds.append(one)
        if chance.random() < 0.9:
            suggestions = []
            for code in chance.sample(pool, chance.randint(0, len(pool))):
                start = chance.randint(0, 20)
                suggestions.append(
                    said(
                        code,
                        chance.choice([0.0, 0.04, 0.05, 0.5, 0.5, round(chance.random(), 4), 1.0]),
                        chance.random() < 0.5,
                        system,
                        evidence=[{"start": start, "end": start + chance.choice([5, 200, 201])}],
                        alternatives=chance.sample(pool, 2) * chance.choice([1, 6]),
                        sequence=chance.choice([None, 1, 2, 3]),
                    )
                )
            predictions[str(number)] = line(str(number), *suggestions)
    return system, golds, predictions


@pytest.mark.shared
@settings(max_examples=300, deadline=None)
@given(corpora())
def test_agrees_with_the_definition(
    definition: ModuleType, case: tuple[str, list[dict[str, Any]], dict[str, dict[str, Any]]]
) -> None:
    """Every metric is that of the shared definition, to the digit."""
    system, golds, predictions = case
    expected = definition.score({one["id"]: one for one in golds}, predictions, system)
    assert score(system, golds, predictions).as_dict() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_agrees_with_scikit_learn(seed: int) -> None:
    """Micro precision, recall and F1, and average precision, are those of scikit-learn."""
    chance = random.Random(seed)
    codes = [f"A{n:02d}" for n in range(12)]
    golds, predictions, truth, guesses = [], {}, [], []
    for number in range(5):
        required = chance.sample(codes, 4)
        scores = dict(zip(codes, chance.sample(range(1, 100), len(codes)), strict=True))
        golds.append(gold(str(number), *required))
        suggestions = [said(c, s / 100, s >= 60) for c, s in scores.items()]
        predictions[str(number)] = line(str(number), *suggestions)
        truth.append([c in required for c in codes])
        guesses.append([scores[c] / 100 for c in codes])
    found = score(ICD, golds, predictions)
    chosen = np.array(guesses) >= 0.6
    precision, recall, f1, _ = precision_recall_fscore_support(
        np.array(truth), chosen, average="micro", zero_division=0
    )
    if chosen.any():
        assert (found.precision, found.recall, found.f1) == pytest.approx((precision, recall, f1), abs=6e-5)
    average = np.mean([average_precision_score(t, g) for t, g in zip(truth, guesses, strict=True)])
    assert found.map == pytest.approx(average, abs=6e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(6, 99), st.booleans()), min_size=1, max_size=60))
def test_precision_curve_agrees_with_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    """At each probability that occurs, the curve has scikit-learn's precision."""
    points = [(p / 100, float(y)) for p, y in [*pairs, (50, True)]]  # scikit-learn warns without a right one
    precision, _, cuts = precision_recall_curve([y for _, y in points], [p for p, _ in points])
    mine = {round(point.cut, 2): point for point in precision_curve(points)}
    for value, cut in zip(precision, cuts, strict=False):
        point = mine[round(float(cut), 2)]
        assert point.hits / point.selected == pytest.approx(value)
    assert mine[0.05].selected == len(points)


def test_cut_for_takes_the_lowest_that_reaches() -> None:
    """The lowest cut with the precision keeps the most; where none has it there is none."""
    curve = precision_curve([(0.2, 0), (0.4, 1), (0.6, 0), (0.8, 1), (0.9, 1)])
    found = cut_for(curve, 0.75)
    assert found is not None
    assert (found.selected, found.hits, found.cut) == (4, 3, 0.21)
    top = cut_for(curve, 1.0)
    assert top is not None and (top.cut, top.hits) == (0.61, 2)
    assert cut_for(precision_curve([(0.9, 0)]), 0.5) is None
    assert cut_for(precision_curve([]), 0.5) is None
    for wrong in (0, -1, 1.1):
        with pytest.raises(ValueError, match="target must be above 0"):
            cut_for(curve, wrong)


def test_calibration_by_hand() -> None:
    """Ten bins of equal count; fewer points than bins leave bins empty; no points, no error."""
    assert calibration_error([]) is None
    assert calibration_error([(0.7, 1.0)]) == 0.3
    assert calibration_error([(0.5, 0.0), (0.5, 1.0)] * 50, bins=1) == 0.0
    points = [(0.1, 0.0)] * 10 + [(0.9, 1.0)] * 10
    assert calibration_error(points) == pytest.approx(0.1)
    table = reliability(points, bins=2)
    assert [(b.count, round(b.mean_probability, 6), b.share_right) for b in table] == [
        (10, 0.1, 0.0),
        (10, 0.9, 1.0),
    ]
    assert reliability([]) == []


def test_wilson_by_hand() -> None:
    """The interval of the textbook, its ends, and what it refuses."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)
    for hits, total in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="0 <= hits <= total"):
            wilson(hits, total)


@pytest.mark.parametrize("right", ["calibrated", "none", "all"])
def test_reliability_agrees_with_scikit_learn(right: str) -> None:
    """Bins of equal count are scikit-learn's quantile bins, also where nothing or everything is right."""
    chance = random.Random(8)
    probabilities = [chance.random() for _ in range(1000)]
    drawn = {"calibrated": lambda p: float(chance.random() < p), "none": lambda p: 0.0, "all": lambda p: 1.0}
    points = [(p, drawn[right](p)) for p in probabilities]
    shares, means = calibration_curve(
        [int(y) for _, y in points], probabilities, n_bins=10, strategy="quantile"
    )
    table = reliability(points)
    assert [each.mean_probability for each in table] == pytest.approx(list(means))
    assert [each.share_right for each in table] == pytest.approx(list(shares))
    weighted = sum(
        abs(share - mean) * each.count for share, mean, each in zip(shares, means, table, strict=True)
    )
    assert calibration_error(points) == pytest.approx(weighted / 1000, abs=5e-5)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_kappa_agrees_with_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    """Cohen's kappa is scikit-learn's wherever that one is defined."""
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    if len(set(first) | set(second)) < 2:
        assert kappa(first, second) == 1.0
    else:
        assert kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_refuses_unequal_lengths() -> None:
    """No items, no kappa; unequal lengths are an error."""
    assert kappa([], []) is None
    with pytest.raises(ValueError, match="got 1 and 2"):
        kappa([True], [True, False])


def scored(seed: int, notes: int = 25) -> list[NoteScore]:
    chance = random.Random(seed)
    codes = [f"A{n:02d}" for n in range(20)]
    ids = random.Random(7)
    golds = [gold(str(n), *ids.sample(codes, ids.choice([0, 1, 4])), primary="A01") for n in range(notes)]
    predictions = {
        one["id"]: line(
            one["id"],
            *(said(c, round(chance.random(), 3), chance.random() < 0.3) for c in chance.sample(codes, 9)),
        )
        for one in golds
    }
    return score_notes(ICD, golds, predictions)


@pytest.mark.parametrize("system", [ICD, "CPT"])
def test_fast_intervals_are_the_slow_ones(system: str) -> None:
    """Sums over a table give what scoring each draw anew gives, for every metric."""
    notes = scored(1)
    fast = intervals(system, notes, rounds=120)
    for name in FIGURES:
        slow = bootstrap(notes, lambda drawn, n=name: getattr(summarize(system, drawn), n), rounds=120)  # type: ignore[misc]
        assert (fast[name] is None) == (slow is None), name
        if slow is not None:
            assert fast[name] == pytest.approx(slow, abs=1.01e-4), name


def test_intervals_of_nothing() -> None:
    """No notes, no interval; notes without codes have an interval where there is something to count."""
    assert set(intervals(ICD, []).values()) == {None}
    assert bootstrap([], lambda _: 1.0) is None
    empty = intervals(ICD, [score_note(ICD, gold("a"), None)], rounds=5)
    assert empty["f1_macro_notes"] == (1.0, 1.0)
    assert (empty["f1"], empty["ece"]) == (None, None)


def test_intervals_are_repeatable() -> None:
    """The same seed gives the same interval, and it holds the metric."""
    notes = scored(2)
    found = intervals(ICD, notes)
    assert found == intervals(ICD, notes)
    recall = summarize(ICD, notes).recall
    assert found["recall"] is not None and recall is not None
    assert found["recall"][0] <= recall <= found["recall"][1]


def test_compare_with_itself_is_no_difference() -> None:
    """A pack does not differ from itself: difference 0, p 1."""
    notes = scored(3)
    for name, one in compare(ICD, notes, notes, rounds=50).items():
        assert (one.difference, one.interval, one.p) == (0.0, (0.0, 0.0), 1.0), name


def test_compare_finds_a_difference() -> None:
    """All right against all wrong is a difference beyond chance; the sign is that of the second."""
    golds = [gold(str(n), "I10") for n in range(20)]
    right = score_notes(ICD, golds, {str(n): line(str(n), said("I10", 0.9)) for n in range(20)})
    wrong = score_notes(ICD, golds, {str(n): line(str(n), said("E11.9", 0.9)) for n in range(20)})
    f1 = compare(ICD, wrong, right, rounds=200)["f1"]
    assert (f1.first, f1.second, f1.difference, f1.interval) == (0.0, 1.0, 1.0, (1.0, 1.0))
    assert f1.p is not None and f1.p < 0.02
    assert compare(ICD, wrong, right)["first_listed"].difference is None


def test_compare_wants_the_same_notes() -> None:
    """Scores of other notes are refused; of none there is nothing to say."""
    with pytest.raises(ValueError, match="same notes"):
        compare(ICD, scored(1, 3), scored(1, 4))
    assert compare(ICD, [], [])["f1"].p is None
