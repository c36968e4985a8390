"""Who may do what: an allow and a deny for every route, made from the one table that says it."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from coder_assist.api import create_app
from coder_assist.api.access import ACCESS, RULES, Access, Opening, Scope
from coder_assist.api.app import PARTS
from coder_assist.api.guard import Guarded
from coder_assist.review.states import Role
from coder_assist.settings import Settings

pytestmark = pytest.mark.anyio

NAMES = {
    "encounter_id": "none-such",
    "audit_id": "999",
    "number": "1",
    "case_id": "none-such",
    "user_id": "none-such",
    "token_id": "none-such",
    "system": "ICD-10-CM",
    "code": "I10",
}
DESCRIPTION = create_app(Settings()).openapi()
CLOSED = [access for access in ACCESS if access.opening is not Opening.ANYBODY]
BY_ROUTE: Any = {"ids": lambda access: f"{access.method} {access.path}"}


def address(access: Access) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: NAMES[name[1]], access.path)


def example(access: Access) -> dict[str, Any]:
    """Return a request's parameters and body as the description gives them."""
    operation = DESCRIPTION["paths"][access.path][access.method.lower()]
    request: dict[str, Any] = {}
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in content:
        request["json"] = content["example"]
    elif "examples" in content:
        request["json"] = content["examples"]["example"]["value"]
    if required := {
        p["name"]: "x" for p in operation.get("parameters", ()) if p["in"] == "query" and p["required"]
    }:
        request["params"] = required
    return request


def test_every_route_stands_in_the_table() -> None:
    """There is no route without a row, no row without a route, and every route is behind the guard."""
    routes = [route for part in PARTS for route in part.router.routes]
    assert all(isinstance(route, Guarded) for route in routes)
    assert {(method, route.path) for route in routes for method in route.methods} == set(RULES)
    assert len(RULES) == len(ACCESS)


def test_a_route_without_a_row_cannot_be_made() -> None:
    """What is not in the table is not served by being forgotten."""
    with pytest.raises(KeyError):
        Guarded("/v1/forgotten", lambda: None, methods=["GET"])


def test_nobody_but_coders_decides() -> None:
    """Admins, auditors and data scientists have no route that decides on codes; admins none that reads notes."""
    for access in ACCESS:
        if access.scope is Scope.DECIDE and not access.path.endswith("/comments"):
            assert access.roles == {Role.CODER, Role.LEAD}
        if "/encounters/{" in access.path:
            assert Role.ADMIN not in access.roles or access.path.endswith("/notes")


@pytest.mark.parametrize("access", CLOSED, **BY_ROUTE)
async def test_the_table_is_what_is_done(office: Any, access: Access) -> None:
    """Each role of the row is let in and each other one is refused; so is a stranger."""
    for role in Role:
        answer = await office.stranger.request(
            access.method, address(access), headers=office.as_(role.value), **example(access)
        )
        if role in access.roles:
            assert answer.status_code not in (401, 403, 500, 503), (role, answer.text)
        elif access.opening is Opening.NOBODY:
            assert answer.status_code == 403, (role, answer.text)
            assert answer.json()["type"].endswith(":forbidden")
    stranger = await office.stranger.request(access.method, address(access), **example(access))
    if access.opening is Opening.NOBODY:
        assert stranger.status_code == 401
        assert stranger.headers["www-authenticate"] == "Bearer"
    else:
        assert stranger.status_code == 200  # the demo is open


@pytest.mark.parametrize("access", CLOSED, **BY_ROUTE)
async def test_a_token_needs_the_scope(office: Any, access: Access) -> None:
    """A token with every scope but the row's is refused, one with it alone is let in."""
    role = sorted(access.roles)[0]
    office.hire("without", role, [scope for scope in Scope if scope is not access.scope])
    office.hire("with", role, [access.scope])
    asked = {"method": access.method, "url": address(access), **example(access)}
    refused = await office.stranger.request(headers=office.as_("without"), **asked)
    if access.opening is Opening.NOBODY:
        assert refused.status_code == 403
        assert access.scope in refused.json()["detail"]
    admitted = await office.stranger.request(headers=office.as_("with"), **asked)
    assert admitted.status_code not in (401, 403)


@pytest.mark.parametrize("access", [access for access in CLOSED if access.method != "GET"], **BY_ROUTE)
async def test_a_cookie_alone_changes_nothing(office: Any, access: Access) -> None:
    """Another site can make a browser send its cookie, but not the session's token: such changes are refused."""
    if access.opening is not Opening.NOBODY:
        pytest.skip("open in the demo: there is nobody to impersonate")
    role = sorted(access.roles)[0]
    secret, caller = office.review.people.redeem(office.review.people.link_for(role.value))
    cookie = {"Cookie": f"{office.service.settings.cookie_name}={secret}"}
    for csrf in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "é" * 32}, {"X-CSRF-Token": caller.csrf[:-1]}):
        headers = httpx.Headers({**cookie, **csrf}, encoding="utf-8")
        answer = await office.stranger.request(
            access.method, address(access), headers=headers, **example(access)
        )
        assert answer.status_code == 403
        assert answer.json()["type"].endswith(":csrf")
    headers = httpx.Headers({**cookie, "X-CSRF-Token": caller.csrf})
    answer = await office.stranger.request(access.method, address(access), headers=headers, **example(access))
    assert answer.status_code not in (401, 403)


@pytest.mark.parametrize(
    "path", ["/v1/suggest", "/v1/suggest:batch", "/v1/codes/search?q=gout", "/v1/codes/ICD-10-CM/I10"]
)
async def test_suggestions_are_closed_where_the_setting_says_so(connect: Any, coder: Any, path: str) -> None:
    """With open_suggest off, suggestions and code books need a sign-in too."""
    note = {"id": "n1", "text": "Gout."}
    body = {"notes": [note]} if "batch" in path else note if "suggest" in path else None
    async with connect(coder, open_suggest=False) as client:
        review = client.app.state.service.review
        review.people.add("Ana", Role.CODER)
        token, _ = review.people.add_token("Ana", "", ["suggest", "read"])
        method = "POST" if body else "GET"
        assert (await client.request(method, path, json=body)).status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.request(method, path, json=body, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Bearer a.b.c", "bearer ca_00000000_x"]
)
async def test_a_bearer_that_is_none_is_a_stranger(office: Any, header: str) -> None:
    """What looks like a token and is none lets nobody in, cookie or not."""
    secret, _ = office.review.people.redeem(office.review.people.link_for("lead"))
    headers = {"Authorization": header, "Cookie": f"{office.service.settings.cookie_name}={secret}"}
    answer = await office.stranger.get("/v1/encounters", headers=headers)
    assert answer.status_code == 401


async def test_who_is_refused_learns_nothing_of_the_body(office: Any) -> None:
    """A stranger's body is not even decoded: 401 comes before 400, 415 and 422."""
    for body in (b"{", b"{}", b"\xff"):
        answer = await office.stranger.post(
            "/v1/encounters", content=body, headers={"Content-Type": "text/plain"}
        )
        assert answer.status_code == 401
