"""Coders without pauses, who keep a ledger of all that the service acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from coder_assist.review.demo import samples

if TYPE_CHECKING:
    from benchmarks.breaking import Service, Site

SHOWN = "2026-05-04T09:30:00Z"
ADDED = ("R05.9", "R07.0", "R10.30", "R11.0", "R42", "R50.9", "R51.9")
SEARCHED = ("diabetes", "chest pain", "fracture left femur", "hypertens", "E11", "asthm exacerbation")
PATIENCE = 90.0  # seconds until a request that is not answered counts as lost


@dataclass
class Ledger:
    """What was acknowledged, to be looked for afterwards. ``decisions`` are (encounter, id)."""

    decisions: list[tuple[str, int]] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    requests: int = 0
    unavailable: int = 0
    cut: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, status: int) -> None:
        """Count an answer."""
        with self.lock:
            self.requests += 1
            self.statuses[status] += 1
            self.unavailable += status == 503

    def interrupted(self) -> None:
        """Count a request that a dying process did not answer."""
        with self.lock:
            self.requests += 1
            self.cut += 1


class Worker(threading.Thread):
    """One coder: imports, opens, decides, undoes, submits, asks and searches, at any service that answers."""

    def __init__(
        self, number: int, site: Site, services: Sequence[Service], until: float, ledger: Ledger
    ) -> None:
        super().__init__(name=f"worker-{number}")
        self.number, self.site, self.services = number, site, services
        self.until, self.ledger = until, ledger
        self.chance = random.Random(number)
        self.client = httpx.Client(timeout=30)
        self.notes = samples()

    def ask(self, method: str, path: str, body: Any = None, expected: Sequence[int] = (200,)) -> Any:
        """Ask until there is an answer other than 503, with one key for all tries; ``None`` if not as expected.

        A lost answer is asked for again with the same body, which is what an idempotency key is for.
        """
        headers = {"Authorization": f"Bearer {self.site.tokens[self.number]}", "Idempotency-Key": uuid4().hex}
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            address = self.chance.choice(self.services).address
            try:
                answer = self.client.request(method, address + path, json=body, headers=headers)
            except httpx.TransportError:
                self.ledger.interrupted()
                time.sleep(0.1)
                continue
            self.ledger.answered(answer.status_code)
            if answer.status_code == 503:
                time.sleep(0.2)
                continue
            if answer.status_code in expected:
                return answer.json() if answer.content else {}
            # A change of version by the reading ahead is no fault: the caller looks again.
            if answer.status_code != 409:
                self._unexpected(f"{method} {path.split('?')[0]}: {answer.status_code} {answer.text[:200]}")
            return None
        self._unexpected(f"{method} {path.split('?')[0]}: no answer in {PATIENCE:.0f} s")
        return None

    def _unexpected(self, what: str) -> None:
        with self.ledger.lock:
            self.ledger.unexpected.append(what)

    def run(self) -> None:
        """Work until the time is over."""
        turn = 0
        while time.monotonic() < self.until:
            turn += 1
            try:
                self._sign_in_and_out()
                self._code(f"w{self.number}-{turn}")
                note = self.chance.choice(self.notes)
                self.ask("POST", "/v1/suggest", {"id": "one", "text": note["text"]})
                self.ask("GET", f"/v1/codes/search?q={self.chance.choice(SEARCHED)}")
            except Exception as error:
                self._unexpected(f"worker: {type(error).__name__}: {error}")
                break
        self.client.close()

    def _sign_in_and_out(self) -> None:
        """Begin a session by password, use it once, end it; what a killed process cuts off is left."""
        address = self.chance.choice(self.services).address
        with httpx.Client(base_url=address, timeout=30) as browser:
            try:
                made = browser.post(
                    "/v1/session", json={"name": f"worker {self.number}", "password": self.site.password}
                )
                self.ledger.answered(made.status_code)
                if made.status_code == 503:
                    return
                if made.status_code != 200:
                    self._unexpected(f"sign-in: {made.status_code} {made.text[:200]}")
                    return
                csrf = {"X-CSRF-Token": made.json()["csrf"]}
                self.ledger.answered(browser.get("/v1/encounters?limit=5").status_code)
                self.ledger.answered(browser.delete("/v1/session", headers=csrf).status_code)
            except httpx.TransportError:
                self.ledger.interrupted()

    def _code(self, id: str) -> None:
        note = self.chance.choice(self.notes)
        record = {**note, "id": id, "text": f"{note['text']}\nVisit {id}.\n"}
        self.ask("POST", "/v1/encounters", {"items": [record]})
        desk = None
        while time.monotonic() < self.until:
            desk = self.ask("GET", f"/v1/encounters/{id}")
            if desk is None or (desk["run"] and desk["run"]["state"] == "done"):
                break
            time.sleep(0.1)
        if not desk or not desk["run"] or desk["run"]["state"] != "done":
            return
        version: int = desk["version"]
        chosen = [
            (place, proposed)
            for place, proposed in enumerate(desk["run"]["suggestions"])
            if proposed["selected"]
        ]
        decisions = [
            {
                "suggestion": place,
                "verdict": "accept",
                "system": proposed["system"],
                "code": proposed["code"],
            }
            for place, proposed in chosen[:4]
        ]
        taken = {decision["code"] for decision in decisions}
        others = [code for code in ADDED if code not in taken]
        decisions += [
            {"verdict": "add", "system": "ICD-10-CM", "code": code, "via": "search"}
            for code in self.chance.sample(others, 3)
        ]
        for decision in decisions:
            body = {"version": version, "decisions": [decision | {"shown_at": SHOWN}]}
            version = self._change(id, "decisions", body, version)
        version = self._change(id, "undo", {"version": version}, version)
        submitted = self.ask("POST", f"/v1/encounters/{id}/submit", {"version": version}, (200, 422))
        if submitted is not None and submitted.get("state") == "submitted":
            with self.ledger.lock:
                self.ledger.submitted.append(id)

    def _change(self, id: str, what: str, body: dict[str, Any], version: int) -> int:
        """Make a change, write what was acknowledged into the ledger, and return the new version."""
        outcome = self.ask("POST", f"/v1/encounters/{id}/{what}", body)
        if outcome is None:
            desk = self.ask("GET", f"/v1/encounters/{id}")
            return desk["version"] if desk else version
        with self.ledger.lock:
            self.ledger.decisions += [(id, made["id"]) for made in outcome["decisions"]]
        return int(outcome["version"])
