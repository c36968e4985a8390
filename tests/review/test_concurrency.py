from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from coder_assist.errors import VersionConflict
from coder_assist.review.database import Database
from coder_assist.review.importing import from_text
from coder_assist.review.records import Actor, Outcome
from coder_assist.review.store import Store
from coder_assist.types import Code
from tests.review.building import ADA, ANA, BEN, LEA, accept, add, bring, codes, decide, reject


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run calls in threads that start together; return what each gave or raised."""
    gate = threading.Barrier(len(calls))
    results: list[object] = [None] * len(calls)

    def run(place: int, call: Callable[[], object]) -> None:
        gate.wait()
        try:
            results[place] = call()
        except Exception as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not any(thread.is_alive() for thread in threads)
    return results


@pytest.fixture
def second(store: Store, database_url: str, open_database: Callable[[str], Database]) -> Store:
    """Another process's store on the same database."""
    return Store(open_database(database_url))


def test_two_who_decide_at_once(store: Store, second: Store) -> None:
    """Of two decisions for the same version one is saved and one is a conflict that names the other."""
    for number in range(5):
        id = f"e{number}"
        bring(store, id, f"Type 2 diabetes {number}.")
        store.assign(LEA, id, "ana")
        version = store.summary(id).version
        results = at_once(
            lambda: store.decide(ANA, id, version, [accept(0)]),  # noqa: B023 - called at once
            lambda: second.decide(LEA, id, version, [reject(0)]),  # noqa: B023
        )
        (saved,) = (result for result in results if isinstance(result, Outcome))
        (conflict,) = (result for result in results if isinstance(result, VersionConflict))
        assert conflict.changed == saved.decisions == store.desk(id).decisions


def test_no_decision_is_lost(store: Store, second: Store) -> None:
    """People who retry after each conflict all get their decisions in, exactly once, in one line each."""
    bring(store)
    store.assign(LEA, "e1", "ana")
    per_person = 6

    def persist(own: Store, actor: Actor, first: int) -> list[str]:
        added = []
        for number in range(first, first + per_person):
            code = Code.parse("CPT", f"{number:05d}")
            while True:
                try:
                    own.decide(actor, "e1", own.summary("e1").version, [add(code)])
                except VersionConflict:
                    continue
                break
            added.append(code.value)
        return added

    results = at_once(
        lambda: persist(store, ANA, 100), lambda: persist(second, LEA, 200), lambda: persist(store, LEA, 300)
    )
    expected = sorted(code for result in results for code in result)  # type: ignore[attr-defined]
    desk = store.desk("e1")
    assert len(expected) == 3 * per_person
    assert sorted(final.code.value for final in desk.codes) == expected
    assert len(desk.decisions) == len(expected)
    versions = [event.details["version"] for event in store.history("e1")]
    assert versions == list(range(1, len(versions) + 1))


def test_same_key_at_once_decides_once(store: Store, second: Store) -> None:
    """A request that is sent twice at the same time is done once and answered twice."""
    version = bring(store).version
    results = at_once(
        lambda: store.decide(ANA, "e1", version, [accept(0)], key="k"),
        lambda: second.decide(ANA, "e1", version, [accept(0)], key="k"),
        lambda: store.decide(ANA, "e1", version, [accept(0)], key="k"),
    )
    assert all(isinstance(result, Outcome) for result in results), results
    assert len({result.decisions for result in results}) == 1  # type: ignore[attr-defined]
    assert len(store.desk("e1").decisions) == 1


def test_two_who_claim_get_different_encounters(store: Store, second: Store) -> None:
    """Nobody is given what somebody else was just given."""
    for number in range(6):
        bring(store, f"e{number}", f"Cough {number}.", read=False)

    def claim_all(own: Store, actor: Actor) -> list[str]:
        claimed = []
        while (next := own.claim_next(actor)) is not None:
            claimed.append(next.id)
        return claimed

    results = at_once(lambda: claim_all(store, ANA), lambda: claim_all(second, BEN))
    taken = [id for result in results for id in result]  # type: ignore[attr-defined]
    assert sorted(taken) == [f"e{number}" for number in range(6)]


def test_same_encounter_imported_twice_at_once(store: Store, second: Store) -> None:
    """Of two imports of the same notes one goes in and the other is a duplicate."""
    for number in range(5):
        items = from_text(f"e{number}", f"Cough {number}.")
        results = at_once(
            lambda: store.import_encounters(ADA, items),  # noqa: B023 - called at once
            lambda: second.import_encounters(ADA, items),  # noqa: B023
        )
        imported = [id for report in results for id in report.imported]  # type: ignore[attr-defined]
        duplicates = [twin.of for report in results for twin in report.duplicates]  # type: ignore[attr-defined]
        assert (imported, duplicates) == ([f"e{number}"], [f"e{number}"])


def test_a_desk_is_of_one_version(store: Store, second: Store) -> None:
    """Who opens an encounter while others decide sees the decisions of its version, no more and no less."""
    bring(store)
    stop = threading.Event()

    def write() -> None:
        for _ in range(10):
            decide(store, accept(0))
            decide(store, reject(0))
        stop.set()

    def look() -> int:
        looks = 0
        while not stop.is_set() or not looks:
            desk = second.desk("e1")
            standing = [final.code.value for final in desk.codes]
            # The run came with version 2; each version after it has one decision, accept and reject in turn.
            assert len(desk.decisions) == desk.version - 2
            assert standing == (["E11.9"] if desk.version % 2 else [])
            looks += 1
        return looks

    results = at_once(write, look)
    assert results[0] is None, results[0]
    assert isinstance(results[1], int), results[1]
    assert codes(decide(store, accept(0))) == ["E11.9"]
