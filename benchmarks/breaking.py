"""What endurance breaks: services, batches, clocks and disks; and how it is counted what was lost."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.traffic import ADDED, SHOWN, Ledger
from coder_assist.api.access import Scope
from coder_assist.errors import DatabaseUnavailable, VersionConflict
from coder_assist.review.audit_log import create_key
from coder_assist.review.database import Database
from coder_assist.review.importing import from_records
from coder_assist.review.people import People
from coder_assist.review.records import Actor, NewDecision
from coder_assist.review.states import EncounterState, Role
from coder_assist.review.store import Store
from coder_assist.types import Code, Verdict, Via

COMMAND = (sys.executable, "-m", "coder_assist")
MOUNT = ("mount", "-t", "tmpfs")
DISK_MB = 6
AWAY = "no room"
FAKETIME = "**/faketime/libfaketimeMT.so.1"


# ---- services ------------------------------------------------------------------------------------------------


class Service:
    """A service in a process of its own, which can be killed and started again on its port."""

    def __init__(self, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.kills = self.jumps = 0
        self._environment = environment | {"CODER_ASSIST_PORT": str(port)}
        self.start()

    def start(self, days: float = 0.0) -> None:
        """Start it and wait until it answers; its clock is off by so many days, for which libfaketime is needed.

        Raises ``RuntimeError`` where it ends by itself, or is not ready within two minutes: then it is ended.
        """
        self.process = subprocess.Popen(
            [*COMMAND, "serve"],
            env=self._environment | clock_off_by(days),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(httpx.TransportError):
                answer = httpx.get(self.address + "/readyz", timeout=10)
                if answer.status_code == 200:
                    # What it writes on its answers is what its clock says.
                    off = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
                    self.jumps += abs(off) > timedelta(days=1)
                    return
            time.sleep(0.1)
        code = self.process.poll()
        self.end()  # one that is only slow must not be there beside the next
        raise RuntimeError(f"the service did not get ready; exit code {code}")

    def revive(self, days: float = 0.0) -> None:
        """Kill it as if the power went, and start it again, its clock off by so many days."""
        self.process.kill()
        self.process.wait()
        self.kills += 1
        for _ in range(3):  # started while the database was away it says so and ends; then it is tried again
            with suppress(RuntimeError):
                self.start(days)
                return

    def end(self) -> None:
        """Stop it for good."""
        self.process.kill()
        self.process.wait()


def libfaketime() -> Path | None:
    """Return the library that makes a process's clock go wrong (Debian's ``faketime``), if it is installed."""
    found = [
        path
        for place in ("usr/lib", "usr/lib64", "usr/local/lib")
        for path in Path("/", place).glob(FAKETIME)
    ]
    return found[0] if found else None


def clock_off_by(days: float) -> dict[str, str]:
    """Return the environment of a process whose clock is off; how long something takes it still measures rightly."""
    library = libfaketime()
    if not days or library is None:
        return {}
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{days:+.3f}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class Site:
    """A data directory, a database and the people, on which services run."""

    password = "horse staple battery 9"

    def __init__(self, home: Path, url: str, workers: int) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.url = home, url
        self.key = home.parent / f"{home.name}.key"
        create_key(self.key)
        self.database = Database.connect(url)
        self.database.upgrade()
        people = People(self.database)
        self.tokens = []
        for number in range(workers):
            name = f"worker {number}"
            person = people.add(name, Role.LEAD, self.password)
            self.tokens.append(people.add_token(name, "endurance", tuple(Scope))[0])
        self.actor = Actor(person.id, Role.LEAD)

    def environment(self, **settings: object) -> dict[str, str]:
        """Return the environment of the project's commands on this site."""
        own = {
            "CODER_ASSIST_DEMO": "false",
            "CODER_ASSIST_DATA_DIR": str(self.home),
            "CODER_ASSIST_AUDIT_KEY_FILE": str(self.key),
            "CODER_ASSIST_REQUESTS_PER_MINUTE": "1000000",
        }
        if self.url.startswith("postgresql"):
            own["CODER_ASSIST_DATABASE_URL"] = self.url
        more = {f"CODER_ASSIST_{name.upper()}": str(value) for name, value in settings.items()}
        return {**os.environ, **own, **more}

    def service(self, **settings: object) -> Service:
        """Start a service on this site."""
        return Service(self.environment(**settings))

    def count(self, ledger: Ledger) -> tuple[int, int, str]:
        """Return how many acknowledged acts are missing, how many were done twice, and what the audit log is."""
        store, missing, doubled = Store(self.database), 0, 0
        wanted: dict[str, list[int]] = {}
        for encounter, id in ledger.decisions:
            wanted.setdefault(encounter, []).append(id)
        for encounter, ids in wanted.items():
            made = store.desk(encounter).decisions
            missing += len(set(ids) - {one.id for one in made})
            first = Counter(one.code for one in made if one.verdict in (Verdict.ADD, Verdict.ACCEPT))
            doubled += sum(times - 1 for times in first.values())
        done = EncounterState.SUBMITTED
        missing += sum(store.summary(encounter).state is not done for encounter in ledger.submitted)
        self.database.close()
        verified = subprocess.run(
            [*COMMAND, "audit", "verify"], env=self.environment(), capture_output=True, text=True
        )
        chain = re.search(r"(not )?intact:.*", verified.stdout + verified.stderr)
        return missing, doubled, chain.group(0) if chain else f"exit code {verified.returncode}"


class Jumping:
    """A store whose clock jumps, deciding on encounters of its own."""

    def __init__(self, site: Site, ledger: Ledger, seed: int) -> None:
        self.chance = random.Random(seed)
        self.jumps = self.decided = 0
        self.site, self.ledger = site, ledger
        self.database = Database.connect(site.url)
        self.store = Store(self.database, self._now)

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.chance.uniform(-400, 400))

    def decide(self) -> None:
        """Bring an encounter and decide on it, each step at another time; again if the database was away."""
        self.jumps += 1
        id = f"clock-{self.jumps}"
        with suppress(DatabaseUnavailable):
            record = {"id": id, "text": f"Cough. Clock {self.jumps}."}
            self.store.import_encounters(self.site.actor, from_records([record]))
            for code in ADDED[:3]:
                new = NewDecision(
                    Verdict.ADD,
                    Code.parse("ICD-10-CM", code),
                    datetime.fromisoformat(SHOWN),
                    via=Via.SEARCH,
                )
                version = self.store.summary(id).version
                with suppress(VersionConflict):
                    outcome = self.store.decide(self.site.actor, id, version, [new])
                    self.decided += 1
                    with self.ledger.lock:
                        self.ledger.decisions += [(id, made.id) for made in outcome.decisions]


# ---- memory --------------------------------------------------------------------------------------------------


def resident(pid: int) -> float:
    """Return the memory that a process holds, in MB; 0 if it is gone."""
    with suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found.group(1)) / 1024 if found else 0.0
    return 0.0


def _group(leader: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if os.getpgid(int(entry.name)) == leader:
                    yield int(entry.name)


def slope(samples: list[tuple[float, float]]) -> float:
    """Return MB a minute over the second half of (seconds, MB), where warming up is over."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return 0.0
    seconds, megabytes = np.array(half).T
    return float(np.polyfit(seconds / 60, megabytes, 1)[0])


class Memory:
    """The memory of a service over time."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.samples: list[tuple[float, float]] = []

    def sample(self) -> None:
        """Look once."""
        self.samples.append((time.monotonic(), resident(self.service.process.pid)))

    def summary(self) -> dict[str, Any]:
        """Return the first and last sample, and the slope."""
        if not self.samples:
            self.sample()
        first, last = round(self.samples[0][1]), round(self.samples[-1][1])
        return {
            "first": first,
            "last": last,
            "samples": len(self.samples),
            "slope": round(slope(self.samples), 3),
        }


# ---- batches -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of something broken; ``lost`` is ``None`` where it was not tried."""

    way: str
    times: int
    seen: str
    lost: int | None


UNTRIED = Outcome("no tmpfs", 0, "mounting is not allowed here", None)


def prepare_notes(corpus: Path, count: int, home: Path) -> Path:
    """Write a file of ``count`` notes with ids of their own, the corpus repeated."""
    opener = gzip.open if corpus.suffix == ".gz" else open
    with opener(corpus, "rt", encoding="utf-8") as lines:
        notes = [json.loads(line) for line in lines]
    path = home / "notes.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, note in enumerate(islice(cycle(notes), count)):
            file.write(json.dumps({**note, "id": f"n{number}", "codes": None}) + "\n")
    return path


class Batch:
    """``coder-assist batch``, killed with its workers now and then, and started again until it is done."""

    def __init__(self, notes: Path, target: Path, workers: int = 1) -> None:
        self.command = [*COMMAND, "batch", str(notes), str(target), "--size", "50", "--workers", str(workers)]
        self.target = target
        self.kills = 0
        self.samples: list[tuple[float, float]] = []
        self._left_alone = 0  # how many samples there were at the last kill
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run_until_done(self) -> None:
        """Start it until it ends by itself. Raises ``RuntimeError`` where it fails other than by being killed."""
        threading.Thread(target=self._kill_amid, daemon=True).start()
        while True:
            with self._lock:
                self._process = subprocess.Popen(
                    self.command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
                )
            code = self._process.wait()
            if code == 0:
                return
            if code != -signal.SIGKILL:
                raise RuntimeError(f"batch ended with {code}")

    def _kill_amid(self) -> None:
        """Kill it when its first part is there: a few notes may be coded before chance comes to it."""
        while self.kills == 0 and not any(self.target.glob("part-*.jsonl")):
            time.sleep(0.02)
        if self.kills == 0:
            self.kill()

    def kill(self) -> None:
        """Kill it and its workers, if it runs."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                self.kills += 1
                self._left_alone = len(self.samples)

    def sample(self) -> None:
        """Look at the memory of all its processes."""
        process = self._process
        if process is not None and process.poll() is None:
            self.samples.append((time.monotonic(), sum(resident(pid) for pid in _group(process.pid))))

    def memory(self) -> dict[str, float]:
        """Return the most memory seen, and the slope since the last kill: each new life warms up anew."""
        alone = self.samples[self._left_alone :]
        return {
            "most": round(max((mb for _, mb in self.samples), default=0)),
            "slope": round(slope(alone), 3),
            "alone": round((alone[-1][0] - alone[0][0]) / 60, 1) if alone else 0.0,
        }

    def verdict(self, count: int) -> Outcome:
        """Return how many notes are not coded exactly once, in order."""
        return _coded(self.target, count, self.kills, "SIGKILL")


def _coded(target: Path, count: int, times: int, way: str) -> Outcome:
    parts = sorted(path for path in target.glob("part-*.jsonl") if "rejects" not in path.name)
    ids = [json.loads(line)["id"] for part in parts for line in part.open(encoding="utf-8")]
    wrong = sum(found != f"n{number}" for number, found in enumerate(ids)) + abs(len(ids) - count)
    parts_left = len(list(target.glob("*.draft")))
    seen = f"started again it went on; {len(ids):,} notes coded, each once and in order, {parts_left} drafts left"
    return Outcome(way, times, seen, wrong)


# ---- disks ---------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[bool]:
    """Mount a small tmpfs, and say whether that was allowed."""
    at.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([*MOUNT, "-o", f"size={megabytes}m", "tmpfs", str(at)], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(at)], check=True)


def fill_disk(home: Path) -> Outcome:
    """Let a service on SQLite run out of disk, make room, and see that all it acknowledged is there."""
    with small_disk(home / "disk", DISK_MB) as mounted:
        if not mounted:
            return UNTRIED
        site = Site(home / "disk" / "data", f"sqlite:///{home}/disk/data/review.sqlite", 1)
        service = site.service(queue_workers=0)
        ledger, refusals, number, says = Ledger(), 0, 0, ""
        headers = {"Authorization": f"Bearer {site.tokens[0]}"}
        ballast = home / "disk" / "ballast"
        with httpx.Client(base_url=service.address, headers=headers, timeout=30) as client:

            def work() -> httpx.Response:
                """Bring and code encounters until something is refused."""
                nonlocal number
                while True:
                    number += 1
                    text = f"Cough. Visit {number}. " + "Unremarkable. " * 2000
                    answer = client.post(
                        "/v1/encounters", json={"items": [{"id": f"d{number}", "text": text}]}
                    )
                    if answer.status_code != 200:
                        return answer
                    answer = _add(client, number, ledger)
                    if answer.status_code != 200:
                        return answer

            ballast.write_bytes(b"\0" * 3_000_000)
            for _ in range(2):
                answer = work()
                refusals += answer.status_code == 503
                says = answer.json().get("detail", "")
                # What is there can still be read while nothing can be written.
                refusals += client.get("/v1/encounters?limit=5").status_code != 200 and -100
                if ballast.exists():
                    ballast.unlink()  # room again: the same service goes on by itself
                    _add(client, 1, ledger, code="Z00.00")
        ballast.unlink(missing_ok=True)
        service.end()
        missing, doubled, chain = site.count(ledger)
        seen = f'503 "{says}"; {len(ledger.decisions)} decisions acknowledged, worklist readable, audit log {chain}'
        wrong = missing + doubled + (refusals < 1) + (AWAY not in says) + (not chain.startswith("intact"))
        return Outcome("tmpfs", refusals, seen, wrong)


def _add(client: httpx.Client, number: int, ledger: Ledger, code: str = "R05.9") -> httpx.Response:
    desk = client.get(f"/v1/encounters/d{number}")
    if desk.status_code != 200:
        return desk
    decision = {"verdict": "add", "system": "ICD-10-CM", "code": code, "via": "search", "shown_at": SHOWN}
    body = {"version": desk.json()["version"], "decisions": [decision]}
    answer = client.post(f"/v1/encounters/d{number}/decisions", json=body)
    if answer.status_code == 200:
        ledger.decisions += [(f"d{number}", made["id"]) for made in answer.json()["decisions"]]
    return answer


def starve_batch(home: Path, corpus: Path, count: int = 60) -> Outcome:
    """Let a batch run out of disk, make room, and see that it goes on and every note is coded once."""
    (home / "starved").mkdir()
    notes = prepare_notes(corpus, count, home / "starved")
    with small_disk(home / "narrow", 1) as mounted:
        ballast = home / "narrow" / "ballast"
        target = home / "narrow" / "coded"
        command = [*COMMAND, "batch", str(notes), str(target), "--size", "5"]
        if not mounted:
            return UNTRIED
        ballast.write_bytes(b"\0" * 900_000)
        starved = subprocess.run(command, capture_output=True, text=True)
        said = " ".join(starved.stderr.split())
        clear = starved.returncode == 2 and "expected room to write" in said and "Traceback" not in said
        ballast.unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,size=64m", str(home / "narrow")], check=True)
        subprocess.run(command, check=True, capture_output=True)
        coded = _coded(target, count, 1, "")
    told = (
        'said "expected room to write", exit code 2'
        if clear
        else f"UNCLEAR: {starved.returncode} {said[-300:]}"
    )
    return Outcome("tmpfs", 1, f"{told}; {coded.seen}", (coded.lost or 0) + (not clear))
