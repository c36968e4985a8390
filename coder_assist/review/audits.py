"""Audits: samples of submitted encounters that somebody else reads again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from coder_assist.errors import InputError, NotAllowed, NotFound, StateConflict
from coder_assist.review import audit_log
from coder_assist.review.changing import Change, change, checked_text
from coder_assist.review.database import Database, now
from coder_assist.review.loading import code_of, encounter_row, submission_of
from coder_assist.review.records import (
    Actor,
    Audit,
    AuditFinding,
    AuditItem,
    NewAuditFinding,
    Sample,
    Submission,
)
from coder_assist.review.sampling import Case, draw, risk_of
from coder_assist.review.standing import CODING
from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    SampleKind,
)
from coder_assist.review.tables import (
    AuditFindingRow,
    AuditItemRow,
    AuditRow,
    DecisionRow,
    EncounterRow,
    SubmissionRow,
    SuggestionRow,
)
from coder_assist.types import Verdict, Via

MOST_ENCOUNTERS = 1000
LONGEST_TEXT = 10_000
_BEING_READ = (EncounterState.SUBMITTED, EncounterState.AUDITED)


class Audits:
    """Samples and findings. An auditor never audits what they submitted themselves."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def create(self, actor: Actor, sample: Sample) -> Audit:
        """Draw a sample of the submitted encounters that are in no unfinished audit.

        What the actor submitted is left out. Raises ``InputError`` if there is nothing to draw from.
        """
        if not 1 <= sample.size <= MOST_ENCOUNTERS:
            raise InputError(f"size must be 1 to {MOST_ENCOUNTERS}; got {sample.size}")
        if not 0 <= sample.seed < 2**63:
            raise InputError("seed must be an integer from 0 to 2^63-1")
        at = self._clock()
        try:
            with self._database.write() as session:
                drawn = draw(_cases(session, actor, sample), sample.kind, sample.size, sample.seed)
                if not drawn:
                    raise InputError("no submitted encounter fits the sample")
                audit = AuditRow(
                    kind=sample.kind,
                    size=sample.size,
                    seed=sample.seed,
                    filters={
                        "since": sample.since.isoformat() if sample.since is not None else None,
                        "until": sample.until.isoformat() if sample.until is not None else None,
                        "coder": sample.coder,
                    },
                    by=actor.id,
                    at=at,
                )
                session.add(audit)
                session.flush()
                for position, case in enumerate(drawn):
                    session.add(
                        AuditItemRow(
                            audit_id=audit.id,
                            encounter_id=case.encounter_id,
                            submission_id=case.submission,
                            position=position,
                        )
                    )
                session.flush()
                result = _audit(session, audit)
                audit_log.append(
                    session,
                    actor.id,
                    "audit.create",
                    f"audit/{audit.id}",
                    {
                        "kind": sample.kind.value,
                        "size": sample.size,
                        "seed": sample.seed,
                        "encounters": [case.encounter_id for case in drawn],
                    },
                )
                return result
        except IntegrityError:
            raise StateConflict("the sample", "partly taken by another audit", ("free",)) from None

    def all(self) -> tuple[Audit, ...]:
        """Return all audits, newest first."""
        with self._database.read() as session:
            rows = session.scalars(select(AuditRow).order_by(AuditRow.id.desc())).all()
            return tuple(_audit(session, row) for row in rows)

    def get(self, audit_id: int) -> Audit:
        """Return an audit. Raises ``NotFound``."""
        with self._database.read() as session:
            return _audit(session, _audit_row(session, audit_id))

    def find(self, actor: Actor, audit_id: int, encounter_id: str, finding: NewAuditFinding) -> AuditFinding:
        """Record what an auditor says of one code. Raises ``InputError`` for one that contradicts itself."""
        reason = finding.reason
        checked_text(reason, "reason", LONGEST_TEXT, empty=True)
        overturns = finding.verdict is AuditVerdict.OVERTURN
        if overturns and (finding.error is None or not reason.strip()):
            raise InputError("an overturn needs its error and a reason")
        if not overturns and (finding.error is not None or finding.correct is not None):
            raise InputError("error and correct belong to an overturn")
        if finding.correct == finding.code:
            raise InputError(f"{finding.code} cannot be the correction of itself")

        def act(step: Change, item: AuditItemRow) -> int:
            _not_by_its_coder(step, item)
            submitted = {final.code for final in _submission(step.session, item).codes}
            missed = finding.error is AuditError.MISSED
            if (finding.code in submitted) == missed:
                told = "is among" if missed else "is not among"
                raise InputError(f"{finding.code} {told} the submitted codes")
            earlier = _findings(step.session, item)
            if any(one.system is finding.code.system and one.code == finding.code.value for one in earlier):
                raise StateConflict(f"{finding.code}", "judged in this audit already", ("not judged",))
            row = AuditFindingRow(
                audit_id=audit_id,
                encounter_id=encounter_id,
                number=len(earlier) + 1,
                system=finding.code.system,
                code=finding.code.value,
                verdict=finding.verdict,
                correct_system=finding.correct.system if finding.correct is not None else None,
                correct_code=finding.correct.value if finding.correct is not None else None,
                error=finding.error,
                reason=reason,
                state=AuditFindingState.OPEN,
                by=actor.id,
                at=step.at,
            )
            step.session.add(row)
            step.details.update(
                code=finding.code.value,
                verdict=finding.verdict.value,
                error=finding.error.value if finding.error is not None else None,
            )
            return row.number

        return self._on_finding(
            actor, audit_id, encounter_id, "audit.finding", act, (EncounterState.SUBMITTED,)
        )

    def rebut(self, actor: Actor, audit_id: int, encounter_id: str, number: int, text: str) -> AuditFinding:
        """Record the coder's answer to an overturn of a finished reading."""
        checked_text(text, "rebuttal", LONGEST_TEXT)

        def act(step: Change, item: AuditItemRow) -> int:
            step.require_own()
            row = _finding_row(step.session, item, number)
            if row.state is not AuditFindingState.OPEN or row.verdict is not AuditVerdict.OVERTURN:
                raise StateConflict(
                    f"finding {number}", f"{row.state.value} ({row.verdict.value})", ("open (overturn)",)
                )
            row.state, row.rebuttal = AuditFindingState.REBUTTED, text
            row.rebutted_by, row.rebutted_at = actor.id, step.at
            return number

        return self._on_finding(actor, audit_id, encounter_id, "audit.rebut", act, (EncounterState.AUDITED,))

    def settle(
        self,
        actor: Actor,
        audit_id: int,
        encounter_id: str,
        number: int,
        verdict: AuditVerdict,
        reason: str,
    ) -> AuditFinding:
        """Record the final verdict on a finding."""
        checked_text(reason, "reason", LONGEST_TEXT)

        def act(step: Change, item: AuditItemRow) -> int:
            _not_by_its_coder(step, item)
            row = _finding_row(step.session, item, number)
            if row.state is AuditFindingState.FINAL:
                raise StateConflict(f"finding {number}", row.state.value, ("open", "rebutted"))
            if verdict is AuditVerdict.OVERTURN and row.verdict is AuditVerdict.AGREE:
                raise InputError("an agreement is not overturned by its final verdict")
            _settle(row, verdict, reason, actor, step.at)
            step.details.update(verdict=verdict.value)
            return number

        return self._on_finding(actor, audit_id, encounter_id, "audit.final", act, _BEING_READ)

    def finish(self, actor: Actor, audit_id: int, encounter_id: str) -> AuditItem:
        """Finish reading an encounter.

        Without an overturn it is accepted. With one it is audited, and the coder may rebut; finishing
        again settles what was not rebutted: it is returned if an overturn stands, else accepted. Raises
        ``StateConflict`` while a rebuttal has no final verdict.
        """

        def act(step: Change) -> dict[str, object]:
            item = _item(step.session, audit_id, encounter_id)
            _not_by_its_coder(step, item)
            rows = _findings(step.session, item)
            overturned = [row for row in rows if (row.final_verdict or row.verdict) is AuditVerdict.OVERTURN]
            step.details["overturned"] = [row.code for row in overturned]
            if step.row.state is EncounterState.SUBMITTED and any(
                row.state is AuditFindingState.OPEN for row in overturned
            ):
                step.become(EncounterState.AUDITED)
                return {}
            for row in rows:
                if row.state is AuditFindingState.REBUTTED:
                    raise StateConflict(f"finding {row.number}", row.state.value, ("final",))
                if row.state is AuditFindingState.OPEN:
                    _settle(row, row.verdict, row.reason, actor, step.at)
            outcome = EncounterState.RETURNED if overturned else EncounterState.ACCEPTED
            if step.row.state is EncounterState.SUBMITTED:
                step.become(EncounterState.AUDITED)
            step.become(outcome)
            item.finished_by, item.finished_at, item.outcome = actor.id, step.at, outcome.value
            return {}

        return change(
            self._database,
            actor,
            encounter_id,
            "audit.finish",
            act,
            lambda session, answer: _item_record(session, _item(session, audit_id, encounter_id)),
            at=self._clock(),
            states=_BEING_READ,
        )

    def _on_finding(
        self,
        actor: Actor,
        audit_id: int,
        encounter_id: str,
        action: str,
        act: Callable[[Change, AuditItemRow], int],
        states: tuple[EncounterState, ...],
    ) -> AuditFinding:
        def on_item(step: Change) -> dict[str, object]:
            item = _item(step.session, audit_id, encounter_id)
            if item.finished_at is not None:
                raise StateConflict(f"audit {audit_id} of {encounter_id!r}", "finished", ("not finished",))
            step.details["audit"] = audit_id
            number = act(step, item)
            step.session.flush()
            step.details["finding"] = number
            return {"number": number}

        return change(
            self._database,
            actor,
            encounter_id,
            action,
            on_item,
            lambda session, answer: _finding(
                _finding_row(session, _item(session, audit_id, encounter_id), answer["number"])
            ),
            at=self._clock(),
            states=states,
        )


def _cases(session: Session, actor: Actor, sample: Sample) -> list[Case]:
    """Return the newest submissions of encounters that are submitted and in no unfinished audit."""
    query = (
        select(EncounterRow, SubmissionRow)
        .join(SubmissionRow, SubmissionRow.encounter_id == EncounterRow.id)
        .where(
            EncounterRow.state == EncounterState.SUBMITTED,
            SubmissionRow.by != actor.id,
            ~exists().where(AuditItemRow.encounter_id == EncounterRow.id, AuditItemRow.finished_at.is_(None)),
        )
        .order_by(SubmissionRow.id)
        .with_for_update(of=EncounterRow)
    )
    newest = {encounter.id: (encounter, submission) for encounter, submission in session.execute(query)}
    cases = []
    for encounter, submission in newest.values():
        if sample.since is not None and submission.at < sample.since:
            continue
        if sample.until is not None and submission.at >= sample.until:
            continue
        if sample.coder is not None and submission.by != sample.coder:
            continue
        stratum = (submission.by, encounter.setting.value, encounter.specialty or "")
        risk = _risk(session, encounter.id) if sample.kind is SampleKind.RISK else 0.0
        cases.append(Case(encounter.id, submission.id, stratum, risk))
    return cases


def _risk(session: Session, encounter_id: str) -> float:
    rows = session.execute(
        select(DecisionRow, SuggestionRow.probability)
        .outerjoin(
            SuggestionRow,
            (SuggestionRow.run_id == DecisionRow.run_id) & (SuggestionRow.number == DecisionRow.suggestion),
        )
        .where(DecisionRow.encounter_id == encounter_id)
        .order_by(DecisionRow.id)
    ).all()
    undone = {decision.undoes for decision, _ in rows}
    stands = {
        (decision.subject_system, decision.subject_code): (decision, probability)
        for decision, probability in rows
        if decision.verdict is not Verdict.UNDO and decision.id not in undone
    }
    decided = list(stands.values())
    return risk_of(
        accepted=[p for d, p in decided if d.verdict is Verdict.ACCEPT and p is not None],
        bulk=sum(d.via is Via.BULK and d.verdict in CODING for d, _ in decided),
        replaced=sum(d.verdict is Verdict.REPLACE for d, _ in decided),
        added=sum(d.verdict is Verdict.ADD for d, _ in decided),
        overruled=[p for d, p in decided if d.verdict is Verdict.REJECT and p is not None],
    )


def _not_by_its_coder(step: Change, item: AuditItemRow) -> None:
    if _submission(step.session, item).by == step.actor.id:
        raise NotAllowed("nobody audits what they submitted themselves")


def _settle(row: AuditFindingRow, verdict: AuditVerdict, reason: str, actor: Actor, at: datetime) -> None:
    row.state, row.final_verdict, row.final_reason = AuditFindingState.FINAL, verdict, reason
    row.final_by, row.final_at = actor.id, at


def _audit_row(session: Session, audit_id: int) -> AuditRow:
    row = session.get(AuditRow, audit_id)
    if row is None:
        raise NotFound("audit", audit_id)
    return row


def _item(session: Session, audit_id: int, encounter_id: str) -> AuditItemRow:
    _audit_row(session, audit_id)
    row = session.get(AuditItemRow, (audit_id, encounter_id))
    if row is None:
        raise NotFound(f"encounter of audit {audit_id}", encounter_id)
    return row


def _submission(session: Session, item: AuditItemRow) -> Submission:
    return submission_of(session.get_one(SubmissionRow, item.submission_id))


def _findings(session: Session, item: AuditItemRow) -> Sequence[AuditFindingRow]:
    return session.scalars(
        select(AuditFindingRow)
        .where(AuditFindingRow.audit_id == item.audit_id, AuditFindingRow.encounter_id == item.encounter_id)
        .order_by(AuditFindingRow.number)
    ).all()


def _finding_row(session: Session, item: AuditItemRow, number: int) -> AuditFindingRow:
    for row in _findings(session, item):
        if row.number == number:
            return row
    raise NotFound(f"finding of encounter {item.encounter_id!r} in audit {item.audit_id}", number)


def _finding(row: AuditFindingRow) -> AuditFinding:
    code, correct = code_of(row.system, row.code), code_of(row.correct_system, row.correct_code)
    assert code is not None
    return AuditFinding(
        number=row.number,
        code=code,
        verdict=row.verdict,
        correct=correct,
        error=row.error,
        reason=row.reason,
        state=row.state,
        by=row.by,
        at=row.at,
        rebuttal=row.rebuttal,
        rebutted_by=row.rebutted_by,
        final_verdict=row.final_verdict,
        final_reason=row.final_reason,
        final_by=row.final_by,
    )


def _item_record(session: Session, item: AuditItemRow) -> AuditItem:
    return AuditItem(
        encounter_id=item.encounter_id,
        state=encounter_row(session, item.encounter_id).state,
        submission=_submission(session, item),
        findings=tuple(map(_finding, _findings(session, item))),
        finished_by=item.finished_by,
        finished_at=item.finished_at,
        outcome=EncounterState(item.outcome) if item.outcome is not None else None,
    )


def _audit(session: Session, row: AuditRow) -> Audit:
    items = session.scalars(
        select(AuditItemRow).where(AuditItemRow.audit_id == row.id).order_by(AuditItemRow.position)
    ).all()
    since, until = row.filters.get("since"), row.filters.get("until")
    sample = Sample(
        kind=row.kind,
        size=row.size,
        seed=row.seed,
        since=datetime.fromisoformat(since) if since else None,
        until=datetime.fromisoformat(until) if until else None,
        coder=row.filters.get("coder"),
    )
    return Audit(row.id, sample, row.by, row.at, tuple(_item_record(session, item) for item in items))
