from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from coder_assist.errors import DatabaseUnavailable, SchemaError, SettingsError
from coder_assist.review.database import Database, UtcDateTime
from coder_assist.review.records import Sample
from coder_assist.review.states import EncounterState, SampleKind
from coder_assist.review.store import Store
from coder_assist.review.tables import (
    APPEND_ONLY,
    METADATA,
    AuditEventRow,
    DecisionRow,
    EncounterRow,
    HoldRow,
    NoteRow,
    RunRow,
    UserRow,
)
from coder_assist.settings import Settings
from tests.review.building import (
    ANA,
    AUD,
    LEA,
    SHOWN,
    TEXT,
    accept,
    add_people,
    bring,
    decide,
    reject,
    run_of,
)


def test_migrations_make_the_tables(database: Database) -> None:
    """What the migrations build is what the code expects, on both databases."""
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        expected = {
            (table.name, constraint.name)
            for table in METADATA.tables.values()
            for constraint in table.constraints
            if constraint.__visit_name__ == "check_constraint"
        }
        made = {
            (table, check["name"])
            for table in METADATA.tables
            for check in inspect(connection).get_check_constraints(table)
        }
    # PostgreSQL has a type for yes and no, and needs no check.
    missing = {(table, name) for table, name in expected - made if not str(name).endswith("_is_boolean")}
    assert missing == set()


def test_open_makes_the_embedded_database(tmp_path: Path) -> None:
    """Without a URL the database is a file in the data directory, migrated, safe against power cuts."""
    database = Database.open(Settings(data_dir=tmp_path / "new"))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(EncounterRow)) == 0
        for pragma, value in (("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 2)):
            assert session.execute(text(f"PRAGMA {pragma}")).scalar_one() == value
    database.close()
    assert (tmp_path / "new" / "review.sqlite").exists()
    Database.open(Settings(data_dir=tmp_path / "new")).close()


def test_open_refuses_an_unmigrated_postgresql(postgres: str, postgres_template: str) -> None:
    """A PostgreSQL schema that is behind is not changed in passing; the command is named."""
    with pytest.raises(SchemaError, match="coder-assist db upgrade"):
        Database.open(Settings(database_url=postgres.format("postgres")))
    Database.open(Settings(database_url=postgres.format("template_review"))).close()


def test_schema_of_the_future_is_refused(database: Database) -> None:
    """A database that a newer version migrated is left alone."""
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="schema 9999, which this version does not know"):
        database.check_schema()
    with pytest.raises(SchemaError, match="9999"):
        database.upgrade()


@pytest.mark.parametrize("url", ["mysql://x/y", "no url", "oracle://secret@x/y"])
def test_unusable_urls_are_named_without_their_secrets(url: str) -> None:
    """Other databases are refused, and the message does not hold the password."""
    with pytest.raises(SettingsError) as refusal:
        Database.connect(url)
    assert "secret" not in str(refusal.value)


def test_two_processes_may_migrate_at_once(
    tmp_path: Path, postgres: str, postgres_template: str, open_database: Callable[[str], Database]
) -> None:
    """Starting twice at the same time migrates once."""
    empty = open_database(postgres.format("postgres"))
    with empty.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("CREATE DATABASE twice"))
    for url in (f"sqlite:///{tmp_path / 'twice.sqlite'}", postgres.format("twice")):
        databases = [open_database(url) for _ in range(3)]
        failures: list[BaseException] = []

        def upgrade(database: Database, failures: list[BaseException] = failures) -> None:
            try:
                database.upgrade()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=upgrade, args=(database,)) for database in databases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        databases[0].check_schema()


def test_many_find_a_new_file_at_once(tmp_path: Path, open_database: Callable[[str], Database]) -> None:
    """Connections that meet on a new SQLite file all get it, though SQLite lets only one switch its journal."""
    failures: list[BaseException] = []
    for turn in range(60):
        barrier = threading.Barrier(4)
        databases = [open_database(f"sqlite:///{tmp_path / f'{turn}.sqlite'}") for _ in range(4)]

        def connect(database: Database, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                with database.engine.connect() as connection:
                    assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=connect, args=(database,)) for database in databases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_file_that_stays_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds a new file locked waits as long as for any lock, and no longer."""
    monkeypatch.setattr("coder_assist.review.database.BUSY_TIMEOUT_MS", 30)
    holder = sqlite3.connect(tmp_path / "review.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    database = Database.connect(f"sqlite:///{tmp_path / 'review.sqlite'}")
    with pytest.raises(DatabaseUnavailable), database.read():
        pass
    holder.close()
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
    database.close()


def test_moments_come_back_in_utc(database: Database) -> None:
    """A moment of any zone comes back as the same moment in UTC; a naive one is refused."""
    at = datetime(2026, 3, 1, 23, 30, 15, 123456, tzinfo=timezone(timedelta(hours=-5)))
    with database.write() as session:
        session.add(UserRow(id="u", name="U", role="coder", created_at=at))
    with database.read() as session:
        kept = session.scalars(select(UserRow)).one().created_at
    assert (kept, kept.tzinfo) == (at, UTC)
    with pytest.raises(ValueError, match="aware"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 1), database.engine.dialect)


def test_what_was_said_cannot_be_changed(store: Store) -> None:
    """The database refuses UPDATE, DELETE and TRUNCATE on append-only tables, whoever asks."""
    fill(store)
    for table in APPEND_ONLY:
        column = next(iter(METADATA.tables[table].c)).name
        statements = [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"]
        if store.database.dialect == "postgresql":
            statements.append(f"TRUNCATE {table} CASCADE")
        for statement in statements:
            with pytest.raises(DBAPIError, match="append-only"), store.database.write() as session:
                session.execute(text(statement))


def fill(store: Store) -> None:
    """Put at least one row into each append-only table."""
    bring(store)
    decide(store, accept(0))
    store.order(ANA, "e1", store.summary("e1").version, [accept(0).code])
    store.add_note_version(ANA, "e1", "e1", "Type 2 diabetes.")
    store.comment(ANA, "e1", "hm")
    store.promotions.record(LEA, "pack", {})
    run = store.desk("e1").run
    assert run is not None
    store.shadows.cast(run.id, "challenger", run_of)
    decide(store, accept(0))
    store.submit(ANA, "e1", store.summary("e1").version)
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 1, 1, blinded=True))
    store.audits.second_code(AUD, audit.id, "e1", [])
    with store.database.read() as session:
        empty = [
            name for name in APPEND_ONLY if not session.scalar(select(func.count()).select_from(text(name)))
        ]
    assert empty == []


IMPOSSIBLE = {
    "new but assigned": update(EncounterRow).values(state=EncounterState.NEW, assigned_to="ana"),
    "in review and nobody's": update(EncounterRow).values(assigned_to=None),
    "unknown person": update(EncounterRow).values(assigned_to="nobody"),
    "version 0": update(EncounterRow).values(version=0),
    "age 131": update(EncounterRow).values(age=131),
    "done without a record": update(RunRow).values(record=None),
    "running and unclaimed": update(RunRow).values(state="running", record=None, finished_at=None),
    "encounter of decisions deleted": delete(EncounterRow),
    "reader of decisions deleted": delete(UserRow),
    "note without text": insert(NoteRow).values(
        encounter_id="e1", note_id="e1", version=2, position=0, title="", text="", by="ana", at=SHOWN
    ),
    "note version twice": insert(NoteRow).values(
        encounter_id="e1", note_id="e1", version=1, position=0, title="", text="x", by="ana", at=SHOWN
    ),
}
DECISION = {
    "encounter_id": "e1", "run_id": 1, "suggestion": 1, "subject_system": "ICD-10-CM", "subject_code": "I10",
    "verdict": "accept", "system": "ICD-10-CM", "code": "I10", "modifiers": [], "units": 1, "reason": "",
    "via": "single", "reviewer": "ana", "shown_at": SHOWN, "at": SHOWN, "version": 9, "evidence": [],
}  # fmt: skip
IMPOSSIBLE_DECISIONS = {
    "second first one of a code": {"subject_code": "E11.9", "suggestion": 0, "code": "E11.9"},
    "fork of a line": {"supersedes": 1, "subject_code": "E11.9"},
    "superseding a decision about another code": {"supersedes": 2},
    "superseding what is not there": {"supersedes": 77},
    "of an encounter that is not there": {"encounter_id": "e9"},
    "of another encounter's run": {"run_id": 2},
    "of no suggestion": {"suggestion": 9},
    "accepting without a suggestion": {"run_id": None, "suggestion": None},
    "replacing nothing": {"verdict": "replace"},
    "replacing itself": {"verdict": "replace", "replaces_system": "ICD-10-CM", "replaces_code": "I10"},
    "rejecting without a reason": {"verdict": "reject"},
    "undoing nothing": {"verdict": "undo"},
    "undoing what is undone": {"verdict": "undo", "undoes": 1, "supersedes": 77},
    "of no person": {"reviewer": "nobody"},
    "no units": {"units": 0},
    "unknown way": {"via": "magic"},
    "no procedure is present on admission": {"system": "CPT", "code": "99213", "present_on_admission": "Y"},
    "nothing rejected is present on admission": {
        "verdict": "reject",
        "reason": "other",
        "present_on_admission": "Y",
    },
    "unknown indicator": {"present_on_admission": "X"},
}


def test_database_refuses_what_may_never_be(store: Store) -> None:
    """Rows that contradict each other are refused by the database itself."""
    bring(store)
    decide(store, accept(0))
    for name, statement in IMPOSSIBLE.items():
        with pytest.raises(IntegrityError), store.database.write() as session:
            session.execute(statement)
            pytest.fail(name)


def test_database_refuses_impossible_decisions(store: Store) -> None:
    """Decisions that fork, hang in the air or say nothing are refused by the database itself."""
    bring(store)
    bring(store, "e2", "Type 2 diabetes, Essential hypertension.")
    decide(store, accept(0))
    decide(store, reject(0))
    with store.database.write() as session:
        session.execute(insert(DecisionRow).values(**{**DECISION, "version": 8}))
    for name, wrong in IMPOSSIBLE_DECISIONS.items():
        values = {**DECISION, "subject_code": "M10.9", **wrong}
        # An unknown choice is stopped by the column's type already.
        with pytest.raises((DBAPIError, StatementError)), store.database.write() as session:
            session.execute(insert(DecisionRow).values(**values))
            pytest.fail(name)


def test_one_open_query_at_a_time(store: Store) -> None:
    """A second open hold of an encounter is refused by the database."""
    version = bring(store).version
    store.hold(ANA, "e1", version, "Which type?")
    with pytest.raises(IntegrityError), store.database.write() as session:
        session.add(HoldRow(encounter_id="e1", query="And?", by="ana", at=SHOWN))


def test_failed_statements_tell_no_parameters(store: Store) -> None:
    """An error of the database does not hold the text that was to be stored."""
    bring(store)
    with pytest.raises(IntegrityError) as failure, store.database.write() as session:
        session.add(
            NoteRow(
                encounter_id="e9", note_id="n", version=1, position=0, text="Zebedee Quux", by="ana", at=SHOWN
            )
        )
    assert "Zebedee" not in str(failure.value)


def test_a_change_and_its_event_stand_or_fall_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the audit event cannot be written, the decision is not there either."""
    version = bring(store).version

    def broken(*args: object) -> None:
        raise RuntimeError("no event")

    monkeypatch.setattr("coder_assist.review.audit_log.append", broken)
    with pytest.raises(RuntimeError, match="no event"):
        store.decide(ANA, "e1", version, [accept(0)])
    assert (store.desk("e1").decisions, store.summary("e1").version) == ((), version)
    with store.database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuditEventRow)) == 2


def test_writers_wait_for_each_other(
    database_url: str, open_database: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many who write at once everybody gets a turn; SQLite would let all but one ask again and again."""
    monkeypatch.setattr("coder_assist.review.database.BUSY_TIMEOUT_MS", 0)
    database = open_database(database_url)
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(10):
                with database.write() as session:
                    session.add(
                        UserRow(
                            id=f"u{number}-{turn}", name=f"{number}-{turn}", role="coder", created_at=SHOWN
                        )
                    )
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as session:
        written = select(func.count()).select_from(UserRow).where(UserRow.id.like("u%-%"))
        assert session.scalar(written) == 80


def test_who_gets_no_turn_is_told(
    database: Database, open_database: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that waited too long, for the others or for a connection, may ask again; it is no failure of ours."""
    monkeypatch.setattr("coder_assist.review.database.LONGEST_TURN", 0.01)
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.01)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with database.write():
                pass
        except BaseException as error:
            failures.append(error)

    with ExitStack() as busy:
        busy.enter_context(database.write())
        for _ in range(14):  # the pool has fifteen connections
            busy.enter_context(database.engine.connect())
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert [type(failure) for failure in failures] == [DatabaseUnavailable]


def test_a_full_database_says_so(tmp_path: Path) -> None:
    """Without room nothing of a change is saved, what is there can be read, and with room it goes on."""
    database = Database.connect(f"sqlite:///{tmp_path / 'review.sqlite'}")
    database.upgrade()
    store = Store(database)
    add_people(database)
    pages = database.engine.raw_connection()
    pages.execute("PRAGMA max_page_count = 1")  # no file may grow beyond what it has
    pages.close()
    with pytest.raises(DatabaseUnavailable, match="no room") as failure:
        for number in range(400):
            bring(store, f"e{number}", f"{TEXT} Visit {number}.", read=False)
    assert "diabetes" not in str(failure.value) and failure.value.__cause__ is None
    with database.read() as session:
        kept = session.scalar(select(func.count()).select_from(EncounterRow))
    pages = database.engine.raw_connection()
    pages.execute("PRAGMA max_page_count = 100000")
    pages.close()
    bring(store, "later", f"{TEXT} Later.", read=False)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(EncounterRow)) == kept + 1
    database.close()


def test_a_database_that_is_away_says_so(database_url: str) -> None:
    """A lost connection is an error of ours without the statement, and the next request connects again."""
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite has no connection to lose")
    database = Database.connect(database_url)
    with pytest.raises(DatabaseUnavailable, match="Idempotency-Key"), database.write() as session:
        own = session.scalar(text("SELECT pg_backend_pid()"))
        other = Database.connect(database_url)
        with other.read() as killing:
            killing.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": own})
        other.close()
        session.execute(text("SELECT 'a note'"))
    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.close()
