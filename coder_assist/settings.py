"""Settings, from the environment (prefix ``CODER_ASSIST_``) or given by hand.

Nothing is read at import time: whoever needs settings makes or receives a ``Settings``.
"""

from __future__ import annotations

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
