"""What stands around the mentions of a document: the words of a sentence, its heading, the sides of the note."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from coder_assist.codes.terms import STOPWORDS, Word, words, words_of_note
from coder_assist.suggest.amendments import SideCorrection
from coder_assist.suggest.features import SECTION_GROUPS, section_group
from coder_assist.suggest.wording import BODY_PARTS, canonical, denied, sign
from coder_assist.text.attributes import PART_REGIONS, side_in_heading, sides_of_parts
from coder_assist.types import Document, Mention, SectionKind, Span

CLOSE = 7
_LISTS = (
    SECTION_GROUPS["diagnosis_list"] | SECTION_GROUPS["diagnosis_early"] | SECTION_GROUPS["procedure_title"]
)
# Words that the terms of a site or a kind do not hold, and words that begin another clause.
NOT_OF_A_TERM = frozenset(
    "left right bilateral acute chronic mild moderate severe degree first second third partial full thickness stage "
    "grade old new large small significant possible probable multiple several patient".split()
)
_CLAUSE = frozenset("and or with without but due from after while also".split())
_SIDE = re.compile(
    r"\b(left|right|bilateral)\b(?! (?:hand(?:ed)?|lateral decubitus|lower quadrant|upper quadrant)\b)",
    re.IGNORECASE,
)


# The one type of diabetes that a note states holds for each of its complications.
_DIABETES = re.compile(
    r"\b(?:type (?=(?:1|2|i|ii) (?:diab|dm))|(?:diabetes|diabetes mellitus|dm),? type )(1|2|ii|i)\b",
    re.IGNORECASE,
)
_LEVELS = re.compile(r"\b([CTL])(\d{1,2})\s*(?:-|/|to|and)\s*([CTLS]?)(\d{1,2})\b", re.IGNORECASE)
_CLOCK = re.compile(r"\b(1[0-2]|[1-9])(?::[0-5]\d)?\s?o\s?['’]?\s?clock", re.IGNORECASE)
# The part that an image or an operation is of holds for what its report finds without naming a part.
_STUDY = re.compile(
    r"\b(?:mri?|magnetic resonance|ct|x-?rays?|radiographs?|ultrasound|sonogram|arthrogram|views?|arthroscopy|arthroscopic|"
    r"arthroplasty|arthrotomy|arthrocentesis)\b",
    re.IGNORECASE,
)
_STUDY_PARTS = frozenset("knee hip shoulder elbow wrist ankle foot hand finger toe thumb".split())
_OF_STUDY = frozenset(
    {
        SectionKind.FINDINGS,
        SectionKind.ASSESSMENT,
        SectionKind.INDICATION,
        SectionKind.DIAGNOSIS_PRE,
        SectionKind.DIAGNOSIS_POST,
    }
)
_HEAD = 400
_SPINE = frozenset({"cervical", "thoracic", "lumbar", "lumbosacral"})
# Levels whose region the titles of disc disorders name apart.
_JUNCTIONS = {
    "c2-c3": frozenset({"high"}), "c3-c4": frozenset({"high"}), "c7-t1": frozenset({"cervicothoracic"}),
    "t12-l1": frozenset({"thoracolumbar"}),
}  # fmt: skip
_REGIONS = {"c": "cervical", "t": "thoracic", "l": "lumbar"}


def spine_levels(text: str) -> frozenset[str]:
    """Return the words that code titles use for the spinal levels of a text.

    >>> sorted(spine_levels("HNP at C5-6 and L5-S1"))
    ['c5', 'c5-c6', 'c6', 'cervical', 'l5', 'l5-s1', 'lumbosacral', 's1']
    """
    found: set[str] = set()
    for first, number, second, other in _LEVELS.findall(text.lower()):
        second = second or first
        found |= {f"{first}{number}", f"{second}{other}", "lumbosacral" if second == "s" else _REGIONS[first]}
        found.add(f"{first}{number}-{second}{other}")
        found |= _JUNCTIONS.get(f"{first}{number}-{second}{other}", frozenset())
    return frozenset(found)


def breast_quadrant(text: str) -> frozenset[str]:
    """Return the words that code titles use for the place on a breast's clock face that a text names for one side.

    >>> sorted(breast_quadrant("mass at 10 o'clock in the right breast"))
    ['outer', 'quadrant', 'upper']
    """
    hours = {int(match[1]) for match in _CLOCK.finditer(text)}
    sides = {match[1].lower() for match in _SIDE.finditer(text)}
    if len(hours) != 1 or len(sides) != 1 or "breast" not in text.lower():
        return frozenset()
    hour = hours.pop()
    if hour % 3 == 0:
        return frozenset({"overlapping", "quadrant", "site"})
    # Seen from the front, the right breast's outer half is that of 7 to 11 o'clock.
    outer = (6 < hour < 12) == (sides == {"right"})
    return frozenset(
        {"upper" if hour in (1, 2, 10, 11) else "lower", "outer" if outer else "inner", "quadrant"}
    )


def _only_region(text: str, stems: Collection[str]) -> frozenset[str]:
    """Return the words for the one region of the spine that a note speaks of; none if it speaks of more."""
    named = (_SPINE & spine_levels(text)) | _SPINE.intersection(stems)
    low = named & {"lumbar", "lumbosacral"}
    return frozenset(named) if len(named - low) + bool(low) == 1 else frozenset()


def _only_side(text: str) -> str | None:
    """Return the one side that a note speaks of at least twice, if it never names the other."""
    found = Counter(match[1].lower() for match in _SIDE.finditer(text))
    return next(iter(found)) if len(found) == 1 and found.total() > 1 else None


def _study_part(document: Document) -> frozenset[str]:
    """Return the one joint that a note's titles say was imaged or operated on; none if they name more.

    A section "LOCATION" speaks first: "Mid parietal scalp" is where the carcinoma is that the diagnosis names.
    """
    text = document.note.text
    located = [s.span for s in document.sections if s.title.strip(": ").lower() == "location"]
    sites = canonical(word.stem for span in located for word in words(span.slice(text))) & BODY_PARTS
    if sites:
        return sites
    spans = [s.span for s in document.sections if s.kind is SectionKind.PROCEDURE] + [
        Span(0, min(_HEAD, len(text)))
    ]
    lines = [line for span in spans for line in span.slice(text).splitlines() if _STUDY.search(line)]
    named = {word.stem for line in lines for word in words(line)} & _STUDY_PARTS
    return frozenset(named) if len(named) == 1 else frozenset()


class Surroundings:
    """The words around the mentions of a document, cut once."""

    def __init__(self, document: Document, corrections: Sequence[SideCorrection] = ()) -> None:
        self._document = document
        self._corrections = corrections
        self.note_id = document.note.id
        self.text = document.note.text
        self.sections = document.sections
        self._sentences: dict[int, frozenset[str]] = {}
        lists = [section for section in document.sections if section.kind in _LISTS]
        text = document.note.text
        self.words = words_of_note(text)
        self._starts = [word.start for word in self.words]
        self._parts: dict[int, frozenset[str]] = {}
        self._section_starts = [section.span.start for section in document.sections]
        self.around = frozenset(stem for s in lists for stem in self._stems(Span(s.body, s.span.end)))
        self._first_line: dict[SectionKind, int] = {}
        for mention in document.mentions:
            self._first_line.setdefault(mention.section, mention.sentence)
        sides: dict[tuple[int, ...], set[str]] = {}
        listed: set[str] = set()
        for mention in document.mentions:
            side = mention.attributes.get("laterality")
            if side:
                sides.setdefault(mention.term_keys, set()).add(side)
                if section_group(mention.section) in ("diagnosis_list", "diagnosis_early", "procedure_title"):
                    listed.add(side)
        self._sides = {keys: next(iter(found)) for keys, found in sides.items() if keys and len(found) == 1}
        self._listed_side = next(iter(listed)) if len(listed) == 1 else _only_side(text)
        self._study = _study_part(document)
        self._spine = _only_region(text, {word.stem for word in self.words})
        self._part_sides = sides_of_parts(self.words, text)
        self._region_sides: dict[str, set[str]] = {}
        for part, found in self._part_sides.items():
            self._region_sides.setdefault(PART_REGIONS[part], set()).update(found)
        types = {"1" if match[1].lower() in ("1", "i") else "2" for match in _DIABETES.finditer(text)}
        self._type = next(iter(types)) if len(types) == 1 else None
        self._listed_regions = frozenset(
            PART_REGIONS[part] for part, found in self._part_sides.items() if self._listed_side in found
        )

    def list_place(self, mention: Mention) -> int:
        """Return the place of a mention's line in its diagnosis list, 1 first; 99 outside of one."""
        if section_group(mention.section) not in ("diagnosis_list", "diagnosis_early"):
            return 99
        return mention.sentence - self._first_line[mention.section] + 1

    def words_of_sentence(self, sentence: int) -> Sequence[Word]:
        """Return the words that begin within a sentence of the document."""
        first, last = self.range_of(self._document.sentences[sentence])
        return self.words[first:last]

    def range_of(self, span: Span) -> tuple[int, int]:
        """Return the words ``[first, last)`` that begin within a span."""
        return bisect_left(self._starts, span.start), bisect_left(self._starts, span.end)

    def _stems(self, span: Span) -> frozenset[str]:
        first, last = self.range_of(span)
        return canonical(word.stem for word in self.words[first:last])

    def near(self, mention: Mention) -> frozenset[str]:
        """Return the stems of a mention's sentence and heading, those behind "without" marked as denied."""
        found = self._sentences.get(mention.sentence)
        if found is None:
            text, sentence = self._document.note.text, self._document.sentences[mention.sentence]
            first, last = self.range_of(sentence)
            found = frozenset(sign(text, self.words[first:last])) | spine_levels(sentence.slice(text))
            found |= self._heading_parts(self._section(mention)) | breast_quadrant(sentence.slice(text))
            if found.isdisjoint(_SPINE):
                found |= self._spine
            self._sentences[mention.sentence] = found
        return found

    def close(self, mention: Mention) -> frozenset[str]:
        """Return the stems of a mention and of the words next to it in its sentence."""
        first, last = self.range_of(self._document.sentences[mention.sentence])
        low, high = self.range_of(mention.span)
        low, high = max(first, low - CLOSE // 2), min(last, high + CLOSE)
        text = canonical(word.stem for word in self.words[low:high])
        near = self.near(mention)
        return frozenset(stem for stem in text if denied(stem) not in near) | self._studied(mention)

    def beside(self, mention: Mention) -> list[tuple[str, ...]]:
        """Return the content words, and neighbouring pairs of them, that stand next to a mention."""
        text = self._document.note.text
        first, last = self.range_of(self._document.sentences[mention.sentence])
        low, high = self.range_of(mention.span)
        before = [self.words[at] for at in range(max(first, low - 3), min(low, last))]
        after: list[Word] = []
        for at in range(max(high, first), min(last, high + CLOSE)):
            gap = text[self.words[at - 1].end : self.words[at].start]
            if self.words[at].raw in _CLAUSE or any(mark in gap for mark in ";:.()"):
                break
            after.append(self.words[at])
        found: list[tuple[str, ...]] = []
        for stretch in (before, after):
            stems = [
                word.stem for word in stretch if word.stem not in STOPWORDS and word.stem not in NOT_OF_A_TERM
            ]
            found += [(stem,) for stem in stems]
            found += list(pairwise(stems))
        found += [
            (part,) for part in sorted(self._heading_parts(self._section(mention)) | self._studied(mention))
        ]
        return found

    def _studied(self, mention: Mention) -> frozenset[str]:
        """Return the joint of the study or operation for a finding whose sentence names no part of the body."""
        if not self._study or mention.section not in _OF_STUDY:
            return frozenset()
        return self._study if BODY_PARTS.isdisjoint(self.near(mention) - self._spine) else frozenset()

    def _section(self, mention: Mention) -> int:
        """Return the number of the section that a mention stands in."""
        return bisect_right(self._section_starts, mention.span.start) - 1

    def _heading_parts(self, section: int) -> frozenset[str]:
        """Return the parts of the body that a heading names ("LEFT KNEE:")."""
        if section not in self._parts:
            title = self._document.sections[section].title
            self._parts[section] = frozenset(word.stem for word in words(title)) & BODY_PARTS
        return self._parts[section]

    def attributes(
        self, mention: Mention, parts: frozenset[str], regions: frozenset[str]
    ) -> Mapping[str, str]:
        """Return a mention's attributes for a code that names ``parts`` of the body; a side may be taken over.

        In order: its own side, that of the same words elsewhere, of its heading, of the code's part of the
        body in the note, of the diagnosis lists unless they speak of another part. Where an addendum corrects
        the side, ``corrected`` is the one that it replaces.
        """
        known = self._stated(mention, parts, regions)
        for correction in self._corrections if "laterality" in known else ():
            if known["laterality"] == correction.wrong and (
                not correction.parts or not parts or parts & correction.parts
            ):
                return {**known, "laterality": correction.right, "corrected": correction.wrong}
        return known

    def _stated(self, mention: Mention, parts: frozenset[str], regions: frozenset[str]) -> Mapping[str, str]:
        known = mention.attributes
        if self._type and "type" not in known:
            known = {**known, "type": self._type}
        if "laterality" in known:
            return known
        side = self._sides.get(mention.term_keys) or side_in_heading(
            self._document.sections[self._section(mention)].title
        )
        if side is None and (studied := self._studied(mention)):
            parts = studied
            regions = regions | {PART_REGIONS[part] for part in studied if part in PART_REGIONS}
        if side is None and parts:
            stated = {side for part in parts for side in self._part_sides.get(part, ())}
            side = next(iter(stated)) if len(stated) == 1 else None
        if side is None and regions:
            stated = {side for region in regions for side in self._region_sides.get(region, ())}
            side = next(iter(stated)) if len(stated) == 1 else None
        if side is None and (not regions or not self._listed_regions or regions & self._listed_regions):
            side = self._listed_side
        return {**known, "laterality": side} if side else known
