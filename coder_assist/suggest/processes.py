"""Coding in several processes: each loads its coder once, and the runs come back in the order of the notes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from coder_assist.errors import BatchError, NoteError
from coder_assist.settings import Settings
from coder_assist.types import Encounter, Note, Run

if TYPE_CHECKING:
    from coder_assist.suggest.coder import Coder

CHUNK = 16  # notes that go to a process at a time: enough that sending them costs nothing beside reading them
AHEAD = 3  # chunks given out for each process, so that none waits for the next

_coder: Coder | None = None


def _load(pack: Path | None, settings: str) -> None:
    """Load the coder of this process."""
    global _coder
    from coder_assist.suggest.coder import Coder

    _coder = Coder.load(pack, Settings.model_validate_json(settings))
    _coder.settle()


def _code(chunk: list[Note | Encounter]) -> tuple[list[Run], str | None]:
    """Return the runs of a chunk up to a note that cannot be read, and what is wrong with that one."""
    assert _coder is not None
    runs: list[Run] = []
    for work in chunk:
        try:
            runs.append(_coder.suggest(work))
        except NoteError as error:
            return runs, str(error)
    return runs, None


def code_in_processes(
    works: Iterable[Note | Encounter], workers: int, pack: Path | None, settings: Settings
) -> Iterator[Run]:
    """Yield the run of each encounter or note, in order; ``works`` is read no further ahead than needed.

    Raises ``NoteError`` at one that cannot be read, after the runs before it, and ``BatchError`` where a process
    ends before its work does.
    """
    rest = iter(works)
    given: deque[Future[tuple[list[Run], str | None]]] = deque()
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_load, initargs=(pack, settings.model_dump_json())
    ) as pool:
        try:
            while True:
                while len(given) < workers * AHEAD and (chunk := list(islice(rest, CHUNK))):
                    given.append(pool.submit(_code, chunk))
                if not given:
                    return
                runs, wrong = given.popleft().result()
                yield from runs
                if wrong is not None:
                    raise NoteError(wrong)
        except BrokenProcessPool:
            raise BatchError(
                "a worker process ended before its work was done: it was killed, perhaps for want of memory, or could "
                "not start. The runs so far stand; go on with the note after them, with fewer workers if memory was "
                "short"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
