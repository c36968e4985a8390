"""What the store takes and gives: frozen records, never rows of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from coder_assist.review.states import (
    AuditError,
    AuditFindingState,
    AuditVerdict,
    EncounterState,
    Role,
    RunState,
    SampleKind,
)
from coder_assist.types import (
    Claim,
    Code,
    Decision,
    Encounter,
    Place,
    PresentOnAdmission,
    Setting,
    Sex,
    Verdict,
    Via,
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. ``id`` is the user's."""

    id: str
    role: Role


# What the service itself does (computing runs ahead) stands under this name in the audit chain.
SERVICE = "service"


class Sort(StrEnum):
    """Orders of the worklist: by how long a case waits, by import, or the urgent ones first."""

    AGE = "age"
    AGE_NEWEST = "-age"
    IMPORTED = "imported"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class WorklistFilter:
    """Which encounters a worklist shows; every field that is ``None`` lets everything through.

    ``assigned`` is a user's id, or ``"none"`` for those that nobody has. ``id_prefix`` is how an id begins.
    """

    states: tuple[EncounterState, ...] | None = None
    assigned: str | None = None
    setting: Setting | None = None
    specialty: str | None = None
    id_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class EncounterSummary:
    """A row of the worklist.

    ``undecided`` counts the preselected suggestions nobody has decided on, ``decided`` the codes with a
    standing decision. ``age`` is the patient's; ``run_state`` is ``queued`` where no run was begun.
    """

    id: str
    state: EncounterState
    version: int
    setting: Setting
    claim: Claim | None
    specialty: str | None
    sex: Sex
    age: float | None
    service_date: date | None
    title: str
    notes: int
    assigned_to: str | None
    undecided: int
    decided: int
    priority: int
    on_hold_since: datetime | None
    imported_at: datetime
    updated_at: datetime
    run_state: RunState


@dataclass(frozen=True, slots=True)
class WorklistPage:
    """A page of the worklist; ``next`` is the cursor of the following one, ``None`` at the end."""

    items: tuple[EncounterSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision as it comes from a coder.

    ``suggestion`` is the place in the latest run's suggestions, from 0. Without ``evidence`` a decision
    about a suggestion rests on the suggestion's. ``present_on_admission`` is of a diagnosis that is coded.
    """

    verdict: Verdict
    code: Code
    shown_at: datetime
    suggestion: int | None = None
    replaces: Code | None = None
    modifiers: tuple[str, ...] = ()
    units: int = 1
    reason: str = ""
    via: Via = Via.SINGLE
    evidence: tuple[Place, ...] = ()
    present_on_admission: PresentOnAdmission | None = None


@dataclass(frozen=True, slots=True)
class FinalCode:
    """A code that stands now. ``sequence`` counts within its system, 1 for first-listed.

    ``title`` is the suggestion's; it is empty for a code that no run suggested.
    """

    code: Code
    title: str
    sequence: int
    modifiers: tuple[str, ...]
    units: int
    decision: int
    from_suggestion: bool
    stale: bool = False
    present_on_admission: PresentOnAdmission | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change of decisions led to: the new decisions, the codes that stand now, the version."""

    decisions: tuple[Decision, ...]
    codes: tuple[FinalCode, ...]
    version: int


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run and how far it is. ``record`` is the JSON record of ``suggest.wire``, ``None`` before it is done.

    ``current`` says that it read the notes as they stand now.
    """

    id: int
    encounter_id: str
    state: RunState
    pack: str
    note_versions: Mapping[str, int]
    queued_at: datetime
    finished_at: datetime | None
    error: str | None
    current: bool
    record: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark about an encounter."""

    id: int
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """A query to the provider; it is open until it is released."""

    id: int
    query: str
    finding: str | None
    by: str
    at: datetime
    released_by: str | None
    released_at: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Submission:
    """The codes as they stood when the encounter was submitted."""

    id: int
    encounter_id: str
    version: int
    codes: tuple[FinalCode, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that is on the table when an encounter is opened, at one version.

    ``encounter`` carries the notes in their newest versions. ``run`` is the newest one that is done, or
    else the newest at all. ``decisions`` are all that were ever made, oldest first. ``hold`` is the open one.
    Of a ``veiled`` one only the encounter's own data are given: its reader codes it blind.
    """

    summary: EncounterSummary
    encounter: Encounter
    run: StoredRun | None
    decisions: tuple[Decision, ...]
    codes: tuple[FinalCode, ...]
    comments: tuple[Comment, ...]
    hold: Hold | None
    submission: Submission | None
    version: int
    veiled: bool = False


@dataclass(frozen=True, slots=True)
class NoteChange:
    """What a new version of a note did: decisions whose evidence still stands, and those it took away."""

    note_id: str
    note_version: int
    carried: tuple[int, ...]
    stale: tuple[int, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """One item of an import as it was read: an encounter, or the reason why it is none."""

    index: int
    id: str | None
    encounter: Encounter | None = None
    title: str = ""
    priority: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An item whose notes are in the store already, under the id ``of``."""

    id: str
    of: str


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that could not be imported, and why."""

    index: int
    id: str | None
    error: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each item of an import."""

    imported: tuple[str, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    failed: tuple[FailedItem, ...] = ()


@dataclass(frozen=True, slots=True)
class CoderDay:
    """What one person got done on one day (UTC)."""

    day: date
    person: str
    submitted: int
    decisions: int
    bulk_decisions: int
    median_minutes: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """A lead's view. ``ages`` counts what is not yet submitted by the days it waits (0, 1, 2-3, 4-7, 8+)."""

    states: Mapping[EncounterState, int]
    ages: Mapping[str, int]
    assigned: Mapping[str, int]
    days: tuple[CoderDay, ...]
    holds: tuple[tuple[str, Hold], ...]
    runs: Mapping[RunState, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """How to draw an audit's encounters from the submitted ones; the same seed draws the same ones.

    ``stratified`` draws evenly over coder, setting and specialty; ``risk`` prefers low-probability accepts,
    bulk accepts, replaced and added codes. Of a ``blinded`` audit the reader first codes the notes alone
    and sees the submitted codes only then.
    """

    kind: SampleKind
    size: int
    seed: int
    since: datetime | None = None
    until: datetime | None = None
    coder: str | None = None
    blinded: bool = False


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """What a sample would draw now: of how many, in which strata, and each drawn encounter's chance."""

    sample: Sample
    population: int
    strata: Mapping[tuple[str, ...], int]
    drawn: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SecondCoding:
    """What somebody else coded without seeing the first coder's codes, first-listed first."""

    codes: tuple[Code, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NewAuditFinding:
    """What an auditor says of one code. An overturn names the error and its reason.

    A missed code (``error`` ``missed``) is named by ``code`` itself.
    """

    code: Code
    verdict: AuditVerdict
    correct: Code | None = None
    error: AuditError | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """An auditor's finding and what followed. ``number`` counts within the audited encounter."""

    number: int
    code: Code
    verdict: AuditVerdict
    correct: Code | None
    error: AuditError | None
    reason: str
    state: AuditFindingState
    by: str
    at: datetime
    rebuttal: str | None
    rebutted_by: str | None
    final_verdict: AuditVerdict | None
    final_reason: str | None
    final_by: str | None

    @property
    def stands(self) -> AuditVerdict:
        """The verdict as it is now."""
        return self.final_verdict or self.verdict


@dataclass(frozen=True, slots=True)
class AuditItem:
    """One encounter of an audit, with the submission that was read again.

    In a blinded audit it is ``veiled`` before the ``second`` coding is there: the submission shows no codes,
    and who reads it sees nothing at the desk but the notes. ``inclusion`` is
    the chance that the encounter had to be drawn, ``None`` for audits from before it was kept.
    """

    encounter_id: str
    state: EncounterState
    submission: Submission
    findings: tuple[AuditFinding, ...]
    finished_by: str | None
    finished_at: datetime | None
    outcome: EncounterState | None
    inclusion: float | None = None
    second: SecondCoding | None = None
    veiled: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit: how its sample was drawn, and its encounters."""

    id: int
    sample: Sample
    by: str
    at: datetime
    items: tuple[AuditItem, ...]

    @property
    def finished(self) -> bool:
        """Whether every encounter of it is finished."""
        return all(item.finished_at is not None for item in self.items)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A model pack that was put to use."""

    id: int
    pack: str
    previous: str | None
    metrics: Mapping[str, object]
    reason: str
    by: str
    at: datetime
