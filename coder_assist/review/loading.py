"""From the rows of an encounter to the records that the store gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from coder_assist.errors import NotFound
from coder_assist.review.records import (
    Comment,
    EncounterSummary,
    FinalCode,
    Hold,
    StoredRun,
    Submission,
)
from coder_assist.review.standing import Line, final_codes, lines_of
from coder_assist.review.states import RunState
from coder_assist.review.tables import (
    CarriedRow,
    CodeOrderRow,
    CommentRow,
    DecisionRow,
    EncounterRow,
    HoldRow,
    NoteRow,
    RunRow,
    SubmissionRow,
    SuggestionRow,
)
from coder_assist.types import (
    Code,
    Decision,
    Encounter,
    Note,
    Place,
    PresentOnAdmission,
    Span,
    System,
    Verdict,
)

Value = TypeVar("Value")


def digest_of(versions: Mapping[str, int]) -> str:
    """Return the name of a set of note versions."""
    return hashlib.sha256(json.dumps(sorted(versions.items())).encode()).hexdigest()


def content_hash(encounter: Encounter) -> str:
    """Return what makes an encounter a duplicate of another: its patient, its day and its notes' texts."""
    day = encounter.service_date.isoformat() if encounter.service_date else None
    content = [encounter.patient_id, day, [note.text for note in encounter.notes]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def encounter_row(session: Session, encounter_id: str, lock: bool = False) -> EncounterRow:
    """Return an encounter's row; with ``lock`` nobody else changes it before this transaction ends."""
    query = select(EncounterRow).where(EncounterRow.id == encounter_id)
    row = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if row is None:
        raise NotFound("encounter", encounter_id)
    return row


def notes_of(session: Session, encounter_id: str) -> tuple[NoteRow, ...]:
    """Return the newest version of each note, in the order they came in."""
    rows = session.scalars(
        select(NoteRow)
        .where(NoteRow.encounter_id == encounter_id)
        .order_by(NoteRow.position, NoteRow.version)
    )
    return tuple({row.note_id: row for row in rows}.values())


def encounter_of(row: EncounterRow, notes: Iterable[NoteRow]) -> Encounter:
    """Return the encounter as the rest of the package knows it."""
    return Encounter(
        id=row.id,
        notes=tuple(Note(note.note_id, note.text, note.version, note.title) for note in notes),
        setting=row.setting,
        claim=row.claim,
        service_date=row.service_date,
        sex=row.sex,
        age=row.age,
        specialty=row.specialty,
        patient_id=row.patient_id,
    )


def summaries_of(session: Session, rows: Sequence[EncounterRow]) -> tuple[EncounterSummary, ...]:
    """Return the worklist's records of rows, in their order."""
    ids = [row.id for row in rows]
    notes = _pairs(
        session,
        select(NoteRow.encounter_id, func.count(NoteRow.note_id.distinct()))
        .where(NoteRow.encounter_id.in_(ids))
        .group_by(NoteRow.encounter_id),
    )
    held = _pairs(
        session,
        select(HoldRow.encounter_id, HoldRow.at).where(
            HoldRow.encounter_id.in_(ids), HoldRow.released_at.is_(None)
        ),
    )
    # Runs of the notes as they stand; of several packs the newest run speaks.
    as_read = and_(EncounterRow.id == RunRow.encounter_id, EncounterRow.notes_digest == RunRow.notes_digest)
    runs = _pairs(
        session,
        select(RunRow.encounter_id, RunRow.state)
        .join(EncounterRow, as_read)
        .where(RunRow.encounter_id.in_(ids))
        .order_by(RunRow.id),
    )
    return tuple(
        EncounterSummary(
            id=row.id,
            state=row.state,
            version=row.version,
            setting=row.setting,
            claim=row.claim,
            specialty=row.specialty,
            sex=row.sex,
            age=row.age,
            service_date=row.service_date,
            title=row.title,
            notes=notes.get(row.id, 0),
            assigned_to=row.assigned_to,
            undecided=row.undecided,
            decided=row.decided,
            priority=row.priority,
            on_hold_since=held.get(row.id),
            imported_at=row.imported_at,
            updated_at=row.updated_at,
            run_state=runs.get(row.id, RunState.QUEUED),
        )
        for row in rows
    )


def _pairs(session: Session, query: Select[str, Value]) -> dict[str, Value]:
    return {id: value for id, value in session.execute(query)}  # noqa: C416 - rows are no pairs to mypy


def run_of(row: RunRow, notes_digest: str, with_record: bool = True) -> StoredRun:
    """Return a run's record; ``notes_digest`` is that of the encounter's notes now."""
    record = json.loads(row.record) if with_record and row.record is not None else None
    return StoredRun(
        id=row.id,
        encounter_id=row.encounter_id,
        state=row.state,
        pack=row.pack,
        note_versions=row.note_versions,
        queued_at=row.queued_at,
        finished_at=row.finished_at,
        error=row.error,
        current=row.notes_digest == notes_digest,
        record=record,
    )


def latest_run(session: Session, encounter_id: str) -> RunRow | None:
    """Return the newest run that is done, or else the newest at all."""
    newest_done = (
        select(RunRow)
        .where(RunRow.encounter_id == encounter_id, RunRow.state == RunState.DONE)
        .order_by(RunRow.finished_at.desc(), RunRow.id.desc())
        .limit(1)
    )
    newest = select(RunRow).where(RunRow.encounter_id == encounter_id).order_by(RunRow.id.desc()).limit(1)
    return session.scalars(newest_done).first() or session.scalars(newest).first()


def code_of(system: System | None, value: str | None) -> Code | None:
    """Return the code of two columns, which are both filled or both empty."""
    return Code(system, value) if system is not None and value is not None else None


def places_of(stored: Iterable[Mapping[str, int | str]]) -> tuple[Place, ...]:
    """Return stored evidence as places."""
    return tuple(
        Place(str(piece["note_id"]), Span(int(piece["start"]), int(piece["end"]))) for piece in stored
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """All that was decided about an encounter, and what follows from it."""

    decisions: tuple[Decision, ...]
    versions: Mapping[int, int]
    lines: Mapping[Code, Line]
    codes: tuple[FinalCode, ...]
    undecided: int
    decided: int

    def since(self, version: int) -> tuple[Decision, ...]:
        """Return the decisions made after a version of the encounter."""
        return tuple(decision for decision in self.decisions if self.versions[decision.id] > version)


def standing_of(session: Session, encounter_id: str) -> Standing:
    """Return what stands of an encounter."""
    rows = session.scalars(
        select(DecisionRow).where(DecisionRow.encounter_id == encounter_id).order_by(DecisionRow.id)
    ).all()
    carried = {
        row.decision_id: row
        for row in session.scalars(
            select(CarriedRow)
            .join(DecisionRow, DecisionRow.id == CarriedRow.decision_id)
            .where(DecisionRow.encounter_id == encounter_id)
            .order_by(CarriedRow.note)
        )
    }
    undone = {row.undoes for row in rows if row.undoes is not None}
    decided = [
        (
            Code(row.subject_system, row.subject_code),
            decision_of(row, row.id in undone, carried.get(row.id)),
        )
        for row in rows
    ]
    lines = lines_of(decided)
    suggested, titles, sequences = _suggested(session, encounter_id)
    ordered = session.scalars(
        select(CodeOrderRow)
        .where(CodeOrderRow.encounter_id == encounter_id)
        .order_by(CodeOrderRow.version.desc())
        .limit(1)
    ).first()
    order = [Code(System(code["system"]), code["code"]) for code in ordered.codes] if ordered else []
    codes = final_codes(lines, order, sequences, titles)
    settled = {
        subject
        for subject, line in lines.items()
        if line.standing is not None and line.standing.verdict is not Verdict.DEFER
    }
    answered = settled | {final.code for final in codes}
    return Standing(
        decisions=tuple(decision for _, decision in decided),
        versions={row.id: row.version for row in rows},
        lines=lines,
        codes=codes,
        undecided=sum(code not in answered for code in suggested),
        decided=len(settled),
    )


def decision_of(row: DecisionRow, undone: bool, carried: CarriedRow | None = None) -> Decision:
    """Return a decision's record; ``carried`` says what became of its evidence."""
    return Decision(
        id=row.id,
        encounter_id=row.encounter_id,
        run=row.run_id,
        suggestion=row.suggestion,
        verdict=row.verdict,
        code=Code(row.system, row.code),
        replaces=code_of(row.replaces_system, row.replaces_code),
        modifiers=tuple(row.modifiers),
        units=row.units,
        reason=row.reason,
        via=row.via,
        reviewer=row.reviewer,
        shown_at=row.shown_at,
        at=row.at,
        evidence=places_of(carried.evidence if carried is not None else row.evidence),
        supersedes=row.supersedes,
        undoes=row.undoes,
        undone=undone,
        stale=carried is not None and carried.stale,
        present_on_admission=row.present_on_admission,
    )


def _suggested(session: Session, encounter_id: str) -> tuple[list[Code], dict[Code, str], dict[Code, int]]:
    """Return what the latest run preselects, and of all runs the titles and places (the latest run's last)."""
    latest = latest_run(session, encounter_id)
    rows = session.scalars(
        select(SuggestionRow)
        .join(RunRow, RunRow.id == SuggestionRow.run_id)
        .where(RunRow.encounter_id == encounter_id)
        .order_by(RunRow.finished_at, SuggestionRow.run_id, SuggestionRow.number)
    ).all()
    titles = {Code(row.system, row.code): row.title for row in rows}
    sequences = {Code(row.system, row.code): row.sequence for row in rows if row.sequence is not None}
    selected = [
        Code(row.system, row.code)
        for row in rows
        if latest is not None and row.run_id == latest.id and row.selected
    ]
    return selected, titles, sequences


def comments_of(session: Session, encounter_id: str) -> tuple[Comment, ...]:
    """Return the remarks, oldest first."""
    rows = session.scalars(
        select(CommentRow).where(CommentRow.encounter_id == encounter_id).order_by(CommentRow.id)
    )
    return tuple(Comment(row.id, row.text, row.by, row.at) for row in rows)


def hold_of(row: HoldRow) -> Hold:
    """Return a hold's record."""
    return Hold(row.id, row.query, row.finding, row.by, row.at, row.released_by, row.released_at, row.answer)


def open_hold(session: Session, encounter_id: str) -> HoldRow | None:
    """Return the query that an encounter waits for."""
    return session.scalars(
        select(HoldRow).where(HoldRow.encounter_id == encounter_id, HoldRow.released_at.is_(None))
    ).one_or_none()


def latest_hold(session: Session, encounter_id: str) -> HoldRow | None:
    """Return the query that an encounter waits for, or else its last one, with the answer."""
    of_it = select(HoldRow).where(HoldRow.encounter_id == encounter_id)
    return session.scalars(of_it.order_by(HoldRow.id.desc()).limit(1)).one_or_none()


def codes_record(codes: Iterable[FinalCode]) -> list[dict[str, object]]:
    """Return final codes as a submission keeps them."""
    return [
        {
            "system": final.code.system.value,
            "code": final.code.value,
            "title": final.title,
            "sequence": final.sequence,
            "modifiers": list(final.modifiers),
            "units": final.units,
            "decision": final.decision,
            "from_suggestion": final.from_suggestion,
            "present_on_admission": final.present_on_admission,
        }
        for final in codes
    ]


def submission_of(row: SubmissionRow) -> Submission:
    """Return a submission's record."""
    codes = tuple(
        FinalCode(
            code=Code(System(code["system"]), code["code"]),
            title=code["title"],
            sequence=code["sequence"],
            modifiers=tuple(code["modifiers"]),
            units=code["units"],
            decision=code["decision"],
            from_suggestion=code["from_suggestion"],
            present_on_admission=_on_admission(code.get("present_on_admission")),
        )
        for code in row.codes
    )
    return Submission(row.id, row.encounter_id, row.version, codes, row.by, row.at)


def _on_admission(said: str | None) -> PresentOnAdmission | None:
    return PresentOnAdmission(said) if said is not None else None


def latest_submission(session: Session, encounter_id: str) -> SubmissionRow | None:
    """Return the newest submission."""
    return session.scalars(
        select(SubmissionRow)
        .where(SubmissionRow.encounter_id == encounter_id)
        .order_by(SubmissionRow.id.desc())
        .limit(1)
    ).first()
