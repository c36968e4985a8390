"""What all rooms' tests share: the packaged library, compiled once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coder_assist.codes import Library, open_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The packaged edition and lexicon; kept between runs where CODER_ASSIST_CACHE_DIR is set."""
    chosen = os.environ.get("CODER_ASSIST_CACHE_DIR")
    return open_library(Path(chosen).absolute() if chosen else tmp_path_factory.mktemp("cache"))
