"""Audits can be blinded: what the second reader coded, and how likely each encounter was to be drawn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from coder_assist.review.database import UtcDateTime

revision = "0002"
down_revision = "0001"

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of second codings, append-only like its neighbours, and the chances of samples."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    # In one statement on both: Alembic's way for SQLite would drop the table, which findings point at.
    op.execute(
        f"ALTER TABLE audit_items ADD COLUMN inclusion {'DOUBLE' if sqlite else 'DOUBLE PRECISION'} "
        "CONSTRAINT ck_audit_items_inclusion_in_unit "
        "CHECK (inclusion IS NULL OR (inclusion > 0 AND inclusion <= 1))"
    )
    op.create_table(
        "second_codings",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("audit_id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("codes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audit_id", "encounter_id"],
            ["audit_items.audit_id", "audit_items.encounter_id"],
            name="fk_second_codings_audit_id_encounter_id",
        ),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_second_codings_by"),
        sa.PrimaryKeyConstraint("id", name="pk_second_codings"),
        sa.UniqueConstraint("audit_id", "encounter_id", name="uq_second_codings_audit_id_encounter_id"),
    )
    if sqlite:
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER second_codings_refuse_{action.lower()} BEFORE {action} ON second_codings "
                "BEGIN SELECT RAISE(ABORT, 'second_codings is append-only'); END"
            )
    else:
        op.execute(
            "CREATE TRIGGER second_codings_refuse_change BEFORE UPDATE OR DELETE ON second_codings "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER second_codings_refuse_truncate BEFORE TRUNCATE ON second_codings "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
