"""Example bodies of the review's operations. Tests hold that each is in its own documented form."""

from __future__ import annotations

from typing import Any

from coder_assist.api.schemas import NOTE_EXAMPLE, PREDICTION_EXAMPLE

_AT = "2026-05-04T09:30:00Z"
_I10 = {"system": "ICD-10-CM", "code": "I10"}
SUGGESTION_EXAMPLE: dict[str, Any] = PREDICTION_EXAMPLE["suggestions"][0]
ITEM_EXAMPLE: dict[str, Any] = {
    "id": "visit-1",
    "state": "in_review",
    "setting": "outpatient",
    "claim": "professional",
    "specialty": "Family Medicine",
    "sex": "female",
    "age": 61,
    "service_date": "2026-05-04",
    "title": "Diabetes follow-up",
    "notes": 1,
    "assigned_to": "ana-ruiz",
    "undecided": 1,
    "decided": 1,
    "priority": 0,
    "on_hold_since": None,
    "imported_at": _AT,
    "updated_at": _AT,
    "version": 4,
    "run_state": "done",
}
_NOTE: dict[str, Any] = {
    "id": "visit-1",
    "version": 1,
    "title": "Diabetes follow-up",
    "text": NOTE_EXAMPLE["text"],
    "sections": [{"kind": "assessment", "title": "Assessment", "start": 0, "end": 95}],
}
RUN_EXAMPLE: dict[str, Any] = {
    **PREDICTION_EXAMPLE,
    "id": 17,
    "state": "done",
    "current": True,
    "note_versions": {"visit-1": 1},
    "queued_at": _AT,
    "finished_at": _AT,
    "error": None,
}
NEW_DECISION_EXAMPLE: dict[str, Any] = {
    "suggestion": 0,
    "verdict": "accept",
    **_I10,
    "via": "single",
    "shown_at": _AT,
}
DECISION_EXAMPLE: dict[str, Any] = {
    "id": 41,
    "run": 17,
    "suggestion": 0,
    "verdict": "accept",
    **_I10,
    "replaces": None,
    "modifiers": [],
    "units": 1,
    "present_on_admission": None,
    "reason": "",
    "via": "single",
    "reviewer": "ana-ruiz",
    "shown_at": _AT,
    "at": _AT,
    "evidence": [{"note_id": "visit-1", "start": 68, "end": 80}],
    "supersedes": None,
    "undoes": None,
    "undone": False,
    "stale": False,
}
CODE_EXAMPLE: dict[str, Any] = {
    **_I10,
    "title": "Essential (primary) hypertension",
    "sequence": 1,
    "modifiers": [],
    "units": 1,
    "present_on_admission": None,
    "decision": 41,
    "from_suggestion": True,
    "billable": True,
    "stale": False,
}
CLAIM_EXAMPLE: dict[str, Any] = {
    "encounter_id": "visit-1",
    "ready": True,
    "blocks": [],
    "claim": "professional",
    "setting": "outpatient",
    "service_date": "2026-05-04",
    "cautions": [],
    "diagnoses": [
        {
            "sequence": 1,
            "letter": "A",
            "code": "I10",
            "title": "Essential (primary) hypertension",
            "present_on_admission": None,
        },
    ],
    "procedures": [],
    "left_over": [],
}
CLAIM_CSV_EXAMPLE = (
    "part,sequence,letter,system,code,title,modifiers,units,pointers,present_on_admission\r\n"
    "diagnosis,1,A,ICD-10-CM,I10,Essential (primary) hypertension,,,,\r\n"
)
COMMENT_EXAMPLE: dict[str, Any] = {"id": 3, "text": "Pathology is still due.", "by": "ana-ruiz", "at": _AT}
DESK_EXAMPLE: dict[str, Any] = {
    "encounter": {**ITEM_EXAMPLE, "notes": [_NOTE]},
    "run": RUN_EXAMPLE,
    "decisions": [DECISION_EXAMPLE],
    "codes": [CODE_EXAMPLE],
    "findings": [],
    "comments": [COMMENT_EXAMPLE],
    "hold": None,
    "flags": {"ICD-10-CM:I10": {"chronic": True}},
    "version": 4,
    "veiled": False,
}
OUTCOME_EXAMPLE: dict[str, Any] = {
    "decisions": [DECISION_EXAMPLE],
    "codes": [CODE_EXAMPLE],
    "findings": [],
    "version": 5,
}
IMPORT_EXAMPLE: dict[str, Any] = {
    "imported": ["visit-1"],
    "duplicates": [{"id": "visit-1b", "of": "visit-1"}],
    "failed": [{"index": 2, "id": "visit-2", "error": "note 'visit-2' is empty; expected clinical text"}],
}
NOTE_CHANGE_EXAMPLE: dict[str, Any] = {
    "note_id": "visit-1",
    "note_version": 2,
    "carried": [41],
    "stale": [],
    "version": 6,
}
EVENT_EXAMPLE: dict[str, Any] = {
    "sequence": 1,
    "at": _AT,
    "actor": "ana-ruiz",
    "action": "encounter.claim",
    "subject": "encounter:visit-1",
    "details": {"version": 2},
    "previous_hash": "0" * 64,
    "hash": "6f" * 32,
}
HOLD_EXAMPLE: dict[str, Any] = {
    "id": 2,
    "query": "Please clarify the type of diabetes mellitus.",
    "finding": "query-diabetes-type",
    "by": "ana-ruiz",
    "at": _AT,
    "released_by": None,
    "released_at": None,
    "answer": None,
}
SUBMISSION_EXAMPLE: dict[str, Any] = {
    "id": 9,
    "version": 6,
    "codes": [CODE_EXAMPLE],
    "by": "ana-ruiz",
    "at": _AT,
}
AUDIT_FINDING_EXAMPLE: dict[str, Any] = {
    "number": 1,
    **_I10,
    "verdict": "overturn",
    "correct": {"system": "ICD-10-CM", "code": "I15.0"},
    "error": "wrong_specificity",
    "reason": "The note names the renal artery stenosis as the cause.",
    "state": "open",
    "stands": "overturn",
    "by": "eva-lang",
    "at": _AT,
    "rebuttal": None,
    "rebutted_by": None,
    "final_verdict": None,
    "final_reason": None,
    "final_by": None,
}
AUDIT_ITEM_EXAMPLE: dict[str, Any] = {
    "encounter": "visit-1",
    "state": "submitted",
    "submission": SUBMISSION_EXAMPLE,
    "veiled": False,
    "second": {
        "codes": [{**_I10, "title": "Essential (primary) hypertension"}],
        "by": "eva-lang",
        "at": _AT,
    },
    "findings": [AUDIT_FINDING_EXAMPLE],
    "finished_by": None,
    "finished_at": None,
    "outcome": None,
}
AUDIT_EXAMPLE: dict[str, Any] = {
    "id": 1,
    "sample": {
        "kind": "random",
        "size": 1,
        "seed": 7,
        "from": None,
        "to": None,
        "coder": None,
        "blinded": True,
    },
    "by": "eva-lang",
    "at": _AT,
    "finished": False,
    "items": [AUDIT_ITEM_EXAMPLE],
}
PERSON_EXAMPLE: dict[str, Any] = {
    "id": "ana-ruiz",
    "name": "Ana Ruiz",
    "role": "coder",
    "active": True,
    "created_at": _AT,
    "has_password": True,
    "oidc": False,
}
TOKEN_EXAMPLE: dict[str, Any] = {
    "id": "ca_0a1b2c3d",
    "person": "Ana Ruiz",
    "name": "nightly import",
    "scopes": ["import"],
    "created_at": _AT,
    "expires_at": "2026-08-02T09:30:00Z",
    "revoked_at": None,
}
OVERVIEW_EXAMPLE: dict[str, Any] = {
    "states": {"new": 4, "in_review": 2, "submitted": 11},
    "ages": {"0": 3, "2-3": 3},
    "assigned": {"ana-ruiz": 2},
    "runs": {"done": 17},
    "days": [
        {
            "day": "2026-05-04",
            "person": "ana-ruiz",
            "submitted": 11,
            "decisions": 84,
            "bulk_decisions": 20,
            "median_minutes": 4.5,
        }
    ],
    "holds": [{"encounter": "visit-3", **HOLD_EXAMPLE}],
}
PRACTICE_CASE_EXAMPLE: dict[str, Any] = {
    "id": "ca-001",
    "title": "Diabetes follow-up",
    "setting": "outpatient",
    "specialty": "Family Medicine",
}
PRACTICE_ANSWER_EXAMPLE: dict[str, Any] = {
    "gold": [{**_I10, "title": "Essential (primary) hypertension", "required": True}],
    "mine": [_I10],
    "suggestions": [SUGGESTION_EXAMPLE],
    "score": {"right": 1, "wrong": 0, "missed": 0, "precision": 1.0, "recall": 1.0},
}


def content(example: object) -> dict[str, Any]:
    """Return a body's example as OpenAPI names it."""
    return {"example": {"summary": "example", "value": example}}
