"""From the review to a challenger and back, by the commands: train on decisions, shadow, gates, promotion."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coder_assist.api.review import Review
from coder_assist.cli import app
from coder_assist.codes.terms import key
from coder_assist.promoting import warn_of_another_pack
from coder_assist.review.database import now
from coder_assist.review.records import NewDecision
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack, load_pack
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.types import Code, Verdict
from coder_assist.workbench import Bench

runner = CliRunner()
NAME = "Zebulon Quackenbush"
NOTES = (
    ("ASSESSMENT: Hypertension. Puffs two packs daily. No fever.", "I10", "R50.9"),
    ("ASSESSMENT: Type 2 diabetes. Brown spots on shins. Cough for a week.", "E11.9", "R05.9"),
)


@pytest.fixture(scope="module")
def coder(cache_dir: Path) -> Coder:
    return Coder.load_with(Pack("hand-set@0", WeightedScorer()), Settings(cache_dir=cache_dir))


@pytest.fixture
def site(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A review of its own with a data scientist in it."""
    for name, value in (
        ("DATA_DIR", tmp_path / "data"),
        ("CACHE_DIR", cache_dir),
        ("AUDIT_KEY_FILE", tmp_path / "key"),
    ):
        monkeypatch.setenv(f"CODER_ASSIST_{name}", str(value))
    monkeypatch.setenv("CODER_ASSIST_DEMO", "false")
    for command in (
        ["audit", "key", str(tmp_path / "key")],
        ["users", "add", "Ana", "--role", "coder", "--no-password"],
        ["users", "add", "Sci", "--role", "data_scientist", "--no-password"],
    ):
        assert runner.invoke(app, command).exit_code == 0
    return tmp_path


def submit(bench: Bench, number: int) -> None:
    """Bring a note with a name and a number in it, accept what is right, reject what is not, submit."""
    text, right, _ = NOTES[number % 2]
    record = {
        "id": f"e{number}",
        "text": f"{text}\n{NAME}, MRN 8837712, visit {number}. Wears an emerald monocle.",
        "patient_id": f"p{number}",
    }
    (id,) = bench.bring([record])
    desk = bench.desk(id)
    assert desk.run is not None and desk.run.record is not None
    suggested = [Code.parse(s["system"], s["code"]) for s in desk.run.record["suggestions"]]
    decisions = [
        NewDecision(Verdict.ACCEPT, code, now(), suggestion=place)
        if code.value == right
        else NewDecision(Verdict.REJECT, code, now(), suggestion=place, reason="not_supported")
        for place, code in enumerate(suggested)
    ]
    version = bench.store.decide(bench.actor, id, desk.version, decisions).version
    bench.store.submit(bench.actor, id, version)


def run(*command: str) -> tuple[int, str]:
    result = runner.invoke(app, list(command))
    return result.exit_code, re.sub(r"\s+", " ", result.output)


@pytest.mark.slow
def test_from_decisions_to_promotion(site: Path, coder: Coder, capsys: pytest.CaptureFixture[str]) -> None:
    """What was submitted trains a challenger; what follows judges it; a shut gate needs a reason that is kept."""
    assert run("train", "--from-store", "--out", str(site / "none"))[0] == 2  # nothing is submitted yet
    bench = Bench.open("Ana", coder=coder)
    for number in range(24):
        submit(bench, number)
    challenger = str(site / "challenger")
    code, told = run("train", "--from-store", "--out", challenger)
    assert code == 0 and "ICD-10-CM" in told, told
    no_trace_of_the_patients(site / "challenger")
    card = (site / "challenger" / "CARD.md").read_text()
    assert "`decisions`: 24 notes" in card and "three patients share" in card

    code, told = run("packs", "gates", challenger)
    assert code == 1 and "0 encounters compared" in told  # it learnt from all there is
    for number in range(24, 56):
        submit(bench, number)
    bench.close()
    assert run("packs", "shadow", challenger) == (0, "32 encounters read in shadow ")
    assert run("packs", "shadow", challenger) == (0, "0 encounters read in shadow ")
    code, told = run("packs", "gates", challenger)
    assert code == 0 and "all gates are open" in told, told
    code, told = run("packs", "promote", challenger, "--by", "Ana")
    assert code == 2 and "coder may not promote" in told
    code, told = run("packs", "promote", challenger, "--by", "Sci")
    assert code == 0 and "is promoted" in told and "CODER_ASSIST_PACK" in told

    other = str(site / "hand-set")
    assert run("train", "--hand-set", "--out", other)[0] == 0
    code, told = run("packs", "promote", other, "--by", "Sci")
    assert code == 1 and "refused" in told and "0 encounters compared" in told
    reason = "the trained one is being mended"
    code, told = run("packs", "promote", other, "--by", "Sci", "--force", reason)
    assert code == 0 and "instead of challenger@" in told
    code, told = run("packs", "list")
    assert reason in told and "forced" in told and "passed" in told and "Sci" in told

    warned = said_at_start(site / "challenger", capsys)
    assert "challenger@" in warned and "promoted last was hand-set@" in warned
    assert said_at_start(site / "hand-set", capsys) == ""

    export = site / "log.jsonl"
    assert run("audit", "export", "--out", str(export))[0] == 0
    events = [json.loads(line) for line in export.read_bytes().splitlines()]
    kept = [(e["action"], e["details"]["reason"]) for e in events if e.get("action", "").startswith("pack.")]
    assert kept == [("pack.promote", ""), ("pack.refuse", ""), ("pack.promote", reason)]
    assert run("audit", "verify")[0] == 0
    assert "Quackenbush" not in export.read_text()


def said_at_start(pack: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `serve` says of a pack before it listens."""
    review = Review.open(Settings())
    try:
        warn_of_another_pack(review, Settings(pack=pack))
    finally:
        review.close()
    return capsys.readouterr().err


def no_trace_of_the_patients(pack: Path) -> None:
    """Of names, numbers and words outside of medicine no file of the pack holds the text or the hash."""
    content = b"".join(path.read_bytes() for path in sorted(pack.iterdir())).lower()
    memory = load_pack(pack).memory
    assert memory is not None and len(memory) > 0
    for words in (
        NAME,
        "Zebulon",
        "Quackenbush",
        "8837712",
        "MRN 8837712",
        "emerald monocle",
        "monocle",
        "visit 3",
    ):
        assert words.lower().encode() not in content, words
        assert not memory.lookup(key(words)), words


def test_until_needs_the_store(site: Path) -> None:
    """A day without decisions to end on is refused, in a line."""
    code, told = run("train", "--until", "2026-01-01", "--corpus", "x.jsonl", "--out", "y")
    assert code == 2 and "--from-store" in told
