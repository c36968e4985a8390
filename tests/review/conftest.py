from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coder_assist.review.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.connect(f"sqlite:///{tmp_path / 'review.sqlite'}")
    database.upgrade()
    yield database
    database.close()
