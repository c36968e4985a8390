"""Final decisions as lines of a coded corpus: what the review hands over to training.

The policy (rule 5 of the house): only what was submitted and is not under review again. What an auditor
settled outranks the coder. A code that was rejected as not supported or wrong, replaced or overturned is a
negative (``rejected``); one that was suggested and not reviewed, deferred, or rejected for another reason is
neither, and stands as ``optional``, unless an auditor read the encounter to its end: then what does not stand
is wrong. Short of that, a code that was taken though it was not preselected is ``sought``: nobody looked at
those like it that were left out, so it shows what the words mean but not how often such codes are right; only
an encounter that an auditor read to its end is ``complete``. What was accepted in bulk weighs ``BULK_WEIGHT``. Every line says that it is ``private``, so that
training keeps of its words only what its rules for notes of patients allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from coder_assist.errors import SettingsError
from coder_assist.review import audit_log
from coder_assist.review.database import Database
from coder_assist.review.loading import (
    Standing,
    code_of,
    encounter_of,
    encounter_row,
    latest_run,
    latest_submission,
    notes_of,
    standing_of,
    submission_of,
)
from coder_assist.review.records import Actor, Submission
from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    RejectReason,
)
from coder_assist.review.tables import AuditFindingRow, AuditItemRow, EncounterRow, SuggestionRow
from coder_assist.types import Code, Encounter, Note, Place, System, Verdict, Via

BULK_WEIGHT = 0.5
FINAL = (EncounterState.SUBMITTED, EncounterState.AUDITED, EncounterState.ACCEPTED)
NEGATIVE = frozenset({RejectReason.NOT_SUPPORTED.value, RejectReason.WRONG_CODE.value})

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Label:
    """A code that is right: how much it counts, where it stands in the note, whether it is first-listed."""

    weight: float
    places: tuple[Place, ...]
    first: bool
    audited: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the review says of an encounter's codes: the right ones, the wrong ones, and how they came to be known.

    ``complete``: an auditor read the submission to its end, so that every code but the right ones is wrong.
    """

    labels: Mapping[Code, Label]
    rejected: frozenset[Code]
    complete: bool

    def is_wrong(self, code: Code) -> bool:
        """Say whether a code was found wrong; one that nobody judged was not."""
        return code in self.rejected or (self.complete and code not in self.labels)


def export_lines(database: Database, actor: Actor, until: datetime | None = None) -> Iterator[Line]:
    """Return the lines, in order of the encounters' ids; that they were taken is in the audit chain.

    An encounter of several notes becomes a line for each, joined by ``encounter``. There a code is
    ``required`` on the notes that its evidence is in, and ``optional`` on the others. ``until`` leaves out
    what was submitted at that moment or later.
    """
    with database.write() as session:
        ids = session.scalars(
            select(EncounterRow.id).where(EncounterRow.state.in_(FINAL)).order_by(EncounterRow.id)
        ).all()
        audit_log.append(session, actor.id, "labels.export", "labels", {"encounters": len(ids)})
    return (line for id in ids for line in _lines(database, id, until))


def _lines(database: Database, encounter_id: str, until: datetime | None) -> list[Line]:
    with database.read() as session:
        row = encounter_row(session, encounter_id)
        submitted = latest_submission(session, encounter_id)
        if row.state not in FINAL or submitted is None:
            return []  # taken into review again since the list was made
        if until is not None and submitted.at >= until:
            return []
        encounter = encounter_of(row, notes_of(session, encounter_id))
        standing = standing_of(session, encounter_id)
        judgement = _judged(session, submission_of(submitted), standing)
        suggested = _suggested(session, encounter_id)
        neutral = {*suggested, *_set_aside(standing)}
    neutral = {code for code in neutral if code not in judgement.labels and not judgement.is_wrong(code)}
    sought = set() if judgement.complete else {c for c in judgement.labels if not suggested.get(c)}
    return [_line(encounter, note, judgement, neutral, sought) for note in encounter.notes]


def judgement_of(session: Session, encounter_id: str) -> Judgement | None:
    """Return what the review says of a submitted encounter's codes; ``None`` for one that is under review."""
    submitted = latest_submission(session, encounter_id)
    if submitted is None or encounter_row(session, encounter_id).state not in FINAL:
        return None
    return _judged(session, submission_of(submitted), standing_of(session, encounter_id))


def _judged(session: Session, submission: Submission, standing: Standing) -> Judgement:
    decisions = {decision.id: decision for decision in standing.decisions}
    labels = {}
    for final in submission.codes:
        decision = decisions[final.decision]
        labels[final.code] = Label(
            weight=BULK_WEIGHT if decision.via is Via.BULK else 1.0,
            places=decision.evidence,
            first=final.sequence == 1 and final.code.system is System.ICD10CM,
            audited=False,
        )
    rejected = set()
    for line in standing.lines.values():
        last = line.standing
        if last is None:
            continue
        if last.verdict is Verdict.REPLACE and last.replaces is not None:
            rejected.add(last.replaces)
        elif last.verdict is Verdict.REJECT and last.reason in NEGATIVE:
            rejected.add(last.code)
    rejected -= set(labels)
    complete = _audited(session, submission, labels, rejected)
    return Judgement(labels, frozenset(rejected), complete)


def _audited(
    session: Session, submission: Submission, labels: dict[Code, Label], rejected: set[Code]
) -> bool:
    """Let what auditors settled, oldest first, outrank what the coder submitted; say whether all was read."""
    rows = session.execute(
        select(AuditFindingRow, AuditItemRow)
        .join(
            AuditItemRow,
            (AuditItemRow.audit_id == AuditFindingRow.audit_id)
            & (AuditItemRow.encounter_id == AuditFindingRow.encounter_id),
        )
        .where(
            AuditFindingRow.encounter_id == submission.encounter_id,
            AuditFindingRow.state == AuditFindingState.FINAL,
        )
        .order_by(AuditFindingRow.id)
    ).all()
    nothing = Label(1.0, (), first=False, audited=True)
    for finding, _ in rows:
        code = code_of(finding.system, finding.code)
        correct = code_of(finding.correct_system, finding.correct_code)
        assert code is not None
        if finding.final_verdict is AuditVerdict.AGREE and finding.verdict is AuditVerdict.OVERTURN:
            # The coder's rebuttal held: a code that "was missed" stays out, any other stays in.
            continue
        before = labels.get(code)
        if finding.final_verdict is AuditVerdict.AGREE or finding.error is AuditError.MISSED:
            labels[code] = _audited_label(before or nothing)
            rejected.discard(code)
        elif finding.error in (AuditError.SEQUENCING, AuditError.MODIFIER) and correct is None:
            # The code was right, its place or modifier was not.
            if before is not None:
                labels[code] = Label(1.0, before.places, first=False, audited=True)
        else:
            labels.pop(code, None)
            rejected.add(code)
            if correct is not None:
                labels[correct] = _audited_label(labels.get(correct) or before or nothing)
                rejected.discard(correct)
    read = exists().where(AuditItemRow.submission_id == submission.id, AuditItemRow.finished_at.is_not(None))
    complete = bool(session.scalar(select(read)))
    if complete:
        # The auditor read this very submission to the end: what was not overturned was looked at.
        for code, label in labels.items():
            labels[code] = _audited_label(label)
    return complete


def _audited_label(label: Label) -> Label:
    return Label(1.0, label.places, label.first, audited=True)


def _suggested(session: Session, encounter_id: str) -> dict[Code, bool]:
    """Return the codes that were suggested, and whether each was preselected."""
    run = latest_run(session, encounter_id)
    if run is None:
        return {}
    rows = session.scalars(select(SuggestionRow).where(SuggestionRow.run_id == run.id))
    return {Code(row.system, row.code): row.selected for row in rows}


def _set_aside(standing: Standing) -> set[Code]:
    """Return the codes that somebody rejected or deferred."""
    lasts = (line.standing for line in standing.lines.values())
    return {
        last.code for last in lasts if last is not None and last.verdict in (Verdict.REJECT, Verdict.DEFER)
    }


def _line(
    encounter: Encounter,
    note: Note,
    judgement: Judgement,
    neutral: set[Code],
    sought: set[Code],
) -> Line:
    several = len(encounter.notes) > 1
    line: Line = {"id": f"{encounter.id}/{note.id}" if several else encounter.id}
    if several:
        line["encounter"] = encounter.id
    line.update(
        patient_id=encounter.patient_id,
        setting=encounter.setting.value,
        claim=encounter.claim.value if encounter.claim is not None else None,
        sex=encounter.sex.value,
        age=encounter.age,
        specialty=encounter.specialty,
        service_date=encounter.service_date.isoformat() if encounter.service_date is not None else None,
        title=note.title,
        text=note.text,
        private=True,
        complete=judgement.complete,
    )
    line = {key: value for key, value in line.items() if value is not None and value != ""}
    codes = []
    for code, label in sorted(judgement.labels.items(), key=lambda pair: (not pair[1].first, pair[0])):
        here = [place.span for place in label.places if place.note_id == note.id]
        required = bool(here) or not several
        entry: Line = {
            "system": code.system.value,
            "code": code.value,
            "status": "required" if required else "optional",
            "weight": label.weight,
            "audited": label.audited,
        }
        if code in sought:
            entry["sought"] = True
        if label.first and required:
            entry["primary"] = True
        if here:
            entry["evidence"] = [
                {"start": span.start, "end": span.end, "text": span.slice(note.text)} for span in here
            ]
        codes.append(entry)
    codes += [
        {
            "system": code.system.value,
            "code": code.value,
            "status": "optional",
            "weight": 1.0,
            "audited": False,
        }
        for code in sorted(neutral)
    ]
    line["codes"] = codes
    line["rejected"] = [
        {"system": code.system.value, "code": code.value} for code in sorted(judgement.rejected)
    ]
    return line


def write_jsonl(lines: Iterable[Line], path: Path) -> int:
    """Write lines as a coded corpus that ``coder-assist train`` reads; return how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count


def write_parquet(lines: Iterable[Line], path: Path) -> int:
    """Write lines as Parquet; return how many. Raises ``SettingsError`` without pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise SettingsError("Parquet needs pyarrow; install coder-assist[batch]") from None
    text, number = pyarrow.string(), pyarrow.int64()
    named = [("system", text), ("code", text)]
    evidence = pyarrow.list_(pyarrow.struct([("start", number), ("end", number), ("text", text)]))
    labels = [
        *named,
        ("status", text),
        ("weight", pyarrow.float64()),
        ("audited", pyarrow.bool_()),
        ("primary", pyarrow.bool_()),
        ("sought", pyarrow.bool_()),
        ("evidence", evidence),
    ]
    words = (
        "id",
        "encounter",
        "patient_id",
        "setting",
        "claim",
        "sex",
        "specialty",
        "service_date",
        "title",
        "text",
    )
    schema = pyarrow.schema(
        [
            *((name, text) for name in words),
            ("age", pyarrow.float64()),
            ("private", pyarrow.bool_()),
            ("complete", pyarrow.bool_()),
            ("codes", pyarrow.list_(pyarrow.struct(labels))),
            ("rejected", pyarrow.list_(pyarrow.struct(named))),
        ]
    )
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for line in lines:
            writer.write_table(pyarrow.Table.from_pylist([line], schema=schema))
            count += 1
    return count
