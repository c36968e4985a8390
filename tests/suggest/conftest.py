"""Fixtures for the suggest room: one coder over the default pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.scoring import WeightedScorer


@pytest.fixture(scope="session")
def coder(cache_dir: Path) -> Coder:
    """The default pack's coder over the session's compiled books."""
    return Coder.load(settings=Settings(cache_dir=cache_dir))


@pytest.fixture(scope="session")
def plain(cache_dir: Path) -> Coder:
    """A coder with the hand-set weights, whose probabilities no training moves."""
    return Coder.load_with(Pack("hand-set", WeightedScorer(), {}), Settings(cache_dir=cache_dir))
