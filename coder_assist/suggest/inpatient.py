"""ICD-10-PCS codes for the facility's claim of an inpatient stay.

Operations and parts of the body are found by the words of ``codes.pcs``; the book says which codes they
leave. A code is always one of the book: where the note leaves characters open, the likeliest is proposed,
the open characters are named, the others are its alternatives, and it is not preselected.

The trained rankers know nothing of these codes: ``WEIGHTS`` are set by hand, as those of ``scoring``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from coder_assist.codes import ListedBook
from coder_assist.codes.pcs import Operation, Part, PcsVocabulary, Resolution, plain
from coder_assist.codes.terms import KEY_MASK, STOPWORDS, word_hash
from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.text.assertion import assert_mention, find_cues
from coder_assist.text.matcher import NoteWords
from coder_assist.types import (
    Candidate,
    Certainty,
    Claim,
    Code,
    Document,
    Encounter,
    Mention,
    MentionKind,
    Polarity,
    SectionKind,
    Setting,
    Span,
    System,
    Temporality,
)

Scored = tuple[Proposal, float, tuple[str, ...]]

WEIGHTS: dict[str, float] = {
    "bias": -0.9,
    "complete": 1.2,
    "open": -0.4,
    "generic": -1.0,
    "imaging": -0.5,
    "other": -0.9,
    "in_title": 1.2,
    "in_report": 0.3,
    "said_performed": 0.5,
    "mentions": 0.4,
    "integral": -1.5,
}
MOST_PROPOSED = 40
MOST_ALTERNATIVES = 12
# A part of the body belongs to an operation so many words before or behind it.
BEFORE, BEHIND = 5, 9

_TITLE = frozenset({SectionKind.PROCEDURE})
_REPORT = frozenset({SectionKind.PROCEDURE, SectionKind.PROCEDURE_BODY})
# Where an operation's name may mean one of this stay.
_OF_THE_STAY = _REPORT | {
    SectionKind.COURSE,
    SectionKind.OTHER,
    SectionKind.HISTORY_PRESENT,
    SectionKind.FINDINGS,
    SectionKind.RESULTS,
    SectionKind.ASSESSMENT,
    SectionKind.EXAMINATION,
    SectionKind.INDICATION,
}
_SAID_PERFORMED = re.compile(
    r" (?:underwent|undergone|perform(?:ed|ing)|was done|were done|was placed|were placed|was inserted|was carried out"
    r"|received|was taken to|proceeded|revealed|showed|demonstrated|was made|was removed|were removed|was started on"
    r"|was intubated|was transfused|were transfused|was given|was delivered|treated with|treated by|was obtained"
    r"|subjected to|we decided|was excised|was resected|was drained|was repaired|was biopsied|evidenced|confirmed) "
)
_NOT_DONE = re.compile(
    r" (?:not (?:performed|done|carried|placed|undertaken|attempted)|declined|refused|cancell?ed|deferred|aborted) "
)
_SIDES = {"right": "right", "left": "left", "bilateral": "both", "bilaterally": "both", "both": "both"}
# The body systems that an inspection of a cavity (0W) may be part of a procedure on.
_WITHIN_CAVITIES = tuple("0" + system for system in "BDFTUV")
NO_BOOK = (
    "no ICD-10-PCS book is installed, so no procedures of the inpatient claim are proposed; install "
    "coder-assist[pcs], or set CODER_ASSIST_PCS_FILE to CMS's order file"
)


def asks_for_pcs(encounter: Encounter) -> bool:
    """Say whether an encounter's procedures are coded in ICD-10-PCS: the facility's claim of an inpatient stay."""
    return encounter.setting is Setting.INPATIENT and encounter.claim is not Claim.PROFESSIONAL


@dataclass(frozen=True, slots=True)
class _Found:
    """A row of the vocabulary that words of a sentence name: ``[first, last]`` are places in the note."""

    first: int
    last: int
    rows: tuple[Operation, ...] | tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Mentioned:
    """A mention of an operation: its rows, its candidate, what stands around it (its sentence first)."""

    named: _Found
    candidate: Candidate
    texts: tuple[str, ...]


@dataclass(slots=True)
class _Gathered:
    """What speaks for one code."""

    proposal: Proposal
    resolution: Resolution
    operation: Operation
    titled: bool = False
    reported: bool = False
    performed: bool = False


class InpatientProposer:
    """Proposes ICD-10-PCS codes of one book."""

    def __init__(self, book: ListedBook, vocabulary: PcsVocabulary | None = None) -> None:
        self._book = book
        self._vocabulary = vocabulary or PcsVocabulary.packaged()
        self._like = lru_cache(maxsize=4096)(book.like)

    def propose(self, documents: Sequence[Document]) -> list[Scored]:
        """Return the codes of an encounter's documents with probability and reasons, likeliest first."""
        found: dict[str, _Gathered] = {}
        for document in documents:
            self._read(document, found)
        _fold_open(found)
        integral = _integral(found)
        titled = any(gathered.titled for gathered in found.values())
        scored = [self._scored(gathered, integral.get(code, ""), titled) for code, gathered in found.items()]
        scored.sort(key=lambda item: (-item[1], item[0].code))
        return scored[:MOST_PROPOSED]

    def _read(self, document: Document, found: dict[str, _Gathered]) -> None:
        note = NoteWords.cut(document.note.text, document.sentences)
        kinds = [_section_of(document, sentence) for sentence in document.sentences]
        plains = [plain(sentence.slice(document.note.text)) for sentence in document.sentences]
        title = "".join(text for text, kind in zip(plains, kinds, strict=True) if kind in _TITLE)
        report = "".join(text for text, kind in zip(plains, kinds, strict=True) if kind in _REPORT - _TITLE)
        titled_side = _only_side(title.split())
        for number, (first, last) in enumerate(note.ranges):
            if kinds[number] not in _OF_THE_STAY:
                continue
            operations, parts = self._find(note, first, last)
            if not operations:
                continue
            cues = find_cues(note, first, last)
            for operation in operations:
                places = range(operation.first, operation.last + 1)
                judged = assert_mention(cues, note, places, kinds[number])
                span = Span(note.words[operation.first].start, note.words[operation.last].end)
                mention = Mention(
                    (span,),
                    MentionKind.PROCEDURE,
                    span.slice(document.note.text),
                    kinds[number],
                    judged,
                    sentence=number,
                )
                candidate = Candidate(mention, Code(System.ICD10PCS, ""), "pcs", "", 0.8, document.note.id)
                taken = _of_the_stay(candidate, operation, plains[number])
                if taken is None:
                    continue
                side = _side_near(note, operation, first, last) or titled_side
                texts = _around(plains[number], kinds[number], plain(mention.text) in title, title, report)
                mentioned = _Mentioned(operation, taken, texts)
                for several in self._parts_of(note, operation, parts):
                    for one in self._sides(operation, several, side):
                        self._gather(found, mentioned, several, one)

    def _find(self, note: NoteWords, first: int, last: int) -> tuple[list[_Found], list[_Found]]:
        """Return the operations and the parts of the body that a sentence names, longer terms before shorter."""
        places = [at for at in range(first, last) if note.words[at].stem not in STOPWORDS]
        sums = [0]
        for at in places:
            sums.append(sums[-1] + word_hash(note.words[at].stem))
        operations: list[_Found] = []
        parts: list[_Found] = []
        taken: tuple[set[int], set[int]] = (set(), set())
        for length in range(min(self._vocabulary.longest, len(places)), 0, -1):
            for start in range(len(places) - length + 1):
                key = (sums[start + length] - sums[start]) & KEY_MASK
                window = places[start : start + length]
                if window[-1] - window[0] > length + 2:
                    continue
                for rows, kept, used in (
                    (self._vocabulary.operations_of.get(key), operations, taken[0]),
                    (self._vocabulary.parts_of.get(key), parts, taken[1]),
                ):
                    if rows and used.isdisjoint(window):
                        used.update(window)
                        kept.append(_Found(window[0], window[-1], rows))
        return sorted(operations, key=lambda f: f.first), sorted(parts, key=lambda f: f.first)

    def _parts_of(self, note: NoteWords, operation: _Found, parts: Sequence[_Found]) -> list[list[Part]]:
        """Return what the part next to an operation may mean; several where the text lists parts."""
        near = [
            part
            for part in parts
            if part.first - operation.first >= -BEFORE and part.first - operation.last <= BEHIND
        ]
        behind = [part for part in near if part.last > operation.last]
        inside = [part for part in near if part not in behind and part.last >= operation.first]
        before = [part for part in near if part.last < operation.first]
        listed = inside or behind[:1] or before[-1:]
        for one, other in pairwise(behind if listed == behind[:1] else ()):
            between = {note.words[at].raw for at in range(one.last + 1, other.first)}
            commas = "," in note.text[note.words[one.last].end : note.words[other.first].start]
            if other.first - one.last > 3 or not (commas or "and" in between):
                break
            listed = [*listed, other]
        return [[row for row in part.rows if isinstance(row, Part)] for part in listed] or [[]]

    def _sides(self, named: _Found, parts: Sequence[Part], side: str) -> tuple[str, ...]:
        """Return the sides to code: each of the two where "bilateral" has no value of its own (guideline B4.3)."""
        if side != "both":
            return (side,)
        row = named.rows[0]
        assert isinstance(row, Operation)
        one_code = self._vocabulary.resolve(row, parts, side, (), self._like)
        told = one_code is not None and self._vocabulary.side_of(one_code.code) == "both"
        return ("both",) if told else ("right", "left")

    def _gather(
        self, found: dict[str, _Gathered], mentioned: _Mentioned, parts: Sequence[Part], side: str
    ) -> None:
        """Add what the first row of an operation that the book and the parts allow comes to."""
        candidate = mentioned.candidate
        for row in mentioned.named.rows:
            if not isinstance(row, Operation):
                continue
            resolution = self._vocabulary.resolve(row, parts, side, mentioned.texts, self._like)
            if resolution is None:
                continue
            code = Code(System.ICD10PCS, resolution.code)
            gathered = found.get(code.value)
            if gathered is None or len(resolution.open) < len(gathered.resolution.open):
                proposal = Proposal(code, self._book.title(code.value))
                if gathered is not None:
                    proposal.candidates = gathered.proposal.candidates
                found[code.value] = gathered = _Gathered(proposal, resolution, row)
            proposal = gathered.proposal
            term = candidate.mention.text.lower()
            place = (candidate.note_id, candidate.mention.span)
            if place not in {(c.note_id, c.mention.span) for c in proposal.candidates}:
                proposal.candidates.append(
                    Candidate(candidate.mention, code, "pcs", term, candidate.score, candidate.note_id)
                )
            gathered.titled |= candidate.mention.section in _TITLE
            gathered.reported |= candidate.mention.section in _REPORT
            gathered.performed |= bool(_SAID_PERFORMED.search(mentioned.texts[0]))
            return

    @staticmethod
    def _scored(gathered: _Gathered, integral_to: str, titled: bool) -> Scored:
        proposal, resolution = gathered.proposal, gathered.resolution
        proposal.alternatives = list(resolution.others[:MOST_ALTERNATIVES])
        proposal.displaced_by = integral_to
        reasons = []
        if resolution.open:
            proposal.never_preselected = "the note leaves open " + ", ".join(resolution.open)
            if len(resolution.others) > MOST_ALTERNATIVES:
                reasons.append(f"{len(resolution.others) + 1} codes of the book are left")
        elif not (gathered.reported or gathered.performed):
            proposal.never_preselected = "the note does not say that it was performed"
        elif gathered.reported and not gathered.titled and titled:
            proposal.never_preselected = (
                "named only among the steps of an operation (ICD-10-PCS guideline B3.1b)"
            )
        elif gathered.operation.kind in ("imaging", "other"):
            proposal.never_preselected = "few hospitals report it"
        elif integral_to:
            proposal.never_preselected = f"part of {integral_to} (ICD-10-PCS guideline B3.11a)"
        probability = _probability(gathered, bool(integral_to))
        if gathered.titled:
            reasons.append("stands in the procedure's title")
        return proposal, probability, tuple(reasons)


def _probability(gathered: _Gathered, integral: bool) -> float:
    opened = len(gathered.resolution.open)
    total = WEIGHTS["bias"] + WEIGHTS["mentions"] * math.log1p(len(gathered.proposal.candidates))
    total += WEIGHTS["complete"] if not opened else WEIGHTS["open"] * opened
    total += WEIGHTS.get(gathered.operation.kind, 0.0)
    total += WEIGHTS["in_title"] if gathered.titled else WEIGHTS["in_report"] * gathered.reported
    total += WEIGHTS["said_performed"] * gathered.performed + WEIGHTS["integral"] * integral
    return 1.0 / (1.0 + math.exp(-total))


def _fold_open(found: dict[str, _Gathered]) -> None:
    """Give what speaks for an incomplete code to the complete one among those that it leaves."""
    complete = {code for code, gathered in found.items() if not gathered.resolution.open}
    for code, gathered in list(found.items()):
        within = [other for other in gathered.resolution.others if other in complete]
        if not gathered.resolution.open or len(within) != 1:
            continue
        other = found[within[0]]
        known = {(c.note_id, c.mention.span) for c in other.proposal.candidates}
        other.proposal.candidates += [
            Candidate(c.mention, other.proposal.code, c.source, c.term, c.score, c.note_id)
            for c in gathered.proposal.candidates
            if (c.note_id, c.mention.span) not in known
        ]
        other.titled |= gathered.titled
        other.reported |= gathered.reported
        other.performed |= gathered.performed
        del found[code]


def _integral(found: dict[str, _Gathered]) -> dict[str, str]:
    """Return the inspections that are part of another procedure in the same body system, and of which."""
    integral = {}
    for code in found:
        if code[0] == "0" and code[2] == "J":
            system = code[:2]
            wider: tuple[str, ...] = ("0D", "0F") if system == "0D" else (system,)
            if system == "0W":
                wider = _WITHIN_CAVITIES
            others = [
                other
                for other, gathered in found.items()
                if other[:2] in wider
                and other[2] != "J"
                and other[4] == code[4]
                and (gathered.reported or gathered.performed)
            ]
            if others:
                integral[code] = min(others)
    return integral


def _section_of(document: Document, sentence: Span) -> SectionKind:
    kind = SectionKind.OTHER
    for section in document.sections:
        if section.span.start > sentence.start:
            break
        kind = section.kind
    return kind


def _of_the_stay(candidate: Candidate, named: _Found, sentence: str) -> Candidate | None:
    """Return the candidate if its operation is one of this stay: not denied, planned or of the past.

    A test whose result is negative was performed.
    """
    judged = candidate.mention.assertion
    tests = any(
        isinstance(row, Operation) and (row.kind == "imaging" or row.values[2] == "J") for row in named.rows
    )
    if tests and judged.polarity is Polarity.NEGATED and "negative" in judged.cue:
        judged = replace(judged, polarity=Polarity.AFFIRMED)
        candidate = replace(candidate, mention=replace(candidate.mention, assertion=judged))
    holds = affirmed(candidate) and judged.certainty is Certainty.CERTAIN
    if not holds or judged.temporality is not Temporality.CURRENT or _NOT_DONE.search(sentence):
        return None
    return candidate


def _around(sentence: str, kind: SectionKind, titled: bool, title: str, report: str) -> tuple[str, ...]:
    """Return what may tell of an operation, nearest first; the title of another operation does not."""
    if kind in _TITLE:
        return sentence, report
    if kind in _REPORT:
        return sentence, title, report
    return (sentence, title) if titled else (sentence,)


def _only_side(raws: Sequence[str]) -> str:
    sides = {_SIDES[raw] for raw in raws if raw in _SIDES}
    return next(iter(sides)) if len(sides) == 1 else ""


def _side_near(note: NoteWords, operation: _Found, first: int, last: int) -> str:
    """Return the side that a sentence names nearest to an operation; empty if none."""

    def gaps() -> Iterator[tuple[int, int, str]]:
        for at in range(first, last):
            side = _SIDES.get(note.words[at].raw)
            if side:
                yield max(operation.first - at, at - operation.last, 0), at, side

    return min(gaps(), default=(0, 0, ""))[2]
