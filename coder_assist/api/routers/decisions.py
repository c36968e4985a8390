"""What a coder does with an encounter: decide, order, try out, ask, submit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response

from coder_assist.api.dependencies import (
    TheCoder,
    TheKey,
    TheReview,
    TheService,
    TheVersion,
    made_for,
)
from coder_assist.api.guard import Guarded, TheCaller
from coder_assist.api.parameters import EncounterId, actor, changes, reads, refuses
from coder_assist.api.problems import Problem, RefusalError
from coder_assist.api.review_bodies import (
    DecisionBody,
    DecisionsBody,
    HoldBody,
    LineBody,
    OrderBody,
    ReleaseBody,
    Versioned,
    WhatIfBody,
)
from coder_assist.api.review_examples import (
    CLAIM_CSV_EXAMPLE,
    CLAIM_EXAMPLE,
    ITEM_EXAMPLE,
    NEW_DECISION_EXAMPLE,
    OUTCOME_EXAMPLE,
    content,
)
from coder_assist.api.review_schemas import (
    ClaimAnswer,
    EncounterItem,
    Findings,
    OutcomeAnswer,
    QueryDraft,
)
from coder_assist.review import answers
from coder_assist.review.audits import still_veiled
from coder_assist.review.exports import to_csv, to_fhir, to_json
from coder_assist.review.judging import claim_view, judged
from coder_assist.review.records import FinalCode, NewDecision
from coder_assist.suggest.wire import finding_record
from coder_assist.types import Finding, Place, Severity

router = APIRouter(prefix="/v1/encounters/{encounter_id}", tags=["decisions"], route_class=Guarded)

_PROBLEMS = ("not-found", "conflict", "wrong-state", "key-reused", "version-required")
_CHANGES = changes(OUTCOME_EXAMPLE, *_PROBLEMS)
_STEPS = changes(ITEM_EXAMPLE, *_PROBLEMS)
_VERSION = content({"version": 4})


def _new(body: DecisionBody) -> NewDecision:
    return NewDecision(
        verdict=body.verdict,
        code=body.parsed(),
        shown_at=body.shown_at,
        suggestion=body.suggestion,
        replaces=body.replaces.parsed() if body.replaces else None,
        modifiers=tuple(body.modifiers),
        units=body.units,
        reason=body.reason,
        via=body.via,
        evidence=tuple(Place(place.note_id, place.span()) for place in body.evidence),
        present_on_admission=body.present_on_admission,
    )


@router.post("/decisions", operation_id="decide", response_model=OutcomeAnswer, responses=_CHANGES)
def decide(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    key: TheKey,
    expected: TheVersion,
    body: Annotated[
        DecisionsBody, Body(openapi_examples=content({"version": 4, "decisions": [NEW_DECISION_EXAMPLE]}))
    ],
) -> dict[str, Any]:
    """Record decisions, all or none; they are one act for undo.

    If somebody decided since the version that was seen, nothing is saved: the answer is 409 with what changed.
    """
    version = made_for(body.version, expected)
    decisions = [_new(decision) for decision in body.decisions]
    outcome = review.store.decide(actor(caller), encounter_id, version, decisions, key)
    return answers.outcome(coder, review.store.desk(encounter_id), outcome, service.readings)


@router.post("/undo", operation_id="undo", response_model=OutcomeAnswer, responses=_CHANGES)
def undo(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    key: TheKey,
    expected: TheVersion,
    body: Annotated[Versioned, Body(openapi_examples=_VERSION)],
) -> dict[str, Any]:
    """Take the caller's last act back that is not undone yet, by new decisions."""
    outcome = review.store.undo(actor(caller), encounter_id, made_for(body.version, expected), key)
    return answers.outcome(coder, review.store.desk(encounter_id), outcome, service.readings)


@router.post("/order", operation_id="orderCodes", response_model=OutcomeAnswer, responses=_CHANGES)
def order(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    key: TheKey,
    expected: TheVersion,
    body: Annotated[
        OrderBody,
        Body(openapi_examples=content({"version": 4, "order": [{"system": "ICD-10-CM", "code": "I10"}]})),
    ],
) -> dict[str, Any]:
    """Put the standing codes in this order; those not named follow as they were."""
    version = made_for(body.version, expected)
    codes = [code.parsed() for code in body.order]
    outcome = review.store.order(actor(caller), encounter_id, version, codes, key)
    return answers.outcome(coder, review.store.desk(encounter_id), outcome, service.readings)


def _tried(lines: Iterable[LineBody]) -> list[FinalCode]:
    """Return lines as codes that stand, in the order given; their evidence is that of no decision."""
    places: dict[str, int] = {}
    codes = []
    for line in lines:
        places[line.system] = places.get(line.system, 0) + 1
        code, place = line.parsed(), places[line.system]
        admission = line.present_on_admission
        codes.append(
            FinalCode(code, "", place, tuple(line.modifiers), line.units, 0, False, False, admission)
        )
    return codes


@router.post(
    "/what-if",
    operation_id="whatIf",
    response_model=Findings,
    responses=changes({"findings": []}, "not-found"),
)
def what_if(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    body: Annotated[
        WhatIfBody,
        Body(openapi_examples=content({"codes": [{"system": "ICD-10-CM", "code": "I10"}]})),
    ],
) -> dict[str, Any]:
    """Return what the rules would say of a set of codes. Nothing is saved."""
    desk = review.store.desk(encounter_id, actor(caller))
    findings = judged(coder, desk, service.readings, _tried(body.codes))
    return {"findings": answers.findings(desk, findings)}


@router.post("/hold", operation_id="hold", responses=_STEPS)
def hold(
    caller: TheCaller,
    review: TheReview,
    encounter_id: EncounterId,
    key: TheKey,
    expected: TheVersion,
    body: Annotated[
        HoldBody,
        Body(
            openapi_examples=content(
                {"version": 4, "query": {"text": "Please clarify the type of diabetes."}}
            )
        ),
    ],
) -> EncounterItem:
    """Put an encounter on hold with a query to the provider."""
    version = made_for(body.version, expected)
    row = review.store.hold(actor(caller), encounter_id, version, body.query.text, body.query.finding, key)
    return EncounterItem.model_validate(answers.summary(row))


@router.post("/release", operation_id="release", responses=_STEPS)
def release(
    caller: TheCaller,
    review: TheReview,
    encounter_id: EncounterId,
    key: TheKey,
    expected: TheVersion,
    body: Annotated[ReleaseBody, Body(openapi_examples=content({"version": 5, "answer": "Type 2."}))],
) -> EncounterItem:
    """Take an encounter off hold, with the provider's answer where there is one."""
    version = made_for(body.version, expected)
    row = review.store.release(actor(caller), encounter_id, version, body.answer, key)
    return EncounterItem.model_validate(answers.summary(row))


@router.post("/submit", operation_id="submit", responses=changes(ITEM_EXAMPLE, *_PROBLEMS, "blocked"))
def submit(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    key: TheKey,
    expected: TheVersion,
    body: Annotated[Versioned, Body(openapi_examples=_VERSION)],
) -> EncounterItem:
    """Finish an encounter. Errors of the rules block it (422 with the findings)."""
    version = made_for(body.version, expected)
    findings = judged(coder, review.store.desk(encounter_id), service.readings)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    # Were the codes changed since they were judged, their version is no longer this one, and nothing is saved.
    row = review.store.submit(actor(caller), encounter_id, version, errors, key)
    return EncounterItem.model_validate(answers.summary(row))


@router.post("/reopen", operation_id="reopen", responses=changes(ITEM_EXAMPLE, "not-found", "wrong-state"))
def reopen(caller: TheCaller, review: TheReview, encounter_id: EncounterId) -> EncounterItem:
    """Take a submitted (before an audit) or returned encounter into review again."""
    return EncounterItem.model_validate(answers.summary(review.store.reopen(actor(caller), encounter_id)))


@router.get(
    "/query-draft",
    operation_id="draftQuery",
    responses=reads(
        {"text": "Please clarify the type of diabetes mellitus.", "finding": "query-diabetes"}, "not-found"
    ),
)
def query_draft(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    rule: Annotated[
        str, Query(min_length=1, max_length=100, pattern=r"^[ -~]*$", description="A finding's rule.")
    ],
    codes: Annotated[
        str,
        Query(
            max_length=400,
            pattern=r"^[ -~]*$",
            description="The finding's codes, by commas; any if not given.",
        ),
    ] = "",
) -> QueryDraft:
    """Propose the text of a query to the provider from a finding. Whoever sends it words it."""
    desk = review.store.desk(encounter_id)
    wanted = {code.strip().upper() for code in codes.split(",") if code.strip()}
    for finding in judged(coder, desk, service.readings):
        if finding.rule == rule and wanted <= {code.value for code in finding.codes}:
            return QueryDraft(text=_query_text(finding), finding=rule)
    raise RefusalError(Problem("not-found", "expected the rule and codes of one of the encounter's findings"))


def _query_text(finding: Finding) -> str:
    """Return the rule's own question with the note's words, or else what it says."""
    query: Any = finding_record(finding).get("query")
    if not query:
        return f"{finding.message}\n\nPlease document your clinical judgement in the record."
    lines = [query["question"], ""]
    if query["indicators"]:
        quoted = "; ".join(
            f"\N{LEFT DOUBLE QUOTATION MARK}{words['text']}\N{RIGHT DOUBLE QUOTATION MARK}"
            for words in query["indicators"]
        )
        lines += [f"The record says: {quoted}", ""]
    return "\n".join([*lines, *(f"[ ] {option}" for option in query["options"])])


@router.get(
    "/claim",
    operation_id="getClaim",
    response_model=ClaimAnswer,
    responses=refuses("not-found", "wrong-state")
    | {
        200: {
            "description": "The claim view.",
            "content": {
                "application/json": {"example": CLAIM_EXAMPLE},
                "text/csv": {"schema": {"type": "string"}, "example": CLAIM_CSV_EXAMPLE},
                "application/fhir+json": {
                    "schema": {"type": "object"},
                    "example": {"resourceType": "Bundle", "type": "collection"},
                },
            },
        }
    },
)
def get_claim(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    format: Annotated[
        Literal["json", "csv", "fhir"], Query(description="JSON, a table, or a FHIR R4 Bundle.")
    ] = "json",
) -> Any:
    """Return the codes that stand as a claim would carry them, what blocks it first. No prices, no payer."""
    desk = review.store.desk(encounter_id, actor(caller))
    if desk.veiled:
        raise still_veiled(encounter_id)
    view = claim_view(coder, desk, service.readings)
    if format == "csv":
        return Response(to_csv(view), media_type="text/csv; charset=utf-8")
    if format == "fhir":
        bundle = to_fhir(view, desk.summary.updated_at.date(), desk.encounter.patient_id)
        return Response(bundle, media_type="application/fhir+json")
    return Response(to_json(view), media_type="application/json")
