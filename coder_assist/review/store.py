"""The store: what the service asks of the review. Every method is one transaction with its audit event.

    store = Store(Database.open(settings))
    store.queue     runs computed ahead (``queue.py``)
    store.audits    samples and findings (``audits.py``)

Methods raise ``NotFound``, ``NotAllowed``, ``StateConflict`` and, where they take the version of the encounter
that the caller saw, ``VersionConflict``. ``key`` is an idempotency key: the same key of the same actor with
the same request gets the first answer and does nothing again; with another request it raises ``KeyReused``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from coder_assist.review.audits import Audits
from coder_assist.review.database import Database, now
from coder_assist.review.queue import RunQueue
from coder_assist.review.records import (
    Actor,
    Comment,
    Desk,
    EncounterSummary,
    ImportReport,
    Incoming,
    NewDecision,
    NoteChange,
    Outcome,
    Overview,
    Promotion,
    Sort,
    WorklistFilter,
    WorklistPage,
)
from coder_assist.types import AuditEvent, Code, Finding


class Store:
    """The review's data. Share one between threads; it keeps no state of its own."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self.database = database
        self._clock = clock
        self.queue = RunQueue(database, clock)
        self.audits = Audits(database, clock)

    def import_encounters(
        self, actor: Actor, items: Iterable[Incoming], dry_run: bool = False
    ) -> ImportReport:
        """Take in what ``importing.from_records``, ``from_jsonl``, ``from_text`` or ``from_fhir`` read.

        Encounters whose notes are there already are reported, not doubled; items with an ``error`` are
        listed; the others go in.
        """
        raise NotImplementedError

    def worklist(
        self,
        filter: WorklistFilter | None = None,
        sort: Sort = Sort.AGE,
        cursor: str | None = None,
        limit: int = 50,
    ) -> WorklistPage:
        """Return a page of the worklist. Raises ``InputError`` for a cursor that is none of this order."""
        raise NotImplementedError

    def summary(self, encounter_id: str) -> EncounterSummary:
        """Return an encounter's row of the worklist."""
        raise NotImplementedError

    def desk(self, encounter_id: str) -> Desk:
        """Return everything about an encounter, at one version."""
        raise NotImplementedError

    def assign(self, actor: Actor, encounter_id: str, to: str | None) -> EncounterSummary:
        """Give an encounter to a person or (``None``) back to the pile."""
        raise NotImplementedError

    def claim_next(self, actor: Actor, filter: WorklistFilter | None = None) -> EncounterSummary | None:
        """Assign the next new encounter to the actor, urgent ones first, then the longest waiting."""
        raise NotImplementedError

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
        raise NotImplementedError

    def undo(self, actor: Actor, encounter_id: str, version: int, key: str | None = None) -> Outcome:
        """Take the actor's last act back that is not undone yet, by new decisions."""
        raise NotImplementedError

    def order(
        self,
        actor: Actor,
        encounter_id: str,
        version: int,
        codes: Sequence[Code],
        key: str | None = None,
    ) -> Outcome:
        """Put the standing codes in this order; those not named follow as they were."""
        raise NotImplementedError

    def hold(
        self,
        actor: Actor,
        encounter_id: str,
        version: int,
        query: str,
        finding: str | None = None,
        key: str | None = None,
    ) -> EncounterSummary:
        """Put an encounter on hold with a query to the provider."""
        raise NotImplementedError

    def release(
        self,
        actor: Actor,
        encounter_id: str,
        version: int,
        answer: str | None = None,
        key: str | None = None,
    ) -> EncounterSummary:
        """Take an encounter off hold, with the provider's answer where there is one."""
        raise NotImplementedError

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
        raise NotImplementedError

    def reopen(self, actor: Actor, encounter_id: str) -> EncounterSummary:
        """Take a submitted (before an audit began) or a returned encounter into review again."""
        raise NotImplementedError

    def comment(self, actor: Actor, encounter_id: str, text: str, key: str | None = None) -> Comment:
        """Add a remark."""
        raise NotImplementedError

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

        The others are flagged stale, and a new run is due.
        """
        raise NotImplementedError

    def history(self, encounter_id: str) -> tuple[AuditEvent, ...]:
        """Return the audit events of an encounter, oldest first."""
        raise NotImplementedError

    def overview(self, since: datetime, until: datetime) -> Overview:
        """Return a lead's view: the present state, and throughput between two moments."""
        raise NotImplementedError

    def promote(self, actor: Actor, pack: str, metrics: Mapping[str, object], reason: str = "") -> Promotion:
        """Record that a model pack was put to use."""
        raise NotImplementedError

    def promotions(self) -> tuple[Promotion, ...]:
        """Return the packs that were put to use, newest first."""
        raise NotImplementedError
