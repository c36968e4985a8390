"""Codes that conditions earn together, and codes that a condition of the past or of a relative takes.

The knowledge is data (``combinations.tsv``, ``histories.tsv``, ``relatives.tsv``, and ``companions.tsv`` for what a
code brings along), each row with its authority; this module adds the proposals that follow from
it and marks those that a combination makes redundant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from coder_assist.codes.sources import Combination, data_file, read_combinations, read_histories
from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Assertion, Candidate, Code, Experiencer, Polarity, System, Temporality

# A combination that adds no code of its own: the code of its last group stays, the others go.
KEEPS_LAST = "="
# A context that no code tells: the note is of a patient in the first 28 days of life.
NEWBORN = "newborn"
_FIRST_WEEKS = re.compile(
    r"\b(?:[1-9]|1\d|2[0-8]|one|two|three|four|five|six|seven|ten)[- ]days?[- ]old\b|"
    r"\b(?:[1-4]|one|two|three|four)[- ]weeks?[- ]old\b|\bday of life\b",
    re.IGNORECASE,
)
_OF_A_CHILD = re.compile(r"\b(?:baby|infant|neonat\w+|newborn|nsvd|mother|mom|nicu)\b", re.IGNORECASE)
_PREGNANCY = re.compile(r"pregnan|\biup\b", re.IGNORECASE)
_BEGINNING = 1000
MakeProposal = Callable[[Code], Proposal | None]
# Walks a node that is no billable code to one, by what stands around the mention of a candidate.
Walk = Callable[[str, Candidate], str]


def tells_of_a_newborn(text: str) -> bool:
    """Say whether a note is of a child in its first 28 days, by the age that its beginning states.

    >>> tells_of_a_newborn("A 21-day-old male whose mother ..."), tells_of_a_newborn("A two-week-old laceration")
    (True, False)
    """
    return _FIRST_WEEKS.search(text, 0, _BEGINNING) is not None and _OF_A_CHILD.search(text) is not None


class Combiner:
    """Adds combined and historical proposals. ``make`` turns a code into an empty proposal, if it exists."""

    def __init__(self, make: MakeProposal) -> None:
        self._make = make
        self._combinations: list[Combination] = list(read_combinations(data_file("combinations.tsv")))
        # By the prefixes of its first condition, the numbers of rows: few have one that holds.
        self._beginning: dict[str, list[int]] = {}
        for number, combination in enumerate(self._combinations):
            for prefix in combination.conditions[0]:
                self._beginning.setdefault(prefix, []).append(number)
        self._histories = _following("histories.tsv")
        self._relatives = _following("relatives.tsv")
        self._companions = _following("companions.tsv")
        self.parts_of = lru_cache(maxsize=16384)(self._parts_of)

    def extend(self, proposals: dict[Code, Proposal], walk: Walk, newborn: bool = False) -> None:
        """Add to ``proposals`` what follows from them, in place; ``newborn`` tells that the patient is one."""
        self._add_histories(proposals, walk)
        self._add_of_relatives(proposals)
        self._add_companions(proposals, walk)
        held = _held(proposals)
        todo = self._possible(held, 0)
        while todo:
            number = todo.pop()
            if self._combine(self._combinations[number], proposals, held, walk, newborn):
                held = _held(proposals)
                todo = self._possible(held, number + 1)
        _displace_uncomplicated(proposals)

    def _possible(self, held: Mapping[str, Proposal], first: int) -> list[int]:
        """Return the combinations from the ``first`` on of whose conditions a code holds for each, last row first."""
        beginnings = _beginnings(held)
        known = {number for begin in beginnings for number in self._beginning.get(begin, ())}
        return sorted(
            (
                number
                for number in known
                if number >= first
                and not any(beginnings.isdisjoint(p) for p in self._combinations[number].conditions)
            ),
            reverse=True,
        )

    def history_of(self, value: str) -> str | None:
        """Return the node that a condition, or a procedure, of the past takes: C50.9 gives Z85.3."""
        return _of_beginning(self._histories, value)

    def _parts_of(self, value: str) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
        """Return the groups of prefixes that a combination code is made of, and the codes it replaces."""
        groups: list[tuple[str, ...]] = []
        replaced: set[str] = {value}
        for combination in self._combinations:
            if combination.code == value:
                groups += combination.conditions
                replaced.update(combination.replaces)
        return tuple(groups), tuple(sorted(replaced))

    def _add_histories(self, proposals: dict[Code, Proposal], walk: Walk) -> None:
        for proposal in list(proposals.values()):
            past = [
                c
                for c in proposal.candidates
                if affirmed(c) and c.mention.assertion.temporality is Temporality.HISTORICAL
            ]
            if not past or proposal.code.system is not System.ICD10CM:
                continue
            value = self.history_of(proposal.code.value)
            if value is None:
                continue
            status = walk(value, past[0])
            self._extend(proposals, status, past, "history")
            if len(past) == sum(map(affirmed, proposal.candidates)):
                proposal.displaced_by = status  # nothing in the notes speaks of it as current

    def _add_of_relatives(self, proposals: dict[Code, Proposal]) -> None:
        """Add the family history that a relative's condition is: "her sister died of breast cancer"."""
        for proposal in list(proposals.values()):
            if proposal.code.system is not System.ICD10CM:
                continue
            value = _of_beginning(self._relatives, proposal.code.value)
            if value is None:
                continue
            told = [
                replace(c, mention=replace(c.mention, assertion=Assertion()))
                for c in proposal.candidates
                if c.mention.assertion.experiencer is Experiencer.FAMILY
                and c.mention.assertion.polarity is Polarity.AFFIRMED
                and c.mention.assertion.temporality is not Temporality.HYPOTHETICAL
                and c.source != "retrieval"
            ]
            if told:
                self._extend(proposals, value, told, "history")

    def _add_companions(self, proposals: dict[Code, Proposal], walk: Walk) -> None:
        """Add what a code brings along: immunization with a vaccine, the drug with what it did to the blood."""
        for proposal in list(proposals.values()):
            value = _of_beginning(self._companions, proposal.code.value)
            if value is None:
                continue
            told = [c for c in proposal.candidates if affirmed(c) and c.source != "retrieval"]
            if told:
                self._extend(proposals, walk(value, told[0]), told, "combination")

    def _combine(
        self,
        combination: Combination,
        proposals: dict[Code, Proposal],
        held: Mapping[str, Proposal],
        walk: Walk,
        newborn: bool,
    ) -> bool:
        """Add what a combination gives; say whether its conditions are all among the codes ``held``."""
        if combination.context and not (
            (newborn and NEWBORN in combination.context) or _in_context(combination.context, held)
        ):
            return False
        if combination.unless and any(
            value.startswith(combination.unless) and not proposal.displaced_by
            for value, proposal in held.items()
        ):
            return False
        parts: list[list[Proposal]] = []
        for prefixes in combination.conditions:
            part = [
                proposal
                for value, proposal in held.items()
                if value.startswith(prefixes) and value != combination.code
            ]
            if not part:
                return False
            parts.append(part)
        if combination.together and not (parts := _of_one_sentence(parts)):
            return False
        if combination.code == KEEPS_LAST:
            _displace(proposals, combination.replaces, parts[-1][0].code.value)
            return False
        candidates = [c for part in parts for proposal in part for c in proposal.candidates if affirmed(c)]
        # The last group carries what the combined code must know: the site of a fracture, the eye.
        last = next(c for c in parts[-1][0].candidates if affirmed(c))
        value = walk(combination.code, last)
        self._extend(proposals, value, candidates, "combination")
        _displace(proposals, combination.replaces, value)
        return True

    def _extend(
        self, proposals: dict[Code, Proposal], value: str, candidates: list[Candidate], source: str
    ) -> None:
        code = Code(System.ICD10CM, value)
        proposal = proposals.get(code) or self._make(code)
        if proposal is None:
            return
        proposals[code] = proposal
        known = {(c.note_id, c.mention.spans) for c in proposal.candidates}
        proposal.candidates += [
            Candidate(c.mention, code, source, c.term, c.score * 0.9, c.note_id)
            for c in candidates
            if (c.note_id, c.mention.spans) not in known
        ]
        proposal.rank_in_term = 0


def _following(name: str) -> dict[str, str]:
    """Return what follows from the beginning of a code by a table; the first row of several speaks."""
    return {row.condition: row.code for row in reversed(list(read_histories(data_file(name))))}


def _of_beginning(table: Mapping[str, str], value: str) -> str | None:
    """Return what a table says of the longest beginning of a code that it has: "C44" speaks before "C"."""
    beginnings = (value[:length] for length in range(len(value), 0, -1))
    return next((table[begin] for begin in beginnings if begin in table), None)


def _of_one_sentence(parts: list[list[Proposal]]) -> list[list[Proposal]]:
    """Return the proposals of each group that one sentence says; nothing where no sentence holds all groups."""
    places = [
        [(p, {(c.note_id, c.mention.sentence) for c in p.candidates if affirmed(c)}) for p in part]
        for part in parts
    ]
    shared = set.intersection(*(set().union(*(said for _, said in part)) for part in places))
    return [[p for p, said in part if said & shared] for part in places] if shared else []


def _in_context(context: tuple[str, ...], held: Mapping[str, Proposal]) -> bool:
    """Say whether a code of a context holds; weeks alone may be those of the patient's own birth."""
    return any(
        value.startswith(context)
        and (
            not value.startswith("Z3A")
            or any(affirmed(c) and _PREGNANCY.search(c.mention.text) for c in proposal.candidates)
        )
        for value, proposal in held.items()
    )


def _displace(proposals: Mapping[Code, Proposal], replaces: tuple[str, ...], value: str) -> None:
    """Mark the ICD-10-CM proposals below ``replaces`` as made redundant by a code."""
    for code, replaced in proposals.items():
        if code.system is System.ICD10CM and code.value != value and code.value.startswith(replaces):
            replaced.displaced_by = value


def _held(proposals: Mapping[Code, Proposal]) -> dict[str, Proposal]:
    """Return the ICD-10-CM proposals that hold for the patient, by code."""
    return {
        code.value: proposal
        for code, proposal in proposals.items()
        if code.system is System.ICD10CM and any(map(affirmed, proposal.candidates))
    }


def _beginnings(values: Iterable[str]) -> frozenset[str]:
    return frozenset(value[:length] for value in values for length in range(1, len(value) + 1))


def _displace_uncomplicated(proposals: dict[Code, Proposal]) -> None:
    """Mark "without complications" as redundant where a complication of the same category is proposed."""
    for code, proposal in proposals.items():
        if code.system is not System.ICD10CM or "without complications" not in proposal.title:
            continue
        complicated = next(
            (
                other
                for other, rival in proposals.items()
                if other.value[:3] == code.value[:3]
                and other != code
                and not rival.displaced_by
                and any(map(affirmed, rival.candidates))
            ),
            None,
        )
        if complicated is not None:
            proposal.displaced_by = complicated.value
