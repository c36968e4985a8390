"""What a coder would most likely take instead of a code: first what the same notes support, then its siblings."""

from __future__ import annotations

from collections.abc import Sequence

from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Code, Span, System

MOST_RIVALS = 6


def alternatives_of(proposal: Proposal, others: Sequence[Proposal]) -> tuple[Code, ...]:
    """Return the alternatives of a proposal, best first.

    ``others`` are the proposals that were not selected, most probable first; those of the same category or
    family of procedures, or on the same words, come before what the code book has next to the code.
    """
    words = _words_of(proposal)
    rivals = [other.code for other in others if _rivals(proposal, words, other)]
    siblings = [Code(System.ICD10CM, value) for value in proposal.alternatives]
    return tuple(dict.fromkeys([*rivals[:MOST_RIVALS], *siblings]))


def _rivals(proposal: Proposal, words: Sequence[tuple[str, Span]], other: Proposal) -> bool:
    if other is proposal or other.code.system is not proposal.code.system:
        return False
    if other.category == proposal.category or (proposal.family and other.family == proposal.family):
        return True
    return any(
        note == own and span.overlaps(taken) for note, span in words for own, taken in _words_of(other)
    )


def _words_of(proposal: Proposal) -> list[tuple[str, Span]]:
    return [(c.note_id, c.mention.span) for c in proposal.candidates if affirmed(c)]
