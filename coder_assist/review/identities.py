"""Who an OpenID Connect provider says that someone is: bearer tokens verified against its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from coder_assist.errors import SettingsError, SignInError
from coder_assist.review.states import Role

LONGEST_NAME = 100

# Only signatures by a private key: with a shared secret whoever can verify can also forge.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says that someone is, and what that is worth here."""

    subject: str
    name: str
    role: Role


class Provider:
    """Verifies an OpenID Connect provider's bearer tokens against its key set (JWKS).

    ``keys`` is the path of a JWKS file, or the URL of one, which is fetched when an unknown key comes and kept
    for an hour. ``roles`` maps values of the claim ``role_claim`` to roles; of several the mightiest counts, in
    the order of ``roles``.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: str,
        roles: Mapping[str, Role],
        role_claim: str = "roles",
        name_claim: str = "preferred_username",
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._roles = roles
        self._role_claim = role_claim
        self._name_claim = name_claim
        self._remote: jwt.PyJWKClient | None = None
        self._keys: list[jwt.PyJWK] = []
        if keys.startswith("https://"):
            self._remote = jwt.PyJWKClient(keys, lifespan=3600, timeout=5)
        else:
            self._keys = _key_set(Path(keys))

    def identity(self, token: str) -> Identity:
        """Return who a bearer token is. Raises ``SignInError`` if it proves nothing, or gives no role here."""
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=list(_ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=30,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError):
            raise SignInError("the token is not valid here, or no longer") from None
        role = self._role_in(claims)
        if role is None:
            raise SignInError(f"the token's claim {self._role_claim!r} names no role of this service")
        name = str(claims.get(self._name_claim) or claims.get("email") or claims["sub"])
        name = "".join(character for character in name if character.isprintable()).strip()[:LONGEST_NAME]
        return Identity(f"{self._issuer}|{claims['sub']}", name or "unnamed", role)

    def _key_of(self, token: str) -> jwt.PyJWK:
        if self._remote is not None:
            return self._remote.get_signing_key_from_jwt(token)
        wanted = jwt.get_unverified_header(token).get("kid")
        for key in self._keys:
            if key.key_id == wanted or (wanted is None and len(self._keys) == 1):
                return key
        raise jwt.InvalidKeyError

    def _role_in(self, claims: Mapping[str, Any]) -> Role | None:
        value: Any = claims
        for step in self._role_claim.split("."):  # Keycloak has realm_access.roles
            value = value.get(step) if isinstance(value, Mapping) else None
        held = {value} if isinstance(value, str) else set(value) if isinstance(value, list) else set()
        return next((role for claimed, role in self._roles.items() if claimed in held), None)


def _key_set(path: Path) -> list[jwt.PyJWK]:
    try:
        return jwt.PyJWKSet.from_json(path.read_text(encoding="utf-8")).keys
    except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:
        raise SettingsError(
            f"{path}: expected a JSON Web Key Set, or the https URL of one ({type(error).__name__})"
        ) from None
