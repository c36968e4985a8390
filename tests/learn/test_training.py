"""Training: deterministic, leak-free, and better than chance on notes it never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coder_assist.codes.terms import key
from coder_assist.learn.corpus import read_corpus
from coder_assist.learn.examples import fold_of, make_examples
from coder_assist.learn.remember import build_memory, note_phrases
from coder_assist.learn.training import best_threshold, fit
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.scoring import WeightedScorer

CORPUS = Path(__file__).parents[2] / "corpora" / "encounters.jsonl"


def line(id: str, text: str, code: str, evidence: str | None) -> dict[str, object]:
    start = text.index(evidence) if evidence else 0
    spans = [{"start": start, "end": start + len(evidence), "text": evidence}] if evidence else []
    coded = {
        "system": "ICD-10-CM",
        "code": code,
        "status": "required",
        "type": "diagnosis",
        "evidence": spans,
    }
    return {"id": id, "text": text, "setting": "outpatient", "codes": [coded]}


def test_folds_do_not_depend_on_order() -> None:
    """A group's fold is a property of its name."""
    assert [fold_of(f"n{i}", 5) for i in range(20)] == [fold_of(f"n{i}", 5) for i in range(20)]
    assert {fold_of(f"n{i}", 5) for i in range(200)} == set(range(5))


def test_memory_credits_the_evidence_only() -> None:
    """A phrase within the evidence is remembered for the code, words outside are not."""
    notes = [
        line(f"n{i}", "Seen today. Puffs two packs daily. Cold feet.", "F17.210", "Puffs two packs")
        for i in range(3)
    ]
    memory = build_memory(map(note_phrases, notes))
    (found,) = memory.lookup(key("two packs"))
    assert (found.code.value, found.right, found.seen) == ("F17.210", 3, 3)
    assert memory.lookup(key("cold feet")) == []


def test_memory_without_evidence_needs_repetition_and_precision() -> None:
    """Without evidence a phrase must have stood for the code in two notes, and in a quarter of its notes."""
    notes = [line(f"a{i}", "Brown spots on shins.", "L81.8", None) for i in range(2)]
    notes += [line(f"b{i}", "Dark shins noted.", "I87.2", None) for i in range(8)]
    memory = build_memory(map(note_phrases, notes))
    assert [r.code.value for r in memory.lookup(key("brown spots"))] == ["L81.8"]
    assert [r.code.value for r in memory.lookup(key("shins"))] == ["I87.2"]


def test_memory_forgets_what_too_few_notes_said() -> None:
    """With a minimum of three notes, a phrase of two notes leaves no trace (privacy rule of packs)."""
    notes = [line(f"a{i}", "Brown spots on shins.", "L81.8", "Brown spots") for i in range(2)]
    assert len(build_memory(map(note_phrases, notes), least_notes=3)) == 0


@pytest.mark.parametrize(
    ("probabilities", "labels", "required", "expected"),
    [
        ([0.9, 0.8, 0.3], [1, 1, 0], 2, 0.55),
        ([0.9, 0.8], [1, -1], 1, 0.85),
        ([0.4], [0], 3, 0.5),
    ],
)
def test_best_threshold(
    probabilities: list[float], labels: list[int], required: int, expected: float
) -> None:
    """The cut lies midway below the last hit that helps; neutral codes do not count; nothing right keeps .5."""
    assert best_threshold(probabilities, labels, required) == pytest.approx(expected)


@pytest.mark.slow
def test_ranker_learns_from_our_notes_and_repeats_itself(cache_dir: Path) -> None:
    """Trained on the training split, right proposals of the test split score higher than wrong ones; twice the same."""
    coder = Coder.load_with(Pack("untrained", WeightedScorer(), {}), Settings(cache_dir=cache_dir))
    lines = list(read_corpus(CORPUS))
    train = make_examples(coder, [row for row in lines if row["split"] == "train"][:60])
    test = make_examples(coder, [row for row in lines if row["split"] == "test"][:15])
    ranker, again = fit(coder, train), fit(coder, train)
    right, wrong = [], []
    for example in test:
        judged, values = ranker.score(coder, example)
        assert np.array_equal(values, again.score(coder, example)[1])
        right += [v for v, label in zip(values, judged.labels, strict=True) if label == 1]
        wrong += [v for v, label in zip(values, judged.labels, strict=True) if label == 0]
    assert np.mean(right) > 2 * np.mean(wrong)
