"""The first schema: encounters, notes, runs, decisions, people, audits and the audit chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from coder_assist.review.database import UtcDateTime

revision = "0001"
down_revision = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)
APPEND_ONLY = (
    "notes",
    "suggestions",
    "decisions",
    "carried",
    "code_orders",
    "submissions",
    "comments",
    "audit_events",
    "promotions",
)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _yes_or_no(name: str) -> sa.Boolean:
    return sa.Boolean(create_constraint=True, name=name)


def upgrade() -> None:
    """Make all tables, and the triggers that keep what was said."""
    op.create_table(
        "audit_events",
        sa.Column("sequence", ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=250), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("sequence >= 1", name="ck_audit_events_sequence_counts_from_1"),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_events"),
        sa.UniqueConstraint("hash", name="uq_audit_events_hash"),
        sa.UniqueConstraint("previous_hash", name="uq_audit_events_previous_hash"),
    )
    op.create_index("ix_audit_events_subject_sequence", "audit_events", ["subject", "sequence"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_audit_head_only_one"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("answer", JSON, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_at", "idempotency_keys", ["at"], unique=False)
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_attempts"),
    )
    op.create_index("ix_sign_in_attempts_key_at", "sign_in_attempts", ["key", "at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "role",
            _one_of("role_known", "coder", "lead", "auditor", "data_scientist", "admin"),
            nullable=False,
        ),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.String(length=500), nullable=True),
        sa.Column("active", _yes_or_no("active_is_boolean"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(name) > 0", name="ck_users_name_not_empty"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.UniqueConstraint("oidc_subject", name="uq_users_oidc_subject"),
    )
    op.create_table(
        "audits",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("kind", _one_of("kind_known", "random", "stratified", "risk"), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("filters", JSON, nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("size >= 1", name="ck_audits_size_from_1"),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_audits_by"),
        sa.PrimaryKeyConstraint("id", name="pk_audits"),
    )
    op.create_table(
        "encounters",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column(
            "state",
            _one_of(
                "state_known", "new", "in_review", "on_hold", "submitted", "audited", "returned", "accepted"
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("setting", _one_of("setting_known", "outpatient", "inpatient"), nullable=False),
        sa.Column("claim", _one_of("claim_known", "professional", "facility"), nullable=True),
        sa.Column("specialty", sa.String(length=200), nullable=True),
        sa.Column("sex", _one_of("sex_known", "female", "male", "unknown"), nullable=False),
        sa.Column("age", sa.Double(), nullable=True),
        sa.Column("service_date", sa.Date(), nullable=True),
        sa.Column("patient_id", sa.String(length=200), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("notes_digest", sa.String(length=64), nullable=False),
        sa.Column("assigned_to", sa.String(length=64), nullable=True),
        sa.Column("undecided", sa.Integer(), nullable=False),
        sa.Column("decided", sa.Integer(), nullable=False),
        sa.Column("waiting_since", UtcDateTime(), nullable=False),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state <> 'new' OR assigned_to IS NULL", name="ck_encounters_new_is_nobodys"),
        sa.CheckConstraint(
            "state IN ('new', 'accepted') OR assigned_to IS NOT NULL", name="ck_encounters_begun_is_somebodys"
        ),
        sa.CheckConstraint("age IS NULL OR (age >= 0 AND age <= 130)", name="ck_encounters_age_in_years"),
        sa.CheckConstraint("undecided >= 0 AND decided >= 0", name="ck_encounters_counts_not_negative"),
        sa.CheckConstraint("version >= 1", name="ck_encounters_version_counts_from_1"),
        sa.ForeignKeyConstraint(["assigned_to"], ["users.id"], name="fk_encounters_assigned_to"),
        sa.PrimaryKeyConstraint("id", name="pk_encounters"),
        sa.UniqueConstraint("content_hash", name="uq_encounters_content_hash"),
    )
    op.create_index("ix_encounters_assigned_to_state", "encounters", ["assigned_to", "state"], unique=False)
    op.create_index("ix_encounters_imported_at_id", "encounters", ["imported_at", "id"], unique=False)
    op.create_index(
        "ix_encounters_state_waiting_since_id", "encounters", ["state", "waiting_since", "id"], unique=False
    )
    op.create_table(
        "one_time_links",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_one_time_links_user_id"),
        sa.PrimaryKeyConstraint("hash", name="pk_one_time_links"),
    )
    op.create_table(
        "promotions",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("pack", sa.String(length=200), nullable=False),
        sa.Column("previous", sa.String(length=200), nullable=True),
        sa.Column("metrics", JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_promotions_by"),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("csrf", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tokens_user_id"),
        sa.PrimaryKeyConstraint("hash", name="pk_tokens"),
        sa.UniqueConstraint("prefix", name="uq_tokens_prefix"),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"], unique=False)
    op.create_table(
        "code_orders",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("codes", JSON, nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_code_orders_by"),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_code_orders_encounter_id"),
        sa.PrimaryKeyConstraint("id", name="pk_code_orders"),
        sa.UniqueConstraint("encounter_id", "version", name="uq_code_orders_encounter_id_version"),
    )
    op.create_table(
        "comments",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_comments_by"),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_comments_encounter_id"),
        sa.PrimaryKeyConstraint("id", name="pk_comments"),
    )
    op.create_index("ix_comments_encounter_id", "comments", ["encounter_id"], unique=False)
    op.create_table(
        "holds",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("finding", sa.String(length=200), nullable=True),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("released_by", sa.String(length=64), nullable=True),
        sa.Column("released_at", UtcDateTime(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(released_at IS NULL) = (released_by IS NULL)", name="ck_holds_released_by_somebody"
        ),
        sa.CheckConstraint("answer IS NULL OR released_at IS NOT NULL", name="ck_holds_answer_releases"),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_holds_by"),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_holds_encounter_id"),
        sa.ForeignKeyConstraint(["released_by"], ["users.id"], name="fk_holds_released_by"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_encounter_id", "holds", ["encounter_id"], unique=False)
    op.create_index(
        "uq_holds_open",
        "holds",
        ["encounter_id"],
        unique=True,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "notes",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("note_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(text) > 0", name="ck_notes_text_not_empty"),
        sa.CheckConstraint("version >= 1", name="ck_notes_version_counts_from_1"),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_notes_encounter_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.UniqueConstraint(
            "encounter_id", "note_id", "version", name="uq_notes_encounter_id_note_id_version"
        ),
    )
    op.create_table(
        "runs",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("notes_digest", sa.String(length=64), nullable=False),
        sa.Column("note_versions", JSON, nullable=False),
        sa.Column("pack", sa.String(length=200), nullable=False),
        sa.Column("state", _one_of("state_known", "queued", "running", "done", "failed"), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=200), nullable=True),
        sa.Column("claimed_until", UtcDateTime(), nullable=True),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("record", sa.LargeBinary(), nullable=True),
        sa.Column("record_hash", sa.String(length=64), nullable=True),
        sa.Column("code_books", JSON, nullable=True),
        sa.Column("lexicon", sa.String(length=200), nullable=True),
        sa.Column("rules", sa.String(length=200), nullable=True),
        sa.Column("software", sa.String(length=200), nullable=True),
        sa.CheckConstraint("(state = 'done') = (record IS NOT NULL)", name="ck_runs_done_has_its_record"),
        sa.CheckConstraint(
            "(state = 'running') = (claimed_until IS NOT NULL)", name="ck_runs_running_is_claimed"
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="ck_runs_finished_once"
        ),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_runs_encounter_id"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("encounter_id", "id", name="uq_runs_encounter_id_id"),
        sa.UniqueConstraint(
            "encounter_id", "notes_digest", "pack", name="uq_runs_encounter_id_notes_digest_pack"
        ),
    )
    op.create_index("ix_runs_state_priority_id", "runs", ["state", "priority", "id"], unique=False)
    op.create_table(
        "submissions",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("codes", JSON, nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_submissions_by"),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_submissions_encounter_id"),
        sa.PrimaryKeyConstraint("id", name="pk_submissions"),
        sa.UniqueConstraint("encounter_id", "id", name="uq_submissions_encounter_id_id"),
    )
    op.create_index("ix_submissions_by_at", "submissions", ["by", "at"], unique=False)
    op.create_table(
        "audit_items",
        sa.Column("audit_id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("submission_id", ROW_NUMBER, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("finished_by", sa.String(length=64), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('returned', 'accepted')", name="ck_audit_items_outcome_known"
        ),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (finished_by IS NULL)", name="ck_audit_items_finished_by_somebody"
        ),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (outcome IS NULL)", name="ck_audit_items_finished_has_outcome"
        ),
        sa.ForeignKeyConstraint(["audit_id"], ["audits.id"], name="fk_audit_items_audit_id"),
        sa.ForeignKeyConstraint(
            ["encounter_id", "submission_id"],
            ["submissions.encounter_id", "submissions.id"],
            name="fk_audit_items_encounter_id_submission_id",
        ),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_audit_items_encounter_id"),
        sa.ForeignKeyConstraint(["finished_by"], ["users.id"], name="fk_audit_items_finished_by"),
        sa.PrimaryKeyConstraint("audit_id", "encounter_id", name="pk_audit_items"),
    )
    op.create_index(
        "uq_audit_items_unfinished",
        "audit_items",
        ["encounter_id"],
        unique=True,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "suggestions",
        sa.Column("run_id", ROW_NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "system", _one_of("system_known", "ICD-10-CM", "ICD-10-PCS", "CPT", "HCPCS"), nullable=False
        ),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("selected", _yes_or_no("selected_is_boolean"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "probability >= 0 AND probability <= 1", name="ck_suggestions_probability_in_unit"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_suggestions_run_id"),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_suggestions"),
        sa.UniqueConstraint("run_id", "system", "code", name="uq_suggestions_run_id_system_code"),
    )
    op.create_table(
        "audit_findings",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("audit_id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "system", _one_of("system_known", "ICD-10-CM", "ICD-10-PCS", "CPT", "HCPCS"), nullable=False
        ),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("verdict", _one_of("verdict_known", "agree", "overturn"), nullable=False),
        sa.Column(
            "correct_system",
            _one_of("correct_system_known", "ICD-10-CM", "ICD-10-PCS", "CPT", "HCPCS"),
            nullable=True,
        ),
        sa.Column("correct_code", sa.String(length=16), nullable=True),
        sa.Column(
            "error",
            _one_of(
                "error_known",
                "missed",
                "unsupported",
                "wrong_specificity",
                "sequencing",
                "laterality",
                "modifier",
            ),
            nullable=True,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", _one_of("state_known", "open", "rebutted", "final"), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("rebuttal", sa.Text(), nullable=True),
        sa.Column("rebutted_by", sa.String(length=64), nullable=True),
        sa.Column("rebutted_at", UtcDateTime(), nullable=True),
        sa.Column("final_verdict", _one_of("final_verdict_known", "agree", "overturn"), nullable=True),
        sa.Column("final_reason", sa.Text(), nullable=True),
        sa.Column("final_by", sa.String(length=64), nullable=True),
        sa.Column("final_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'final') = (final_verdict IS NOT NULL)", name="ck_audit_findings_final_has_verdict"
        ),
        sa.CheckConstraint(
            "(verdict = 'overturn') = (error IS NOT NULL)", name="ck_audit_findings_overturn_names_error"
        ),
        sa.CheckConstraint(
            "state <> 'open' OR rebuttal IS NULL", name="ck_audit_findings_open_has_no_rebuttal"
        ),
        sa.CheckConstraint(
            "state <> 'rebutted' OR rebuttal IS NOT NULL", name="ck_audit_findings_rebutted_has_rebuttal"
        ),
        sa.CheckConstraint(
            "verdict <> 'overturn' OR length(reason) > 0", name="ck_audit_findings_overturn_has_reason"
        ),
        sa.CheckConstraint(
            "(correct_code IS NULL) = (correct_system IS NULL)", name="ck_audit_findings_correct_is_whole"
        ),
        sa.CheckConstraint(
            "(final_verdict IS NULL) = (final_by IS NULL)", name="ck_audit_findings_final_by_somebody"
        ),
        sa.CheckConstraint(
            "(rebuttal IS NULL) = (rebutted_by IS NULL)", name="ck_audit_findings_rebutted_by_somebody"
        ),
        sa.ForeignKeyConstraint(
            ["audit_id", "encounter_id"],
            ["audit_items.audit_id", "audit_items.encounter_id"],
            name="fk_audit_findings_audit_id_encounter_id",
        ),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name="fk_audit_findings_by"),
        sa.ForeignKeyConstraint(["final_by"], ["users.id"], name="fk_audit_findings_final_by"),
        sa.ForeignKeyConstraint(["rebutted_by"], ["users.id"], name="fk_audit_findings_rebutted_by"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_findings"),
        sa.UniqueConstraint(
            "audit_id", "encounter_id", "number", name="uq_audit_findings_audit_id_encounter_id_number"
        ),
        sa.UniqueConstraint(
            "audit_id",
            "encounter_id",
            "system",
            "code",
            name="uq_audit_findings_audit_id_encounter_id_system_code",
        ),
    )
    op.create_table(
        "decisions",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("encounter_id", sa.String(length=200), nullable=False),
        sa.Column("run_id", ROW_NUMBER, nullable=True),
        sa.Column("suggestion", sa.Integer(), nullable=True),
        sa.Column(
            "subject_system",
            _one_of("subject_system_known", "ICD-10-CM", "ICD-10-PCS", "CPT", "HCPCS"),
            nullable=False,
        ),
        sa.Column("subject_code", sa.String(length=16), nullable=False),
        sa.Column(
            "verdict",
            _one_of("verdict_known", "accept", "reject", "replace", "add", "defer", "undo"),
            nullable=False,
        ),
        sa.Column(
            "system", _one_of("system_known", "ICD-10-CM", "ICD-10-PCS", "CPT", "HCPCS"), nullable=False
        ),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column(
            "replaces_system",
            _one_of("replaces_system_known", "ICD-10-CM", "ICD-10-PCS", "CPT", "HCPCS"),
            nullable=True,
        ),
        sa.Column("replaces_code", sa.String(length=16), nullable=True),
        sa.Column("modifiers", JSON, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("via", _one_of("via_known", "single", "bulk", "alternative", "search"), nullable=False),
        sa.Column("reviewer", sa.String(length=64), nullable=False),
        sa.Column("shown_at", UtcDateTime(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("supersedes", ROW_NUMBER, nullable=True),
        sa.Column("undoes", ROW_NUMBER, nullable=True),
        sa.CheckConstraint(
            "(verdict = 'replace') = (replaces_code IS NOT NULL)", name="ck_decisions_replace_names_what"
        ),
        sa.CheckConstraint("(verdict = 'undo') = (undoes IS NOT NULL)", name="ck_decisions_undo_names_what"),
        sa.CheckConstraint(
            "verdict <> 'accept' OR suggestion IS NOT NULL", name="ck_decisions_accept_needs_suggestion"
        ),
        sa.CheckConstraint(
            "verdict <> 'reject' OR reason IN ('not_supported', 'wrong_code', 'not_reportable', 'integral', 'duplicate', 'other')",
            name="ck_decisions_reject_has_reason",
        ),
        sa.CheckConstraint(
            "(replaces_code IS NULL) = (replaces_system IS NULL)", name="ck_decisions_replaced_is_whole"
        ),
        sa.CheckConstraint(
            "replaces_code IS NULL OR replaces_code <> code OR replaces_system <> system",
            name="ck_decisions_replaced_by_another",
        ),
        sa.CheckConstraint(
            "suggestion IS NULL OR run_id IS NOT NULL", name="ck_decisions_suggestion_is_of_a_run"
        ),
        sa.CheckConstraint(
            "supersedes IS NULL OR supersedes < id", name="ck_decisions_supersedes_an_earlier_one"
        ),
        sa.CheckConstraint("undoes IS NULL OR supersedes IS NOT NULL", name="ck_decisions_undo_supersedes"),
        sa.CheckConstraint("units >= 1", name="ck_decisions_units_from_1"),
        sa.ForeignKeyConstraint(
            ["encounter_id", "run_id"],
            ["runs.encounter_id", "runs.id"],
            name="fk_decisions_encounter_id_run_id",
        ),
        sa.ForeignKeyConstraint(
            ["encounter_id", "subject_system", "subject_code", "supersedes"],
            ["decisions.encounter_id", "decisions.subject_system", "decisions.subject_code", "decisions.id"],
            name="fk_decisions_supersedes",
        ),
        sa.ForeignKeyConstraint(
            ["encounter_id", "subject_system", "subject_code", "undoes"],
            ["decisions.encounter_id", "decisions.subject_system", "decisions.subject_code", "decisions.id"],
            name="fk_decisions_undoes",
        ),
        sa.ForeignKeyConstraint(["encounter_id"], ["encounters.id"], name="fk_decisions_encounter_id"),
        sa.ForeignKeyConstraint(["reviewer"], ["users.id"], name="fk_decisions_reviewer"),
        sa.ForeignKeyConstraint(
            ["run_id", "suggestion"],
            ["suggestions.run_id", "suggestions.number"],
            name="fk_decisions_run_id_suggestion",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.UniqueConstraint("encounter_id", "subject_system", "subject_code", "id", name="uq_decisions_line"),
        sa.UniqueConstraint("supersedes", name="uq_decisions_supersedes"),
        sa.UniqueConstraint("undoes", name="uq_decisions_undoes"),
    )
    op.create_index("ix_decisions_reviewer_at", "decisions", ["reviewer", "at"], unique=False)
    op.create_index(
        "uq_decisions_first_of_subject",
        "decisions",
        ["encounter_id", "subject_system", "subject_code"],
        unique=True,
        sqlite_where=sa.text("supersedes IS NULL"),
        postgresql_where=sa.text("supersedes IS NULL"),
    )
    op.create_table(
        "carried",
        sa.Column("decision_id", ROW_NUMBER, nullable=False),
        sa.Column("note", ROW_NUMBER, nullable=False),
        sa.Column("stale", _yes_or_no("stale_is_boolean"), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name="fk_carried_decision_id"),
        sa.ForeignKeyConstraint(["note"], ["notes.id"], name="fk_carried_note"),
        sa.PrimaryKeyConstraint("decision_id", "note", name="pk_carried"),
    )

    op.execute(
        sa.text("INSERT INTO audit_head (id, sequence, hash) VALUES (1, 0, :zero)").bindparams(zero="0" * 64)
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    for table in APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
