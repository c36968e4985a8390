"""Signing in and out in a browser, by password and by link, and what a service refuses to start with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from coder_assist.api import create_app
from coder_assist.api.access import Scope
from coder_assist.api.problems import RefusalError
from coder_assist.api.rates import Rates
from coder_assist.errors import SettingsError
from coder_assist.review.audit_log import create_key
from coder_assist.review.demo import furnish
from coder_assist.review.states import Role
from coder_assist.settings import Settings

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"


async def test_a_browser_signs_in_and_out(office: Any) -> None:
    """A password gives a cookie that scripts cannot read, a token for changes, and an end when asked."""
    office.review.people.add("Ana Ruiz", Role.LEAD, PASSWORD)
    client = office.stranger
    assert (await client.get("/v1/session")).status_code == 401
    answer = await client.post("/v1/session", json={"name": "ana ruiz", "password": PASSWORD})
    assert answer.json()["user"] == {"id": "ana-ruiz", "name": "Ana Ruiz", "role": "lead"}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await client.get("/v1/session")).json() == answer.json()
    assert (await client.get("/v1/overview")).status_code == 200
    csrf = {"X-CSRF-Token": answer.json()["csrf"]}
    out = await client.request("DELETE", "/v1/session", headers=csrf)
    assert out.status_code == 204
    client.cookies.set("coder-assist", cookie.partition("=")[2].partition(";")[0])
    assert (await client.get("/v1/session")).status_code == 401


async def test_cookies_are_secure_where_others_can_listen(connect: Any, coder: Any, tmp_path: Path) -> None:
    """Off the loopback the cookie travels by HTTPS alone, under a name that no other host can set."""
    create_key(tmp_path / "audit.key")
    async with connect(
        coder, host="0.0.0.0", audit_key_file=tmp_path / "audit.key", data_dir=tmp_path / "own"
    ) as client:
        client.app.state.service.review.people.add("Ana", Role.CODER, PASSWORD)
        answer = await client.post("/v1/session", json={"name": "Ana", "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith("__Host-coder-assist=")
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"]
        assert answer.json()["demo"] is False


async def test_guessing_gets_429(office: Any) -> None:
    """After five wrong passwords the right one is not tried either, and the answer says when to come back."""
    office.review.people.add("Ana", Role.CODER, PASSWORD)
    for _ in range(5):
        answer = await office.stranger.post("/v1/session", json={"name": "Ana", "password": "wrong"})
        assert answer.status_code == 401
    answer = await office.stranger.post("/v1/session", json={"name": "Ana", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 600


async def test_a_link_signs_in_once(office: Any) -> None:
    """The printed link leads to the page with a session, and to nothing a second time."""
    link = office.review.people.link_for("coder")
    answer = await office.stranger.get("/sign-in", params={"token": link})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await office.stranger.get("/v1/session")).json()["user"]["role"] == "coder"
    again = await office.stranger.get("/sign-in", params={"token": link})
    assert again.status_code == 401
    assert link not in again.text


async def test_a_link_is_for_this_machine(office: Any) -> None:
    """From elsewhere a link is refused, and stays good."""
    link = office.review.people.link_for("coder")
    transport = httpx.ASGITransport(app=office.stranger.app, client=("10.0.0.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as elsewhere:
        assert (await elsewhere.get("/sign-in", params={"token": link})).status_code == 403
    assert (await office.stranger.get("/sign-in", params={"token": link})).status_code == 303


async def test_a_demo_answers_to_its_own_name(office: Any) -> None:
    """Under another site's name, made to lead here, the demo gives nothing away."""
    for host in ("evil.example.org", "localhost.evil.example.org:8000", "", "127.0.0.1.evil.example.org"):
        answer = await office.stranger.get("/healthz", headers={"Host": host})
        assert answer.status_code == 421
    for host in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"):
        assert (await office.stranger.get("/healthz", headers={"Host": host})).status_code == 200


async def test_a_service_answers_to_the_names_it_was_given(connect: Any, coder: Any, tmp_path: Path) -> None:
    """Outside the demo the names are those of the setting, all of them and no other; without the setting, any."""
    create_key(tmp_path / "audit.key")
    usual = {"demo": False, "audit_key_file": tmp_path / "audit.key", "data_dir": tmp_path / "own"}
    names = ("coding.example.org", "127.0.0.1")
    async with connect(coder, allowed_hosts=names, **usual) as client:
        for host in ("coding.example.org", "Coding.Example.org:443", "127.0.0.1:8000"):
            assert (await client.get("/healthz", headers={"Host": host})).status_code == 200
        for host in ("localhost", "evil.example.org", "coding.example.org.evil.example.org", ""):
            assert (await client.get("/healthz", headers={"Host": host})).status_code == 421
    async with connect(coder, **usual) as client:
        assert (await client.get("/healthz", headers={"Host": "any.example.org"})).status_code == 200


async def test_every_answer_is_guarded(office: Any) -> None:
    """Answers of all kinds carry the policy that lets a page load nothing but its own files."""
    for path in ("/", "/healthz", "/v1/session", "/nothing", "/openapi.json"):
        headers = (await office.stranger.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


async def test_a_stranger_is_let_pass_so_often(connect: Any, coder: Any) -> None:
    """More requests than the setting allows get 429 with the time to wait; health checks count too."""
    async with connect(coder, requests_per_minute=40) as client:
        answers = [await client.get("/healthz") for _ in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 2


def test_a_rate_recovers_with_time() -> None:
    """A caller gets a quarter of a minute's requests at once, then as many as time brings; others are apart."""
    moment = 0.0
    rates = Rates(60, lambda: moment)
    for _ in range(15):
        rates.take("ana")
    with pytest.raises(RefusalError):
        rates.take("ana")
    rates.take("ben")
    moment = 1.0
    rates.take("ana")
    with pytest.raises(RefusalError):
        rates.take("ana")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"demo": True, "host": "0.0.0.0"}, "this machine only"),
    ({"host": "0.0.0.0"}, "AUDIT_KEY_FILE"),
    ({"host": "example.org"}, "AUDIT_KEY_FILE"),
    ({"demo": False}, "AUDIT_KEY_FILE"),
    ({"database_url": SecretStr("postgresql://h/n")}, "AUDIT_KEY_FILE"),
    ({"demo": True, "database_url": SecretStr("postgresql://h/n")}, "own database"),
    ({"oidc_issuer": "https://i"}, "OIDC_KEYS"),
    ({"oidc_issuer": "https://i", "oidc_keys": "k.json"}, "OIDC_ROLES"),
    ({"oidc_issuer": "https://i", "oidc_keys": "http://i/k", "oidc_roles": {"a": "lead"}}, "https"),
    ({"oidc_issuer": "https://i", "oidc_keys": "k.json", "oidc_roles": {"a": "boss"}}, "coder, lead"),
]


@pytest.mark.parametrize(("wrong", "says"), REFUSED, ids=[str(sorted(wrong)) for wrong, _ in REFUSED])
def test_nothing_starts_with_missing_secrets(wrong: dict[str, Any], says: str) -> None:
    """Outside a demo on this machine, a missing key or a half-made setting is refused by its name."""
    with pytest.raises(SettingsError, match=says):
        create_app(Settings(**wrong))


def test_a_readable_key_is_refused(tmp_path: Path) -> None:
    """A signing key that others may read does not sign."""
    create_key(tmp_path / "audit.key")
    (tmp_path / "audit.key").chmod(0o640)
    app = create_app(Settings(demo=False, data_dir=tmp_path, audit_key_file=tmp_path / "audit.key"))
    with pytest.raises(SettingsError, match="chmod 600"):
        app.state.service.open()


def test_a_demo_database_is_not_served_to_others(tmp_path: Path) -> None:
    """A database with the demo's people in it is refused outside the demo."""
    app = create_app(Settings(data_dir=tmp_path))
    review = app.state.service.open()
    furnish(review.store, review.people, [{"id": "n1", "text": "Gout."}])
    furnish(review.store, review.people, [{"id": "n1", "text": "Gout."}])  # twice is once
    assert len(review.people.everyone()) == len(Role)
    app.state.service.close()
    other = create_app(Settings(demo=False, data_dir=tmp_path, audit_key_file=tmp_path / "audit.key"))
    with pytest.raises(SettingsError, match="demo's database"):
        other.state.service.open()


def test_the_page_on_running_the_service_is_whole() -> None:
    """docs/service.md has every setting in its own words, every role and every scope."""
    page = (Path(__file__).parents[2] / "docs" / "service.md").read_text()
    names = list(Settings.model_fields)
    for name in names[names.index("demo") :]:
        assert f"| `CODER_ASSIST_{name.upper()}` | {Settings.model_fields[name].description} |" in page
    assert all(f"`{scope}`" in page for scope in Scope)
    assert all(f"| {role.value.replace('_', ' ')} |" in page for role in Role)
