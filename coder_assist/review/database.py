"""One database, SQLite or PostgreSQL: its engine, its transactions and its schema.

SQLite is the embedded default (write-ahead log, foreign keys on, a busy timeout, every commit synced);
PostgreSQL is the same code behind another URL. A writing transaction on SQLite takes the write lock when
it begins (``BEGIN IMMEDIATE``), so that what it reads cannot change before it writes; on PostgreSQL the
store locks the rows it is about to change.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, DateTime, Dialect, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from coder_assist.errors import DatabaseUnavailable, SchemaError, SettingsError
from coder_assist.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 15_000
LONGEST_TURN = 30.0  # seconds that a writer waits for the others of its process
# Two processes that start together must not both migrate; any constant does, as long as it stays.
_MIGRATION_LOCK = 0x636F646572
AUDITED = "audit events were appended"  # in a session's info


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, kept in UTC and given back aware, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True
    python_type = datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Bring an aware moment to UTC; SQLite gets it without the offset, for its text sorts so."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment must be aware of its time zone; got a naive datetime")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class Database:
    """The database of the review. Make one per process and share it between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.on_audited: Callable[[], object] | None = (
            None  # called after a commit that appended audit events
        )
        self._turn = threading.Lock()

    @classmethod
    def open(cls, settings: Settings) -> Database:
        """Open the database of the settings: ``database_url``, or SQLite in ``data_dir``.

        A SQLite database is made and brought up to date. Raises ``SettingsError`` for a URL that cannot be
        used and ``SchemaError`` for a PostgreSQL schema that is behind or ahead of this version.
        """
        if settings.database_url is None:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            url: str | URL = URL.create("sqlite", database=str(settings.data_dir / "review.sqlite"))
        else:
            url = settings.database_url.get_secret_value()
        database = cls.connect(url)
        try:
            if database.dialect == "sqlite":
                database.upgrade()
            else:
                database.check_schema()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def connect(cls, url: str | URL) -> Database:
        """Make the engine for a URL, as it stands: nothing is created or migrated.

        Raises ``SettingsError``, which does not repeat the URL (it may hold a password).
        """
        try:
            parsed = make_url(url)
            if parsed.drivername in ("postgresql", "postgres"):
                parsed = parsed.set(drivername="postgresql+psycopg")
            dialect = parsed.get_backend_name()
            if dialect not in ("sqlite", "postgresql"):
                raise SettingsError(f"database_url must be for sqlite or postgresql; got {dialect!r}")
            # hide_parameters: a failed statement's parameters may be a note's text.
            engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=dialect == "postgresql")
        except ArgumentError:
            raise SettingsError("database_url must be a URL like postgresql://user@host/name") from None
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            missing = getattr(error, "name", None) or type(error).__name__
            raise SettingsError(
                f"the driver of database_url is not installed ({missing}); for PostgreSQL install coder-assist[postgres]"
            ) from None
        if dialect == "sqlite":
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return cls(engine)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading; every statement in it sees one state of the database.

        Raises ``DatabaseUnavailable``.
        """
        level: dict[str, Any] = {}
        if self.dialect == "postgresql":
            level = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            _plainly(),
            self.engine.connect().execution_options(**level) as connection,
            Session(connection, expire_on_commit=False, autoflush=False) as session,
        ):
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session whose changes are committed together at the end, or not at all.

        Raises ``DatabaseUnavailable``; if that came with the commit itself, only asking again tells which.
        """
        with (
            _plainly(),
            self._one_at_a_time(),
            self.engine.connect().execution_options(coder_assist_writes=True) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
            audited = session.info.pop(AUDITED, False)
        if audited and self.on_audited is not None:
            self.on_audited()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Let the writers of this process wait for each other where the database has one writer only.

        SQLite's own way is that each asks again from time to time: of many some never meet the right moment.
        """
        if self.dialect != "sqlite":
            yield
        elif self._turn.acquire(timeout=LONGEST_TURN):
            try:
                yield
            finally:
                self._turn.release()
        else:
            raise DatabaseUnavailable(_AWAY)

    def upgrade(self) -> None:
        """Bring the schema to this version; on a database that is there already this is a glance."""
        with (
            self.engine.connect().execution_options(coder_assist_writes=True) as connection,
            connection.begin(),
        ):
            if self.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            current = _revision(connection)
            self._refuse_unknown(current)
            if current != head_revision():
                command.upgrade(_alembic(connection), "head")

    def check_schema(self) -> None:
        """See that the schema is this version's. Raises ``SchemaError``, which says what to do."""
        with self.engine.connect() as connection:
            current = _revision(connection)
        self._refuse_unknown(current)
        if current != head_revision():
            raise SchemaError(
                f"the database is at schema {current or 'none'}, this version needs {head_revision()};"
                " run: coder-assist db upgrade"
            )

    def _refuse_unknown(self, current: str | None) -> None:
        known = {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}
        if current is not None and current not in known:
            raise SchemaError(
                f"the database is at schema {current}, which this version does not know; update coder-assist"
            )

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


# SQLite's primary result codes: busy, locked, read-only, input/output error, full, cannot open.
_SQLITE_BUSY = 5
_SQLITE_AWAY = frozenset({_SQLITE_BUSY, 6, 8, 10, 13, 14})
_SQLITE_FULL = 13
# PostgreSQL's classes: connection exception, insufficient resources, operator intervention (57P01 and on).
_POSTGRES_AWAY = ("08", "53", "57P")
_POSTGRES_FULL = "53100"
_AWAY = "the database cannot be reached just now; ask again, a change with the same Idempotency-Key"


@contextmanager
def _plainly() -> Iterator[None]:
    """Turn the drivers' ways to say that a database cannot be used into one that tells nothing of the statement."""
    try:
        yield
    except DBAPIError as error:
        sqlite = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        state = getattr(error.orig, "sqlstate", None) or ""
        if sqlite == _SQLITE_FULL or state == _POSTGRES_FULL:
            raise DatabaseUnavailable(
                "the database has no room left and nothing was saved; make room and ask again"
            ) from None
        unconnected = isinstance(error, OperationalError) and not sqlite and not state
        away = sqlite in _SQLITE_AWAY or state.startswith(_POSTGRES_AWAY)
        if away or unconnected or error.connection_invalidated:
            raise DatabaseUnavailable(_AWAY) from None
        raise
    except NoConnectionLeft:
        raise DatabaseUnavailable(_AWAY) from None


def head_revision() -> str:
    """Return the name of the newest schema."""
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    assert head is not None
    return head


def _alembic(connection: Connection | None = None) -> Config:
    config = Config()
    # Alembic reads % as the start of an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _set_up_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not guessed by the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")  # an acknowledged decision survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Switch a new file to the write-ahead log, which it keeps.

    Where several connections find a new file at once, SQLite fails all but one of them without waiting for
    the busy timeout, for each holds what the others wait for. Who lost asks again.
    """
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != _SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("coder_assist_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
