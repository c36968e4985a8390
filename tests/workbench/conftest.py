"""A real coder and a review that is gone after the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.workbench import Bench

NOTE = "ASSESSMENT:\n1. Essential hypertension.\n2. Type 2 diabetes mellitus.\nNo asthma. Father had gout.\n"


@pytest.fixture(scope="session")
def coder(cache_dir: Path) -> Coder:
    """A real coder with the hand-set weights: what the workbench does is not a question of training."""
    return Coder.load_with(Pack("hand-set@0", WeightedScorer()), Settings(cache_dir=cache_dir))


@pytest.fixture
def bench(coder: Coder) -> Iterator[Bench]:
    made = Bench.temporary(coder)
    yield made
    made.close()
