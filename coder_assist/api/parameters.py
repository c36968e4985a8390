"""What the review's operations share in their description: path parameters, and the problems of every one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from coder_assist.api.problems import documented
from coder_assist.api.schemas import gives
from coder_assist.review.people import Caller
from coder_assist.review.records import Actor

EncounterId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="The encounter's id.",
        openapi_examples={"visit": {"value": "visit-1"}},
    ),
]

_ALWAYS = ("not-signed-in", "forbidden", "too-many-requests", "invalid-request", "not-ready")
_CHANGE = (*_ALWAYS, "csrf", "malformed-json", "body-too-large", "unsupported-media-type")


def reads(example: object, *problems: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an operation that reads."""
    return gives(example) | refuses(*problems)


def refuses(*problems: str) -> dict[int | str, dict[str, Any]]:
    """Return the problems of an operation that reads, beside these."""
    return documented(*_ALWAYS, *problems)


def changes(example: object, *problems: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an operation that changes something."""
    return gives(example, status=status) | documented(*_CHANGE, *problems)


def actor(caller: Caller) -> Actor:
    """Return who asks as the store knows them."""
    return Actor(caller.person.id, caller.person.role)
