"""One reader over the packaged lexicon for all tests of this room."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coder_assist.codes.compiler import store_for
from coder_assist.codes.editions import installed_editions
from coder_assist.text import NoteReader
from coder_assist.types import Document, Mention, Note, Span


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled store; kept between runs where CODER_ASSIST_CACHE_DIR is set."""
    chosen = os.environ.get("CODER_ASSIST_CACHE_DIR")
    return store_for(
        installed_editions(None)[-1], Path(chosen).absolute() if chosen else tmp_path_factory.mktemp("cache")
    )


@pytest.fixture(scope="session")
def reader(store: Path) -> NoteReader:
    return NoteReader(store)


class Reading:
    """A note as read, and questions to ask of it."""

    def __init__(self, document: Document) -> None:
        self.document = document

    @property
    def texts(self) -> list[str]:
        return [mention.text for mention in self.document.mentions]

    def mention_at(self, words: str) -> Mention:
        """Return the mention that covers most of the first place of ``words``."""
        text = self.document.note.text
        start = text.lower().index(words.lower())
        wanted = Span(start, start + len(words))
        found = [m for m in self.document.mentions if any(span.overlaps(wanted) for span in m.spans)]
        assert found, f"nothing is found at {words!r}; mentions are {self.texts}"
        return max(
            found, key=lambda m: (min(m.span.end, wanted.end) - max(m.span.start, wanted.start), -len(m.span))
        )


@pytest.fixture(scope="session")
def read(reader: NoteReader) -> Callable[[str], Reading]:
    """Read a text."""
    return lambda text: Reading(reader.read(Note("n", text)))
