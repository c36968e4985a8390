"""The desk's questions are answered with the rules, conflicts and audit events of the service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coder_assist.api.review_schemas import DeskAnswer, OutcomeAnswer
from coder_assist.workbench import Bench
from coder_assist.workbench.answering import Answering
from tests.workbench.conftest import NOTE

SHOWN = "2026-03-01T09:00:00.000Z"


class Asking:
    """The page's side: asks and remembers the version, as the desk does."""

    def __init__(self, bench: Bench) -> None:
        self.heard: list[int] = []
        self.answering = Answering(bench, bench.bring([{"id": "e1", "text": NOTE}])[0], self.heard.append)
        self.desk = self.ask("load")
        self.version = self.desk["version"]

    def raw(self, method: str, **given: Any) -> dict[str, Any]:
        answer = self.answering.answer(method, json.loads(json.dumps(given)))
        json.dumps(answer, allow_nan=False)  # as a message it must be JSON
        return answer

    def ask(self, method: str, **given: Any) -> Any:
        answer = self.raw(method, **given)
        assert "answer" in answer, answer
        return answer["answer"]

    def problem(self, method: str, **given: Any) -> dict[str, Any]:
        problem: dict[str, Any] = self.raw(method, **given)["problem"]
        return problem

    def place(self, code: str) -> int:
        return [each["code"] for each in self.desk["run"]["suggestions"]].index(code)

    def decision(self, code: str, verdict: str = "accept", **more: Any) -> dict[str, Any]:
        place = self.place(code) if verdict != "add" else None
        return {
            "suggestion": place, "verdict": verdict, "system": "ICD-10-CM", "code": code, "shown_at": SHOWN,
            "via": "single", **more,
        }  # fmt: skip

    def decide(self, *decisions: dict[str, Any], key: str | None = None) -> Any:
        outcome = self.ask("decide", decisions=decisions, version=self.version, key=key)
        self.version = outcome["version"]
        return outcome


@pytest.fixture
def asking(bench: Bench) -> Asking:
    return Asking(bench)


def test_answers_are_those_of_the_service(asking: Asking) -> None:
    DeskAnswer.model_validate(asking.desk)
    assert asking.desk["encounter"]["notes"][0]["text"] == NOTE
    outcome = asking.decide(asking.decision("I10"))
    OutcomeAnswer.model_validate(outcome)
    assert [code["code"] for code in outcome["codes"]] == ["I10"]
    assert asking.heard == [outcome["version"]]


def test_decisions_are_in_the_store_and_its_audit_events(bench: Bench, asking: Asking) -> None:
    asking.decide(asking.decision("I10"))
    asking.decide(asking.decision("J45.909", "add", via="search"))
    undone = asking.ask("undo", version=asking.version)
    assert [code["code"] for code in undone["codes"]] == ["I10"]
    assert [event.action for event in bench.store.history("e1")][-3:] == ["decide", "decide", "undo"]
    assert {made.reviewer for made in bench.store.desk("e1").decisions} == {bench.actor.id}
    assert [event["action"] for event in asking.ask("history")] == [
        event.action for event in bench.store.history("e1")
    ]


def test_an_older_version_is_a_conflict_that_names_what_changed(asking: Asking) -> None:
    before = asking.version
    asking.decide(asking.decision("I10"))
    problem = asking.problem("decide", decisions=[asking.decision("I10", "reject")], version=before)
    assert problem["kind"] == "conflict"
    assert problem["version"] == asking.version
    assert [made["code"] for made in problem["changed"]] == ["I10"]


def test_the_same_key_decides_once(bench: Bench, asking: Asking) -> None:
    before = asking.version
    first = asking.decide(asking.decision("I10"), key="k1")
    asking.version = before
    assert asking.decide(asking.decision("I10"), key="k1") == first
    assert len(bench.store.desk("e1").decisions) == 1


def test_order_hold_release_submit_and_reopen(bench: Bench, asking: Asking) -> None:
    asking.decide(asking.decision("I10"), asking.decision("E11.9"))
    codes = [{"system": "ICD-10-CM", "code": code} for code in ("E11.9", "I10")]
    ordered = asking.ask("order", codes=codes, version=asking.version)
    assert [code["code"] for code in ordered["codes"]] == ["E11.9", "I10"]
    held = asking.ask("hold", query={"text": "Which type?", "finding": None}, version=ordered["version"])
    assert held["state"] == "on_hold"
    assert asking.ask("load")["hold"]["query"] == "Which type?"
    state = asking.problem("decide", decisions=[asking.decision("I10")], version=held["version"])
    assert state["kind"] == "state"
    released = asking.ask("release", answer="Type 2.", version=held["version"])
    submitted = asking.ask("submit", version=released["version"])
    assert submitted["state"] == "submitted"
    assert bench.store.desk("e1").submission is not None
    assert asking.ask("reopen")["state"] == "in_review"


def test_errors_of_the_rules_block_submission(asking: Asking) -> None:
    outcome = asking.decide(asking.decision("E11.2", "add", via="search"))
    assert "error" in {finding["severity"] for finding in outcome["findings"]}
    problem = asking.problem("submit", version=asking.version)
    assert problem["kind"] == "blocked"
    assert problem["findings"]


def test_search_entry_phrase_claim_and_comment(asking: Asking) -> None:
    assert "I10" in {found["code"] for found in asking.ask("search", words="essential hypertension")}
    assert asking.ask("entry", system="ICD-10-CM", code="i10")["title"] == "Essential (primary) hypertension"
    start = NOTE.index("Type 2")
    found = asking.ask("phrase", note_id="e1", start=start, end=start + len("Type 2 diabetes mellitus"))
    assert found[0]["code"].startswith("E11")
    asking.decide(asking.decision("I10"))
    assert [line["code"] for line in asking.ask("claim")["diagnoses"]] == ["I10"]
    assert asking.ask("comment", text="Pathology is due.")["text"] == "Pathology is due."


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("erase", {}),
        ("decide", {}),
        ("decide", {"version": 1, "decisions": [{"verdict": "Mrs Doe"}]}),
        ("phrase", {"note_id": "Mrs Doe", "start": 1, "end": 3}),
        ("phrase", {"note_id": "e1", "start": 5, "end": 3}),
        ("search", {"words": "x", "system": "Mrs Doe"}),
        ("order", {"version": 1, "codes": "Mrs Doe"}),
    ],
)
def test_what_is_not_understood_is_refused_and_not_repeated(
    asking: Asking, method: str, given: dict[str, Any]
) -> None:
    problem = asking.problem(method, **given)
    assert problem["kind"] == "refused"
    assert problem["message"]
    if method != "phrase" or given["note_id"] == "e1":  # an id may be named
        assert "Doe" not in problem["message"]
