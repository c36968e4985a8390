"""The bodies of the review's operations, as they are read and as OpenAPI documents them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from coder_assist.api.access import Scope
from coder_assist.api.schemas import (
    CodeReference,
    FindingRecord,
    Record,
    SuggestionRecord,
    WithheldRecord,
)
from coder_assist.errors import InputError
from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    Role,
    RunState,
    SampleKind,
)
from coder_assist.types import Claim, Code, SectionKind, Setting, Sex, Span, System, Verdict, Via


# PostgreSQL keeps no NUL, and UTF-8 has no half of a surrogate pair.
def _storable(value: str) -> str:
    if "\x00" in value or (not value.isprintable() and any("\ud800" <= c <= "\udfff" for c in value)):
        raise ValueError("must be Unicode text without NUL characters")
    return value


def _moment(value: object) -> object:
    if not isinstance(value, str | datetime):
        raise ValueError("must be an RFC 3339 date and time")
    return value


def _whole(value: object) -> object:
    # 2.0 is a whole number in JSON; "2" and true are none.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a whole number")
    return value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("must be a date and time with its offset from UTC")
    return value


_TEXT_SCHEMA = {"pattern": r"^[^\u0000]*$"}
Line = Annotated[str, AfterValidator(_storable), Field(max_length=200, json_schema_extra=dict(_TEXT_SCHEMA))]
Words = Annotated[
    str, AfterValidator(_storable), Field(min_length=1, max_length=4000, json_schema_extra=dict(_TEXT_SCHEMA))
]
WHOLE = BeforeValidator(_whole)
Version = Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE]
Count = Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE]
Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_aware)]
Flag = Annotated[bool, Field(strict=True)]


class CodeBody(Record):
    """A code as people write it; it is read in any case, with or without its dot."""

    system: System
    code: Annotated[str, Field(min_length=1, max_length=12)]

    def parsed(self) -> Code:
        """Return the code in its written form. Raises ``InputError`` if it is none of its system."""
        try:
            return Code.parse(self.system, self.code)
        except ValueError:
            raise InputError(f"code: expected a code in the written form of {self.system}") from None


class LineBody(CodeBody):
    """A code with what stands beside it on a claim."""

    modifiers: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Z0-9]{2}$")]], Field(max_length=4, default_factory=list)
    ]
    units: Annotated[int, Field(ge=1, le=9999), WHOLE] = 1


class PlaceBody(Record):
    """Characters of a note: code points, ``end`` exclusive."""

    note_id: Line
    start: Count
    end: Count

    def span(self) -> Span:
        """Return the range. Raises ``InputError`` if it does not end behind its start."""
        if self.end <= self.start:
            raise InputError("end: expected to lie behind start")
        return Span(self.start, self.end)


class DecisionBody(LineBody):
    """A decision. ``suggestion`` is its place in the run's suggestions, from 0; null for a code added."""

    suggestion: Count | None = None
    verdict: Literal[Verdict.ACCEPT, Verdict.REJECT, Verdict.REPLACE, Verdict.ADD, Verdict.DEFER]
    replaces: CodeBody | None = None
    reason: Annotated[Line, Field(description="A reject reason of the contract, or what the coder says.")] = (
        ""
    )
    via: Via = Via.SINGLE
    shown_at: Moment
    evidence: Annotated[list[PlaceBody], Field(max_length=20, default_factory=list)]


class Versioned(Record):
    """A change to an encounter. Its version stands here or in If-Match."""

    version: Version | None = None


class DecisionsBody(Versioned):
    """Decisions that are made together: all or none."""

    decisions: Annotated[list[DecisionBody], Field(min_length=1, max_length=200)]


class OrderBody(Versioned):
    """The order in which the codes stand."""

    order: Annotated[list[CodeBody], Field(max_length=200)]


class WhatIfBody(Record):
    """A set of codes that is only tried out."""

    codes: Annotated[list[LineBody], Field(max_length=200)]


class QueryBody(Record):
    """A query to the provider."""

    text: Words
    finding: Line | None = None


class HoldBody(Versioned):
    """Waiting for the provider's answer."""

    query: QueryBody


class ReleaseBody(Versioned):
    """The end of a hold, with the provider's answer where there is one."""

    answer: Words | None = None


class AssignBody(Record):
    """To whom an encounter goes; null puts it back."""

    to: Line | None


class PhraseBody(PlaceBody):
    """Words of a note that someone marked."""


class CommentBody(Record):
    """A remark."""

    text: Words


class NoteBody(Record):
    """A new version of a note."""

    id: Annotated[Line, Field(min_length=1)]
    text: Annotated[str, AfterValidator(_storable), Field(min_length=1, json_schema_extra=dict(_TEXT_SCHEMA))]
    title: Line | None = None


class ClaimNextBody(Record):
    """Which encounters to choose from; nothing given means any."""

    setting: Setting | None = None
    specialty: Line | None = None


class SignInBody(Record):
    """A name and its password."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    password: Annotated[str, Field(min_length=1, max_length=1000, json_schema_extra={"format": "password"})]


class SampleBody(Record):
    """How to draw an audit's encounters. ``from`` and ``to`` bound when they were submitted."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: SampleKind
    size: Annotated[int, Field(ge=1, le=1000), WHOLE]
    seed: Count
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    coder: Line | None = None


class AuditBody(Record):
    """An audit to begin."""

    sample: SampleBody


class AuditFindingBody(CodeBody):
    """What an auditor says of one code."""

    verdict: AuditVerdict
    correct: CodeBody | None = None
    error: AuditError | None = None
    reason: Annotated[str, AfterValidator(_storable), Field(max_length=4000)] = ""


class RebutBody(Record):
    """The coder's answer to an overturn."""

    text: Words


class FinalBody(Record):
    """The last word on a finding."""

    verdict: AuditVerdict
    reason: Words


class PersonBody(Record):
    """A new account. Without a password it signs in by link or provider only."""

    name: Annotated[str, AfterValidator(_storable), Field(min_length=1, max_length=100)]
    role: Role
    password: Annotated[str | None, Field(max_length=1000)] = None


class PersonChangeBody(Record):
    """What to change of an account."""

    role: Role | None = None
    active: Flag | None = None
    password: Annotated[str | None, Field(max_length=1000)] = None


class TokenBody(Record):
    """A token to make. ``days`` is how long it lasts."""

    person: Line
    name: Line = ""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    days: Annotated[int, Field(ge=1, le=366), WHOLE] = 90


class PracticeBody(Record):
    """The codes that someone practising gives."""

    codes: Annotated[list[CodeBody], Field(max_length=200)]


# --- answers ---------------------------------------------------------------------------------------


class Self(Record):
    """An account as its owner sees it."""

    id: str
    name: str
    role: Role


class SessionAnswer(Record):
    """Who is signed in. ``csrf`` goes back in the header X-CSRF-Token of every change."""

    user: Self
    csrf: str
    demo: bool
    practice_available: bool


class EncounterItem(Record):
    """A row of the worklist."""

    id: str
    state: EncounterState
    setting: Setting
    claim: Claim | None
    specialty: str | None
    sex: Sex
    age: float | None
    service_date: date | None
    title: str
    notes: int
    assigned_to: str | None
    undecided: int = Field(description="Preselected suggestions that nobody decided on.")
    decided: int
    priority: int
    on_hold_since: datetime | None
    imported_at: datetime
    updated_at: datetime
    version: int
    run_state: RunState


class Worklist(Record):
    """A page of the worklist. ``next`` is the cursor of the following one."""

    items: list[EncounterItem]
    next: str | None


class SectionAnswer(Record):
    """A headed part of a note."""

    kind: SectionKind
    title: str
    start: int
    end: int


class NoteAnswer(Record):
    """A note in its newest version."""

    id: str
    version: int
    title: str
    text: str
    sections: list[SectionAnswer]


class EncounterDetail(EncounterItem):
    """An encounter with its notes."""

    notes: list[NoteAnswer]  # type: ignore[assignment]


class RunAnswer(Record):
    """A reading of the encounter; until it is ``done`` its lists are empty."""

    model_config = ConfigDict(extra="allow")

    id: int
    state: RunState
    pack: str
    current: bool = Field(description="Whether it read the notes as they stand now.")
    note_versions: dict[str, int]
    queued_at: datetime
    finished_at: datetime | None
    error: str | None
    suggestions: list[SuggestionRecord]
    withheld: list[WithheldRecord]


class PlaceAnswer(Record):
    """Characters of a note."""

    note_id: str
    start: int
    end: int


class DecisionAnswer(CodeReference):
    """A decision as it was made, and whether it still counts."""

    id: int
    run: int | None
    suggestion: int | None
    verdict: Verdict
    replaces: CodeReference | None
    modifiers: list[str]
    units: int
    reason: str
    via: Via
    reviewer: str
    shown_at: datetime
    at: datetime
    evidence: list[PlaceAnswer]
    supersedes: int | None
    undoes: int | None
    undone: bool
    stale: bool


class FinalCodeAnswer(CodeReference):
    """A code that stands now."""

    title: str
    sequence: int
    modifiers: list[str]
    units: int
    decision: int
    from_suggestion: bool
    billable: bool | None = Field(description="Null where no installed book has the code.")
    stale: bool


class ClaimDiagnosis(CodeReference):
    """A diagnosis of a claim, with the letter that procedures point to."""

    title: str
    sequence: int
    pointer: str


class ClaimProcedure(CodeReference):
    """A procedure of a claim."""

    title: str
    sequence: int
    modifiers: list[str]
    units: int
    pointers: list[str]


class ClaimAnswer(Record):
    """The codes that stand, as a claim would carry them."""

    encounter: str
    state: EncounterState
    setting: Setting
    claim: Claim | None
    service_date: date | None
    version: int
    diagnoses: list[ClaimDiagnosis]
    procedures: list[ClaimProcedure]


class CommentAnswer(Record):
    """A remark."""

    id: int
    text: str
    by: str
    at: datetime


class HoldAnswer(Record):
    """A query to the provider."""

    id: int
    query: str
    finding: str | None
    by: str
    at: datetime
    released_by: str | None
    released_at: datetime | None
    answer: str | None


class DeskAnswer(Record):
    """Everything that is on the table when an encounter is opened, at one version."""

    encounter: EncounterDetail
    run: RunAnswer | None
    decisions: list[DecisionAnswer]
    codes: list[FinalCodeAnswer]
    findings: list[FindingRecord]
    comments: list[CommentAnswer]
    hold: HoldAnswer | None
    flags: dict[str, dict[str, bool]]
    version: int


class OutcomeAnswer(Record):
    """The new decisions, and what stands now."""

    decisions: list[DecisionAnswer]
    codes: list[FinalCodeAnswer]
    findings: list[FindingRecord]
    version: int


class Findings(Record):
    """What the coding rules say."""

    findings: list[FindingRecord]


class Suggestions(Record):
    """What a phrase supports."""

    suggestions: list[SuggestionRecord]


class QueryDraft(Record):
    """A proposal for a query to the provider; a person words and sends it."""

    text: str
    finding: str


class DuplicateItem(Record):
    """An item whose notes are there already."""

    id: str
    of: str


class FailedImport(Record):
    """An item that was not taken in."""

    index: int
    id: str | None
    error: str


class ImportAnswer(Record):
    """What became of each item."""

    imported: list[str]
    duplicates: list[DuplicateItem]
    failed: list[FailedImport]


class NoteChangeAnswer(Record):
    """What a new version of a note did to the decisions."""

    note_id: str
    note_version: int
    carried: list[int]
    stale: list[int]
    version: int


class EventAnswer(Record):
    """An event of the audit log."""

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    previous_hash: str
    hash: str


class History(Record):
    """What happened to an encounter, oldest first."""

    events: list[EventAnswer]


class LogPage(Record):
    """A page of the audit log. ``head`` is the newest event that was signed."""

    events: list[EventAnswer]
    next: str | None
    head: dict[str, Any] | None


class DayAnswer(Record):
    """What one person got done on one day."""

    day: date
    person: str
    submitted: int
    decisions: int
    bulk_decisions: int
    median_minutes: float | None


class HeldEncounter(HoldAnswer):
    """A hold and its encounter."""

    encounter: str


class OverviewAnswer(Record):
    """A lead's view."""

    states: dict[EncounterState, int]
    ages: dict[str, int]
    assigned: dict[str, int]
    runs: dict[RunState, int]
    days: list[DayAnswer]
    holds: list[HeldEncounter]


class SubmissionAnswer(Record):
    """The codes as they were submitted."""

    id: int
    version: int
    codes: list[FinalCodeAnswer]
    by: str
    at: datetime


class AuditFindingAnswer(CodeReference):
    """What an auditor says of one code, and what followed. ``stands`` is the verdict as it is now."""

    number: int
    verdict: AuditVerdict
    correct: CodeReference | None
    error: AuditError | None
    reason: str
    state: AuditFindingState
    stands: AuditVerdict
    by: str
    at: datetime
    rebuttal: str | None
    rebutted_by: str | None
    final_verdict: AuditVerdict | None
    final_reason: str | None
    final_by: str | None


class AuditItemAnswer(Record):
    """One encounter of an audit."""

    encounter: str
    state: EncounterState
    submission: SubmissionAnswer
    findings: list[AuditFindingAnswer]
    finished_by: str | None
    finished_at: datetime | None
    outcome: EncounterState | None


class SampleAnswer(Record):
    """How an audit's encounters were drawn."""

    kind: SampleKind
    size: int
    seed: int
    since: Annotated[datetime | None, Field(alias="from")]
    until: Annotated[datetime | None, Field(alias="to")]
    coder: str | None


class AuditAnswer(Record):
    """An audit with its encounters."""

    id: int
    sample: SampleAnswer
    by: str
    at: datetime
    finished: bool
    items: list[AuditItemAnswer]


class Audits(Record):
    """All audits, newest first."""

    audits: list[AuditAnswer]


class PersonAnswer(Record):
    """An account."""

    id: str
    name: str
    role: Role
    active: bool
    created_at: datetime
    has_password: bool
    oidc: bool


class People(Record):
    """All accounts by name."""

    users: list[PersonAnswer]


class TokenAnswer(Record):
    """A token; its secret is not kept."""

    id: str
    person: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewToken(TokenAnswer):
    """A token with its secret, which is shown this once."""

    secret: str


class Tokens(Record):
    """All tokens, newest first."""

    tokens: list[TokenAnswer]


class PracticeCase(Record):
    """A note to practise on."""

    id: str
    title: str
    setting: Setting
    specialty: str | None


class PracticeCases(Record):
    """The notes to practise on."""

    cases: list[PracticeCase]


class PracticeNote(PracticeCase):
    """A note without suggestions."""

    claim: Claim | None
    sex: Sex
    age: float | None
    text: str


class GoldCode(CodeReference):
    """A code of the note's author."""

    title: str
    required: bool


class PracticeScore(Record):
    """How the codes compare with the author's."""

    right: int
    wrong: int
    missed: int
    precision: float | None
    recall: float | None


class PracticeAnswer(Record):
    """The author's codes, one's own, the tool's suggestions and the comparison."""

    gold: list[GoldCode]
    mine: list[CodeReference]
    suggestions: list[SuggestionRecord]
    score: PracticeScore
