"""How encounters and new versions of notes are written down."""

from __future__ import annotations

from datetime import UTC, datetime, time

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from coder_assist.errors import InputError, NotFound
from coder_assist.review import audit_log
from coder_assist.review.carrying import carrier, only_added
from coder_assist.review.changing import Change, subject
from coder_assist.review.database import Database
from coder_assist.review.loading import content_hash, digest_of, notes_of, standing_of
from coder_assist.review.records import Actor, Duplicate, FailedItem, Incoming
from coder_assist.review.states import EncounterState
from coder_assist.review.tables import CarriedRow, EncounterRow, NoteRow
from coder_assist.types import Encounter, Place, Verdict


def take_in(
    database: Database, actor: Actor, item: Incoming, encounter: Encounter, at: datetime
) -> Duplicate | FailedItem | None:
    """Add an encounter, or say why not."""
    digest = content_hash(encounter)
    try:
        with database.write() as session:
            problem = _already_there(session, item, encounter.id, digest)
            if problem is None:
                _write(session, actor, item, encounter, digest, at)
            return problem
    except IntegrityError:
        # Somebody imported the same between the look and the write: now it can be seen.
        with database.read() as session:
            problem = _already_there(session, item, encounter.id, digest)
        if problem is None:
            raise
        return problem


def rehearse(
    database: Database, item: Incoming, encounter: Encounter, seen: dict[str, str]
) -> Duplicate | FailedItem | None:
    """Say what ``take_in`` would; ``seen`` is what the rehearsal took in before, ids by content."""
    digest = content_hash(encounter)
    with database.read() as session:
        problem = _already_there(session, item, encounter.id, digest)
    if problem is not None:
        return problem
    if digest in seen:
        return Duplicate(encounter.id, seen[digest])
    if encounter.id in seen.values():
        return _taken(item, encounter.id)
    seen[digest] = encounter.id
    return None


def _already_there(
    session: Session, item: Incoming, encounter_id: str, digest: str
) -> Duplicate | FailedItem | None:
    # In one statement: between two, somebody else's import of the same notes could be committed.
    like_it = or_(EncounterRow.content_hash == digest, EncounterRow.id == encounter_id)
    rows = session.execute(select(EncounterRow.id, EncounterRow.content_hash).where(like_it)).all()
    for id, content in rows:
        if content == digest:
            return Duplicate(encounter_id, id)
    return _taken(item, encounter_id) if rows else None


def _taken(item: Incoming, encounter_id: str) -> FailedItem:
    return FailedItem(
        item.index,
        encounter_id,
        "an encounter of this id is there with other notes; send a changed note as a new version of it",
    )


def _write(
    session: Session, actor: Actor, item: Incoming, encounter: Encounter, digest: str, at: datetime
) -> None:
    day = encounter.service_date
    served = datetime.combine(day, time(), UTC) if day is not None else at
    versions = {note.id: 1 for note in encounter.notes}
    session.add(
        EncounterRow(
            id=encounter.id,
            state=EncounterState.NEW,
            setting=encounter.setting,
            claim=encounter.claim,
            specialty=encounter.specialty,
            sex=encounter.sex,
            age=encounter.age,
            service_date=day,
            patient_id=encounter.patient_id,
            title=item.title or encounter.notes[0].title,
            priority=item.priority,
            content_hash=digest,
            notes_digest=digest_of(versions),
            waiting_since=min(served, at),
            imported_at=at,
            updated_at=at,
        )
    )
    session.flush()
    for position, note in enumerate(encounter.notes):
        session.add(
            NoteRow(
                encounter_id=encounter.id,
                note_id=note.id,
                version=1,
                position=position,
                title=note.title,
                text=note.text,
                by=actor.id,
                at=at,
            )
        )
    session.flush()
    audit_log.append(
        session,
        actor.id,
        "encounter.import",
        subject(encounter.id),
        {"notes": sorted(versions), "setting": encounter.setting.value, "version": 1},
    )


def write_note_version(
    step: Change, note_id: str, text: str, title: str | None
) -> tuple[NoteRow, list[int], list[int]]:
    """Add a version of a note and say, of the standing decisions, which it carries and which it makes stale.

    Raises ``NotFound`` for a note that the encounter lacks and ``InputError`` if nothing changed.
    """
    session, row = step.session, step.row
    notes = {note.note_id: note for note in notes_of(session, row.id)}
    old = notes.get(note_id)
    if old is None:
        raise NotFound(f"note of encounter {row.id!r}", note_id)
    if old.text == text:
        raise InputError(f"the text is that of version {old.version}; expected a changed one")
    new = NoteRow(
        encounter_id=row.id,
        note_id=note_id,
        version=old.version + 1,
        position=old.position,
        title=old.title if title is None else title,
        text=text,
        by=step.actor.id,
        at=step.at,
    )
    session.add(new)
    session.flush()
    row.notes_digest = digest_of(
        {**{note.note_id: note.version for note in notes.values()}, note_id: new.version}
    )
    carried, stale = _carry(step, old, new)
    step.details.update(note=note_id, note_version=new.version, carried=carried, stale=stale)
    return new, carried, stale


def _carry(step: Change, old: NoteRow, new: NoteRow) -> tuple[list[int], list[int]]:
    standing = standing_of(step.session, step.row.id)
    stand = {line.standing.id for line in standing.lines.values() if line.standing is not None}
    carry = carrier(old.text, new.text)
    added = only_added(old.text, new.text)
    carried: list[int] = []
    stale: list[int] = []
    # Those that do not stand are carried as well: an undo may bring them back.
    for decision in standing.decisions:
        if decision.verdict is Verdict.UNDO:
            continue
        kept: list[Place] = []
        for place in decision.evidence:
            span = carry(place.span) if place.note_id == old.note_id else place.span
            if span is not None:
                kept.append(Place(place.note_id, span))
        lost = decision.stale or (not kept if decision.evidence else not added)
        step.session.add(
            CarriedRow(
                decision_id=decision.id,
                note=new.id,
                stale=lost,
                evidence=[
                    {"note_id": place.note_id, "start": place.span.start, "end": place.span.end}
                    for place in kept
                ],
            )
        )
        if decision.id in stand:
            (stale if lost else carried).append(decision.id)
    step.session.flush()
    return carried, stale
