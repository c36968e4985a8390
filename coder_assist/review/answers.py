"""The review's records as the service writes them: JSON values, by the names of the contract with the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coder_assist.codes import Library
from coder_assist.errors import InputError
from coder_assist.review.judging import Readings, flags_for, judged
from coder_assist.review.people import ApiToken, Person
from coder_assist.review.records import (
    Audit,
    AuditFinding,
    AuditItem,
    Comment,
    Desk,
    EncounterSummary,
    FinalCode,
    Hold,
    Outcome,
    Overview,
    SecondCoding,
    StoredRun,
    Submission,
)
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import finding_record
from coder_assist.types import Code, CodeEntry, Decision, Document, Encounter, Finding, Place


def code(value: Code) -> dict[str, str]:
    """Return a code with its system."""
    return {"system": value.system.value, "code": value.value}


def key(value: Code) -> str:
    """Return a code as a key of an object: ``ICD-10-CM:E11.9``."""
    return f"{value.system.value}:{value.value}"


def summary(row: EncounterSummary) -> dict[str, Any]:
    """Return a row of the worklist."""
    return {
        "id": row.id,
        "state": row.state,
        "setting": row.setting,
        "claim": row.claim,
        "specialty": row.specialty,
        "sex": row.sex,
        "age": row.age,
        "service_date": row.service_date,
        "title": row.title,
        "notes": row.notes,
        "assigned_to": row.assigned_to,
        "undecided": row.undecided,
        "decided": row.decided,
        "priority": row.priority,
        "on_hold_since": row.on_hold_since,
        "imported_at": row.imported_at,
        "updated_at": row.updated_at,
        "version": row.version,
        "run_state": row.run_state,
    }


def notes(encounter: Encounter, documents: Iterable[Document]) -> list[dict[str, Any]]:
    """Return the notes of an encounter with the sections that were read in them."""
    sections = {document.note.id: document.sections for document in documents}
    return [
        {
            "id": note.id,
            "version": note.version,
            "title": note.title,
            "text": note.text,
            "sections": [
                {
                    "kind": section.kind,
                    "title": section.title,
                    "start": section.span.start,
                    "end": section.span.end,
                }
                for section in sections.get(note.id, ())
            ],
        }
        for note in encounter.notes
    ]


_NOTHING_YET: dict[str, Any] = {
    "suggestions": [],
    "withheld": [],
    "findings": [],
    "code_books": {},
    "lexicon": "",
    "rules": "",
    "software": "",
    "notices": [],
}


def run(stored: StoredRun) -> dict[str, Any]:
    """Return a run with its answer; before it is done, with an empty one."""
    return {
        **_NOTHING_YET,
        **(stored.record or {}),
        "id": stored.id,
        "state": stored.state,
        "pack": stored.pack,
        "current": stored.current,
        "note_versions": dict(stored.note_versions),
        "queued_at": stored.queued_at,
        "finished_at": stored.finished_at,
        "error": stored.error,
    }


def _place(place: Place) -> dict[str, Any]:
    return {"note_id": place.note_id, "start": place.span.start, "end": place.span.end}


def decision(made: Decision) -> dict[str, Any]:
    """Return a decision."""
    return {
        "id": made.id,
        "run": made.run,
        "suggestion": made.suggestion,
        "verdict": made.verdict,
        **code(made.code),
        "replaces": code(made.replaces) if made.replaces else None,
        "modifiers": list(made.modifiers),
        "units": made.units,
        "present_on_admission": made.present_on_admission,
        "reason": made.reason,
        "via": made.via,
        "reviewer": made.reviewer,
        "shown_at": made.shown_at,
        "at": made.at,
        "evidence": [_place(place) for place in made.evidence],
        "supersedes": made.supersedes,
        "undoes": made.undoes,
        "undone": made.undone,
        "stale": made.stale,
    }


def _entry(value: Code, library: Library | None) -> tuple[str, bool | None]:
    """Return what the book says of a code: its title, and whether it is billable."""
    if library is not None:
        try:
            found = library.entry(value)
        except InputError:  # of another edition, or of a book that is not installed
            pass
        else:
            return found.title, found.billable
    return "", None


def final_code(standing: FinalCode, library: Library | None = None) -> dict[str, Any]:
    """Return a code that stands; where no run gave its title, and whether it is billable, the book says."""
    title, billable = _entry(standing.code, library)
    return {
        **code(standing.code),
        "title": standing.title or title,
        "sequence": standing.sequence,
        "modifiers": list(standing.modifiers),
        "units": standing.units,
        "present_on_admission": standing.present_on_admission,
        "decision": standing.decision,
        "from_suggestion": standing.from_suggestion,
        "billable": billable,
        "stale": standing.stale,
    }


def comment(made: Comment) -> dict[str, Any]:
    """Return a comment."""
    return {"id": made.id, "text": made.text, "by": made.by, "at": made.at}


def hold(open: Hold) -> dict[str, Any]:
    """Return a hold with its query."""
    return {
        "id": open.id,
        "query": open.query,
        "finding": open.finding,
        "by": open.by,
        "at": open.at,
        "released_by": open.released_by,
        "released_at": open.released_at,
        "answer": open.answer,
    }


def submission(made: Submission, library: Library | None = None) -> dict[str, Any]:
    """Return what was submitted."""
    return {
        "id": made.id,
        "version": made.version,
        "codes": [final_code(standing, library) for standing in made.codes],
        "by": made.by,
        "at": made.at,
    }


def overview(seen: Overview) -> dict[str, Any]:
    """Return a lead's view."""
    return {
        "states": {state.value: count for state, count in seen.states.items()},
        "ages": dict(seen.ages),
        "assigned": dict(seen.assigned),
        "runs": {state.value: count for state, count in seen.runs.items()},
        "days": [
            {
                "day": day.day,
                "person": day.person,
                "submitted": day.submitted,
                "decisions": day.decisions,
                "bulk_decisions": day.bulk_decisions,
                "median_minutes": day.median_minutes,
            }
            for day in seen.days
        ],
        "holds": [{"encounter": encounter_id, **hold(held)} for encounter_id, held in seen.holds],
    }


def audit_finding(found: AuditFinding) -> dict[str, Any]:
    """Return what an auditor says of one code, and what followed."""
    return {
        "number": found.number,
        **code(found.code),
        "verdict": found.verdict,
        "correct": code(found.correct) if found.correct else None,
        "error": found.error,
        "reason": found.reason,
        "state": found.state,
        "stands": found.stands,
        "by": found.by,
        "at": found.at,
        "rebuttal": found.rebuttal,
        "rebutted_by": found.rebutted_by,
        "final_verdict": found.final_verdict,
        "final_reason": found.final_reason,
        "final_by": found.final_by,
    }


def second_coding(made: SecondCoding, library: Library | None = None) -> dict[str, Any]:
    """Return what somebody coded from the notes alone, with the book's titles."""
    return {
        "codes": [{**code(value), "title": _entry(value, library)[0]} for value in made.codes],
        "by": made.by,
        "at": made.at,
    }


def audit_item(item: AuditItem, library: Library | None = None) -> dict[str, Any]:
    """Return one encounter of an audit."""
    return {
        "encounter": item.encounter_id,
        "state": item.state,
        "submission": submission(item.submission, library),
        "veiled": item.veiled,
        "second": second_coding(item.second, library) if item.second else None,
        "findings": [audit_finding(found) for found in item.findings],
        "finished_by": item.finished_by,
        "finished_at": item.finished_at,
        "outcome": item.outcome,
    }


def audit(held: Audit, library: Library | None = None) -> dict[str, Any]:
    """Return an audit with its encounters."""
    sample = held.sample
    return {
        "id": held.id,
        "sample": {
            "kind": sample.kind,
            "size": sample.size,
            "seed": sample.seed,
            "from": sample.since,
            "to": sample.until,
            "coder": sample.coder,
            "blinded": sample.blinded,
        },
        "by": held.by,
        "at": held.at,
        "finished": held.finished,
        "items": [audit_item(item, library) for item in held.items],
    }


def person(account: Person) -> dict[str, Any]:
    """Return an account."""
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "active": account.active,
        "created_at": account.created_at,
        "has_password": account.has_password,
        "oidc": account.oidc,
    }


def token(made: ApiToken) -> dict[str, Any]:
    """Return a token without its secret."""
    return {
        "id": made.id,
        "person": made.person,
        "name": made.name,
        "scopes": list(made.scopes),
        "created_at": made.created_at,
        "expires_at": made.expires_at,
        "revoked_at": made.revoked_at,
    }


def flags(found: Mapping[Code, Mapping[str, bool]]) -> dict[str, dict[str, bool]]:
    """Return what is known of codes (``hcc``, ``chronic`` ...) by system and code."""
    return {key(value): dict(known) for value, known in found.items()}


def desk(coder: Coder, opened: Desk, readings: Readings) -> dict[str, Any]:
    """Return everything that is on the table when an encounter is opened. Raises ``NoteError``."""
    return {
        "encounter": {
            **summary(opened.summary),
            "notes": notes(opened.encounter, readings.of(coder, opened.encounter)),
        },
        "run": run(opened.run) if opened.run else None,
        "decisions": [decision(made) for made in opened.decisions],
        "codes": [final_code(standing, coder.library) for standing in opened.codes],
        "findings": findings(opened, judged(coder, opened, readings)),
        "comments": [comment(made) for made in opened.comments],
        "hold": hold(opened.hold) if opened.hold else None,
        "flags": flags(flags_for(opened)),
        "version": opened.version,
        "veiled": opened.veiled,
    }


def outcome(coder: Coder, opened: Desk, reached: Outcome, readings: Readings) -> dict[str, Any]:
    """Return what a change of decisions led to, with what the rules say of the codes that stand then."""
    return {
        "decisions": [decision(made) for made in reached.decisions],
        "codes": [final_code(standing, coder.library) for standing in reached.codes],
        "findings": findings(opened, judged(coder, opened, readings, reached.codes)),
        "version": reached.version,
    }


def findings(opened: Desk, found: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return what the rules say of codes on a desk."""
    several = len(opened.encounter.notes) > 1
    return [finding_record(finding, several) for finding in found]


def entry(found: CodeEntry) -> dict[str, Any]:
    """Return a line of a code book."""
    return {
        **code(found.code),
        "title": found.title,
        "billable": found.billable,
        "parent": found.parent,
    }
