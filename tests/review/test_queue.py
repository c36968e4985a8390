from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from coder_assist.errors import NotFound, StateConflict
from coder_assist.review.database import Database
from coder_assist.review.queue import LEASE, MOST_ATTEMPTS, RunQueue, work, work_once
from coder_assist.review.states import RunState
from coder_assist.review.store import Store
from coder_assist.suggest.wire import run_record
from coder_assist.types import Encounter, Run
from tests.review.building import ANA, PACK, TEXT, accept, bring, decide, run_of


def test_a_run_is_wanted_once(store: Store) -> None:
    """There is one run for each set of note versions and pack, however often it is asked for."""
    bring(store, read=False)
    assert store.queue.want_missing(PACK) == 1
    assert store.queue.want_missing(PACK) == 0
    first = store.queue.want("e1", PACK)
    assert (first.state, store.queue.want("e1", PACK).id) == (RunState.QUEUED, first.id)
    assert store.queue.want("e1", "pack-2").id != first.id
    store.add_note_version(ANA, "e1", "e1", TEXT + " More.")
    assert store.queue.want_missing(PACK) == 1


def test_a_run_is_kept_as_it_was(store: Store) -> None:
    """The stored record is the machine interface's, and names all versions it was made with."""
    bring(store, read=False)
    encounter = store.desk("e1").encounter
    assert work_once(store.queue, "w1", PACK, run_of) is False  # nothing was asked for yet
    store.queue.want_missing(PACK)
    assert work_once(store.queue, "w1", PACK, run_of) is True
    run = store.desk("e1").run
    assert run is not None
    assert run.record is not None
    expected = json.loads(json.dumps(run_record(run_of(encounter))))
    assert {key: run.record[key] for key in expected} == expected
    assert (run.record["rules"], run.record["note_versions"]) == ("rules-1", {"e1": 1})
    assert (run.state, run.current, run.pack) == (RunState.DONE, True, PACK)


def test_finished_run_makes_a_new_version(store: Store) -> None:
    """Who looked at the encounter before the run came decides against a version that is gone."""
    before = bring(store, read=False).version
    store.queue.want_missing(PACK)
    work_once(store.queue, "w1", PACK, run_of)
    assert store.summary("e1").version == before + 1


def test_asked_for_comes_first(store: Store) -> None:
    """A run that somebody waits for overtakes those computed ahead."""
    for number in range(3):
        bring(store, f"e{number}", f"Cough {number}.", read=False)
    store.queue.want_missing(PACK)
    store.queue.want("e2", PACK)
    claimed = store.queue.claim("w1", PACK)
    assert claimed is not None
    assert claimed[0].encounter_id == "e2"


def test_run_reads_the_versions_it_was_asked_for(store: Store) -> None:
    """A note that changes between claim and answer leaves the run what it is: of the old version."""
    bring(store, read=False)
    store.queue.want_missing(PACK)
    store.add_note_version(ANA, "e1", "e1", "New text.")
    claimed = store.queue.claim("w1", PACK)
    assert claimed is not None
    run, encounter = claimed
    assert [note.text for note in encounter.notes] == [TEXT]
    assert not store.queue.finish(run.id, "w1", run_of(encounter)).current


def test_dead_workers_runs_are_taken_over(database: Database, store: Store) -> None:
    """A claim runs out; the next worker takes the run, and the late one's answer is refused."""
    clock = [datetime(2026, 3, 1, tzinfo=UTC)]
    queue = RunQueue(database, lambda: clock[0])
    bring(store, read=False)
    queue.want_missing(PACK)
    first = queue.claim("w1", PACK)
    assert first is not None
    assert queue.claim("w2", PACK) is None
    clock[0] += LEASE + timedelta(seconds=1)
    second = queue.claim("w2", PACK)
    assert second is not None
    assert second[0].id == first[0].id
    with pytest.raises(StateConflict, match="running"):
        queue.finish(first[0].id, "w1", run_of(first[1]))
    with pytest.raises(StateConflict):
        queue.fail(first[0].id, "w1", "Late")
    assert queue.finish(second[0].id, "w2", run_of(second[1])).state is RunState.DONE


def test_runs_that_kill_their_workers_are_given_up(database: Database, store: Store) -> None:
    """After some dead workers a run fails instead of killing the next."""
    clock = [datetime(2026, 3, 1, tzinfo=UTC)]
    queue = RunQueue(database, lambda: clock[0])
    bring(store, read=False)
    run = queue.want("e1", PACK)
    for _ in range(MOST_ATTEMPTS):
        assert queue.claim("w", PACK) is not None
        clock[0] += LEASE + timedelta(seconds=1)
    assert queue.claim("w", PACK) is None
    assert (queue.run(run.id).state, queue.run(run.id).error) == (RunState.FAILED, "abandoned")


def test_failing_notes_are_tried_again_and_then_left(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """An error is retried a few times and kept by its type; its message is neither stored nor logged."""
    bring(store, read=False)
    run = store.queue.want("e1", PACK)

    def fail(encounter: Encounter) -> Run:
        raise ValueError(encounter.notes[0].text)

    with caplog.at_level(logging.DEBUG):
        for _ in range(MOST_ATTEMPTS):
            assert work_once(store.queue, "w1", PACK, fail)
        assert not work_once(store.queue, "w1", PACK, fail)
    failed = store.queue.run(run.id)
    assert (failed.state, failed.error) == (RunState.FAILED, "ValueError")
    assert "diabetes" not in caplog.text
    assert store.queue.want("e1", PACK).state is RunState.QUEUED
    assert work_once(store.queue, "w1", PACK, run_of)
    assert store.summary("e1").run_state is RunState.DONE
    with pytest.raises(NotFound):
        store.queue.run(999)


def test_many_workers_make_each_run_once(
    store: Store, database_url: str, open_database: Callable[[str], Database]
) -> None:
    """Workers of several processes share the queue: every run is made, none twice."""
    for number in range(12):
        bring(store, f"e{number}", f"Type 2 diabetes {number}.", read=False)
    made: list[str] = []
    lock = threading.Lock()
    stop = threading.Event()

    def suggest(encounter: Encounter) -> Run:
        with lock:
            made.append(encounter.id)
            if len(made) >= 12:
                stop.set()
        return run_of(encounter)

    def begin(name: str) -> None:
        work(RunQueue(open_database(database_url)), name, PACK, suggest, stop, idle_seconds=0.02)

    threads = [threading.Thread(target=begin, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)
    assert sorted(made) == sorted(f"e{number}" for number in range(12))
    assert {item.run_state for item in store.worklist().items} == {RunState.DONE}


def test_submitted_encounters_are_not_read_anew(store: Store) -> None:
    """A new pack reads what is still open, not what is done."""
    bring(store)
    store.submit(ANA, "e1", decide(store, accept(0)).version)
    assert store.queue.want_missing("pack-2") == 0
