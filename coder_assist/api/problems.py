"""What the service says when it cannot answer: problem details after RFC 9457.

Every exception has one problem (``problem_for``). A problem names fields and ids and what was
expected; it never repeats a value that came in, for any value may be note text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from coder_assist.errors import (
    Blocked,
    DatabaseUnavailable,
    InputError,
    InvalidRecordError,
    KeyReused,
    NotAllowed,
    NoteError,
    NotFound,
    SignInError,
    StateConflict,
    ThrottledError,
    UnknownCode,
    VersionConflict,
)
from coder_assist.review import answers
from coder_assist.suggest.wire import finding_record

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:coder-assist:problem:"

KINDS: dict[str, tuple[int, str]] = {
    "malformed-json": (400, "The body is not JSON"),
    "not-signed-in": (401, "The service does not know who asks"),
    "forbidden": (403, "This role or token may not do that"),
    "csrf": (403, "The request does not prove that it comes from the service's own page"),
    "not-found": (404, "There is nothing at this address"),
    "unknown-code": (404, "No installed code book has this code"),
    "method-not-allowed": (405, "This address does not answer this method"),
    "conflict": (409, "Somebody changed this meanwhile"),
    "wrong-state": (409, "This is not possible in the present state"),
    "body-too-large": (413, "The body is larger than this service accepts"),
    "unsupported-media-type": (415, "The body must be sent as JSON"),
    "misdirected": (421, "The service does not answer under this name"),
    "blocked": (422, "Findings must be answered first"),
    "key-reused": (422, "This idempotency key came with another request before"),
    "invalid-request": (422, "The request is not in its documented form"),
    "unreadable-note": (422, "The note cannot be read"),
    "version-required": (428, "The request must say which version it was made for"),
    "too-many-requests": (429, "Too many requests"),
    "internal-error": (500, "The service failed"),
    "not-ready": (503, "The service is not ready"),
    "unavailable": (503, "The database cannot be used just now"),
}


@dataclass(frozen=True)
class Problem:
    """One problem. ``errors`` are the places at fault, by ``pointer`` or ``parameter``, with a ``detail``.

    ``more`` are members of its own, JSON values (RFC 9457, 3.2).
    """

    kind: str
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status that goes with the problem."""
        return KINDS[self.kind][0]

    def body(self) -> dict[str, object]:
        """Return the problem details object."""
        status, title = KINDS[self.kind]
        body: dict[str, object] = {
            "type": TYPE_PREFIX + self.kind,
            "title": title,
            "status": status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return body | dict(self.more)

    def response(self) -> Response:
        """Return the problem as an answer."""
        return JSONResponse(
            jsonable_encoder(self.body()), self.status, headers=dict(self.headers), media_type=MEDIA_TYPE
        )


class RefusalError(Exception):
    """Raised anywhere below the router to answer with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def invalid(detail: str, pointer: str) -> RefusalError:
    """Return the refusal of a body that is wrong at a JSON pointer."""
    return RefusalError(Problem("invalid-request", detail, ({"pointer": pointer, "detail": detail},)))


def problem_for(error: Exception) -> Problem:
    """Return the problem that an exception stands for; an unforeseen one tells nothing of itself."""
    match error:
        case RefusalError():
            return error.problem
        case InvalidRecordError():
            places = tuple(
                {"pointer": f"#/{name}" if name else "#", "detail": text} for name, text in error.problems
            )
            return Problem("invalid-request", str(error), places)
        case NoteError():
            return Problem("unreadable-note", str(error), ({"pointer": "#/text", "detail": str(error)},))
        case UnknownCode():
            return Problem("unknown-code", str(error))
        case NotFound():
            return Problem("not-found", str(error))
        case NotAllowed():
            return Problem("forbidden", str(error))
        case StateConflict():
            return Problem("wrong-state", str(error), more={"state": error.state, "expected": error.expected})
        case VersionConflict():
            changed = [answers.decision(made) for made in error.changed]
            return Problem("conflict", str(error), more={"version": error.version, "changed": changed})
        case Blocked():
            findings = [finding_record(finding) for finding in error.findings]
            return Problem("blocked", str(error), more={"findings": findings})
        case KeyReused():
            return Problem("key-reused", str(error))
        case SignInError():
            return Problem("not-signed-in", str(error), headers={"WWW-Authenticate": "Bearer"})
        case ThrottledError():
            return Problem("too-many-requests", str(error), headers={"Retry-After": str(error.wait)})
        case InputError():
            return Problem("invalid-request", str(error))
        case DatabaseUnavailable():
            return Problem("unavailable", str(error), headers={"Retry-After": "2"})
    return Problem("internal-error", "the failure was logged; the answer's X-Request-ID finds it")


def _place(location: tuple[int | str, ...]) -> dict[str, str]:
    """Return a validation error's location as a JSON pointer into the body, or as a parameter's name."""
    where, *path = (str(step) for step in location)
    if where == "body":
        return {"pointer": "#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)}
    return {"parameter": ".".join(path) or where}


async def answer_validation(request: Request, error: Exception) -> Response:
    """Answer what is not in its documented form: where and what was expected, never what came."""
    found: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    if any(item["type"] == "json_invalid" for item in found):
        return Problem("malformed-json", "expected JSON").response()
    errors = tuple({**_place(_told(item)), "detail": str(item["msg"])} for item in found)
    names = ", ".join(error.get("parameter") or error["pointer"] for error in errors)
    return Problem("invalid-request", f"expected the documented form of: {names}", errors).response()


def _told(item: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Return where an error is; the name of a field that is not known is the sender's words."""
    location = tuple(item["loc"])
    return (*location[:-1], "(unknown)") if item["type"] == "extra_forbidden" else location


async def answer_known(request: Request, error: Exception) -> Response:
    """Answer an exception that the service raises on purpose."""
    return problem_for(error).response()


async def answer_http(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: an address or a method that is not there."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return Problem(
            "not-found", "see /openapi.json for what this service answers", headers=headers
        ).response()
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = headers.get("Allow") or headers.get("allow") or "another method"
        return Problem("method-not-allowed", f"expected {allowed}", headers=headers).response()
    plain = {
        "type": "about:blank",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
    }
    return JSONResponse(plain, error.status_code, headers=headers, media_type=MEDIA_TYPE)


_EXAMPLES: dict[str, Problem] = {
    "malformed-json": Problem("malformed-json", "expected JSON; Expecting value at line 1, column 10"),
    "not-signed-in": Problem("not-signed-in", "expected a session (POST /v1/session) or a bearer token"),
    "forbidden": Problem("forbidden", "expected one of the roles coder, lead; got auditor"),
    "csrf": Problem("csrf", "expected the header X-CSRF-Token with the csrf of GET /v1/session"),
    "conflict": Problem(
        "conflict",
        "encounter 'visit-1' is at version 5; the change was made for 4",
        more={"version": 5, "changed": []},
    ),
    "wrong-state": Problem(
        "wrong-state",
        "encounter 'visit-1' is submitted; expected in_review",
        more={"state": "submitted", "expected": ["in_review"]},
    ),
    "misdirected": Problem("misdirected", "expected the Host header to name this service"),
    "blocked": Problem(
        "blocked", "encounter 'visit-1' cannot be submitted: excludes1", more={"findings": []}
    ),
    "key-reused": Problem("key-reused", "the idempotency key came with another request before"),
    "version-required": Problem(
        "version-required", "expected version in the body, or the ETag of the encounter in If-Match"
    ),
    "too-many-requests": Problem("too-many-requests", "try again in 3 s"),
    "not-found": Problem("not-found", "see /openapi.json for what this service answers"),
    "unknown-code": Problem(
        "unknown-code", "ICD-10-CM edition 2026-04 has no code 'E11.99'; search the book by its words"
    ),
    "method-not-allowed": Problem("method-not-allowed", "expected POST"),
    "body-too-large": Problem(
        "body-too-large", "expected at most 8,000,000 bytes; send fewer notes at a time"
    ),
    "unsupported-media-type": Problem(
        "unsupported-media-type", "expected the header Content-Type: application/json"
    ),
    "invalid-request": Problem(
        "invalid-request",
        "note 'visit-1': setting must be one of outpatient, inpatient; got a string of 4 characters",
        (
            {
                "pointer": "#/setting",
                "detail": "must be one of outpatient, inpatient; got a string of 4 characters",
            },
        ),
    ),
    "unreadable-note": Problem("unreadable-note", "note 'visit-1' is empty; expected clinical text"),
    "internal-error": problem_for(Exception()),
    "not-ready": Problem(
        "not-ready", "the code books and the model pack are being loaded; try again in a moment"
    ),
    "unavailable": Problem(
        "unavailable",
        "the database cannot be reached just now; ask again, a change with the same Idempotency-Key",
    ),
}


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an operation that may answer with these problems, fail, or miss its database."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in (*kinds, "internal-error", "unavailable"):
        status, title = KINDS[kind]
        response = responses.setdefault(
            status,
            {
                "description": title,
                "content": {
                    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": {}}
                },
            },
        )
        response["content"][MEDIA_TYPE]["examples"][kind] = {
            "summary": title,
            "value": _EXAMPLES[kind].body(),
        }
    return responses
