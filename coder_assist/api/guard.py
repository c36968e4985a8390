"""What stands before every route: who asks, whether they may, and how often.

It runs before the body is decoded, so a stranger learns nothing from how a body is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from coder_assist.api.access import RULES, Access, Opening
from coder_assist.api.dependencies import Service, expect_json, get_service
from coder_assist.api.problems import Problem, RefusalError
from coder_assist.errors import SignInError
from coder_assist.review.people import Caller, same

CSRF_HEADER = "X-CSRF-Token"
# The problems of a route that a setting closes to strangers.
MAY_BE_CLOSED = ("not-signed-in", "forbidden", "too-many-requests")
_SAFE = ("GET", "HEAD")


class Guarded(APIRoute):
    """A route with its row of ``ACCESS``. Without a row it cannot be defined (``KeyError``)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler behind the guard."""
        handle = super().get_route_handler()
        rules = {method: RULES[method, self.path] for method in self.methods or ()}

        async def guarded(request: Request) -> Response:
            service = await get_service(request)
            rule = rules[request.method]
            request.state.caller = await _admitted(request, service, rule)
            if request.method not in _SAFE and await request.body():
                expect_json(request)
            return await handle(request)

        return guarded


async def _admitted(request: Request, service: Service, rule: Access) -> Caller | None:
    """Return who asks, where somebody must; refuse whoever may not."""
    address = request.client.host if request.client else "unknown"
    if rule.opening is Opening.ANYBODY or (
        rule.opening is Opening.WHERE_OPEN and service.settings.suggests_openly
    ):
        service.rates.take(f"address {address}")
        return None
    try:
        caller = await service.talk(partial(_authenticated, request, service))
    except RefusalError:
        service.rates.take(f"address {address}")  # strangers count by address, people by who they are
        raise
    service.rates.take(f"person {caller.person.id}")
    if caller.person.role not in rule.roles:
        allowed = ", ".join(sorted(rule.roles))
        raise RefusalError(
            Problem("forbidden", f"expected one of the roles {allowed}; got {caller.person.role}")
        )
    if caller.scopes is not None and rule.scope not in caller.scopes:
        raise RefusalError(Problem("forbidden", f"expected a token with the scope {rule.scope}"))
    proven = not caller.by_session or same(request.headers.get(CSRF_HEADER, ""), caller.csrf)
    if request.method not in _SAFE and not proven:
        raise RefusalError(
            Problem("csrf", f"expected the header {CSRF_HEADER} with the csrf of GET /v1/session")
        )
    return caller


def _authenticated(request: Request, service: Service) -> Caller:
    review = service.review
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    if kind:
        caller = None
        if kind.lower() == "bearer" and bearer:
            caller = review.people.token_of(bearer.strip())
            if caller is None and review.provider is not None and bearer.count(".") == 2:
                try:
                    caller = review.people.known_by(review.provider.identity(bearer.strip()))
                except SignInError as error:
                    raise _stranger(str(error)) from None
        if caller is None:
            raise _stranger("expected a bearer token that is valid here")
        return caller
    cookie = request.cookies.get(service.settings.cookie_name)
    caller = review.people.session_of(cookie) if cookie else None
    if caller is None:
        raise _stranger("expected a session (POST /v1/session) or a bearer token")
    return caller


def _stranger(detail: str) -> RefusalError:
    return RefusalError(Problem("not-signed-in", detail, headers={"WWW-Authenticate": "Bearer"}))


async def _caller(request: Request) -> Caller:
    caller: Caller | None = request.state.caller
    assert caller is not None, "a route that asks who calls must not be open to anybody"
    return caller


TheCaller = Annotated[Caller, Depends(_caller)]
