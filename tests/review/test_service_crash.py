"""Nothing that was acknowledged is lost: the service is killed under a stream of decisions, and two share a database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from coder_assist.api.access import Scope
from coder_assist.review.audit_log import create_key, events_in, public_key, read_heads, verify
from coder_assist.review.database import Database
from coder_assist.review.importing import from_records
from coder_assist.review.people import People
from coder_assist.review.queue import work_once
from coder_assist.review.records import Actor
from coder_assist.review.states import Role
from coder_assist.review.store import Store
from tests.review.building import PACK, TEXT, run_of

pytestmark = pytest.mark.endurance

AT = "2026-05-04T09:30:00Z"
KILLS = int(os.environ.get("KILLS", "20"))  # make smoke kills less often
CODES = [
    "R05.1",
    "R05.2",
    "R05.3",
    "R05.8",
    "R05.9",
    "R07.0",
    "R10.10",
    "R10.30",
    "R11.0",
    "R42",
    "R50.9",
    "R51.9",
]


class Site:
    """A data directory and a database, prepared, and the services that run on them."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        create_key(home / "audit.key")
        self.database = Database.connect(url)
        self.store = Store(self.database)
        self.people = People(self.database)
        self.tokens = {}
        for name in ("ana", "ben"):
            self.people.add(name, Role.CODER)
            self.tokens[name], _ = self.people.add_token(name, "test", tuple(Scope))
        lead = self.people.add("lead", Role.LEAD)
        self.lead = Actor(lead.id, Role.LEAD)

    def bring(self, count: int) -> None:
        records = [{"id": f"e{number}", "text": f"{TEXT}\nVisit {number}."} for number in range(count)]
        assert len(self.store.import_encounters(self.lead, from_records(records)).imported) == count
        self.store.queue.want_missing(PACK)
        while work_once(self.store.queue, "test", PACK, run_of):
            pass

    def start(self) -> tuple[subprocess.Popen[bytes], httpx.Client]:
        """Start a service in a process of its own, and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **os.environ,
            "CODER_ASSIST_DEMO": "false",
            "CODER_ASSIST_DATA_DIR": str(self.home),
            "CODER_ASSIST_AUDIT_KEY_FILE": str(self.home / "audit.key"),
            "CODER_ASSIST_PACK": str(Path("models/hand-set").absolute()),
            "CODER_ASSIST_QUEUE_WORKERS": "0",
            "CODER_ASSIST_REQUESTS_PER_MINUTE": "1000000",
        }
        if self.url.startswith("postgresql"):
            environment["CODER_ASSIST_DATABASE_URL"] = self.url
        process = subprocess.Popen(
            [sys.executable, "-c", "from coder_assist.cli import app; app()", "serve", "--port", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        for _ in range(600):
            try:
                if client.get("/readyz").status_code == 200:
                    return process, client
            except httpx.TransportError:
                pass
            assert process.poll() is None, "the service ended by itself"
            time.sleep(0.1)
        raise AssertionError("the service did not get ready")

    def as_(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def check(self, acknowledged: list[tuple[str, str, int]]) -> None:
        """See that every acknowledged decision is there once, none twice, and that the chain holds."""
        with self.database.read() as session:
            events = list(events_in(session))
        found = verify(events, read_heads(self.home / "audit.head"), public_key(self.home / "audit.key"))
        assert found.intact, found.problem
        stored: Counter[tuple[str, str]] = Counter()
        ids: set[int] = set()
        for encounter_id in {encounter_id for encounter_id, _, _ in acknowledged}:
            for made in self.store.desk(encounter_id).decisions:
                stored[encounter_id, made.code.value] += 1
                ids.add(made.id)
        assert all(id in ids for _, _, id in acknowledged)
        assert all(stored[encounter_id, code] == 1 for encounter_id, code, _ in acknowledged)
        assert max(stored.values(), default=1) == 1  # a retried decision was not made twice


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, database_url)
    yield site
    site.database.close()


def add(code: str, version: int) -> dict[str, Any]:
    decision = {"verdict": "add", "system": "ICD-10-CM", "code": code, "via": "search", "shown_at": AT}
    return {"version": version, "decisions": [decision]}


@contextmanager
def killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Timer]:
    """Give the timer that kills the process once it is started; at the end it is killed in any case."""
    timer = threading.Timer(seconds, lambda: process.send_signal(signal.SIGKILL))
    try:
        yield timer
    finally:
        timer.cancel()
        process.kill()
        process.wait()


def test_a_killed_service_loses_nothing(site: Site) -> None:
    """Killed again and again under a stream of decisions, each retried with its key until it is acknowledged."""
    encounters = 3 * KILLS
    site.bring(encounters)
    wanted = iter([(f"e{number}", code) for number in range(encounters) for code in CODES])
    acknowledged: list[tuple[str, str, int]] = []
    pending: tuple[str, str] | None = None
    versions: dict[str, int] = {}
    for round in range(KILLS):
        process, client = site.start()
        # The clock runs from the round's first acknowledgement on: a slow machine is killed amid its work too.
        with closing(client), killed_after(process, 0.02 + 0.04 * (round % 7)) as timer:
            while True:
                pending = pending or next(wanted)
                encounter_id, code = pending
                try:
                    if encounter_id not in versions:
                        desk = client.get(f"/v1/encounters/{encounter_id}", headers=site.as_("ana")).json()
                        versions[encounter_id] = desk["version"]
                    answer = client.post(
                        f"/v1/encounters/{encounter_id}/decisions",
                        json=add(code, versions[encounter_id]),
                        headers=site.as_("ana") | {"Idempotency-Key": f"{encounter_id}-{code}"},
                    )
                except httpx.TransportError:
                    break  # killed; the decision may be stored or not, and is asked for again
                assert answer.status_code == 200, answer.text
                acknowledged.append((encounter_id, code, answer.json()["decisions"][0]["id"]))
                versions[encounter_id] = answer.json()["version"]
                pending = None
                if timer.ident is None:
                    timer.start()
        site.check(acknowledged)
    assert len(acknowledged) >= KILLS


def test_two_services_share_a_database(site: Site) -> None:
    """Two processes on one database: of two coders on one encounter one gets 409, and no decision is lost."""
    if not site.url.startswith("postgresql"):
        pytest.skip("SQLite is for one process")
    site.bring(6)
    services = [site.start() for _ in range(2)]
    acknowledged: list[tuple[str, str, int]] = []
    conflicts: list[str] = []
    failures: list[str] = []

    def code_all(name: str, client: httpx.Client, codes: list[str]) -> None:
        for number in range(6):
            for code in codes:
                for attempt in range(60):
                    desk = client.get(f"/v1/encounters/e{number}", headers=site.as_("lead")).json()
                    answer = client.post(
                        f"/v1/encounters/e{number}/decisions",
                        json=add(code, desk["version"]),
                        headers=site.as_("lead") | {"Idempotency-Key": f"{name}-e{number}-{code}-{attempt}"},
                    )
                    if answer.status_code == 200:
                        acknowledged.append((f"e{number}", code, answer.json()["decisions"][0]["id"]))
                        break
                    if answer.status_code != 409:
                        failures.append(answer.text)
                        return
                    conflicts.append(answer.json()["type"])
                else:
                    failures.append(f"{name} never got through")

    site.tokens["lead"], _ = site.people.add_token("lead", "test", tuple(Scope))
    try:
        threads = [
            threading.Thread(target=code_all, args=(f"service-{place}", client, CODES[place::2]))
            for place, (_, client) in enumerate(services)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for process, client in services:
            client.close()
            process.kill()
            process.wait()
    assert failures == []
    assert len(acknowledged) == 6 * len(CODES)
    assert set(conflicts) <= {"urn:coder-assist:problem:conflict"}
    site.check(acknowledged)
