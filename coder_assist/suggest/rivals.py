"""What a coder would most likely take instead of a code: first what the same notes support, then its siblings."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Code, Span, System

MOST_RIVALS = 6
# What tells of pregnancy (chapter 15) and of the newborn (chapter 16), by the letter of the chapter.
_TOLD_BY = {"O": ("O", "Z33", "Z34", "Z36", "Z37", "Z3A"), "P": ("P", "Z38")}


Words = list[tuple[str, Span]]


class Rivals:
    """The proposals that were not selected, most probable first, as rivals of the codes that were, ``chosen``.

    A code of pregnancy or of the newborn rivals no code of another chapter unless a chosen one tells of the same.
    """

    def __init__(self, others: Sequence[Proposal], chosen: Collection[Code] = ()) -> None:
        closed = {
            chapter
            for chapter, telling in _TOLD_BY.items()
            if not any(code.value.startswith(telling) for code in chosen if code.system is System.ICD10CM)
        }
        self._others = [
            (other, _words_of(other), _chapter(other) if _chapter(other) in closed else "")
            for other in others
        ]

    def alternatives_of(self, proposal: Proposal) -> tuple[Code, ...]:
        """Return the alternatives of a proposal, best first.

        Rivals of the same category or family of procedures, or on the same words, come before what the code
        book has next to the code.
        """
        mine = _words_of(proposal)
        rivals = [
            other.code
            for other, words, closed in self._others
            if closed in ("", _chapter(proposal)) and _compete(proposal, mine, other, words)
        ]
        siblings = [Code(proposal.code.system, value) for value in proposal.alternatives]
        return tuple(dict.fromkeys([*rivals[:MOST_RIVALS], *siblings]))


def _chapter(proposal: Proposal) -> str:
    return proposal.code.value[0] if proposal.code.system is System.ICD10CM else ""


def _compete(proposal: Proposal, mine: Words, other: Proposal, words: Words) -> bool:
    if other is proposal or other.code.system is not proposal.code.system:
        return False
    if other.category == proposal.category or (proposal.family and other.family == proposal.family):
        return True
    return any(
        taken.start < span.end and span.start < taken.end and note == own
        for note, span in mine
        for own, taken in words
    )


def _words_of(proposal: Proposal) -> Words:
    """Return where the affirmed mentions of a proposal stand, each place once."""
    places = {
        (c.note_id, c.mention.spans[0].start, c.mention.spans[-1].end)
        for c in filter(affirmed, proposal.candidates)
    }
    return [(note, Span(start, end)) for note, start, end in sorted(places)]
