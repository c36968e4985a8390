"""The audit log: who did what and when, as a chain of hashes whose head is signed outside the database.

Each event's hash covers its fields and the hash before it, so an event cannot be changed, removed or moved
without breaking the chain behind it. Whoever can write the database could still recompute the whole chain,
or cut its end; for that the newest hash is signed with a key that is no part of the database and kept in a
file beside the key. ``verify`` compares both, over the rows of the database or over an export, and names the
first event that is not as it was written.

>>> first = linked(None, datetime(2026, 5, 4, tzinfo=UTC), "ana", "encounter.claim", "encounter:e1", {})
>>> second = linked(first, datetime(2026, 5, 4, tzinfo=UTC), "ana", "encounter.submit", "encounter:e1", {})
>>> verify([first, second]).intact
True
>>> verify([first, replace(second, actor="bob")]).problem
'event 2 was changed'
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from coder_assist.errors import DataError, SettingsError
from coder_assist.types import AuditEvent

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

logger = logging.getLogger("coder_assist.review")

GENESIS = "0" * 64  # stands for the hash before the first event
WITNESS_EVERY = 64  # events between two signed hashes that are kept for good


def digest(event: AuditEvent) -> str:
    """Return the SHA-256 over everything that an event says, as canonical JSON."""
    said = [
        event.sequence,
        _stamp(event.at),
        event.actor,
        event.action,
        event.subject,
        event.details,
        event.previous_hash,
    ]
    return hashlib.sha256(_canonical(said)).hexdigest()


def as_record(event: AuditEvent) -> dict[str, Any]:
    """Return an event as an export's line and the service write it."""
    return {
        "sequence": event.sequence,
        "at": _stamp(event.at),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "details": dict(event.details),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=dict).encode()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def linked(
    previous: AuditEvent | None,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any],
) -> AuditEvent:
    """Return the event that follows ``previous`` in the chain (the first one if it is ``None``)."""
    return _following(
        previous.sequence if previous else 0,
        previous.hash if previous else GENESIS,
        at,
        actor,
        action,
        subject,
        details,
    )


def _following(
    sequence: int,
    hash: str,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any],
) -> AuditEvent:
    # Through JSON and back: what is hashed is what any database and any export will give back.
    plain = json.loads(_canonical(details))
    event = AuditEvent(sequence + 1, at, actor, action, subject, plain, hash, "")
    return replace(event, hash=digest(event))


# --- In the database -------------------------------------------------------------------------------


def append(
    session: Session,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> AuditEvent:
    """Add an event within the caller's transaction, so that it is there exactly if the change is.

    Appends wait for each other until their transactions end: two events cannot follow the same one.
    """
    from sqlalchemy import insert

    from coder_assist.review.database import AUDITED
    from coder_assist.review.tables import AuditEventRow, AuditHeadRow

    head = session.get(AuditHeadRow, 1, with_for_update=True, populate_existing=True)
    if head is None:
        raise DataError("the audit log has no head row; expected the one that the first migration makes")
    event = _following(
        head.sequence, head.hash, at or datetime.now(UTC), actor, action, subject, details or {}
    )
    head.sequence, head.hash = event.sequence, event.hash
    session.execute(
        insert(AuditEventRow).values(
            sequence=event.sequence,
            at=event.at,
            actor=actor,
            action=action,
            subject=subject,
            details=_canonical(event.details).decode(),
            previous_hash=event.previous_hash,
            hash=event.hash,
        )
    )
    session.flush()
    session.info[AUDITED] = True  # there is a new head to sign after the commit
    return event


def events_in(session: Session, after: int = 0) -> Iterator[AuditEvent]:
    """Yield the database's events in order of their sequence, from the one behind ``after``."""
    from sqlalchemy import select

    from coder_assist.review.tables import AuditEventRow

    rows = session.scalars(
        select(AuditEventRow)
        .where(AuditEventRow.sequence > after)
        .order_by(AuditEventRow.sequence)
        .execution_options(yield_per=1000)
    )
    for row in rows:
        yield AuditEvent(
            row.sequence,
            row.at,
            row.actor,
            row.action,
            row.subject,
            json.loads(row.details),
            row.previous_hash,
            row.hash,
        )


# --- The signed head -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The hash of an event, signed. A witness that the chain up to there was once so."""

    sequence: int
    hash: str
    signed_at: str
    signature: str

    def _message(self) -> bytes:
        return _canonical(["coder-assist audit head", self.sequence, self.hash, self.signed_at])

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Say whether the signature is the key's."""
        try:
            key.verify(bytes.fromhex(self.signature), self._message())
        except (InvalidSignature, ValueError):
            return False
        return True

    @classmethod
    def sign(cls, sequence: int, hash: str, key: Ed25519PrivateKey) -> SignedHead:
        """Return the head of an event, signed now."""
        head = cls(sequence, hash, _stamp(datetime.now(UTC)), "")
        return replace(head, signature=key.sign(head._message()).hex())

    def as_dict(self) -> dict[str, Any]:
        """Return the head as its file and an export write it."""
        return {
            "sequence": self.sequence,
            "hash": self.hash,
            "signed_at": self.signed_at,
            "signature": self.signature,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SignedHead:
        """Read what ``as_dict`` wrote. Raises ``KeyError`` or ``ValueError``."""
        return cls(
            int(record["sequence"]), str(record["hash"]), str(record["signed_at"]), str(record["signature"])
        )


def create_key(path: Path) -> None:
    """Write a new signing key, readable by its owner alone, and its public half beside it (``.pub``)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
    path.with_suffix(".pub").write_bytes(public)


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Return the key in a PEM file. Raises ``SettingsError`` if there is none, or others may read it."""
    try:
        mode = path.stat().st_mode
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{path}: expected the audit log's Ed25519 signing key in PEM form ({type(error).__name__}); "
            "make one with: coder-assist audit key FILE"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path}: expected an Ed25519 key; got another kind of key")
    if mode & 0o077:
        raise SettingsError(f"{path}: others than its owner may read the signing key; chmod 600 it")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key of a PEM file that holds it or its private half. Raises ``SettingsError``."""
    try:
        data = path.read_bytes()
        if b"PRIVATE KEY" in data:
            key: object = serialization.load_pem_private_key(data, password=None).public_key()
        else:
            key = serialization.load_pem_public_key(data)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{path}: expected an Ed25519 key in PEM form ({type(error).__name__})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(f"{path}: expected an Ed25519 key; got another kind of key")
    return key


class HeadFile:
    """Keeps the newest signed hash in a file, and every ``WITNESS_EVERY``-th one in a second (``.witnesses``).

    Several processes of one machine may share the files; each machine keeps its own.
    """

    def __init__(self, path: Path, key: Ed25519PrivateKey) -> None:
        self.path = path
        self._key = key

    def advance(self, engine: Engine) -> SignedHead | None:
        """Sign the newest committed event, and return what stands signed now.

        Before, the event signed last must still be in the database as it was: otherwise nothing is signed,
        an error is logged, and the old head stays to testify.
        """
        from sqlalchemy import select

        from coder_assist.review.tables import AuditEventRow

        with self._locked():
            # The head's own file says it; the witnesses are many, and this is done after every commit.
            old = (_heads_in(self.path) or read_heads(self.path))[-1:]
            with engine.connect() as connection:
                columns = select(AuditEventRow.sequence, AuditEventRow.hash)
                last = connection.execute(columns.order_by(AuditEventRow.sequence.desc()).limit(1)).first()
                kept = (
                    old
                    and connection.execute(columns.where(AuditEventRow.sequence == old[0].sequence)).first()
                )
            if old and (not kept or kept.hash != old[0].hash):
                logger.error(
                    "the audit chain no longer holds event %d as it was signed; the head stays unsigned "
                    "until someone looks: coder-assist audit verify",
                    old[0].sequence,
                )
                return old[0]
            if last is None or (old and old[0].sequence >= last.sequence):
                return old[0] if old else None
            head = SignedHead.sign(last.sequence, last.hash, self._key)
            self._keep(head, old[0].sequence if old else 0)
            return head

    def _keep(self, head: SignedHead, before: int) -> None:
        line = json.dumps(head.as_dict()) + "\n"
        if head.sequence // WITNESS_EVERY > before // WITNESS_EVERY:
            with _witnesses(self.path).open("a", encoding="utf-8") as file:
                file.write(line)
        fresh = self.path.with_suffix(".new")
        # Not synced: after a power cut an older head may be back, which testifies to a little less.
        fresh.write_text(line, encoding="utf-8")
        fresh.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _witnesses(path: Path) -> Path:
    return path.with_suffix(".witnesses")


def read_heads(path: Path) -> list[SignedHead]:
    """Return the signed heads that were kept in a head file, oldest first; none if there is no file.

    Raises ``DataError`` for a file that is not in its form.
    """
    return _heads_in(_witnesses(path)) + _heads_in(path)


def _heads_in(file: Path) -> list[SignedHead]:
    try:
        with file.open(encoding="utf-8") as kept:
            lines = list(kept)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: expected signed heads ({type(error).__name__})") from None
    heads = []
    for number, line in enumerate(lines, 1):
        try:
            heads.append(SignedHead.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{file}:{number}: expected a signed head") from None
    return heads


# --- Verification ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found. ``event`` is the first bad one; ``head`` the newest that was signed."""

    events: int
    problem: str = ""
    event: int | None = None
    head: SignedHead | None = field(default=None)

    @property
    def intact(self) -> bool:
        """Whether every event is as it was written, as far as can be known."""
        return not self.problem


def verify(
    events: Iterable[AuditEvent], heads: Sequence[SignedHead] = (), key: Ed25519PublicKey | None = None
) -> Verification:
    """Check a chain of events, in the order given, against itself and the signed heads.

    Without heads a chain that was recomputed as a whole, or lost its end, looks intact. With heads, ``key``
    must be given; a head that the key did not sign is the first thing found.
    """
    heads = sorted(heads, key=lambda head: head.sequence)
    for head in heads:
        if key is None or not head.is_signed_by(key):
            return Verification(
                0, f"the signed head of event {head.sequence} is not signed by this key", head.sequence
            )
    newest = heads[-1] if heads else None
    witnessed = {head.sequence: head.hash for head in heads}
    count, agreed, previous = 0, 0, GENESIS
    stream = iter(events)
    for event in stream:
        expected = count + 1
        if problem := _fault(event, expected, previous, stream):
            return Verification(count, problem[1], problem[0], newest)
        if (signed := witnessed.get(expected)) is not None:
            if signed != event.hash:
                stand = _stand(agreed + 1, expected)
                return Verification(
                    count, f"the chain was rewritten: {stand} not as it was signed", agreed + 1, newest
                )
            agreed = expected
        count, previous = expected, event.hash
    if newest is not None and newest.sequence > count:
        stand = _stand(count + 1, newest.sequence)
        return Verification(
            count, f"the end was cut off: {stand} signed for but not there", count + 1, newest
        )
    return Verification(count, head=newest)


def _stand(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"


def _fault(
    event: AuditEvent, expected: int, previous: str, rest: Iterator[AuditEvent]
) -> tuple[int, str] | None:
    """Return the number of the first bad event and what is wrong, or ``None`` where this one follows."""
    if event.sequence != expected:
        if event.sequence > expected and all(other.sequence != expected for other in rest):
            return expected, f"event {expected} was removed"
        return expected, f"event {expected} is out of order: event {event.sequence} stands in its place"
    if digest(event) != event.hash:
        return expected, f"event {expected} was changed"
    if event.previous_hash != previous and expected == 1:
        return 1, "event 1 was changed: it does not begin a chain"
    if event.previous_hash != previous:
        # The event agrees with its own hash, so what it followed is no longer what stands before it.
        return expected - 1, f"event {expected - 1} was changed, and its hash with it"
    return None


# --- Exports ---------------------------------------------------------------------------------------


def export_lines(events: Iterable[AuditEvent], heads: Iterable[SignedHead]) -> Iterator[str]:
    """Yield an export: a JSON line for each event, then one for each signed head."""
    for event in events:
        yield json.dumps(as_record(event), sort_keys=True)
    for head in heads:
        yield json.dumps({"head": head.as_dict()})


def verify_export(
    path: Path, key: Ed25519PublicKey | None, heads: Sequence[SignedHead] | None = None
) -> Verification:
    """Check an export without the application's database.

    The heads are the export's own, unless others are given: a newer head file shows that an export is not
    complete. Raises ``DataError`` for a file that is not in its form.
    """
    own: list[SignedHead] = []
    events = list(_exported(path, own))
    return verify(events, own if heads is None else heads, key)


def _exported(path: Path, heads: list[SignedHead]) -> Iterator[AuditEvent]:
    try:
        with path.open(encoding="utf-8") as export:
            lines = list(export)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected an export of the audit log ({type(error).__name__})") from None
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if "head" in record:
                heads.append(SignedHead.from_dict(record["head"]))
                continue
            yield AuditEvent(**record | {"at": datetime.fromisoformat(record["at"])})
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path}:{number}: expected an event or a signed head") from None
