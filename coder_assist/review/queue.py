"""Runs computed ahead: a queue in the database that any number of processes may work on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from coder_assist.review.database import Database, now
from coder_assist.review.records import StoredRun
from coder_assist.types import Encounter, Run

LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 3


class RunQueue:
    """The runs that are wanted. There is one run for each set of note versions and pack."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def want(self, encounter_id: str, pack: str, priority: int = 1) -> StoredRun:
        """Ask for a run of the notes as they stand; the one that is there, or being made, is given back.

        A failed one is tried again. Raises ``NotFound``.
        """
        raise NotImplementedError

    def want_missing(self, pack: str, limit: int = 500) -> int:
        """Ask for runs of all encounters not yet submitted whose notes this pack has not read; return how many."""
        raise NotImplementedError

    def claim(self, worker: str, pack: str) -> tuple[StoredRun, Encounter] | None:
        """Take the next run of the queue, for ``LEASE``; ``None`` where nothing is to do."""
        raise NotImplementedError

    def finish(self, run_id: int, worker: str, run: Run) -> StoredRun:
        """Store a claimed run's answer. Raises ``StateConflict`` if the claim has passed to another worker."""
        raise NotImplementedError

    def fail(self, run_id: int, worker: str, error: str) -> StoredRun:
        """Give a claimed run back: to be tried again, or as failed after ``MOST_ATTEMPTS``.

        ``error`` is an exception's type, never its message.
        """
        raise NotImplementedError

    def run(self, run_id: int) -> StoredRun:
        """Return a run. Raises ``NotFound``."""
        raise NotImplementedError


def work_once(queue: RunQueue, worker: str, pack: str, suggest: Callable[[Encounter], Run]) -> bool:
    """Make one run of the queue, if there is one; say whether there was."""
    raise NotImplementedError


def work(
    queue: RunQueue,
    worker: str,
    pack: str,
    suggest: Callable[[Encounter], Run],
    stop: threading.Event,
    idle_seconds: float = 1.0,
) -> None:
    """Make the runs that are missing, one after another, until ``stop`` is set."""
    raise NotImplementedError
