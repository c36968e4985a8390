"""Blinded audits over HTTP: the auditor codes the notes alone, and then sees both codings."""

from __future__ import annotations

from typing import Any

import pytest

from coder_assist.review.states import Role
from tests.api.test_encounters import NOTE, accept, opened

pytestmark = pytest.mark.anyio

BLINDED = {"sample": {"kind": "random", "size": 5, "seed": 1, "blinded": True}}


async def submitted(office: Any) -> list[str]:
    """Have a coder submit the first two suggestions with a remark; return their codes."""
    await office.bring(NOTE)
    desk = await opened(office)
    body = {"version": desk["version"], "decisions": [accept(desk, 0), accept(desk, 1)]}
    made = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()
    codes = [code["code"] for code in made["codes"]]
    await office.ask("coder", "POST", "/v1/encounters/v1/comments", {"text": f"Took {codes[0]}."})
    version = (await opened(office))["version"]
    sent = await office.ask("coder", "POST", "/v1/encounters/v1/submit", {"version": version})
    assert sent.status_code == 200
    return codes


async def test_a_blinded_reader_sees_the_notes_alone(office: Any) -> None:
    """No route tells the auditor what the coder or the tool said before the second coding; it tells the coder."""
    codes = await submitted(office)
    audit = (await office.ask("auditor", "POST", "/v1/audits", BLINDED)).json()
    assert audit["sample"]["blinded"] is True
    (item,) = audit["items"]
    assert (item["veiled"], item["second"], item["submission"]["codes"]) == (True, None, [])
    place = f"/v1/audits/{audit['id']}/encounters/v1"
    asked = {
        "/v1/encounters/v1": ("GET", None, 200),
        "/v1/encounters": ("GET", None, 200),
        "/v1/audits": ("GET", None, 200),
        f"/v1/audits/{audit['id']}": ("GET", None, 200),
        "/v1/encounters/v1/what-if": ("POST", {"codes": []}, 200),
        "/v1/encounters/v1/claim": ("GET", None, 409),
        "/v1/encounters/v1/history": ("GET", None, 409),
        "/v1/encounters/v1/phrase": ("POST", {"note_id": "v1", "start": 0, "end": 20}, 409),
        f"{place}/findings": ("POST", {"system": "ICD-10-CM", "code": "I10", "verdict": "agree"}, 409),
        f"{place}/finish": ("POST", None, 409),
    }
    for path, (method, body, status) in asked.items():
        answer = await office.ask("auditor", method, path, body)
        assert answer.status_code == status, (path, answer.text)
        told = answer.text.replace('"code":"I10","verdict"', "")
        assert not [code for code in codes if f'"{code}"' in told], path
    desk = await opened(office, name="auditor")
    assert desk["veiled"] and desk["encounter"]["notes"][0]["text"] == NOTE["text"]
    assert (desk["run"], desk["decisions"], desk["codes"], desk["comments"]) == (None, [], [], [])
    assert (desk["findings"], desk["flags"], desk["encounter"]["decided"]) == ([], {}, 0)
    (row,) = (await office.ask("auditor", "GET", "/v1/encounters")).json()["items"]
    assert (row["decided"], row["undecided"]) == (0, 0)
    mine = await opened(office)
    assert not mine["veiled"] and [code["code"] for code in mine["codes"]] == codes


async def test_the_second_coding_lifts_the_veil(office: Any) -> None:
    """Both codings stand side by side then, and findings follow as in any audit."""
    codes = await submitted(office)
    audit = (await office.ask("auditor", "POST", "/v1/audits", BLINDED)).json()
    place = f"/v1/audits/{audit['id']}/encounters/v1"
    mine = [{"system": "ICD-10-CM", "code": "i10"}, {"system": "ICD-10-CM", "code": "J45909"}]
    for wrong, status in (
        ({"codes": [mine[0], mine[0]]}, 422),
        ({"codes": [{"system": "CPT", "code": "I10"}]}, 422),
        ({}, 422),
    ):
        assert (await office.ask("auditor", "POST", f"{place}/second", wrong)).status_code == status
    made = await office.ask("auditor", "POST", f"{place}/second", {"codes": mine})
    assert made.status_code == 201
    item = made.json()
    assert (item["veiled"], [code["code"] for code in item["submission"]["codes"]]) == (False, codes)
    assert [code["code"] for code in item["second"]["codes"]] == ["I10", "J45.909"]
    assert item["second"]["by"] == "auditor" and item["second"]["codes"][0]["title"]
    again = await office.ask("auditor", "POST", f"{place}/second", {"codes": []})
    assert (again.status_code, again.json()["state"]) == (409, "open to see")
    desk = await opened(office, name="auditor")
    assert not desk["veiled"] and [code["code"] for code in desk["codes"]] == codes
    events = (await office.ask("auditor", "GET", "/v1/encounters/v1/history")).json()["events"]
    assert events[-1]["action"] == "audit.second" and events[-1]["details"]["codes"] == 2
    for code in item["submission"]["codes"]:
        finding = {"system": code["system"], "code": code["code"], "verdict": "agree"}
        assert (await office.ask("auditor", "POST", f"{place}/findings", finding)).status_code == 201
    assert (await office.ask("auditor", "POST", f"{place}/finish")).json()["outcome"] == "accepted"


async def test_an_open_audit_is_not_coded_blind(office: Any) -> None:
    """Where everything was to be seen there is no second coding, nor for who submitted it."""
    await submitted(office)
    sample = {"sample": {"kind": "random", "size": 5, "seed": 1}}
    audit = (await office.ask("auditor", "POST", "/v1/audits", sample)).json()
    assert audit["items"][0]["veiled"] is False
    place = f"/v1/audits/{audit['id']}/encounters/v1"
    refused = await office.ask("auditor", "POST", f"{place}/second", {"codes": []})
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "wrong-state")
    office.review.people.change("coder", role=Role.AUDITOR)
    token, _ = office.review.people.add_token("coder", "as auditor", ["audit"])
    headers = {"Authorization": f"Bearer {token}"}
    own = await office.stranger.post(f"{place}/second", json={"codes": []}, headers=headers)
    assert own.status_code == 403
