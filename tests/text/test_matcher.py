"""Terms are found whatever their order, spelling and company."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_assist.text.matcher import NoteWords
from coder_assist.types import MentionKind, Span


@pytest.mark.parametrize(
    "text", ["Gastroesophageal reflux", "Reflux, gastroesophageal", "reflux (gastroesophageal)"]
)
def test_word_order(text, read):
    """The words of a term may stand in any order, but not across a bracket."""
    keys = [mention.term_keys for mention in read("Gastroesophageal reflux").document.mentions]
    found = [mention.term_keys for mention in read(text).document.mentions]
    assert (found == keys) is ("(" not in text)


def test_longer_match_wins(read):
    """Of overlapping terms the one that says more is kept."""
    assert read("Acute exacerbation of asthma and low back pain").texts[-1] == "low back pain"


@pytest.mark.parametrize(
    ("text", "other"),
    [("Pain in the left hip and knee.", "pain in the left knee"), ("Hip and knee pain.", "hip pain")],
)
def test_shared_head(text, other, read):
    """ "pain in the left hip and knee" names two pains; the second shares the first one's words."""
    shared = [mention for mention in read(text).document.mentions if mention.source == "shared"]
    alone = read(other).document.mentions
    assert [mention.term_keys for mention in shared] == [mention.term_keys for mention in alone]


@pytest.mark.parametrize(("written", "right"), [("pneumonnia", "pneumonia"), ("apendicitis", "appendicitis")])
def test_misspelling(written, right, read):
    """A misspelt word is mended, and the mention says so; its characters are the note's."""
    mention = read(f"He has {written} today.").mention_at(written)
    assert (mention.source, mention.text) == ("mended", written)
    assert set(mention.term_keys) == set(read(f"He has {right} today.").mention_at(right).term_keys)


@pytest.mark.parametrize("text", ["Fever. Cough", "Chest: pain", "hip (knee) pain", "chest\npain"])
def test_terms_do_not_cross(text, read):
    """No term reaches across a sentence, a colon, a bracket or a short line."""
    for mention in read(text).document.mentions:
        assert not set(mention.text) & set(".:(\n")


def test_modifiers_are_skipped(read):
    """A term is found though side and severity stand between its words."""
    mention = read("Pain severe in the very left knee").mention_at("knee")
    assert {"Pain", "knee"} <= set(mention.text.split())
    assert mention.attributes["laterality"] == "left"


def test_little_words_are_no_mention(read):
    """A word that alone names nothing (disease, chest, mass) is no mention."""
    assert read("The chest. A mass. His disease. Surgery.").texts == []


def test_drugs_and_unknown_phrases(read):
    """Drugs are mentions of their own; an unknown phrase counts in a diagnosis list only."""
    reading = read(
        "HPI: Zorbian flux deficiency.\nASSESSMENT: Zorbian flux deficiency\nMEDICATIONS: lisinopril"
    )
    found = [(mention.text, mention.source, mention.kind) for mention in reading.document.mentions]
    assert ("Zorbian flux deficiency", "phrase", MentionKind.DIAGNOSIS) in found
    assert sum(source == "phrase" for _, source, _ in found) == 1
    assert ("lisinopril", "drug", MentionKind.DRUG) in found


@pytest.mark.parametrize(
    ("text", "kind"),
    [("cough", MentionKind.SYMPTOM), ("gout", MentionKind.DIAGNOSIS), ("colonoscopy", MentionKind.PROCEDURE)],
)
def test_kinds(text, kind, read):
    """Symptoms, diagnoses and procedures are told apart."""
    assert read(f"Note on {text}.").mention_at(text).kind is kind


_BREAK = re.compile(r"[.:;()\[\]?!]|\s-\s|--|,.*,")


def slow_runs(note, places):
    """Number the stretches between breaks, gap by gap: what ``NoteWords.runs`` does at once.

    A word is one, whatever it holds: the full stop of "1.5" parts nothing.
    """
    runs = [0] * len(places)
    masked = list(note.text)
    for word in note.words:
        masked[word.start : word.end] = "x" * (word.end - word.start)
    for at in range(1, len(places)):
        before, after = places[at - 1], places[at]
        gap = "".join(masked[note.words[before].end : note.words[after].start])
        apart = note.sentence_of[before] != note.sentence_of[after] or (len(gap) > 1 and _BREAK.search(gap))
        runs[at] = runs[at - 1] + bool(apart)
    return runs


PIECES = st.lists(
    st.sampled_from(["hip", "left ", "a", " ", ", ", ",", "\n", ".", " - ", "-", "--", "(", "1.5", "s/p ", ": ", "; ", "w/"]),
    max_size=30,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(PIECES, st.randoms(use_true_random=False), st.integers(0, 60))
def test_runs_agree_with_the_slow_reference(pieces, random, cut):
    """Stretches that no term crosses are those that a search of each gap finds, whichever words are left out."""
    text = "".join(pieces)
    cut = min(cut, len(text))
    note = NoteWords.cut(text, [Span(0, cut), Span(cut, len(text))])
    places = [place for place in range(len(note.words)) if random.random() < 0.7]
    assert note.runs(places).tolist() == slow_runs(note, places)
