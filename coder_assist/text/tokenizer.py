"""A tokenizer whose cost is linear in the text, whatever the text is.

spaCy's rules try every prefix and suffix of a token, which takes minutes for a hundred thousand brackets. The
components cut their own words, so all that is needed here is tokens that add up to the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vocab import Vocab

_TOKEN = re.compile(r"[^\W_]+|\s|[^\w\s]|_")


class LinearTokenizer:
    """Cuts a text into runs of letters and digits, single marks, and blanks; ``doc.text`` is the text."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        """Return the doc of a text."""
        words: list[str] = []
        spaces: list[bool] = []
        for match in _TOKEN.finditer(text):
            piece = match.group()
            if piece == " " and spaces and not spaces[-1]:
                spaces[-1] = True
            else:
                words.append(piece)
                spaces.append(False)
        return Doc(self.vocab, words=words, spaces=spaces)

    def to_bytes(self, **_: object) -> bytes:
        """Return nothing: there is no state."""
        return b""

    def from_bytes(self, _: bytes, **__: object) -> LinearTokenizer:
        """Return itself: there is no state."""
        return self

    def to_disk(self, *_: object, **__: object) -> None:
        """Write nothing: there is no state."""

    def from_disk(self, *_: object, **__: object) -> LinearTokenizer:
        """Return itself: there is no state."""
        return self


def make_tokenizer() -> Callable[[Language], LinearTokenizer]:
    """Make the tokenizer from a pipeline's config (``[nlp.tokenizer]``)."""

    def create(nlp: Language) -> LinearTokenizer:
        return LinearTokenizer(nlp.vocab)

    return create


registry.tokenizers.register("coder_assist_tokenizer", func=make_tokenizer)
