"""What does not stand beside a preselected code: redundant words, parts of a combination, what a rule takes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Code, Finding, Run, System

# Diseases of which a patient has one kind: beside a stated kind, "unspecified" says nothing.
_OF_ONE_KIND = frozenset(
    "I48 I50 I63 F20 F31 F32 F33 N18 G40 J45 E66 K57 C34 C50 C67 C18 N40 L40 E05 J32 G47 C43 C44 D22 D23".split()
)


def redundant(chosen: set[Code], scored: Mapping[Code, tuple[Proposal, float]]) -> set[Code]:
    """Return the chosen codes that a more probable one makes redundant.

    Of a combination code and its parts, the less probable; and a code all of whose words another code of
    its category rests on ("heart failure" within "acute systolic heart failure"), unless they are the two
    sides of one mention. Of a disease that a patient has one kind of, the unspecified code beside a stated kind.
    """
    found = set()
    for code in chosen:
        proposal, probability = scored[code]
        for other in chosen - {code}:
            rival, higher = scored[other]
            vaguer = _vaguer(proposal, rival)
            if vaguer:
                found.add(code)
            if vaguer is not None:
                continue
            if higher < probability or (higher == probability and other > code):
                continue
            combined = other.value == proposal.displaced_by or rival.displaced_by == code.value
            if combined or (proposal.category == rival.category and _rests_on_words_of(proposal, rival)):
                found.add(code)
    return found


def _vaguer(proposal: Proposal, rival: Proposal) -> bool | None:
    """Say whether a code leaves the kind of a disease open that its rival states; ``None`` where both or neither do."""
    if proposal.category != rival.category or proposal.category not in _OF_ONE_KIND:
        return None
    if proposal.category == "G47" and not (proposal.code.value[:5] == rival.code.value[:5] == "G47.3"):
        return None
    open_kind, open_rival = ("unspecified" in p.title.lower().split("without")[0] for p in (proposal, rival))
    return None if open_kind == open_rival else open_kind


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


def settled(run: Run, findings: Iterable[Finding]) -> Run:
    """Return the run with the fixes of findings applied to what is preselected; every suggestion stays.

    A fix applies where all it takes out is preselected and all it puts in is suggested. What it takes out says
    why, what it puts in takes its place in the sequence.
    """
    places = {s.code: s.sequence or 0 for s in run.suggestions if s.selected}
    suggested = {s.code for s in run.suggestions}
    reasons: dict[Code, str] = {}
    for finding in findings:
        fix = finding.fix
        if fix is None or not set(fix.remove) <= places.keys() or not set(fix.add) <= suggested:
            continue
        freed = min((places[code] for code in fix.remove), default=len(places) + 1)
        for code in set(fix.remove) - set(fix.add):
            del places[code]
            reasons[code] = f"not preselected: {finding.message} ({finding.authority})"
        for code in fix.add:
            places.setdefault(code, freed)
    if not reasons:
        return run
    sequence: dict[Code, int] = {}
    for system in System:
        ordered = sorted((code for code in places if code.system is system), key=lambda c: (places[c], c))
        sequence.update({code: place for place, code in enumerate(ordered, 1)})
    suggestions = tuple(
        replace(
            s,
            selected=s.code in places,
            sequence=sequence.get(s.code),
            reasons=(*s.reasons, reasons[s.code])
            if s.code in reasons and s.code not in places
            else s.reasons,
        )
        for s in run.suggestions
    )
    return replace(run, suggestions=suggestions)
