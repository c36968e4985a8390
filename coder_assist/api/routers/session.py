"""Signing in and out."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import RedirectResponse

from coder_assist.api.dependencies import Service, TheReview, TheService
from coder_assist.api.guard import Guarded, TheCaller
from coder_assist.api.problems import Problem, RefusalError, documented
from coder_assist.api.review_bodies import SignInBody
from coder_assist.api.review_examples import content
from coder_assist.api.review_schemas import SessionAnswer
from coder_assist.api.schemas import gives
from coder_assist.review.people import Caller
from coder_assist.settings import Settings

router = APIRouter(tags=["session"], route_class=Guarded)

_SESSION_EXAMPLE: dict[str, Any] = {
    "user": {"id": "ana-ruiz", "name": "Ana Ruiz", "role": "coder"},
    "csrf": "0ppu9-example-of-a-csrf-token",
    "demo": False,
    "practice_available": True,
    "idle_minutes": 15,
}


def _answer(caller: Caller, settings: Settings) -> dict[str, Any]:
    person = caller.person
    return {
        "user": {"id": person.id, "name": person.name, "role": person.role},
        "csrf": caller.csrf,
        "demo": settings.is_demo,
        "practice_available": True,
        "idle_minutes": settings.session_idle_minutes,
    }


def _keep(response: Response, secret: str, service: Service) -> None:
    settings = service.settings
    response.set_cookie(
        settings.cookie_name,
        secret,
        max_age=settings.session_hours * 3600,
        path="/",
        secure=settings.cookies_are_secure,
        httponly=True,
        samesite="strict",
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


@router.get(
    "/v1/session",
    operation_id="getSession",
    responses=gives(_SESSION_EXAMPLE) | documented("not-signed-in", "too-many-requests", "not-ready"),
)
def get_session(caller: TheCaller, service: TheService) -> SessionAnswer:
    """Say who is signed in, and the token that changes must carry."""
    return SessionAnswer.model_validate(_answer(caller, service.settings))


@router.post(
    "/v1/session",
    operation_id="signIn",
    responses=gives(_SESSION_EXAMPLE)
    | documented(
        "not-signed-in",
        "too-many-requests",
        "invalid-request",
        "malformed-json",
        "unsupported-media-type",
        "body-too-large",
        "not-ready",
    ),
)
def sign_in(
    body: Annotated[
        SignInBody,
        Body(openapi_examples=content({"name": "Ana Ruiz", "password": "correct horse battery"})),
    ],
    request: Request,
    response: Response,
    review: TheReview,
    service: TheService,
) -> SessionAnswer:
    """Begin a session by name and password; the answer sets the cookie."""
    secret, caller = review.people.sign_in(body.name, body.password, _address(request))
    _keep(response, secret, service)
    return SessionAnswer.model_validate(_answer(caller, service.settings))


@router.delete(
    "/v1/session",
    operation_id="signOut",
    status_code=204,
    responses=documented("not-signed-in", "csrf", "forbidden", "too-many-requests", "not-ready")
    | {204: {"description": "The session is over."}},
)
def sign_out(caller: TheCaller, request: Request, review: TheReview, service: TheService) -> Response:
    """End the session of the cookie."""
    if secret := request.cookies.get(service.settings.cookie_name):
        review.people.sign_out(secret)
    response = Response(status_code=204)
    response.delete_cookie(
        service.settings.cookie_name,
        path="/",
        secure=service.settings.cookies_are_secure,
        httponly=True,
        samesite="strict",
    )
    return response


@router.get(
    "/sign-in",
    operation_id="signInByLink",
    status_code=303,
    response_class=RedirectResponse,
    responses=documented("not-signed-in", "forbidden", "too-many-requests", "invalid-request", "not-ready")
    | {303: {"description": "Signed in; the page is at /."}},
)
def sign_in_by_link(
    token: Annotated[str, Query(min_length=1, max_length=200, description="What the link was printed with.")],
    request: Request,
    review: TheReview,
    service: TheService,
) -> RedirectResponse:
    """Begin a session with a one-time link, from this machine only."""
    if not _is_local(_address(request)):
        raise RefusalError(Problem("forbidden", "one-time links work on the service's own machine only"))
    secret, _ = review.people.redeem(token)
    response = RedirectResponse("/", status_code=303)
    _keep(response, secret, service)
    return response


def _is_local(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
