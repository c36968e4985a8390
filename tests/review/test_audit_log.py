"""The audit log: whatever is done to its rows, its end or its chain is found and named."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from coder_assist.errors import DataError, SettingsError
from coder_assist.review.audit_log import (
    HeadFile,
    SignedHead,
    append,
    create_key,
    digest,
    events_in,
    export_lines,
    linked,
    public_key,
    read_heads,
    signing_key,
    verify,
    verify_export,
)
from coder_assist.review.database import Database
from coder_assist.types import AuditEvent

AT = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)


def chain(count: int, actor: str = "ana") -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for number in range(1, count + 1):
        details = {"code": f"E11.{number % 10}", "version": number, "note": "größer ≥ 5"}
        events.append(
            linked(events[-1] if events else None, AT, actor, "decision.add", "encounter:e1", details)
        )
    return events


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "audit.key"
    create_key(path)
    return path


def fill(database: Database, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        with database.write() as session:
            append(session, "ana", "decision.add", f"encounter:e{number}", {"version": number, "odd": True})


def rows(database: Database) -> list[AuditEvent]:
    with database.read() as session:
        return list(events_in(session))


TAMPERINGS: list[tuple[str, Callable[[list[AuditEvent]], list[AuditEvent]], int, str]] = [
    ("actor", lambda e: [*e[:4], replace(e[4], actor="eve"), *e[5:]], 5, "event 5 was changed"),
    ("details", lambda e: [*e[:4], replace(e[4], details={}), *e[5:]], 5, "event 5 was changed"),
    ("time", lambda e: [*e[:4], replace(e[4], at=AT.replace(year=2027)), *e[5:]], 5, "event 5 was changed"),
    ("first", lambda e: [replace(e[0], action="x"), *e[1:]], 1, "event 1 was changed"),
    ("removed", lambda e: e[:4] + e[5:], 5, "event 5 was removed"),
    ("removed first", lambda e: e[1:], 1, "event 1 was removed"),
    ("swapped", lambda e: [*e[:4], e[5], e[4], *e[6:]], 5, "event 5 is out of order"),
    ("moved to the end", lambda e: [*e[:4], *e[5:], e[4]], 5, "event 5 is out of order"),
    ("doubled", lambda e: [*e[:5], e[4], *e[5:]], 6, "event 6 is out of order"),
    ("tail cut", lambda e: e[:7], 8, "the end was cut off: events 8 to 10 are"),
    ("last cut", lambda e: e[:9], 10, "the end was cut off: event 10 is"),
    ("all gone", lambda e: [], 1, "the end was cut off: events 1 to 10 are"),
]


def rehashed(events: list[AuditEvent]) -> list[AuditEvent]:
    """Recompute a chain from its first changed event on, as someone who knows the code would."""
    done: list[AuditEvent] = []
    for event in events:
        done.append(
            linked(
                done[-1] if done else None, event.at, event.actor, event.action, event.subject, event.details
            )
        )
    return done


@pytest.mark.parametrize(
    ("tamper", "event", "says"), [case[1:] for case in TAMPERINGS], ids=[case[0] for case in TAMPERINGS]
)
def test_each_tampering_is_named(
    key_file: Path, tamper: Callable[[list[AuditEvent]], list[AuditEvent]], event: int, says: str
) -> None:
    """Changed, removed, reordered and cut events are found, and the first of them is named."""
    events = chain(10)
    key = signing_key(key_file)
    heads = [SignedHead.sign(10, events[-1].hash, key)]
    assert verify(events, heads, key.public_key()).intact
    found = verify(tamper(events), heads, key.public_key())
    assert not found.intact
    assert found.event == event
    assert found.problem.startswith(says)


def test_one_recomputed_hash_is_named() -> None:
    """An event that was changed together with its hash is found by the one that follows it."""
    events = chain(10)
    forged = replace(events[4], actor="eve")
    events[4] = replace(forged, hash=digest(forged))
    found = verify(events)
    assert (found.event, found.problem) == (5, "event 5 was changed, and its hash with it")


def test_a_rewritten_chain_is_found_by_its_head(key_file: Path) -> None:
    """A chain that was recomputed as a whole agrees with itself, but not with what was signed."""
    events = chain(10)
    key = signing_key(key_file)
    heads = [SignedHead.sign(4, events[3].hash, key), SignedHead.sign(10, events[9].hash, key)]
    forged = rehashed([*events[:6], replace(events[6], actor="eve"), *events[7:]])
    assert verify(forged).intact  # which is why the head is signed
    found = verify(forged, heads, key.public_key())
    assert found.event == 5
    assert found.problem == "the chain was rewritten: events 5 to 10 are not as it was signed"


def test_a_renumbered_chain_is_found_by_its_head(key_file: Path) -> None:
    """Taking an event out and closing the gap by new numbers and hashes is a rewritten, shorter chain."""
    events = chain(10)
    key = signing_key(key_file)
    heads = [SignedHead.sign(number, events[number - 1].hash, key) for number in (4, 10)]
    found = verify(rehashed(events[:5] + events[6:]), heads, key.public_key())
    assert found.event == 10
    assert found.problem.startswith("the end was cut off")


def test_a_forged_head_is_named(key_file: Path, tmp_path: Path) -> None:
    """A head that another key signed, or that was changed, proves nothing."""
    events = chain(3)
    create_key(tmp_path / "other.key")
    forged = SignedHead.sign(3, events[-1].hash, signing_key(tmp_path / "other.key"))
    good = SignedHead.sign(3, events[-1].hash, signing_key(key_file))
    for head in (forged, replace(good, sequence=2), replace(good, signature="zz")):
        found = verify(events, [head], public_key(key_file))
        assert found.problem == f"the signed head of event {head.sequence} is not signed by this key"


def test_no_events_are_intact() -> None:
    """A log in which nothing stands yet is in order."""
    assert verify([]).intact


def test_what_the_database_gives_back_verifies(database: Database) -> None:
    """Times, Unicode and nested details survive the database to the byte that was hashed."""
    with database.write() as session:
        append(session, "ana", "a", "s", {"é": [1, {"b": None, "a": "≥"}], "z": True}, at=AT)
        append(session, "bob", "b", "s", None)
    events = rows(database)
    assert events[0].details == {"é": [1, {"b": None, "a": "≥"}], "z": True}
    assert events[0].at == AT
    assert verify(events) == verify(events)
    assert verify(events).intact
    assert verify(events).events == 2


def test_an_event_is_there_exactly_if_the_change_is(database: Database) -> None:
    """A transaction that fails takes its event with it, and leaves no gap."""
    fill(database, 1)
    with pytest.raises(ZeroDivisionError), database.write() as session:
        append(session, "ana", "lost", "s")
        raise ZeroDivisionError
    fill(database, 1)
    assert [event.sequence for event in rows(database)] == [1, 2]
    assert verify(rows(database)).intact


def test_appends_wait_for_each_other(database: Database) -> None:
    """Threads that append at once make one chain without forks or gaps."""
    threads = [threading.Thread(target=fill, args=(database, 10, number * 10)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = rows(database)
    assert [event.sequence for event in events] == list(range(1, 41))
    assert verify(events).intact
    assert len({event.subject for event in events}) == 40


def without_triggers(database: Database, statement: str) -> None:
    """Do what someone with the database's own rights does."""
    with (
        database.engine.connect().execution_options(coder_assist_writes=True) as connection,
        connection.begin(),
    ):
        if database.dialect == "postgresql":
            connection.execute(text("ALTER TABLE audit_events DISABLE TRIGGER ALL"))
        else:
            names = connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'")
            ).scalars()
            for name in names.all():
                connection.execute(text(f'DROP TRIGGER "{name}"'))
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "event"),
    [
        ("UPDATE audit_events SET actor = 'eve' WHERE sequence = 3", 3),
        ("""UPDATE audit_events SET details = '{"version":9}' WHERE sequence = 4""", 4),
        ("DELETE FROM audit_events WHERE sequence = 2", 2),
        ("DELETE FROM audit_events WHERE sequence > 3", 4),
        ("DELETE FROM audit_events", 1),
    ],
)
def test_tampering_with_the_database_is_named(
    database: Database, key_file: Path, tmp_path: Path, statement: str, event: int
) -> None:
    """What is done to the rows behind the application's back is found with the signed head."""
    fill(database, 6)
    head = HeadFile(tmp_path / "audit.head", signing_key(key_file))
    head.advance(database.engine)
    without_triggers(database, statement)
    found = verify(rows(database), read_heads(head.path), public_key(key_file))
    assert found.event == event


def test_the_database_refuses_to_change_events(database: Database) -> None:
    """Without taking the triggers away first, nobody updates or deletes an event."""
    fill(database, 2)
    for statement in ("UPDATE audit_events SET actor = 'eve'", "DELETE FROM audit_events"):
        with pytest.raises(Exception, match="append"), database.write() as session:
            session.execute(text(statement))
    assert verify(rows(database)).intact


def test_the_head_follows_and_keeps_witnesses(database: Database, key_file: Path, tmp_path: Path) -> None:
    """The head is the newest event; a signed hash in every 64 is kept to narrow down a rewriting."""
    head = HeadFile(tmp_path / "audit.head", signing_key(key_file))
    assert head.advance(database.engine) is None
    fill(database, 70)
    for _ in range(2):  # a second time there is nothing new
        assert (signed := head.advance(database.engine)) is not None
        assert signed.sequence == 70
    fill(database, 70, 70)
    head.advance(database.engine)
    heads = read_heads(head.path)
    assert [head.sequence for head in heads] == [70, 140, 140]
    assert verify(rows(database), heads, public_key(key_file)).head == heads[-1]


def test_a_rewritten_chain_is_never_signed(
    database: Database, key_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What no longer holds the event signed last gets no new signature: the old one stays to testify."""
    fill(database, 3)
    head = HeadFile(tmp_path / "audit.head", signing_key(key_file))
    before = head.advance(database.engine)
    without_triggers(database, f"UPDATE audit_events SET hash = '{'f' * 64}' WHERE sequence = 3")
    fill(database, 1)
    assert head.advance(database.engine) == before
    assert "no longer holds event 3" in caplog.text
    assert not verify(rows(database), read_heads(head.path), public_key(key_file)).intact


def test_an_export_verifies_without_the_database(database: Database, key_file: Path, tmp_path: Path) -> None:
    """An exported log is checked by its lines and a public key alone; a newer head shows what it lacks."""
    fill(database, 5)
    head = HeadFile(tmp_path / "audit.head", signing_key(key_file))
    head.advance(database.engine)
    export = tmp_path / "log.jsonl"
    lines = list(export_lines(rows(database), read_heads(head.path)))
    export.write_text("\n".join(lines) + "\n")
    public = public_key(key_file.with_suffix(".pub"))
    assert verify_export(export, public).intact
    assert verify_export(export, public).events == 5

    export.write_text("\n".join([*lines[:2], *lines[3:]]) + "\n")
    assert verify_export(export, public).problem == "event 3 was removed"
    changed = json.loads(lines[2]) | {"subject": "encounter:other"}
    export.write_text("\n".join([*lines[:2], json.dumps(changed), *lines[3:]]) + "\n")
    assert verify_export(export, public).problem == "event 3 was changed"

    export.write_text("\n".join(lines) + "\n")
    fill(database, 1)
    head.advance(database.engine)
    found = verify_export(export, public, read_heads(head.path))
    assert found.problem == "the end was cut off: event 6 is signed for but not there"


def test_an_export_is_cut_at_its_line_ends_alone(database: Database, tmp_path: Path) -> None:
    """An export that another program wrote with its letters as they are verifies, line ends of Unicode included."""
    with database.write() as session:
        append(session, "a\x85b\u2028c\u2029d", "decision.add", "encounter:e1", {"version": 1})
    export = tmp_path / "log.jsonl"
    (record,) = map(json.loads, export_lines(rows(database), []))
    export.write_text(json.dumps(record, ensure_ascii=False) + "\n", "utf-8")
    assert verify_export(export, None).events == 1


def test_an_export_verifies_without_the_application(
    database: Database, key_file: Path, tmp_path: Path
) -> None:
    """The documented script finds what was done to an export with Python alone, and OpenSSL checks its signature."""
    page = (Path(__file__).parents[2] / "docs/service.md").read_text("utf-8")
    script = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert script is not None
    fill(database, 6)
    head = HeadFile(tmp_path / "audit.head", signing_key(key_file))
    head.advance(database.engine)
    export = tmp_path / "log.jsonl"
    lines = list(export_lines(rows(database), read_heads(head.path)))

    def run(lines: list[str]) -> tuple[int, str]:
        export.write_text("\n".join(lines) + "\n")
        # -I and -S: neither this project nor any installed package can be imported.
        command = [sys.executable, "-I", "-S", "-c", script[1], str(export)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).strip()

    signed = json.loads(lines[-1])["head"]
    assert run(lines) == (0, f"6 events, the last is {signed['hash']}")
    changed = json.dumps(json.loads(lines[2]) | {"actor": "eve"})
    wrong = (1, "event 3 is not as it was written")
    assert run([*lines[:2], changed, *lines[3:]]) == wrong
    assert run([*lines[:2], *lines[3:]]) == wrong
    assert run([*lines[:2], lines[3], lines[2], *lines[4:]]) == wrong
    assert signed["hash"] not in run([*lines[:5], *lines[6:]])[1]  # cut: the signed event is not the last

    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("no openssl to check the signature with")
    said = ["coder-assist audit head", signed["sequence"], signed["hash"], signed["signed_at"]]
    for subject, verdict in ((said, 0), ([*said[:2], "0" * 64, said[3]], 1)):
        (tmp_path / "message").write_text(json.dumps(subject, separators=(",", ":")))
        (tmp_path / "signature").write_bytes(bytes.fromhex(signed["signature"]))
        command = [openssl, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]
        command += [str(key_file.with_suffix(".pub")), "-in", str(tmp_path / "message")]
        command += ["-sigfile", str(tmp_path / "signature")]
        assert subprocess.run(command, capture_output=True).returncode == verdict


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"sequence": 1}', '{"head": {}}', "3"])
def test_an_export_in_another_form_is_refused(tmp_path: Path, line: str) -> None:
    """A file that is no export is refused by file and line."""
    path = tmp_path / "log.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=r"log\.jsonl:1"):
        verify_export(path, None)


def test_a_key_is_private(tmp_path: Path, key_file: Path) -> None:
    """A missing key, one that others may read, one of another kind and a second one in its place are refused."""
    assert key_file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_key(key_file)
    with pytest.raises(SettingsError, match="audit key"):
        signing_key(tmp_path / "none.key")
    with pytest.raises(SettingsError, match="signing key"):
        signing_key(key_file.with_suffix(".pub"))
    key_file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        signing_key(key_file)
