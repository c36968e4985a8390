"""The gates shut where a challenger errs more than chance explains, and stay open where it does not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scipy.stats import binomtest

from coder_assist.codes import Library
from coder_assist.learn.evaluation import Evaluation, score_lines
from coder_assist.learn.gates import Gates, gates, sign_test

ICD = "ICD-10-CM"
NOTES = 40


def evaluation(name: str, *selected: tuple[str, ...], gold: tuple[str, ...] = ("I10", "E11.9")) -> Evaluation:
    """Score a pack that selects given codes in each note; the gold of all notes is the same."""
    lines = [
        {"id": f"n{n}", "codes": [{"system": ICD, "code": code, "status": "required"} for code in gold]}
        for n in range(len(selected))
    ]
    predictions: dict[str, dict[str, Any]] = {
        f"n{n}": {
            "suggestions": [
                {
                    "system": ICD,
                    "code": code,
                    "score": 0.9,
                    "selected": True,
                    "evidence": [],
                    "alternatives": [],
                }
                for code in codes
            ]
        }
        for n, codes in enumerate(selected)
    }
    return score_lines(name, lines, predictions, {})


def meet(library: Library, worse: int, better: int = 0, unjudged: float = 0.0) -> Gates:
    """Return the gates for a challenger that misses E11.9 in some notes, and alone finds it in others."""
    both = ("I10", "E11.9")
    first = [both] * (NOTES - better) + [("I10",)] * better
    second = [("I10",)] * worse + [both] * (NOTES - worse)
    return gates(evaluation("old@1", *first), evaluation("new@2", *second), library, unjudged)


@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (5, 0), (7, 1), (3, 9), (12, 12)])
def test_sign_test(pair: tuple[int, int]) -> None:
    """It is the exact binomial test, one-sided."""
    expected = binomtest(pair[0], sum(pair), 0.5, "greater").pvalue if sum(pair) else 1.0
    assert sign_test(*pair) == pytest.approx(expected)


def test_the_same_pack_passes(library: Library) -> None:
    """Where nothing changed nothing is in the way."""
    found = meet(library, 0)
    assert found.passed and found.failures == ()
    assert found.figures[ICD]["f1"]["difference"] == 0


def test_a_regression_is_named_by_system_chapter_and_code(library: Library) -> None:
    """Five of five for the worse shut all three gates, each with the encounters behind it."""
    found = meet(library, 5)
    assert [(r.level, r.worse, r.better, r.p) for r in found.regressions] == [
        (level, 5, 0, 0.0312) for level in ("system", "chapter", "code")
    ]
    assert found.regressions[1].name.startswith(f"{ICD}: 4 Endocrine")
    assert found.regressions[2].name == "E11.9"
    assert found.regressions[2].encounters == tuple(f"n{n}" for n in range(5))
    assert not found.passed and "code E11.9: 5 worse, 0 better" in found.failures[2]
    assert found.as_record()["passed"] is False


@pytest.mark.parametrize(("worse", "better"), [(4, 0), (6, 4), (5, 9)])
def test_chance_shuts_no_gate(library: Library, worse: int, better: int) -> None:
    """What a coin might do is no regression."""
    assert meet(library, worse, better).passed


def test_a_code_that_is_found_no_more_is_lost(library: Library) -> None:
    """Three of three are too few for the test, and enough if the code is never found again."""
    gold = ("I10", "J45.909")
    first = [gold] * 3 + [("I10",)] * (NOTES - 3)
    second = [("I10",)] * NOTES
    found = gates(evaluation("old@1", *first, gold=gold), evaluation("new@2", *second, gold=gold), library)
    assert [(r.level, r.name, r.lost) for r in found.regressions] == [("code", "J45.909", True)]


def test_wrong_codes_count_as_missed_ones_do(library: Library) -> None:
    """A code preselected where it is wrong is an error of the challenger."""
    both = ("I10", "E11.9")
    second = [(*both, "N18.4")] * 6 + [both] * (NOTES - 6)
    found = gates(evaluation("old@1", *[both] * NOTES), evaluation("new@2", *second), library)
    assert {r.name for r in found.regressions if r.level == "code"} == {"N18.4"}


def test_too_little_is_not_enough(library: Library) -> None:
    """Few encounters, or many codes that nobody judged, shut a gate of their own."""
    one = ("I10", "E11.9")
    few = gates(evaluation("old@1", one, one), evaluation("new@2", one, one), library)
    assert few.failures == ("2 encounters compared; at least 30 are needed",)
    assert "judged by nobody" in meet(library, 0, unjudged=0.3).failures[0]
    nothing = gates(evaluation("old@1"), evaluation("new@2"), library)
    assert not nothing.passed


def test_equal_packs_seldom_fail(library: Library) -> None:
    """Of pairs of packs that err equally often by chance, one in ten at most is refused."""
    chance = random.Random(1)
    both = ("I10", "E11.9")

    def erring() -> Evaluation:
        drawn = [tuple(code for code in both if chance.random() > 0.15) for _ in range(NOTES)]
        return evaluation("x@1", *drawn)

    refused = sum(not gates(erring(), erring(), library).passed for _ in range(100))
    assert refused <= 10
