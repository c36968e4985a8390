from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError
from statsmodels.stats.proportion import samplesize_confint_proportion

from coder_assist.errors import InputError, NotAllowed, NotFound, StateConflict
from coder_assist.review.database import Database, _alembic
from coder_assist.review.records import Audit, NewAuditFinding, Sample
from coder_assist.review.sampling import Case, draw, inclusion, sample_size, size_for
from coder_assist.review.states import AuditError, AuditVerdict, EncounterState, SampleKind
from coder_assist.review.store import Store
from coder_assist.review.tables import (
    AuditFindingRow,
    AuditItemRow,
    AuditRow,
    DecisionRow,
    EncounterRow,
    SubmissionRow,
    UserRow,
)
from tests.review.building import ANA, ASTHMA, AUD, DIABETES, HYPERTENSION, LEA, SHOWN, VISIT
from tests.review.test_audits import submitted

BLIND = Sample(SampleKind.RANDOM, size=5, seed=1, blinded=True)


def begun(store: Store) -> Audit:
    submitted(store)
    return store.audits.create(AUD, BLIND)


def test_blinded_reader_codes_first(store: Store) -> None:
    """Before the second coding is there the item shows no codes, and nothing can be found or finished."""
    audit = begun(store)
    (item,) = store.audits.get(audit.id).items
    assert item.submission.codes == () and item.second is None
    desk = store.desk("e1", AUD)
    assert desk.veiled and desk.encounter.notes[0].text.startswith("Type 2 diabetes")
    assert (desk.run, desk.decisions, desk.codes, desk.submission) == (None, (), (), None)
    assert (desk.summary.decided, desk.summary.undecided) == (0, 0)
    assert store.worklist(reader=AUD).items == (desk.summary,)
    assert store.worklist(reader=LEA).items[0].decided == 2
    assert store.desk("e1", ANA) == store.desk("e1") and not store.desk("e1").veiled
    with pytest.raises(StateConflict, match="blinded"):
        store.history("e1", AUD)
    with pytest.raises(StateConflict, match="blinded"):
        store.audits.find(AUD, audit.id, "e1", NewAuditFinding(DIABETES, AuditVerdict.AGREE))
    with pytest.raises(StateConflict, match="blinded"):
        store.audits.finish(AUD, audit.id, "e1")
    with pytest.raises(NotAllowed, match="themselves"):
        store.audits.second_code(ANA, audit.id, "e1", [DIABETES])
    with pytest.raises(InputError, match="once"):
        store.audits.second_code(AUD, audit.id, "e1", [DIABETES, DIABETES])
    second = store.audits.second_code(AUD, audit.id, "e1", [HYPERTENSION, ASTHMA])
    assert (second.codes, second.by) == ((HYPERTENSION, ASTHMA), "aud")
    (item,) = store.audits.get(audit.id).items
    assert [final.code for final in item.submission.codes] == [DIABETES, HYPERTENSION]
    assert item.second == second and not store.desk("e1", AUD).veiled
    assert store.audits.finish(AUD, audit.id, "e1").outcome is EncounterState.ACCEPTED
    last = store.history("e1")[-2]
    assert (last.action, last.details["codes"]) == ("audit.second", 2)


def test_second_coding_is_only_once_and_only_blind(store: Store) -> None:
    """Nobody codes blind what they have seen: not twice, and not in an open audit."""
    audit = begun(store)
    store.audits.second_code(AUD, audit.id, "e1", [])
    with pytest.raises(StateConflict, match="open to see"):
        store.audits.second_code(LEA, audit.id, "e1", [DIABETES])
    submitted(store, "e2", "Type 2 diabetes again. Essential hypertension.")
    seen = store.audits.create(AUD, Sample(SampleKind.RANDOM, 5, 1))
    with pytest.raises(StateConflict, match="open to see"):
        store.audits.second_code(AUD, seen.id, "e2", [DIABETES])
    with pytest.raises(NotFound):
        store.audits.second_code(AUD, audit.id, "e2", [])
    assert not store.desk("e2", AUD).veiled


def test_an_earlier_audit_does_not_tell_the_blind(store: Store) -> None:
    """What was returned, corrected and drawn again is veiled in its earlier audit too, to auditors alone."""
    submitted(store)
    earlier = store.audits.create(AUD, Sample(SampleKind.RANDOM, 5, 1))
    wrong = NewAuditFinding(DIABETES, AuditVerdict.OVERTURN, None, AuditError.UNSUPPORTED, "No.")
    store.audits.find(AUD, earlier.id, "e1", wrong)
    for _ in range(2):
        store.audits.finish(AUD, earlier.id, "e1")
    store.submit(ANA, "e1", store.reopen(ANA, "e1").version)
    blinded = store.audits.create(AUD, BLIND)
    (item,) = store.audits.get(earlier.id, AUD).items
    assert (item.veiled, item.submission.codes, item.findings) == (True, (), ())
    assert [audit.items[0].findings for audit in store.audits.all(AUD)] == [(), ()]
    (item,) = store.audits.get(earlier.id, ANA).items
    assert (item.veiled, len(item.submission.codes), len(item.findings)) == (False, 2, 1)
    store.audits.second_code(AUD, blinded.id, "e1", [])
    assert store.audits.get(earlier.id, AUD) == store.audits.get(earlier.id)


def test_plan_is_what_would_be_drawn(store: Store) -> None:
    """A plan names the population, its strata and the very encounters that the audit then draws."""
    for number in range(6):
        submitted(store, f"e{number}", f"Type 2 diabetes {number}. Essential hypertension.")
    sample = Sample(SampleKind.RANDOM, 2, seed=4)
    plan = store.audits.plan(AUD, sample)
    assert (plan.population, dict(plan.strata)) == (6, {("ana", "outpatient", ""): 6})
    assert store.audits.size_for(AUD, sample, 0.05) == 6
    assert store.audits.size_for(AUD, sample, 0.3) == 2
    audit = store.audits.create(AUD, sample)
    assert [item.encounter_id for item in audit.items] == list(plan.drawn)
    assert [item.inclusion for item in audit.items] == [pytest.approx(2 / 6)] * 2


def test_what_is_there_survives_the_migrations(
    tmp_path: Path, open_database: Callable[[str], Database]
) -> None:
    """A database of the first schema with decisions and findings in it is brought up without losing them."""
    database = open_database(f"sqlite:///{tmp_path / 'old.sqlite'}")
    encounter = {"id": "e1", "state": "submitted", "version": 1, "setting": "outpatient", "sex": "female"}
    encounter |= {"content_hash": "c", "notes_digest": "d", "assigned_to": "ana", "title": "", "priority": 0}
    encounter |= {"undecided": 0, "decided": 0}
    times = dict.fromkeys(("waiting_since", "imported_at", "updated_at"), SHOWN)
    with (
        database.engine.connect().execution_options(coder_assist_writes=True) as connection,
        connection.begin(),
    ):
        command.upgrade(_alembic(connection), "0001")
        made = {"at": SHOWN, "by": "ana"}
        for table, row in (
            (UserRow, {"id": "ana", "name": "Ana", "role": "coder", "active": True, "created_at": SHOWN}),
            (EncounterRow, encounter | times),
            (SubmissionRow, {"id": 1, "encounter_id": "e1", "version": 1, "codes": []} | made),
            (AuditRow, {"id": 1, "kind": "random", "size": 1, "seed": 1, "filters": {}} | made),
            (AuditItemRow, {"audit_id": 1, "encounter_id": "e1", "submission_id": 1, "position": 0}),
            (
                AuditFindingRow,
                {"audit_id": 1, "encounter_id": "e1", "number": 1, "system": "CPT", "code": "99213"}
                | {"verdict": "agree", "state": "open", "reason": ""}
                | made,
            ),
            (
                DecisionRow,
                {
                    "encounter_id": "e1",
                    "verdict": "add",
                    "system": "CPT",
                    "code": "99213",
                    "modifiers": ["25"],
                }
                | {"subject_system": "CPT", "subject_code": "99213", "via": "search", "reviewer": "ana"}
                | {"shown_at": SHOWN, "at": SHOWN, "version": 1, "evidence": []},
            ),
        ):
            connection.execute(insert(table.__table__).values(row))
    database.upgrade()
    (code,) = Store(database).desk("e1").codes
    assert (code.code, code.modifiers, code.present_on_admission) == (VISIT, ("25",), None)
    with pytest.raises(IntegrityError, match="append-only"), database.write() as session:
        session.execute(update(DecisionRow).values(present_on_admission="Y"))
    (audit,) = Store(database).audits.all()
    (item,) = audit.items
    assert (len(item.findings), item.inclusion, item.second, audit.sample.blinded) == (1, None, None, False)


@pytest.mark.parametrize(
    ("margin", "expected", "population", "size"),
    [
        (0.05, 0.5, None, 385),  # the textbook's 384.16
        (0.03, 0.5, None, 1068),  # 1067.1
        (0.05, 0.95, None, 73),  # 72.99
        (0.05, 0.5, 500, 218),  # 384.16 / (1 + 383.16 / 500) = 217.5
        (0.05, 0.5, 10, 10),
    ],
)
def test_sample_sizes(margin: float, expected: float, population: int | None, size: int) -> None:
    """The sizes of Cochran's formula, with and without its correction for finite populations, and statsmodels'."""
    assert sample_size(margin, expected, population) == size
    if population is None:
        assert math.ceil(samplesize_confint_proportion(expected, margin)) == size


def test_sample_size_refuses_nonsense() -> None:
    """Numbers out of range are named."""
    for wrong in ({"margin": 0.0}, {"margin": 0.1, "expected": 1.0}, {"margin": 0.1, "population": 0}):
        with pytest.raises(InputError, match=r"must be"):
            sample_size(**wrong)  # type: ignore[arg-type]
    assert sample_size(0.05, 0.5, design_effect=2) == 769
    with pytest.raises(InputError):
        size_for([], SampleKind.RANDOM, 0.1)


def pool() -> list[Case]:
    coders = "aaaaaaaaaabbbbbbbccc"
    return [Case(f"e{n:02d}", n, (coder,), n % 5 / 2) for n, coder in enumerate(coders)]


@pytest.mark.parametrize("kind", list(SampleKind))
@pytest.mark.parametrize("size", [4, 7, 19])
def test_chances_are_those_of_the_draw(kind: SampleKind, size: int) -> None:
    """How often each encounter is drawn over many seeds is its stated chance; they sum up to the size."""
    chances = inclusion(pool(), kind, size)
    assert sum(chances.values()) == pytest.approx(size, abs=1e-6)
    drawn = Counter(case.encounter_id for seed in range(2000) for case in draw(pool(), kind, size, seed))
    for id, chance in chances.items():
        assert drawn[id] / 2000 == pytest.approx(chance, abs=0.055)


def test_uneven_samples_need_more() -> None:
    """A sample that prefers some encounters must be larger for the same margin over all of them."""
    cases = [Case(f"e{n}", n, ("a" if n < 900 else "b",), float(n % 7 == 0) * 3) for n in range(1000)]
    plain = size_for(cases, SampleKind.RANDOM, 0.04)
    assert plain == sample_size(0.04, 0.95, 1000) == 103
    assert size_for(cases, SampleKind.STRATIFIED, 0.04) > plain
    assert size_for(cases, SampleKind.RISK, 0.04) > plain
