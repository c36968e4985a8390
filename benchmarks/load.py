"""Twenty coders at human pace for two minutes: how long they wait for a decision and for an encounter to open.

    python -m benchmarks.load [--coders 20] [--seconds 120] [--database-url postgresql://...]

Starts a service on this machine with a database of its own (SQLite, or the empty PostgreSQL database of the
URL), fills it with the sample encounters (each several times, with a line of its own) and lets every coder
claim, open, decide, look codes up and submit, with the pauses of people. Prints the 50th, 95th and 99th
percentile of each kind of request in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

from coder_assist.api.access import Scope
from coder_assist.api.review import Review
from coder_assist.review.audit_log import create_key
from coder_assist.review.database import Database
from coder_assist.review.demo import samples
from coder_assist.review.importing import from_records
from coder_assist.review.records import Actor
from coder_assist.review.states import Role
from coder_assist.settings import Settings

PACE = 2.5  # seconds between a coder's acts, on average
SHOWN = "2026-05-04T09:30:00Z"


class Coder(threading.Thread):
    """One coder: claims, opens, decides on what is preselected one by one, searches, submits."""

    def __init__(self, number: int, address: str, token: str, until: float) -> None:
        super().__init__(name=f"coder-{number}")
        self.chance = random.Random(number)
        self.client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self.until = until
        self.took: dict[str, list[float]] = defaultdict(list)
        self.failed: list[str] = []

    def ask(self, kind: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask, and keep how long the answer took."""
        began = time.perf_counter()
        answer = self.client.request(method, path, json=body)
        self.took[kind].append((time.perf_counter() - began) * 1000)
        if answer.status_code >= 400:
            self.failed.append(f"{kind}: {answer.status_code} {answer.json().get('detail')}")
        return answer

    def pause(self) -> bool:
        """Wait as a person does; say whether there is time left."""
        time.sleep(self.chance.expovariate(1 / PACE))
        return time.monotonic() < self.until

    def run(self) -> None:
        """Code until the time is over."""
        time.sleep(self.chance.random() * PACE)
        while time.monotonic() < self.until:
            claimed = self.ask("claim", "POST", "/v1/encounters/claim-next")
            if claimed.status_code != 200:
                return
            self.code(claimed.json()["id"])
        self.client.close()

    def code(self, id: str) -> None:
        """Decide on one encounter."""
        desk = self.ask("open", "GET", f"/v1/encounters/{id}").json()
        version = desk["version"]
        for place, suggestion in enumerate(desk["run"]["suggestions"] if desk["run"] else []):
            if not suggestion["selected"]:
                continue
            if not self.pause():
                return
            decision = {
                "suggestion": place,
                "verdict": "accept" if self.chance.random() < 0.8 else "reject",
                "system": suggestion["system"],
                "code": suggestion["code"],
                "shown_at": SHOWN,
            }
            if decision["verdict"] == "reject":
                decision["reason"] = "not_supported"
            body = {"version": version, "decisions": [decision]}
            answer = self.ask("decision", "POST", f"/v1/encounters/{id}/decisions", body)
            if answer.status_code != 200:
                return
            version = answer.json()["version"]
            if self.chance.random() < 0.2:
                self.ask("search", "GET", "/v1/codes/search?q=diabetes")
        if self.pause():
            self.ask("submit", "POST", f"/v1/encounters/{id}/submit", {"version": version})


def prepare(settings: Settings, coders: int, encounters: int) -> list[str]:
    """Fill the database with people and encounters, and return the coders' tokens."""
    review = Review.open(settings)
    lead = review.people.add("Lead", Role.LEAD)
    tokens = []
    for number in range(coders):
        name = f"Coder {number}"
        review.people.add(name, Role.CODER)
        tokens.append(review.people.add_token(name, "load", tuple(Scope))[0])
    notes = samples()
    records = [
        {**notes[n % len(notes)], "id": f"load-{n}", "text": f"{notes[n % len(notes)]['text']}\nVisit {n}.\n"}
        for n in range(encounters)
    ]
    review.store.import_encounters(Actor(lead.id, lead.role), from_records(records))
    review.close()
    return tokens


def main() -> None:
    """Run the load and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--coders", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--encounters", type=int, default=400)
    parser.add_argument("--database-url", default=None)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        create_key(Path(home) / "audit.key")
        environment = {
            "CODER_ASSIST_DEMO": "false",
            "CODER_ASSIST_DATA_DIR": home,
            "CODER_ASSIST_AUDIT_KEY_FILE": f"{home}/audit.key",
            "CODER_ASSIST_PORT": str(port),
        }
        if wanted.database_url:
            environment["CODER_ASSIST_DATABASE_URL"] = wanted.database_url
            empty = Database.connect(wanted.database_url)
            empty.upgrade()
            empty.close()
        os.environ.update(environment)
        tokens = prepare(Settings(), wanted.coders, wanted.encounters)
        service = subprocess.Popen([sys.executable, "-c", "from coder_assist.cli import app; app()", "serve"])
        try:
            report(wanted.seconds, f"http://127.0.0.1:{port}", tokens, wanted.encounters)
        finally:
            service.terminate()
            service.wait()


def report(seconds: int, address: str, tokens: list[str], encounters: int) -> None:
    """Wait until everything is read ahead, let the coders work, and print the table."""
    with httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {tokens[0]}"}, timeout=30
    ) as client:
        while True:
            try:
                if client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        began = time.monotonic()
        while client.get("/v1/encounters?sort=-age&limit=1").json()["items"][0]["run_state"] != "done":
            time.sleep(0.5)
        print(f"{encounters} encounters read ahead in {time.monotonic() - began:.0f} s")
    coders = [Coder(n, address, token, time.monotonic() + seconds) for n, token in enumerate(tokens)]
    for coder in coders:
        coder.start()
    for coder in coders:
        coder.join()
    print(f"{len(coders)} coders, {seconds} s, an act every {PACE} s each\n")
    print(f"{'request':<10}{'count':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'most':>9}")
    for kind in ("open", "decision", "claim", "search", "submit"):
        took = sorted(ms for coder in coders for ms in coder.took[kind])
        if len(took) >= 2:
            cuts = quantiles(took, n=100, method="inclusive")
            print(f"{kind:<10}{len(took):>8}{cuts[49]:>9.1f}{cuts[94]:>9.1f}{cuts[98]:>9.1f}{took[-1]:>9.1f}")
    failures = [failure for coder in coders for failure in coder.failed]
    print(f"\n{len(failures)} failed" + "".join(f"\n  {failure}" for failure in failures[:5]))


if __name__ == "__main__":
    main()
