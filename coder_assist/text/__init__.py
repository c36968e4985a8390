"""What a note says: sections, sentences, mentions with attributes and assertion.

``NoteReader`` runs the spaCy pipeline and returns the records; the components themselves are spaCy
factories that any pipeline can add.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from coder_assist.errors import NoteError
from coder_assist.text import components, tokenizer
from coder_assist.types import (
    Assertion,
    Certainty,
    Document,
    Experiencer,
    Mention,
    MentionKind,
    Note,
    Polarity,
    SectionKind,
    Span,
    Temporality,
)

__all__ = ["NoteReader", "build_pipeline", "tokenizer"]


def build_pipeline(store: Path, learned: Path | None = None) -> Language:
    """Return the spaCy pipeline over a compiled store: blank English and the five components.

    ``learned`` names a ``.npy`` file of phrase keys that are pointed out besides the lexicon's terms.
    """
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
        self.nlp = build_pipeline(store, learned)
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
        return _document(note, self.nlp(note.text))

    def pipe(self, notes: Iterable[Note]) -> Iterator[Document]:
        """Yield the document of each note, in order. Raises ``NoteError`` at a note that cannot be read."""
        for note in notes:
            yield self.read(note)


def _document(note: Note, doc: Doc) -> Document:
    facts = doc._.coder_assist
    mentions = []
    for row in facts["mentions"]:
        judged = row["assertion"]
        mentions.append(
            Mention(
                spans=tuple(Span(start, end) for start, end in row["spans"]),
                kind=MentionKind(row["kind"]),
                text=row["text"],
                section=SectionKind(row["section"]),
                assertion=Assertion(
                    Polarity(judged["polarity"]),
                    Certainty(judged["certainty"]),
                    Temporality(judged["temporality"]),
                    Experiencer(judged["experiencer"]),
                    judged["cue"],
                ),
                attributes=row["attributes"],
                term_keys=tuple(int(key) for key in row["keys"]),
                codes=tuple(row["codes"]),
                source=row["source"],
                sentence=row["sentence"],
            )
        )
    sentences = tuple(Span(start, end) for start, end in facts["sentences"])
    return Document(note, tuple(components.sections_of(doc)), sentences, tuple(mentions))
