"""What a notebook works with: the review's store, the person who works in it, and the coder.

bench = Bench.open()                       # the demo's database, the one that `coder-assist serve` shows
bench = Bench.open("Ana Ruiz", settings)   # a deployment's database, as one of its people
bench = Bench.temporary()                  # a database that is gone with the bench
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
import weakref
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import coder_assist
from coder_assist.errors import InputError, SettingsError
from coder_assist.review import demo
from coder_assist.review.audit_log import HeadFile, create_key, signing_key
from coder_assist.review.database import Database
from coder_assist.review.importing import LONGEST_NOTE, accept, from_records
from coder_assist.review.judging import Readings
from coder_assist.review.people import People
from coder_assist.review.queue import work_once
from coder_assist.review.records import Actor, Desk, Incoming, WorklistFilter
from coder_assist.review.states import Role, RunState
from coder_assist.review.store import Store
from coder_assist.review.worklist import UNFINISHED
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.types import Encounter

if TYPE_CHECKING:
    import pandas

CORPORA = Path(coder_assist.__file__).parent.parent / "corpora"
_UNDECIDED = (RunState.QUEUED, RunState.RUNNING)
_TEMPORARY_CODER = "Notebook coder"


@cache
def default_coder() -> Coder:
    """Return the coder of the settings, loaded once a kernel."""
    return Coder.load()


class Bench:
    """The review as one person works in it; what is done here obeys the service's rules and is in its audit log."""

    def __init__(self, database: Database, people: People, actor: Actor, coder: Coder | None = None) -> None:
        self.database = database
        self.store = Store(database)
        self.people = people
        self.actor = actor
        self.readings = Readings()
        self._coder = coder

    @classmethod
    def open(
        cls, person: str | None = None, settings: Settings | None = None, coder: Coder | None = None
    ) -> Self:
        """Open the settings' review as a person, by name; in a demo it is furnished, and the person its coder.

        Raises ``SettingsError`` where it is no demo and no person is named, and ``NotFound`` for a stranger.
        """
        settings = settings or Settings()
        if not settings.is_demo and (person is None or settings.audit_key_file is None):
            raise SettingsError(
                "outside the demo Bench.open needs the name of a person of the review, and "
                "CODER_ASSIST_AUDIT_KEY_FILE the key that signs the audit log"
            )
        database = Database.open(settings)
        try:
            people = People(database)
            if settings.is_demo:
                if not settings.audit_key.exists():
                    create_key(settings.audit_key)
                _sign(database, settings)
                demo.furnish(Store(database), people, demo.samples(CORPORA))
            else:
                _sign(database, settings)
            found = people.named(person or demo.name_of(Role.CODER))
        except BaseException:
            database.close()
            raise
        return cls(database, people, Actor(found.id, found.role), coder)

    @classmethod
    def temporary(cls, coder: Coder | None = None) -> Self:
        """Make a review with one coder in a directory of its own, which goes when the bench does."""
        directory = tempfile.TemporaryDirectory(prefix="coder-assist-")
        database = Database.open(Settings(data_dir=Path(directory.name), database_url=None))
        people = People(database)
        person = people.add(_TEMPORARY_CODER, Role.CODER)
        bench = cls(database, people, Actor(person.id, person.role), coder)
        weakref.finalize(bench, _discard, database, directory)
        return bench

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    @property
    def coder(self) -> Coder:
        """The coder that suggests here; loaded when first asked for."""
        if self._coder is None:
            self._coder = default_coder()
        return self._coder

    def acting_as(self, role: Role) -> Bench:
        """Return the same review as the demo's person of a role works in it. Raises ``NotFound`` elsewhere."""
        person = self.people.named(demo.name_of(role))
        return Bench(self.database, self.people, Actor(person.id, person.role), self._coder)

    def with_person(self, name: str, role: Role) -> Bench:
        """Return the same review as another person works in it, who is added where there is none of that name."""
        known = {person.name: person for person in self.people.everyone()}
        person = known.get(name) or self.people.add(name, role)
        return Bench(self.database, self.people, Actor(person.id, person.role), self._coder)

    def bring(self, encounters: Iterable[object]) -> tuple[str, ...]:
        """Take encounters in: ``Encounter`` or note records. Returns their ids, of those there already too.

        Raises ``InputError`` for the first that cannot be read.
        """
        items = [_incoming(place, each) for place, each in enumerate(encounters)]
        report = self.store.import_encounters(self.actor, items)
        for failed in report.failed:
            raise InputError(f"encounter {failed.index} cannot be taken in: {failed.error}")
        there = {duplicate.id: duplicate.of for duplicate in report.duplicates}
        ids = [item.encounter.id for item in items if item.encounter is not None]
        return tuple(there.get(id, id) for id in ids)

    def desk(self, encounter_id: str) -> Desk:
        """Return everything about an encounter, with a run of its notes: one that is missing is made now.

        What is submitted keeps the run it was decided on. Raises ``NotFound``.
        """
        desk = self.store.desk(encounter_id)
        there = desk.run is not None and desk.run.current and desk.run.state not in _UNDECIDED
        if there or desk.summary.state not in UNFINISHED:
            return desk
        worker = f"{socket.gethostname()}-{os.getpid()}-bench"
        pack = self.coder.pack.version
        wanted = self.store.queue.want(encounter_id, pack, priority=10)
        while self.store.queue.run(wanted.id).state in _UNDECIDED:
            if not work_once(self.store.queue, worker, pack, self.coder.suggest):
                time.sleep(0.1)  # another process has claimed it; its lease ends if it dies
        return self.store.desk(encounter_id)

    def worklist(self, filter: WorklistFilter | None = None, limit: int = 50) -> pandas.DataFrame:
        """Return the worklist as a table, the longest waiting first."""
        from coder_assist.workbench.tables import of_records

        page = self.store.worklist(filter, limit=limit)
        return of_records(page.items)


def _incoming(place: int, given: object) -> Incoming:
    if isinstance(given, Encounter):
        return accept(place, given, LONGEST_NOTE)
    return from_records([given])[0]


def _sign(database: Database, settings: Settings) -> None:
    head = HeadFile(settings.audit_head, signing_key(settings.audit_key))
    database.on_audited = lambda: head.advance(database.engine)
    head.advance(database.engine)


def _discard(database: Database, directory: tempfile.TemporaryDirectory[str]) -> None:
    database.close()
    directory.cleanup()
