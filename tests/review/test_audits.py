from __future__ import annotations

from collections.abc import Sequence

import pytest

from coder_assist.errors import InputError, NotAllowed, NotFound, StateConflict
from coder_assist.review.records import Audit, NewAuditFinding, Sample
from coder_assist.review.sampling import Case, draw
from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    SampleKind,
)
from coder_assist.review.store import Store
from coder_assist.types import Via
from tests.review.building import (
    ANA,
    ASTHMA,
    AUD,
    BEN,
    DIABETES,
    HYPERGLYCEMIA,
    HYPERTENSION,
    LEA,
    accept,
    bring,
    codes,
    decide,
    reject,
)

RANDOM = Sample(SampleKind.RANDOM, size=5, seed=1)
AGREE = NewAuditFinding(DIABETES, AuditVerdict.AGREE)
OVERTURN = NewAuditFinding(
    DIABETES, AuditVerdict.OVERTURN, HYPERGLYCEMIA, AuditError.WRONG_SPECIFICITY, "A1c of 11 discussed"
)


def submitted(store: Store, id: str = "e1", text: str = "Type 2 diabetes. Essential hypertension.") -> None:
    bring(store, id, text)
    decide(store, accept(0), accept(1), id=id)
    store.submit(ANA, id, store.summary(id).version)


def begun(store: Store) -> Audit:
    submitted(store)
    return store.audits.create(AUD, RANDOM)


def test_audit_without_overturn_accepts(store: Store) -> None:
    """An encounter whose codes the auditor agrees with is accepted."""
    audit = begun(store)
    (item,) = audit.items
    assert (item.encounter_id, item.state, [f.code for f in item.submission.codes]) == (
        "e1",
        EncounterState.SUBMITTED,
        [DIABETES, HYPERTENSION],
    )
    finding = store.audits.find(AUD, audit.id, "e1", AGREE)
    assert (finding.number, finding.state, finding.stands) == (1, AuditFindingState.OPEN, AuditVerdict.AGREE)
    done = store.audits.finish(AUD, audit.id, "e1")
    assert (done.state, done.outcome) == (EncounterState.ACCEPTED, EncounterState.ACCEPTED)
    assert [one.state for one in done.findings] == [AuditFindingState.FINAL]
    assert store.audits.get(audit.id).finished
    with pytest.raises(StateConflict):
        store.reopen(ANA, "e1")


def test_overturn_is_rebutted_and_settled(store: Store) -> None:
    """The coder answers an overturn, the auditor decides; a rebuttal that holds leads to acceptance."""
    audit = begun(store)
    store.audits.find(AUD, audit.id, "e1", OVERTURN)
    assert store.audits.finish(AUD, audit.id, "e1").state is EncounterState.AUDITED
    with pytest.raises(NotAllowed):
        store.audits.rebut(BEN, audit.id, "e1", 1, "Not mine")
    assert (
        store.audits.rebut(ANA, audit.id, "e1", 1, "Fasting sugars fine").state is AuditFindingState.REBUTTED
    )
    with pytest.raises(StateConflict, match="finding 1 is rebutted"):
        store.audits.finish(AUD, audit.id, "e1")
    final = store.audits.settle(AUD, audit.id, "e1", 1, AuditVerdict.AGREE, "The coder is right")
    assert (final.state, final.stands, final.rebuttal) == (
        AuditFindingState.FINAL,
        AuditVerdict.AGREE,
        "Fasting sugars fine",
    )
    assert store.audits.finish(AUD, audit.id, "e1").outcome is EncounterState.ACCEPTED


def test_overturn_that_stands_returns(store: Store) -> None:
    """What stays overturned goes back to its coder, who may correct and submit again."""
    audit = begun(store)
    store.audits.find(AUD, audit.id, "e1", OVERTURN)
    store.audits.finish(AUD, audit.id, "e1")
    assert store.audits.finish(AUD, audit.id, "e1").outcome is EncounterState.RETURNED
    assert (store.summary("e1").state, store.summary("e1").assigned_to) == (EncounterState.RETURNED, "ana")
    assert codes(decide(store, reject(0, "wrong_code"))) == ["I10"]
    store.submit(ANA, "e1", store.summary("e1").version)
    assert [item.encounter_id for item in store.audits.create(AUD, RANDOM).items] == ["e1"]
    assert len(store.audits.all()) == 2


@pytest.mark.parametrize(
    ("finding", "problem"),
    [
        (NewAuditFinding(DIABETES, AuditVerdict.OVERTURN), "needs its error and a reason"),
        (NewAuditFinding(DIABETES, AuditVerdict.AGREE, ASTHMA), "belong to an overturn"),
        (NewAuditFinding(DIABETES, AuditVerdict.OVERTURN, DIABETES, AuditError.MODIFIER, "x"), "of itself"),
        (NewAuditFinding(ASTHMA, AuditVerdict.AGREE), "is not among the submitted"),
        (
            NewAuditFinding(DIABETES, AuditVerdict.OVERTURN, None, AuditError.MISSED, "x"),
            "is among the submitted",
        ),
    ],
)
def test_contradicting_findings_are_refused(store: Store, finding: NewAuditFinding, problem: str) -> None:
    """A finding says what was wrong and how, about a code that fits its error."""
    audit = begun(store)
    with pytest.raises(InputError, match=problem):
        store.audits.find(AUD, audit.id, "e1", finding)


def test_each_code_is_judged_once(store: Store) -> None:
    """A second finding on a code, or an unknown one, is refused."""
    audit = begun(store)
    store.audits.find(AUD, audit.id, "e1", AGREE)
    with pytest.raises(StateConflict, match="judged in this audit already"):
        store.audits.find(AUD, audit.id, "e1", OVERTURN)
    with pytest.raises(NotFound, match="finding"):
        store.audits.settle(AUD, audit.id, "e1", 2, AuditVerdict.AGREE, "x")
    submitted(store, "e9", "Type 2 diabetes, other. Essential hypertension.")
    with pytest.raises(NotFound, match="encounter of audit"):
        store.audits.finish(AUD, audit.id, "e9")
    with pytest.raises(NotFound, match="audit"):
        store.audits.get(99)


def test_nobody_audits_themselves(store: Store) -> None:
    """A lead who codes is not drawn their own encounters and cannot judge them."""
    audit = begun(store)
    bring(store, "e2", "Type 2 diabetes, new.")
    decide(store, accept(0), id="e2", actor=LEA)
    store.submit(LEA, "e2", store.summary("e2").version)
    with pytest.raises(InputError, match="no submitted encounter"):
        store.audits.create(LEA, RANDOM)
    assert [item.encounter_id for item in store.audits.create(AUD, RANDOM).items] == ["e2"]
    with pytest.raises(NotAllowed, match="themselves"):
        store.audits.find(ANA, audit.id, "e1", AGREE)


def test_encounter_under_audit_stays_put(store: Store) -> None:
    """While it is audited an encounter is neither reopened nor given new notes, nor drawn again."""
    begun(store)
    for attempt in (
        lambda: store.reopen(ANA, "e1"),
        lambda: store.add_note_version(ANA, "e1", "e1", "New text."),
    ):
        with pytest.raises(StateConflict, match="being audited"):
            attempt()
    with pytest.raises(InputError, match="no submitted encounter"):
        store.audits.create(AUD, RANDOM)


def test_samples_heed_their_filters(store: Store) -> None:
    """Only the named coder's submissions of the named time are drawn, as many as asked for."""
    for number in range(4):
        submitted(store, f"e{number}", f"Type 2 diabetes {number}. Essential hypertension.")
    with pytest.raises(InputError):
        store.audits.create(AUD, Sample(SampleKind.RANDOM, 2, 1, coder="ben"))
    at = store.desk("e2").submission
    assert at is not None
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 9, 1, since=at.at, coder="ana"))
    assert sorted(item.encounter_id for item in audit.items) == ["e2", "e3"]
    audit = store.audits.create(AUD, Sample(SampleKind.STRATIFIED, 1, 1, until=at.at))
    assert len(audit.items) == 1
    assert store.audits.get(audit.id) == audit
    for wrong in (Sample(SampleKind.RANDOM, 0, 1), Sample(SampleKind.RANDOM, 1, -1)):
        with pytest.raises(InputError):
            store.audits.create(AUD, wrong)


def test_risky_encounters_are_drawn_first(store: Store) -> None:
    """Bulk accepts and overruled sure suggestions weigh more than single accepts of sure ones."""
    for number in range(6):
        id = f"e{number}"
        bring(store, id, f"Type 2 diabetes {number}. Essential hypertension. Gout of the left foot.")
        risky = number == 3
        if risky:
            decide(store, reject(0, "other"), reject(1, "other"), accept(2, Via.BULK), id=id)
        else:
            decide(store, accept(0), accept(1), id=id)
        store.submit(ANA, id, store.summary(id).version)
    audit = store.audits.create(AUD, Sample(SampleKind.RISK, 2, seed=7))
    assert "e3" in [item.encounter_id for item in audit.items]


def cases(coders: Sequence[str]) -> list[Case]:
    return [Case(f"e{n:02d}", n, (coder,), float(n == 5) * 50) for n, coder in enumerate(coders)]


@pytest.mark.parametrize("kind", list(SampleKind))
def test_same_seed_draws_the_same(kind: SampleKind) -> None:
    """A seed repeats its sample, whatever the order of the cases; other seeds draw others."""
    pool = cases("aaabbbbbbbcd" * 3)
    first = draw(pool, kind, 6, seed=3)
    assert draw(list(reversed(pool)), kind, 6, seed=3) == first
    assert len({case.encounter_id for case in first}) == 6
    assert any(draw(pool, kind, 6, seed) != first for seed in range(4, 9))
    assert len(draw(pool, kind, 99, seed=3)) == len(pool)


def test_stratified_samples_are_even() -> None:
    """Each stratum gives as many as the others, as long as it has any."""
    drawn = draw(cases("aaaaaaaaaabbbbbbcc"), SampleKind.STRATIFIED, 9, seed=1)
    counts = {coder: sum(case.stratum == (coder,) for case in drawn) for coder in "abc"}
    assert sorted(counts.values()) == [2, 3, 4]
    assert counts["c"] == 2


def test_risk_decides_more_than_chance() -> None:
    """A case of great risk is in nearly every risk sample, and others are not shut out."""
    pool = cases("a" * 12)
    samples = [{case.encounter_id for case in draw(pool, SampleKind.RISK, 3, seed)} for seed in range(40)]
    assert sum("e05" in sample for sample in samples) >= 38
    assert len(set().union(*samples)) == 12
