"""Find the mentions of a note, and judge them: the work of the three last spaCy components, without spaCy.

``NoteReader`` goes through here directly; the components put the same on a ``Doc``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coder_assist.codes.lexicon import KeySet, Lexicon
from coder_assist.codes.sources import Sense
from coder_assist.text.abbreviations import find_senses
from coder_assist.text.assertion import CueHit, assert_mention, find_cues
from coder_assist.text.attributes import AttributeReader
from coder_assist.text.matcher import Match, NoteWords, TermMatcher, phrases_of
from coder_assist.text.measurements import find_measurements
from coder_assist.text.performance import performance_of
from coder_assist.text.phrases import unknown_phrases
from coder_assist.text.sites import find_sites
from coder_assist.text.spread import find_spread
from coder_assist.types import Assertion, Code, Mention, MentionKind, Section, SectionKind, Span, System


@dataclass(slots=True)
class Found:
    """A mention while it is read: the places of its words, and what is known of it so far."""

    places: tuple[int, ...]
    spans: list[tuple[int, int]]
    kind: MentionKind
    text: str
    source: str
    keys: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    sentence: int = 0
    # Words may name a condition and a procedure ("screening mammogram").
    procedure: bool = False
    section: SectionKind = SectionKind.OTHER
    assertion: Assertion = field(default_factory=Assertion)
    attributes: dict[str, str] = field(default_factory=dict)

    def as_mention(self) -> Mention:
        """Return the record of it."""
        return Mention(
            spans=tuple(Span(start, end) for start, end in self.spans),
            kind=self.kind,
            text=self.text,
            section=self.section,
            assertion=self.assertion,
            attributes=self.attributes,
            term_keys=self.keys,
            codes=self.codes,
            source=self.source,
            sentence=self.sentence,
        )


class MentionFinder:
    """Finds the mentions of notes.

    ``learned`` is a ``.npy`` file whose field ``key`` holds the keys of further phrases to point out
    (source ``learned``).
    """

    def __init__(self, lexicon: Lexicon, learned: Path | None = None) -> None:
        self._lexicon = lexicon
        self._matcher = TermMatcher(lexicon)
        self._learned = KeySet(np.unique(np.load(learned, allow_pickle=False)["key"])) if learned else None

    def find(self, note: NoteWords, sections: Sequence[Section]) -> list[Found]:
        """Return the mentions in order of the text, not yet judged."""
        lexicon = self._lexicon
        senses = find_senses(note, sections, lexicon)
        matches = [match for match in self._matcher.match(note, senses) if not _silenced(match, senses)]
        matches += find_spread(note, matches, self._lexicon)
        matches += find_sites(note, matches, self._lexicon)
        found = []
        for match in matches:
            sense = senses.get(match.places[0]) if match.source == "abbreviation" else None
            codes = [term.code for key in match.keys for term in lexicon.terms_of(key)]
            mention = _found(note, match.places, _kind(codes, sense), match.source)
            mention.keys = match.keys
            mention.codes = sense.codes if sense else ()
            mention.procedure = any(code.system is not System.ICD10CM for code in codes)
            found.append(mention)
        covered = {place for match in matches for place in match.places}
        found += [_found(note, places, MentionKind.DRUG, "drug") for places in _drugs(note, lexicon, covered)]
        found += [
            _found(note, places, MentionKind.DIAGNOSIS, "phrase")
            for places in unknown_phrases(note, sections, matches)
        ]
        found += _measurements(note)
        if self._learned:
            found += _remembered(note, self._learned)
        found.sort(key=lambda mention: (mention.spans[0], mention.source))
        _place_in_sections(found, sections)
        return found


def judge(note: NoteWords, mentions: Sequence[Found]) -> None:
    """Give mentions their assertion, and procedures what is said of their doing, in place."""
    cues: dict[int, list[CueHit]] = {}
    for mention in mentions:
        number = mention.sentence
        if number not in cues:
            cues[number] = find_cues(note, *note.ranges[number])
        mention.assertion = assert_mention(cues[number], note, mention.places, mention.section)
        if mention.procedure:
            done = performance_of(note, mention.places, mention.section, mention.assertion)
            mention.attributes = {"performance": done.value} if done else {}


def describe(note: NoteWords, mentions: Sequence[Found]) -> None:
    """Give mentions their attributes (side, acuity, episode ...), in place."""
    reader = AttributeReader(note)
    for mention in mentions:
        mention.attributes |= reader.of(mention.places)


def _silenced(match: Match, senses: dict[int, Sense]) -> bool:
    return len(match.places) == 1 and match.places[0] in senses and not senses[match.places[0]].codes


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


def _spans(note: NoteWords, places: tuple[int, ...]) -> list[tuple[int, int]]:
    """Join neighbouring words into spans; a gap of more than one word opens a new span."""
    spans: list[tuple[int, int]] = []
    for number, place in enumerate(places):
        word = note.words[place]
        if number and place - places[number - 1] <= 3:
            spans[-1] = (spans[-1][0], word.end)
        else:
            spans.append((word.start, word.end))
    return spans


def _found(note: NoteWords, places: tuple[int, ...], kind: MentionKind, source: str) -> Found:
    spans = _spans(note, places)
    text = " ... ".join(note.text[start:end] for start, end in spans)
    return Found(places, spans, kind, text, source, sentence=note.sentence_of[places[0]])


def _drugs(note: NoteWords, lexicon: Lexicon, covered: set[int]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    after = 0  # the end of the last name
    for at in [at for at, raw in enumerate(note.raws) if lexicon.begins_drug(raw)]:
        if at < after:
            continue
        length = lexicon.drug_length(note.raws, at)
        if length > 1 or (length == 1 and at not in covered):
            found.append(tuple(range(at, at + length)))
        after = at + length
    return found


def _remembered(note: NoteWords, known: KeySet) -> list[Found]:
    phrases = phrases_of(note)
    found = []
    for at in known.holds(phrases.keys).nonzero()[0].tolist():
        first, last = int(phrases.firsts[at]), int(phrases.lasts[at])
        start, end = note.words[first].start, note.words[last].end
        found.append(
            Found(
                (first, last),
                [(start, end)],
                MentionKind.DIAGNOSIS,
                note.text[start:end],
                "learned",
                keys=(int(phrases.keys[at]),),
                sentence=note.sentence_of[first],
            )
        )
    return found


def _measurements(note: NoteWords) -> list[Found]:
    found: list[Found] = []
    measurements = find_measurements(note.text)
    starts = [word.start for word in note.words] if measurements else []
    for measured in measurements:
        span = measured.span
        first, last = bisect_left(starts, span.start), bisect_left(starts, span.end) - 1
        if first <= last < len(starts):
            found.append(
                Found(
                    (first,),
                    [(span.start, span.end)],
                    MentionKind.STATUS,
                    span.slice(note.text),
                    "measurement",
                    codes=(measured.code,),
                    sentence=note.sentence_of[first],
                )
            )
    return found


def _place_in_sections(mentions: Sequence[Found], sections: Sequence[Section]) -> None:
    at = 0
    for mention in mentions:
        start = mention.spans[0][0]
        while at + 1 < len(sections) and sections[at].span.end <= start:
            at += 1
        if sections:
            mention.section = sections[at].kind
