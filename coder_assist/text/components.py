"""The spaCy components, registered in one place.

Each is a factory (``nlp.add_pipe("coder_assist_mentions", config={"store": ...})``). They leave spans in
``doc.spans["sections" | "sentences" | "mentions"]`` and plain JSON-like values in ``doc._.coder_assist``, so that
docs survive ``to_bytes`` and ``nlp.pipe(n_process=2)``. Offsets are code points into ``doc.text``.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from spacy.language import Language
from spacy.tokens import Doc

from coder_assist.codes import Shelf
from coder_assist.codes.lexicon import Lexicon, open_lexicon
from coder_assist.codes.sources import Sense
from coder_assist.settings import Settings
from coder_assist.text.abbreviations import find_senses
from coder_assist.text.assertion import CueHit, assert_mention, find_cues
from coder_assist.text.attributes import AttributeReader
from coder_assist.text.matcher import Match, NoteWords, TermMatcher, phrases_of
from coder_assist.text.measurements import find_measurements
from coder_assist.text.performance import performance_of
from coder_assist.text.phrases import unknown_phrases
from coder_assist.text.sections import find_sections
from coder_assist.text.sentences import find_sentences
from coder_assist.types import Code, MentionKind, Section, SectionKind, Span, System

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


def _codes(lexicon: Lexicon, match: Match) -> list[Code]:
    return [term.code for key in match.keys for term in lexicon.terms_of(key)]


def _kind(codes: list[Code], sense: Sense | None) -> MentionKind:
    values = [code.value for code in codes] or list(sense.codes if sense else ())
    if codes and all(code.system is not System.ICD10CM for code in codes):
        return MentionKind.PROCEDURE
    first = next((value for value in values if value[0].isalpha()), "")
    return (
        MentionKind.SYMPTOM
        if first[:1] == "R"
        else MentionKind.STATUS
        if first[:1] == "Z"
        else MentionKind.DIAGNOSIS
    )


def _spans(note: NoteWords, places: tuple[int, ...]) -> list[list[int]]:
    """Join neighbouring words into spans; a gap of more than one word opens a new span."""
    spans: list[list[int]] = []
    for number, place in enumerate(places):
        word = note.words[place]
        if number and place - places[number - 1] <= 3:
            spans[-1][1] = word.end
        else:
            spans.append([word.start, word.end])
    return spans


@Language.factory("coder_assist_mentions", default_config={"store": "", "learned": ""})
def make_mentions(nlp: Language, name: str, store: str, learned: str) -> Component:
    """Make the component that finds mentions.

    ``store`` is a compiled store (the default one if empty); ``learned`` a ``.npy`` file whose field
    ``key`` holds the keys of further phrases to point out (source ``learned``).
    """
    phrase_keys = np.unique(np.load(learned, allow_pickle=False)["key"]) if learned else None
    lexicon = open_lexicon(Path(store) if store else _default_store())
    matcher = TermMatcher(lexicon)

    def mentions(doc: Doc) -> Doc:
        facts = _facts(doc)
        sections = sections_of(doc)
        note = _words_of(doc)
        senses = find_senses(note, sections, lexicon)
        matches = [match for match in matcher.match(note, senses) if not _silenced(match, senses)]
        rows = []
        for match in matches:
            sense = senses.get(match.places[0]) if match.source == "abbreviation" else None
            codes = _codes(lexicon, match)
            row = _row(note, match.places, _kind(codes, sense), match.source, match.keys, sense)
            # Words may name a condition and a procedure ("screening mammogram").
            row["procedure"] = any(code.system is not System.ICD10CM for code in codes)
            rows.append(row)
        covered = {place for match in matches for place in match.places}
        rows.extend(
            _row(note, places, MentionKind.DRUG, "drug", (), None)
            for places in _drugs(note, lexicon, covered)
        )
        rows.extend(
            _row(note, places, MentionKind.DIAGNOSIS, "phrase", (), None)
            for places in unknown_phrases(note, sections, matches)
        )
        rows += _measurements(note)
        if phrase_keys is not None and len(phrase_keys):
            rows += _learned(note, phrase_keys)
        rows.sort(key=lambda row: (row["spans"][0], row["source"]))
        _place_in_sections(rows, sections)
        facts["mentions"] = rows
        _group(doc, "mentions", [(row["spans"][0][0], row["spans"][-1][1], row["kind"]) for row in rows])
        return doc

    return mentions


def _silenced(match: Match, senses: dict[int, Sense]) -> bool:
    return len(match.places) == 1 and match.places[0] in senses and not senses[match.places[0]].codes


def _row(
    note: NoteWords,
    places: tuple[int, ...],
    kind: MentionKind,
    source: str,
    keys: tuple[int, ...],
    sense: Sense | None,
) -> dict[str, Any]:
    spans = _spans(note, places)
    return {
        "spans": spans,
        "kind": kind.value,
        "text": " ... ".join(note.text[start:end] for start, end in spans),
        "places": list(places),
        "source": source,
        # A key is a number of 64 bits, more than JSON readers hold: it travels as text.
        "keys": [str(key) for key in keys],
        "codes": list(sense.codes) if sense else [],
        "sentence": note.sentence_of[places[0]],
        "procedure": False,
        "section": SectionKind.OTHER.value,
        "assertion": {},
        "attributes": {},
    }


def _drugs(note: NoteWords, lexicon: Lexicon, covered: set[int]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    raws = [word.raw for word in note.words]
    at = 0
    while at < len(raws):
        length = lexicon.drug_length(raws[at : at + lexicon.longest_drug])
        if length > 1 or (length == 1 and at not in covered):
            found.append(tuple(range(at, at + length)))
        at += max(1, length)
    return found


def _learned(note: NoteWords, known: npt.NDArray[np.uint64]) -> list[dict[str, Any]]:
    phrases = phrases_of(note)
    found = np.searchsorted(known, phrases.keys)
    found[found == len(known)] = 0
    rows = []
    for at in np.flatnonzero(known[found] == phrases.keys).tolist():
        places = (int(phrases.firsts[at]), int(phrases.lasts[at]))
        row = _row(note, places, MentionKind.DIAGNOSIS, "learned", (int(phrases.keys[at]),), None)
        span = [note.words[places[0]].start, note.words[places[1]].end]
        rows.append(row | {"spans": [span], "text": note.text[span[0] : span[1]]})
    return rows


def _measurements(note: NoteWords) -> list[dict[str, Any]]:
    rows = []
    starts = [word.start for word in note.words]
    for found in find_measurements(note.text):
        first, last = bisect_left(starts, found.span.start), bisect_left(starts, found.span.end) - 1
        if first <= last < len(starts):
            row = _row(note, (first,), MentionKind.STATUS, "measurement", (), None)
            row |= {
                "spans": [[found.span.start, found.span.end]],
                "codes": [found.code],
                "text": found.span.slice(note.text),
            }
            rows.append(row)
    return rows


def _place_in_sections(rows: list[dict[str, Any]], sections: list[Section]) -> None:
    at = 0
    for row in rows:
        start = row["spans"][0][0]
        while at + 1 < len(sections) and sections[at].span.end <= start:
            at += 1
        if sections:
            row["section"] = sections[at].kind.value


@Language.factory("coder_assist_assertion")
def make_assertion(nlp: Language, name: str) -> Component:
    """Make the component that judges mentions; needs ``coder_assist_mentions`` before it."""

    def assertion(doc: Doc) -> Doc:
        note = _words_of(doc)
        cues: dict[int, list[CueHit]] = {}
        for row in _facts(doc)["mentions"]:
            number = row["sentence"]
            if number not in cues:
                cues[number] = find_cues(note, *note.ranges[number])
            judged = assert_mention(cues[number], note, row["places"], SectionKind(row["section"]))
            row["assertion"] = {
                "polarity": judged.polarity.value,
                "certainty": judged.certainty.value,
                "temporality": judged.temporality.value,
                "experiencer": judged.experiencer.value,
                "cue": judged.cue,
            }
            if row["procedure"]:
                done = performance_of(note, row["places"], SectionKind(row["section"]), judged)
                row["attributes"] = {"performance": done.value} if done else {}
        return doc

    return assertion


@Language.factory("coder_assist_attributes")
def make_attributes(nlp: Language, name: str) -> Component:
    """Make the component that reads attributes (side, acuity, episode ...); needs ``coder_assist_mentions`` before it."""

    def attributes(doc: Doc) -> Doc:
        reader = AttributeReader(_words_of(doc))
        for row in _facts(doc)["mentions"]:
            row["attributes"] |= reader.of(tuple(row["places"]))
        return doc

    return attributes
