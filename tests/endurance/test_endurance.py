"""A short version of ``make endurance``: everything that breaks is broken, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import endurance
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
    by_kind = {fault["kind"].split(" (")[0]: fault["times"] for fault in result["faults"]}
    assert all(times >= 1 for kind, times in by_kind.items() if not kind.startswith("disk")), by_kind
    assert result["acknowledged"] > 20
    assert result["memory"]["service"]["samples"] >= 5
    assert "| service killed (SIGKILL) |" in endurance.table(result)


def test_slope_is_that_of_the_second_half() -> None:
    """Warming up does not count; 2 MB a minute afterwards are seen as such."""
    warming = [(second, 100.0 + second) for second in range(0, 60, 2)]
    steady = [(second, 160.0 + (second - 60) / 30) for second in range(60, 130, 2)]
    assert slope([(float(s), mb) for s, mb in warming + steady]) == pytest.approx(2.0, abs=0.05)
    assert slope([]) == 0.0
