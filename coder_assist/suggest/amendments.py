"""What addenda correct, and which passages only repeat others.

An addendum outranks what it corrects: a side that it changes, a diagnosis that it denies. A list that was
copied from note to note, or that says that it was copied, weighs once.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from coder_assist.codes.terms import content_stems, words
from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.suggest.wording import BODY_PARTS, canonical, signed_stems
from coder_assist.types import Candidate, Document, Polarity, Section, SectionKind, Span, System

_AMENDS = re.compile(r"\b(?:addend(?:um|a)|correction|corrected|amend(?:ed|ment))\b", re.IGNORECASE)
_ADDENDUM = re.compile(
    r"^[ \t]*(?:[A-Za-z]+[ \t]+){0,2}(?:addendum|correction|amendment)\b[^\n:]{0,40}:",
    re.IGNORECASE | re.MULTILINE,
)
_SIDE = r"(?:the |on the )?(left|right)\b"
_RIGHT_THEN_WRONG = re.compile(
    rf"\b(left|right)\b[^.;:\n]{{0,40}}?\b(?:not|rather than|instead of) {_SIDE}", re.IGNORECASE
)
_WRONG_THEN_RIGHT = re.compile(rf"\bnot {_SIDE}[^.;:\n]{{0,30}}?\bbut {_SIDE}", re.IGNORECASE)
_SHOULD_BE = re.compile(
    rf"\b(?:should (?:read|be|say|state)|(?:corrected|changed) to|is actually|is in fact) {_SIDE}",
    re.IGNORECASE,
)
_COPIED = re.compile(r"\bcop(?:y|ied)\b|\b(?:carried|pulled|brought) forward\b|\bimported\b", re.IGNORECASE)
_LINE = re.compile(r"[^\n]*\S[^\n]*")
_LONG_LINE = 60
_LINES_ON_END = 3


@dataclass(frozen=True, slots=True)
class SideCorrection:
    """A side that an addendum changes, for the ``parts`` of the body it names; for all where it names none."""

    wrong: str
    right: str
    parts: frozenset[str]


class Amendments:
    """The corrections and the copies among the documents of an encounter."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._addenda = {document.note.id: _addenda(document) for document in documents}
        self.sides = tuple(
            dict.fromkeys(
                correction
                for document in documents
                for span in self._addenda[document.note.id]
                for correction in _side_corrections(span.slice(document.note.text))
            )
        )
        self._denied = {
            run
            for document in documents
            for span in self._addenda[document.note.id]
            for run in _denied_runs(span.slice(document.note.text))
        }
        self._copies = {note: _Stretches(spans) for note, spans in _copies(documents).items() if spans}
        self._amended = {note: _Stretches(spans) for note, spans in self._addenda.items()}

    def apply(self, proposals: Sequence[Proposal]) -> None:
        """Mark what an addendum denies, and set the mentions of copied passages apart, in place."""
        if any(self._addenda.values()):
            self._deny(proposals)
        if self._copies:
            for proposal in proposals:
                self._set_copies_apart(proposal)

    def _deny(self, proposals: Sequence[Proposal]) -> None:
        denials = {
            canonical(content_stems(c.mention.text))
            for proposal in proposals
            for c in proposal.candidates
            if c.mention.assertion.polarity is Polarity.NEGATED and self._in_addendum(c)
        } | self._denied
        for proposal in proposals if denials else ():
            holding = [c for c in proposal.candidates if affirmed(c)]
            if proposal.code.system is not System.ICD10CM or not holding:
                continue
            stems = [canonical(content_stems(c.mention.text)) for c in holding]
            if not any(map(self._in_addendum, holding)) and all(
                any(denial <= own for denial in denials) for own in stems
            ):
                proposal.corrected = "an addendum denies it"

    def _in_addendum(self, candidate: Candidate) -> bool:
        return _inside(candidate, self._amended)

    def _set_copies_apart(self, proposal: Proposal) -> None:
        originals: list[Candidate] = []
        copies: list[Candidate] = []
        for candidate in proposal.candidates:
            (copies if _inside(candidate, self._copies) else originals).append(candidate)
        if copies and not originals:
            originals, copies = copies[:1], copies[1:]
        proposal.candidates, proposal.copies = originals, copies


class _Stretches:
    """Spans of a note, asked many times whether one of them overlaps another."""

    def __init__(self, spans: Iterable[Span]) -> None:
        ordered = sorted(spans)
        self._starts = [span.start for span in ordered]
        self._furthest = list(accumulate((span.end for span in ordered), max))

    def overlap(self, span: Span) -> bool:
        """Say whether one of the spans has a character of another span."""
        before = bisect_left(self._starts, span.end)  # so many begin before it ends
        return before > 0 and self._furthest[before - 1] > span.start


def _inside(candidate: Candidate, stretches: Mapping[str, _Stretches]) -> bool:
    found = stretches.get(candidate.note_id)
    return found is not None and found.overlap(candidate.mention.span)


def _addenda(document: Document) -> tuple[Span, ...]:
    note = document.note
    if _AMENDS.search(note.title):
        return (Span(0, len(note.text)),)
    return tuple(
        Span(match.start(), next(s.span.end for s in document.sections if match.end() <= s.span.end))
        for match in _ADDENDUM.finditer(note.text)
    )


def _denied_runs(text: str) -> list[frozenset[str]]:
    """Return the words behind each "not" and "no", but for those that name no more than a place."""
    runs: list[list[str]] = [[]]
    for stem in signed_stems(text):
        if stem.startswith("~"):
            runs[-1].append(stem[1:])
        elif runs[-1]:
            runs.append([])
    return [frozenset(run) for run in runs if not BODY_PARTS.union(("left", "right")).issuperset(run)]


def _side_corrections(text: str) -> list[SideCorrection]:
    found = [(match[2], match[1], match) for match in _RIGHT_THEN_WRONG.finditer(text)]
    found += [(match[1], match[2], match) for match in _WRONG_THEN_RIGHT.finditer(text)]
    found += [
        ("right" if match[1].lower() == "left" else "left", match[1], match)
        for match in _SHOULD_BE.finditer(text)
    ]
    corrections = []
    for wrong, right, match in found:
        if wrong.lower() != right.lower():
            start = max(text.rfind(mark, 0, match.start()) for mark in ".;\n") + 1
            end = re.compile(r"[.;\n]|$").search(text, match.end())
            sentence = text[start : end.start() if end else len(text)]
            parts = canonical(word.stem for word in words(sentence)) & BODY_PARTS
            corrections.append(SideCorrection(wrong.lower(), right.lower(), parts))
    return corrections


def _copies(documents: Sequence[Document]) -> dict[str, list[Span]]:
    """Return by note the passages that stand word for word before, or below a heading that says "copied".

    A passage is a few lines on end, or a longer one alone, in a section of the same kind: the postoperative
    diagnosis that repeats the preoperative one is no copy.
    """
    seen: set[tuple[SectionKind, tuple[str, ...]]] = set()
    found: dict[str, list[Span]] = {}
    for document in documents:
        for section in document.sections:
            if _COPIED.search(section.title):
                found.setdefault(document.note.id, []).append(section.span)
                continue
            new = []
            for passage, span in _passages(document.note.text, section):
                if (section.kind, passage) in seen:
                    found.setdefault(document.note.id, []).append(span)
                new.append((section.kind, passage))
            seen.update(new)
    return found


def _passages(text: str, section: Section) -> Iterator[tuple[tuple[str, ...], Span]]:
    lines = [
        (" ".join(match[0].lower().split()), match.start(), match.end())
        for match in _LINE.finditer(text, section.body, section.span.end)
    ]
    for at, (line, start, end) in enumerate(lines):
        if len(line) >= _LONG_LINE:
            yield (line,), Span(start, end)
        if at + _LINES_ON_END <= len(lines):
            run = lines[at : at + _LINES_ON_END]
            yield tuple(line for line, _, _ in run), Span(start, run[-1][2])
