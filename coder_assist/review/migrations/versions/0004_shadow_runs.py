"""A challenger's runs in shadow: kept beside the runs that people see, and never shown on a desk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from coder_assist.review.database import UtcDateTime

revision = "0004"
down_revision = "0003"

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of shadow runs, append-only like its neighbours."""
    op.create_table(
        "shadow_runs",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("run_id", ROW_NUMBER, nullable=False),
        sa.Column("pack", sa.String(length=200), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("record_hash", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_shadow_runs_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_shadow_runs"),
        sa.UniqueConstraint("run_id", "pack", name="uq_shadow_runs_run_id_pack"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER shadow_runs_refuse_{action.lower()} BEFORE {action} ON shadow_runs "
                "BEGIN SELECT RAISE(ABORT, 'shadow_runs is append-only'); END"
            )
    else:
        op.execute(
            "CREATE TRIGGER shadow_runs_refuse_change BEFORE UPDATE OR DELETE ON shadow_runs "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER shadow_runs_refuse_truncate BEFORE TRUNCATE ON shadow_runs "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
