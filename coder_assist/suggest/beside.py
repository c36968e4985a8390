"""What does not stand beside a preselected code: redundant words, parts of a combination."""

from __future__ import annotations

from collections.abc import Mapping

from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Code


def redundant(chosen: set[Code], scored: Mapping[Code, tuple[Proposal, float]]) -> set[Code]:
    """Return the chosen codes that a more probable one makes redundant.

    Of a combination code and its parts, the less probable; and a code all of whose words another code of
    its category rests on ("heart failure" within "acute systolic heart failure"), unless they are the two
    sides of one mention.
    """
    found = set()
    for code in chosen:
        proposal, probability = scored[code]
        for other in chosen - {code}:
            rival, higher = scored[other]
            if higher < probability or (higher == probability and other > code):
                continue
            combined = other.value == proposal.displaced_by or rival.displaced_by == code.value
            if combined or (proposal.category == rival.category and _rests_on_words_of(proposal, rival)):
                found.add(code)
    return found


def _rests_on_words_of(proposal: Proposal, rival: Proposal) -> bool:
    mine = {(c.note_id, c.mention.span) for c in proposal.candidates if affirmed(c)}
    theirs = {(c.note_id, c.mention.span) for c in rival.candidates if affirmed(c)}
    if mine & theirs and not proposal.alternative_rank and not rival.alternative_rank:
        return False
    return all(any(note == other and span.overlaps(taken) for other, taken in theirs) for note, span in mine)


def stands_beside(whole: Proposal, part: Proposal) -> bool:
    """Say whether two procedures were done in one session: one note names both.

    The same words alone ("colonoscopy" for the look and for the biopsy) are two readings of one procedure,
    unless what sets the larger one apart stands in the note.
    """
    mine = [(c.note_id, c.mention.span) for c in part.candidates if affirmed(c)]
    theirs = [(c.note_id, c.mention.span) for c in whole.candidates if affirmed(c)]
    if {note for note, _ in mine}.isdisjoint(note for note, _ in theirs):
        return False
    return whole.requirement > 0 or any(
        not any(note == other and span.overlaps(taken) for other, taken in mine) for note, span in theirs
    )
