from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select, text

from coder_assist.review.database import Database
from coder_assist.review.store import Store
from coder_assist.review.tables import AuditEventRow, DecisionRow
from tests.review.building import bring
from tests.review.stream import ENCOUNTERS

REPO = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "20"))  # make smoke kills less often


def stream_until_killed(url: str, first: int, version: int, seconds: float) -> list[list[str]]:
    """Run the stream, kill it some time after its first acknowledgement, return what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.review.stream", url, str(first), str(version)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    assert process.stdout is not None
    said: list[list[str]] = []
    killer: threading.Timer | None = None
    for line in process.stdout:
        if line.endswith("\n"):
            said.append(line.split())
        if killer is None and said[-1][0] == "done":
            killer = threading.Timer(seconds, os.kill, (process.pid, signal.SIGKILL))
            killer.start()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return said


@pytest.mark.endurance
def test_acknowledged_decisions_survive_kills(store: Store, database: Database, database_url: str) -> None:
    """A process killed again and again in a stream of decisions: each acknowledged one is there exactly once.

    The request that was under way is sent again under its key, as a client does, and is there once too.
    """
    for number in range(ENCOUNTERS):
        bring(store, f"e{number}", f"Cough {number}.", read=False)
    chance = Random(20)
    first, version = 1, 0
    acknowledged: list[int] = []
    for kill in range(1, KILLS + 1):
        said = stream_until_killed(database_url, first, version, chance.uniform(0.0, 0.4))
        acknowledged += [int(words[1]) for words in said if words[0] == "done"]
        last = said[-1]
        first, version = (int(last[1]), int(last[2])) if last[0] == "try" else (int(last[1]) + 1, 0)
        with database.read() as session:
            there = Counter(int(code) for code in session.scalars(select(DecisionRow.code)))
        assert set(there.values()) == {1}, f"kill {kill}"
        assert there.keys() >= set(acknowledged), f"kill {kill}"
        assert len(there) - len(acknowledged) <= 1, f"kill {kill}"
    assert len(acknowledged) >= KILLS
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    with database.read() as session:
        events = session.scalars(select(AuditEventRow).order_by(AuditEventRow.sequence)).all()
        if database.dialect == "sqlite":
            assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.previous_hash for event in events[1:]] == [event.hash for event in events[:-1]]
    assert sum(event.action == "decide" for event in events) == len(there)
    for number in range(ENCOUNTERS):
        summary, desk = store.summary(f"e{number}"), store.desk(f"e{number}")
        assert len(desk.codes) == len(desk.decisions) == summary.decided == summary.version - 1
