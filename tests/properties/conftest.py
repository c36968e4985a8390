"""One coder over the default pack for the properties of suggestions."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_assist.settings import Settings
from coder_assist.suggest import Coder


@pytest.fixture(scope="session")
def coder(cache_dir: Path) -> Coder:
    """The default pack's coder over the session's compiled books."""
    return Coder.load(settings=Settings(cache_dir=cache_dir))
