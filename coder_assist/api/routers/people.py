"""Accounts, tokens and the audit log: the admin's part."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response

from coder_assist.api.dependencies import TheReview
from coder_assist.api.guard import Guarded, TheCaller
from coder_assist.api.parameters import changes, reads
from coder_assist.api.problems import invalid
from coder_assist.api.review_bodies import (
    PersonBody,
    PersonChangeBody,
    TokenBody,
)
from coder_assist.api.review_examples import EVENT_EXAMPLE, PERSON_EXAMPLE, TOKEN_EXAMPLE, content
from coder_assist.api.review_schemas import (
    LogPage,
    NewToken,
    People,
    PersonAnswer,
    Tokens,
)
from coder_assist.review import answers
from coder_assist.review.audit_log import as_record, events_in, read_heads

router = APIRouter(prefix="/v1", tags=["people"], route_class=Guarded)

_HEAD_EXAMPLE = {
    "sequence": 1,
    "hash": "6f" * 32,
    "signed_at": "2026-05-04T09:30:00.000000Z",
    "signature": "ab" * 64,
}


@router.get("/users", operation_id="listUsers", responses=reads({"users": [PERSON_EXAMPLE]}))
def list_users(caller: TheCaller, review: TheReview) -> People:
    """Return all accounts by name."""
    return People.model_validate({"users": [answers.person(person) for person in review.people.everyone()]})


@router.post("/users", operation_id="addUser", status_code=201, responses=changes(PERSON_EXAMPLE, status=201))
def add_user(
    caller: TheCaller,
    review: TheReview,
    body: Annotated[PersonBody, Body(openapi_examples=content({"name": "Ana Ruiz", "role": "coder"}))],
) -> PersonAnswer:
    """Make an account."""
    person = review.people.add(body.name, body.role, body.password, by=caller.person.id)
    return PersonAnswer.model_validate(answers.person(person))


@router.patch("/users/{user_id}", operation_id="changeUser", responses=changes(PERSON_EXAMPLE, "not-found"))
def change_user(
    caller: TheCaller,
    review: TheReview,
    user_id: Annotated[
        str,
        Path(
            min_length=1,
            max_length=64,
            pattern=r"^[!-~]+$",
            description="The person's id.",
            openapi_examples={"ana": {"value": "ana-ruiz"}},
        ),
    ],
    body: Annotated[PersonChangeBody, Body(openapi_examples=content({"active": False}))],
) -> PersonAnswer:
    """Change an account; a new role or password, or deactivation, ends its sessions."""
    person = review.people.change(
        user_id, role=body.role, active=body.active, password=body.password, by=caller.person.id
    )
    return PersonAnswer.model_validate(answers.person(person))


@router.get("/tokens", operation_id="listTokens", responses=reads({"tokens": [TOKEN_EXAMPLE]}))
def list_tokens(caller: TheCaller, review: TheReview) -> Tokens:
    """Return all tokens without their secrets."""
    return Tokens.model_validate({"tokens": [answers.token(token) for token in review.people.tokens()]})


@router.post(
    "/tokens",
    operation_id="addToken",
    status_code=201,
    responses=changes({**TOKEN_EXAMPLE, "secret": "ca_0a1b2c3d_shown-this-once"}, "not-found", status=201),
)
def add_token(
    caller: TheCaller,
    review: TheReview,
    body: Annotated[
        TokenBody,
        Body(
            openapi_examples=content({"person": "Ana Ruiz", "name": "nightly import", "scopes": ["import"]})
        ),
    ],
) -> NewToken:
    """Make a token that acts for a person within scopes. Its secret is shown this once."""
    secret, token = review.people.add_token(
        body.person, body.name, body.scopes, timedelta(days=body.days), by=caller.person.id
    )
    return NewToken.model_validate({**answers.token(token), "secret": secret})


@router.delete(
    "/tokens/{token_id}",
    operation_id="revokeToken",
    status_code=204,
    responses={status: answer for status, answer in changes(None, "not-found").items() if status != 200}
    | {204: {"description": "The token is of no use any more."}},
)
def revoke_token(
    caller: TheCaller,
    review: TheReview,
    token_id: Annotated[
        str,
        Path(
            min_length=1,
            max_length=16,
            pattern=r"^[!-~]+$",
            description="How the token begins.",
            openapi_examples={"token": {"value": "ca_0a1b2c3d"}},
        ),
    ],
) -> Response:
    """End a token now."""
    review.people.revoke(token_id, by=caller.person.id)
    return Response(status_code=204)


@router.get(
    "/audit-log",
    operation_id="readAuditLog",
    responses=reads({"events": [EVENT_EXAMPLE], "next": None, "head": _HEAD_EXAMPLE}),
)
def read_audit_log(
    caller: TheCaller,
    review: TheReview,
    cursor: Annotated[
        str | None, Query(max_length=20, pattern=r"^[0-9]*$", description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> LogPage:
    """Return a page of the audit log, oldest first, and the newest signed head."""
    after = int(cursor) if cursor else 0
    if after >= 2**63:
        raise invalid("expected the cursor of a page", "#/cursor")
    with review.database.read() as session:
        events = list(islice(events_in(session, after), limit + 1))
    more = len(events) > limit
    heads = read_heads(review.head.path)
    return LogPage.model_validate(
        {
            "events": [as_record(event) for event in events[:limit]],
            "next": str(events[limit - 1].sequence) if more else None,
            "head": heads[-1].as_dict() if heads else None,
        }
    )
