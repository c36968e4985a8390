"""Accounts, sessions, tokens, links and a provider's identities: who is let in, and who is not."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import jwt
import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import text

from coder_assist.errors import InputError, NotFound, SettingsError, SignInError, ThrottledError
from coder_assist.review.audit_log import events_in, verify
from coder_assist.review.database import Database
from coder_assist.review.identities import Identity, Provider
from coder_assist.review.people import People
from coder_assist.review.states import Role

PASSWORD = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **time: int) -> None:
        self.moment += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(database: Database, clock: Clock) -> People:
    """The accounts, with a hash that is cheap enough for tests."""
    return People(database, hasher=PasswordHasher(1, 8, 1), clock=clock)


def actions(database: Database) -> list[str]:
    with database.read() as session:
        events = list(events_in(session))
    assert verify(events).intact
    return [event.action for event in events]


def test_a_password_opens_a_session(people: People, database: Database) -> None:
    """Name (in any case) and password begin a session; its cookie says who asks until it signs out."""
    ana = people.add("Ana Ruiz", Role.CODER, PASSWORD)
    secret, caller = people.sign_in(" ana ruiz ", PASSWORD, "10.0.0.1")
    assert (caller.person, caller.by_session, caller.scopes) == (ana, True, None)
    assert people.session_of(secret) == caller
    people.sign_out(secret)
    assert people.session_of(secret) is None
    people.sign_out(secret)
    assert actions(database) == ["user.add", "session.begin", "session.end"]


def test_no_secret_is_in_the_database(people: People, database: Database, tmp_path: Path) -> None:
    """Whoever reads the database or the log finds no password, cookie, token or link that works."""
    people.add("Ana", Role.CODER, PASSWORD)
    secrets = [
        PASSWORD,
        people.sign_in("Ana", PASSWORD, "10.0.0.1")[0],
        people.add_token("Ana", "script", ["read"])[0],
        people.link_for("Ana"),
    ]
    with pytest.raises(SignInError):
        people.sign_in("Ana", "wrong but secret too", "10.0.0.1")
    tables = ["users", "sessions", "tokens", "one_time_links", "sign_in_attempts", "audit_events"]
    with database.read() as session:
        content = "".join(
            str(row) for table in tables for row in session.execute(text(f"SELECT * FROM {table}"))
        )
    assert "ana" in content
    assert not any(secret in content for secret in [*secrets, "wrong but secret too"])


def test_every_refusal_is_the_same(people: People) -> None:
    """A wrong password, an unknown name, an account without password and one that left are told alike."""
    people.add("Ana", Role.CODER, PASSWORD)
    people.add("Bot", Role.CODER)
    left = people.add("Gone", Role.CODER, PASSWORD)
    people.change(left.id, active=False)
    messages = set()
    for name, password in (("Ana", "wrong"), ("Nobody", PASSWORD), ("Bot", PASSWORD), ("Gone", PASSWORD)):
        with pytest.raises(SignInError) as caught:
            people.sign_in(name, password, "10.0.0.1")
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_an_unknown_name_takes_as_long(database: Database) -> None:
    """Where the name does not exist the password is checked all the same, against a decoy that costs as much."""

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            checked.append(extract_parameters(str(hash)))
            return super().verify(hash, password)

    checked: list[Parameters] = []
    people = People(database, hasher=Counting(2, 16, 1))
    people.add("Ana", Role.CODER, PASSWORD)
    for name in ("Ana", "Nobody"):
        with pytest.raises(SignInError):
            people.sign_in(name, "wrong", name)
    known, unknown = checked
    assert known == unknown


def test_guessing_is_slowed_down(people: People, clock: Clock) -> None:
    """Five failures from one address for one name close that door, even to the right password, for a while."""
    people.add("Ana", Role.CODER, PASSWORD)
    for _ in range(5):
        with pytest.raises(SignInError):
            people.sign_in("Ana", "wrong", "10.0.0.1")
        clock.forward(minutes=1)
    with pytest.raises(ThrottledError) as caught:
        people.sign_in("ANA", PASSWORD, "10.0.0.1")
    assert caught.value.wait == 10 * 60
    people.sign_in("Ana", PASSWORD, "10.0.0.2")
    clock.forward(seconds=caught.value.wait + 1)
    people.sign_in("Ana", PASSWORD, "10.0.0.1")


def test_an_address_that_tries_many_names_is_slowed_down(people: People) -> None:
    """Thirty failures from one address close it for every name."""
    people.add("Ana", Role.CODER, PASSWORD)
    for number in range(30):
        with pytest.raises(SignInError):
            people.sign_in(f"guess {number}", "wrong", "10.0.0.1")
    with pytest.raises(ThrottledError):
        people.sign_in("Ana", PASSWORD, "10.0.0.1")


def test_success_forgives_failures(people: People) -> None:
    """Who signs in after mistyping starts to count anew."""
    people.add("Ana", Role.CODER, PASSWORD)
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(SignInError):
                people.sign_in("Ana", "wrong", "10.0.0.1")
        people.sign_in("Ana", PASSWORD, "10.0.0.1")


def test_a_quiet_session_ends(people: People, clock: Clock) -> None:
    """Fifteen minutes without a request end a session; requests keep it, but not beyond twelve hours."""
    people.add("Ana", Role.CODER, PASSWORD)
    secret, _ = people.sign_in("Ana", PASSWORD, "10.0.0.1")
    for _ in range(3):
        clock.forward(minutes=14)
        assert people.session_of(secret) is not None
    clock.forward(minutes=16)
    assert people.session_of(secret) is None
    clock.forward(minutes=-16)
    assert people.session_of(secret) is None

    secret, _ = people.sign_in("Ana", PASSWORD, "10.0.0.1")
    for _ in range(12 * 6 - 1):
        clock.forward(minutes=10)
        assert people.session_of(secret) is not None
    clock.forward(minutes=10)
    assert people.session_of(secret) is None


@pytest.mark.parametrize(
    "change", [{"role": Role.LEAD}, {"active": False}, {"password": "another password!"}]
)
def test_a_change_of_the_account_ends_its_sessions(people: People, change: dict[str, Any]) -> None:
    """A new role or password, or leaving, is effective at once."""
    ana = people.add("Ana", Role.CODER, PASSWORD)
    secret, _ = people.sign_in("Ana", PASSWORD, "10.0.0.1")
    people.change(ana.id, **change)
    assert people.session_of(secret) is None


def test_who_left_is_out_everywhere(people: People) -> None:
    """Deactivation ends tokens and links too; coming back brings the tokens back, not the sessions."""
    ana = people.add("Ana", Role.CODER, PASSWORD)
    token, _ = people.add_token("Ana", "script", ["read"])
    link = people.link_for("Ana")
    people.change(ana.id, active=False)
    assert people.token_of(token) is None
    with pytest.raises(SignInError):
        people.redeem(link)
    people.change(ana.id, active=True)
    assert people.token_of(token) is not None


def test_the_last_admin_stays(people: People) -> None:
    """Nobody can leave the service without an admin."""
    ada = people.add("Ada", Role.ADMIN, PASSWORD)
    for change in ({"active": False}, {"role": Role.CODER}):
        with pytest.raises(InputError, match="another active admin"):
            people.change(ada.id, **change)  # type: ignore[arg-type]
    people.add("Eva", Role.ADMIN, PASSWORD)
    assert people.change(ada.id, role=Role.CODER).role is Role.CODER


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        ("", PASSWORD, "name"),
        ("a\nb", PASSWORD, "name"),
        ("x" * 101, PASSWORD, "name"),
        ("ana", PASSWORD, "taken"),
        ("bob", "short", "12 to 1000"),
        ("bob", "x" * 1001, "12 to 1000"),
        ("bob", "aaaaaaaaaaaaaaaa", "5 characters"),
        ("bobby", "i am bobby 1234", "without the name"),
    ],
)
def test_an_account_has_a_name_and_a_decent_password(
    people: People, name: str, password: str, expected: str
) -> None:
    """A name is printable and not taken; a password long, varied and not the name."""
    people.add("Ana", Role.CODER)
    with pytest.raises(InputError, match=expected) as caught:
        people.add(name, Role.CODER, password)
    assert password not in str(caught.value)


def test_ids_are_readable_and_different(people: People) -> None:
    """An id is made of the name; a second name that would make the same one gets another."""
    ids = [people.add(name, Role.CODER).id for name in ("Ana Ruiz", "ana-ruiz", "System", "李")]
    assert ids[0] == "ana-ruiz"
    assert ids[1].startswith("ana-ruiz-")
    assert ids[2].startswith("system-")  # "system" itself is who did what no person did
    assert ids[3] == "user"
    assert {person.id for person in people.everyone()} == set(ids)


def test_a_link_works_once(people: People, clock: Clock) -> None:
    """A one-time link signs in once, within an hour."""
    people.add("Ana", Role.CODER)
    link = people.link_for("Ana")
    _, caller = people.redeem(link)
    assert caller.person.name == "Ana"
    for used in (link, "guessed"):
        with pytest.raises(SignInError):
            people.redeem(used)
    late = people.link_for("Ana")
    clock.forward(minutes=61)
    with pytest.raises(SignInError):
        people.redeem(late)


def test_a_token_acts_within_its_scopes(people: People, clock: Clock) -> None:
    """A token is whose it is for, with its scopes, until it expires or is revoked."""
    people.add("Ana", Role.CODER)
    secret, shown = people.add_token("Ana", "nightly", ["read", "import", "read"], timedelta(days=1))
    caller = people.token_of(secret)
    assert caller is not None
    assert (caller.person.name, caller.scopes, caller.by_session) == (
        "Ana",
        frozenset({"read", "import"}),
        False,
    )
    assert people.tokens() == [shown]
    assert secret.startswith(shown.id)
    assert len(secret) > len(shown.id) + 40
    assert people.token_of(secret + "x") is None
    assert people.token_of(shown.id) is None
    clock.forward(days=1)
    assert people.token_of(secret) is None

    other, shown = people.add_token("Ana", "", ["read"])
    people.revoke(shown.id)
    people.revoke(shown.id)
    assert people.token_of(other) is None
    assert people.tokens()[0].revoked_at == clock.moment
    with pytest.raises(NotFound):
        people.revoke("ca_00000000")
    with pytest.raises(NotFound):
        people.add_token("Nobody", "", ["read"])


# --- a provider, with keys made here ---------------------------------------------------------------

ISSUER, AUDIENCE = "https://login.example.org/realm", "coder-assist"
ROLES = {"coding-lead": Role.LEAD, "coding": Role.CODER}
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def claims(**changes: Any) -> dict[str, Any]:
    moment = int(time.time())
    valid = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "u-17",
        "iat": moment,
        "exp": moment + 300,
        "preferred_username": "Ana",
        "realm_access": {"roles": ["offline", "coding"]},
    } | changes
    return {name: value for name, value in valid.items() if value is not None}


def signed(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "one", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    one = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "one", "alg": "RS256"}
    two = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key())) | {"kid": "two", "alg": "ES256"}
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [one, two]}))
    return Provider(ISSUER, AUDIENCE, str(path), ROLES, role_claim="realm_access.roles")


def test_a_signed_identity_is_believed(provider: Provider) -> None:
    """A token signed by a key of the set gives subject, name and role."""
    expected = Identity(f"{ISSUER}|u-17", "Ana", Role.CODER)
    assert provider.identity(signed()) == expected
    assert provider.identity(signed(EC, "ES256", "two")) == expected
    both = provider.identity(signed(realm_access={"roles": ["coding", "coding-lead"]}))
    assert both.role is Role.LEAD


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("another key", {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}),
    ("another key's name", {"kid": "two"}),
    ("an unknown key", {"kid": "three"}),
    ("no key's name", {"kid": None}),
    ("expired", {"exp": int(time.time()) - 60}),
    ("not yet", {"nbf": int(time.time()) + 86_400}),  # made when tests are collected, which may be long ago
    ("no end", {"exp": None}),
    ("no subject", {"sub": None}),
    ("another audience", {"aud": "payroll"}),
    ("no audience", {"aud": None}),
    ("another issuer", {"iss": "https://evil.example.org"}),
    ("no role", {"realm_access": {"roles": ["offline"]}}),
    ("roles of another shape", {"realm_access": "coding"}),
    ("no roles at all", {"realm_access": None}),
]


@pytest.mark.parametrize("wrong", [case[1] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_proves_nothing_is_refused(provider: Provider, wrong: dict[str, Any]) -> None:
    """Wrong keys, times, audiences, issuers and missing claims let nobody in."""
    with pytest.raises(SignInError):
        provider.identity(signed(**wrong))


def test_unsigned_and_shared_secret_tokens_are_refused(provider: Provider, tmp_path: Path) -> None:
    """ "alg": "none", and a signature by HMAC with the public key as its secret, prove nothing."""
    unsigned = jwt.encode(claims(), None, algorithm="none", headers={"kid": "one"})
    known = json.loads((tmp_path / "jwks.json").read_text())["keys"][0]["n"]
    shared = jwt.encode(claims(), known, algorithm="HS256", headers={"kid": "one"})
    for token in (unsigned, shared, "", "a.b.c", "a.b", signed()[:-4], "é.é.é"):
        with pytest.raises(SignInError):
            provider.identity(token)


def test_a_key_set_must_be_one(tmp_path: Path) -> None:
    """A file that is no key set is refused at the start, by its path."""
    path = tmp_path / "jwks.json"
    for content in ("", "{}", '{"keys": []}', "[]"):
        path.write_text(content)
        with pytest.raises(SettingsError, match=r"jwks\.json"):
            Provider(ISSUER, AUDIENCE, str(path), ROLES)
    with pytest.raises(SettingsError, match="none"):
        Provider(ISSUER, AUDIENCE, str(tmp_path / "none"), ROLES)


def test_an_identity_gets_an_account(people: People, database: Database) -> None:
    """The first request makes the account, later ones keep its role as the provider says."""
    first = people.known_by(Identity("i|1", "Ana", Role.CODER))
    again = people.known_by(Identity("i|1", "Ana", Role.CODER))
    assert first == again
    assert first is not None
    assert first.person.oidc
    promoted = people.known_by(Identity("i|1", "Ana", Role.LEAD))
    assert promoted is not None
    assert (promoted.person.id, promoted.person.role) == (first.person.id, Role.LEAD)
    assert actions(database) == ["user.add", "user.change"]
    people.change(first.person.id, active=False)
    assert people.known_by(Identity("i|1", "Ana", Role.ADMIN)) is None


def test_an_identity_never_takes_a_local_account(people: People) -> None:
    """A provider's name that is a local account's becomes another account."""
    ada = people.add("Ada", Role.ADMIN, PASSWORD)
    caller = people.known_by(Identity("i|2", "ada", Role.CODER))
    assert caller is not None
    assert caller.person.id != ada.id
    assert caller.person.name.startswith("ada-")
