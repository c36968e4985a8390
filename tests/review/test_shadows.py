"""What a challenger would have shown stays beside the desk; only what passes, or is forced, is promoted."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from coder_assist.challenge import cast_shadows, gates_of
from coder_assist.codes import Library
from coder_assist.errors import NotFound, PromotionRefused
from coder_assist.review.store import Store
from coder_assist.review.tables import AuditEventRow
from coder_assist.types import Code, Encounter, Run
from tests.review.building import (
    ANA,
    DIABETES,
    GOUT,
    HYPERTENSION,
    PACK,
    SCI,
    TEXT,
    accept,
    bring,
    decide,
    reject,
    run_of,
)

NEW = "pack-2"
UNKNOWN = Code.parse("ICD-10-CM", "J45.909")
WORDS = {DIABETES: "Type 2 diabetes", GOUT: "Gout of the left foot", UNKNOWN: "metformin"}


class Challenger:
    """A coder that proposes given codes, as ``Coder`` does."""

    def __init__(self, *codes: Code) -> None:
        self.codes = codes
        self.read: list[Encounter] = []
        self.pack = type("Pack", (), {"version": NEW})

    def suggest(self, encounter: Encounter) -> Run:
        self.read.append(encounter)
        return run_of(encounter, [(code, WORDS[code], 0.8, True) for code in self.codes])


def submitted(store: Store, id: str, patient: str | None = None, words: str = TEXT) -> None:
    bring(store, id, f"{words} {id}", patient_id=patient)
    decide(store, accept(0), accept(1), reject(2), id=id)
    store.submit(ANA, id, store.summary(id).version)


def test_a_shadow_reads_what_the_people_read_and_nobody_sees_it(store: Store) -> None:
    """The challenger gets the note versions of the run that was decided on; the desk keeps its own run."""
    bring(store)
    decide(store, accept(0), accept(1), reject(2))
    store.add_note_version(ANA, "e1", "e1", f"{TEXT} Seen again.")
    store.submit(ANA, "e1", store.summary("e1").version)
    before = store.desk("e1")
    challenger = Challenger(DIABETES)
    assert cast_shadows(store.shadows, challenger) == 1  # type: ignore[arg-type]
    assert [note.text for note in challenger.read[0].notes] == [TEXT]
    assert store.desk("e1") == before
    assert cast_shadows(store.shadows, challenger) == 0  # type: ignore[arg-type]
    (pair,) = store.shadows.pairs(NEW)
    assert (pair.decided.pack, [s["code"] for s in pair.shadow["suggestions"]]) == (PACK, ["E11.9"])
    assert set(pair.judgement.labels) == {DIABETES, HYPERTENSION}
    assert pair.judgement.is_wrong(GOUT)
    with store.database.read() as session:
        (event,) = session.scalars(select(AuditEventRow).where(AuditEventRow.action == "run.shadow"))
        assert (event.subject, "diabetes" in event.details.lower()) == (f"pack/{NEW}", False)
    with pytest.raises(NotFound):
        store.shadows.cast(99, NEW, challenger.suggest)


def test_shadows_are_append_only(store: Store) -> None:
    """The database itself refuses to change or delete a shadow run."""
    submitted(store, "e1")
    cast_shadows(store.shadows, Challenger(DIABETES))  # type: ignore[arg-type]
    for statement in ("UPDATE shadow_runs SET pack = 'x'", "DELETE FROM shadow_runs"):
        with pytest.raises(DBAPIError), store.database.write() as session:
            session.execute(text(statement))


def test_nobody_is_judged_by_what_was_learnt_from(store: Store) -> None:
    """Encounters before the moment, and their patients' later ones, neither get a shadow nor count."""
    submitted(store, "e1", "p1")
    first = store.desk("e1").submission
    assert first is not None
    submitted(store, "e2", "p1")
    submitted(store, "e3", "p2")
    submitted(store, "e4")
    until = first.at + timedelta(microseconds=1)
    challenger = Challenger(DIABETES)
    assert cast_shadows(store.shadows, challenger, until) == 2  # type: ignore[arg-type]
    assert [encounter.id for encounter in challenger.read] == ["e3", "e4"]
    assert cast_shadows(store.shadows, challenger) == 2  # type: ignore[arg-type]


def test_gates_hold_the_shadow_against_the_decisions(store: Store, library: Library) -> None:
    """A code missed is an error, a rejected one too; one that nobody judged is neither, and is counted."""
    for number in range(6):
        submitted(store, f"e{number}")
    cast_shadows(store.shadows, Challenger(DIABETES, GOUT, UNKNOWN))  # type: ignore[arg-type]
    found = gates_of(store.shadows, NEW, library)
    assert found.encounters == 6 and (found.champion, found.challenger) == (PACK, NEW)
    assert {(r.name, r.lost) for r in found.regressions if r.level == "code"} == {
        ("I10", True),
        ("M10.072", False),
    }
    assert [failure.split()[0] for failure in found.short] == ["6", "33%"]
    assert found.figures["ICD-10-CM"]["recall"]["challenger"] == 0.5
    assert found.figures["ICD-10-CM"]["precision"] | {"p": 0} == {
        "champion": 1.0, "challenger": 0.5, "difference": -0.5, "p": 0,
    }  # fmt: skip


def test_a_shut_gate_refuses_unless_forced_with_a_reason(store: Store) -> None:
    """Refusals and forced promotions are in the audit chain, with the gates and the reason."""
    with pytest.raises(PromotionRefused, match="code I10"):
        store.promotions.record(SCI, NEW, {}, failures=["code I10: 6 worse"])
    with pytest.raises(PromotionRefused):
        store.promotions.record(SCI, NEW, {}, "  ", ["code I10: 6 worse"])
    assert store.promotions.all() == ()
    made = store.promotions.record(SCI, NEW, {}, "the old pack is gone", ["code I10: 6 worse"])
    assert made.reason == "the old pack is gone"
    with store.database.read() as session:
        events = session.scalars(
            select(AuditEventRow)
            .where(AuditEventRow.subject == f"pack/{NEW}")
            .order_by(AuditEventRow.sequence)
        ).all()
    said = [(event.action, json.loads(event.details)["reason"]) for event in events]
    assert said == [("pack.refuse", ""), ("pack.refuse", "  "), ("pack.promote", "the old pack is gone")]
    assert all(json.loads(event.details)["failures"] == ["code I10: 6 worse"] for event in events)
