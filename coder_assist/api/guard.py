"""What stands before every route: who asks, whether they may, and how often.

It runs before the body is decoded, so a stranger learns nothing from how a body is wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from coder_assist.api.access import RULES, Access, Opening
from coder_assist.api.dependencies import Service, get_service
from coder_assist.api.problems import Problem, RefusalError
from coder_assist.errors import SignInError
from coder_assist.review.people import Caller, same

CSRF_HEADER = "X-CSRF-Token"
_SAFE = ("GET", "HEAD")
_MOST_KNOWN = 10_000


class Guarded(APIRoute):
    """A route with its row of ``ACCESS``. Without a row it cannot be defined (``KeyError``)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler behind the guard."""
        handle = super().get_route_handler()
        rules = {method: RULES[method, self.path] for method in self.methods}

        async def guarded(request: Request) -> Response:
            service = await get_service(request)
            rule = rules[request.method]
            request.state.caller = await _admitted(request, service, rule)
            if request.method not in _SAFE and (body := await request.body()):
                _expect_json(request, body)
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
    service.rates.take(f"address {address}")
    caller = await service.talk(partial(_authenticated, request, service))
    service.rates.take(f"person {caller.person.id}")
    if caller.person.role not in rule.roles:
        allowed = ", ".join(sorted(rule.roles))
        raise RefusalError(
            Problem("forbidden", f"expected one of the roles {allowed}; got {caller.person.role}")
        )
    if caller.scopes is not None and rule.scope not in caller.scopes:
        raise RefusalError(Problem("forbidden", f"expected a token with the scope {rule.scope}"))
    if caller.by_session and request.method not in _SAFE:
        if not same(request.headers.get(CSRF_HEADER, ""), caller.csrf):
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


def _expect_json(request: Request, body: bytes) -> None:
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not (
        declared.startswith("application/") and declared.endswith("+json")
    ):
        raise RefusalError(
            Problem("unsupported-media-type", "expected the header Content-Type: application/json")
        )


async def _caller(request: Request) -> Caller:
    caller: Caller | None = request.state.caller
    assert caller is not None, "a route that asks who calls must not be open to anybody"
    return caller


TheCaller = Annotated[Caller, Depends(_caller)]


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """How often each caller may ask: ``per_minute`` on average, a quarter of that at once.

    Counted in this process; several processes allow as many times more.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, per_minute / 4)
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Count a request. Raises ``RefusalError`` (429) if there were too many."""
        moment = self._clock()
        with self._lock:
            bucket = self._buckets.pop(who, None) or _Bucket(self._most, moment)
            bucket.left = min(self._most, bucket.left + (moment - bucket.at) * self._per_second)
            bucket.at = moment
            self._buckets[who] = bucket  # the dictionary's order is that of the last request
            while len(self._buckets) > _MOST_KNOWN:
                del self._buckets[next(iter(self._buckets))]
            if bucket.left >= 1:
                bucket.left -= 1
                return
            wait = max(1, round((1 - bucket.left) / self._per_second))
        raise RefusalError(
            Problem("too-many-requests", f"try again in {wait} s", headers={"Retry-After": str(wait)})
        )
