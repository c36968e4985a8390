"""Learning from decisions, the whole way: a weakened pack gains on notes that nobody reviewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.retrain import ICD, retrain


@pytest.mark.endurance
def test_a_weakened_pack_gains_from_a_hundred_reviews(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F1 on unreviewed notes rises by two points or more, calibration stays, and the gates see no regression."""
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))
    result = retrain(tmp_path)
    f1, ece = result.gain()["f1"], result.gain()["ece"]
    assert result.reviewed == 100 and len(result.before.lines) == 45
    assert f1.first is not None and f1.second is not None and f1.interval is not None
    assert f1.second > f1.first + 0.02
    assert ece.difference is not None and ece.difference < 0.05
    assert not any(regression.level == "system" for regression in result.gates.regressions)
    assert (ICD in result.gates.figures) and result.gates.encounters >= 30
