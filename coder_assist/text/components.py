"""The spaCy components, registered in one place.

Each is a factory (``nlp.add_pipe("coder_assist_mentions", config={"store": ...})``). They leave spans in
``doc.spans["sections" | "sentences" | "mentions"]`` and plain JSON-like values in ``doc._.coder_assist``, so that
docs survive ``to_bytes`` and ``nlp.pipe(n_process=2)``. Offsets are code points into ``doc.text``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from coder_assist.codes import Shelf
from coder_assist.codes.lexicon import open_lexicon
from coder_assist.settings import Settings
from coder_assist.text.matcher import NoteWords
from coder_assist.text.mentions import Found, MentionFinder, describe, judge
from coder_assist.text.sections import find_sections
from coder_assist.text.sentences import find_sentences
from coder_assist.types import (
    Assertion,
    Certainty,
    Experiencer,
    MentionKind,
    Polarity,
    Section,
    SectionKind,
    Span,
    Temporality,
)

Component = Callable[[Doc], Doc]
_KEY = "coder_assist"
if not Doc.has_extension(_KEY):
    Doc.set_extension(_KEY, default=None)

_last = threading.local()


def _default_store() -> Path:
    return Shelf.of(Settings()).library_for(None)[0].lexicon.store


def _facts(doc: Doc) -> dict[str, Any]:
    facts: dict[str, Any] | None = doc._.get(_KEY)
    if facts is None:
        facts = {"sections": [], "sentences": [], "mentions": []}
        doc._.set(_KEY, facts)
    return facts


def sections_of(doc: Doc) -> list[Section]:
    """Return the sections that ``coder_assist_sections`` found."""
    return [
        Section(SectionKind(kind), title, Span(start, end), body)
        for kind, title, start, end, body in _facts(doc)["sections"]
    ]


def _text_of(doc: Doc) -> str:
    """Return a doc's text; ``Doc.text`` joins all tokens anew each time it is asked."""
    if getattr(_last, "text_of", None) is not doc:
        _last.text = doc.text
        _last.text_of = doc
    text: str = _last.text
    return text


def _words_of(doc: Doc) -> NoteWords:
    """Return the words of a doc; the components of one run share them."""
    if getattr(_last, "doc", None) is not doc:
        sentences = [Span(start, end) for start, end in _facts(doc)["sentences"]]
        _last.words = NoteWords.cut(_text_of(doc), sentences)
        _last.doc = doc
    words: NoteWords = _last.words
    return words


def _group(doc: Doc, name: str, spans: list[tuple[int, int, str]]) -> None:
    found = (doc.char_span(start, end, label=label, alignment_mode="expand") for start, end, label in spans)
    doc.spans[name] = [span for span in found if span is not None]


@Language.factory("coder_assist_sections")
def make_sections(nlp: Language, name: str) -> Component:
    """Make the component that cuts a note into sections."""

    def sections(doc: Doc) -> Doc:
        found = find_sections(_text_of(doc))
        _facts(doc)["sections"] = [[s.kind.value, s.title, s.span.start, s.span.end, s.body] for s in found]
        _group(doc, "sections", [(s.span.start, s.span.end, s.kind.value) for s in found])
        return doc

    return sections


@Language.factory("coder_assist_sentences")
def make_sentences(nlp: Language, name: str) -> Component:
    """Make the component that cuts sections into sentences; needs ``coder_assist_sections`` before it."""

    def sentences(doc: Doc) -> Doc:
        found = find_sentences(_text_of(doc), sections_of(doc))
        _facts(doc)["sentences"] = [[span.start, span.end] for span in found]
        _group(doc, "sentences", [(span.start, span.end, "") for span in found])
        return doc

    return sentences


def _row(mention: Found) -> dict[str, Any]:
    """Return a mention as JSON."""
    return {
        "spans": [list(span) for span in mention.spans],
        "kind": mention.kind.value,
        "text": mention.text,
        "places": list(mention.places),
        "source": mention.source,
        # A key is a number of 64 bits, more than JSON readers hold: it travels as text.
        "keys": [str(key) for key in mention.keys],
        "codes": list(mention.codes),
        "sentence": mention.sentence,
        "procedure": mention.procedure,
        "section": mention.section.value,
        "assertion": {},
        "attributes": {},
    }


def _found(row: dict[str, Any]) -> Found:
    """Return what ``_row`` wrote, with what later components added."""
    judged = row["assertion"]
    return Found(
        places=tuple(row["places"]),
        spans=[(start, end) for start, end in row["spans"]],
        kind=MentionKind(row["kind"]),
        text=row["text"],
        source=row["source"],
        keys=tuple(int(key) for key in row["keys"]),
        codes=tuple(row["codes"]),
        sentence=row["sentence"],
        procedure=row["procedure"],
        section=SectionKind(row["section"]),
        assertion=Assertion(
            Polarity(judged["polarity"]),
            Certainty(judged["certainty"]),
            Temporality(judged["temporality"]),
            Experiencer(judged["experiencer"]),
            judged["cue"],
        )
        if judged
        else Assertion(),
        attributes=dict(row["attributes"]),
    )


def _mentions(doc: Doc) -> tuple[list[dict[str, Any]], list[Found]]:
    rows: list[dict[str, Any]] = _facts(doc)["mentions"]
    return rows, [_found(row) for row in rows]


def mentions_of(doc: Doc) -> Sequence[Found]:
    """Return the mentions of a doc, with what the components of its pipeline found out about them."""
    return _mentions(doc)[1]


@Language.factory("coder_assist_mentions", default_config={"store": "", "learned": ""})
def make_mentions(nlp: Language, name: str, store: str, learned: str) -> Component:
    """Make the component that finds mentions.

    ``store`` is a compiled store (the default one if empty); ``learned`` a ``.npy`` file whose field
    ``key`` holds the keys of further phrases to point out (source ``learned``).
    """
    lexicon = open_lexicon(Path(store) if store else _default_store())
    finder = MentionFinder(lexicon, Path(learned) if learned else None)

    def mentions(doc: Doc) -> Doc:
        found = finder.find(_words_of(doc), sections_of(doc))
        _facts(doc)["mentions"] = [_row(mention) for mention in found]
        _group(doc, "mentions", [(m.spans[0][0], m.spans[-1][1], m.kind.value) for m in found])
        return doc

    return mentions


@Language.factory("coder_assist_assertion")
def make_assertion(nlp: Language, name: str) -> Component:
    """Make the component that judges mentions; needs ``coder_assist_mentions`` before it."""

    def assertion(doc: Doc) -> Doc:
        rows, found = _mentions(doc)
        judge(_words_of(doc), found)
        for row, mention in zip(rows, found, strict=True):
            judged = mention.assertion
            row["assertion"] = {
                "polarity": judged.polarity.value,
                "certainty": judged.certainty.value,
                "temporality": judged.temporality.value,
                "experiencer": judged.experiencer.value,
                "cue": judged.cue,
            }
            row["attributes"] = mention.attributes
        return doc

    return assertion


@Language.factory("coder_assist_attributes")
def make_attributes(nlp: Language, name: str) -> Component:
    """Make the component that reads attributes (side, acuity, episode ...); needs ``coder_assist_mentions`` before it."""

    def attributes(doc: Doc) -> Doc:
        rows, found = _mentions(doc)
        describe(_words_of(doc), found)
        for row, mention in zip(rows, found, strict=True):
            row["attributes"] = mention.attributes
        return doc

    return attributes
