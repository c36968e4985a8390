"""Runs computed ahead: a queue in the database that any number of processes may work on.

A run is first an item of the queue. A worker claims it for a while (``LEASE``); if the worker dies, the claim
runs out and another one takes it. Two workers never take the same: PostgreSQL skips rows that are locked,
SQLite has one writer at a time.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from coder_assist.errors import NotFound, StateConflict
from coder_assist.review import audit_log
from coder_assist.review.changing import subject, touch
from coder_assist.review.database import Database, now
from coder_assist.review.loading import encounter_of, encounter_row, notes_of, run_of
from coder_assist.review.records import SERVICE, StoredRun
from coder_assist.review.states import RunState
from coder_assist.review.tables import EncounterRow, NoteRow, RunRow, SuggestionRow
from coder_assist.review.worklist import UNFINISHED
from coder_assist.suggest.wire import run_record
from coder_assist.types import Encounter, Run

logger = logging.getLogger("coder_assist.review")

LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 3
# Somebody waits for a run that was asked for by hand; those computed ahead come after it.
ASKED, AHEAD = 1, 0


class RunQueue:
    """The runs that are wanted. There is one run for each set of note versions and pack."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def want(self, encounter_id: str, pack: str, priority: int = ASKED) -> StoredRun:
        """Ask for a run of the notes as they stand; the one that is there, or being made, is given back.

        A failed one is tried again. Raises ``NotFound``.
        """
        with self._database.write() as session:
            # Under the encounter's lock nobody else adds the same run, or a note, meanwhile.
            encounter = encounter_row(session, encounter_id, lock=True)
            row = session.scalars(
                select(RunRow)
                .where(
                    RunRow.encounter_id == encounter_id,
                    RunRow.notes_digest == encounter.notes_digest,
                    RunRow.pack == pack,
                )
                .with_for_update()
            ).one_or_none()
            if row is None:
                row = self._add(session, encounter, pack, priority)
            elif row.state is RunState.FAILED:
                row.state, row.attempts, row.finished_at = RunState.QUEUED, 0, None
                row.error, row.priority = None, priority
            elif row.state is RunState.QUEUED:
                row.priority = max(row.priority, priority)
            session.flush()
            return run_of(row, encounter.notes_digest)

    def want_missing(self, pack: str, limit: int = 500) -> int:
        """Ask for runs of encounters not yet submitted whose notes this pack has not read; return how many."""
        unread = (
            select(EncounterRow)
            .where(
                EncounterRow.state.in_(UNFINISHED),
                ~exists().where(
                    RunRow.encounter_id == EncounterRow.id,
                    RunRow.notes_digest == EncounterRow.notes_digest,
                    RunRow.pack == pack,
                ),
            )
            .order_by(EncounterRow.priority.desc(), EncounterRow.waiting_since, EncounterRow.id)
            .limit(limit)
        )
        # A look costs nothing; the lock for writing is taken only where there is something to write.
        with self._database.read() as session:
            if session.scalars(unread.limit(1)).first() is None:
                return 0
        with self._database.write() as session:
            rows = session.scalars(unread.with_for_update(skip_locked=True)).all()
            for encounter in rows:
                self._add(session, encounter, pack, AHEAD)
            return len(rows)

    def _add(self, session: Session, encounter: EncounterRow, pack: str, priority: int) -> RunRow:
        row = RunRow(
            encounter_id=encounter.id,
            notes_digest=encounter.notes_digest,
            note_versions={note.note_id: note.version for note in notes_of(session, encounter.id)},
            pack=pack,
            state=RunState.QUEUED,
            priority=priority,
            queued_at=self._clock(),
        )
        session.add(row)
        return row

    def claim(self, worker: str, pack: str) -> tuple[StoredRun, Encounter] | None:
        """Take the next run of the queue, for ``LEASE``; ``None`` where nothing is to do."""
        at = self._clock()
        due = (
            select(RunRow)
            .where(
                RunRow.pack == pack,
                or_(
                    RunRow.state == RunState.QUEUED,
                    and_(RunRow.state == RunState.RUNNING, RunRow.claimed_until < at),
                ),
            )
            .order_by(RunRow.priority.desc(), RunRow.id)
            .limit(1)
        )
        with self._database.read() as session:
            if session.scalars(due).first() is None:
                return None
        with self._database.write() as session:
            while (row := session.scalars(due.with_for_update(skip_locked=True)).first()) is not None:
                if row.attempts >= MOST_ATTEMPTS:
                    # Its workers died over it again and again; the next one shall not.
                    _give_up(row, "abandoned", at)
                    session.flush()
                    continue
                row.state, row.claimed_by, row.claimed_until = RunState.RUNNING, worker, at + LEASE
                row.attempts += 1
                session.flush()
                encounter = encounter_row(session, row.encounter_id)
                return run_of(row, encounter.notes_digest), as_read(session, encounter, row)
        return None

    def finish(self, run_id: int, worker: str, run: Run) -> StoredRun:
        """Store a claimed run's answer. Raises ``StateConflict`` if the claim has passed to another worker.

        The encounter gets a new version, for decisions name suggestions by their place in the latest run.
        """
        written = record_bytes(run)
        at = self._clock()
        encounter_id = self.run(run_id).encounter_id
        with self._database.write() as session:
            encounter = encounter_row(session, encounter_id, lock=True)
            row = _claimed(session, run_id, worker)
            row.state, row.claimed_by, row.claimed_until = RunState.DONE, None, None
            row.finished_at, row.error, row.record = at, None, written
            row.record_hash = sha256(written).hexdigest()
            row.code_books, row.lexicon = dict(run.code_books), run.lexicon
            row.rules, row.software = run.rules, run.software
            for number, suggestion in enumerate(run.suggestions):
                session.add(
                    SuggestionRow(
                        run_id=run_id,
                        number=number,
                        system=suggestion.code.system,
                        code=suggestion.code.value,
                        title=suggestion.title,
                        probability=float(suggestion.probability),
                        selected=suggestion.selected,
                        sequence=suggestion.sequence,
                    )
                )
            touch(session, encounter, at)
            session.flush()
            done = run_of(row, encounter.notes_digest)
            audit_log.append(
                session,
                SERVICE,
                "run.done",
                subject(encounter_id),
                {"run": run_id, "pack": row.pack, "record": row.record_hash, "version": encounter.version},
            )
            return done

    def fail(self, run_id: int, worker: str, error: str) -> StoredRun:
        """Give a claimed run back: to be tried again, or as failed after ``MOST_ATTEMPTS``.

        ``error`` is an exception's type, never its message.
        """
        with self._database.write() as session:
            row = _claimed(session, run_id, worker)
            if row.attempts >= MOST_ATTEMPTS:
                _give_up(row, error, self._clock())
            else:
                row.state, row.claimed_by, row.claimed_until = RunState.QUEUED, None, None
                row.error = error
            session.flush()
            return run_of(row, encounter_row(session, row.encounter_id).notes_digest)

    def run(self, run_id: int) -> StoredRun:
        """Return a run. Raises ``NotFound``."""
        with self._database.read() as session:
            row = session.get(RunRow, run_id)
            if row is None:
                raise NotFound("run", run_id)
            return run_of(row, encounter_row(session, row.encounter_id).notes_digest)


def record_bytes(run: Run) -> bytes:
    """Return the bytes that a run is kept in; the same run gives the same bytes."""
    record = {**run_record(run), "note_versions": dict(run.note_versions), "rules": run.rules}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _claimed(session: Session, run_id: int, worker: str) -> RunRow:
    row = session.scalars(select(RunRow).where(RunRow.id == run_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("run", run_id)
    if row.state is not RunState.RUNNING or row.claimed_by != worker:
        raise StateConflict(f"run {run_id}", row.state.value, (f"running by {worker}",))
    return row


def _give_up(row: RunRow, error: str, at: datetime) -> None:
    row.state, row.claimed_by, row.claimed_until = RunState.FAILED, None, None
    row.finished_at, row.error = at, error


def as_read(session: Session, encounter: EncounterRow, run: RunRow) -> Encounter:
    """Return the encounter with the note versions that the run is for, be there newer ones or not."""
    rows = session.scalars(
        select(NoteRow).where(NoteRow.encounter_id == encounter.id).order_by(NoteRow.position)
    )
    return encounter_of(encounter, [row for row in rows if run.note_versions.get(row.note_id) == row.version])


def work_once(queue: RunQueue, worker: str, pack: str, suggest: Callable[[Encounter], Run]) -> bool:
    """Make one run of the queue, if there is one; say whether there was."""
    claimed = queue.claim(worker, pack)
    if claimed is None:
        return False
    run, encounter = claimed
    try:
        try:
            suggested = suggest(encounter)
        except Exception as error:
            # The message may quote the note; its type and the run's number are enough to find it again.
            logger.error("run %d failed: %s", run.id, type(error).__name__)
            queue.fail(run.id, worker, type(error).__name__)
        else:
            queue.finish(run.id, worker, suggested)
    except StateConflict:
        logger.warning("run %d took longer than its lease and was given to another worker", run.id)
    return True


def work(
    queue: RunQueue,
    worker: str,
    pack: str,
    suggest: Callable[[Encounter], Run],
    stop: threading.Event,
    idle_seconds: float = 1.0,
) -> None:
    """Make the runs that are missing, one after another, until ``stop`` is set.

    ``worker`` must be another for each thread and process. A database that is away for a while is waited for.
    """
    while not stop.is_set():
        try:
            while work_once(queue, worker, pack, suggest) and not stop.is_set():
                pass
            added = queue.want_missing(pack)
        except Exception as error:
            logger.error("the queue cannot be reached: %s", type(error).__name__)
            added = 0
        if not added:
            stop.wait(idle_seconds)
