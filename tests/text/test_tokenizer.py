"""Tokens that add up to the text, whatever the text is."""

from __future__ import annotations

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from coder_assist.text import NoteReader
from coder_assist.text.tokenizer import LinearTokenizer
from coder_assist.types import Note

TOKENIZER = LinearTokenizer(spacy.blank("en").vocab)


@given(st.text(max_size=200))
def test_tokens_add_up_to_the_text(text: str) -> None:
    """No character is lost or moved."""
    assert TOKENIZER(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + " gout",
        "a" * 150_000 + " gout",
        "gout " * 30_000,
        "1. " * 60_000 + "gout",
        "no fever, " * 15_000 + "gout",
    ],
    ids=["brackets", "one token", "one sentence", "items", "denials"],
)
def test_pathological_notes_are_read_to_the_end(reader: NoteReader, text: str) -> None:
    """Texts that no rule expects are read whole, and offsets still slice back."""
    document = reader.read(Note("n", text))
    last = document.mentions[-1]
    assert last.span.slice(text) == last.text
    assert last.text == "gout"
