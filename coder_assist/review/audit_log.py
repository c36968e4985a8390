"""The audit chain: every change leaves an event, and every event holds the hash of the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from coder_assist.review.database import now
from coder_assist.review.tables import AuditEventRow, AuditHeadRow
from coder_assist.types import AuditEvent


def append(
    session: Session, actor: str, action: str, subject: str, details: Mapping[str, object] | None = None
) -> AuditEvent:
    """Append an event in the session's transaction; appends of a database are one after another.

    ``details`` are JSON values and never hold note text.
    """
    head = session.execute(select(AuditHeadRow).with_for_update()).scalar_one()
    at = now()
    written = json.dumps(dict(details or {}), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    sequence = head.sequence + 1
    link = json.dumps([sequence, at.isoformat(), actor, action, subject, written, head.hash])
    digest = sha256(link.encode()).hexdigest()
    session.add(
        AuditEventRow(
            sequence=sequence,
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            details=written,
            previous_hash=head.hash,
            hash=digest,
        )
    )
    event = AuditEvent(sequence, at, actor, action, subject, dict(details or {}), head.hash, digest)
    session.execute(update(AuditHeadRow).values(sequence=sequence, hash=digest))
    return event
