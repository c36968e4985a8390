"""One change of one encounter: locked, checked, counted, written to the audit chain, and done once.

Everything that people do to an encounter goes through ``change``, so no operation can forget a part of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from coder_assist.errors import InputError, KeyReused, NotAllowed, StateConflict, VersionConflict
from coder_assist.review import audit_log
from coder_assist.review.database import Database
from coder_assist.review.loading import encounter_row, standing_of
from coder_assist.review.records import Actor
from coder_assist.review.states import EncounterState, Role, may_become
from coder_assist.review.tables import EncounterRow, IdempotencyKeyRow

# What an operation answers, as JSON: enough to give the same answer to the same key again.
Answer = dict[str, Any]
Result = TypeVar("Result")

LONGEST_KEY = 200
# PostgreSQL stores no NUL, and UTF-8 no half of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def checked_text(value: str, what: str, longest: int, empty: bool = False) -> str:
    """Return a text that can be stored. Raises ``InputError``, which does not repeat it."""
    if not (value.strip() or empty) or len(value) > longest:
        raise InputError(f"{what} must have 1 to {longest} characters; got {len(value)}")
    if _UNSTORABLE.search(value):
        raise InputError(f"{what} must be Unicode text without NUL characters")
    return value


@dataclass(slots=True)
class Change:
    """A change that is under way: the locked row, who makes it, and what the audit event will say."""

    session: Session
    row: EncounterRow
    actor: Actor
    at: datetime
    details: dict[str, object] = field(default_factory=dict)

    def become(self, state: EncounterState) -> None:
        """Take a step of the state machine. Raises ``StateConflict`` if there is no such step."""
        if not may_become(self.row.state, state):
            allowed = tuple(s.value for s in EncounterState if may_become(s, state))
            raise StateConflict(f"encounter {self.row.id!r}", self.row.state.value, allowed)
        self.details["state"] = [self.row.state.value, state.value]
        self.row.state = state

    def begin(self) -> None:
        """See that the actor may work on the encounter, and put it in review if it is not.

        A new encounter becomes the actor's. Raises ``NotAllowed`` for another coder's encounter.
        """
        self.require_own()
        if self.row.state is EncounterState.NEW:
            self.row.assigned_to = self.actor.id
            self.details["assigned_to"] = self.actor.id
        if self.row.state in (EncounterState.NEW, EncounterState.RETURNED):
            self.become(EncounterState.IN_REVIEW)

    def require_own(self) -> None:
        """See that the encounter is the actor's or nobody's; a lead may work on everybody's."""
        if self.actor.role is Role.LEAD:
            return
        if self.actor.role is not Role.CODER or self.row.assigned_to not in (None, self.actor.id):
            raise NotAllowed(f"encounter {self.row.id!r} is not yours; ask a lead to assign it to you")


def change(
    database: Database,
    actor: Actor,
    encounter_id: str,
    action: str,
    act: Callable[[Change], Answer],
    read: Callable[[Session, Mapping[str, Any]], Result],
    *,
    at: datetime,
    states: tuple[EncounterState, ...] | None = None,
    version: int | None = None,
    key: str | None = None,
    request: object = None,
) -> Result:
    """Let ``act`` change an encounter, and return what ``read`` makes of its answer.

    ``states`` are those in which this may be done. With a ``key`` that came before, nothing is done and
    ``read`` gets the first answer.
    """
    if key is not None:
        checked_text(key, "idempotency key", LONGEST_KEY)
    fingerprint = _fingerprint(action, encounter_id, version, request)
    try:
        with database.write() as session:
            row = encounter_row(session, encounter_id, lock=True)
            # Looked up under the encounter's lock: of two equal requests at once the second waits for it.
            if (earlier := _earlier_answer(session, actor, key, fingerprint)) is not None:
                return read(session, earlier)
            if version is not None and version != row.version:
                since = standing_of(session, encounter_id).since(version)
                raise VersionConflict(encounter_id, version, row.version, since)
            if states is not None and row.state not in states:
                expected = tuple(state.value for state in states)
                raise StateConflict(f"encounter {encounter_id!r}", row.state.value, expected)
            step = Change(session, row, actor, at)
            answer = act(step)
            touch(session, row, at)
            if key is not None:
                session.add(
                    IdempotencyKeyRow(actor=actor.id, key=key, request_hash=fingerprint, answer=answer, at=at)
                )
            session.flush()
            result = read(session, answer)
            # Last, for the chain has one head: whoever holds it must not wait for anything else.
            audit_log.append(
                session, actor.id, action, subject(encounter_id), {**step.details, "version": row.version}
            )
            return result
    except IntegrityError as error:
        if key is not None and "idempotency_keys" in str(error.orig):
            raise KeyReused("the idempotency key was used for another request at the same time") from None
        raise


def touch(session: Session, row: EncounterRow, at: datetime) -> None:
    """Count a change of an encounter: its version, its time, what is decided and what is not."""
    session.flush()
    standing = standing_of(session, row.id)
    row.version += 1
    row.updated_at = at
    row.undecided = standing.undecided
    row.decided = standing.decided


def subject(encounter_id: str) -> str:
    """Return an encounter's name in the audit chain."""
    return f"encounter/{encounter_id}"


def _fingerprint(action: str, encounter_id: str, version: int | None, request: object) -> str:
    written = json.dumps([action, encounter_id, version, request], default=str, sort_keys=True)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def _earlier_answer(
    session: Session, actor: Actor, key: str | None, fingerprint: str
) -> Mapping[str, Any] | None:
    if key is None:
        return None
    row = session.scalars(
        select(IdempotencyKeyRow).where(IdempotencyKeyRow.actor == actor.id, IdempotencyKeyRow.key == key)
    ).one_or_none()
    if row is None:
        return None
    if row.request_hash != fingerprint:
        raise KeyReused("the idempotency key came with another request before; use a new one")
    return row.answer
