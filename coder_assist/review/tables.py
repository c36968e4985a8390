"""All tables of the review, and what the database itself forbids.

What was said stays said: ``APPEND_ONLY`` tables refuse UPDATE and DELETE by triggers. A decision supersedes
at most one other of the same encounter and is superseded by at most one, so that the decisions about one
code are a line, never a fork: the second of two writers fails instead of hiding the first one's work.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from coder_assist.review.columns import Json, RowNumber, Table, one_of, yes_or_no
from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    RejectReason,
    Role,
    RunState,
    SampleKind,
)
from coder_assist.types import Claim, PresentOnAdmission, Setting, Sex, System, Verdict, Via


def _quoted(choices: type[StrEnum]) -> str:
    return ", ".join(f"'{choice.value}'" for choice in choices)


# --- people -------------------------------------------------------------------------------------------


class UserRow(Table):
    """A person. Nobody is deleted, for decisions name them; who left is inactive."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("length(name) > 0", name="name_not_empty"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[Role] = mapped_column(one_of(Role, "role"))
    password_hash: Mapped[str | None] = mapped_column(Text)
    oidc_subject: Mapped[str | None] = mapped_column(String(500), unique=True)
    active: Mapped[bool] = mapped_column(yes_or_no("active"), default=True)
    created_at: Mapped[datetime]


class SessionRow(Table):
    """A signed-in browser; ``id`` is the hash of what its cookie holds."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    csrf: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class TokenRow(Table):
    """A token for programs; the token itself is not kept, only its hash and how it begins."""

    __tablename__ = "tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(default="")
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    scopes: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class OneTimeLinkRow(Table):
    """A link that signs somebody in once."""

    __tablename__ = "one_time_links"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttemptRow(Table):
    """A failed sign-in, counted to slow down those who guess. ``key`` is a name or an address, hashed."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index(None, "key", "at"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


# --- encounters, notes and their readings --------------------------------------------------------------


class EncounterRow(Table):
    """An encounter and where it is. ``version`` counts every accepted change."""

    __tablename__ = "encounters"
    __table_args__ = (
        CheckConstraint("version >= 1", name="version_counts_from_1"),
        CheckConstraint("state <> 'new' OR assigned_to IS NULL", name="new_is_nobodys"),
        CheckConstraint("state IN ('new', 'accepted') OR assigned_to IS NOT NULL", name="begun_is_somebodys"),
        CheckConstraint("age IS NULL OR (age >= 0 AND age <= 130)", name="age_in_years"),
        CheckConstraint("undecided >= 0 AND decided >= 0", name="counts_not_negative"),
        Index(None, "state", "waiting_since", "id"),
        Index(None, "assigned_to", "state"),
        Index(None, "imported_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[EncounterState] = mapped_column(one_of(EncounterState, "state"))
    version: Mapped[int] = mapped_column(Integer, default=1)
    setting: Mapped[Setting] = mapped_column(one_of(Setting, "setting"))
    claim: Mapped[Claim | None] = mapped_column(one_of(Claim, "claim"))
    specialty: Mapped[str | None]
    sex: Mapped[Sex] = mapped_column(one_of(Sex, "sex"))
    age: Mapped[float | None]
    service_date: Mapped[date | None]
    patient_id: Mapped[str | None]
    title: Mapped[str] = mapped_column(default="")
    priority: Mapped[int] = mapped_column(Integer, default=0)
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    notes_digest: Mapped[str] = mapped_column(String(64))
    assigned_to: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    undecided: Mapped[int] = mapped_column(Integer, default=0)
    decided: Mapped[int] = mapped_column(Integer, default=0)
    waiting_since: Mapped[datetime]
    imported_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class NoteRow(Table):
    """One version of a note, as it came. An addendum is a further version."""

    __tablename__ = "notes"
    __table_args__ = (
        UniqueConstraint("encounter_id", "note_id", "version"),
        CheckConstraint("version >= 1", name="version_counts_from_1"),
        CheckConstraint("length(text) > 0", name="text_not_empty"),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"))
    note_id: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class RunRow(Table):
    """A reading of an encounter: first an item of the queue, then the answer as the bytes it was written in.

    There is one for each set of note versions and pack, so nothing is computed twice.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("encounter_id", "notes_digest", "pack"),
        UniqueConstraint("encounter_id", "id"),
        CheckConstraint("(state = 'done') = (record IS NOT NULL)", name="done_has_its_record"),
        CheckConstraint("(state = 'running') = (claimed_until IS NOT NULL)", name="running_is_claimed"),
        CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="finished_once"),
        Index(None, "state", "priority", "id"),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"))
    notes_digest: Mapped[str] = mapped_column(String(64))
    note_versions: Mapped[dict[str, int]] = mapped_column(Json)
    pack: Mapped[str]
    state: Mapped[RunState] = mapped_column(one_of(RunState, "state"))
    priority: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    queued_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    record: Mapped[bytes | None] = mapped_column(LargeBinary)
    record_hash: Mapped[str | None] = mapped_column(String(64))
    code_books: Mapped[dict[str, str] | None] = mapped_column(Json)
    lexicon: Mapped[str | None]
    rules: Mapped[str | None]
    software: Mapped[str | None]


class ShadowRunRow(Table):
    """What a challenger would have shown instead of a run, as bytes. It comes to no desk."""

    __tablename__ = "shadow_runs"
    __table_args__ = (UniqueConstraint("run_id", "pack"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    pack: Mapped[str]
    record: Mapped[bytes] = mapped_column(LargeBinary)
    record_hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class SuggestionRow(Table):
    """What a run proposed, without the note's words: what decisions point at and samples weigh."""

    __tablename__ = "suggestions"
    __table_args__ = (
        CheckConstraint("probability >= 0 AND probability <= 1", name="probability_in_unit"),
        UniqueConstraint("run_id", "system", "code"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    system: Mapped[System] = mapped_column(one_of(System, "system"))
    code: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    probability: Mapped[float]
    selected: Mapped[bool] = mapped_column(yes_or_no("selected"))
    sequence: Mapped[int | None] = mapped_column(Integer)


# --- decisions -----------------------------------------------------------------------------------------


# Decisions with these in common are about the same code of the same encounter: a line.
_LINE = ("encounter_id", "subject_system", "subject_code")


class DecisionRow(Table):
    """What a person decided about one code of an encounter. ``subject`` is the code it is about."""

    __tablename__ = "decisions"
    __table_args__ = (
        UniqueConstraint(*_LINE, "id", name="uq_decisions_line"),
        UniqueConstraint("supersedes"),
        UniqueConstraint("undoes"),
        ForeignKeyConstraint(["encounter_id", "run_id"], ["runs.encounter_id", "runs.id"]),
        ForeignKeyConstraint(["run_id", "suggestion"], ["suggestions.run_id", "suggestions.number"]),
        ForeignKeyConstraint(
            [*_LINE, "supersedes"],
            [f"decisions.{name}" for name in (*_LINE, "id")],
            name="fk_decisions_supersedes",
        ),
        ForeignKeyConstraint(
            [*_LINE, "undoes"], [f"decisions.{name}" for name in (*_LINE, "id")], name="fk_decisions_undoes"
        ),
        CheckConstraint("units >= 1", name="units_from_1"),
        CheckConstraint("supersedes IS NULL OR supersedes < id", name="supersedes_an_earlier_one"),
        CheckConstraint("(verdict = 'undo') = (undoes IS NOT NULL)", name="undo_names_what"),
        CheckConstraint("undoes IS NULL OR supersedes IS NOT NULL", name="undo_supersedes"),
        CheckConstraint("suggestion IS NULL OR run_id IS NOT NULL", name="suggestion_is_of_a_run"),
        CheckConstraint("verdict <> 'accept' OR suggestion IS NOT NULL", name="accept_needs_suggestion"),
        CheckConstraint("(verdict = 'replace') = (replaces_code IS NOT NULL)", name="replace_names_what"),
        CheckConstraint("(replaces_code IS NULL) = (replaces_system IS NULL)", name="replaced_is_whole"),
        CheckConstraint(
            "replaces_code IS NULL OR replaces_code <> code OR replaces_system <> system",
            name="replaced_by_another",
        ),
        CheckConstraint(
            f"verdict <> 'reject' OR reason IN ({_quoted(RejectReason)})", name="reject_has_reason"
        ),
        CheckConstraint(
            "present_on_admission IS NULL OR (system = 'ICD-10-CM' AND verdict IN ('accept', 'add', 'replace'))",
            name="on_admission_is_a_diagnosis",
        ),
        Index(
            "uq_decisions_first_of_subject",
            "encounter_id",
            "subject_system",
            "subject_code",
            unique=True,
            sqlite_where=text("supersedes IS NULL"),
            postgresql_where=text("supersedes IS NULL"),
        ),
        Index(None, "reviewer", "at"),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"))
    run_id: Mapped[int | None] = mapped_column(RowNumber)
    suggestion: Mapped[int | None] = mapped_column(Integer)
    subject_system: Mapped[System] = mapped_column(one_of(System, "subject_system"))
    subject_code: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[Verdict] = mapped_column(one_of(Verdict, "verdict"))
    system: Mapped[System] = mapped_column(one_of(System, "system"))
    code: Mapped[str] = mapped_column(String(16))
    replaces_system: Mapped[System | None] = mapped_column(one_of(System, "replaces_system"))
    replaces_code: Mapped[str | None] = mapped_column(String(16))
    modifiers: Mapped[list[str]] = mapped_column(Json)
    units: Mapped[int] = mapped_column(Integer, default=1)
    reason: Mapped[str] = mapped_column(String(500), default="")
    via: Mapped[Via] = mapped_column(one_of(Via, "via"))
    reviewer: Mapped[str] = mapped_column(ForeignKey("users.id"))
    shown_at: Mapped[datetime]
    at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer)
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    supersedes: Mapped[int | None] = mapped_column(RowNumber)
    undoes: Mapped[int | None] = mapped_column(RowNumber)
    present_on_admission: Mapped[PresentOnAdmission | None] = mapped_column(
        one_of(PresentOnAdmission, "present_on_admission")
    )


class CarriedRow(Table):
    """What became of a decision's evidence when a note got a new version."""

    __tablename__ = "carried"

    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"), primary_key=True)
    note: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    stale: Mapped[bool] = mapped_column(yes_or_no("stale"))
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(Json)


class CodeOrderRow(Table):
    """The order a person gave to the codes of an encounter; the newest one holds."""

    __tablename__ = "code_orders"
    __table_args__ = (UniqueConstraint("encounter_id", "version"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"))
    version: Mapped[int] = mapped_column(Integer)
    codes: Mapped[list[dict[str, str]]] = mapped_column(Json)
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class SubmissionRow(Table):
    """The codes as they stood when an encounter was submitted."""

    __tablename__ = "submissions"
    __table_args__ = (UniqueConstraint("encounter_id", "id"), Index(None, "by", "at"))

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"))
    version: Mapped[int] = mapped_column(Integer)
    codes: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class CommentRow(Table):
    """What people say to each other about an encounter."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class HoldRow(Table):
    """A query to the provider, for which an encounter waits. At most one of an encounter is open."""

    __tablename__ = "holds"
    __table_args__ = (
        CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="released_by_somebody"),
        CheckConstraint("answer IS NULL OR released_at IS NOT NULL", name="answer_releases"),
        Index(
            "uq_holds_open",
            "encounter_id",
            unique=True,
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"), index=True)
    query: Mapped[str] = mapped_column(Text)
    finding: Mapped[str | None]
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
    released_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    released_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(Text)


# --- audits ---------------------------------------------------------------------------------------------


class AuditRow(Table):
    """A sample of submitted encounters that somebody else reads again."""

    __tablename__ = "audits"
    __table_args__ = (CheckConstraint("size >= 1", name="size_from_1"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    kind: Mapped[SampleKind] = mapped_column(one_of(SampleKind, "kind"))
    size: Mapped[int] = mapped_column(Integer)
    seed: Mapped[int] = mapped_column(BigInteger)
    filters: Mapped[dict[str, Any]] = mapped_column(Json)
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class AuditItemRow(Table):
    """One encounter of an audit, as it was submitted. It is in at most one unfinished audit."""

    __tablename__ = "audit_items"
    __table_args__ = (
        ForeignKeyConstraint(
            ["encounter_id", "submission_id"], ["submissions.encounter_id", "submissions.id"]
        ),
        CheckConstraint("(finished_at IS NULL) = (finished_by IS NULL)", name="finished_by_somebody"),
        CheckConstraint("(finished_at IS NULL) = (outcome IS NULL)", name="finished_has_outcome"),
        CheckConstraint("outcome IS NULL OR outcome IN ('returned', 'accepted')", name="outcome_known"),
        CheckConstraint("inclusion IS NULL OR (inclusion > 0 AND inclusion <= 1)", name="inclusion_in_unit"),
        Index(
            "uq_audit_items_unfinished",
            "encounter_id",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id"), primary_key=True)
    encounter_id: Mapped[str] = mapped_column(ForeignKey("encounters.id"), primary_key=True)
    submission_id: Mapped[int] = mapped_column(RowNumber)
    position: Mapped[int] = mapped_column(Integer)
    inclusion: Mapped[float | None]
    finished_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(32))


class SecondCodingRow(Table):
    """What somebody else coded of an audited encounter before seeing its coder's codes, in their order."""

    __tablename__ = "second_codings"
    __table_args__ = (
        UniqueConstraint("audit_id", "encounter_id"),
        ForeignKeyConstraint(
            ["audit_id", "encounter_id"], ["audit_items.audit_id", "audit_items.encounter_id"]
        ),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    audit_id: Mapped[int] = mapped_column(RowNumber)
    encounter_id: Mapped[str]
    codes: Mapped[list[dict[str, str]]] = mapped_column(Json)
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class AuditFindingRow(Table):
    """What an auditor says of one code, what the coder answers, and what is final."""

    __tablename__ = "audit_findings"
    __table_args__ = (
        UniqueConstraint("audit_id", "encounter_id", "number"),
        UniqueConstraint("audit_id", "encounter_id", "system", "code"),
        ForeignKeyConstraint(
            ["audit_id", "encounter_id"], ["audit_items.audit_id", "audit_items.encounter_id"]
        ),
        CheckConstraint("(correct_code IS NULL) = (correct_system IS NULL)", name="correct_is_whole"),
        CheckConstraint("verdict <> 'overturn' OR length(reason) > 0", name="overturn_has_reason"),
        CheckConstraint("(verdict = 'overturn') = (error IS NOT NULL)", name="overturn_names_error"),
        CheckConstraint("state <> 'open' OR rebuttal IS NULL", name="open_has_no_rebuttal"),
        CheckConstraint("state <> 'rebutted' OR rebuttal IS NOT NULL", name="rebutted_has_rebuttal"),
        CheckConstraint("(state = 'final') = (final_verdict IS NOT NULL)", name="final_has_verdict"),
        CheckConstraint("(rebuttal IS NULL) = (rebutted_by IS NULL)", name="rebutted_by_somebody"),
        CheckConstraint("(final_verdict IS NULL) = (final_by IS NULL)", name="final_by_somebody"),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    audit_id: Mapped[int] = mapped_column(RowNumber)
    encounter_id: Mapped[str]
    number: Mapped[int] = mapped_column(Integer)
    system: Mapped[System] = mapped_column(one_of(System, "system"))
    code: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[AuditVerdict] = mapped_column(one_of(AuditVerdict, "verdict"))
    correct_system: Mapped[System | None] = mapped_column(one_of(System, "correct_system"))
    correct_code: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[AuditError | None] = mapped_column(one_of(AuditError, "error"))
    reason: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[AuditFindingState] = mapped_column(one_of(AuditFindingState, "state"))
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
    rebuttal: Mapped[str | None] = mapped_column(Text)
    rebutted_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    rebutted_at: Mapped[datetime | None]
    final_verdict: Mapped[AuditVerdict | None] = mapped_column(one_of(AuditVerdict, "final_verdict"))
    final_reason: Mapped[str | None] = mapped_column(Text)
    final_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    final_at: Mapped[datetime | None]


# --- the record of what was done ------------------------------------------------------------------------


class AuditEventRow(Table):
    """A link of the audit chain; ``details`` is the canonical JSON that was hashed, without note text."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint("sequence >= 1", name="sequence_counts_from_1"),
        Index(None, "subject", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(250))
    details: Mapped[str] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)


class AuditHeadRow(Table):
    """The newest link, in one row that is locked while the next one is appended."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


class IdempotencyKeyRow(Table):
    """A request that was answered: the same key gets the same answer and does nothing again."""

    __tablename__ = "idempotency_keys"

    actor: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]] = mapped_column(Json)
    at: Mapped[datetime] = mapped_column(index=True)


class PromotionRow(Table):
    """A model pack that was put to use: which, instead of which, by whom and on what figures."""

    __tablename__ = "promotions"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    pack: Mapped[str]
    previous: Mapped[str | None]
    metrics: Mapped[dict[str, Any]] = mapped_column(Json)
    reason: Mapped[str] = mapped_column(Text, default="")
    by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


# Their rows are never changed or deleted; triggers of the migrations see to it.
APPEND_ONLY = (
    "notes",
    "suggestions",
    "decisions",
    "carried",
    "code_orders",
    "submissions",
    "second_codings",
    "comments",
    "audit_events",
    "promotions",
    "shadow_runs",
)

METADATA = Table.metadata
