"""What the desk asks, answered from the review's store: the page's adapter, without a network between.

Answers and problems are JSON values in the words of the service. A problem is an object with ``kind``,
as the desk's adapter names it, and ``message``; a failure that nobody foresaw says its type alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from coder_assist.errors import (
    Blocked,
    CoderAssistError,
    InputError,
    KeyReused,
    StateConflict,
    VersionConflict,
)
from coder_assist.review import answers
from coder_assist.review.audit_log import as_record
from coder_assist.review.exports import to_json
from coder_assist.review.judging import claim_view, judged
from coder_assist.review.records import Desk, EncounterSummary, NewDecision, Outcome
from coder_assist.suggest.wire import suggestion_record
from coder_assist.types import (
    Code,
    Finding,
    Place,
    PresentOnAdmission,
    Severity,
    Span,
    System,
    Verdict,
    Via,
)
from coder_assist.workbench.bench import Bench

MOST_FOUND = 20
Arguments = Mapping[str, Any]


class Answering:
    """One encounter of a bench, as its desk asks for it. ``changed`` is called after what was saved."""

    def __init__(
        self, bench: Bench, encounter_id: str, changed: Callable[[int], object] = lambda version: None
    ) -> None:
        self.bench = bench
        self.encounter_id = encounter_id
        self._changed = changed
        self._methods: dict[str, Callable[[Arguments], Any]] = {
            "load": self._load,
            "decide": self._decide,
            "undo": self._undo,
            "order": self._order,
            "search": self._search,
            "entry": self._entry,
            "phrase": self._phrase,
            "hold": self._hold,
            "release": self._release,
            "submit": self._submit,
            "reopen": self._reopen,
            "claim": self._claim,
            "history": self._history,
            "comment": self._comment,
        }

    def answer(self, method: str, arguments: Arguments) -> dict[str, Any]:
        """Return ``{"answer": ...}`` or ``{"problem": ...}`` to one question of the desk."""
        try:
            if method not in self._methods:
                raise InputError(f"expected one of {', '.join(self._methods)}; got another method")
            return {"answer": as_json(self._methods[method](arguments))}
        except CoderAssistError as error:
            return {"problem": as_json(self._problem(error))}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # The message may repeat what came, and any of it may be note text.
            problem = f"the desk asked for {method} in a form that is not known ({type(error).__name__})"
            return {"problem": {"kind": "refused", "message": problem}}

    def desk(self) -> Desk:
        """Return the encounter as it stands."""
        return self.bench.desk(self.encounter_id)

    def findings(self, desk: Desk | None = None) -> tuple[Finding, ...]:
        """Return what the rules say of the codes that stand."""
        return judged(self.bench.coder, desk or self.desk(), self.bench.readings)

    def decide(self, version: int, decisions: list[NewDecision], key: str | None = None) -> Outcome:
        """Record decisions as the bench's person; see ``Store.decide``."""
        outcome = self.bench.store.decide(self.bench.actor, self.encounter_id, version, decisions, key)
        self._changed(outcome.version)
        return outcome

    def undo(self, version: int, key: str | None = None) -> Outcome:
        """Take the person's last act back; see ``Store.undo``."""
        outcome = self.bench.store.undo(self.bench.actor, self.encounter_id, version, key)
        self._changed(outcome.version)
        return outcome

    def order(self, version: int, codes: list[Code], key: str | None = None) -> Outcome:
        """Put the standing codes in this order; see ``Store.order``."""
        outcome = self.bench.store.order(self.bench.actor, self.encounter_id, version, codes, key)
        self._changed(outcome.version)
        return outcome

    def hold(self, version: int, query: str, finding: str | None = None) -> EncounterSummary:
        """Put the encounter on hold with a query; see ``Store.hold``."""
        return self._stepped(
            self.bench.store.hold(self.bench.actor, self.encounter_id, version, query, finding)
        )

    def release(self, version: int, answer: str | None = None) -> EncounterSummary:
        """Take the encounter off hold; see ``Store.release``."""
        return self._stepped(self.bench.store.release(self.bench.actor, self.encounter_id, version, answer))

    def submit(self, version: int) -> EncounterSummary:
        """Finish the encounter. Raises ``Blocked`` with the errors of the rules; see ``Store.submit``."""
        errors = [finding for finding in self.findings() if finding.severity is Severity.ERROR]
        return self._stepped(self.bench.store.submit(self.bench.actor, self.encounter_id, version, errors))

    def _stepped(self, row: EncounterSummary) -> EncounterSummary:
        self._changed(row.version)
        return row

    # --- the desk's questions, by the names of its adapter ------------------------------------------------

    def _load(self, asked: Arguments) -> dict[str, Any]:
        return answers.desk(self.bench.coder, self.desk(), self.bench.readings)

    def _decide(self, asked: Arguments) -> dict[str, Any]:
        decisions = [new_decision(record) for record in asked["decisions"]]
        return self._outcome(self.decide(asked["version"], decisions, asked.get("key")))

    def _undo(self, asked: Arguments) -> dict[str, Any]:
        return self._outcome(self.undo(asked["version"], asked.get("key")))

    def _order(self, asked: Arguments) -> dict[str, Any]:
        codes = [_code(record) for record in asked["codes"]]
        return self._outcome(self.order(asked["version"], codes, asked.get("key")))

    def _outcome(self, outcome: Outcome) -> dict[str, Any]:
        return answers.outcome(self.bench.coder, self.desk(), outcome, self.bench.readings)

    def _search(self, asked: Arguments) -> list[dict[str, Any]]:
        system = asked.get("system")
        found = self.bench.coder.library.search(
            asked["words"], System(system) if system else None, MOST_FOUND
        )
        return [answers.entry(entry) for entry in found]

    def _entry(self, asked: Arguments) -> dict[str, Any]:
        return answers.entry(self.bench.coder.library.entry(_code(asked)))

    def _phrase(self, asked: Arguments) -> list[dict[str, Any]]:
        encounter = self.desk().encounter
        span = Span(asked["start"], asked["end"])
        found = self.bench.coder.suggest_phrase(encounter, asked["note_id"], span)
        return [suggestion_record(suggestion, len(encounter.notes) > 1) for suggestion in found]

    def _hold(self, asked: Arguments) -> dict[str, Any]:
        query = asked["query"]
        return answers.summary(self.hold(asked["version"], query["text"], query.get("finding")))

    def _release(self, asked: Arguments) -> dict[str, Any]:
        return answers.summary(self.release(asked["version"], asked.get("answer")))

    def _submit(self, asked: Arguments) -> dict[str, Any]:
        return answers.summary(self.submit(asked["version"]))

    def _reopen(self, asked: Arguments) -> dict[str, Any]:
        return answers.summary(self._stepped(self.bench.store.reopen(self.bench.actor, self.encounter_id)))

    def _claim(self, asked: Arguments) -> Any:
        return json.loads(to_json(claim_view(self.bench.coder, self.desk(), self.bench.readings)))

    def _history(self, asked: Arguments) -> list[dict[str, Any]]:
        return [as_record(event) for event in self.bench.store.history(self.encounter_id)]

    def _comment(self, asked: Arguments) -> dict[str, Any]:
        made = self.bench.store.comment(self.bench.actor, self.encounter_id, asked["text"])
        self._changed(self.bench.store.summary(self.encounter_id).version)
        return answers.comment(made)

    def _problem(self, error: CoderAssistError) -> dict[str, Any]:
        problem: dict[str, Any] = {"kind": "refused", "message": str(error)}
        match error:
            case VersionConflict():
                changed = [answers.decision(made) for made in error.changed]
                problem.update(kind="conflict", version=error.version, changed=changed)
            case KeyReused():
                problem.update(kind="conflict")
            case StateConflict():
                problem.update(kind="state")
            case Blocked():
                findings = answers.findings(self.desk(), error.findings)
                problem.update(kind="blocked", findings=findings)
        return problem


def new_decision(record: Mapping[str, Any]) -> NewDecision:
    """Return the decision that the desk writes as JSON. Raises ``ValueError``, ``KeyError`` or ``TypeError``."""
    replaces = record.get("replaces")
    return NewDecision(
        verdict=Verdict(record["verdict"]),
        code=_code(record),
        shown_at=datetime.fromisoformat(record["shown_at"]),
        suggestion=record.get("suggestion"),
        replaces=_code(replaces) if replaces else None,
        modifiers=tuple(record.get("modifiers") or ()),
        units=record.get("units") or 1,
        reason=record.get("reason") or "",
        via=Via(record.get("via") or Via.SINGLE),
        evidence=tuple(
            Place(place["note_id"], Span(place["start"], place["end"]))
            for place in record.get("evidence") or ()
        ),
        present_on_admission=PresentOnAdmission(said)
        if (said := record.get("present_on_admission"))
        else None,
    )


def _code(record: Mapping[str, Any]) -> Code:
    return Code.parse(record["system"], record["code"])


def as_json(value: object) -> Any:
    """Return JSON values alone: moments in UTC, days and enumerations as the service writes them."""
    return json.loads(json.dumps(value, default=_written, allow_nan=False))


def _written(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"a {type(value).__name__} has no form in JSON")
