"""A decision about a diagnosis says whether it was present on admission."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the indicator, of coded diagnoses only; earlier decisions have none."""
    # In one statement on both: Alembic's way for SQLite would copy the table, which is append-only.
    op.execute(
        "ALTER TABLE decisions ADD COLUMN present_on_admission VARCHAR(32) "
        "CONSTRAINT ck_decisions_present_on_admission_known "
        "CHECK (present_on_admission IN ('Y', 'N', 'U', 'W', '1')) "
        "CONSTRAINT ck_decisions_on_admission_is_a_diagnosis "
        "CHECK (present_on_admission IS NULL OR (system = 'ICD-10-CM' AND verdict IN ('accept', 'add', 'replace')))"
    )
