"""The benchmarks measure what they name, and say on which machine, notes and versions."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.breaking import Site
from benchmarks.growth import grow
from benchmarks.load import KINDS
from benchmarks.pinned import PINNED, REPO, TYPICAL, Notes, join, machine, read_notes, write
from benchmarks.scaling import pace, table
from benchmarks.speed import measure, sentence
from benchmarks.stages import STAGES, timed
from coder_assist import Coder, Note
from coder_assist.api.access import Scope
from coder_assist.review.importing import from_records
from coder_assist.review.people import People
from coder_assist.review.records import WorklistFilter
from coder_assist.review.states import EncounterState, Role
from coder_assist.review.store import Store


@pytest.fixture(autouse=True)
def on_warm_books(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coders here, and in the processes that a benchmark starts, open this session's books."""
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))


def ran(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a benchmark as the pages say it is run."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True)


@pytest.mark.parametrize(("name", "module", "path"), STAGES, ids=[name for name, _, _ in STAGES])
def test_every_stage_is_there(name: str, module: str, path: str) -> None:
    """What was renamed must be renamed in the stages, too."""
    assert callable(functools.reduce(getattr, path.split("."), importlib.import_module(module))), name


def test_every_stage_is_on_the_way_of_a_note() -> None:
    """A stage that the corridor no longer looks up where it is timed would always take nothing."""
    coder = Coder.load()
    with timed() as seconds:
        for number, text in enumerate(Notes.of(PINNED, joined=TYPICAL, most=4).texts):
            coder.suggest(Note(str(number), text))
    assert [name for name, spent in seconds.items() if not spent] == []


def test_the_figures_say_where_they_come_from(tmp_path: Path) -> None:
    """The JSON names processor, load, notes with their checksum, and versions, beside the figures."""
    notes = Notes.of(PINNED, most=3)
    figures = measure(notes, warm=1, lengths=(500, 1000))
    write(figures, tmp_path / "made" / "speed.json")
    kept = json.loads((tmp_path / "made" / "speed.json").read_text())
    assert kept == figures
    assert set(kept) == {
        "machine",
        "notes",
        "versions",
        "notes_a_second",
        "notes_a_second_of_processor",
        *(f"milliseconds{of}_{name}" for of in ("", "_of_processor") for name in ("median", "p95", "p99")),
        "resident_megabytes",
        "megabytes_more_when_read_again",
        "seconds_imports",
        "seconds_first_suggestion_after_imports",
        "milliseconds_by_stage",
        "milliseconds_by_characters",
    }
    assert set(kept["machine"]) == {"processor", "cores", "load_at_start", "system", "python"}
    assert kept["machine"]["processor"]
    assert kept["notes"]["file"] == "corpora/encounters.jsonl" and kept["notes"]["count"] == 3
    assert len(kept["notes"]["sha256"]) == 64
    assert set(kept["versions"]) == {"pack", "code_books", "lexicon", "rules", "software"}
    assert set(kept["milliseconds_by_stage"]) == {name for name, _, _ in STAGES} | {"everything else"}
    assert list(kept["milliseconds_by_characters"]) == ["500", "1,000"]
    assert kept["milliseconds_median"] <= kept["milliseconds_p95"] <= kept["milliseconds_p99"]
    said = sentence(kept)
    assert kept["machine"]["processor"] in said and f"{kept['notes_a_second']} notes a second" in said


def test_pinned_notes_are_as_long_as_reports() -> None:
    """Joined in the order of the file nothing is lost, and the mean is near to that of a report."""
    apart, joined = Notes.of(PINNED), Notes.of(PINNED, joined=TYPICAL)
    assert "\n".join(joined.texts) == "\n".join(apart.texts)
    assert joined.about()["mean_characters"] == pytest.approx(TYPICAL, rel=0.05)
    assert joined.sha256 == apart.sha256 and len(apart.texts) == len(read_notes(PINNED))


def test_a_long_text_is_left_alone() -> None:
    """Texts are joined only where that brings them nearer to the length."""
    assert join(["a" * 50, "b" * 900, "c" * 400, "d" * 500], 1000) == [
        "a" * 50 + "\n" + "b" * 900,
        "c" * 400 + "\n" + "d" * 500,
    ]
    assert join([], 1000) == []


def test_peers_are_measured_beside_us_and_a_missing_one_is_said(tmp_path: Path) -> None:
    """Our row has the figures of the benchmark; an interpreter that is not there leaves the others, exit code 1."""
    peer = ["--python", f"medspacy={tmp_path}/nobody", "--json", str(tmp_path / "peers.json")]
    done = ran("speed_peers", "--most", "2", *peer)
    assert done.returncode == 1 and "medspacy: could not be run" in done.stderr, done.stderr
    kept = json.loads((tmp_path / "peers.json").read_text())
    assert set(kept["peers"]) == {"coder_assist"} and kept["terms"] > 100_000
    ours = kept["peers"]["coder_assist"]
    assert ours["found_a_note"] > 3 and ours["notes_a_second"] > 0 and ours["resident_megabytes"] > 50
    assert kept["notes"]["count"] == 2 and kept["notes"]["joined_to_characters"] == TYPICAL
    assert done.stdout.startswith("| tool | notes a second |") and "| coder_assist " in done.stdout


def test_a_peer_that_nobody_knows_is_refused() -> None:
    done = ran("speed_peers", "--python", "ctakes=/bin/true")
    assert done.returncode == 2 and "expected one of coder_assist, medspacy, medcat" in done.stderr


@pytest.mark.slow
def test_coders_work_at_a_service_that_runs_already(tmp_path: Path) -> None:
    """They claim only what was brought for them, and the figures name the versions of that service."""
    site = Site(tmp_path / "site", f"sqlite:///{tmp_path}/site/review.sqlite", 1)
    People(site.database).add("Ada", Role.CODER)
    coder, _ = People(site.database).add_token("Ada", "load", (Scope.READ, Scope.DECIDE))
    (tmp_path / "tokens").write_text(f"{site.tokens[0]}\n{coder}\n")
    store = Store(site.database)
    store.import_encounters(site.actor, from_records([{"id": "real", "text": "Cough."}]))
    service = site.service()
    try:
        where = ("--url", service.address, "--tokens", str(tmp_path / "tokens"))
        how = ("--seconds", "8", "--encounters", "3", "--json", str(tmp_path / "load.json"))
        done = ran("load", *where, *how)
    finally:
        service.end()
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "load.json").read_text())
    assert kept["coders"] == 1 and kept["encounters"] == 3 and kept["failed"] == 0
    assert kept["versions"]["pack"] and kept["machine"]["processor"] and len(kept["notes"]["sha256"]) == 64
    assert set(kept["milliseconds"]) <= set(KINDS)
    others = WorklistFilter(
        states=tuple(state for state in EncounterState if state is not EncounterState.NEW)
    )
    begun = [item.id for item in store.worklist(others).items]
    assert begun and "real" not in begun
    site.database.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "https://coding.example", "--tokens", "x"], "coding.example is not this machine"),
        (["--url", "http://127.0.0.1:8000"], "expected --url with --tokens"),
    ],
)
def test_a_service_elsewhere_is_not_driven_by_mistake(arguments: list[str], said: str) -> None:
    done = ran("load", *arguments)
    assert done.returncode == 2 and said in done.stderr


def test_an_encounter_takes_room_at_every_step(tmp_path: Path) -> None:
    """Bringing, reading and deciding are told apart, and every note is counted once."""
    records = [
        {"id": f"n{number}", "text": note["text"]} for number, note in enumerate(read_notes(PINNED)[:6])
    ]
    growth = grow(f"sqlite:///{tmp_path}/review.sqlite", records, Coder.load())
    each = growth.each()
    assert each["encounters"] == 6 and growth.characters == sum(len(record["text"]) for record in records)
    assert growth.decisions >= 6 and min(growth.imported, growth.read, growth.decided) > 0
    assert growth.imported + growth.read + growth.decided > growth.characters
    assert each["bytes an encounter"] == round((growth.imported + growth.read + growth.decided) / 6)


@pytest.mark.slow
def test_scaling_is_measured_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    """With one worker and with two; a file of too few parts says nothing and is refused."""
    source = tmp_path / "notes.jsonl"
    source.write_text("".join(json.dumps({"id": f"n{n}", "text": "Cough."}) + "\n" for n in range(40)))
    paces = [pace(source, tmp_path / f"by-{workers}", workers, size=2) for workers in (1, 2)]
    for found in paces:
        assert found.notes_a_second > 0 and found.seconds > 0
        assert 0 < found.parent_seconds < found.worker_seconds and found.alone < 0.5
    assert "| 1 |" in table(paces, machine()) and "| 1.00 |" in table(paces, machine())
    with pytest.raises(SystemExit, match="at least ten parts of 25 notes; got 40 notes"):
        pace(source, tmp_path / "few", 1)
