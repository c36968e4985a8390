"""What sets the procedures of a family apart: the cues of the catalogue, looked up in the notes.

A cue is a phrase that begins at a word: "2 cm" is not in "1.2 cm" and "open" not in "reopen", but "fluoroscop"
is in "fluoroscopic". What the note denies, holds possible or tells of the past is no cue ("without lymph node
dissection", "possible open", "status post"), and what only the history or the plan tells of does not contradict
what was done. Where the line that names a procedure tells of contrast, views, a size, a side or an approach, it alone says
which: the next line may name another study.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

from coder_assist.codes.sources import Procedure
from coder_assist.codes.terms import Word, stem
from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.suggest.surroundings import Surroundings
from coder_assist.types import Candidate, Code, SectionKind, System

K = SectionKind

# The words of a sibling say less for a procedure than its own.
OF_A_SIBLING = 0.8
# How far before a cue the word stands that denies it, within its clause.
_DENIED_WITHIN = 3
_DENIALS = frozenset("no not without never nor neither denies denied possible possibly".split())
# What "status post", "previous" and "history of" come to.
_BEFORE = "history"
_CLAUSE = re.compile(r"[.;:,\n]")
# A short word is a cue as a whole: "bal" is not in "balloon".
_SHORT = 3
# Where a note tells of other times; there nothing contradicts what an operation did.
_OTHER_TIMES = frozenset(
    {
        K.HISTORY_PAST,
        K.HISTORY_SURGICAL,
        K.HISTORY_FAMILY,
        K.HISTORY_SOCIAL,
        K.REVIEW_OF_SYSTEMS,
        K.MEDICATIONS,
        K.ALLERGIES,
        K.INSTRUCTIONS,
    }
)
# In the report of an operation these tell of what led to it and of what is to come.
_AROUND_AN_OPERATION = frozenset({K.HISTORY_PRESENT, K.INDICATION, K.CHIEF_COMPLAINT, K.PLAN})
_OF_AN_OPERATION = frozenset({K.PROCEDURE, K.PROCEDURE_BODY})


# What the line that names a procedure decides, if it says anything of it: which cues tell of it, and which words do.
_CONTRAST = (
    r"contrast|gadolin|enhanc|\bwo\b|with and without|without and with|magnevist|gadavist|multihance|omniscan|"
    r"dotarem|isovue|omnipaque|visipaque|optiray|ultravist"
)
_VIEWS = r"\bviews?\b|\bap\b|\bpa\b|\bportable\b|\bcomplete\b|\bseries\b"
_SIZE = r"\d ?(?:cm|mm|x)\b|\dx\d"
_SIDE = r"left|right|bilateral|both|unilateral"
# How an operation came in; one that was converted names both ways.
_APPROACH = (
    r"vats|thoracoscop\w*|thoracotomy|video assisted|laparoscop\w*|laparotomy|robot\w*|arthroscop\w*|open"
)
_LIMB = r"(?: (?:upper|lower))?(?: (?:extremity|extremities|legs?|arms?))"
_ASPECTS = tuple(
    (re.compile(of_cue), re.compile(of_line))
    for of_cue, of_line in (
        (_CONTRAST, _CONTRAST),
        (_VIEWS, _VIEWS),
        (_SIZE, _SIZE),
        (rf"^(?:{_SIDE})(?:{_LIMB})?$", rf"\b(?:{_SIDE}|legs|arms|extremities)\b"),
        (rf"^(?:{_APPROACH})$", rf"\b(?:{_APPROACH})\b"),
    )
)
# "L4 to S1" is read as "L4-S1".
_LEVEL = re.compile(r"[ctls]\d{1,2}")
_TO = frozenset({"to", "through", "thru", "down"})


_Aspects = tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]


class _Words:
    """Words of notes in order, as one line of text, and what stands between them."""

    def __init__(self, notes: Iterable[tuple[str, Sequence[Word]]]) -> None:
        self._words: list[Word] = []
        self._notes: list[tuple[int, str]] = []  # up to which word each text reaches
        for text, words in notes:
            self._words += _without_joints(words)
            self._notes.append((len(self._words), text))
        # "W/o" as it is read, all else as it is written.
        self._raws = [word.stem if "/" in word.raw else word.raw for word in self._words]
        self._line = f" {' '.join(self._raws)} "
        self._starts: list[int] = []

    def tell_of(self, pattern: re.Pattern[str]) -> bool:
        """Say whether the words tell of an aspect of a procedure at all."""
        return pattern.search(self._line) is not None

    def hold(self, cue: str) -> bool:
        """Say whether a cue stands among the words and is not denied."""
        wanted = f" {cue}"
        at = self._line.find(wanted)
        if at < 0:
            return False
        whole, deniable = _form_of(cue)
        while at >= 0:
            end = at + len(wanted)
            ends = not whole or self._line.startswith((" ", "s "), end)
            if ends and not (deniable and self._denied(at + 1)):
                return True
            at = self._line.find(wanted, at + 1)
        return False

    def _denied(self, start: int) -> bool:
        """Say whether the word that begins at a place of the line is denied by one shortly before it."""
        if not self._starts:
            self._starts = list(accumulate((len(raw) + 1 for raw in self._raws), initial=1))
        here = bisect_left(self._starts, start)
        text = next(text for end, text in self._notes if here < end)
        for place in range(here - 1, max(-1, here - 1 - _DENIED_WITHIN), -1):
            word, following = self._words[place], self._words[place + 1]
            if following.start < word.end or _CLAUSE.search(text, word.end, following.start):
                return False
            if word.raw in _DENIALS or word.stem == _BEFORE:
                return True
        return False


@lru_cache(maxsize=16384)
def _form_of(cue: str) -> tuple[bool, bool]:
    """Return whether a cue's last word must end where a note's does, and whether a note can deny the cue."""
    first, last = cue.partition(" ")[0], cue.rpartition(" ")[2]
    return len(last) <= _SHORT and last.isalpha(), first not in _DENIALS and stem(first) != _BEFORE


@lru_cache(maxsize=16384)
def _aspects_of(cue: str) -> _Aspects:
    """Return the aspects of a procedure that a cue is about."""
    return tuple(aspect for aspect in _ASPECTS if aspect[0].search(cue))


def _without_joints(words: Sequence[Word]) -> Sequence[Word]:
    """Leave out the "to" between two levels of the spine."""
    joints = [
        at
        for at in range(1, len(words) - 1)
        if words[at].raw in _TO
        and _LEVEL.fullmatch(words[at - 1].raw)
        and _LEVEL.fullmatch(words[at + 1].raw)
    ]
    return [word for at, word in enumerate(words) if at not in joints] if joints else words


class Cues:
    """The cues that an encounter's notes hold."""

    def __init__(self, around: Sequence[Surroundings]) -> None:
        self._around = {surroundings.note_id: surroundings for surroundings in around}
        self._everything = _Words((note.text, note.words) for note in around)
        self._told = _Words((note.text, _told_today(note)) for note in around)
        self._lines: dict[tuple[tuple[str, int], ...], tuple[_Words, _Aspects]] = {}

    def judge(self, facts: Procedure, named: Sequence[Candidate]) -> tuple[float, bool]:
        """Return whether the notes hold what a procedure requires, and whether anything contradicts it.

        The first is 1 if they do, -1 if they do not, 0 if it requires nothing. ``named`` are the candidates
        that name it.
        """
        line, aspects = self._line_of(named)
        met = self._met(facts, self._everything, line, aspects)
        requirement = (1.0 if met else -1.0) if facts.requires else 0.0
        return requirement, self._contradicted(facts, line, aspects)

    def speak_for(self, facts: Procedure, named: Sequence[Candidate]) -> bool:
        """Say whether what was done sets a procedure apart: all that it requires, nothing that contradicts it."""
        line, aspects = self._line_of(named)
        return (
            bool(facts.requires)
            and self._met(facts, self._told, line, aspects)
            and not self._contradicted(facts, line, aspects)
        )

    def _met(self, facts: Procedure, note: _Words, line: _Words, aspects: _Aspects) -> bool:
        return all(any(_held(cue, note, line, aspects) for cue in group) for group in facts.requires)

    def _contradicted(self, facts: Procedure, line: _Words, aspects: _Aspects) -> bool:
        return any(_held(cue, self._told, line, aspects) for cue in facts.excludes)

    def _line_of(self, named: Sequence[Candidate]) -> tuple[_Words, _Aspects]:
        """Return the words of the sentences that name a procedure, and the aspects that they tell of."""
        places = tuple(sorted({(c.note_id, c.mention.sentence) for c in named}))
        if places not in self._lines:
            line = _Words(
                (self._around[note].text, self._around[note].words_of_sentence(sentence))
                for note, sentence in places
            )
            self._lines[places] = line, tuple(aspect for aspect in _ASPECTS if line.tell_of(aspect[1]))
        return self._lines[places]


def _told_today(note: Surroundings) -> list[Word]:
    """Return the words of a note that stand outside of the sections on other times."""
    kinds = {section.kind for section in note.sections}
    aside = _OTHER_TIMES | (_AROUND_AN_OPERATION if kinds & _OF_AN_OPERATION else frozenset())
    told: list[Word] = []
    first = 0
    for section in note.sections:
        if section.kind in aside:
            passed, following = note.range_of(section.span)
            told += note.words[first:passed]
            first = following
    return [*told, *note.words[first:]]


def _held(cue: str, note: _Words, line: _Words, aspects: _Aspects) -> bool:
    """Say whether the notes hold a cue, or the naming line if it tells of what the cue is about."""
    about = _aspects_of(cue) if aspects else ()
    return (line if any(aspect in aspects for aspect in about) else note).hold(cue)


class Families:
    """Which procedures of the catalogue are told apart by cues, by their family."""

    def __init__(self, procedures: Mapping[str, Procedure]) -> None:
        self._procedures = procedures
        self._members: dict[str, list[Procedure]] = {}
        for facts in procedures.values():
            if facts.family and facts.system is System.CPT:
                self._members.setdefault(facts.family, []).append(facts)

    def weigh(self, proposals: dict[Code, Proposal], around: Sequence[Surroundings]) -> None:
        """Look in the notes for the cues of the proposed procedures, and add the siblings that fit better.

        A title often names the family ("laryngoscopy with biopsy") and the body what sets its member apart
        ("the microscope was brought in"): where cues contradict all that was proposed of a family on its own
        words, its members that the cues speak for compete on the same words.
        """
        known = [p for p in proposals.values() if p.code.value in self._procedures]
        if not known:
            return
        cues = Cues(around)
        for proposal in known:
            self._judge(proposal, cues)
        fitting = {p.family for p in known if _fits(p) and _named(p)}
        for proposal in known:
            if proposal.family and proposal.family not in fitting:
                for sibling in self._siblings(proposal, cues):
                    proposals.setdefault(sibling.code, sibling)

    def _judge(self, proposal: Proposal, cues: Cues) -> None:
        facts = self._procedures[proposal.code.value]
        proposal.family = facts.family
        if facts.use == "supply":
            proposal.never_preselected = "a supply or drug: whether it is billed, the claim decides"
        proposal.requirement, proposal.excluded = cues.judge(facts, _named(proposal))

    def _siblings(self, proposal: Proposal, cues: Cues) -> Iterator[Proposal]:
        """Yield the members of a proposal's family that fit, on the words that name the proposal."""
        named = _named(proposal)
        for facts in self._members.get(proposal.family, ()) if named else ():
            code = Code(facts.system, facts.code)
            if code == proposal.code:
                continue
            if cues.speak_for(facts, named):
                sibling = Proposal(code, facts.label, position=proposal.position, ambiguity=1)
                sibling.candidates = [
                    replace(c, code=code, source="retrieval", score=c.score * OF_A_SIBLING) for c in named
                ]
                sibling.family, sibling.requirement = facts.family, 1.0
                yield sibling


def _fits(proposal: Proposal) -> bool:
    return proposal.requirement >= 0 and not proposal.excluded


def _named(proposal: Proposal) -> list[Candidate]:
    """Return the candidates whose words a term of the catalogue has."""
    return [c for c in proposal.candidates if c.source == "catalogue" and affirmed(c)]
