"""A fresh database for each test: SQLite and PostgreSQL, every test on both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from coder_assist.review.database import Database
from coder_assist.review.store import Store
from tests.review.building import add_people


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("template") / "review.sqlite"
    database = Database.connect(f"sqlite:///{path}")
    database.upgrade()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """A migrated PostgreSQL database, to be copied."""
    _create(postgres, "template_review")
    database = Database.connect(postgres.format("template_review"))
    database.upgrade()
    database.close()
    return postgres


def _create(server: str, name: str) -> None:
    template = "" if name == "template_review" else " TEMPLATE template_review"
    _administer(server, f"CREATE DATABASE {name}{template}")


def _administer(server: str, statement: str) -> None:
    database = Database.connect(server.format("postgres"))
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(statement))
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    if request.param == "sqlite":
        path = tmp_path / "review.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: str = request.getfixturevalue("postgres_template")
    name = f"t{uuid4().hex}"
    _create(server, name)
    yield server.format(name)
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    """Opens databases and closes them after the test."""
    opened: list[Database] = []

    def open_one(url: str) -> Database:
        opened.append(Database.connect(url))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def database(database_url: str, open_database: Callable[[str], Database]) -> Database:
    """A fresh, migrated database."""
    return open_database(database_url)


@pytest.fixture
def store(database: Database) -> Store:
    """A store with one user of each role."""
    add_people(database)
    return Store(database)
