"""An encounter's way over HTTP: imported, read ahead, claimed, decided, tried out, held, submitted."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

TEXT = "Assessment:\n1. Type 2 diabetes mellitus with diabetic neuropathy\n2. Hypertension\nNo pneumonia.\n"
NOTE: dict[str, Any] = {"id": "v1", "text": TEXT, "sex": "female", "age": 61}
AT = "2026-05-04T09:30:00Z"


def accept(desk: dict[str, Any], place: int, **more: Any) -> dict[str, Any]:
    suggestion = desk["run"]["suggestions"][place]
    return {
        "suggestion": place,
        "verdict": "accept",
        "system": suggestion["system"],
        "code": suggestion["code"],
        "shown_at": AT,
    } | more


async def test_an_encounter_goes_its_way(office: Any) -> None:
    """Import, claim, decide, undo, hold, release and submit, with the history of it all."""
    await office.bring(NOTE)
    listed = (await office.ask("coder", "GET", "/v1/encounters")).json()
    assert [item["id"] for item in listed["items"]] == ["v1"]
    assert listed["items"][0]["run_state"] == "done"

    claimed = (await office.ask("coder", "POST", "/v1/encounters/claim-next")).json()
    assert (claimed["id"], claimed["assigned_to"], claimed["state"]) == ("v1", "coder", "in_review")
    assert (await office.ask("coder", "POST", "/v1/encounters/claim-next")).status_code == 204

    answer = await office.ask("coder", "GET", "/v1/encounters/v1")
    desk = answer.json()
    assert desk["encounter"]["notes"][0]["text"] == TEXT
    assert desk["encounter"]["notes"][0]["sections"][0]["kind"] == "assessment"
    assert desk["run"]["state"] == "done"
    assert answer.headers["etag"].startswith(f'"{desk["version"]}.')

    both = {"version": desk["version"], "decisions": [accept(desk, 0), accept(desk, 1)]}
    outcome = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", both)).json()
    assert len(outcome["decisions"]) == len(outcome["codes"]) == 2
    assert outcome["codes"][0]["billable"] is True
    undone = (
        await office.ask("coder", "POST", "/v1/encounters/v1/undo", {"version": outcome["version"]})
    ).json()
    assert undone["codes"] == []
    again = both | {"version": undone["version"]}
    outcome = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", again)).json()

    order = [{"system": code["system"], "code": code["code"]} for code in reversed(outcome["codes"])]
    ordered = (
        await office.ask(
            "coder", "POST", "/v1/encounters/v1/order", {"version": outcome["version"], "order": order}
        )
    ).json()
    assert [code["code"] for code in ordered["codes"]] == [code["code"] for code in order]

    query = {"version": ordered["version"], "query": {"text": "Which type?"}}
    held = (await office.ask("coder", "POST", "/v1/encounters/v1/hold", query)).json()
    assert held["state"] == "on_hold"
    released = await office.ask(
        "coder", "POST", "/v1/encounters/v1/release", {"version": held["version"], "answer": "Type 2."}
    )
    submitted = await office.ask(
        "coder", "POST", "/v1/encounters/v1/submit", {"version": released.json()["version"]}
    )
    assert submitted.json()["state"] == "submitted"
    reopened = await office.ask("coder", "POST", "/v1/encounters/v1/reopen")
    assert reopened.json()["state"] == "in_review"

    events = (await office.ask("coder", "GET", "/v1/encounters/v1/history")).json()["events"]
    actors = {event["actor"] for event in events}
    assert actors == {"lead", "coder", "service"}
    assert all(TEXT[12:40] not in str(event) for event in events)
