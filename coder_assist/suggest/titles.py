"""The titles of operations and studies, wherever a report writes them.

A title stands under "Procedure", after "Exam:", or is the heading of the whole report ("MRI LEFT KNEE
WITHOUT CONTRAST"). Its words need not stand together as a term of the catalogue has them: "insertion of a
right subclavian vein triple-lumen catheter" holds "triple lumen catheter insertion". In a title, such words
are reason enough to offer the procedure; elsewhere they are not.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coder_assist.codes import Lexicon
from coder_assist.codes.terms import STOPWORDS, Word, words
from coder_assist.text.matcher import MODIFIERS
from coder_assist.types import Assertion, Document, Mention, MentionKind, Section, SectionKind, Span, System

# A title of which known procedures explain this share needs no more.
EXPLAINED = 0.7
MOST_WORDS = 24
# Where a report names its study: among its first characters, in a short line.
TOP = 250
LONGEST_LINE = 160
_DENIALS = frozenset({"no", "not", "none", "never", "declined", "refused", "cancelled", "aborted"})
_EXAM = frozenset(
    {"exam", "examination", "exams", "study", "studies", "test", "type of test", "examinations"}
)
_MAY_NAME_STUDY = frozenset(
    {SectionKind.RESULTS, SectionKind.OTHER, SectionKind.EXAMINATION, SectionKind.PROCEDURE_BODY}
)
# An examination's headings of so few letters are systems of the body ("CVS"), no studies.
_BODY_SYSTEM = {SectionKind.EXAMINATION: 3}
_STUDY = re.compile(
    r"\b(?:mri|mra|mr|ct|cta|cat scan|pet|x-?rays?|ultrasound|us|sonogra\w+|doppler|duplex|echo\w*|eeg|emg|"
    r"electro\w+|nerve conduction|stress|myoview|cardiolite|lexiscan|myocardial|\w{3,}gram|\w{3,}graphy|scan|"
    r"sleep study|barium|swallow|radiographs?|fluoroscopy|holter|\w{3,}scopy|biometry|refraction|cystometr\w+|"
    r"urodynamic\w*|spirometry|pulmonary function)\b"
)
_LEVEL = re.compile(r"c[1-7]|t(?:[1-9]|1[0-2])|l[1-5]|s1")
_REGIONS = {"c": "cervical", "t": "thoracic", "l": "lumbar", "s": "lumbar"}
# How a study was done: the cues of the catalogue tell it, it names no study.
_MANNER = frozenset(
    "without contrast gadolinium iv intravenous enhanced enhancement noncontrast unenhanced wo".split()
)
# Words of a sentence about somebody; a heading has none.
_SENTENCE = re.compile(
    r"\b(?:he|she|we|i|they|patient|pt|is|are|was|were|had|has|have|will|would|should|to)\b"
)
_FIRST_LINE = re.compile(r"\s*([^\n.:,]{4,100})")


@dataclass(frozen=True, slots=True)
class Title:
    """A title's mention, and the stems of its words.

    ``whole``: it names only what a term has all its words for, as the headings within a report do ("EKG:").
    """

    mention: Mention
    stems: tuple[str, ...]
    whole: bool = False


def titles_of(document: Document, lexicon: Lexicon) -> Iterator[Title]:
    """Yield the titles of a document that known procedures do not explain already."""
    text = document.note.text
    known = _known(document, lexicon)
    begins = [mention.span.start for mention in known]
    longest = max((len(mention.span) for mention in known), default=0)
    starts = [sentence.start for sentence in document.sentences]
    for span, kind in _lines(text, document.sections, document.sentences):
        telling = _telling(words(span.slice(text)))
        if not telling or len(telling) > MOST_WORDS or any(word.raw in _DENIALS for word in telling):
            continue
        number = max(0, min(bisect_left(starts, span.start + 1) - 1, len(starts) - 1))
        while number + 1 < len(starts) and document.sentences[number].end <= span.start:
            number += 1
        near = slice(bisect_right(begins, span.start - longest), bisect_left(begins, span.end))
        named = [mention for mention in known[near] if mention.span.overlaps(span)]
        if _explained(telling, span.start, named) >= EXPLAINED:
            continue
        place = Span(span.start + telling[0].start, span.start + telling[-1].end)
        mention = Mention(
            (place,),
            MentionKind.PROCEDURE,
            place.slice(text),
            kind,
            named[0].assertion if named else Assertion(),
            source="phrase",
            sentence=number,
        )
        yield Title(mention, tuple(dict.fromkeys(map(_named, telling))), kind is not SectionKind.PROCEDURE)


def _lines(
    text: str, sections: Sequence[Section], sentences: Sequence[Span]
) -> Iterator[tuple[Span, SectionKind]]:
    """Yield where titles may stand: sentences under "Procedure", lines and headings that name a study.

    With each the kind of section that it speaks from: what names the whole report says what was done, a
    heading within it only what its section tells of.
    """
    titled = [section.span for section in sections if section.kind is SectionKind.PROCEDURE]
    begins = [span.start for span in titled]
    for sentence in sentences:
        at = bisect_right(begins, sentence.start) - 1
        if at >= 0 and sentence.start < titled[at].end:
            yield sentence, SectionKind.PROCEDURE
    for section in sections:
        body = Span(section.body, section.span.end)
        heading = Span(section.span.start, section.span.start + len(section.title))
        top = section.span.start <= TOP
        if top and section.kind is SectionKind.EXAMINATION and section.title.lower() in _EXAM:
            if len(body) <= LONGEST_LINE:
                yield body, SectionKind.PROCEDURE
        elif top and not section.title:
            first = _FIRST_LINE.match(text)
            line = first[1].lower() if first else ""
            if first is not None and _STUDY.search(line) and not _SENTENCE.search(line):
                yield Span(first.start(1), first.end(1)), SectionKind.PROCEDURE
        elif section.kind in _MAY_NAME_STUDY and top and _STUDY.search(section.title.lower()):
            yield heading, SectionKind.PROCEDURE
        elif section.kind in _MAY_NAME_STUDY and len(heading) > _BODY_SYSTEM.get(section.kind, 0):
            yield heading, section.kind


def _known(document: Document, lexicon: Lexicon) -> list[Mention]:
    """Return the mentions in titles that a term of the catalogue names."""
    return [
        mention
        for mention in document.mentions
        if mention.section is SectionKind.PROCEDURE
        and any(t.code.system is not System.ICD10CM for k in mention.term_keys for t in lexicon.terms_of(k))
    ]


def _explained(telling: Sequence[Word], start: int, named: Sequence[Mention]) -> float:
    """Return the share of a title's words that mentions hold."""
    parts = [part for mention in named for part in mention.spans]
    held = sum(any(part.start <= start + word.start < part.end for part in parts) for word in telling)
    return held / len(telling)


def _named(word: Word) -> str:
    """Return a word's stem, for a level of the spine the region that operations are named after."""
    return _REGIONS[word.raw[0]] if _LEVEL.fullmatch(word.raw) else word.stem


def _telling(found: Sequence[Word]) -> list[Word]:
    return [
        word
        for word in found
        if word.stem not in STOPWORDS and word.stem not in _MANNER and word.raw not in MODIFIERS
    ]
