"""Audits: samples of submitted encounters that somebody else reads again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from coder_assist.errors import InputError, NotAllowed, NotFound, StateConflict
from coder_assist.review import audit_log
from coder_assist.review.changing import Change, Result, change, checked_text
from coder_assist.review.database import Database, now
from coder_assist.review.loading import code_of, encounter_row, submission_of
from coder_assist.review.population import cases_for
from coder_assist.review.records import (
    Actor,
    Audit,
    AuditFinding,
    AuditItem,
    NewAuditFinding,
    Sample,
    SamplePlan,
    SecondCoding,
    Submission,
)
from coder_assist.review.sampling import draw, inclusion, size_for
from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    Role,
)
from coder_assist.review.tables import (
    AuditFindingRow,
    AuditItemRow,
    AuditRow,
    SecondCodingRow,
    SubmissionRow,
)
from coder_assist.types import Code, System

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
        _checked(sample)
        at = self._clock()
        try:
            with self._database.write() as session:
                cases = cases_for(session, actor, sample, lock=True)
                drawn = draw(cases, sample.kind, sample.size, sample.seed)
                chances = inclusion(cases, sample.kind, sample.size)
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
                        "blinded": sample.blinded,
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
                            inclusion=chances[case.encounter_id],
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
                        "blinded": sample.blinded,
                        "encounters": [case.encounter_id for case in drawn],
                    },
                )
                return result
        except IntegrityError:
            raise StateConflict("the sample", "partly taken by another audit", ("free",)) from None

    def plan(self, actor: Actor, sample: Sample) -> SamplePlan:
        """Return what ``create`` would draw now, without making an audit."""
        _checked(sample)
        with self._database.read() as session:
            cases = cases_for(session, actor, sample)
        chances = inclusion(cases, sample.kind, sample.size)
        drawn = draw(cases, sample.kind, sample.size, sample.seed)
        return SamplePlan(
            sample,
            len(cases),
            Counter(case.stratum for case in cases),
            {case.encounter_id: chances[case.encounter_id] for case in drawn},
        )

    def size_for(self, actor: Actor, sample: Sample, margin: float, expected: float = 0.95) -> int:
        """Return the size with which the sample's figures have a margin of error over its population."""
        with self._database.read() as session:
            return size_for(cases_for(session, actor, sample), sample.kind, margin, expected)

    def all(self, reader: Actor | None = None) -> tuple[Audit, ...]:
        """Return all audits, newest first; without what earlier ones say of what the ``reader`` codes blind."""
        with self._database.read() as session:
            rows = session.scalars(select(AuditRow).order_by(AuditRow.id.desc())).all()
            return tuple(_seen_by(session, reader, _audit(session, row)) for row in rows)

    def get(self, audit_id: int, reader: Actor | None = None) -> Audit:
        """Return an audit, to a ``reader`` as ``all`` does. Raises ``NotFound``."""
        with self._database.read() as session:
            return _seen_by(session, reader, _audit(session, _audit_row(session, audit_id)))

    def second_code(
        self, actor: Actor, audit_id: int, encounter_id: str, codes: Sequence[Code]
    ) -> SecondCoding:
        """Record what a second reader coded from the notes alone, first-listed first; then the veil is lifted.

        An empty coding says that the notes support no code. Raises ``InputError`` for a code that comes twice,
        ``StateConflict`` where the audit is not blinded or the coding is there already: nobody codes blind what
        they have seen.
        """
        if len(set(codes)) < len(codes):
            raise InputError("a second coding names each code once")

        def act(step: Change, item: AuditItemRow) -> dict[str, object]:
            _not_by_its_coder(step, item)
            if not _veiled(step.session, item):
                raise StateConflict(f"audit {audit_id} of {encounter_id!r}", "open to see", ("blinded",))
            step.session.add(
                SecondCodingRow(
                    audit_id=audit_id,
                    encounter_id=encounter_id,
                    codes=[{"system": code.system.value, "code": code.value} for code in codes],
                    by=actor.id,
                    at=step.at,
                )
            )
            return {"codes": len(codes)}

        def second(session: Session, answer: object) -> SecondCoding:
            found = _second(session, _item(session, audit_id, encounter_id))
            assert found is not None
            return found

        return self._on_item(
            actor, audit_id, encounter_id, "audit.second", act, second, (EncounterState.SUBMITTED,)
        )

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
            _require_unveiled(step.session, item)
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
            _require_unveiled(step.session, item)
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
        return self._on_item(
            actor,
            audit_id,
            encounter_id,
            action,
            lambda step, item: {"finding": act(step, item)},
            lambda session, answer: _finding(
                _finding_row(session, _item(session, audit_id, encounter_id), answer["finding"])
            ),
            states,
        )

    def _on_item(
        self,
        actor: Actor,
        audit_id: int,
        encounter_id: str,
        action: str,
        act: Callable[[Change, AuditItemRow], dict[str, object]],
        read: Callable[[Session, Mapping[str, Any]], Result],
        states: tuple[EncounterState, ...],
    ) -> Result:
        """Change an item that is not finished; what ``act`` answers goes into the audit event."""

        def on_item(step: Change) -> dict[str, object]:
            item = _item(step.session, audit_id, encounter_id)
            if item.finished_at is not None:
                raise StateConflict(f"audit {audit_id} of {encounter_id!r}", "finished", ("not finished",))
            answer = act(step, item)
            step.details.update(audit=audit_id, **answer)
            return answer

        return change(
            self._database, actor, encounter_id, action, on_item, read, at=self._clock(), states=states
        )


def codes_blind(session: Session, reader: Actor | None, encounter_ids: Iterable[str]) -> frozenset[str]:
    """Return which of these encounters the reader, if an auditor, is to code blind."""
    if reader is None or reader.role is not Role.AUDITOR:
        return frozenset()
    rows = session.execute(
        select(AuditItemRow.encounter_id, AuditRow.filters)
        .join(AuditRow, AuditRow.id == AuditItemRow.audit_id)
        .outerjoin(
            SecondCodingRow,
            (SecondCodingRow.audit_id == AuditItemRow.audit_id)
            & (SecondCodingRow.encounter_id == AuditItemRow.encounter_id),
        )
        .where(
            AuditItemRow.encounter_id.in_(encounter_ids),
            AuditItemRow.finished_at.is_(None),
            SecondCodingRow.id.is_(None),
        )
    )
    return frozenset(id for id, filters in rows if filters.get("blinded", False))


def still_veiled(encounter_id: str) -> StateConflict:
    """Return what whoever codes an encounter blind gets instead of its codes."""
    return StateConflict(f"encounter {encounter_id!r}", "blinded", ("coded a second time first",))


def _seen_by(session: Session, reader: Actor | None, audit: Audit) -> Audit:
    blind = codes_blind(session, reader, [item.encounter_id for item in audit.items])
    return replace(
        audit,
        items=tuple(
            replace(
                item, submission=replace(item.submission, codes=()), findings=(), second=None, veiled=True
            )
            if item.encounter_id in blind
            else item
            for item in audit.items
        ),
    )


def _checked(sample: Sample) -> None:
    if not 1 <= sample.size <= MOST_ENCOUNTERS:
        raise InputError(f"size must be 1 to {MOST_ENCOUNTERS}; got {sample.size}")
    if not 0 <= sample.seed < 2**63:
        raise InputError("seed must be an integer from 0 to 2^63-1")


def _not_by_its_coder(step: Change, item: AuditItemRow) -> None:
    if _submission(step.session, item).by == step.actor.id:
        raise NotAllowed("nobody audits what they submitted themselves")


def _blinded(session: Session, item: AuditItemRow) -> bool:
    return bool(_audit_row(session, item.audit_id).filters.get("blinded", False))


def _veiled(session: Session, item: AuditItemRow) -> bool:
    return _blinded(session, item) and _second(session, item) is None


def _require_unveiled(session: Session, item: AuditItemRow) -> None:
    if _veiled(session, item):
        raise StateConflict(
            f"audit {item.audit_id} of {item.encounter_id!r}", "blinded", ("coded a second time first",)
        )


def _second(session: Session, item: AuditItemRow) -> SecondCoding | None:
    row = session.scalars(
        select(SecondCodingRow).where(
            SecondCodingRow.audit_id == item.audit_id, SecondCodingRow.encounter_id == item.encounter_id
        )
    ).one_or_none()
    if row is None:
        return None
    return SecondCoding(
        tuple(Code(System(code["system"]), code["code"]) for code in row.codes), row.by, row.at
    )


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
    submission, second = _submission(session, item), _second(session, item)
    veiled = second is None and _blinded(session, item)
    return AuditItem(
        encounter_id=item.encounter_id,
        state=encounter_row(session, item.encounter_id).state,
        submission=replace(submission, codes=()) if veiled else submission,
        findings=tuple(map(_finding, _findings(session, item))),
        finished_by=item.finished_by,
        finished_at=item.finished_at,
        outcome=EncounterState(item.outcome) if item.outcome is not None else None,
        inclusion=item.inclusion,
        second=second,
        veiled=veiled,
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
        blinded=row.filters.get("blinded", False),
    )
    return Audit(row.id, sample, row.by, row.at, tuple(_item_record(session, item) for item in items))
