"""Twenty coders at human pace for two minutes: how long they wait for a decision and for an encounter to open.

    python -m benchmarks.load [--coders 20] [--seconds 120] [--database-url postgresql://...] [--json FILE]
    python -m benchmarks.load --url http://127.0.0.1:8000 --tokens FILE [--seconds 120] [--allow-remote]

Starts a service on this machine with a database of its own (SQLite, or the empty PostgreSQL database of the
URL), or with ``--url`` drives the one that runs there. It gets the sample encounters (each several times, with a line of
its own), and every coder claims, opens, decides, looks codes up and submits, with the pauses of people. Prints the 50th,
95th and 99th percentile of each kind of request in milliseconds.

``FILE`` holds API tokens, one a line: first a lead's (scopes read and import), who brings the encounters, then one for
each coder (scopes read and decide). The encounters are of the specialty "Load test" and only those are claimed: others
that wait there are left alone. What was decided stays in that database, as everything does: take one made for it.
A service on another machine is driven only with ``--allow-remote``.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

from benchmarks.pinned import REPO, machine, sha256_of, write
from coder_assist.api.access import Scope
from coder_assist.api.review import Review
from coder_assist.review.audit_log import create_key
from coder_assist.review.database import Database
from coder_assist.review.demo import samples
from coder_assist.review.states import Role
from coder_assist.settings import Settings

PACE = 2.5  # seconds between a coder's acts, on average
SHOWN = "2026-05-04T09:30:00Z"
SPECIALTY = "Load test"
SAMPLES = "coder_assist/review/samples.jsonl"
AT_ONCE = 50  # encounters brought with one request
KINDS = ("open", "decision", "claim", "search", "submit")
VERSIONS = ("pack", "code_books", "lexicon", "rules", "software")


class Coder(threading.Thread):
    """One coder: claims, opens, decides on what is preselected one by one, searches, submits."""

    def __init__(self, number: int, address: str, token: str, until: float) -> None:
        super().__init__(name=f"coder-{number}")
        self.chance = random.Random(number)
        self.client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self.until = until
        self.took: dict[str, list[float]] = defaultdict(list)
        self.failed: list[str] = []
        self.ran_out = False
        self.versions: dict[str, Any] = {}

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
            claimed = self.ask("claim", "POST", "/v1/encounters/claim-next", {"specialty": SPECIALTY})
            if claimed.status_code != 200:
                self.ran_out = claimed.status_code == 204
                break
            self.code(claimed.json()["id"])
        self.client.close()

    def code(self, id: str) -> None:
        """Decide on one encounter."""
        desk = self.ask("open", "GET", f"/v1/encounters/{id}").json()
        version = desk["version"]
        if desk["run"]:
            self.versions = {name: desk["run"][name] for name in VERSIONS}
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


def bring(client: httpx.Client, count: int) -> float:
    """Bring so many encounters to a service that is ready, and return how many seconds it took to read them ahead.

    Raises ``SystemExit`` where they are not taken in, or not read.
    """
    run, notes = f"load-{datetime.now(UTC):%Y%m%d%H%M%S}-", samples()
    records = []
    for number in range(count):
        note = notes[number % len(notes)]
        text = f"{note['text']}\nVisit {run}{number}.\n"
        records.append({**note, "id": f"{run}{number:06}", "text": text, "specialty": SPECIALTY})
    began = time.monotonic()
    for first in range(0, count, AT_ONCE):
        answer = client.post("/v1/encounters", json={"items": records[first : first + AT_ONCE]})
        if answer.status_code != 200:
            raise SystemExit(f"expected a lead's token that may import; got {_said(answer)}")
        if failed := answer.json()["failed"]:
            raise SystemExit(f"{len(failed)} encounters were not taken in: {failed[0]['error']}")
    newest = f"/v1/encounters?q={run}&sort=-age&limit=1"
    patience = 120 + 2 * count
    while client.get(newest).json()["items"][0]["run_state"] != "done":
        if time.monotonic() - began > patience:
            raise SystemExit(
                f"expected {count} encounters to be read ahead within {patience} s; "
                "one process needs CODER_ASSIST_QUEUE_WORKERS above 0"
            )
        time.sleep(0.5)
    return time.monotonic() - began


def _said(answer: httpx.Response) -> str:
    """Return status and detail of an answer, which may be somebody else's page."""
    try:
        return f"{answer.status_code} {answer.json().get('detail')}"
    except ValueError:
        return str(answer.status_code)


def drive(address: str, lead: str, coders: list[str], seconds: int, encounters: int) -> dict[str, Any]:
    """Wait until a service is ready, bring the encounters, let the coders work, and return the figures."""
    measured_on = machine()
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {lead}"}, timeout=30) as client:
        _wait_until_ready(client)
        reading = bring(client, encounters)
    at_work = [Coder(n, address, token, time.monotonic() + seconds) for n, token in enumerate(coders)]
    for coder in at_work:
        coder.start()
    for coder in at_work:
        coder.join()
    latency = {}
    for kind in KINDS:
        took = sorted(ms for coder in at_work for ms in coder.took[kind])
        if len(took) >= 2:
            cuts = quantiles(took, n=100, method="inclusive")
            found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "most": took[-1]}
            latency[kind] = {"count": len(took)} | {name: round(ms, 1) for name, ms in found.items()}
    failures = [failure for coder in at_work for failure in coder.failed]
    return {
        "machine": measured_on,
        "notes": {"file": SAMPLES, "sha256": sha256_of(REPO / SAMPLES)},
        "versions": next((coder.versions for coder in at_work if coder.versions), {}),
        "coders": len(at_work),
        "seconds": seconds,
        "seconds_between_acts": PACE,
        "encounters": encounters,
        "seconds_to_read_ahead": round(reading, 1),
        "coders_who_ran_out_of_encounters": sum(coder.ran_out for coder in at_work),
        "failed": len(failures),
        "first_failures": failures[:5],
        "milliseconds": latency,
    }


def _wait_until_ready(client: httpx.Client, patience: float = 180) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"expected a service at {client.base_url} that gets ready within {patience:.0f} s")


@contextmanager
def own_service(coders: int, database_url: str | None) -> Iterator[tuple[str, list[str]]]:
    """Start a service on an empty database; give its address and the tokens of a lead and of the coders."""
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
        if database_url:
            environment["CODER_ASSIST_DATABASE_URL"] = database_url
            empty = Database.connect(database_url)
            empty.upgrade()
            empty.close()
        os.environ.update(environment)
        tokens = _hire(coders)
        service = subprocess.Popen([sys.executable, "-m", "coder_assist", "serve"])
        try:
            yield f"http://127.0.0.1:{port}", tokens
        finally:
            service.terminate()
            service.wait()


def _hire(coders: int) -> list[str]:
    """Add a lead and the coders to the database of the settings, and return their tokens."""
    review = Review.open(Settings())
    tokens = []
    for number in range(coders + 1):
        name, role = (f"Coder {number}", Role.CODER) if number else ("Lead", Role.LEAD)
        review.people.add(name, role)
        tokens.append(review.people.add_token(name, "load", tuple(Scope))[0])
    review.close()
    return tokens


def is_here(url: str) -> bool:
    """Say whether a URL is of this machine.

    >>> is_here("http://127.0.0.1:8000"), is_here("http://[::1]:8000"), is_here("http://localhost")
    (True, True, True)
    >>> is_here("https://coding.example"), is_here("http://localhost.example"), is_here("http://10.0.0.1")
    (False, False, False)
    """
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    on = figures["machine"]
    print(
        f"{on['processor']}, {on['cores']} cores, load {on['load_at_start']} at the start; "
        f"{figures['encounters']} encounters read ahead in {figures['seconds_to_read_ahead']:.0f} s"
    )
    print(", ".join(f"{name} {version}" for name, version in figures["versions"].items()))
    print(
        f"{figures['coders']} coders, {figures['seconds']} s, an act every {PACE} s each, service: "
        f"{figures['service']}\n"
    )
    print(f"{'request':<10}{'count':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'most':>9}")
    for kind, took in figures["milliseconds"].items():
        rest = "".join(f"{took[name]:>9.1f}" for name in ("p50", "p95", "p99", "most"))
        print(f"{kind:<10}{took['count']:>8}{rest}")
    print(f"\n{figures['failed']} failed" + "".join(f"\n  {one}" for one in figures["first_failures"]))
    if ran_out := figures["coders_who_ran_out_of_encounters"]:
        print(f"{ran_out} coders RAN OUT of encounters and stopped early: bring more with --encounters")


def main() -> None:
    """Run the load and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--coders", type=int, default=20, help="with --url: as many as there are tokens")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--encounters", type=int, help="to bring; else as many as the coders can need")
    parser.add_argument("--database-url", help="empty PostgreSQL database for the service that is started")
    parser.add_argument("--url", help="a service that runs already")
    parser.add_argument("--tokens", type=Path, help="its API tokens: a lead's, then the coders', one a line")
    parser.add_argument("--allow-remote", action="store_true", help="drive a service on another machine")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    wanted = parser.parse_args()
    if bool(wanted.url) != bool(wanted.tokens) or (wanted.url and wanted.database_url):
        parser.error("expected --url with --tokens and without --database-url, or neither of the two")
    if wanted.url and not (is_here(wanted.url) or wanted.allow_remote):
        parser.error(
            f"--url: {httpx.URL(wanted.url).host or 'this'} is not this machine; its coders would wait and its "
            "database would keep the encounters. With --allow-remote it is driven all the same"
        )

    def enough(coders: int) -> int:
        return wanted.encounters or max(20, coders * wanted.seconds // 6)

    if wanted.url:
        lead, *coders = wanted.tokens.read_text(encoding="utf-8").split()
        if not coders:
            parser.error("--tokens: expected a lead's token and at least one coder's, one a line; got one")
        figures = drive(wanted.url, lead, coders, wanted.seconds, enough(len(coders)))
        figures["service"] = "one that ran already"
    else:
        with own_service(wanted.coders, wanted.database_url) as (address, (lead, *coders)):
            figures = drive(address, lead, coders, wanted.seconds, enough(len(coders)))
        figures["service"] = f"its own on {'PostgreSQL' if wanted.database_url else 'SQLite'}"
    show(figures)
    if wanted.json:
        write(figures, wanted.json)


if __name__ == "__main__":
    main()
