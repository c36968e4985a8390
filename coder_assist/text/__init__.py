"""What a note says: sections, sentences, mentions with attributes and assertion.

``NoteReader`` returns the records. For spaCy users the same steps are factories (``components``) that any
pipeline can add, and ``build_pipeline`` joins them; spaCy is imported by who asks for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from coder_assist.codes.lexicon import open_lexicon
from coder_assist.errors import NoteError
from coder_assist.text.matcher import NoteWords
from coder_assist.text.mentions import MentionFinder, describe, judge
from coder_assist.text.sections import find_sections
from coder_assist.text.sentences import find_sentences
from coder_assist.types import Document, Note

if TYPE_CHECKING:
    from spacy.language import Language

__all__ = ["NoteReader", "build_pipeline"]


def build_pipeline(store: Path, learned: Path | None = None) -> Language:
    """Return the spaCy pipeline over a compiled store: blank English and the five components.

    ``learned`` names a ``.npy`` file of phrase keys that are pointed out besides the lexicon's terms.
    """
    import spacy

    from coder_assist.text import components, tokenizer  # noqa: F401  (they register themselves)

    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "coder_assist_tokenizer"}}})
    nlp.max_length = 5_000_000
    nlp.add_pipe("coder_assist_sections")
    nlp.add_pipe("coder_assist_sentences")
    nlp.add_pipe("coder_assist_mentions", config={"store": str(store), "learned": str(learned or "")})
    nlp.add_pipe("coder_assist_assertion")
    nlp.add_pipe("coder_assist_attributes")
    return nlp


class NoteReader:
    """Reads notes into documents.

    ``longest`` is the longest note accepted, in code points; a longer or an empty one raises
    ``NoteError``, which names the note by its id and never by its text.
    """

    def __init__(self, store: Path, longest: int = 200_000, learned: Path | None = None) -> None:
        self._finder = MentionFinder(open_lexicon(store), learned)
        self.longest = longest

    def check(self, note: Note) -> None:
        """Raise ``NoteError`` if a note cannot be read."""
        if not note.text.strip():
            raise NoteError(f"note {note.id!r} is empty; expected clinical text")
        if len(note.text) > self.longest:
            raise NoteError(
                f"note {note.id!r} has {len(note.text):,} characters; expected at most {self.longest:,}. "
                "Split it or raise CODER_ASSIST_MAX_NOTE_CHARACTERS"
            )

    def read(self, note: Note) -> Document:
        """Return what a note says. Raises ``NoteError`` for an empty or too long note."""
        self.check(note)
        sections = find_sections(note.text)
        sentences = find_sentences(note.text, sections)
        words = NoteWords.cut(note.text, sentences)
        mentions = self._finder.find(words, sections)
        judge(words, mentions)
        describe(words, mentions)
        return Document(
            note, tuple(sections), tuple(sentences), tuple(mention.as_mention() for mention in mentions)
        )

    def pipe(self, notes: Iterable[Note]) -> Iterator[Document]:
        """Yield the document of each note, in order. Raises ``NoteError`` at a note that cannot be read."""
        for note in notes:
            yield self.read(note)
