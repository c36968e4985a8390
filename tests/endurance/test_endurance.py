"""A short version of ``make endurance``: everything that breaks is broken, and nothing is lost."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from benchmarks import breaking, endurance
from benchmarks.breaking import slope

pytestmark = [pytest.mark.endurance, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def on_warm_books(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes start from the compiled books of this session."""
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))


def test_nothing_is_lost(postgres: str, tmp_path: Path) -> None:
    """Half a minute of traffic with kills, restarts and jumping clocks beside a batch of 200 notes loses nothing."""
    corpus = endurance.ROOT / "corpora" / "encounters.jsonl"
    result = endurance.endure(0.5, 200, corpus, tmp_path)
    assert endurance.lost(result) == 0, endurance.table(result)
    tried = {fault["kind"]: fault["times"] for fault in result["faults"] if fault["lost"] is not None}
    assert all(times >= 1 for times in tried.values()), tried
    assert len(tried) >= 4 + (breaking.libfaketime() is not None)
    assert result["acknowledged"] > 20
    assert result["memory"]["service"]["samples"] >= 5
    assert "| service killed (SIGKILL) |" in endurance.table(result)


def test_what_could_not_be_tried_is_not_told_as_passed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where mounting is forbidden the disks count neither as lost nor as kept, and the table says so."""
    monkeypatch.setattr(breaking, "MOUNT", ("false",))
    full = [
        breaking.fill_disk(tmp_path),
        breaking.starve_batch(tmp_path, endurance.ROOT / "corpora" / "encounters.jsonl"),
    ]
    assert [(outcome.times, outcome.lost) for outcome in full] == [(0, None), (0, None)]
    result = {
        "minutes": 1, "requests": 1, "answers": "1 x 200", "acknowledged": 1, "doubled": 0, "chain": "intact: 1 event",
        "unexpected": [],
        "memory": {"service": {"first": 1, "last": 1, "samples": 1, "slope": 0.0}, "batch": {"most": 1, "slope": 0.0, "alone": 0.0}},
        "faults": [asdict(endurance.Fault("disk full below a service", full[0].times, full[0].seen, full[0].lost))],
    }  # fmt: skip
    said = endurance.table(result)
    assert (
        "| disk full below a service | **NOT TRIED** | mounting is not allowed here | **not known** |" in said
    )
    assert "\nNOT TRIED: disk full below a service: mounting is not allowed here" in said
    assert endurance.lost(result) == 0


@pytest.mark.skipif(breaking.libfaketime() is None, reason="NO LIBFAKETIME: install Debian's faketime")
def test_a_service_can_be_started_with_a_clock_that_is_off(tmp_path: Path) -> None:
    """Two hundred days ahead it answers, and says so; restarted, its clock is right again."""
    site = breaking.Site(tmp_path / "site", f"sqlite:///{tmp_path}/site/review.sqlite", 1)
    service = site.service(queue_workers=0)
    try:
        assert service.jumps == 0
        service.revive(days=200)
        assert service.jumps == 1
        answer = httpx.get(service.address + "/healthz", timeout=30)
        off = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
        assert timedelta(days=199) < off < timedelta(days=201)
        service.revive()
        assert (service.jumps, service.kills) == (1, 2)
    finally:
        service.end()
    site.database.close()


def test_slope_is_that_of_the_second_half() -> None:
    """Warming up does not count; 2 MB a minute afterwards are seen as such."""
    warming = [(second, 100.0 + second) for second in range(0, 60, 2)]
    steady = [(second, 160.0 + (second - 60) / 30) for second in range(60, 130, 2)]
    assert slope([(float(s), mb) for s, mb in warming + steady]) == pytest.approx(2.0, abs=0.05)
    assert slope([]) == 0.0
