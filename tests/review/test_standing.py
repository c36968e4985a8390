from __future__ import annotations

import shutil
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_assist.errors import NotFound
from coder_assist.review.database import Database
from coder_assist.review.records import NewDecision
from coder_assist.review.store import Store
from coder_assist.types import Code, Verdict
from tests.review.building import (
    ANA,
    HYPERGLYCEMIA,
    SHOWN,
    SUGGESTED,
    VISIT,
    accept,
    add,
    add_people,
    bring,
    decide,
    reject,
    replace_by,
)

ACTS: dict[str, NewDecision] = {
    "accept 0": accept(0),
    "accept 1": accept(1),
    "reject 0": reject(0),
    "reject 1": reject(1),
    "replace 0": replace_by(0, HYPERGLYCEMIA),
    "replace 1 by 0": replace_by(1, SUGGESTED[0][0]),
    "add": add(VISIT),
    "drop added": NewDecision(Verdict.REJECT, VISIT, SHOWN, reason="other"),
    "drop replacement": NewDecision(Verdict.REJECT, HYPERGLYCEMIA, SHOWN, reason="other"),
}


def after(rows: dict[Code, Code | None], new: NewDecision) -> dict[Code, Code | None]:
    """What a coder expects to see after a decision: for each row of the screen the code it leads to.

    A plain account, without ids and lines, that the store is compared with.
    """
    rows = dict(rows)
    if new.verdict in (Verdict.ACCEPT, Verdict.ADD):
        return {**rows, new.code: new.code}
    meant = new.code if new.suggestion is None else SUGGESTED[new.suggestion][0]
    leads_to = new.code if new.verdict is Verdict.REPLACE else None
    rows.update({row: leads_to for row, code in rows.items() if code == meant})
    if new.suggestion is not None:
        rows[meant] = leads_to
    return rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*ACTS, "undo", "undo"]), max_size=12))
def test_codes_are_what_a_coder_expects(sqlite_template: Path, tmp_path: Path, acts: list[str]) -> None:
    """After any acts the codes that stand are those a coder who counts along has, each once."""
    shutil.copy(sqlite_template, tmp_path / "walk.sqlite")
    database = Database.connect(f"sqlite:///{tmp_path / 'walk.sqlite'}")
    try:
        add_people(database)
        store = Store(database)
        bring(store)
        screens: list[dict[Code, Code | None]] = [{}]
        for act in acts:
            if act != "undo":
                outcome = decide(store, ACTS[act])
                screens.append(after(screens[-1], ACTS[act]))
            elif len(screens) > 1:
                outcome = store.undo(ANA, "e1", store.summary("e1").version)
                screens.pop()
            else:
                try:
                    store.undo(ANA, "e1", store.summary("e1").version)
                except NotFound:
                    continue
                raise AssertionError("there was nothing to undo")
            codes = [final.code for final in outcome.codes]
            assert len(codes) == len(set(codes))
            assert set(codes) == {code for code in screens[-1].values() if code is not None}, act
    finally:
        database.close()
        for leftover in tmp_path.glob("walk.sqlite*"):
            leftover.unlink()
