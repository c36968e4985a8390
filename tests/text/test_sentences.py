"""Sentences survive dictation, lists and abbreviations."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_assist.text.sections import find_sections
from coder_assist.text.sentences import WRAPPED, find_sentences


def cut(text: str) -> list[str]:
    return [span.slice(text) for span in find_sentences(text, find_sections(text))]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Seen by Dr. Smith today.", "He is well."],
        ["Take 5 mg q.i.d. for pain.", "Return."],
        ["Given p.o. b.i.d.", "The patient left."],
        ["Seen at 9 a.m. by Mr. Y."],
        ["Temp 98.6 today.", "BP 120/80."],
        ["Weighs 3.5 kg.", "Age 3."],
        ["Is it so?", "Yes!", "Good."],
        ["1. Asthma.", "2. Gout.", "3. Obesity."],
        ["one;", "two"],
        ["no stop"],
    ],
)
def test_sentences_on_one_line(sentences):
    """Stops end sentences; those of titles, doses, decimals and item numbers do not."""
    assert cut(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("No cough.No fever.", ["No cough.", "No fever."]),
        ("1. Asthma\n2. Gout", ["1. Asthma", "2. Gout"]),
        ("- Asthma\n- Gout", ["- Asthma", "- Gout"]),
        ("Short line\nnext line", ["Short line", "next line"]),
        ("Cough\r\nFever", ["Cough", "Fever"]),
        ("  Cough.   \n\n  Fever.  ", ["Cough.", "Fever."]),
        ("HPI: Cough. Fever.\nPLAN: Rest.", ["Cough.", "Fever.", "Rest."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_lines(text, sentences):
    """A line is a sentence of its own; a missing blank behind a stop is forgiven; headings are left out."""
    assert cut(text) == sentences


def test_wrapped_line_goes_on():
    """A long line that goes on in small letters was wrapped by an editor."""
    first = "He has had a cough for the last three weeks and is now short"
    assert len(first) >= WRAPPED
    assert cut(f"{first}\nof breath.") == [f"{first}\nof breath."]
    assert cut(f"{first}\nOf note, no fever.") == [first, "Of note, no fever."]


def test_wrapped_line_before_an_item_ends():
    """The next item of a list begins anew however long the line before it."""
    first = "1. Chronic obstructive pulmonary disease with acute exacerbation"
    assert cut(f"{first}\n2. Gout") == [first, "2. Gout"]


@given(st.text(alphabet="aB .;?!\n\r1)-😀é", max_size=120))
def test_sentences_are_in_order_and_trimmed(text):
    """Sentences neither overlap nor begin or end with a blank, and lose no letter outside headings."""
    sections = find_sections(text)
    spans = find_sentences(text, sections)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(span.slice(text) == span.slice(text).strip() != "" for span in spans)
    bodies = "".join(text[section.body : section.span.end] for section in sections)
    assert "".join("".join(span.slice(text).split()) for span in spans) == "".join(bodies.split())
