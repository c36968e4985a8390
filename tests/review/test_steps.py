"""Every step of a review from every state: it leads where the table says, or is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coder_assist.errors import StateConflict
from coder_assist.review.records import NewAuditFinding, Sample
from coder_assist.review.states import AuditError, AuditVerdict, EncounterState, SampleKind
from coder_assist.review.store import Store
from tests.review.building import (
    ANA,
    AUD,
    DIABETES,
    HYPERGLYCEMIA,
    HYPERTENSION,
    LEA,
    accept,
    add,
    bring,
    decide,
)

OVERTURN = NewAuditFinding(
    DIABETES, AuditVerdict.OVERTURN, HYPERGLYCEMIA, AuditError.WRONG_SPECIFICITY, "A1c of 11"
)
AGREE = NewAuditFinding(HYPERTENSION, AuditVerdict.AGREE)
Bring = Callable[[Store, str], None]
Step = Callable[[Store, str, int], object]


def new(store: Store, id: str) -> None:
    bring(store, id, f"Type 2 diabetes. Essential hypertension. Visit {id}.")


def in_review(store: Store, id: str) -> None:
    new(store, id)
    decide(store, accept(0), accept(1), id=id)


def on_hold(store: Store, id: str) -> None:
    in_review(store, id)
    store.hold(ANA, id, store.summary(id).version, "Which type?")


def submitted(store: Store, id: str) -> None:
    in_review(store, id)
    store.submit(ANA, id, store.summary(id).version)


def drawn(store: Store, id: str) -> None:
    submitted(store, id)
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, size=10, seed=1))
    assert id in [item.encounter_id for item in audit.items]
    store.audits.find(AUD, audit.id, id, OVERTURN)


def audited(store: Store, id: str) -> None:
    drawn(store, id)
    store.audits.finish(AUD, _audit(store), id)


def returned(store: Store, id: str) -> None:
    audited(store, id)
    store.audits.finish(AUD, _audit(store), id)


def accepted(store: Store, id: str) -> None:
    audited(store, id)
    store.audits.settle(AUD, _audit(store), id, 1, AuditVerdict.AGREE, "The coder is right")
    store.audits.finish(AUD, _audit(store), id)


def _audit(store: Store) -> int:
    return max(audit.id for audit in store.audits.all())


WORK: dict[str, Step] = {
    "decide": lambda store, id, version: store.decide(ANA, id, version, [add(HYPERGLYCEMIA)]),
    "hold": lambda store, id, version: store.hold(ANA, id, version, "Which type?"),
    "release": lambda store, id, version: store.release(ANA, id, version, "Type 2."),
    "submit": lambda store, id, version: store.submit(ANA, id, version),
    "reopen": lambda store, id, version: store.reopen(ANA, id),
    "assign": lambda store, id, version: store.assign(LEA, id, "ben"),
    "amend": lambda store, id, version: store.add_note_version(LEA, id, id, "Type 2 diabetes. Addendum."),
}
AUDIT: dict[str, Step] = {
    "find": lambda store, id, version: store.audits.find(AUD, _audit(store), id, AGREE),
    "rebut": lambda store, id, version: store.audits.rebut(ANA, _audit(store), id, 1, "Sugars fine"),
    "settle": lambda store, id, version: store.audits.settle(
        AUD, _audit(store), id, 1, AuditVerdict.OVERTURN, "It stays"
    ),
    "finish": lambda store, id, version: store.audits.finish(AUD, _audit(store), id),
}
# Where each step leads from where it may be taken; from everywhere else it is refused.
LEADS: dict[Bring, dict[str, EncounterState]] = {
    new: {
        "decide": EncounterState.IN_REVIEW,
        "hold": EncounterState.ON_HOLD,
        "submit": EncounterState.SUBMITTED,
        "assign": EncounterState.IN_REVIEW,
        "amend": EncounterState.NEW,
    },
    in_review: {
        "decide": EncounterState.IN_REVIEW,
        "hold": EncounterState.ON_HOLD,
        "submit": EncounterState.SUBMITTED,
        "assign": EncounterState.IN_REVIEW,
        "amend": EncounterState.IN_REVIEW,
    },
    on_hold: {
        "release": EncounterState.IN_REVIEW,
        "assign": EncounterState.ON_HOLD,
        "amend": EncounterState.ON_HOLD,
    },
    submitted: {"reopen": EncounterState.IN_REVIEW, "amend": EncounterState.IN_REVIEW},
    drawn: {
        "find": EncounterState.SUBMITTED,
        "settle": EncounterState.SUBMITTED,
        "finish": EncounterState.AUDITED,
    },
    audited: {
        "rebut": EncounterState.AUDITED,
        "settle": EncounterState.AUDITED,
        "finish": EncounterState.RETURNED,
    },
    returned: {
        "decide": EncounterState.IN_REVIEW,
        "hold": EncounterState.ON_HOLD,
        "submit": EncounterState.SUBMITTED,
        "reopen": EncounterState.IN_REVIEW,
        "assign": EncounterState.RETURNED,
        "amend": EncounterState.RETURNED,
    },
    accepted: {},
}


@pytest.mark.parametrize("situation", LEADS, ids=lambda situation: situation.__name__)
def test_steps_are_taken_in_order_only(store: Store, situation: Bring) -> None:
    """What may not follow is a ``StateConflict``; the encounter and what was decided stay as they were."""
    in_audit = situation in (drawn, audited, returned, accepted)
    for name, step in (WORK | (AUDIT if in_audit else {})).items():
        situation(store, name)
        before = store.summary(name)
        if (then := LEADS[situation].get(name)) is not None:
            step(store, name, before.version)
            assert store.summary(name).state is then, name
        else:
            with pytest.raises(StateConflict):
                step(store, name, before.version)
                pytest.fail(f"{name} was let pass")
            assert store.summary(name) == before, name
