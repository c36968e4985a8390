"""An encounter's way over HTTP: imported, read ahead, claimed, decided, tried out, held, submitted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from coder_assist.review.states import Role

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


async def opened(office: Any, id: str = "v1", name: str = "coder") -> dict[str, Any]:
    desk: dict[str, Any] = (await office.ask(name, "GET", f"/v1/encounters/{id}")).json()
    return desk


async def test_two_coders_get_a_clear_conflict(office: Any) -> None:
    """Who decides on what somebody else changed meanwhile gets 409 with the changes; nothing is lost."""
    await office.bring(NOTE)
    desk = await opened(office)
    first = {"version": desk["version"], "decisions": [accept(desk, 0)]}
    second = {"version": desk["version"], "decisions": [accept(desk, 1)]}
    assert (await office.ask("lead", "POST", "/v1/encounters/v1/decisions", first)).status_code == 200
    refused = await office.ask("lead", "POST", "/v1/encounters/v1/decisions", second)
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["type"] == "urn:coder-assist:problem:conflict"
    assert [made["code"] for made in problem["changed"]] == [accept(desk, 0)["code"]]
    again = await office.ask(
        "lead", "POST", "/v1/encounters/v1/decisions", second | {"version": problem["version"]}
    )
    assert len(again.json()["codes"]) == 2


async def test_a_retried_decision_is_made_once(office: Any) -> None:
    """The same key gives the same answer and decides once; with another request it is refused."""
    await office.bring(NOTE)
    desk = await opened(office)
    body = {"version": desk["version"], "decisions": [accept(desk, 0)]}
    key = {"Idempotency-Key": "retry-1"}
    answers = [
        await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body, headers=key) for _ in range(3)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["decisions"][0]["id"] for answer in answers}) == 1
    assert len((await opened(office))["decisions"]) == 1
    other = body | {"decisions": [accept(desk, 1)]}
    refused = await office.ask("coder", "POST", "/v1/encounters/v1/decisions", other, headers=key)
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (422, "key-reused")


async def test_the_version_may_stand_in_the_header(office: Any) -> None:
    """If-Match with the ETag of the encounter does what version in the body does; without either it is 428."""
    await office.bring(NOTE)
    answer = await office.ask("coder", "GET", "/v1/encounters/v1")
    etag, desk = answer.headers["etag"], answer.json()
    unchanged = await office.ask("coder", "GET", "/v1/encounters/v1", headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    body = {"decisions": [accept(desk, 0)]}
    path = "/v1/encounters/v1/decisions"
    assert (await office.ask("coder", "POST", path, body)).status_code == 428
    for wrong in ("*", "W/" + etag, '"x"', "7"):
        assert (await office.ask("coder", "POST", path, body, headers={"If-Match": wrong})).status_code == 422
    assert (await office.ask("coder", "POST", path, body, headers={"If-Match": etag})).status_code == 200
    assert (await office.ask("coder", "POST", path, body, headers={"If-Match": etag})).status_code == 409
    changed = await office.ask("coder", "GET", "/v1/encounters/v1", headers={"If-None-Match": etag})
    assert changed.status_code == 200


async def test_the_worklist_has_pages(office: Any) -> None:
    """Following ``next`` gives every encounter once; filters narrow, and a made-up cursor is refused."""
    await office.bring(*({"id": f"v{n}", "text": f"Gout {n}."} for n in range(7)), read=False)
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await office.ask("coder", "GET", "/v1/encounters", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert sorted(seen) == [f"v{n}" for n in range(7)]
    await office.ask("lead", "POST", "/v1/encounters/v3/assign", {"to": "coder"})
    mine = (await office.ask("coder", "GET", "/v1/encounters?assigned=me")).json()["items"]
    assert [item["id"] for item in mine] == ["v3"]
    states = (await office.ask("coder", "GET", "/v1/encounters?state=new&state=on_hold")).json()["items"]
    assert len(states) == 6
    assert len((await office.ask("coder", "GET", "/v1/encounters?q=v5")).json()["items"]) == 1
    assert (await office.ask("coder", "GET", "/v1/encounters?cursor=made-up")).status_code == 422


async def test_an_import_reports_every_item(office: Any) -> None:
    """Duplicates are named, bad items listed with their reason, the others go in; a rehearsal does nothing."""
    items = [NOTE, {"id": "v2", "text": ""}, NOTE | {"id": "again"}, {"id": "v3", "text": "Gout."}, 7]
    for path in ("/v1/encounters?dry_run=true", "/v1/encounters"):
        report = (await office.ask("lead", "POST", path, {"items": items})).json()
        assert report["imported"] == ["v1", "v3"]
        assert report["duplicates"] == [{"id": "again", "of": "v1"}]
        assert [item["index"] for item in report["failed"]] == [1, 4]
        listed = (await office.ask("lead", "GET", "/v1/encounters")).json()["items"]
        assert len(listed) == (0 if "dry" in path else 2)


async def test_fhir_documents_come_in(office: Any) -> None:
    """A FHIR R4 DocumentReference with its text in base64 becomes an encounter."""
    document = {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": "R291dCBhbmQgYXN0aG1hLg=="}}],
    }
    headers = {"Content-Type": "application/fhir+json"}
    answer = await office.ask("admin", "POST", "/v1/encounters", document, headers=headers)
    (id,) = answer.json()["imported"]
    assert (await opened(office, id))["encounter"]["notes"][0]["text"] == "Gout and asthma."


async def test_what_is_computed_ahead_is_there_when_opened(connect: Any, coder: Any, furnished: Any) -> None:
    """The service's own thread reads imported encounters; asked again it gives the run that is there."""
    async with connect(coder, queue_workers=1) as client:
        headers = {"Authorization": f"Bearer {furnished.secrets['lead']}"}
        await client.post("/v1/encounters", json={"items": [NOTE]}, headers=headers)
        with anyio.fail_after(20):
            while True:
                desk = (await client.get("/v1/encounters/v1", headers=headers)).json()
                if desk["run"] and desk["run"]["state"] == "done":
                    break
                await anyio.sleep(0.05)
        assert [s["code"] for s in desk["run"]["suggestions"]]
        again = (await client.post("/v1/encounters/v1/suggest", headers=headers)).json()
        assert again["id"] == desk["run"]["id"]


async def test_a_phrase_has_its_own_suggestions(office: Any) -> None:
    """Marked words give what the reading says of them; words it says nothing of are looked up."""
    await office.bring(NOTE)

    async def ask(words: str) -> list[dict[str, Any]]:
        start = TEXT.index(words)
        body = {"note_id": "v1", "start": start, "end": start + len(words)}
        answer = await office.ask("coder", "POST", "/v1/encounters/v1/phrase", body)
        found: list[dict[str, Any]] = answer.json()["suggestions"]
        return found

    assert "I10" in {suggestion["code"] for suggestion in await ask("Hypertension")}
    looked_up = await ask("pneumonia")
    assert looked_up
    assert all(suggestion["score"] == 0 for suggestion in looked_up)
    for wrong in ({"note_id": "v9", "start": 0, "end": 3}, {"note_id": "v1", "start": 0, "end": 10_000}):
        assert (await office.ask("coder", "POST", "/v1/encounters/v1/phrase", wrong)).status_code == 422


async def test_a_claim_is_seen_and_exported(office: Any) -> None:
    """The claim view letters the diagnoses, and its table has a line for each code."""
    await office.bring(NOTE)
    desk = await opened(office)
    visit = {"verdict": "add", "system": "CPT", "code": "99213", "modifiers": ["25"], "shown_at": AT}
    body = {"version": desk["version"], "decisions": [accept(desk, 0), accept(desk, 1), visit]}
    await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)
    claim = (await office.ask("coder", "GET", "/v1/encounters/v1/claim")).json()
    assert [line["letter"] for line in claim["diagnoses"]] == ["A", "B"]
    assert claim["procedures"][0]["modifiers"] == ["25"]
    assert {pointer["letter"] for pointer in claim["procedures"][0]["pointers"]} <= {"A", "B"}
    assert claim["ready"] == (not claim["blocks"])
    table = await office.ask("coder", "GET", "/v1/encounters/v1/claim?format=csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert any(line.startswith("procedure,1,,CPT,99213") for line in table.text.splitlines())
    bundle = await office.ask("coder", "GET", "/v1/encounters/v1/claim?format=fhir")
    assert bundle.headers["content-type"] == "application/fhir+json"
    kinds = [entry["resource"]["resourceType"] for entry in bundle.json()["entry"]]
    assert kinds.count("Condition") == 2 and kinds.count("Claim") == 1


async def test_a_stay_says_what_was_present_on_admission(office: Any) -> None:
    """The indicator of a decision stands on the code, the submission and every form of the claim."""
    await office.bring(NOTE | {"setting": "inpatient", "claim": "facility"})
    desk = await opened(office)
    decisions = [accept(desk, 0, present_on_admission="Y"), accept(desk, 1)]
    body = {"version": desk["version"], "decisions": decisions}
    made = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()
    first, second = made["codes"]
    assert (first["present_on_admission"], second["present_on_admission"]) == ("Y", None)
    assert made["decisions"][0]["present_on_admission"] == "Y"
    missing = next(finding for finding in made["findings"] if finding["rule"] == "poa-missing")
    assert [code["code"] for code in missing["codes"]] == [second["code"]]

    tried = [{**code, "present_on_admission": "U"} for code in (first, second)]
    tried = [{name: code[name] for name in ("system", "code", "present_on_admission")} for code in tried]
    told = await office.ask("coder", "POST", "/v1/encounters/v1/what-if", {"codes": tried})
    rules = [finding["rule"] for finding in told.json()["findings"]]
    assert rules.count("query-present-on-admission") == 2 and "poa-missing" not in rules

    body = {"version": made["version"], "decisions": [accept(desk, 1, present_on_admission="N")]}
    version = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()["version"]
    for wrong in (
        {"verdict": "add", "system": "ICD-10-PCS", "code": "0DTJ4ZZ", "shown_at": AT},
        {"verdict": "reject", "reason": "other", "system": "ICD-10-CM", "code": "I10", "shown_at": AT},
    ):
        body = {"version": version, "decisions": [wrong | {"present_on_admission": "Y"}]}
        refused = await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)
        assert (refused.status_code, "present_on_admission" in refused.text) == (422, True)

    claim = (await office.ask("coder", "GET", "/v1/encounters/v1/claim")).json()
    assert [line["present_on_admission"] for line in claim["diagnoses"]] == ["Y", "N"]
    assert "claim-present-on-admission" not in {notice["rule"] for notice in claim["cautions"]}
    table = (await office.ask("coder", "GET", "/v1/encounters/v1/claim?format=csv")).text
    assert [row.rpartition(",")[2] for row in table.splitlines() if row.startswith("diagnosis")] == ["Y", "N"]
    bundle = (await office.ask("coder", "GET", "/v1/encounters/v1/claim?format=fhir")).json()
    (bill,) = (e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Claim")
    assert [d["onAdmission"]["coding"][0]["code"] for d in bill["diagnosis"]] == ["y", "n"]
    sent = await office.ask("coder", "POST", "/v1/encounters/v1/submit", {"version": version})
    assert sent.status_code == 200, sent.text
    sample = {"sample": {"kind": "random", "size": 1, "seed": 1}}
    (item,) = (await office.ask("auditor", "POST", "/v1/audits", sample)).json()["items"]
    assert [code["present_on_admission"] for code in item["submission"]["codes"]] == ["Y", "N"]


async def test_a_fix_may_set_modifiers(office: Any) -> None:
    """What a finding would have a line carry answers the finding, tried out and decided."""
    await office.bring(NOTE)
    lines = [{"system": "CPT", "code": "99213", "modifiers": ["GT"]}, {"system": "CPT", "code": "20610"}]

    async def told(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answer = await office.ask("coder", "POST", "/v1/encounters/v1/what-if", {"codes": lines})
        findings: list[dict[str, Any]] = answer.json()["findings"]
        return [finding for finding in findings if finding["rule"] == "visit-beside-procedure"]

    (finding,) = await told(lines)
    marked = {"system": "CPT", "code": "99213", "modifiers": ["25", "GT"]}
    assert finding["fix"] == {"remove": [], "add": [], "modifiers": [marked]}
    assert await told([marked, lines[1]]) == []
    desk = await opened(office)
    decisions = [{"verdict": "add", "shown_at": AT} | line for line in (marked, lines[1])]
    body = {"version": desk["version"], "decisions": decisions}
    made = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()
    assert [code["modifiers"] for code in made["codes"] if code["code"] == "99213"] == [["25", "GT"]]
    assert "visit-beside-procedure" not in {finding["rule"] for finding in made["findings"]}


async def test_what_the_rules_say_blocks_and_is_asked(office: Any) -> None:
    """An error blocks the submission until its code is gone; a query finding drafts the query's text."""
    await office.bring(NOTE)
    desk = await opened(office)
    header = {"verdict": "add", "system": "ICD-10-CM", "code": "E11", "shown_at": AT}
    failure = {"verdict": "add", "system": "ICD-10-CM", "code": "I50.9", "shown_at": AT}
    body = {"version": desk["version"], "decisions": [header, failure]}
    made = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()
    assert "not-billable" in {f["rule"] for f in made["findings"] if f["severity"] == "error"}
    refused = await office.ask("coder", "POST", "/v1/encounters/v1/submit", {"version": made["version"]})
    assert refused.status_code == 422
    assert refused.json()["type"].endswith(":blocked")
    assert [f["rule"] for f in refused.json()["findings"]] == ["not-billable"]
    draft = await office.ask("coder", "GET", "/v1/encounters/v1/query-draft?rule=query-type&codes=I50.9")
    assert "heart failure" in draft.json()["text"] and "unable to determine" in draft.json()["text"]
    out = {"verdict": "reject", "system": "ICD-10-CM", "code": "E11", "reason": "wrong_code", "shown_at": AT}
    body = {"version": made["version"], "decisions": [out]}
    version = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()["version"]
    sent = await office.ask("coder", "POST", "/v1/encounters/v1/submit", {"version": version})
    assert sent.status_code == 200


async def test_an_audit_goes_its_way(office: Any) -> None:
    """Sample, overturn, finish, rebut, settle, finish: the coder sees the audit of their own work, no other."""
    await office.bring(NOTE)
    desk = await opened(office)
    body = {"version": desk["version"], "decisions": [accept(desk, 0)]}
    version = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()["version"]
    await office.ask("coder", "POST", "/v1/encounters/v1/submit", {"version": version})
    sample = {"sample": {"kind": "random", "size": 5, "seed": 1}}
    audit = (await office.ask("auditor", "POST", "/v1/audits", sample)).json()
    place = f"/v1/audits/{audit['id']}/encounters/v1"
    code = {name: accept(desk, 0)[name] for name in ("system", "code")}
    overturn = code | {"verdict": "overturn", "error": "unsupported", "reason": "Only in the history."}
    finding = (await office.ask("auditor", "POST", f"{place}/findings", overturn)).json()
    assert finding["stands"] == "overturn"
    assert (await office.ask("auditor", "POST", f"{place}/finish")).json()["state"] == "audited"
    rebuttal = {"text": "It stands in the assessment."}
    rebutted = await office.ask("coder", "POST", f"{place}/findings/{finding['number']}/rebut", rebuttal)
    assert rebutted.json()["state"] == "rebutted"
    final = {"verdict": "agree", "reason": "Right."}
    settled = await office.ask("auditor", "POST", f"{place}/findings/{finding['number']}/final", final)
    assert settled.json()["stands"] == "agree"
    assert (await office.ask("auditor", "POST", f"{place}/finish")).json()["outcome"] == "accepted"

    path = f"/v1/audits/{audit['id']}"
    assert (await office.ask("coder", "GET", path)).json()["finished"] is True
    office.hire("other", Role.CODER)
    assert (await office.ask("other", "GET", path)).status_code == 404
    assert (await office.ask("other", "GET", "/v1/audits")).json() == {"audits": []}


async def test_practice_compares_with_the_author(office: Any) -> None:
    """A case shows its note alone; the answer gives the author's codes, the tool's and a score."""
    case = (await office.ask("coder", "GET", "/v1/practice")).json()["cases"][0]
    note = (await office.ask("coder", "GET", f"/v1/practice/{case['id']}")).json()
    assert note["text"]
    assert "codes" not in note
    empty = (await office.ask("coder", "POST", f"/v1/practice/{case['id']}", {"codes": []})).json()
    assert (empty["score"]["right"], empty["score"]["recall"]) == (0, 0)
    required = [
        {"system": code["system"], "code": code["code"]} for code in empty["gold"] if code["required"]
    ]
    wrong = {"system": "ICD-10-CM", "code": "Z99.89"}
    body = {"codes": [*required, wrong]}
    score = (await office.ask("coder", "POST", f"/v1/practice/{case['id']}", body)).json()["score"]
    assert (score["right"], score["wrong"], score["missed"], score["recall"]) == (len(required), 1, 0, 1.0)


async def test_people_and_tokens_are_an_admins(office: Any) -> None:
    """An admin adds and changes people, makes a token that works, and ends it."""
    made = await office.ask("admin", "POST", "/v1/users", {"name": "Ana Ruiz", "role": "coder"})
    assert (made.status_code, made.json()["id"]) == (201, "ana-ruiz")
    body = {"person": "Ana Ruiz", "name": "script", "scopes": ["read"], "days": 7}
    token = (await office.ask("admin", "POST", "/v1/tokens", body)).json()
    headers = {"Authorization": f"Bearer {token['secret']}"}
    assert (await office.stranger.get("/v1/encounters", headers=headers)).status_code == 200
    listed = (await office.ask("admin", "GET", "/v1/tokens")).text
    assert token["id"] in listed
    assert token["secret"] not in listed
    assert (await office.ask("admin", "DELETE", f"/v1/tokens/{token['id']}")).status_code == 204
    assert (await office.stranger.get("/v1/encounters", headers=headers)).status_code == 401
    changed = await office.ask("admin", "PATCH", "/v1/users/ana-ruiz", {"active": False})
    assert changed.json()["active"] is False
    last = await office.ask("admin", "PATCH", "/v1/users/admin", {"role": "coder"})
    assert (last.status_code, "another active admin" in last.json()["detail"]) == (422, True)
    log = (await office.ask("admin", "GET", "/v1/audit-log?limit=2")).json()
    following = (await office.ask("admin", "GET", f"/v1/audit-log?limit=500&cursor={log['next']}")).json()
    assert following["events"][0]["sequence"] == 3
    assert following["next"] is None
    assert following["head"]["sequence"] == following["events"][-1]["sequence"]


async def test_a_provider_signs_people_in(connect: Any, coder: Any, tmp_path: Path) -> None:
    """A bearer token of the provider is believed by its signature, and its role is the claim's."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": "k", "alg": "ES256"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    claims = {"iss": "https://login.example.org", "aud": "coder-assist", "sub": "u1", "iat": int(time.time())}
    claims |= {"exp": int(time.time()) + 60, "preferred_username": "Ana", "roles": ["coding-lead"]}
    settings = {
        "oidc_issuer": claims["iss"],
        "oidc_keys": str(tmp_path / "jwks.json"),
        "oidc_roles": {"coding-lead": "lead"},
    }
    async with connect(coder, **settings) as client:

        async def ask(**changes: Any) -> int:
            token = jwt.encode(claims | changes, key, algorithm="ES256", headers={"kid": "k"})
            answer = await client.get("/v1/overview", headers={"Authorization": f"Bearer {token}"})
            return int(answer.status_code)

        assert await ask() == 200
        assert await ask(aud="payroll") == 401
        assert await ask(roles=["visitor"]) == 401
        assert await ask(exp=int(time.time()) - 600) == 401


async def test_the_page_is_served_to_browsers(
    connect: Any, coder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser gets the page at the root and its files beside it, a program the links; nothing else is there."""
    (tmp_path / "web" / "parts").mkdir(parents=True)
    (tmp_path / "web" / "index.html").write_text("<!doctype html><title>review</title>")
    (tmp_path / "web" / "parts" / "desk.js").write_text("export {};")
    (tmp_path / "web" / "notes.md").write_text("not served")
    monkeypatch.setattr("coder_assist.api.page.FOLDER", tmp_path / "web")
    async with connect(coder) as client:
        page = await client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
        assert "review" in page.text
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert (await client.get("/")).json()["service"] == "coder_assist"
        script = await client.get("/parts/desk.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        same = await client.get("/parts/desk.js", headers={"If-None-Match": script.headers["etag"]})
        assert same.status_code == 304
        for path in ("/notes.md", "/parts/", "/../settings.py", "/parts/%2e%2e/notes.md"):
            assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
async def test_what_no_database_keeps_is_refused(office: Any, text: str) -> None:
    """NUL characters and halves of surrogate pairs are refused wherever text is taken, not answered with 500."""
    await office.bring(NOTE, read=False)
    for path, body in (
        ("/v1/encounters/v1/comments", {"text": text}),
        ("/v1/encounters/v1/hold", {"version": 1, "query": {"text": text}}),
        ("/v1/encounters/v1/order", {"version": 1, "order": [{"system": "CPT", "code": text}]}),
    ):
        headers = office.as_("coder") | {"Content-Type": "application/json"}
        answer = await office.stranger.post(path, content=json.dumps(body).encode(), headers=headers)
        assert answer.status_code == 422, answer.text
    items = json.dumps({"items": [{"id": "v2", "text": text}, {"id": text, "text": "Gout."}]}).encode()
    headers = office.as_("lead") | {"Content-Type": "application/json"}
    report = (await office.stranger.post("/v1/encounters", content=items, headers=headers)).json()
    assert len(report["failed"]) == 2
    for path in ("/v1/encounters/%00", "/v1/encounters?q=%00", "/v1/audits/99999999999999999999"):
        assert (await office.ask("lead", "GET", path)).status_code == 422
