"""The store: what the service asks of the review. Every method is one transaction with its audit event.

    store = Store(Database.open(settings))
    store.queue     runs computed ahead (``queue.py``)
    store.audits    samples and findings (``audits.py``)
    store.promotions    packs that were put to use (``promotions.py``)
    store.shadows       what a challenger would have shown (``shadows.py``)

Methods raise ``NotFound``, ``NotAllowed``, ``StateConflict`` and, where they take the version of the encounter
that the caller saw, ``VersionConflict``. ``key`` is an idempotency key: the same key of the same actor with
the same request gets the first answer and does nothing again; with another request it raises ``KeyReused``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from coder_assist.errors import Blocked, InputError, NotAllowed, NotFound, StateConflict
from coder_assist.review import audit_log, loading, worklist
from coder_assist.review.audits import Audits, codes_blind, still_veiled
from coder_assist.review.changing import Answer, Change, Result, change, checked_text, subject, touch
from coder_assist.review.database import Database, now
from coder_assist.review.deciding import write_decisions, write_undo
from coder_assist.review.importing import LONGEST_NOTE
from coder_assist.review.intake import rehearse, take_in, write_note_version
from coder_assist.review.loading import encounter_row, standing_of
from coder_assist.review.promotions import Promotions
from coder_assist.review.queue import RunQueue
from coder_assist.review.records import (
    Actor,
    Comment,
    Desk,
    Duplicate,
    EncounterSummary,
    FailedItem,
    FinalCode,
    ImportReport,
    Incoming,
    NewDecision,
    NoteChange,
    Outcome,
    Overview,
    Sort,
    WorklistFilter,
    WorklistPage,
)
from coder_assist.review.shadows import Shadows
from coder_assist.review.states import EncounterState, Role
from coder_assist.review.tables import (
    AuditEventRow,
    AuditItemRow,
    CodeOrderRow,
    CommentRow,
    DecisionRow,
    HoldRow,
    SubmissionRow,
    UserRow,
)
from coder_assist.review.worklist import UNFINISHED
from coder_assist.types import AuditEvent, Code, Finding, Severity

# Where codes are decided on. What is new or came back is put in review by the first decision.
AT_WORK = (EncounterState.NEW, EncounterState.IN_REVIEW, EncounterState.RETURNED)
LONGEST_TEXT = 10_000
LONGEST_TITLE = 200
STALE_RULE = "review-stale"
# It goes into the audit chain, where no free text may be.
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Store:
    """The review's data. Share one between threads; it keeps no state of its own."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self.database = database
        self._clock = clock
        self.queue = RunQueue(database, clock)
        self.audits = Audits(database, clock)
        self.promotions = Promotions(database, clock)
        self.shadows = Shadows(database, clock)

    # --- encounters come in -----------------------------------------------------------------------------

    def import_encounters(
        self, actor: Actor, items: Iterable[Incoming], dry_run: bool = False
    ) -> ImportReport:
        """Take in what ``importing.from_records``, ``from_jsonl``, ``from_text`` or ``from_fhir`` read.

        Encounters whose notes are there already are reported, not doubled; items with an ``error`` are
        listed; the others go in, each in a transaction of its own.
        """
        imported: list[str] = []
        duplicates: list[Duplicate] = []
        failed: list[FailedItem] = []
        dry: dict[str, str] = {}
        for item in items:
            if item.encounter is None:
                failed.append(FailedItem(item.index, item.id, item.error or "not readable"))
                continue
            if dry_run:
                problem = rehearse(self.database, item, item.encounter, dry)
            else:
                problem = take_in(self.database, actor, item, item.encounter, self._clock())
            if isinstance(problem, Duplicate):
                duplicates.append(problem)
            elif isinstance(problem, FailedItem):
                failed.append(problem)
            else:
                imported.append(item.encounter.id)
        return ImportReport(tuple(imported), tuple(duplicates), tuple(failed))

    def add_note_version(
        self,
        actor: Actor,
        encounter_id: str,
        note_id: str,
        text: str,
        title: str | None = None,
        key: str | None = None,
    ) -> NoteChange:
        """Add a new version of a note; decisions whose evidence still stands are carried over.

        The others are flagged stale, and a new run is due. A submitted encounter goes back into review.
        """
        checked_text(text, "text", LONGEST_NOTE)
        checked_text(title or "", "title", LONGEST_TITLE, empty=True)

        def act(step: Change) -> Answer:
            _not_in_audit(step)
            if step.row.state is EncounterState.SUBMITTED:
                step.become(EncounterState.IN_REVIEW)
            note, carried, stale = write_note_version(step, note_id, text, title)
            return {
                "note_version": note.version,
                "carried": carried,
                "stale": stale,
                "version": step.row.version + 1,
            }

        return self._change(
            actor,
            encounter_id,
            "note.version",
            act,
            lambda session, answer: NoteChange(
                note_id,
                answer["note_version"],
                tuple(answer["carried"]),
                tuple(answer["stale"]),
                answer["version"],
            ),
            states=(*UNFINISHED, EncounterState.SUBMITTED),
            key=key,
            request=[note_id, title, hashlib.sha256(text.encode()).hexdigest()],
        )

    # --- looking ----------------------------------------------------------------------------------------

    def worklist(
        self,
        filter: WorklistFilter | None = None,
        sort: Sort = Sort.AGE,
        cursor: str | None = None,
        limit: int = 50,
        reader: Actor | None = None,
    ) -> WorklistPage:
        """Return a page of the worklist. Raises ``InputError`` for a cursor that is none of this order.

        Of what the ``reader`` codes blind it does not count the codes.
        """
        with self.database.read() as session:
            page = worklist.page(session, filter or WorklistFilter(), sort, cursor, limit)
            blind = codes_blind(session, reader, [item.id for item in page.items])
            items = (
                replace(item, undecided=0, decided=0) if item.id in blind else item for item in page.items
            )
            return replace(page, items=tuple(items))

    def summary(self, encounter_id: str) -> EncounterSummary:
        """Return an encounter's row of the worklist."""
        with self.database.read() as session:
            return _summary(session, encounter_id)

    def desk(self, encounter_id: str, reader: Actor | None = None) -> Desk:
        """Return everything about an encounter, at one version; to a ``reader`` who codes it blind only the notes."""
        with self.database.read() as session:
            row = encounter_row(session, encounter_id)
            if codes_blind(session, reader, [encounter_id]):
                summary = replace(_summary(session, encounter_id), undecided=0, decided=0)
                encounter = loading.encounter_of(row, loading.notes_of(session, encounter_id))
                return Desk(summary, encounter, None, (), (), (), None, None, row.version, veiled=True)
            run = loading.latest_run(session, encounter_id)
            hold = loading.latest_hold(session, encounter_id)
            submission = loading.latest_submission(session, encounter_id)
            standing = standing_of(session, encounter_id)
            return Desk(
                summary=_summary(session, encounter_id),
                encounter=loading.encounter_of(row, loading.notes_of(session, encounter_id)),
                run=loading.run_of(run, row.notes_digest) if run is not None else None,
                decisions=standing.decisions,
                codes=standing.codes,
                comments=loading.comments_of(session, encounter_id),
                hold=loading.hold_of(hold) if hold is not None else None,
                submission=loading.submission_of(submission) if submission is not None else None,
                version=row.version,
            )

    def history(self, encounter_id: str, reader: Actor | None = None) -> tuple[AuditEvent, ...]:
        """Return the audit events of an encounter, oldest first; they name codes.

        Raises ``StateConflict`` to a ``reader`` who codes the encounter blind.
        """
        with self.database.read() as session:
            encounter_row(session, encounter_id)
            if codes_blind(session, reader, [encounter_id]):
                raise still_veiled(encounter_id)
            rows = session.scalars(
                select(AuditEventRow)
                .where(AuditEventRow.subject == subject(encounter_id))
                .order_by(AuditEventRow.sequence)
            )
            return tuple(
                AuditEvent(
                    row.sequence, row.at, row.actor, row.action, row.subject,
                    json.loads(row.details), row.previous_hash, row.hash,
                )
                for row in rows
            )  # fmt: skip

    def overview(self, since: datetime, until: datetime) -> Overview:
        """Return a lead's view: the present state, and throughput between two moments."""
        with self.database.read() as session:
            return worklist.overview(session, since, until, self._clock())

    # --- who works on what --------------------------------------------------------------------------------

    def assign(self, actor: Actor, encounter_id: str, to: str | None) -> EncounterSummary:
        """Give an encounter to a person or (``None``) back to the pile.

        Coders take what nobody has and give back their own; leads assign everything to everybody.
        """

        def act(step: Change) -> Answer:
            if step.actor.role is not Role.LEAD and to not in (None, step.actor.id):
                raise NotAllowed("only a lead assigns encounters to others")
            step.require_own()
            step.details["to"] = to
            if to is None:
                if step.row.state is not EncounterState.NEW:
                    step.become(EncounterState.NEW)
            else:
                _worker(step.session, to)
                if step.row.state is EncounterState.NEW:
                    step.become(EncounterState.IN_REVIEW)
            step.row.assigned_to = to
            return {}

        return self._change(
            actor, encounter_id, "encounter.assign", act, _summary_of(encounter_id), states=UNFINISHED
        )

    def claim_next(self, actor: Actor, filter: WorklistFilter | None = None) -> EncounterSummary | None:
        """Assign the next new encounter to the actor, urgent ones first, then the longest waiting.

        Of the filter setting, specialty and id are heeded. Two who claim at once get different ones.
        """
        free = replace(filter or WorklistFilter(), states=(EncounterState.NEW,), assigned="none")
        query = worklist.ordered(worklist.filtered(free), Sort.PRIORITY).limit(1)
        at = self._clock()
        with self.database.write() as session:
            row = session.scalars(query.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            step = Change(session, row, actor, at)
            step.begin()
            touch(session, row, at)
            session.flush()
            result = _summary(session, row.id)
            audit_log.append(
                session,
                actor.id,
                "encounter.claim",
                subject(row.id),
                {**step.details, "version": row.version},
            )
            return result

    # --- deciding -----------------------------------------------------------------------------------------

    def decide(
        self,
        actor: Actor,
        encounter_id: str,
        version: int,
        decisions: Sequence[NewDecision],
        key: str | None = None,
    ) -> Outcome:
        """Record decisions, all or none; they are one act for ``undo``.

        An encounter that nobody has becomes the actor's. Raises ``InputError`` for a decision that
        contradicts itself or the run.
        """

        def act(step: Change) -> Answer:
            step.begin()
            run = loading.latest_run(step.session, encounter_id)
            notes = loading.notes_of(step.session, encounter_id)
            standing = standing_of(step.session, encounter_id)
            rows = write_decisions(step.session, step.row, run, notes, standing, actor, decisions, step.at)
            return _decided(step, rows)

        return self._change(
            actor, encounter_id, "decide", act, _outcome_of(encounter_id),
            states=AT_WORK, version=version, key=key, request=[asdict(new) for new in decisions],
        )  # fmt: skip

    def undo(self, actor: Actor, encounter_id: str, version: int, key: str | None = None) -> Outcome:
        """Take the actor's last act back that is not undone yet, by new decisions.

        Raises ``NotFound`` where there is none.
        """

        def act(step: Change) -> Answer:
            step.begin()
            standing = standing_of(step.session, encounter_id)
            rows = write_undo(step.session, step.row, standing, actor, step.at)
            if not rows:
                raise NotFound("decision of yours to undo in encounter", encounter_id)
            return _decided(step, rows)

        return self._change(
            actor, encounter_id, "undo", act, _outcome_of(encounter_id),
            states=AT_WORK, version=version, key=key,
        )  # fmt: skip

    def order(
        self, actor: Actor, encounter_id: str, version: int, codes: Sequence[Code], key: str | None = None
    ) -> Outcome:
        """Put the standing codes in this order; those not named follow as they were.

        Raises ``InputError`` for a code that does not stand or is named twice.
        """
        written = [{"system": code.system.value, "code": code.value} for code in codes]

        def act(step: Change) -> Answer:
            step.begin()
            standing = {final.code for final in standing_of(step.session, encounter_id).codes}
            if len(set(codes)) < len(codes) or not standing.issuperset(codes):
                raise InputError(f"order must name standing codes, each once; {len(standing)} stand")
            step.session.add(
                CodeOrderRow(
                    encounter_id=encounter_id,
                    version=step.row.version + 1,
                    codes=written,
                    by=actor.id,
                    at=step.at,
                )
            )
            step.details["order"] = written
            return {"decisions": [], "version": step.row.version + 1}

        return self._change(
            actor, encounter_id, "order", act, _outcome_of(encounter_id),
            states=AT_WORK, version=version, key=key, request=written,
        )  # fmt: skip

    # --- waiting, finishing, talking ------------------------------------------------------------------------

    def hold(
        self,
        actor: Actor,
        encounter_id: str,
        version: int,
        query: str,
        finding: str | None = None,
        key: str | None = None,
    ) -> EncounterSummary:
        """Put an encounter on hold with a query to the provider; ``finding`` is the rule that asks."""
        checked_text(query, "query", LONGEST_TEXT)
        if finding is not None and not _RULE.fullmatch(finding):
            raise InputError("finding must be the id of a rule")

        def act(step: Change) -> Answer:
            step.begin()
            step.become(EncounterState.ON_HOLD)
            hold = HoldRow(encounter_id=encounter_id, query=query, finding=finding, by=actor.id, at=step.at)
            step.session.add(hold)
            step.session.flush()
            step.details.update(hold=hold.id, finding=finding)
            return {}

        return self._change(
            actor, encounter_id, "hold", act, _summary_of(encounter_id),
            states=AT_WORK, version=version, key=key, request=[query, finding],
        )  # fmt: skip

    def release(
        self,
        actor: Actor,
        encounter_id: str,
        version: int,
        answer: str | None = None,
        key: str | None = None,
    ) -> EncounterSummary:
        """Take an encounter off hold, with the provider's answer where there is one."""
        checked_text(answer or "", "answer", LONGEST_TEXT, empty=True)

        def act(step: Change) -> Answer:
            step.require_own()
            step.become(EncounterState.IN_REVIEW)
            hold = loading.open_hold(step.session, encounter_id)
            if hold is None:
                raise NotFound("open query of encounter", encounter_id)
            hold.released_by, hold.released_at, hold.answer = actor.id, step.at, answer
            step.details.update(hold=hold.id, answered=answer is not None)
            return {}

        return self._change(
            actor, encounter_id, "release", act, _summary_of(encounter_id),
            states=(EncounterState.ON_HOLD,), version=version, key=key, request=answer,
        )  # fmt: skip

    def submit(
        self,
        actor: Actor,
        encounter_id: str,
        version: int,
        blocking: Sequence[Finding] = (),
        key: str | None = None,
    ) -> EncounterSummary:
        """Finish an encounter; its codes are kept as they stand.

        Raises ``Blocked`` with the ``blocking`` findings of the caller, and with one for codes whose
        evidence a new version of a note took away.
        """

        def act(step: Change) -> Answer:
            step.begin()
            codes = standing_of(step.session, encounter_id).codes
            findings = (*blocking, *_stale_finding(codes))
            if findings:
                raise Blocked(encounter_id, findings)
            step.become(EncounterState.SUBMITTED)
            step.session.add(
                SubmissionRow(
                    encounter_id=encounter_id,
                    version=step.row.version + 1,
                    codes=loading.codes_record(codes),
                    by=actor.id,
                    at=step.at,
                )
            )
            step.details["codes"] = [final.code.value for final in codes]
            return {}

        return self._change(
            actor, encounter_id, "submit", act, _summary_of(encounter_id),
            states=AT_WORK, version=version, key=key,
        )  # fmt: skip

    def reopen(self, actor: Actor, encounter_id: str) -> EncounterSummary:
        """Take a submitted (before an audit began) or a returned encounter into review again."""

        def act(step: Change) -> Answer:
            step.require_own()
            _not_in_audit(step)
            step.become(EncounterState.IN_REVIEW)
            return {}

        return self._change(
            actor, encounter_id, "reopen", act, _summary_of(encounter_id),
            states=(EncounterState.SUBMITTED, EncounterState.RETURNED),
        )  # fmt: skip

    def comment(self, actor: Actor, encounter_id: str, text: str, key: str | None = None) -> Comment:
        """Add a remark."""
        checked_text(text, "comment", LONGEST_TEXT)

        def act(step: Change) -> Answer:
            row = CommentRow(encounter_id=encounter_id, text=text, by=actor.id, at=step.at)
            step.session.add(row)
            step.session.flush()
            step.details["comment"] = row.id
            return {"id": row.id}

        def read(session: Session, answer: Mapping[str, Any]) -> Comment:
            return next(c for c in loading.comments_of(session, encounter_id) if c.id == answer["id"])

        return self._change(actor, encounter_id, "comment", act, read, key=key, request=text)

    def _change(
        self,
        actor: Actor,
        encounter_id: str,
        action: str,
        act: Callable[[Change], Answer],
        read: Callable[[Session, Mapping[str, Any]], Result],
        **options: Any,
    ) -> Result:
        return change(self.database, actor, encounter_id, action, act, read, at=self._clock(), **options)


def _summary(session: Session, encounter_id: str) -> EncounterSummary:
    return loading.summaries_of(session, [encounter_row(session, encounter_id)])[0]


def _summary_of(encounter_id: str) -> Callable[[Session, Mapping[str, Any]], EncounterSummary]:
    return lambda session, answer: _summary(session, encounter_id)


def _outcome_of(encounter_id: str) -> Callable[[Session, Mapping[str, Any]], Outcome]:
    def read(session: Session, answer: Mapping[str, Any]) -> Outcome:
        standing = standing_of(session, encounter_id)
        decided = tuple(d for d in standing.decisions if d.id in answer["decisions"])
        return Outcome(decided, standing.codes, answer["version"])

    return read


def _decided(step: Change, rows: Sequence[DecisionRow]) -> Answer:
    """Return the answer of new decisions, and say in the audit event what they were, without free text."""
    step.details["decisions"] = [
        {
            "id": row.id,
            "verdict": row.verdict.value,
            "system": row.system.value,
            "code": row.code,
            "replaces": row.replaces_code,
            "undoes": row.undoes,
            "via": row.via.value,
        }
        for row in rows
    ]
    return {"decisions": [row.id for row in rows], "version": step.row.version + 1}


def _worker(session: Session, user_id: str) -> None:
    user = session.get(UserRow, user_id)
    if user is None:
        raise NotFound("user", user_id)
    if not user.active or user.role not in (Role.CODER, Role.LEAD):
        raise InputError(f"encounters go to active coders and leads; got user {user_id!r}")


def _not_in_audit(step: Change) -> None:
    audit = step.session.scalars(
        select(AuditItemRow.audit_id).where(
            AuditItemRow.encounter_id == step.row.id, AuditItemRow.finished_at.is_(None)
        )
    ).first()
    if audit is not None:
        raise StateConflict(
            f"encounter {step.row.id!r}", f"being audited (audit {audit})", ("not in an audit",)
        )


def _stale_finding(codes: Sequence[FinalCode]) -> tuple[Finding, ...]:
    stale = tuple(final.code for final in codes if final.stale)
    if not stale:
        return ()
    message = "the evidence of these decisions is not in the present version of the notes; decide again"
    return (Finding(STALE_RULE, Severity.ERROR, stale, message, "review: decisions rest on evidence"),)
