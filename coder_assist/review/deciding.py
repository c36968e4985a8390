"""A coder's decisions, checked against the run and against what stands, and written down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from coder_assist.errors import InputError
from coder_assist.review.carrying import carrier
from coder_assist.review.loading import Standing, places_of
from coder_assist.review.records import Actor, NewDecision
from coder_assist.review.standing import CODING, Line, subjects_of
from coder_assist.review.states import RejectReason
from coder_assist.review.tables import DecisionRow, EncounterRow, NoteRow, RunRow, SuggestionRow
from coder_assist.suggest.rules.coding import MOST_MODIFIERS
from coder_assist.types import Code, Decision, Place, Span, System, Verdict, Via

MOST_DECISIONS = 500
MOST_UNITS = 9_999
LONGEST_REASON = 500

_MODIFIER = re.compile(r"[A-Z0-9]{2}")


def write_decisions(
    session: Session,
    row: EncounterRow,
    run: RunRow | None,
    notes: Sequence[NoteRow],
    standing: Standing,
    actor: Actor,
    decisions: Sequence[NewDecision],
    at: datetime,
) -> list[DecisionRow]:
    """Check decisions and add their rows, for the version that follows the encounter's present one.

    Raises ``InputError``, which names the place of the decision in the request.
    """
    if not 1 <= len(decisions) <= MOST_DECISIONS:
        raise InputError(f"expected 1 to {MOST_DECISIONS} decisions; got {len(decisions)}")
    suggested = _suggestions(session, run)
    evidence_of = _evidence_reader(session, run, notes)
    texts = {note.note_id: note for note in notes}
    seen: set[Code] = set()
    written: list[DecisionRow] = []
    for place, new in enumerate(decisions):
        try:
            replaces = _checked(new, suggested)
            subjects = subjects_of(new, replaces, standing.lines)
            twice = seen.intersection(subjects)
            if twice:
                raise InputError(f"{min(twice)} is decided on twice in one request")
            seen.update(subjects)
            evidence = new.evidence
            if not evidence and new.suggestion is not None:
                evidence = evidence_of(new.suggestion)
                if not evidence and new.verdict is Verdict.ACCEPT:
                    raise InputError(
                        f"the evidence of {new.code} is not in the present version of the notes; suggest again"
                    )
            stored = [_piece(piece, texts) for piece in evidence]
        except InputError as error:
            raise InputError(f"decisions[{place}]: {error}") from None
        for subject in subjects:
            line = standing.lines.get(subject)
            decision = DecisionRow(
                encounter_id=row.id,
                run_id=run.id if run is not None and new.suggestion is not None else None,
                suggestion=new.suggestion,
                subject_system=subject.system,
                subject_code=subject.value,
                verdict=new.verdict,
                system=new.code.system,
                code=new.code.value,
                replaces_system=replaces.system if replaces is not None else None,
                replaces_code=replaces.value if replaces is not None else None,
                modifiers=list(new.modifiers),
                units=new.units,
                reason=new.reason,
                via=new.via,
                reviewer=actor.id,
                shown_at=new.shown_at,
                at=at,
                version=row.version + 1,
                evidence=stored,
                supersedes=line.tip.id if line is not None else None,
                present_on_admission=new.present_on_admission,
            )
            session.add(decision)
            written.append(decision)
    session.flush()
    return written


def write_undo(
    session: Session, row: EncounterRow, standing: Standing, actor: Actor, at: datetime
) -> list[DecisionRow]:
    """Add the rows that take back the actor's last act; returns none where there is nothing to take back."""
    open_ones = [
        decision
        for decision in standing.decisions
        if decision.reviewer == actor.id and decision.verdict is not Verdict.UNDO and not decision.undone
    ]
    if not open_ones:
        return []
    act = max(standing.versions[decision.id] for decision in open_ones)
    written = []
    for decision in open_ones:
        if standing.versions[decision.id] == act:
            line = _line_with(decision, standing.lines)
            undo = DecisionRow(
                encounter_id=row.id,
                run_id=decision.run,
                suggestion=decision.suggestion,
                subject_system=line.subject.system,
                subject_code=line.subject.value,
                verdict=Verdict.UNDO,
                system=decision.code.system,
                code=decision.code.value,
                modifiers=[],
                units=1,
                reason="",
                via=Via.SINGLE,
                reviewer=actor.id,
                shown_at=at,
                at=at,
                version=row.version + 1,
                evidence=[],
                supersedes=line.tip.id,
                undoes=decision.id,
            )
            session.add(undo)
            written.append(undo)
    session.flush()
    return written


def _line_with(decision: Decision, lines: Mapping[Code, Line]) -> Line:
    return next(line for line in lines.values() if any(one.id == decision.id for one in line.decisions))


def _suggestions(session: Session, run: RunRow | None) -> dict[int, Code]:
    if run is None:
        return {}
    rows = session.scalars(select(SuggestionRow).where(SuggestionRow.run_id == run.id))
    return {row.number: Code(row.system, row.code) for row in rows}


def _checked(new: NewDecision, suggested: Mapping[int, Code]) -> Code | None:
    """See that a decision makes sense by itself and against the run; return the code it replaces."""
    replaces = new.replaces
    if new.suggestion is not None:
        proposed = suggested.get(new.suggestion)
        if proposed is None:
            raise InputError(
                f"suggestion must be one of the latest run's {len(suggested)}; got {new.suggestion}"
            )
        if new.verdict is Verdict.REPLACE:
            replaces = replaces or proposed
        about = replaces if new.verdict is Verdict.REPLACE else new.code
        if about != proposed:
            raise InputError(f"suggestion {new.suggestion} is {proposed}; the decision is about {about}")
    if new.verdict is Verdict.UNDO:
        raise InputError("verdict must be accept, reject, replace, add or defer; undo has its own operation")
    if new.verdict is Verdict.ACCEPT and new.suggestion is None:
        raise InputError("accept needs the suggestion it accepts; a code without one is added")
    if new.verdict is Verdict.ADD and new.suggestion is not None:
        raise InputError("add is for codes without a suggestion; a suggestion is accepted")
    if (new.verdict is Verdict.REPLACE) != (replaces is not None):
        raise InputError("replaces is needed for replace, and for nothing else")
    if replaces == new.code:
        raise InputError(f"{new.code} cannot replace itself")
    if new.verdict is Verdict.REJECT and new.reason not in set(RejectReason):
        raise InputError(f"reason of a rejection must be one of {', '.join(RejectReason)}")
    if len(new.reason) > LONGEST_REASON:
        raise InputError(f"reason must have at most {LONGEST_REASON} characters; got {len(new.reason)}")
    if not 1 <= new.units <= MOST_UNITS:
        raise InputError(f"units must be 1 to {MOST_UNITS}; got {new.units}")
    if len(new.modifiers) > MOST_MODIFIERS or len(set(new.modifiers)) < len(new.modifiers):
        raise InputError(f"expected at most {MOST_MODIFIERS} modifiers, each once; got {len(new.modifiers)}")
    if not all(_MODIFIER.fullmatch(modifier) for modifier in new.modifiers):
        raise InputError("a modifier has two capital letters or digits")
    diagnosis = new.code.system is System.ICD10CM and new.verdict in CODING
    if new.present_on_admission is not None and not diagnosis:
        raise InputError("present_on_admission belongs to a diagnosis (ICD-10-CM) that is coded")
    if new.shown_at.tzinfo is None:
        raise InputError("shown_at must carry its time zone")
    return replaces


def _piece(place: Place, notes: Mapping[str, NoteRow]) -> dict[str, object]:
    note = notes.get(place.note_id)
    if note is None:
        raise InputError("evidence must be in a note of the encounter")
    if not 0 <= place.span.start < place.span.end <= len(note.text):
        raise InputError(
            f"evidence must satisfy 0 <= start < end <= {len(note.text)}; got {place.span.start}, {place.span.end}"
        )
    return {
        "note_id": place.note_id,
        "version": note.version,
        "start": place.span.start,
        "end": place.span.end,
    }


def _evidence_reader(
    session: Session, run: RunRow | None, notes: Sequence[NoteRow]
) -> Callable[[int], tuple[Place, ...]]:
    """Return the function that gives a suggestion's evidence in the notes as they stand now."""
    if run is None or run.record is None:
        return lambda number: ()
    record = json.loads(run.record)
    only = next(iter(run.note_versions), "")
    carriers: dict[str, Callable[[Span], Span | None]] = {}
    for note in notes:
        read = run.note_versions.get(note.note_id)
        if read is not None and read != note.version:
            old = session.scalars(
                select(NoteRow).where(
                    NoteRow.encounter_id == note.encounter_id,
                    NoteRow.note_id == note.note_id,
                    NoteRow.version == read,
                )
            ).one()
            carriers[note.note_id] = carrier(old.text, note.text)

    def evidence_of(number: int) -> tuple[Place, ...]:
        pieces = record["suggestions"][number]["evidence"]
        places = places_of([{**piece, "note_id": piece.get("note_id", only)} for piece in pieces])
        carried = []
        for place in places:
            carry = carriers.get(place.note_id)
            span = place.span if carry is None else carry(place.span)
            if span is not None:
                carried.append(Place(place.note_id, span))
        return tuple(carried)

    return evidence_of
