"""The records that travel the corridor from a note to a coder's decision.

Frozen, slotted dataclasses from the standard library only. Offsets are half-open ranges of
Unicode code points into the original, unchanged note text.

>>> Span(3, 8).slice("no fever today")
'fever'
>>> Code.parse("ICD-10-CM", "e119")
Code(system=<System.ICD10CM: 'ICD-10-CM'>, value='E11.9')
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Self


class System(StrEnum):
    """A code system, written as the machine interface writes it."""

    ICD10CM = "ICD-10-CM"
    ICD10PCS = "ICD-10-PCS"
    CPT = "CPT"
    HCPCS = "HCPCS"


class Setting(StrEnum):
    """Where the encounter took place."""

    OUTPATIENT = "outpatient"
    INPATIENT = "inpatient"


class Claim(StrEnum):
    """Whose bill it is; it selects the guideline sections that bind."""

    PROFESSIONAL = "professional"
    FACILITY = "facility"


class Sex(StrEnum):
    """Administrative sex, as an encounter carries it."""

    FEMALE = "female"
    MALE = "male"
    UNKNOWN = "unknown"


class SectionKind(StrEnum):
    """What a part of a note is for. The kind sets the default assertion of what stands in it."""

    CHIEF_COMPLAINT = "chief complaint"
    HISTORY_PRESENT = "history of present illness"
    HISTORY_PAST = "past medical history"
    HISTORY_SURGICAL = "past surgical history"
    HISTORY_FAMILY = "family history"
    HISTORY_SOCIAL = "social history"
    ALLERGIES = "allergies"
    MEDICATIONS = "medications"
    REVIEW_OF_SYSTEMS = "review of systems"
    EXAMINATION = "examination"
    RESULTS = "results"
    FINDINGS = "findings"
    ASSESSMENT = "assessment"
    PLAN = "plan"
    DIAGNOSIS_PRE = "preoperative diagnosis"
    DIAGNOSIS_POST = "postoperative diagnosis"
    DIAGNOSIS_ADMISSION = "admission diagnosis"
    DIAGNOSIS_DISCHARGE = "discharge diagnosis"
    INDICATION = "indication"
    PROCEDURE = "procedure"
    PROCEDURE_BODY = "procedure description"
    COURSE = "hospital course"
    ANESTHESIA = "anesthesia"
    COMPLICATIONS = "complications"
    INSTRUCTIONS = "instructions"
    ADMINISTRATIVE = "administrative"
    OTHER = "other"


class MentionKind(StrEnum):
    """What a mention names."""

    SYMPTOM = "symptom"
    DIAGNOSIS = "diagnosis"
    PROCEDURE = "procedure"
    STATUS = "status"
    DRUG = "drug"


class Polarity(StrEnum):
    """Is it there at all?"""

    AFFIRMED = "affirmed"
    NEGATED = "negated"


class Certainty(StrEnum):
    """How sure is the author?"""

    CERTAIN = "certain"
    UNCERTAIN = "uncertain"


class Temporality(StrEnum):
    """When: now, before, or not (yet) happening."""

    CURRENT = "current"
    HISTORICAL = "historical"
    HYPOTHETICAL = "hypothetical"


class Experiencer(StrEnum):
    """Who has it?"""

    PATIENT = "patient"
    FAMILY = "family"


class Severity(StrEnum):
    """How loudly a finding speaks."""

    ERROR = "error"
    WARNING = "warning"
    QUERY = "query"
    INFORMATION = "information"


class Verdict(StrEnum):
    """What a coder did with a suggestion."""

    ACCEPT = "accept"
    REJECT = "reject"
    REPLACE = "replace"
    ADD = "add"
    DEFER = "defer"
    UNDO = "undo"


class PresentOnAdmission(StrEnum):
    """Whether a diagnosis was there at the order for admission (UB-04 and 837I; guidelines, Appendix I)."""

    YES = "Y"
    NO = "N"
    UNDOCUMENTED = "U"
    UNDETERMINED = "W"
    EXEMPT = "1"


class Via(StrEnum):
    """Which path in the review led to the decision."""

    SINGLE = "single"
    BULK = "bulk"
    ALTERNATIVE = "alternative"
    SEARCH = "search"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range ``[start, end)`` of code points in the original note text."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"a span must satisfy 0 <= start <= end; got start={self.start}, end={self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def slice(self, text: str) -> str:
        """Return the characters of ``text`` that the span covers."""
        return text[self.start : self.end]

    def overlaps(self, other: Span) -> bool:
        """Say whether the two spans share at least one character."""
        return self.start < other.end and other.start < self.end


_WRITTEN_FORM = {
    System.ICD10CM: re.compile(r"[A-Z](?:\d[0-9A-Z]|A\d)(\.[0-9A-Z]{1,4})?"),
    System.ICD10PCS: re.compile(r"[0-9A-HJ-NP-Z]{1,7}"),
    System.CPT: re.compile(r"\d{4}[0-9A-Z]"),
    System.HCPCS: re.compile(r"[A-V]\d{4}"),
}


@dataclass(frozen=True, slots=True, order=True)
class Code:
    """A code of a system in its one written form (``E11.9``, ``S52.501A``, ``99213``)."""

    system: System
    value: str

    @classmethod
    def parse(cls, system: str, value: str) -> Self:
        """Normalise a code as people type it: case, blanks and the ICD-10-CM dot.

        Raises ``ValueError`` for an unknown system or a value that is not in the system's form.
        Whether the code exists is a question for the ``CodeBook``.
        """
        try:
            known = System(system)
        except ValueError:
            expected = ", ".join(System)
            raise ValueError(f"system must be one of {expected}; got {system!r}") from None
        typed = value.strip()
        written = typed.upper()
        if known is System.ICD10CM:
            bare = written.replace(".", "")
            written = bare if len(bare) <= 3 else f"{bare[:3]}.{bare[3:]}"
        # Other scripts have digits too, and letters whose capital is one of ours.
        if not typed.isascii() or not _WRITTEN_FORM[known].fullmatch(written):
            raise ValueError(f"{known} code is not in its written form; got {value!r}")
        return cls(known, written)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One node of a code book: a code, or a header above codes.

    ``parent`` is the value of the node above, ``None`` at the top. ``billable`` is true where the
    code may stand on a claim as it is (no further character is required).
    """

    code: Code
    title: str
    billable: bool
    parent: str | None
    inclusion_terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A clinical note. ``text`` is kept as it came; nothing in it is ever rewritten."""

    id: str
    text: str
    version: int = 1
    title: str = ""


@dataclass(frozen=True, slots=True)
class Encounter:
    """The notes of one visit or stay, with what is known of it. A bare note is an encounter of one."""

    id: str
    notes: tuple[Note, ...]
    setting: Setting = Setting.OUTPATIENT
    claim: Claim | None = None
    service_date: date | None = None
    sex: Sex = Sex.UNKNOWN
    age: float | None = None
    specialty: str | None = None
    patient_id: str | None = None

    @classmethod
    def of(cls, note: Note, setting: Setting = Setting.OUTPATIENT) -> Self:
        """Make the encounter that consists of one note."""
        return cls(note.id, (note,), setting)

    @property
    def uncertain_as_established(self) -> bool:
        """Whether "probable" and "suspected" diagnoses are coded as if they existed.

        Guideline II.H: only for the facility's claim of an inpatient stay; IV.H forbids it elsewhere.
        """
        return self.setting is Setting.INPATIENT and self.claim is not Claim.PROFESSIONAL


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of a note. ``span`` covers heading and body; ``body`` starts after the heading."""

    kind: SectionKind
    title: str
    span: Span
    body: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """Whether, how surely, when and in whom a mentioned thing holds."""

    polarity: Polarity = Polarity.AFFIRMED
    certainty: Certainty = Certainty.CERTAIN
    temporality: Temporality = Temporality.CURRENT
    experiencer: Experiencer = Experiencer.PATIENT
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """Words of a note that name a condition, procedure, status or drug.

    ``spans`` holds more than one range where words are shared ("pain in left hip and knee").
    ``term_keys`` are the lexicon keys the words matched, ``codes`` the ICD-10-CM nodes of an
    abbreviation's sense; both are empty for a phrase the lexicon does not know. ``attributes`` maps an attribute's name (``laterality``, ``episode``) to its value.
    """

    spans: tuple[Span, ...]
    kind: MentionKind
    text: str
    section: SectionKind
    assertion: Assertion
    attributes: Mapping[str, str] = field(default_factory=dict)
    term_keys: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    source: str = "exact"
    sentence: int = 0

    @property
    def span(self) -> Span:
        """The range from the first to the last character of the mention."""
        return self.spans[0] if len(self.spans) == 1 else Span(self.spans[0].start, self.spans[-1].end)


@dataclass(frozen=True, slots=True)
class Document:
    """What was read from a note: its sections, sentences and mentions, in order of the text."""

    note: Note
    sections: tuple[Section, ...]
    sentences: tuple[Span, ...]
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code that a mention may mean. ``score`` is in [0, 1]; ``source`` and ``term`` say why."""

    mention: Mention
    code: Code
    source: str
    term: str
    score: float
    note_id: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The characters of a note that a suggestion rests on."""

    note_id: str
    span: Span
    text: str
    section: SectionKind


@dataclass(frozen=True, slots=True)
class Fix:
    """A change of the code set that would answer a finding: take out, put in, and what lines then carry.

    ``modifiers`` are of codes that stay or come in: all that the line carries afterwards, in their order.
    """

    remove: tuple[Code, ...] = ()
    add: tuple[Code, ...] = ()
    modifiers: tuple[tuple[Code, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the provider: open, with the note's indicators, never leading and never about payment.

    ``options`` end with "other" and "unable to determine" (ACDIS/AHIMA, Guidelines for Achieving a
    Compliant Query Practice).
    """

    question: str
    options: tuple[str, ...]
    indicators: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a coding rule says, with the authority it rests on."""

    rule: str
    severity: Severity
    codes: tuple[Code, ...]
    message: str
    authority: str
    fix: Fix | None = None
    query: Query | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A proposed code. ``probability`` is in [0, 1]; ``sequence`` 1 is first-listed, ``None`` unordered.

    ``evidence`` is never empty. ``alternatives`` are the codes a coder would most likely take
    instead, best first. ``selected`` says that the tool would preselect it.
    """

    code: Code
    title: str
    probability: float
    selected: bool
    sequence: int | None
    evidence: tuple[Evidence, ...]
    reasons: tuple[str, ...] = ()
    alternatives: tuple[Code, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"suggestion {self.code} has no evidence; expected at least one span")
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"probability of {self.code} must be in [0, 1]; got {self.probability}")


@dataclass(frozen=True, slots=True)
class Withheld:
    """A near miss: a code that the words of the note name, and why it is not suggested."""

    code: Code
    title: str
    reason: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One reading of an encounter, with all that is needed to show the same screen again."""

    encounter_id: str
    note_versions: Mapping[str, int]
    suggestions: tuple[Suggestion, ...]
    withheld: tuple[Withheld, ...]
    pack: str
    code_books: Mapping[str, str]
    lexicon: str
    rules: str
    software: str
    notices: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Characters of a note, without the characters: what a decision says it rests on."""

    note_id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Decision:
    """What a coder decided about a suggestion, or added without one. Append-only.

    ``suggestion`` is the place of the suggestion in ``run``, from 0. ``replaces`` is the code that ``code``
    stands in for. ``supersedes`` is the decision that stood on the same code before; ``undone`` says that a
    later decision took this one back, ``stale`` that a new version of a note took its evidence away.
    """

    id: int
    encounter_id: str
    run: int | None
    suggestion: int | None
    verdict: Verdict
    code: Code
    replaces: Code | None
    modifiers: tuple[str, ...]
    units: int
    reason: str
    via: Via
    reviewer: str
    shown_at: datetime
    at: datetime
    evidence: tuple[Place, ...] = ()
    supersedes: int | None = None
    undoes: int | None = None
    undone: bool = False
    stale: bool = False
    present_on_admission: PresentOnAdmission | None = None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A link of the audit chain. It never holds note text."""

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, object]
    previous_hash: str
    hash: str
