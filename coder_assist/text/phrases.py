"""Phrases that the lexicon does not know, in the lines where diagnoses stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coder_assist.codes.terms import STOPWORDS
from coder_assist.text.matcher import MODIFIERS, Match, NoteWords
from coder_assist.types import Section, SectionKind

DIAGNOSIS_SECTIONS = frozenset(
    {
        SectionKind.ASSESSMENT,
        SectionKind.DIAGNOSIS_PRE,
        SectionKind.DIAGNOSIS_POST,
        SectionKind.DIAGNOSIS_ADMISSION,
        SectionKind.DIAGNOSIS_DISCHARGE,
        SectionKind.INDICATION,
        SectionKind.CHIEF_COMPLAINT,
        SectionKind.PROCEDURE,
    }
)
LONGEST_PHRASE = 10
# A line that holds one of these is a sentence about the patient, not the name of a condition.
_SENTENCE_WORDS = frozenset(
    "he she we i they it is was were will would should can could may has have had been being given told continue "
    "start started follow discussed reviewed see advised recommend recommended patient normal no not none than "
    "because however since although performed obtained scheduled return if".split()
)

# Words of assertion cues are no part of what is named: the cue then speaks of the phrase.
_OF_CUES = frozenset(
    "rule rules ruled out r/o no not without denies denied negative unlikely excluded possible possibly probable probably "
    "likely suspected suspect suspicion questionable consistent suggestive versus vs".split()
)


def unknown_phrases(
    note: NoteWords, sections: Sequence[Section], matches: Sequence[Match]
) -> Iterator[tuple[int, ...]]:
    """Yield the places of the first phrase of each short diagnosis line that no term of two words explains."""
    explained = {note.sentence_of[match.places[0]] for match in matches if match.weight > 1}
    at = 0
    for number, (first, last) in enumerate(note.ranges):
        if number in explained or first == last:
            continue
        start = note.words[first].start
        while at + 1 < len(sections) and sections[at].span.end <= start:
            at += 1
        if sections[at].kind not in DIAGNOSIS_SECTIONS:
            continue
        if any(note.words[place].raw in _SENTENCE_WORDS for place in range(first, min(last, first + 14))):
            continue
        places: list[int] = []
        for place in range(first, last):
            if places and "," in note.between(place - 1):
                break
            word = note.words[place]
            if word.stem in STOPWORDS or word.raw in MODIFIERS or word.raw in _OF_CUES:
                continue
            if not word.raw.isdigit():
                places.append(place)
        if 2 <= len(places) <= LONGEST_PHRASE:
            yield tuple(places)
