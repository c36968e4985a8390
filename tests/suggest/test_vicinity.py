"""What the words around a mention tell of its code: marks, weights, and what is learnt of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coder_assist.suggest.vicinity import FILE, MARKS, UNKNOWN, Vicinity, marks_of
from coder_assist.types import (
    Assertion,
    Candidate,
    Code,
    Encounter,
    Mention,
    MentionKind,
    Note,
    SectionKind,
    Span,
    System,
)


def candidate(
    text: str, words: str, code: str = "J18.9", section: SectionKind = SectionKind.OTHER
) -> Candidate:
    """Return a candidate of the first place of some words in a text."""
    start = text.index(words)
    mention = Mention((Span(start, start + len(words)),), MentionKind.DIAGNOSIS, words, section, Assertion())
    return Candidate(mention, Code(System.ICD10CM, code), "synonym", words, 1.0, "n")


def marks(text: str, words: str, code: str = "J18.9", section: SectionKind = SectionKind.OTHER) -> set[int]:
    """Return the marks of the first place of some words in a text."""
    flat, begins, owners = marks_of(Encounter.of(Note("n", text)), [[candidate(text, words, code, section)]])
    assert begins.tolist() == owners.tolist() == [0]
    assert flat.min() >= 0 and flat.max() < MARKS
    return set(flat.tolist())


def test_marks_tell_words_roles_and_codes_apart() -> None:
    """The same surroundings have the same marks; another word, another side, section or code has others."""
    here = marks("Treated for pneumonia today.", "pneumonia")
    assert here == marks("Treated for   PNEUMONIA today!", "PNEUMONIA")
    assert here != marks("Today treated for pneumonia.", "pneumonia")
    assert here != marks("Treated for pneumonia today.", "pneumonia", section=SectionKind.PLAN)
    assert here != marks("Treated for pneumonia today.", "pneumonia", code="R05.9")
    assert len(here & marks("Vaccinated for pneumonia today.", "pneumonia")) > len(here) / 2


def test_only_words_nearby_have_marks() -> None:
    """What stands further away than six words, and in another line, changes nothing."""
    near = "one two three four five six pneumonia seven eight nine ten eleven twelve"
    assert marks(f"fever\n{near} cough", "pneumonia") == marks(f"chills\n{near} asthma", "pneumonia")
    assert marks("Pneumonia", "Pneumonia") == marks("Denies fever\nPneumonia\nNo cough", "Pneumonia")


def test_a_mention_at_either_end_of_a_note_has_marks() -> None:
    """Where nothing stands before or behind a mention, the rest speaks."""
    assert marks("pneumonia", "pneumonia") < marks("pneumonia", "pneumonia") | {-1}
    assert len(marks("pneumonia", "pneumonia")) < len(marks("has pneumonia now", "pneumonia"))


def test_features_are_the_sums_of_weights() -> None:
    """The best and the mean of a proposal's mentions are given as log odds, whatever other proposals there are."""
    text = "Treated for pneumonia. Pneumonia vaccine given."
    encounter = Encounter.of(Note("n", text))
    weights = np.linspace(-1, 1, MARKS, dtype=np.float32)
    learnt = Vicinity(weights, 0.25)
    one, two = candidate(text, "pneumonia"), candidate(text, "Pneumonia")
    odds = []
    for each in (one, two):
        flat, _, _ = marks_of(encounter, [[each]])
        odds.append(float(weights[flat].astype(float).sum()) + 0.25)
    first, none, second = learnt.features(encounter, [[one, two], [], [two]])
    assert first == {"vicinity_best": pytest.approx(max(odds)), "vicinity_mean": pytest.approx(sum(odds) / 2)}
    assert none == {"vicinity_best": UNKNOWN, "vicinity_mean": UNKNOWN}
    assert second["vicinity_best"] == second["vicinity_mean"] == pytest.approx(odds[1])
    assert learnt.features(encounter, []) == []


def test_weights_are_kept_in_a_pack(tmp_path: Path) -> None:
    """What is saved is loaded, a pack without weights has none, and an array of another form is refused."""
    assert Vicinity.load(tmp_path) is None
    weights = np.arange(MARKS, dtype=np.float32)
    Vicinity(weights, 1.5).save(tmp_path)
    loaded = Vicinity.load(tmp_path)
    assert loaded is not None and loaded.bias == 1.5 and np.array_equal(loaded.weights, weights)
    np.save(tmp_path / FILE, np.zeros(3, dtype=np.float32))
    with pytest.raises(ValueError, match=r"must hold 65537 float32; got \(3,\)"):
        Vicinity.load(tmp_path)
