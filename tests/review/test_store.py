from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from coder_assist.errors import (
    Blocked,
    InputError,
    KeyReused,
    NotAllowed,
    NotFound,
    StateConflict,
    VersionConflict,
)
from coder_assist.review.importing import from_records
from coder_assist.review.records import NewDecision, Sort, WorklistFilter
from coder_assist.review.states import EncounterState, RejectReason, RunState
from coder_assist.review.store import Store
from coder_assist.types import Code, Finding, Place, Setting, Severity, Span, Verdict, Via
from tests.review.building import (
    ADA,
    ANA,
    ASTHMA,
    AUD,
    BEN,
    DIABETES,
    GOUT,
    HYPERGLYCEMIA,
    HYPERTENSION,
    LEA,
    SHOWN,
    TEXT,
    VISIT,
    accept,
    add,
    bring,
    codes,
    decide,
    read_all,
    reject,
    replace_by,
)


def test_first_decision_takes_the_encounter(store: Store) -> None:
    """A new encounter is put in review, and assigned, by whoever decides first."""
    before = bring(store)
    assert (before.state, before.undecided, before.decided) == (EncounterState.NEW, 2, 0)
    outcome = decide(store, accept(0))
    after = store.summary("e1")
    assert (after.state, after.assigned_to) == (EncounterState.IN_REVIEW, "ana")
    assert (after.undecided, after.decided) == (1, 1)
    assert after.version == outcome.version == before.version + 1
    (final,) = outcome.codes
    assert (final.code, final.title, final.sequence, final.from_suggestion) == (
        DIABETES,
        "Type 2 diabetes (title)",
        1,
        True,
    )


def test_decision_keeps_what_it_was(store: Store) -> None:
    """A decision is given back as it was made, with the suggestion's evidence."""
    bring(store)
    new = NewDecision(
        Verdict.ACCEPT,
        DIABETES,
        SHOWN,
        suggestion=0,
        modifiers=("25", "LT"),
        units=2,
        reason="clear",
        via=Via.BULK,
    )
    (decision,) = decide(store, new).decisions
    (kept,) = store.desk("e1").decisions
    assert kept == decision
    assert (kept.modifiers, kept.units, kept.reason, kept.via, kept.reviewer) == (
        ("25", "LT"),
        2,
        "clear",
        Via.BULK,
        "ana",
    )
    assert kept.shown_at == SHOWN
    (place,) = kept.evidence
    assert place.span.slice(TEXT) == "Type 2 diabetes"


def test_codes_that_stand(store: Store) -> None:
    """Accepted, replacing and added codes stand; rejected and deferred ones do not."""
    bring(store)
    outcome = decide(
        store,
        replace_by(0, HYPERGLYCEMIA),
        reject(1),
        NewDecision(Verdict.DEFER, GOUT, SHOWN, suggestion=2),
        add(VISIT),
        add(ASTHMA),
    )
    assert codes(outcome) == ["E11.65", "J45.909", "99213"]
    assert [final.sequence for final in outcome.codes] == [1, 2, 1]
    assert [d.replaces for d in outcome.decisions] == [DIABETES, None, None, None, None]
    assert store.summary("e1").decided == 4  # a deferred code is not decided


def test_later_decision_supersedes(store: Store) -> None:
    """Deciding again on a code continues its line, and the last decision stands."""
    bring(store)
    first = decide(store, accept(0)).decisions[0]
    second = decide(store, reject(0)).decisions[0]
    assert (first.supersedes, second.supersedes) == (None, first.id)
    assert store.desk("e1").codes == ()


def test_deciding_on_a_replacement_continues_its_line(store: Store) -> None:
    """Rejecting the code that replaced another takes it off the claim."""
    bring(store)
    replaced = decide(store, replace_by(0, HYPERGLYCEMIA)).decisions[0]
    rejected = NewDecision(Verdict.REJECT, HYPERGLYCEMIA, SHOWN, reason=RejectReason.WRONG_CODE)
    outcome = decide(store, rejected)
    assert (codes(outcome), outcome.decisions[0].supersedes) == ([], replaced.id)
    assert codes(store.undo(ANA, "e1", outcome.version)) == ["E11.65"]


def test_code_that_stands_twice_is_rejected_at_once(store: Store) -> None:
    """A code that stands by its own line and as a replacement leaves both by one rejection."""
    bring(store)
    outcome = decide(store, accept(1))
    outcome = decide(store, replace_by(0, HYPERTENSION))
    assert codes(outcome) == ["I10"]
    assert codes(decide(store, reject(1))) == []
    assert codes(store.undo(ANA, "e1", store.summary("e1").version)) == ["I10"]


def test_undo_takes_back_one_act_after_another(store: Store) -> None:
    """Undo takes back the last request as a whole, then the one before; nothing is deleted."""
    bring(store)
    decide(store, accept(0))
    decide(store, reject(0), accept(1, Via.BULK), accept(2, Via.BULK))
    outcome = store.undo(ANA, "e1", store.summary("e1").version)
    assert codes(outcome) == ["E11.9"]
    assert len(outcome.decisions) == 3
    assert {d.verdict for d in outcome.decisions} == {Verdict.UNDO}
    outcome = store.undo(ANA, "e1", outcome.version)
    assert codes(outcome) == []
    with pytest.raises(NotFound, match="undo"):
        store.undo(ANA, "e1", outcome.version)
    decisions = store.desk("e1").decisions
    assert [d.undone for d in decisions] == [True] * 4 + [False] * 4
    assert codes(decide(store, accept(0))) == ["E11.9"]


def test_undo_is_of_ones_own(store: Store) -> None:
    """A lead's undo does not take back the coder's decisions."""
    bring(store)
    decide(store, accept(0))
    outcome = decide(store, accept(1), actor=LEA)
    assert codes(store.undo(LEA, "e1", outcome.version)) == ["E11.9"]
    with pytest.raises(NotFound):
        store.undo(LEA, "e1", store.summary("e1").version)


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (NewDecision(Verdict.ACCEPT, DIABETES, SHOWN), "accept needs the suggestion"),
        (NewDecision(Verdict.ACCEPT, DIABETES, SHOWN, suggestion=7), "latest run's 3; got 7"),
        (NewDecision(Verdict.ACCEPT, ASTHMA, SHOWN, suggestion=0), "suggestion 0 is E11.9"),
        (NewDecision(Verdict.REPLACE, DIABETES, SHOWN, suggestion=0), "cannot replace itself"),
        (NewDecision(Verdict.REPLACE, ASTHMA, SHOWN), "replaces is needed"),
        (NewDecision(Verdict.ADD, ASTHMA, SHOWN, replaces=DIABETES), "replaces is needed"),
        (NewDecision(Verdict.ADD, DIABETES, SHOWN, suggestion=0), "a suggestion is accepted"),
        (NewDecision(Verdict.REJECT, DIABETES, SHOWN, suggestion=0, reason="dunno"), "reason of a rejection"),
        (NewDecision(Verdict.UNDO, DIABETES, SHOWN), "undo has its own operation"),
        (NewDecision(Verdict.ADD, VISIT, SHOWN, units=0), "units must be"),
        (NewDecision(Verdict.ADD, VISIT, SHOWN, modifiers=("2",)), "modifier has two"),
        (NewDecision(Verdict.ADD, VISIT, SHOWN, modifiers=("25", "25")), "each once"),
        (NewDecision(Verdict.ADD, VISIT, SHOWN.replace(tzinfo=None)), "time zone"),
        (
            NewDecision(Verdict.ADD, VISIT, SHOWN, evidence=(Place("e2", Span(0, 1)),)),
            "note of the encounter",
        ),
        (
            NewDecision(Verdict.ADD, VISIT, SHOWN, evidence=(Place("e1", Span(5, 999)),)),
            "evidence must satisfy",
        ),
    ],
)
def test_contradicting_decisions_are_refused(store: Store, new: NewDecision, problem: str) -> None:
    """A decision that contradicts itself, the run or the notes is named, and nothing is saved."""
    version = bring(store).version
    with pytest.raises(InputError, match=problem) as refusal:
        store.decide(ANA, "e1", version, [accept(1), new])
    assert str(refusal.value).startswith("decisions[1]: ")
    assert (store.desk("e1").decisions, store.summary("e1").version) == ((), version)


def test_same_code_twice_in_one_request_is_refused(store: Store) -> None:
    """One request decides once on a code."""
    bring(store)
    with pytest.raises(InputError, match=r"E11\.9 is decided on twice"):
        decide(store, accept(0), reject(0))


def test_stale_version_is_a_conflict_with_what_changed(store: Store) -> None:
    """Who saw an older version learns what was decided meanwhile, and loses nothing silently."""
    version = bring(store).version
    made = store.decide(ANA, "e1", version, [accept(0)]).decisions
    with pytest.raises(VersionConflict) as conflict:
        store.decide(LEA, "e1", version, [reject(0)])
    assert (conflict.value.version, conflict.value.came) == (version + 1, version)
    assert conflict.value.changed == made
    assert codes(decide(store, accept(1))) == ["E11.9", "I10"]


def test_idempotency_key_decides_once(store: Store) -> None:
    """A retried request gets the first answer; another request under its key is refused."""
    version = bring(store).version
    first = store.decide(ANA, "e1", version, [accept(0)], key="k1")
    decide(store, accept(1))
    again = store.decide(ANA, "e1", version, [accept(0)], key="k1")
    assert (again.decisions, again.version) == (first.decisions, first.version)
    assert len(store.desk("e1").decisions) == 2
    with pytest.raises(KeyReused):
        store.decide(ANA, "e1", version, [reject(0)], key="k1")
    with pytest.raises(KeyReused):
        store.comment(ANA, "e1", "hello", key="k1")
    with pytest.raises(VersionConflict):
        store.decide(LEA, "e1", version, [accept(0)], key="k1")  # keys are each person's own


def test_idempotency_of_everything_else(store: Store) -> None:
    """Comments, holds, notes and submissions are done once for a key as well."""
    version = bring(store).version
    assert store.comment(ANA, "e1", "hm", key="c") == store.comment(ANA, "e1", "hm", key="c")
    hold = store.hold(ANA, "e1", version + 1, "Which type?", "query-type", key="h")
    assert store.hold(ANA, "e1", version + 1, "Which type?", "query-type", key="h").version == hold.version
    back = store.release(ANA, "e1", hold.version, "Type 2", key="r")
    assert store.release(ANA, "e1", hold.version, "Type 2", key="r") == back
    changed = store.add_note_version(ANA, "e1", "e1", TEXT + " More.", key="n")
    assert store.add_note_version(ANA, "e1", "e1", TEXT + " More.", key="n") == changed
    done = store.submit(ANA, "e1", changed.version, key="s")
    assert store.submit(ANA, "e1", changed.version, key="s") == done
    assert [event.action for event in store.history("e1")] == [
        "encounter.import", "run.done", "comment", "hold", "release", "note.version", "submit",
    ]  # fmt: skip


def test_order_is_a_persons(store: Store) -> None:
    """The given order holds, also after other decisions; new codes follow."""
    bring(store)
    outcome = decide(store, accept(0), accept(1), add(VISIT))
    outcome = store.order(ANA, "e1", outcome.version, [HYPERTENSION])
    assert codes(outcome) == ["I10", "E11.9", "99213"]
    outcome = decide(store, add(ASTHMA))
    assert codes(outcome) == ["I10", "E11.9", "J45.909", "99213"]
    with pytest.raises(InputError, match="standing codes"):
        store.order(ANA, "e1", outcome.version, [GOUT])
    with pytest.raises(InputError, match="each once"):
        store.order(ANA, "e1", outcome.version, [ASTHMA, ASTHMA])


def test_only_ones_own_encounters(store: Store) -> None:
    """A coder does not decide on another's encounter; a lead may, an auditor and an admin never."""
    bring(store)
    decide(store, accept(0))
    for actor in (BEN, AUD, ADA):
        with pytest.raises(NotAllowed, match="not yours"):
            decide(store, accept(1), actor=actor)
        with pytest.raises(NotAllowed):
            store.submit(actor, "e1", store.summary("e1").version)
    assert codes(decide(store, accept(1), actor=LEA)) == ["E11.9", "I10"]
    assert store.summary("e1").assigned_to == "ana"


def test_assigning(store: Store) -> None:
    """Coders take what is free and give back; leads assign; only coders and leads get encounters."""
    bring(store)
    assert store.assign(ANA, "e1", "ana").state is EncounterState.IN_REVIEW
    with pytest.raises(NotAllowed):
        store.assign(BEN, "e1", "ben")
    with pytest.raises(NotAllowed, match="only a lead"):
        store.assign(ANA, "e1", "ben")
    assert store.assign(LEA, "e1", "ben").assigned_to == "ben"
    assert store.assign(BEN, "e1", None).state is EncounterState.NEW
    with pytest.raises(InputError, match="coders and leads"):
        store.assign(LEA, "e1", "aud")
    with pytest.raises(NotFound):
        store.assign(LEA, "e1", "nobody")


def test_claim_next_takes_the_urgent_then_the_oldest(store: Store) -> None:
    """The next encounter is the most urgent, then the one that waits longest; filters hold."""
    bring(store, "new", "Cough.", service_date="2026-03-02")
    bring(store, "old", "Fever.", service_date="2026-03-01", setting="inpatient")
    bring(store, "urgent", "Pain.", service_date="2026-03-03", priority=5)
    inpatient = store.claim_next(BEN, WorklistFilter(setting=Setting.INPATIENT))
    assert inpatient is not None
    assert (inpatient.id, inpatient.assigned_to) == ("old", "ben")
    taken = [store.claim_next(ANA) for _ in range(3)]
    assert [encounter.id if encounter else None for encounter in taken] == ["urgent", "new", None]
    with pytest.raises(NotAllowed):
        bring(store, "more", "Rash.")
        store.claim_next(AUD)


def test_hold_and_release(store: Store) -> None:
    """On hold nothing is decided; the answer comes back with the release."""
    version = bring(store).version
    held = store.hold(ANA, "e1", version, "Please clarify the type of diabetes.", "query-type")
    assert held.state is EncounterState.ON_HOLD
    assert held.on_hold_since is not None
    with pytest.raises(StateConflict, match="is on_hold"):
        decide(store, accept(0))
    with pytest.raises(NotAllowed):
        store.release(BEN, "e1", held.version)
    hold = store.desk("e1").hold
    assert hold is not None
    assert (hold.query, hold.finding, hold.by) == (
        "Please clarify the type of diabetes.",
        "query-type",
        "ana",
    )
    back = store.release(ANA, "e1", held.version, "Type 2.")
    assert (back.state, back.on_hold_since) == (EncounterState.IN_REVIEW, None)
    released = store.desk("e1").hold
    assert released.released_at is not None, "the last query stays on the desk, with its answer"
    with pytest.raises(InputError, match="id of a rule"):
        store.hold(ANA, "e1", back.version, "Why?", "some words of the note")


def test_submitting_keeps_the_codes(store: Store) -> None:
    """Submitting freezes the codes; blocking findings refuse it; reopening goes on from there."""
    bring(store)
    version = decide(store, accept(1), accept(0)).version
    finding = Finding("excludes-1", Severity.ERROR, (DIABETES,), "not together", "ICD-10-CM Excludes1")
    with pytest.raises(Blocked) as blocked:
        store.submit(ANA, "e1", version, [finding])
    assert blocked.value.findings == (finding,)
    assert store.summary("e1").version == version
    assert store.submit(ANA, "e1", version).state is EncounterState.SUBMITTED
    submission = store.desk("e1").submission
    assert submission is not None
    assert [final.code for final in submission.codes] == [DIABETES, HYPERTENSION]
    assert submission.codes == store.desk("e1").codes
    with pytest.raises(StateConflict):
        decide(store, reject(0))
    with pytest.raises(NotAllowed):
        store.reopen(BEN, "e1")
    assert store.reopen(ANA, "e1").state is EncounterState.IN_REVIEW
    with pytest.raises(StateConflict):
        store.reopen(ANA, "e1")


def test_comments(store: Store) -> None:
    """Everybody may remark; remarks stay in order."""
    bring(store)
    store.comment(AUD, "e1", "Why no gout?")
    store.comment(ANA, "e1", "Not treated.")
    assert [(c.by, c.text) for c in store.desk("e1").comments] == [
        ("aud", "Why no gout?"),
        ("ana", "Not treated."),
    ]
    for wrong in ("", "  ", "x" * 10_001, "a\0b"):
        with pytest.raises(InputError, match="comment must"):
            store.comment(ANA, "e1", wrong)


def test_new_note_version_carries_what_still_stands(store: Store) -> None:
    """Decisions whose sentence stands are carried to its new place; the others are stale and block."""
    bring(store)
    kept, lost = decide(store, accept(0), accept(1)).decisions
    text = "ADDENDUM first.\n" + TEXT.replace("Essential hypertension.", "No hypertension.")
    change = store.add_note_version(ANA, "e1", "e1", text)
    assert (change.note_version, change.carried, change.stale) == (2, (kept.id,), (lost.id,))
    desk = store.desk("e1")
    assert [note.version for note in desk.encounter.notes] == [2]
    assert [(d.stale, [p.span.slice(text) for p in d.evidence]) for d in desk.decisions] == [
        (False, ["Type 2 diabetes"]),
        (True, []),
    ]
    assert [(final.code, final.stale) for final in desk.codes] == [(DIABETES, False), (HYPERTENSION, True)]
    assert desk.run is not None
    assert not desk.run.current
    assert desk.summary.run_state is RunState.QUEUED
    with pytest.raises(Blocked) as blocked:
        store.submit(ANA, "e1", desk.version)
    assert [finding.codes for finding in blocked.value.findings] == [(HYPERTENSION,)]
    outcome = decide(
        store, NewDecision(Verdict.REJECT, HYPERTENSION, SHOWN, reason=RejectReason.NOT_SUPPORTED)
    )
    assert store.submit(ANA, "e1", outcome.version).state is EncounterState.SUBMITTED


def test_old_run_is_read_against_the_new_note(store: Store) -> None:
    """A suggestion of the old reading is accepted where its sentence stands now, and refused where not."""
    bring(store)
    text = "Seen today.\n" + TEXT.replace("Essential hypertension.", "No hypertension.")
    store.add_note_version(LEA, "e1", "e1", text)
    (decision,) = decide(store, accept(0)).decisions
    assert [place.span.slice(text) for place in decision.evidence] == ["Type 2 diabetes"]
    with pytest.raises(InputError, match="suggest again"):
        decide(store, accept(1))
    read_all(store)
    desk = store.desk("e1")
    assert desk.run is not None
    assert (desk.run.current, desk.run.note_versions) == (True, {"e1": 2})
    assert desk.summary.undecided == 0  # the new reading proposes no hypertension, and diabetes is decided


def test_added_code_without_evidence_survives_only_additions(store: Store) -> None:
    """Where nothing of a note went away, a code without evidence stands; otherwise somebody must look."""
    bring(store)
    (added,) = decide(store, add(ASTHMA)).decisions
    assert store.add_note_version(ANA, "e1", "e1", TEXT + "\nAddendum: asthma.").carried == (added.id,)
    assert store.add_note_version(ANA, "e1", "e1", TEXT[:30]).stale == (added.id,)


def test_addendum_reopens_what_was_submitted(store: Store) -> None:
    """A new note after submission puts the encounter back into review."""
    bring(store)
    store.submit(ANA, "e1", decide(store, accept(0)).version)
    store.add_note_version(LEA, "e1", "e1", TEXT + "\nAddendum: asthma.")
    assert store.summary("e1").state is EncounterState.IN_REVIEW
    with pytest.raises(InputError, match="that of version 2"):
        store.add_note_version(LEA, "e1", "e1", TEXT + "\nAddendum: asthma.")
    with pytest.raises(NotFound):
        store.add_note_version(LEA, "e1", "other", "Text.")


def test_two_notes_of_an_encounter(store: Store) -> None:
    """Evidence in two notes carries a decision as long as one of them holds it."""
    notes = [{"id": "a", "text": "Type 2 diabetes."}, {"id": "b", "text": "Has Type 2 diabetes."}]
    store.import_encounters(ADA, from_records([{"id": "e1", "notes": notes}]))
    read_all(store)
    (decision,) = decide(store, accept(0)).decisions
    assert [place.note_id for place in decision.evidence] == ["a", "b"]
    assert store.add_note_version(ANA, "e1", "a", "No diabetes.").carried == (decision.id,)
    assert store.add_note_version(ANA, "e1", "b", "No diabetes at all.").stale == (decision.id,)


def test_import_reports_each_item(store: Store) -> None:
    """Good items go in, duplicates name the first one, bad ones their reason; none stops the others."""
    items = from_records(
        [
            {"id": "a", "text": "Cough."},
            {"id": "b", "text": "Cough."},
            {"id": "c"},
            {"id": "a", "text": "Fever."},
            {"id": "d", "text": "Cough.", "patient_id": "p2"},
            "nothing",
        ]
    )
    for dry_run in (True, False):
        report = store.import_encounters(ADA, items, dry_run=dry_run)
        assert report.imported == ("a", "d")
        assert [(d.id, d.of) for d in report.duplicates] == [("b", "a")]
        assert [(f.index, f.id) for f in report.failed] == [(2, "c"), (3, "a"), (5, None)]
        assert len(store.worklist().items) == (0 if dry_run else 2)
    again = store.import_encounters(ADA, items)
    assert (again.imported, [d.of for d in again.duplicates]) == ((), ["a", "a", "d"])


def test_worklist_filters(store: Store) -> None:
    """The worklist shows what its filter lets through."""
    bring(store, "a-1", "Cough.", setting="inpatient", specialty="Cardiology", title="Admission")
    bring(store, "a_2", "Fever.", age=61, sex="female")
    bring(store, "b-3", "Pain.")
    store.assign(LEA, "b-3", "ben")

    def ids(**fields: object) -> list[str]:
        return sorted(item.id for item in store.worklist(WorklistFilter(**fields)).items)  # type: ignore[arg-type]

    assert ids() == ["a-1", "a_2", "b-3"]
    assert ids(states=(EncounterState.NEW,)) == ["a-1", "a_2"]
    assert ids(states=(EncounterState.IN_REVIEW, EncounterState.ON_HOLD)) == ["b-3"]
    assert ids(assigned="ben") == ["b-3"]
    assert ids(assigned="none") == ["a-1", "a_2"]
    assert ids(setting=Setting.INPATIENT) == ["a-1"]
    assert ids(specialty="Cardiology") == ["a-1"]
    assert ids(id_prefix="a_") == ["a_2"]
    assert ids(id_prefix="%") == []
    (item,) = store.worklist(WorklistFilter(id_prefix="a_2")).items
    assert (item.age, item.sex, item.notes, item.run_state) == (61, "female", 1, RunState.DONE)
    assert store.summary("a-1").title == "Admission"


ODD = (
    "v'1",
    'v"2',
    "v%3",
    "v_4",
    "v;--5",
    "v\\6",
    "v' OR '1'='1",
    "'); DROP TABLE encounters; --",
    "${7}",
    "{{8}}",
)


def test_whatever_is_typed_is_a_value(store: Store) -> None:
    """Quotes, wildcards and statements in ids, filters, reasons and texts are kept and found as they were typed."""
    for odd in ODD:
        bring(store, odd, f"Type 2 diabetes. {odd}", specialty=odd, patient_id=odd, title=odd)

    def ids(**fields: object) -> list[str]:
        return sorted(item.id for item in store.worklist(WorklistFilter(**fields)).items)  # type: ignore[arg-type]

    for odd in ODD:
        assert ids(id_prefix=odd) == ids(specialty=odd) == [odd]
        assert ids(assigned=odd) == []
        reason = NewDecision(Verdict.ADD, HYPERGLYCEMIA, SHOWN, reason=odd, via=Via.SEARCH)
        decide(store, reason, id=odd)
        store.comment(ANA, odd, odd, key=odd)
        store.hold(ANA, odd, store.summary(odd).version, odd)
        with pytest.raises(NotFound):
            store.summary(odd + "'")
        desk = store.desk(odd)
        assert [note.text for note in desk.encounter.notes] == [f"Type 2 diabetes. {odd}"]
        assert [made.reason for made in desk.decisions] == [odd]
        assert desk.encounter.patient_id == desk.encounter.specialty == desk.summary.title == odd
        assert store.history(odd)
    assert ids() == sorted(ODD)


@pytest.mark.parametrize("sort", list(Sort))
def test_worklist_pages_hold_each_encounter_once(store: Store, sort: Sort) -> None:
    """Following the cursors gives every encounter once, in order, in each of the orders."""
    day = date(2026, 3, 1)
    for number in range(7):
        bring(
            store,
            f"e{number}",
            f"Cough {number}.",
            read=False,
            priority=number % 3,
            service_date=(day + timedelta(days=number // 2)).isoformat(),
        )
    whole = [item.id for item in store.worklist(sort=sort).items]
    walked: list[str] = []
    cursor = None
    while True:
        page = store.worklist(sort=sort, cursor=cursor, limit=2)
        walked += [item.id for item in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert walked == whole
    assert sorted(whole) == [f"e{number}" for number in range(7)]
    expected = {
        Sort.AGE: ["e0", "e1"],
        Sort.AGE_NEWEST: ["e6", "e5"],
        Sort.IMPORTED: ["e6", "e5"],
        Sort.PRIORITY: ["e2", "e5"],
    }
    assert whole[:2] == expected[sort]


@pytest.mark.parametrize(
    "cursor", ["", "x", "WyJhZ2UiXQ", "8J-YgA", "bnVsbA", "WyJhZ2UiLDEsMl0", "WyJhZ2UiLCIyMDI2Il0"]
)
def test_forged_cursors_are_refused(store: Store, cursor: str) -> None:
    """A cursor that is none is the caller's mistake, not the database's."""
    with pytest.raises(InputError, match="cursor must be"):
        store.worklist(cursor=cursor)
    with pytest.raises(InputError, match="limit must be"):
        store.worklist(limit=0)


def test_history_tells_who_did_what(store: Store) -> None:
    """The timeline holds each change in order, without a word of the notes."""
    bring(store)
    decide(store, accept(0))
    store.undo(ANA, "e1", store.summary("e1").version)
    events = store.history("e1")
    assert [(event.actor, event.action) for event in events] == [
        ("ada", "encounter.import"),
        ("service", "run.done"),
        ("ana", "decide"),
        ("ana", "undo"),
    ]
    assert [event.details["version"] for event in events] == [1, 2, 3, 4]
    assert "diabetes" not in str(events).lower()
    with pytest.raises(NotFound):
        store.history("e2")


def test_overview(store: Store) -> None:
    """A lead sees what waits, since when, and what each person got done on which day."""
    now = datetime.now(UTC)
    bring(store, "fresh", "Type 2 diabetes.")
    bring(store, "stale", "Type 2 diabetes again.", service_date=(now - timedelta(days=5)).date().isoformat())
    bring(store)
    decide(store, accept(0), accept(1, Via.BULK), id="e1")
    store.submit(ANA, "e1", store.summary("e1").version)
    store.hold(BEN, "stale", store.summary("stale").version, "Since when?")
    view = store.overview(now - timedelta(days=1), now + timedelta(days=1))
    assert view.states[EncounterState.NEW] == view.states[EncounterState.ON_HOLD] == 1
    assert (view.ages["0"], view.ages["4-7"], view.assigned) == (1, 1, {"ben": 1})
    (day,) = view.days
    assert (day.person, day.submitted, day.decisions, day.bulk_decisions) == ("ana", 1, 2, 1)
    assert day.median_minutes is not None
    assert [(id, hold.query) for id, hold in view.holds] == [("stale", "Since when?")]
    assert view.runs[RunState.DONE] == 3
    assert store.overview(now + timedelta(days=1), now + timedelta(days=2)).days == ()


def test_promotions(store: Store) -> None:
    """Packs that were put to use are remembered, with what they replaced."""
    store.promotions.record(LEA, "pack-1", {"f1": 0.6})
    store.promotions.record(LEA, "pack-2", {"f1": 0.7}, "better")
    assert [(p.pack, p.previous, p.metrics) for p in store.promotions.all()] == [
        ("pack-2", "pack-1", {"f1": 0.7}),
        ("pack-1", None, {"f1": 0.6}),
    ]


def test_what_is_not_there_is_named(store: Store) -> None:
    """Every operation on an unknown encounter says so."""
    calls = (
        lambda: store.desk("x"),
        lambda: store.summary("x"),
        lambda: store.decide(ANA, "x", 1, [add(VISIT)]),
        lambda: store.comment(ANA, "x", "hm"),
        lambda: store.queue.want("x", "pack-1"),
    )
    for call in calls:
        with pytest.raises(NotFound, match="there is no encounter 'x'"):
            call()


def test_no_words_of_a_note_leave_by_errors_or_chain(store: Store) -> None:
    """A canary in note, query and comment shows up in no error and in no audit event."""
    canary = "Zebedee Quux"
    bring(store, text=f"{TEXT} {canary} has gout.")
    messages = []
    for attempt in (
        lambda: store.add_note_version(ANA, "e1", "e1", f"{TEXT} {canary} has gout."),
        lambda: store.comment(ANA, "e1", canary * 2000),
        lambda: store.hold(ANA, "e1", store.summary("e1").version, canary + "\0"),
        lambda: decide(store, NewDecision(Verdict.REJECT, Code.parse("CPT", "99213"), SHOWN, reason=canary)),
    ):
        with pytest.raises(InputError) as refusal:
            attempt()
        messages.append(str(refusal.value))
    store.hold(ANA, "e1", store.summary("e1").version, canary)
    store.comment(ANA, "e1", canary)
    report = store.import_encounters(
        ADA, from_records([{"id": "e1", "text": canary}, {"id": "e2", "text": canary, "age": canary}])
    )
    messages += [failed.error for failed in report.failed]
    assert len(messages) == 6
    assert not any("Zebedee" in message for message in messages)
    assert "Zebedee" not in str(store.history("e1"))
