"""The states that things are in: one enum per machine, and which step may follow which.

>>> may_become(EncounterState.SUBMITTED, EncounterState.IN_REVIEW)
True
>>> may_become(EncounterState.ACCEPTED, EncounterState.IN_REVIEW)
False
"""

from __future__ import annotations

from enum import StrEnum


class EncounterState(StrEnum):
    """Where an encounter is on its way from import to a closed case."""

    NEW = "new"
    IN_REVIEW = "in_review"
    ON_HOLD = "on_hold"
    SUBMITTED = "submitted"
    AUDITED = "audited"
    RETURNED = "returned"
    ACCEPTED = "accepted"


class RunState(StrEnum):
    """How far a reading of an encounter has come."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class AuditFindingState(StrEnum):
    """How far auditor and coder have come about one code."""

    OPEN = "open"
    REBUTTED = "rebutted"
    FINAL = "final"


class AuditVerdict(StrEnum):
    """What an auditor says of a submitted code."""

    AGREE = "agree"
    OVERTURN = "overturn"


class AuditError(StrEnum):
    """In what way an overturned code was wrong."""

    MISSED = "missed"
    UNSUPPORTED = "unsupported"
    WRONG_SPECIFICITY = "wrong_specificity"
    SEQUENCING = "sequencing"
    LATERALITY = "laterality"
    MODIFIER = "modifier"


class SampleKind(StrEnum):
    """How the encounters of an audit were drawn."""

    RANDOM = "random"
    STRATIFIED = "stratified"
    RISK = "risk"


class RejectReason(StrEnum):
    """Why a coder rejects a suggestion. Only the first two say that the code itself was wrong."""

    NOT_SUPPORTED = "not_supported"
    WRONG_CODE = "wrong_code"
    NOT_REPORTABLE = "not_reportable"
    INTEGRAL = "integral"
    DUPLICATE = "duplicate"
    OTHER = "other"


class Role(StrEnum):
    """What a person is here for."""

    CODER = "coder"
    LEAD = "lead"
    AUDITOR = "auditor"
    DATA_SCIENTIST = "data_scientist"
    ADMIN = "admin"


_STEPS: dict[EncounterState, frozenset[EncounterState]] = {
    EncounterState.NEW: frozenset({EncounterState.IN_REVIEW}),
    EncounterState.IN_REVIEW: frozenset(
        {EncounterState.NEW, EncounterState.ON_HOLD, EncounterState.SUBMITTED}
    ),
    EncounterState.ON_HOLD: frozenset({EncounterState.IN_REVIEW}),
    EncounterState.SUBMITTED: frozenset(
        {EncounterState.IN_REVIEW, EncounterState.AUDITED, EncounterState.ACCEPTED}
    ),
    EncounterState.AUDITED: frozenset({EncounterState.RETURNED, EncounterState.ACCEPTED}),
    EncounterState.RETURNED: frozenset({EncounterState.IN_REVIEW}),
    EncounterState.ACCEPTED: frozenset(),
}


def may_become(state: EncounterState, then: EncounterState) -> bool:
    """Say whether an encounter in ``state`` may step to ``then``."""
    return then in _STEPS[state]
