"""How much room an encounter takes in the database: ``python -m benchmarks.growth [NOTES.jsonl[.gz]]``.

Brings the notes into an empty database, reads each once, accepts what is preselected, each code by a request of its own
with a key as the desk sends it, and submits. After each of these steps the database is asked for its size; with the
audit log and all indexes. SQLite, and PostgreSQL where its programs are installed or ``--database-url`` names an empty
database. Says nothing of backups and of PostgreSQL's own log.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from benchmarks.pinned import PINNED, read_notes, write
from coder_assist import Coder
from coder_assist.review.database import Database
from coder_assist.review.importing import from_records
from coder_assist.review.people import People
from coder_assist.review.queue import work_once
from coder_assist.review.records import Actor, NewDecision
from coder_assist.review.states import Role
from coder_assist.review.store import Store
from coder_assist.types import Code, Verdict
from tests.review.postgres import running_postgres


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes by what was done, of all encounters together."""

    database: str
    encounters: int
    decisions: int
    characters: int
    imported: int
    read: int
    decided: int

    def each(self) -> dict[str, float]:
        """Return the means, as they are printed."""
        whole = self.imported + self.read + self.decided
        return {
            "encounters": self.encounters,
            "characters an encounter": round(self.characters / self.encounters),
            "decisions an encounter": round(self.decisions / self.encounters, 1),
            "bytes an encounter, imported": round(self.imported / self.encounters),
            "bytes an encounter, its run": round(self.read / self.encounters),
            "bytes an encounter, its decisions and submission": round(self.decided / self.encounters),
            "bytes an encounter": round(whole / self.encounters),
            "times its text": round(whole / self.characters, 1),
        }


def grow(url: str, records: list[dict[str, Any]], coder: Coder) -> Growth:
    """Fill an empty database and return what each step took."""
    database = Database.connect(url)
    database.upgrade()
    people, store = People(database), Store(database)
    lead = people.add("Lead", Role.LEAD)
    actor = Actor(lead.id, lead.role)
    sizes = [size(database)]
    report = store.import_encounters(actor, from_records(records))
    sizes.append(size(database))
    pack = coder.pack.version
    while store.queue.want_missing(pack):
        pass
    while work_once(store.queue, "growth", pack, coder.suggest):
        pass
    sizes.append(size(database))
    decisions = sum(_decide(store, actor, id) for id in report.imported)
    sizes.append(size(database))
    imported, read, decided = (after - before for before, after in pairwise(sizes))
    brought = set(report.imported)
    characters = sum(len(record["text"]) for record in records if record["id"] in brought)
    database.close()
    return Growth(database.dialect, len(brought), decisions, characters, imported, read, decided)


def _decide(store: Store, actor: Actor, id: str) -> int:
    """Accept what is preselected, one by one, and submit; return how many decisions that were."""
    desk = store.desk(id)
    if desk.run is None or desk.run.record is None:
        raise SystemExit(f"{id}: expected a run that is done")
    run: Any = desk.run.record
    version, made = desk.version, 0
    for place, proposed in enumerate(run["suggestions"]):
        if proposed["selected"]:
            code = Code.parse(proposed["system"], proposed["code"])
            new = NewDecision(Verdict.ACCEPT, code, datetime.now(UTC), suggestion=place)
            version = store.decide(actor, id, version, [new], key=uuid4().hex).version
            made += 1
    store.submit(actor, id, version, key=uuid4().hex)
    return made


def size(database: Database) -> int:
    """Return how many bytes a database takes."""
    with database.engine.connect() as connection:
        if database.dialect == "postgresql":
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        pages = connection.execute(text("SELECT * FROM pragma_page_count()")).scalar_one()
        return int(pages) * int(connection.execute(text("SELECT * FROM pragma_page_size()")).scalar_one())


def main() -> None:
    """Run by the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notes", nargs="?", type=Path, default=PINNED)
    parser.add_argument("--most", type=int, default=1500, help="bring at most this many notes")
    parser.add_argument("--database-url", help="an empty PostgreSQL database")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    wanted = parser.parse_args()
    records = [
        {"id": f"n{number}", "text": note["text"]}
        for number, note in enumerate(read_notes(wanted.notes)[: wanted.most])
    ]
    coder = Coder.load()
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        found = [grow(f"sqlite:///{home}/review.sqlite", records, coder)]
        url = wanted.database_url
        if url is None and (server := stack.enter_context(running_postgres())) is not None:
            url = server.format("postgres")
        if url is None:
            print("PostgreSQL NOT MEASURED: it is not installed and there is no --database-url\n")
        else:
            found.append(grow(url, records, coder))
    for growth in found:
        print(growth.database)
        for name, value in growth.each().items():
            print(f"  {name:<50} {value:>10,}")
    if wanted.json:
        write({growth.database: growth.each() for growth in found}, wanted.json)


if __name__ == "__main__":
    main()
