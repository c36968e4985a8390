"""Settings, from the environment (prefix ``CODER_ASSIST_``) or given by hand.

Nothing is read at import time: whoever needs settings makes or receives a ``Settings``.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_cache_dir() -> Path:
    """Return the per-user directory for compiled code books; it can be deleted at any time."""
    return platformdirs.user_cache_path("coder-assist")


def default_data_dir() -> Path:
    """Return the per-user directory of the review's database; it must not be deleted."""
    return platformdirs.user_data_path("coder-assist")


class Settings(BaseSettings):
    """What a deployment may change. Every field has an environment variable ``CODER_ASSIST_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="CODER_ASSIST_", extra="ignore")

    cache_dir: Path = Field(default_factory=default_cache_dir, description="Where compiled books are kept.")
    editions_dir: Path | None = Field(
        default=None,
        description="Directory with further official ICD-10-CM releases, one sub-directory each.",
    )
    lexicon_dir: Path | None = Field(
        default=None,
        description="Directory with further synonyms.tsv, abbreviations.tsv or CDC index XML files (.xml, .xml.gz).",
    )
    pcs_file: Path | None = Field(
        default=None,
        description="CMS's ICD-10-PCS order file (icd10pcs_order_<year>.txt), instead of a packaged list.",
    )
    hcpcs_file: Path | None = Field(
        default=None,
        description="CMS's HCPCS Level II file (HCPC<year>_<month>_ANWEB.txt, or tab separated).",
    )
    cpt_file: Path | None = Field(
        default=None,
        description="A licensee's CPT file from the AMA: LONGULT.txt, MEDU.txt or SHORTU.txt.",
    )
    disabled_rules: tuple[str, ...] = Field(
        default=(), description="Coding rules that stay silent, by id; a JSON list in the environment."
    )
    mue_file: Path | None = Field(
        default=None, description="CMS's MUE table (units of a code a day), .csv or .txt; see docs/edits.md."
    )
    ncci_file: Path | None = Field(
        default=None,
        description="CMS's NCCI procedure-to-procedure edits: a .txt or .csv file, or a directory with all parts.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Where the review keeps its embedded database."
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host/name instead of the embedded SQLite database.",
    )
    pack: Path | None = Field(default=None, description="Model pack to use instead of the default one.")
    host: str = Field(default="127.0.0.1", description="Address the service listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the service listens on.")
    max_note_characters: int = Field(
        default=200_000, ge=1, description="Longest note accepted, in code points."
    )
    max_batch_notes: int = Field(default=64, ge=1, description="Most notes accepted by one batch request.")
    max_body_bytes: int = Field(default=8_000_000, ge=1024, description="Largest request body accepted.")
    workers: int = Field(default=2, ge=1, description="Threads that read notes for the service.")
    demo: bool | None = Field(
        default=None,
        description="Sample encounters, demo users and one-time sign-in links, for this machine only. "
        "If not set: where host is a loopback address and database_url is not set.",
    )
    open_suggest: bool | None = Field(
        default=None,
        description="Whether /v1/suggest and /v1/codes answer without sign-in. If not set: in the demo only.",
    )
    audit_key_file: Path | None = Field(
        default=None,
        description="Ed25519 key (PEM) that signs the audit log's head; must be set outside the demo.",
    )
    audit_head_file: Path | None = Field(
        default=None, description="Where the signed head is kept; audit.head in data_dir if not set."
    )
    session_idle_minutes: int = Field(
        default=15, ge=1, le=240, description="Minutes without a request after which a session ends."
    )
    session_hours: int = Field(
        default=12, ge=1, le=24, description="Hours after which a session ends anyway."
    )
    secure_cookies: bool | None = Field(
        default=None,
        description="Whether cookies travel by HTTPS alone. If not set: unless host is a loopback address.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names under which the service answers, a JSON list; any if empty (in the demo: localhost).",
    )
    requests_per_minute: int = Field(
        default=600, ge=1, description="How often a person, or a stranger's address, may ask on average."
    )
    queue_workers: int = Field(
        default=1, ge=0, le=16, description="Threads that compute suggestions ahead; 0 leaves it to others."
    )
    oidc_issuer: str | None = Field(
        default=None, description="OpenID Connect issuer whose bearer tokens are accepted."
    )
    oidc_audience: str = Field(default="coder-assist", description="The audience those tokens must name.")
    oidc_keys: str | None = Field(
        default=None, description="The issuer's JSON Web Key Set: a file, or an https URL to fetch it from."
    )
    oidc_role_claim: str = Field(
        default="roles", description="The claim that names roles; dots lead into objects."
    )
    oidc_roles: dict[str, str] = Field(
        default_factory=dict,
        description='What the claim\'s values are worth, the mightiest first: {"coding-lead": "lead"}.',
    )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_demo(self) -> bool:
        """Whether the service is a demo."""
        return self.demo if self.demo is not None else self.on_loopback and self.database_url is None

    @property
    def suggests_openly(self) -> bool:
        """Whether suggestions and code books need no sign-in."""
        return self.open_suggest if self.open_suggest is not None else self.is_demo

    @property
    def cookies_are_secure(self) -> bool:
        """Whether cookies travel by HTTPS alone."""
        return self.secure_cookies if self.secure_cookies is not None else not self.on_loopback

    @property
    def cookie_name(self) -> str:
        """The session cookie's name; the prefix makes browsers refuse one that another host set."""
        return "__Host-coder-assist" if self.cookies_are_secure else "coder-assist"

    @property
    def audit_head(self) -> Path:
        """Where the signed head of the audit log is kept."""
        return self.audit_head_file or self.data_dir / "audit.head"

    @property
    def audit_key(self) -> Path:
        """The audit log's signing key."""
        return self.audit_key_file or self.data_dir / "audit.key"
