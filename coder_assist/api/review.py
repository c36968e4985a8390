"""The review behind the service: database, store, people and audit head, opened by the settings and checked.

Outside a demo on this machine nothing starts with a secret that is missing, made up or readable by others.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from coder_assist.errors import SettingsError
from coder_assist.review.audit_log import HeadFile, create_key, signing_key
from coder_assist.review.database import Database
from coder_assist.review.demo import is_furnished
from coder_assist.review.identities import Provider
from coder_assist.review.people import People
from coder_assist.review.states import Role
from coder_assist.review.store import Store
from coder_assist.settings import Settings

logger = logging.getLogger("coder_assist.api")


def check_settings(settings: Settings) -> None:
    """See that the settings may be served. Raises ``SettingsError``, which says what to set."""
    if settings.is_demo:
        if not settings.on_loopback:
            raise SettingsError(
                f"a demo answers on this machine only, not on {settings.host}; set CODER_ASSIST_DEMO=false and "
                "CODER_ASSIST_AUDIT_KEY_FILE (make a key with: coder-assist audit key FILE)"
            )
        if settings.database_url is not None:
            raise SettingsError(
                "a demo keeps its own database; unset CODER_ASSIST_DATABASE_URL or CODER_ASSIST_DEMO"
            )
    elif settings.audit_key_file is None:
        raise SettingsError(
            "CODER_ASSIST_AUDIT_KEY_FILE must name the key that signs the audit log; "
            "make one with: coder-assist audit key FILE"
        )
    if settings.oidc_issuer is not None:
        if settings.oidc_keys is None or not settings.oidc_roles:
            raise SettingsError(
                "CODER_ASSIST_OIDC_ISSUER needs CODER_ASSIST_OIDC_KEYS and CODER_ASSIST_OIDC_ROLES"
            )
        if settings.oidc_keys.startswith("http://"):
            raise SettingsError("CODER_ASSIST_OIDC_KEYS must be a file or an https URL; http can be forged")
        _roles(settings)


def _roles(settings: Settings) -> dict[str, Role]:
    try:
        return {claimed: Role(role) for claimed, role in settings.oidc_roles.items()}
    except ValueError:
        raise SettingsError(
            f"CODER_ASSIST_OIDC_ROLES must map claim values to roles ({', '.join(Role)})"
        ) from None


@dataclass(frozen=True, slots=True)
class Review:
    """What the operations on encounters, people and audits work with."""

    database: Database
    store: Store
    people: People
    provider: Provider | None
    head: HeadFile

    @classmethod
    def open(cls, settings: Settings) -> Review:
        """Open everything. Raises ``SettingsError`` or ``SchemaError``."""
        check_settings(settings)
        if settings.is_demo and not settings.audit_key.exists():
            create_key(settings.audit_key)
        head = HeadFile(settings.audit_head, signing_key(settings.audit_key))
        provider = None
        if settings.oidc_issuer is not None and settings.oidc_keys is not None:
            provider = Provider(
                settings.oidc_issuer,
                settings.oidc_audience,
                settings.oidc_keys,
                _roles(settings),
                settings.oidc_role_claim,
            )
        database = Database.open(settings)
        people = People(
            database,
            idle=timedelta(minutes=settings.session_idle_minutes),
            longest=timedelta(hours=settings.session_hours),
        )
        if not settings.is_demo and is_furnished(people):
            database.close()
            raise SettingsError(
                "this is a demo's database, with accounts that anybody at this machine may use; "
                "set CODER_ASSIST_DATA_DIR to another directory"
            )
        review = cls(database, Store(database), people, provider, head)
        database.on_audited = review.sign
        review.sign()
        return review

    def sign(self) -> None:
        """Sign the newest audit event. What was committed stays so if that fails; the log says it."""
        try:
            self.head.advance(self.database.engine)
        except Exception as error:
            logger.error("the audit log's head was not signed: %s", type(error).__name__)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
