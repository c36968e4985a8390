"""The canary: words of a note never come back in a problem, a log line, a metric, the audit log or an address."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from coder_assist.api.access import ACCESS, Access
from coder_assist.batch import run_batch
from coder_assist.cli import app
from coder_assist.review.audit_log import events_in, export_lines, read_heads
from coder_assist.settings import Settings

pytestmark = pytest.mark.anyio

CANARY = "Zyxwvut Qponmlk"
NOTE = {"id": "v1", "text": f"Assessment: hypertension of {CANARY}.\n", "title": f"{CANARY}"}

# Wherever text may stand, and where it may not.
BODIES: list[Any] = [
    CANARY,
    [CANARY],
    {CANARY: CANARY},
    {"version": CANARY, "decisions": CANARY, "order": CANARY, "codes": CANARY, "query": CANARY},
    {"version": 1, "decisions": [{"verdict": CANARY, "system": CANARY, "code": CANARY, "shown_at": CANARY}]},
    {
        "version": 1,
        "decisions": [
            {
                "verdict": "add",
                "system": "CPT",
                "code": CANARY[:12],
                "shown_at": "2026-05-04T09:30:00Z",
                CANARY: 1,
            }
        ],
    },
    {"codes": [{"system": "CPT", "code": CANARY[:12], "modifiers": [CANARY]}]},
    {"note_id": CANARY, "start": 5, "end": 9},
    {"text": [CANARY], "to": [CANARY], "id": [CANARY]},
    {"name": [CANARY], "role": CANARY, "password": CANARY},
    {"person": "coder", "scopes": [CANARY], "name": CANARY},
    {"sample": {"kind": CANARY, "size": CANARY, "seed": CANARY, "from": CANARY, CANARY: CANARY}},
    {"items": [{"id": "x", "text": CANARY, "setting": CANARY}, {"text": CANARY}, CANARY, {CANARY: CANARY}]},
    {"resourceType": CANARY, "entry": [CANARY]},
]
CHANGES = [access for access in ACCESS if access.method != "GET"]


def address(access: Access) -> str:
    path = access.path.replace("{encounter_id}", "v1").replace("{audit_id}", "1").replace("{number}", "1")
    return path.replace("{case_id}", "ca-001").replace("{user_id}", "coder").replace("{token_id}", "ca_x")


@pytest.mark.parametrize("access", CHANGES, ids=lambda access: f"{access.method} {access.path}")
async def test_no_refusal_repeats_what_was_sent(
    office: Any, caplog: pytest.LogCaptureFixture, access: Access
) -> None:
    """However wrong a body is, its refusal and the log hold none of its words."""
    caplog.set_level(logging.DEBUG)
    await office.bring(NOTE)
    role = sorted(access.roles)[0].value
    for body in BODIES:
        for declared in ("application/json", "application/fhir+json"):
            answer = await office.stranger.request(
                access.method,
                address(access),
                content=json.dumps(body).encode(),
                headers=office.as_(role)
                | {"Content-Type": declared, "Idempotency-Key": "k", "If-Match": '"1"'},
            )
            assert answer.status_code != 500
            if answer.status_code >= 400 or access.path == "/v1/encounters":
                assert "Zyxwvut" not in answer.text, answer.text
                assert "Qponmlk" not in answer.text
    broken = f'{{"text": "{CANARY}'.encode()
    for declared in ("application/json", "text/plain"):
        headers = office.as_(role) | {"Content-Type": declared}
        answer = await office.stranger.request(
            access.method, address(access), content=broken, headers=headers
        )
        assert answer.status_code < 400 or "Zyxwvut" not in answer.text
    assert "Zyxwvut" not in caplog.text


async def a_whole_review(office: Any) -> None:
    """Import a note, decide, query, amend, submit, audit, rebut and settle, with its words wherever text may stand."""
    await office.bring(NOTE)
    desk = (await office.ask("coder", "GET", "/v1/encounters/v1")).json()
    assert CANARY in desk["encounter"]["notes"][0]["text"]  # it is there for who may read it
    start = NOTE["text"].index(CANARY)
    decision = {
        "verdict": "add",
        "system": "ICD-10-CM",
        "code": "I10",
        "reason": CANARY,
        "shown_at": "2026-05-04T09:30:00Z",
        "evidence": [{"note_id": "v1", "start": start, "end": start + len(CANARY)}],
    }
    visit = {"verdict": "add", "system": "CPT", "code": "99213", "shown_at": "2026-05-04T09:30:00Z"}
    body = {"version": desk["version"], "decisions": [decision, visit | {"reason": CANARY}]}
    version = (await office.ask("coder", "POST", "/v1/encounters/v1/decisions", body)).json()["version"]
    phrase = {"note_id": "v1", "start": start, "end": start + len(CANARY)}
    assert (await office.ask("coder", "POST", "/v1/encounters/v1/phrase", phrase)).status_code == 200
    await office.ask("coder", "POST", "/v1/encounters/v1/comments", {"text": CANARY})
    version = (await office.ask("coder", "GET", "/v1/encounters/v1")).json()["version"]
    hold = {"version": version, "query": {"text": CANARY, "finding": "any"}}
    version = (await office.ask("coder", "POST", "/v1/encounters/v1/hold", hold)).json()["version"]
    release = {"version": version, "answer": CANARY}
    version = (await office.ask("coder", "POST", "/v1/encounters/v1/release", release)).json()["version"]
    text = {"id": "v1", "text": NOTE["text"] + f"Addendum: {CANARY}.\n"}
    version = (await office.ask("lead", "POST", "/v1/encounters/v1/notes", text)).json()["version"]
    assert (await office.ask("coder", "POST", "/v1/encounters/v1/submit", {"version": version})).json()[
        "state"
    ] == "submitted"
    sample = {"sample": {"kind": "random", "size": 1, "seed": 1}}
    audit = (await office.ask("auditor", "POST", "/v1/audits", sample)).json()["id"]
    finding = {
        "system": "ICD-10-CM",
        "code": "I10",
        "verdict": "overturn",
        "error": "unsupported",
        "reason": CANARY,
    }
    place = f"/v1/audits/{audit}/encounters/v1"
    assert (await office.ask("auditor", "POST", f"{place}/findings", finding)).status_code == 201
    assert (await office.ask("auditor", "POST", f"{place}/finish")).status_code == 200
    assert (
        await office.ask("coder", "POST", f"{place}/findings/1/rebut", {"text": CANARY})
    ).status_code == 200
    final = {"verdict": "agree", "reason": CANARY}
    assert (await office.ask("auditor", "POST", f"{place}/findings/1/final", final)).status_code == 200


async def test_work_leaves_no_words_behind(office: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A note that was imported, read, decided on, queried and audited is in no log line, metric or audit event."""
    caplog.set_level(logging.DEBUG)
    await a_whole_review(office)
    figures = (await office.ask("admin", "GET", "/metrics")).text
    assert 'coder_assist_encounters{state="audited"} 1.0' in figures
    assert 'route="/v1/encounters/{encounter_id}/decisions"' in figures
    with office.review.database.read() as session:
        events = "".join(str(event) for event in events_in(session))
    log = (await office.ask("admin", "GET", "/v1/audit-log?limit=1000")).text
    for silent in (figures, events, log, caplog.text):
        assert "Zyxwvut" not in silent
    labels = (await office.ask("data_scientist", "GET", "/v1/labels")).text
    assert json.loads(labels.splitlines()[0])["id"] == "v1"


@pytest.mark.parametrize("format", ["json", "csv", "fhir"])
async def test_a_claim_holds_codes_without_words(office: Any, format: str) -> None:
    """A claim that goes out says codes, titles, modifiers and pointers: no evidence, no reason, no comment."""
    await a_whole_review(office)
    answer = await office.ask("coder", "GET", f"/v1/encounters/v1/claim?format={format}")
    assert answer.status_code == 200
    assert "I10" in answer.text and "99213" in answer.text
    assert "Zyxwvut" not in answer.text and "Qponmlk" not in answer.text


async def test_an_accuracy_report_holds_no_words(
    office: Any, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``audit report`` writes ids, codes and counts: the page, the Parquet facts and what it prints quote no note."""
    parquet = pytest.importorskip("pyarrow.parquet")
    await a_whole_review(office)
    assert (await office.ask("auditor", "POST", "/v1/audits/1/encounters/v1/finish")).status_code == 200
    monkeypatch.setenv("CODER_ASSIST_DATA_DIR", str(office.service.settings.data_dir))
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))
    page, facts = tmp_path / "accuracy.html", tmp_path / "facts"
    period = ("--from", "2020-01-01", "--to", "2040-01-01")
    told = CliRunner().invoke(app, ["audit", "report", *period, "--out", str(page), "--parquet", str(facts)])
    assert told.exit_code == 0 and "1 encounters, 1 of them audited" in told.output
    tables = [parquet.read_table(path) for path in facts.glob("**/*.parquet")]
    written = "".join(f"{table.schema}{table.to_pylist()}" for table in tables)
    assert "'encounter': 'v1'" in written and "'error': 'unsupported'" in written
    for silent in (page.read_text("utf-8"), written, told.output):
        assert "Zyxwvut" not in silent and "Qponmlk" not in silent


@pytest.mark.parametrize(
    "access", [access for access in ACCESS if access.method == "GET"], ids=lambda access: access.path
)
async def test_what_is_asked_for_is_not_written_down(
    office: Any, caplog: pytest.LogCaptureFixture, access: Access
) -> None:
    """Whatever somebody puts into an address, no log line and no metric has it, and no refusal repeats a parameter."""
    caplog.set_level(logging.DEBUG)
    await office.bring(NOTE)
    described = office.stranger.app.openapi()["paths"][access.path]["get"]
    named = [p["name"] for p in described.get("parameters", ()) if p["in"] == "query"]
    role = sorted(access.roles)[0].value
    for path in (address(access), re.sub(r"\{\w+\}", CANARY, access.path)):
        for params in ({}, dict.fromkeys(named, CANARY), {CANARY: CANARY}):
            headers = office.as_(role) | {"If-None-Match": CANARY, CANARY.replace(" ", "-"): CANARY}
            answer = await office.stranger.get(path, params=params, headers=headers)
            assert answer.status_code != 500
            if answer.status_code >= 400 and CANARY not in path:
                assert "Zyxwvut" not in answer.text, answer.text
    figures = (await office.ask("lead", "GET", "/metrics")).text
    # The test's own client writes down what it asks.
    written = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    for silent in (figures, *written):
        assert "Zyxwvut" not in silent


async def test_metrics_name_no_addresses(office: Any) -> None:
    """Neither a path that is not there, nor an id, nor a made-up method becomes a label."""
    for path in (f"/{CANARY}", f"/v1/encounters/{CANARY}", f"/v1/codes/search?q={CANARY}"):
        await office.stranger.get(path, headers=office.as_("lead"))
        await office.stranger.request("ZYXWVUT", path, headers=office.as_("lead"))
    figures = (await office.ask("lead", "GET", "/metrics")).text
    assert "zyxwvut" not in figures.lower()
    assert 'route="(no route)"' in figures


def test_what_is_written_beside_predictions_is_silent(
    tmp_path: Path, cache_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a batch only predictions quote notes: plan, rejects, receipts, manifest and output do not."""
    lines = [
        {"id": "a", "text": f"Assessment: hypertension of {CANARY}."},
        {"id": "b", "text": CANARY, "setting": CANARY, "sex": CANARY, "age": CANARY, "service_date": CANARY},
        {"id": "c", "text": [CANARY]},
        {"id": "d", "notes": [{"id": "x", "text": None, "title": [CANARY]}, CANARY]},
    ]
    broken = [f'{{"id": "e", "text": "{CANARY}', f'{{"id": "f", "text": "{CANARY} \\ud83d"}}', CANARY]
    source = tmp_path / "notes.jsonl"
    source.write_text("\n".join([*map(json.dumps, lines), *broken]) + "\n", "utf-8")
    settings = Settings(cache_dir=cache_dir)
    manifest = run_batch(source, tmp_path / "out", settings=settings)
    assert (manifest["coded"], manifest["rejected"]) == (1, 6)
    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "out").iterdir()}
    assert {"plan.json", "manifest.json", "part-00000.json", "part-00000.rejects.jsonl"} <= set(written)
    for name, content in written.items():
        if name != "part-00000.jsonl":
            assert "Zyxwvut" not in content, name
    shown = capfd.readouterr()
    assert "Zyxwvut" not in shown.out + shown.err


async def test_the_exported_audit_log_is_silent(office: Any, tmp_path: Path) -> None:
    """What leaves as an audit log, with its signed heads, holds ids and codes only."""
    await office.bring(NOTE)
    desk = (await office.ask("coder", "GET", "/v1/encounters/v1")).json()
    await office.ask("coder", "POST", "/v1/encounters/v1/comments", {"text": CANARY})
    hold = {"version": desk["version"], "query": {"text": CANARY, "finding": "any"}}
    await office.ask("coder", "POST", "/v1/encounters/v1/hold", hold)
    with office.review.database.read() as session:
        exported = "\n".join(export_lines(events_in(session), read_heads(office.review.head.path)))
    assert exported.count("\n") >= 2
    assert "Zyxwvut" not in exported and "Qponmlk" not in exported
