"""People, encounters and runs for the tests of the review."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from coder_assist.review.database import Database
from coder_assist.review.importing import from_records
from coder_assist.review.records import Actor, EncounterSummary, NewDecision, Outcome
from coder_assist.review.states import RejectReason, Role
from coder_assist.review.store import Store
from coder_assist.review.tables import UserRow
from coder_assist.types import (
    Code,
    Encounter,
    Evidence,
    Run,
    SectionKind,
    Span,
    Suggestion,
    Verdict,
    Via,
)

ANA = Actor("ana", Role.CODER)
BEN = Actor("ben", Role.CODER)
LEA = Actor("lea", Role.LEAD)
AUD = Actor("aud", Role.AUDITOR)
SCI = Actor("sci", Role.DATA_SCIENTIST)
ADA = Actor("ada", Role.ADMIN)
PEOPLE = (ANA, BEN, LEA, AUD, SCI, ADA)

SHOWN = datetime(2026, 3, 1, 9, tzinfo=UTC)
PACK = "pack-1"
TEXT = "ASSESSMENT:\nType 2 diabetes. Essential hypertension. Gout of the left foot.\nPlan: metformin."

DIABETES = Code.parse("ICD-10-CM", "E11.9")
HYPERTENSION = Code.parse("ICD-10-CM", "I10")
GOUT = Code.parse("ICD-10-CM", "M10.072")
HYPERGLYCEMIA = Code.parse("ICD-10-CM", "E11.65")
ASTHMA = Code.parse("ICD-10-CM", "J45.909")
VISIT = Code.parse("CPT", "99213")
SUGGESTED = (
    (DIABETES, "Type 2 diabetes", 0.95, True),
    (HYPERTENSION, "Essential hypertension", 0.9, True),
    (GOUT, "Gout of the left foot", 0.3, False),
)


def add_people(database: Database) -> None:
    """Put one user of each role into a database."""
    with database.write() as session:
        for person in PEOPLE:
            session.add(UserRow(id=person.id, name=person.id.title(), role=person.role, created_at=SHOWN))


def run_of(encounter: Encounter, suggested: Sequence[tuple[Code, str, float, bool]] = SUGGESTED) -> Run:
    """Return a run that proposes each code on the words where they stand, if they stand anywhere."""
    suggestions = []
    for code, words, probability, selected in suggested:
        evidence = [
            Evidence(note.id, Span(at, at + len(words)), words, SectionKind.ASSESSMENT)
            for note in encounter.notes
            if (at := note.text.find(words)) >= 0
        ]
        if evidence:
            sequence = 1 + sum(earlier.selected for earlier in suggestions) if selected else None
            suggestions.append(
                Suggestion(code, f"{words} (title)", probability, selected, sequence, tuple(evidence))
            )
    versions = {note.id: note.version for note in encounter.notes}
    return Run(
        encounter.id,
        versions,
        tuple(suggestions),
        (),
        PACK,
        {"ICD-10-CM": "2026"},
        "lexicon-1",
        "rules-1",
        "0.1",
    )


def bring(
    store: Store, id: str = "e1", text: str = TEXT, read: bool = True, **fields: object
) -> EncounterSummary:
    """Import an encounter and, unless told otherwise, let it be read."""
    report = store.import_encounters(ADA, from_records([{"id": id, "text": text, **fields}]))
    assert report.imported == (id,), report
    if read:
        read_all(store)
    return store.summary(id)


def read_all(store: Store, pack: str = PACK) -> None:
    """Make all runs that are missing."""
    store.queue.want_missing(pack)
    while (claimed := store.queue.claim("tester", pack)) is not None:
        run, encounter = claimed
        store.queue.finish(run.id, "tester", run_of(encounter))


def accept(number: int, via: Via = Via.SINGLE) -> NewDecision:
    """Accept a suggestion of ``SUGGESTED``."""
    return NewDecision(Verdict.ACCEPT, SUGGESTED[number][0], SHOWN, suggestion=number, via=via)


def reject(number: int, reason: str = RejectReason.NOT_SUPPORTED) -> NewDecision:
    """Reject a suggestion of ``SUGGESTED``."""
    return NewDecision(Verdict.REJECT, SUGGESTED[number][0], SHOWN, suggestion=number, reason=reason)


def replace_by(number: int, code: Code) -> NewDecision:
    """Take another code instead of a suggestion of ``SUGGESTED``."""
    return NewDecision(Verdict.REPLACE, code, SHOWN, suggestion=number, via=Via.ALTERNATIVE)


def add(code: Code) -> NewDecision:
    """Add a code that was not suggested."""
    return NewDecision(Verdict.ADD, code, SHOWN, via=Via.SEARCH)


def decide(store: Store, *decisions: NewDecision, id: str = "e1", actor: Actor = ANA) -> Outcome:
    """Decide at the encounter's present version."""
    return store.decide(actor, id, store.summary(id).version, decisions)


def codes(outcome: Outcome) -> list[str]:
    """Return the standing codes in order."""
    return [final.code.value for final in outcome.codes]
