"""What a coder would most likely take instead of a code: first what the same notes support, then its siblings."""

from __future__ import annotations

from collections.abc import Sequence

from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Code, Span

MOST_RIVALS = 6


Words = list[tuple[str, Span]]


class Rivals:
    """The proposals that were not selected, most probable first, as rivals of those that were."""

    def __init__(self, others: Sequence[Proposal]) -> None:
        self._others = [(other, _words_of(other)) for other in others]

    def alternatives_of(self, proposal: Proposal) -> tuple[Code, ...]:
        """Return the alternatives of a proposal, best first.

        Rivals of the same category or family of procedures, or on the same words, come before what the code
        book has next to the code.
        """
        mine = _words_of(proposal)
        rivals = [other.code for other, words in self._others if _compete(proposal, mine, other, words)]
        siblings = [Code(proposal.code.system, value) for value in proposal.alternatives]
        return tuple(dict.fromkeys([*rivals[:MOST_RIVALS], *siblings]))


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
