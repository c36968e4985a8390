"""Who may come in: accounts, sessions, API tokens, one-time links.

Secrets are never kept: passwords as argon2 hashes, everything random (session, token, link) as its SHA-256,
which suffices for 256 random bits. Whatever does not let someone in raises ``SignInError`` with one and the
same message, so that nobody learns which names exist.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from coder_assist.errors import InputError, NotFound, SignInError, ThrottledError
from coder_assist.review.audit_log import append
from coder_assist.review.database import Database, now
from coder_assist.review.identities import LONGEST_NAME, Identity
from coder_assist.review.states import Role
from coder_assist.review.tables import OneTimeLinkRow, SessionRow, SignInAttemptRow, TokenRow, UserRow

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000
SYSTEM = "system"  # the actor of what no person did

_BEARER_MARK = "ca_"
_WINDOW = timedelta(minutes=15)
_LINK_LASTS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Person:
    """An account. ``id`` is what decisions and the audit log say; it never changes, the name may."""

    id: str
    name: str
    role: Role
    active: bool
    created_at: datetime
    has_password: bool
    oidc: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and by which right. ``scopes`` narrow what the role may; ``None`` does not."""

    person: Person
    scopes: frozenset[str] | None = None
    csrf: str = ""  # of a browser's session; empty for bearers, whom no other site can impersonate

    @property
    def by_session(self) -> bool:
        """Whether a browser's cookie says who asks."""
        return bool(self.csrf)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as a list shows it: never the secret. ``id`` is how it begins."""

    id: str
    person: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refused() -> SignInError:
    return SignInError("name or password is not valid, or no longer")


class People:
    """The accounts of a database. Thread-safe; every change writes its audit event.

    ``idle`` is after how long without a request a session ends, ``longest`` after how long anyway.
    """

    def __init__(
        self,
        database: Database,
        *,
        idle: timedelta = timedelta(minutes=15),
        longest: timedelta = timedelta(hours=12),
        hasher: PasswordHasher | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._idle = idle
        self._longest = longest
        self._hasher = hasher or PasswordHasher()
        self._clock = clock
        # Hashing takes 64 MB each: a flood of sign-ins may be slow, it may not take all memory.
        self._hashing = threading.BoundedSemaphore(2)

    # --- accounts

    def add(self, name: str, role: Role, password: str | None = None, *, by: str = SYSTEM) -> Person:
        """Make an account. Raises ``InputError`` for a name or password that will not do, or a name taken."""
        name = _checked_name(name)
        hashed = self._hash(name, password) if password is not None else None
        with self._database.write() as session:
            if session.scalar(select(UserRow.id).where(func.lower(UserRow.name) == name.lower())) is not None:
                raise InputError("name: expected one that is not taken")
            row = self._new(session, name, role)
            row.password_hash = hashed
            session.flush()
            append(session, by, "user.add", f"user:{row.id}", {"name": name, "role": role})
            return _person(row)

    def _new(self, session: Session, name: str, role: Role) -> UserRow:
        # Readable, so that an exported log can be read without the table of names.
        id = slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "user"
        while id == SYSTEM or session.get(UserRow, id) is not None:
            id = f"{slug}-{secrets.token_hex(3)}"
        row = UserRow(id=id, name=name, role=role, active=True, created_at=self._clock())
        session.add(row)
        return row

    def change(
        self,
        id: str,
        *,
        role: Role | None = None,
        active: bool | None = None,
        password: str | None = None,
        by: str = SYSTEM,
    ) -> Person:
        """Change an account; a new password or role, or deactivation, ends its sessions.

        Raises ``NotFound``, and ``InputError`` where the last active admin would be gone.
        """
        with self._database.read() as session:
            name = _existing(session, id).name
        hashed = self._hash(name, password) if password is not None else None
        with self._database.write() as session:
            row = _existing(session, id, lock=True)
            changed: dict[str, Any] = {}
            if role is not None and role != row.role:
                changed["role"] = role
            if active is not None and active != row.active:
                changed["active"] = active
            if row.role == Role.ADMIN and row.active and ("role" in changed or active is False):
                _keep_an_admin(session, id)
            for field, value in changed.items():
                setattr(row, field, value)
            if hashed is not None:
                row.password_hash = hashed
            if changed or hashed is not None:
                session.execute(delete(SessionRow).where(SessionRow.user_id == id))
                details = changed | ({"password": "changed"} if hashed else {})
                append(session, by, "user.change", f"user:{id}", details)
            session.flush()
            return _person(row)

    def everyone(self) -> list[Person]:
        """Return all accounts by name."""
        with self._database.read() as session:
            return [_person(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    def named(self, name: str) -> Person:
        """Return the account of a name. Raises ``NotFound``."""
        with self._database.read() as session:
            row = session.scalar(select(UserRow).where(func.lower(UserRow.name) == name.strip().lower()))
            if row is None:
                raise NotFound("user", name)
            return _person(row)

    def _hash(self, name: str, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise InputError(
                f"password: expected {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; got {len(password)}"
            )
        if name.lower() in password.lower() or len(set(password)) < 5:
            raise InputError("password: expected one without the name in it and of at least 5 characters")
        with self._hashing:
            return self._hasher.hash(password)

    # --- browsers

    def sign_in(self, name: str, password: str, address: str) -> tuple[str, Caller]:
        """Begin a session, and return its secret and whose it is.

        Raises ``SignInError``, or ``ThrottledError`` after too many failures from an address or for a name.
        """
        moment, name = self._clock(), name.strip().lower()
        with self._database.read() as session:
            _throttle(session, name, address, moment)
            row = session.scalar(select(UserRow).where(func.lower(UserRow.name) == name, UserRow.active))
            known, hashed = (row.id, row.password_hash) if row else (None, None)
        if not self._matches(hashed, password) or known is None:
            with self._database.write() as session:
                session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.at < moment - _WINDOW))
                for counted, _ in _counted(name, address):
                    session.add(SignInAttemptRow(key=counted, at=moment))
                # The name is not told: what was typed there may be a password.
                append(session, SYSTEM, "session.refuse", f"user:{known or 'unknown'}")
            raise _refused()
        with self._database.write() as session:
            row = _existing(session, known, lock=True)
            if not row.active or row.password_hash != hashed:
                raise _refused()  # changed while the password was being checked
            (theirs, _), *_rest = _counted(name, address)
            session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.key == theirs))
            if self._hasher.check_needs_rehash(row.password_hash or ""):
                with self._hashing:
                    row.password_hash = self._hasher.hash(password)
            return self._begin(session, row, "password")

    def _matches(self, hashed: str | None, password: str) -> bool:
        with self._hashing:
            try:
                self._hasher.verify(hashed or self._decoy, password[:LONGEST_PASSWORD])
            except (VerificationError, InvalidHashError):
                return False
        return hashed is not None

    @cached_property
    def _decoy(self) -> str:
        """A hash of nothing, so that an unknown name takes as long as a known one."""
        return self._hasher.hash(secrets.token_urlsafe())

    def _begin(self, session: Session, user: UserRow, how: str) -> tuple[str, Caller]:
        secret, csrf, moment = secrets.token_urlsafe(32), secrets.token_urlsafe(24), self._clock()
        session.execute(delete(SessionRow).where(SessionRow.expires_at < moment))
        session.add(
            SessionRow(
                id=_digest(secret),
                user_id=user.id,
                created_at=moment,
                last_seen_at=moment,
                expires_at=moment + self._longest,
                csrf=csrf,
            )
        )
        append(session, user.id, "session.begin", f"user:{user.id}", {"how": how})
        return secret, Caller(_person(user), csrf=csrf)

    def session_of(self, secret: str) -> Caller | None:
        """Return whose session a cookie is, or ``None`` if it ended. To ask keeps it from going idle."""
        moment, hash = self._clock(), _digest(secret)
        with self._database.read() as session:
            found = session.execute(
                select(SessionRow, UserRow)
                .join(UserRow, UserRow.id == SessionRow.user_id)
                .where(SessionRow.id == hash, SessionRow.expires_at > moment, UserRow.active)
            ).first()
        if found is None:
            return None
        row, user = found
        quiet = moment - row.last_seen_at
        if quiet > self._idle:
            self.sign_out(secret)
            return None
        if quiet > self._idle / 20:  # not a write for every request
            with self._database.write() as session:
                session.execute(update(SessionRow).where(SessionRow.id == hash).values(last_seen_at=moment))
        return Caller(_person(user), csrf=row.csrf)

    def sign_out(self, secret: str) -> None:
        """End a session, if there is one."""
        with self._database.write() as session:
            row = session.get(SessionRow, _digest(secret))
            if row is not None:
                user = _existing(session, row.user_id)
                session.delete(row)
                append(session, user.id, "session.end", f"user:{user.id}")

    def link_for(self, name: str, *, by: str = SYSTEM) -> str:
        """Return the secret of a link that signs a person in once, within an hour. Raises ``NotFound``."""
        person, secret = self.named(name), secrets.token_urlsafe(32)
        with self._database.write() as session:
            session.add(
                OneTimeLinkRow(
                    hash=_digest(secret),
                    user_id=person.id,
                    created_at=self._clock(),
                    expires_at=self._clock() + _LINK_LASTS,
                )
            )
            append(session, by, "link.add", f"user:{person.id}")
        return secret

    def redeem(self, secret: str) -> tuple[str, Caller]:
        """Begin a session with a one-time link. Raises ``SignInError`` if it was used or is too old."""
        moment = self._clock()
        with self._database.write() as session:
            taken = session.execute(
                update(OneTimeLinkRow)
                .where(
                    OneTimeLinkRow.hash == _digest(secret),
                    OneTimeLinkRow.used_at.is_(None),
                    OneTimeLinkRow.expires_at > moment,
                )
                .values(used_at=moment)
                .returning(OneTimeLinkRow.user_id)
            ).scalar()
            user = session.get(UserRow, taken) if taken is not None else None
            if user is None or not user.active:
                raise SignInError("this link was used already or is too old; start the service again")
            return self._begin(session, user, "link")

    # --- machines

    def add_token(
        self,
        person: str,
        name: str,
        scopes: Iterable[str],
        lasts: timedelta | None = None,
        *,
        by: str = SYSTEM,
    ) -> tuple[str, ApiToken]:
        """Make a token that acts for a person within ``scopes``; the secret is given this once.

        Raises ``NotFound``.
        """
        holder, moment = self.named(person), self._clock()
        prefix = _BEARER_MARK + secrets.token_hex(4)
        secret = f"{prefix}_{secrets.token_urlsafe(32)}"
        with self._database.write() as session:
            row = TokenRow(
                hash=_digest(secret),
                prefix=prefix,
                name=name,
                user_id=holder.id,
                scopes=sorted(set(scopes)),
                created_at=moment,
                expires_at=moment + lasts if lasts is not None else None,
            )
            session.add(row)
            append(session, by, "token.add", f"token:{prefix}", {"user": holder.id, "scopes": row.scopes})
            return secret, _token(row, holder.name)

    def tokens(self) -> list[ApiToken]:
        """Return all tokens, the newest first."""
        with self._database.read() as session:
            rows = session.execute(
                select(TokenRow, UserRow.name)
                .join(UserRow, UserRow.id == TokenRow.user_id)
                .order_by(TokenRow.created_at.desc(), TokenRow.prefix)
            )
            return [_token(row, name) for row, name in rows]

    def revoke(self, id: str, *, by: str = SYSTEM) -> None:
        """End a token now. Raises ``NotFound``."""
        with self._database.write() as session:
            row = session.scalar(select(TokenRow).where(TokenRow.prefix == id).with_for_update())
            if row is None:
                raise NotFound("token", id)
            if row.revoked_at is None:
                row.revoked_at = self._clock()
                append(session, by, "token.revoke", f"token:{id}")

    def token_of(self, secret: str) -> Caller | None:
        """Return for whom a token acts, or ``None`` if it is none, expired or revoked."""
        if not secret.startswith(_BEARER_MARK):
            return None
        moment = self._clock()
        with self._database.read() as session:
            found = session.execute(
                select(TokenRow, UserRow)
                .join(UserRow, UserRow.id == TokenRow.user_id)
                .where(TokenRow.hash == _digest(secret), TokenRow.revoked_at.is_(None), UserRow.active)
            ).first()
        if found is None:
            return None
        row, user = found
        if row.expires_at is not None and row.expires_at <= moment:
            return None
        return Caller(_person(user), frozenset(row.scopes))

    def known_by(self, identity: Identity) -> Caller | None:
        """Return the account of a provider's identity; made on first sight, its role kept as claimed.

        ``None`` if the account was deactivated here.
        """
        with self._database.read() as session:
            row = session.scalar(select(UserRow).where(UserRow.oidc_subject == identity.subject))
        if row is None or (row.active and row.role != identity.role):
            row = self._adopt(identity)
        return Caller(_person(row)) if row.active else None

    def _adopt(self, identity: Identity) -> UserRow:
        with self._database.write() as session:
            # Of two first requests at once the second finds the account of the first.
            row = session.scalar(
                select(UserRow).where(UserRow.oidc_subject == identity.subject).with_for_update()
            )
            details = {"role": identity.role, "how": "oidc"}
            if row is None:
                name = identity.name
                if (
                    session.scalar(select(UserRow.id).where(func.lower(UserRow.name) == name.lower()))
                    is not None
                ):
                    # A local account of that name is somebody else's until an admin says otherwise.
                    name = f"{name[: LONGEST_NAME - 9]}-{_digest(identity.subject)[:8]}"
                row = self._new(session, name, identity.role)
                row.oidc_subject = identity.subject
                session.flush()
                append(session, row.id, "user.add", f"user:{row.id}", details | {"name": name})
            elif row.role != identity.role:
                row.role = identity.role
                session.flush()
                append(session, row.id, "user.change", f"user:{row.id}", details)
            return row


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InputError(f"name: expected 1 to {LONGEST_NAME} printable characters; got {len(name)}")
    return name


def _counted(name: str, address: str) -> tuple[tuple[str, int], ...]:
    """Return what a failed sign-in counts for, hashed, and how many of each are let pass in ``_WINDOW``."""
    return (
        (_digest(f"both {address} {name}"), 5),
        (_digest(f"from {address}"), 30),
        (_digest(f"name {name}"), 50),
    )


def _throttle(session: Session, name: str, address: str, moment: datetime) -> None:
    for key, most in _counted(name, address):
        tries = session.scalars(
            select(SignInAttemptRow.at)
            .where(SignInAttemptRow.key == key, SignInAttemptRow.at > moment - _WINDOW)
            .order_by(SignInAttemptRow.at.desc())
            .limit(most)
        ).all()
        if len(tries) == most:
            wait = int((tries[-1] + _WINDOW - moment).total_seconds())
            raise ThrottledError("too many failed sign-ins; try again later", max(1, wait))


def _existing(session: Session, id: str, lock: bool = False) -> UserRow:
    row = session.get(UserRow, id, with_for_update=lock or None)
    if row is None:
        raise NotFound("user", id)
    return row


def _keep_an_admin(session: Session, leaving: str) -> None:
    others = session.scalars(
        select(UserRow.id)
        .where(UserRow.role == Role.ADMIN, UserRow.active, UserRow.id != leaving)
        .with_for_update()
    ).first()
    if others is None:
        raise InputError("expected another active admin before the last one leaves")


def _person(row: UserRow) -> Person:
    return Person(
        row.id,
        row.name,
        Role(row.role),
        row.active,
        row.created_at,
        row.password_hash is not None,
        row.oidc_subject is not None,
    )


def _token(row: TokenRow, person: str) -> ApiToken:
    return ApiToken(
        row.prefix,
        person,
        row.name,
        tuple(row.scopes),
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )


def same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
