from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_assist.review.carrying import carrier, carry, only_added
from coder_assist.types import Span

OLD = "HISTORY:\nCough for a week. Known asthma, mild; no wheeze.\n\nASSESSMENT:\nAsthma. Gout."


def found(old: str, new: str, words: str) -> str | None:
    """Carry the first place of some words and return what stands where they went."""
    at = old.index(words)
    span = carry(old, new, Span(at, at + len(words)))
    return span.slice(new) if span is not None else None


@pytest.mark.parametrize(
    ("new", "words", "expected"),
    [
        ("Seen today.\n" + OLD, "Known asthma", "Known asthma"),
        (OLD.replace("Cough for a week. ", ""), "asthma, mild", "asthma, mild"),
        (OLD.replace("Known asthma", "No asthma"), "asthma, mild", None),
        (OLD.replace("Gout.", "No gout."), "Gout", None),
        (OLD.replace("Gout.", "Gout. Better."), "Gout", "Gout"),
        (OLD.replace("\n", "\r\n"), "Asthma", "Asthma"),
        (OLD.replace("  ", " ") + " \n", "Gout", "Gout"),
        ("", "Gout", None),
    ],
)
def test_evidence_stands_where_its_sentence_does(new: str, words: str, expected: str | None) -> None:
    """A sentence that moved down is found again; one that changed takes its evidence away."""
    assert found(OLD, new, words) == expected


def test_words_across_sentences() -> None:
    """Evidence over two sentences stands only if both do, next to each other."""
    assert found(OLD, "New.\n" + OLD, "Asthma. Gout") == "Asthma. Gout"
    assert found(OLD, OLD.replace("Asthma. Gout", "Asthma. Cough. Gout"), "Asthma. Gout") is None


def test_sentence_under_another_heading_is_another() -> None:
    """What moved from the assessment to the family's history does not count as standing."""
    old = "FAMILY:\nNone.\nASSESSMENT:\nGout."
    assert found(old, "FAMILY:\nGout.\nASSESSMENT:\nNone.", "Gout") is None


def test_only_added() -> None:
    """Additions leave everything else; anything else does not."""
    assert only_added(OLD, "Before.\n" + OLD + "\nAfter.")
    assert not only_added(OLD, OLD.replace("Gout.", ""))
    assert not only_added("A. B.", "B. A.")


def test_spans_outside_the_text_go_nowhere() -> None:
    """A place that is not in the old text is in no new one."""
    assert carry("Gout.", "Gout.", Span(3, 9)) is None
    assert carry("Gout.", "Gout.", Span(2, 2)) is None
    assert carry("  Gout.", "  Gout.", Span(0, 4)) is None


words = st.lists(
    st.sampled_from(["Gout. ", "Asthma.\n", "no ", "pain; ", "\n", "\u00e4\U0001f600 ", "x"]), max_size=25
)


@given(words, words, st.integers(0, 60), st.integers(1, 20))
def test_carried_words_are_the_same_words(
    old_words: list[str], new_words: list[str], start: int, length: int
) -> None:
    """Whatever is carried reads the same in the new text."""
    old, new = "".join(old_words), "".join(new_words)
    span = carry(old, new, Span(start, start + length))
    if span is not None:
        assert span.slice(new).split() == old[start : start + length].split()


@given(words, words)
def test_unchanged_text_carries_itself(text_words: list[str], added: list[str]) -> None:
    """In an unchanged text all words stay where they are; added ones behind change nothing."""
    text = "".join(text_words)
    same = carrier(text, text)
    longer = carrier(text, text + "\n" + "".join(added))
    at = 0
    for word in text.split():
        at = text.index(word, at)
        span = Span(at, at + len(word))
        assert same(span) == span
        assert longer(span) == span
        at = span.end


def test_long_notes_are_compared_in_time() -> None:
    """A long note, and one of the same line over and over, take no noticeable time."""
    line = "The same line again and again.\n"
    carry(line * 3000, "Changed.\n" + line * 3000 + "End.", Span(0, 8))
    carry("a" * 200_000, "a" * 199_999 + "b", Span(0, 8))
    assert found("First. " + "x; " * 20_000, "First. New. " + "x; " * 20_000, "First") == "First"
