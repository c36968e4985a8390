"""The bodies that the review's operations give, as OpenAPI documents them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from coder_assist.api.schemas import (
    CodeReference,
    FindingRecord,
    Record,
    SuggestionRecord,
    WithheldRecord,
)
from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    Role,
    RunState,
    SampleKind,
)
from coder_assist.types import Claim, PresentOnAdmission, SectionKind, Setting, Sex, Verdict, Via


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
    idle_minutes: int = Field(description="After how long without a request the session ends.")


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
    present_on_admission: PresentOnAdmission | None
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
    present_on_admission: PresentOnAdmission | None
    decision: int
    from_suggestion: bool
    billable: bool | None = Field(description="Null where no installed book has the code.")
    stale: bool


class ClaimNotice(Record):
    """What blocks a claim, or should be looked at."""

    rule: str
    message: str
    codes: list[str]


class ClaimDiagnosis(Record):
    """A diagnosis of a claim. ``letter`` is what professional lines point to."""

    sequence: int
    letter: str
    code: str
    title: str
    present_on_admission: PresentOnAdmission | None


class ClaimPointer(Record):
    """A link from a procedure to a diagnosis."""

    letter: str
    code: str
    reason: str


class ClaimProcedure(CodeReference):
    """A procedure of a claim."""

    sequence: int
    title: str
    modifiers: list[str]
    units: int
    pointers: list[ClaimPointer]


class ClaimLeftOver(CodeReference):
    """A code that has no place on this claim."""

    reason: str


class ClaimAnswer(Record):
    """The codes that stand, as a claim would carry them."""

    encounter_id: str
    ready: bool = Field(description="Whether nothing blocks the claim.")
    blocks: list[ClaimNotice]
    claim: Claim
    setting: Setting
    service_date: date | None
    cautions: list[ClaimNotice]
    diagnoses: list[ClaimDiagnosis]
    procedures: list[ClaimProcedure]
    left_over: list[ClaimLeftOver]


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
    veiled: bool = Field(description="Whether the caller codes it blind and gets the notes alone.")


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


class SecondCode(CodeReference):
    """A code of a second coding."""

    title: str


class SecondCodingAnswer(Record):
    """What somebody coded from the notes alone, first-listed first."""

    codes: list[SecondCode]
    by: str
    at: datetime


class AuditItemAnswer(Record):
    """One encounter of an audit."""

    encounter: str
    state: EncounterState
    submission: SubmissionAnswer
    veiled: bool = Field(description="Whether the codes are kept back until the second coding is there.")
    second: SecondCodingAnswer | None
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
    blinded: bool


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
