"""From the store to the facts of a period: which submission speaks for an encounter, and what stands of it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from coder_assist.errors import InputError
from coder_assist.review import audit_log
from coder_assist.review.database import Database
from coder_assist.review.facts import (
    NOT_STATED,
    REPLACEMENT,
    CodeFact,
    DecisionFact,
    EncounterFact,
    Facts,
    FindingFact,
    category,
)
from coder_assist.review.labels import FINAL, NEGATIVE
from coder_assist.review.loading import code_of, decision_of, submission_of
from coder_assist.review.records import Actor, Submission
from coder_assist.review.standing import Line, lines_of
from coder_assist.review.states import AuditError, AuditFindingState, AuditVerdict, RunState
from coder_assist.review.tables import (
    AuditFindingRow,
    AuditHeadRow,
    AuditItemRow,
    AuditRow,
    DecisionRow,
    EncounterRow,
    NoteRow,
    RunRow,
    SecondCodingRow,
    SubmissionRow,
    SuggestionRow,
    UserRow,
)
from coder_assist.types import Code, System, Verdict

Chapter = Callable[[Code], str]
_AT_ONCE = 200
_WORD = re.compile(r"[^\W\d_]{3,}")


def collect(database: Database, actor: Actor, since: datetime, until: datetime, chapter: Chapter) -> Facts:
    """Return the facts of a period; that they were read is in the audit chain.

    ``chapter`` names the part of its system that a code belongs to. Raises ``InputError`` for an empty period.
    """
    if since >= until:
        raise InputError(
            f"the period must end after it begins; got {since.isoformat()} to {until.isoformat()}"
        )
    with database.write() as session:
        head = session.execute(select(AuditHeadRow)).scalar_one()
        sequence, hash = head.sequence, head.hash
        audit_log.append(
            session,
            actor.id,
            "accuracy.read",
            "accuracy",
            {"from": since.isoformat(), "to": until.isoformat()},
        )
    with database.read() as session:
        encounters, codes, findings = [], [], []
        for chosen in _readings(session, since, until):
            encounter, of_codes, of_findings = _facts_of(chosen, chapter)
            encounters.append(encounter)
            codes += of_codes
            findings += of_findings
        decisions = tuple(_decisions(session, since, until, chapter))
    return Facts(since, until, tuple(encounters), tuple(codes), decisions, tuple(findings), sequence, hash)


def words_of(database: Database, encounters: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the words (three letters or more) of each encounter's notes, for counting; they are PHI."""
    words: defaultdict[str, set[str]] = defaultdict(set)
    ids = sorted(set(encounters))
    with database.read() as session:
        for start in range(0, len(ids), _AT_ONCE):
            query = select(NoteRow.encounter_id, NoteRow.text).where(
                NoteRow.encounter_id.in_(ids[start : start + _AT_ONCE])
            )
            for encounter, text in session.execute(query):
                words[encounter].update(_WORD.findall(text.lower()))
    return {encounter: frozenset(some) for encounter, some in words.items()}


def _month(at: datetime) -> str:
    return at.strftime("%Y-%m")


# --- reading: everything about one submission ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reading:
    """A submission with all that is known about it."""

    encounter: EncounterRow
    submission: Submission
    run: RunRow | None
    suggestions: Sequence[SuggestionRow]
    sections: Mapping[Code, str]
    lines: Mapping[Code, Line]
    audit: AuditRow | None
    item: AuditItemRow | None
    findings: Sequence[AuditFindingRow]
    second: SecondCodingRow | None
    second_role: str | None


def _readings(session: Session, since: datetime, until: datetime) -> Iterator[_Reading]:
    ids = session.scalars(
        select(SubmissionRow.encounter_id)
        .where(SubmissionRow.at >= since, SubmissionRow.at < until)
        .distinct()
        .order_by(SubmissionRow.encounter_id)
    ).all()
    roles = {row.id: row.role.value for row in session.scalars(select(UserRow))}
    for start in range(0, len(ids), _AT_ONCE):
        yield from _some_readings(session, ids[start : start + _AT_ONCE], since, until, roles)


def _some_readings(
    session: Session, ids: Sequence[str], since: datetime, until: datetime, roles: Mapping[str, str]
) -> Iterator[_Reading]:
    encounters = {
        row.id: row for row in session.scalars(select(EncounterRow).where(EncounterRow.id.in_(ids)))
    }
    submissions = _by_encounter(
        session.scalars(
            select(SubmissionRow).where(SubmissionRow.encounter_id.in_(ids)).order_by(SubmissionRow.id)
        )
    )
    items = _by_encounter(
        session.scalars(
            select(AuditItemRow)
            .where(AuditItemRow.encounter_id.in_(ids))
            .order_by(AuditItemRow.finished_at, AuditItemRow.audit_id)
        )
    )
    seconds = {
        (row.audit_id, row.encounter_id): row
        for row in session.scalars(select(SecondCodingRow).where(SecondCodingRow.encounter_id.in_(ids)))
    }
    findings = _by_encounter(
        session.scalars(
            select(AuditFindingRow)
            .where(AuditFindingRow.encounter_id.in_(ids), AuditFindingRow.state == AuditFindingState.FINAL)
            .order_by(AuditFindingRow.number)
        )
    )
    decisions = _by_encounter(
        session.scalars(select(DecisionRow).where(DecisionRow.encounter_id.in_(ids)).order_by(DecisionRow.id))
    )
    runs = _by_encounter(
        session.scalars(
            select(RunRow)
            .where(RunRow.encounter_id.in_(ids), RunRow.state == RunState.DONE)
            .order_by(RunRow.finished_at, RunRow.id)
        )
    )
    audits = {row.id: row for row in session.scalars(select(AuditRow))}
    for id in ids:
        encounter = encounters[id]
        chosen = _chosen(encounter, submissions[id], items[id], seconds, since, until)
        if chosen is None:
            continue
        row, item = chosen
        submission = submission_of(row)
        run = next((r for r in reversed(runs[id]) if r.finished_at and r.finished_at <= row.at), None)
        second = seconds.get((item.audit_id, id)) if item is not None else None
        finished = item if item is not None and item.finished_at is not None else None
        yield _Reading(
            encounter,
            submission,
            run,
            session.scalars(
                select(SuggestionRow).where(SuggestionRow.run_id == run.id).order_by(SuggestionRow.number)
            ).all()
            if run is not None
            else (),
            _sections(run),
            _lines([d for d in decisions[id] if d.version <= row.version]),
            audits[finished.audit_id] if finished is not None else None,
            finished,
            [f for f in findings[id] if finished is not None and f.audit_id == finished.audit_id],
            second,
            roles.get(second.by) if second is not None else None,
        )


def _by_encounter(rows: Iterable[Any]) -> defaultdict[str, list[Any]]:
    gathered: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        gathered[row.encounter_id].append(row)
    return gathered


def _chosen(
    encounter: EncounterRow,
    submissions: Sequence[SubmissionRow],
    items: Sequence[AuditItemRow],
    seconds: Mapping[tuple[int, str], SecondCodingRow],
    since: datetime,
    until: datetime,
) -> tuple[SubmissionRow, AuditItemRow | None] | None:
    """Return the submission that speaks for an encounter: the first that was audited, else the newest.

    What was corrected after an audit would flatter its coder; what was taken back says nothing.
    """
    within = {row.id: row for row in submissions if since <= row.at < until}
    for item in sorted(items, key=lambda item: item.audit_id):
        done = item.finished_at is not None or (item.audit_id, item.encounter_id) in seconds
        if done and item.submission_id in within:
            return within[item.submission_id], item
    newest = submissions[-1]
    return (newest, None) if encounter.state in FINAL and newest.id in within else None


def _sections(run: RunRow | None) -> dict[Code, str]:
    """Return in which section of the notes each suggestion's first evidence stands."""
    if run is None or run.record is None:
        return {}
    return {
        Code(System(suggestion["system"]), suggestion["code"]): suggestion["evidence"][0]["section"]
        for suggestion in json.loads(run.record)["suggestions"]
        if suggestion["evidence"]
    }


def _lines(rows: Sequence[DecisionRow]) -> dict[Code, Line]:
    undone = {row.undoes for row in rows if row.undoes is not None}
    return lines_of(
        (Code(row.subject_system, row.subject_code), decision_of(row, row.id in undone)) for row in rows
    )


# --- from a reading to its facts ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Settled:
    """What stands after an audit: the codes, the errors found, the first-listed diagnosis."""

    codes: frozenset[Code]
    errors: Mapping[Code, AuditError]
    first: Code | None
    first_right: bool | None


def _settled(reading: _Reading) -> _Settled:
    submitted = [final.code for final in reading.submission.codes]
    first = next((code for code in submitted if code.system is System.ICD10CM), None)
    right, errors = set(submitted), dict[Code, AuditError]()
    now_first, first_right = first, first is not None
    for finding in reading.findings:
        code = code_of(finding.system, finding.code)
        correct = code_of(finding.correct_system, finding.correct_code)
        if code is None or finding.error is None or finding.final_verdict is AuditVerdict.AGREE:
            continue  # agreed with at once, or the coder's rebuttal held
        errors[code] = finding.error
        if finding.error is AuditError.MISSED:
            right.add(code)
            continue
        if finding.error not in (AuditError.SEQUENCING, AuditError.MODIFIER) or correct is not None:
            right.discard(code)
        if correct is not None:
            right.add(correct)
        if code == first and finding.error is not AuditError.MODIFIER:
            first_right, now_first = False, correct
    diagnoses = any(code.system is System.ICD10CM for code in right)
    compared = reading.item is not None and (first is not None or diagnoses)
    return _Settled(frozenset(right), errors, now_first, first_right if compared else None)


def _facts_of(reading: _Reading, chapter: Chapter) -> tuple[EncounterFact, list[CodeFact], list[FindingFact]]:
    settled = _settled(reading)
    audited = reading.item is not None
    proposed = {Code(row.system, row.code): row for row in reading.suggestions}
    submitted = {final.code: final for final in reading.submission.codes}
    second = [Code(System(c["system"]), c["code"]) for c in reading.second.codes] if reading.second else None
    decided = _decided(reading.lines)
    named = {*proposed, *submitted, *settled.codes, *settled.errors, *(second or ()), *decided}
    facts = []
    for code in sorted(named):
        verdict, reason, via = decided.get(code, ("", "", ""))
        row = proposed.get(code)
        facts.append(
            CodeFact(
                encounter=reading.encounter.id,
                system=code.system.value,
                code=code.value,
                category=category(code.system, code.value),
                chapter=chapter(code),
                section=reading.sections.get(code, ""),
                probability=row.probability if row is not None else None,
                selected=row is not None and row.selected,
                verdict=verdict,
                reason=reason,
                via=via,
                submitted=code in submitted,
                submitted_first=code in submitted and submitted[code].sequence == 1,
                final=code in settled.codes,
                right=_right(code, settled, audited, code in submitted, verdict, reason),
                error=settled.errors[code].value if code in settled.errors else "",
                second=code in second if second is not None else None,
                second_first=second is not None and _first(second) == code if second is not None else None,
            )
        )
    tool_first = next(
        (c for c, r in proposed.items() if r.selected and r.sequence == 1 and c.system is System.ICD10CM),
        None,
    )
    run, submission, item = reading.run, reading.submission, reading.item
    shown = [line.decisions[0].shown_at for line in reading.lines.values()]
    encounter = EncounterFact(
        encounter=reading.encounter.id,
        submission=submission.id,
        coder=submission.by,
        at=submission.at,
        month=_month(submission.at),
        setting=reading.encounter.setting.value,
        specialty=reading.encounter.specialty or NOT_STATED,
        pack=run.pack if run is not None else NOT_STATED,
        code_books=json.dumps(run.code_books, sort_keys=True) if run is not None else "{}",
        lexicon=(run.lexicon if run is not None else None) or NOT_STATED,
        rules=(run.rules if run is not None else None) or NOT_STATED,
        software=(run.software if run is not None else None) or NOT_STATED,
        audit=item.audit_id if item is not None else None,
        audit_kind=reading.audit.kind.value if reading.audit is not None else None,
        auditor=item.finished_by if item is not None else None,
        weight=1 / item.inclusion if item is not None and item.inclusion else 1.0,
        second_coder=reading.second.by if reading.second is not None else None,
        second_role=reading.second_role,
        codes=len(submitted),
        errors=len(settled.errors) if audited else None,
        fully_correct=not settled.errors if audited else None,
        first_right=settled.first_right,
        suggested_first_right=tool_first == settled.first if settled.first is not None else None,
        seconds=(submission.at - min(shown)).total_seconds() if shown else None,
    )
    return encounter, facts, [_finding(reading, row) for row in reading.findings]


def _first(codes: Sequence[Code]) -> Code | None:
    return next((code for code in codes if code.system is System.ICD10CM), None)


def _decided(lines: Mapping[Code, Line]) -> dict[Code, tuple[str, str, str]]:
    """Return the standing verdict about each code, with its reason and way."""
    verdicts: dict[Code, tuple[str, str, str]] = {}
    for subject, line in lines.items():
        standing = line.standing
        if standing is None:
            continue
        reason = standing.reason if standing.verdict is Verdict.REJECT else ""
        verdicts[subject] = (standing.verdict.value, reason, standing.via.value)
        if standing.verdict is Verdict.REPLACE:
            if standing.replaces is not None and standing.replaces != subject:
                verdicts.setdefault(standing.replaces, verdicts[subject])
            verdicts.setdefault(standing.code, (REPLACEMENT, "", standing.via.value))
    return verdicts


def _right(
    code: Code, settled: _Settled, audited: bool, submitted: bool, verdict: str, reason: str
) -> bool | None:
    if code in settled.codes:
        return True
    if submitted:
        return False  # overturned
    if verdict == Verdict.REPLACE or (verdict == Verdict.REJECT and reason in NEGATIVE):
        return False
    if verdict:
        return None
    return False if audited else None


def _finding(reading: _Reading, row: AuditFindingRow) -> FindingFact:
    return FindingFact(
        encounter=row.encounter_id,
        audit=row.audit_id,
        number=row.number,
        auditor=row.by,
        coder=reading.submission.by,
        system=row.system.value,
        code=row.code,
        verdict=row.verdict.value,
        final=(row.final_verdict or row.verdict).value,
        error=row.error.value if row.error is not None else "",
        correct=row.correct_code or "",
        rebutted=row.rebuttal is not None,
    )


def _decisions(
    session: Session, since: datetime, until: datetime, chapter: Chapter
) -> Iterator[DecisionFact]:
    rows = session.execute(
        select(DecisionRow, EncounterRow, RunRow.pack, SuggestionRow.probability, SuggestionRow.selected)
        .join(EncounterRow, EncounterRow.id == DecisionRow.encounter_id)
        .outerjoin(RunRow, RunRow.id == DecisionRow.run_id)
        .outerjoin(
            SuggestionRow,
            (SuggestionRow.run_id == DecisionRow.run_id) & (SuggestionRow.number == DecisionRow.suggestion),
        )
        .where(DecisionRow.at >= since, DecisionRow.at < until)
        .order_by(DecisionRow.id)
    ).all()
    undone = set(session.scalars(select(DecisionRow.undoes).where(DecisionRow.undoes.is_not(None))))
    for row, encounter, pack, probability, selected in rows:
        yield DecisionFact(
            decision=row.id,
            encounter=row.encounter_id,
            reviewer=row.reviewer,
            at=row.at,
            month=_month(row.at),
            setting=encounter.setting.value,
            specialty=encounter.specialty or NOT_STATED,
            pack=pack or NOT_STATED,
            system=row.system.value,
            subject=row.subject_code,
            code=row.code,
            chapter=chapter(Code(row.subject_system, row.subject_code)),
            suggested=probability is not None,
            selected=bool(selected),
            probability=probability,
            verdict=row.verdict.value,
            reason=row.reason if row.verdict is Verdict.REJECT else "",
            via=row.via.value,
            undone=row.id in undone,
            seconds=(row.at - row.shown_at).total_seconds(),
        )
