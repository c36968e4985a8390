"""Several processes code as one does."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from coder_assist.errors import BatchError, NoteError
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_record, run_record
from coder_assist.types import Encounter, Note

CORPUS = Path(__file__).parents[2] / "corpora" / "encounters.jsonl"


@pytest.fixture(scope="module")
def encounters() -> list[Encounter]:
    """The first 40 encounters of the project's corpus: more than one chunk for each process."""
    with CORPUS.open(encoding="utf-8") as lines:
        return [read_record(json.loads(line)) for line, _ in zip(lines, range(40), strict=False)]


def test_two_processes_give_the_same_bytes_in_order(coder: Coder, encounters: list[Encounter]) -> None:
    """Runs of two processes are those of one, to the byte, in the order of the notes."""
    one = [json.dumps(run_record(run)) for run in coder.pipe(encounters)]
    two = [json.dumps(run_record(run)) for run in coder.pipe(encounters, workers=2)]
    assert two == one


def test_an_unreadable_note_comes_after_the_runs_before_it(coder: Coder) -> None:
    """An empty note raises in its place, with its id, whatever the number of processes."""
    works = [Note("a", "Gout."), Note("b", "  "), Note("c", "Asthma.")]
    runs = coder.pipe(works, workers=2)
    assert next(runs).encounter_id == "a"
    with pytest.raises(NoteError, match="'b' is empty"):
        next(runs)


def test_a_stream_is_not_read_to_its_end(coder: Coder) -> None:
    """Notes are taken as they are needed: an endless stream yields its first run."""
    taken = 0

    def stream() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield Note(str(taken), "Gout.")

    runs = coder.pipe(stream(), workers=2)  # type: ignore[arg-type]
    assert next(runs).encounter_id == "1"
    assert taken < 1000
    runs.close()  # type: ignore[attr-defined]


def test_a_killed_process_is_told(coder: Coder) -> None:
    """Where a process is killed the runs before it stand, in order, and the error says what happened."""
    runs = coder.pipe((Note(str(number), "Gout.") for number in range(4000)), workers=2)
    first = next(runs)
    for child in multiprocessing.active_children():
        child.kill()
    seen = [first.encounter_id]
    with pytest.raises(BatchError, match="a worker process ended before its work was done: it was killed"):
        seen.extend(run.encounter_id for run in runs)
    assert seen == [str(number) for number in range(len(seen))] and len(seen) < 4000


def test_wrong_numbers_of_workers_are_told(coder: Coder, plain: Coder) -> None:
    """No workers, and several for a coder that only this process has, are errors at the call."""
    with pytest.raises(ValueError, match=r"must be 1 or more\. Got 0"):
        coder.pipe([], workers=0)
    with pytest.raises(ValueError, match=r"made by Coder\.load"):
        plain.pipe([], workers=2)
