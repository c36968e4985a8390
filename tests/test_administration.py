"""The commands of those who run the service."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coder_assist.cli import app
from coder_assist.review.database import Database
from coder_assist.review.demo import packaged_samples, samples
from coder_assist.review.people import People
from coder_assist.review.records import Actor, NewDecision
from coder_assist.review.states import Role
from coder_assist.review.store import Store
from coder_assist.settings import Settings
from coder_assist.types import Code, Verdict

runner = CliRunner()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of its own, outside the demo."""
    monkeypatch.setenv("CODER_ASSIST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CODER_ASSIST_AUDIT_KEY_FILE", str(tmp_path / "audit.key"))
    monkeypatch.setenv("CODER_ASSIST_DEMO", "false")
    assert runner.invoke(app, ["audit", "key", str(tmp_path / "audit.key")]).exit_code == 0
    return tmp_path


def test_people_and_tokens(site: Path) -> None:
    """Accounts are added with a password from a pipe and listed; tokens are shown once, listed and revoked."""
    added = runner.invoke(
        app, ["users", "add", "Ana Ruiz", "--role", "coder"], input="correct horse battery\n"
    )
    assert added.exit_code == 0, added.output
    assert "ana-ruiz" in added.output
    assert "correct horse" not in added.output
    assert runner.invoke(app, ["users", "add", "Bot", "--role", "lead", "--no-password"]).exit_code == 0
    listed = runner.invoke(app, ["users", "list"]).output
    assert "Ana Ruiz" in listed
    assert "password" in listed

    made = runner.invoke(app, ["tokens", "add", "Bot", "--scope", "import", "--scope", "read"])
    secret = made.stdout.strip().splitlines()[-1]
    assert secret.startswith("ca_")
    tokens = runner.invoke(app, ["tokens", "list"]).output
    assert secret[:11] in tokens
    assert secret not in tokens
    assert runner.invoke(app, ["tokens", "revoke", secret[:11]]).exit_code == 0
    assert "revoked" in runner.invoke(app, ["tokens", "list"]).output


def test_notes_come_in_and_decisions_go_out(site: Path) -> None:
    """Text, JSONL and FHIR files are imported item by item; final decisions leave as a corpus that is read."""
    (site / "visit.txt").write_text("Type 2 diabetes. Zyxwvut.")
    lines = [{"id": "a", "text": "Gout."}, {"id": "b", "text": ""}, {"id": "c", "text": "Gout."}]
    (site / "more.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n{Zyxwvut\n")
    (site / "one.json").write_text(json.dumps({"id": "d", "text": "Asthma.", "setting": "inpatient"}))
    document = {"resourceType": "DocumentReference", "id": "f", "status": "current"}
    document["content"] = [{"attachment": {"contentType": "text/plain", "data": "Q291Z2gu"}}]
    (site / "fhir.json").write_text(json.dumps(document))
    (site / "broken.json").write_text("{Zyxwvut")
    files = [str(site / name) for name in ("visit.txt", "more.jsonl", "one.json", "fhir.json")]
    for dry in (["--dry-run"], []):
        told = runner.invoke(app, ["encounters", "import", *dry, *files])
        assert told.exit_code == 1
        assert told.stdout.endswith("imported, 1 there already, 2 failed\n")
        assert told.stdout.startswith("4 would be" if dry else "4 imported")
        assert "more.jsonl:2: " in told.stderr and "more.jsonl:4: expected a JSON object" in told.stderr
        assert "c is a, which is there" in told.stderr
        assert "Zyxwvut" not in told.output
    again = runner.invoke(app, ["encounters", "import", files[0]])
    assert (again.exit_code, "0 imported, 1 there already" in again.stdout) == (0, True)
    for wrong in ("broken.json", "none.txt", "audit.key"):
        refused = runner.invoke(app, ["encounters", "import", str(site / wrong)])
        assert refused.exit_code == 2 and wrong in refused.output and "Zyxwvut" not in refused.output

    database = Database.open(Settings())
    store, ana = Store(database), Actor("ana", Role.CODER)
    People(database).add("Ana", Role.CODER)
    version = store.summary("visit").version
    gout = NewDecision(Verdict.ADD, Code.parse("ICD-10-CM", "M10.9"), datetime(2026, 5, 4, tzinfo=UTC))
    store.submit(ana, "visit", store.decide(ana, "visit", version, [gout]).version)
    database.close()
    for name in ("labels.jsonl", "labels.parquet"):
        assert runner.invoke(app, ["encounters", "labels", "--out", str(site / name)]).exit_code == 0
    (line,) = map(json.loads, (site / "labels.jsonl").read_bytes().splitlines())
    assert (line["id"], [code["code"] for code in line["codes"]]) == ("visit", ["M10.9"])
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(site / "labels.parquet").column("id").to_pylist() == ["visit"]
    assert runner.invoke(app, ["encounters", "labels", "--out", str(site / "labels.csv")]).exit_code == 2
    log = site / "log.jsonl"
    assert runner.invoke(app, ["audit", "export", "--out", str(log)]).exit_code == 0
    actions = [json.loads(event)["action"] for event in log.read_text().splitlines() if "action" in event]
    assert actions.count("encounter.import") == 4 and actions.count("labels.export") == 2
    assert runner.invoke(app, ["audit", "verify"]).exit_code == 0


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["users", "add", "Ana", "--role", "coder"], "12 to 1000"),
        (["tokens", "add", "Nobody", "--scope", "read"], "no user 'Nobody'"),
        (["tokens", "add", "Nobody", "--scope", "everything"], "expected read, decide"),
        (["tokens", "revoke", "ca_1"], "no token 'ca_1'"),
        (["audit", "verify", "--export", "/none/such"], "export"),
        (["audit", "key", "/dev/null"], "new file"),
    ],
)
def test_a_wrong_command_is_one_line(site: Path, command: list[str], says: str) -> None:
    """What cannot be done is said in a line, with exit code 2."""
    result = runner.invoke(app, command, input="short\n")
    assert result.exit_code == 2, result.output
    assert says in result.output


def test_without_a_key_nothing_starts(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands refuse as the service does where the key is missing."""
    monkeypatch.delenv("CODER_ASSIST_AUDIT_KEY_FILE")
    result = runner.invoke(app, ["users", "list"])
    assert result.exit_code == 2
    assert "CODER_ASSIST_AUDIT_KEY_FILE" in result.output
    assert runner.invoke(app, ["serve"]).exit_code == 2


def test_the_log_is_exported_and_verified(site: Path) -> None:
    """The log verifies in the database and as an export; a changed line is named with exit code 1."""
    for name in ("Ana", "Ben", "Eva"):
        runner.invoke(app, ["users", "add", name, "--role", "coder", "--no-password"])
    verified = runner.invoke(app, ["audit", "verify"])
    assert verified.exit_code == 0, verified.output
    assert "intact: 3 events" in verified.output

    export = site / "log.jsonl"
    assert runner.invoke(app, ["audit", "export", "--out", str(export)]).exit_code == 0
    assert runner.invoke(app, ["audit", "export"]).stdout == export.read_text()
    key = str(site / "audit.pub")
    assert runner.invoke(app, ["audit", "verify", "--export", str(export), "--key", key]).exit_code == 0

    lines = export.read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"actor": "eve"})
    export.write_text("\n".join(lines) + "\n")
    found = runner.invoke(app, ["audit", "verify", "--export", str(export), "--key", key])
    assert found.exit_code == 1
    assert "event 2 was changed" in found.output


def test_the_database_is_brought_up_to_date(site: Path) -> None:
    """``db upgrade`` makes the schema, and once more changes nothing."""
    for _ in range(2):
        result = runner.invoke(app, ["db", "upgrade"])
        assert result.exit_code == 0
        assert "schema" in result.output


def test_the_packaged_samples_are_of_the_corpus(tmp_path: Path) -> None:
    """The dozen notes in the package are what ``corpus samples`` chooses: different kinds, with their codes."""
    root = Path(__file__).parent.parent
    chosen = tmp_path / "samples.jsonl"
    assert (
        runner.invoke(app, ["corpus", "samples", str(root / "corpora"), "--out", str(chosen)]).exit_code == 0
    )
    packaged = root / "coder_assist" / "review" / "samples.jsonl"
    assert chosen.read_text() == packaged.read_text()
    records = [json.loads(line) for line in packaged.read_bytes().splitlines()]
    assert len(records) == len({(record["setting"], record["specialty"]) for record in records}) == 12
    assert all(record["codes"] and "split" not in record for record in records)
    assert list(packaged_samples([])) == []


def test_samples_keep_line_ends_of_unicode(tmp_path: Path) -> None:
    """A note that holds U+0085, U+2028 or U+2029 is a sample as it is, of the desk and of the package."""
    record = {
        "id": "a",
        "text": "Gout.\x85Asthma.\u2028HTN.\u2029",
        "setting": "outpatient",
        "specialty": None,
    }
    (tmp_path / "encounters.jsonl").write_text(json.dumps(record, ensure_ascii=False) + "\n", "utf-8")
    assert samples(tmp_path) == [record]
    chosen = tmp_path / "samples.jsonl"
    result = runner.invoke(app, ["corpus", "samples", str(tmp_path), "--out", str(chosen)])
    assert result.exit_code == 0, result.output
    assert json.loads(chosen.read_bytes()) == record
