"""What is learnt of the words around mentions, and what of it privacy lets a pack keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coder_assist.learn.remember import KEEP_ALL, Retention
from coder_assist.learn.vicinities import Described, learn_vicinity

TREATED, DENIED, COMMON, RARE = 11, 22, 33, 44


def described(patient: str | None, mentions: list[tuple[list[int], bool]]) -> Described:
    """Return an example whose mentions have these marks, and are right or wrong."""
    return Described(
        np.array([mark for marks, _ in mentions for mark in marks], dtype=np.int64),
        np.array([len(marks) for marks, _ in mentions], dtype=np.int64),
        np.array([right for _, right in mentions], dtype=bool),
        np.ones(len(mentions)),
        patient,
    )


EXAMPLE = described("p", [([TREATED, COMMON], True), ([DENIED, COMMON], False)])


def test_marks_of_right_mentions_weigh_more() -> None:
    """A mark of right mentions gets a weight above 0, one of wrong ones below, and one of both next to none."""
    learnt = learn_vicinity([EXAMPLE] * 40, KEEP_ALL)
    assert learnt.weights[TREATED] > 0.3 and learnt.weights[DENIED] < -0.3
    assert abs(learnt.weights[COMMON]) < 0.1
    assert np.count_nonzero(learnt.weights) <= 3


def test_nothing_is_learnt_from_right_mentions_alone() -> None:
    """Without examples, or with those of one kind, every weight is 0."""
    for examples in ([], [described(None, [([TREATED], True)])], [described(None, [])]):
        learnt = learn_vicinity(examples, KEEP_ALL)
        assert not learnt.weights.any() and learnt.bias == 0.0


def test_what_few_patients_say_is_not_kept() -> None:
    """Under rules of privacy a mark keeps its weight if three patients share it, or if a note is nobody's."""
    rare = described("p0", [([TREATED, RARE], True), ([DENIED], False)])
    notes = [rare] * 9 + [replace(EXAMPLE, patient=f"p{number % 3}") for number in range(30)]
    learnt = learn_vicinity(notes, Retention(3))
    assert learnt.weights[TREATED] > 0 > learnt.weights[DENIED]
    assert learnt.weights[RARE] == 0.0
    free = learn_vicinity([replace(rare, patient=None), *notes[1:]], Retention(3))
    assert free.weights[RARE] != 0.0
