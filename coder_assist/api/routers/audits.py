"""Audits: samples of submitted encounters that somebody else reads again."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from coder_assist.api.dependencies import TheCoder, TheReview
from coder_assist.api.guard import Guarded, TheCaller
from coder_assist.api.parameters import EncounterId, actor, changes, reads
from coder_assist.api.review_bodies import (
    AuditBody,
    AuditFindingBody,
    FinalBody,
    RebutBody,
    SecondCodingBody,
)
from coder_assist.api.review_examples import (
    AUDIT_EXAMPLE,
    AUDIT_FINDING_EXAMPLE,
    AUDIT_ITEM_EXAMPLE,
    content,
)
from coder_assist.api.review_schemas import (
    AuditAnswer,
    AuditFindingAnswer,
    AuditItemAnswer,
    Audits,
)
from coder_assist.errors import NotFound
from coder_assist.review import answers
from coder_assist.review.people import Caller
from coder_assist.review.records import Audit, NewAuditFinding, Sample
from coder_assist.review.states import Role

router = APIRouter(prefix="/v1/audits", tags=["audits"], route_class=Guarded)

AuditId = Annotated[
    int,
    Path(ge=1, le=2**31 - 1, description="The audit's number.", openapi_examples={"first": {"value": 1}}),
]
Number = Annotated[
    int,
    Path(ge=1, le=2**31 - 1, description="The finding's number.", openapi_examples={"first": {"value": 1}}),
]


def _seen_by(caller: Caller, audit: Audit) -> Audit:
    """Return an audit as the caller may see it: a coder sees what they submitted themselves."""
    if caller.person.role is not Role.CODER:
        return audit
    own = tuple(item for item in audit.items if item.submission.by == caller.person.id)
    return replace(audit, items=own)


@router.get("", operation_id="listAudits", responses=reads({"audits": [AUDIT_EXAMPLE]}))
def list_audits(caller: TheCaller, review: TheReview, coder: TheCoder) -> Audits:
    """Return all audits, newest first; to a coder those of their own encounters."""
    seen = [_seen_by(caller, audit) for audit in review.store.audits.all(actor(caller))]
    shown = [answers.audit(audit, coder.library) for audit in seen if audit.items]
    return Audits.model_validate({"audits": shown})


@router.post("", operation_id="beginAudit", status_code=201, responses=changes(AUDIT_EXAMPLE, status=201))
def begin_audit(
    caller: TheCaller,
    review: TheReview,
    coder: TheCoder,
    body: Annotated[
        AuditBody, Body(openapi_examples=content({"sample": {"kind": "random", "size": 20, "seed": 7}}))
    ],
) -> AuditAnswer:
    """Draw a sample of the submitted encounters; the same seed draws the same ones.

    Of a blinded one the auditor sees the notes alone until the second coding is there.
    """
    wanted = body.sample
    sample = Sample(
        wanted.kind,
        wanted.size,
        wanted.seed,
        wanted.since,
        wanted.until,
        wanted.coder or None,
        wanted.blinded,
    )
    held = review.store.audits.create(actor(caller), sample)
    return AuditAnswer.model_validate(answers.audit(held, coder.library))


@router.get("/{audit_id}", operation_id="getAudit", responses=reads(AUDIT_EXAMPLE, "not-found"))
def get_audit(caller: TheCaller, review: TheReview, coder: TheCoder, audit_id: AuditId) -> AuditAnswer:
    """Return an audit with its encounters and findings."""
    seen = _seen_by(caller, review.store.audits.get(audit_id, actor(caller)))
    if not seen.items:
        raise NotFound("audit", audit_id)
    return AuditAnswer.model_validate(answers.audit(seen, coder.library))


@router.post(
    "/{audit_id}/encounters/{encounter_id}/second",
    operation_id="codeASecondTime",
    status_code=201,
    responses=changes(AUDIT_ITEM_EXAMPLE, "not-found", "wrong-state", status=201),
)
def second_code(
    caller: TheCaller,
    review: TheReview,
    coder: TheCoder,
    audit_id: AuditId,
    encounter_id: EncounterId,
    body: Annotated[
        SecondCodingBody,
        Body(openapi_examples=content({"codes": [{"system": "ICD-10-CM", "code": "I10"}]})),
    ],
) -> AuditItemAnswer:
    """Code an encounter of a blinded audit from its notes alone; the answer shows both codings."""
    review.store.audits.second_code(
        actor(caller), audit_id, encounter_id, [code.parsed() for code in body.codes]
    )
    items = review.store.audits.get(audit_id).items
    item = next(item for item in items if item.encounter_id == encounter_id)
    return AuditItemAnswer.model_validate(answers.audit_item(item, coder.library))


@router.post(
    "/{audit_id}/encounters/{encounter_id}/findings",
    operation_id="addAuditFinding",
    status_code=201,
    responses=changes(AUDIT_FINDING_EXAMPLE, "not-found", "wrong-state", status=201),
)
def add_finding(
    caller: TheCaller,
    review: TheReview,
    audit_id: AuditId,
    encounter_id: EncounterId,
    body: Annotated[
        AuditFindingBody,
        Body(openapi_examples=content({"system": "ICD-10-CM", "code": "I10", "verdict": "agree"})),
    ],
) -> AuditFindingAnswer:
    """Say of one code whether it stands; an overturn names the error and its reason."""
    correct = body.correct.parsed() if body.correct else None
    finding = NewAuditFinding(body.parsed(), body.verdict, correct, body.error, body.reason)
    made = review.store.audits.find(actor(caller), audit_id, encounter_id, finding)
    return _finding(answers.audit_finding(made))


@router.post(
    "/{audit_id}/encounters/{encounter_id}/findings/{number}/rebut",
    operation_id="rebutAuditFinding",
    responses=changes(AUDIT_FINDING_EXAMPLE, "not-found", "wrong-state"),
)
def rebut(
    caller: TheCaller,
    review: TheReview,
    audit_id: AuditId,
    encounter_id: EncounterId,
    number: Number,
    body: Annotated[
        RebutBody, Body(openapi_examples=content({"text": "The stenosis is ruled out in the addendum."}))
    ],
) -> AuditFindingAnswer:
    """Answer an overturn, as the coder who submitted."""
    made = review.store.audits.rebut(actor(caller), audit_id, encounter_id, number, body.text)
    return _finding(answers.audit_finding(made))


@router.post(
    "/{audit_id}/encounters/{encounter_id}/findings/{number}/final",
    operation_id="settleAuditFinding",
    responses=changes(AUDIT_FINDING_EXAMPLE, "not-found", "wrong-state"),
)
def settle(
    caller: TheCaller,
    review: TheReview,
    audit_id: AuditId,
    encounter_id: EncounterId,
    number: Number,
    body: Annotated[
        FinalBody, Body(openapi_examples=content({"verdict": "agree", "reason": "Right, I missed that."}))
    ],
) -> AuditFindingAnswer:
    """Say the last word on a finding."""
    made = review.store.audits.settle(
        actor(caller), audit_id, encounter_id, number, body.verdict, body.reason
    )
    return _finding(answers.audit_finding(made))


@router.post(
    "/{audit_id}/encounters/{encounter_id}/finish",
    operation_id="finishAudit",
    responses=changes(AUDIT_ITEM_EXAMPLE, "not-found", "wrong-state"),
)
def finish(
    caller: TheCaller, review: TheReview, coder: TheCoder, audit_id: AuditId, encounter_id: EncounterId
) -> AuditItemAnswer:
    """Finish reading an encounter: it is accepted, or goes back to its coder."""
    item = review.store.audits.finish(actor(caller), audit_id, encounter_id)
    return AuditItemAnswer.model_validate(answers.audit_item(item, coder.library))


def _finding(made: dict[str, Any]) -> AuditFindingAnswer:
    return AuditFindingAnswer.model_validate(made)
