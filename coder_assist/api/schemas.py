"""The bodies that the service takes and gives, as OpenAPI documents them.

Notes are read and runs are written by ``suggest.wire``; these models describe them, and tests hold the two
together. Offsets are half-open ranges of Unicode code points into ``text`` (JavaScript counts UTF-16 units).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from coder_assist.suggest.wire import LONGEST_ID, LONGEST_SPECIALTY, MOST_NOTES, OLDEST
from coder_assist.types import Claim, SectionKind, Setting, Severity, Sex, System

_TEXT = "Assessment:\n1. Type 2 diabetes mellitus with diabetic neuropathy\n2. Hypertension\nNo pneumonia.\n"
NOTE_EXAMPLE: dict[str, Any] = {
    "id": "visit-1",
    "text": _TEXT,
    "setting": "outpatient",
    "sex": "female",
    "age": 61,
}
_EVIDENCE_EXAMPLE = {"start": 68, "end": 80, "text": "Hypertension", "section": "assessment"}
PREDICTION_EXAMPLE: dict[str, Any] = {
    "id": "visit-1",
    "suggestions": [
        {
            "system": "ICD-10-CM",
            "code": "I10",
            "title": "Essential (primary) hypertension",
            "score": 0.93,
            "selected": True,
            "sequence": 2,
            "evidence": [_EVIDENCE_EXAMPLE],
            "alternatives": [],
            "findings": [],
            "reasons": ["synonym: hypertension"],
        }
    ],
    "withheld": [
        {
            "system": "ICD-10-CM",
            "code": "J18.9",
            "title": "Pneumonia, unspecified organism",
            "reason": "negated",
            "evidence": [{"start": 84, "end": 93, "text": "pneumonia", "section": "assessment"}],
        }
    ],
    "findings": [],
    "pack": "clinical-us@0123456789ab",
    "code_books": {"ICD-10-CM": "2026-04", "CPT": "catalogue"},
    "lexicon": "0123456789ab",
    "rules": "80@0123456789ab",
    "software": "0.1.0",
    "notices": [],
}


def gives(
    example: object, description: str = "The answer.", status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI response of an operation that answers with such a body."""
    return {status: {"description": description, "content": {"application/json": {"example": example}}}}


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not consist of blanks")
    return value


class Record(BaseModel):
    """Base of the bodies that the service gives: no field that is not documented."""

    model_config = ConfigDict(extra="forbid")


class EncounterNote(BaseModel):
    """One of several notes of an encounter. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: Annotated[str, AfterValidator(_not_blank)] = Field(min_length=1, max_length=LONGEST_ID)
    text: str
    title: str | None = Field(None, description="What kind of note it is, in the author's words.")


class NoteRecord(BaseModel):
    """One note as ``text``, or an encounter's ``notes``, with what is known of it. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, json_schema_extra={"examples": [NOTE_EXAMPLE]})

    id: Annotated[str, AfterValidator(_not_blank)] = Field(
        min_length=1,
        max_length=LONGEST_ID,
        description="The caller's name for the note; it may stand in logs.",
    )
    text: Annotated[str, Field(json_schema_extra={"minLength": 1, "pattern": r"\S"})] | None = Field(
        None, description="The note as it was written. Evidence points into it, character by character."
    )
    notes: list[EncounterNote] | None = Field(
        None,
        min_length=1,
        max_length=MOST_NOTES,
        description="Instead of text: all notes of the encounter. Evidence then says in which it stands.",
    )
    setting: Setting | None = Field(None, description="Where; outpatient if not given.")
    claim: Claim | None = Field(None, description="Whose bill it is.")
    sex: Sex | None = Field(None, description="Administrative sex.")
    age: float | None = Field(None, ge=0, le=OLDEST, allow_inf_nan=False, description="Age in years.")
    service_date: date | None = Field(
        None,
        description="Date of service; it selects the edition of the code books (the newest if not given).",
    )
    specialty: Annotated[str, AfterValidator(_not_blank)] | None = Field(
        None, min_length=1, max_length=LONGEST_SPECIALTY, description="The author's specialty."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> NoteRecord:
        if (self.text is None) == (self.notes is None):
            raise ValueError("exactly one of text and notes must be given")
        ids = [note.id for note in self.notes or ()]
        if len(set(ids)) < len(ids):
            raise ValueError("each note must have an id of its own")
        return self


class NoteBatch(BaseModel):
    """Several notes, each read on its own."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"notes": [NOTE_EXAMPLE, {**NOTE_EXAMPLE, "id": "visit-2"}]}]},
    )

    # Anything may stand there: what is no note is answered in its place, and the others are read.
    notes: list[NoteRecord | Any] = Field(description="The notes, answered in this order.")


class CodeReference(Record):
    """A code and its system."""

    system: System
    code: str


class EvidenceRecord(Record):
    """The characters of the note that something rests on."""

    note_id: str | None = Field(
        None, description="The note they stand in, where the encounter was sent as notes."
    )
    start: int = Field(ge=0, description="First code point.")
    end: int = Field(ge=0, description="One past the last code point.")
    text: str = Field(description="The characters themselves.")
    section: SectionKind = Field(description="The section they stand in.")


class ModifiersRecord(CodeReference):
    """A code and all the modifiers that its line would carry, in their order."""

    modifiers: list[str]


class FixRecord(Record):
    """A change of the code set that would answer a finding."""

    remove: list[CodeReference]
    add: list[CodeReference]
    # Not in what earlier versions wrote and a database may hold.
    modifiers: list[ModifiersRecord] = Field(default_factory=list)


class QueryRecord(Record):
    """A question to the provider: not leading, with the note's own words as indicators."""

    question: str
    options: list[str]
    indicators: list[EvidenceRecord]


class FindingRecord(Record):
    """What a coding rule says, and the guideline or code book note it rests on."""

    rule: str
    severity: Severity
    codes: list[CodeReference]
    message: str
    authority: str
    fix: FixRecord | None
    query: QueryRecord | None


class SuggestionRecord(CodeReference):
    """A proposed code. A human decides."""

    title: str
    score: float = Field(ge=0, le=1, description="Probability that a coder would assign the code.")
    selected: bool = Field(description="Whether the tool would preselect it.")
    sequence: int | None = Field(description="Place among the selected codes; 1 is first-listed.")
    evidence: list[EvidenceRecord] = Field(min_length=1)
    alternatives: list[str] = Field(description="Codes most likely meant instead, best first.")
    findings: list[FindingRecord]
    reasons: list[str] = Field(description="Why it was proposed and scored so.")


class WithheldRecord(CodeReference):
    """A near miss: words of the note name the code, and why it is not suggested."""

    title: str
    reason: str
    evidence: list[EvidenceRecord]


class Prediction(Record):
    """What one note supports, and which data said so. The same note gets the same bytes."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PREDICTION_EXAMPLE]})

    id: str
    suggestions: list[SuggestionRecord] = Field(description="Ranked by score, no code twice.")
    withheld: list[WithheldRecord]
    findings: list[FindingRecord] = Field(description="What the coding rules say of the preselected codes.")
    pack: str = Field(description="The model pack and its checksum.")
    code_books: dict[System, str] = Field(description="The edition of each code book.")
    lexicon: str
    rules: str = Field(description="How many coding rules spoke, and their digest.")
    software: str
    notices: list[str]


class Fault(Record):
    """One place at fault: ``pointer`` into the body, or ``parameter`` of the query or path."""

    pointer: str | None = Field(None, description="JSON pointer into the body or the batch's item.")
    parameter: str | None = None
    detail: str


class ProblemDetails(Record):
    """Problem details after RFC 9457. They never repeat a value that was sent, ids and codes apart."""

    type: str = Field(description="`urn:coder-assist:problem:<kind>`, or `about:blank`.")
    title: str
    status: int
    detail: str | None = None
    errors: list[Fault] | None = None
    version: int | None = Field(None, description="With `conflict`: the present version.")
    changed: list[dict[str, Any]] | None = Field(
        None, description="With `conflict`: the decisions made since the version that came."
    )
    state: str | None = Field(None, description="With `wrong-state`: the present state.")
    expected: list[str] | None = Field(None, description="With `wrong-state`: the states that allow it.")
    findings: list[dict[str, Any]] | None = Field(None, description="With `blocked`: what must be answered.")


class FailedNote(Record):
    """A note of a batch that could not be answered, in its place."""

    id: str | None = Field(description="The note's id, null where it has no usable one.")
    error: ProblemDetails


class PredictionBatch(Record):
    """The answers to a batch, in the order of its notes."""

    predictions: list[Prediction | FailedNote]


class CodeSummary(CodeReference):
    """A code as a list shows it."""

    title: str
    billable: bool = Field(description="Whether it may stand on a claim as it is.")
    parent: str | None = Field(description="The node above; null at the top.")


class NodeReference(Record):
    """A node of the hierarchy: a code, a header, a block or a chapter."""

    code: str
    title: str


class InstructionRecord(Record):
    """A note of the Tabular List. It binds everything below the node where it stands."""

    kind: Literal[
        "includes", "excludes1", "excludes2", "code first", "use additional code", "code also", "note"
    ]
    text: str
    stands_at: str = Field(alias="from", description="The node where it stands.")


class CodeDetail(CodeSummary):
    """A code with its place in the book and the notes that bind it."""

    ancestors: list[NodeReference] = Field(description="Nearest first, up to the chapter.")
    children: list[NodeReference] = Field(description="In book order.")
    inclusion_terms: list[str]
    instructions: list[InstructionRecord] = Field(description="Its own first, then the inherited ones.")
    seventh_characters: dict[str, str] = Field(
        description="Seventh character to complete code, where one is due."
    )
    edition: str
    valid_from: date | None = Field(description="First date of service of the edition.")
    valid_to: date | None = Field(description="Last date of service of the edition.")


class SearchResults(Record):
    """The codes found, best first."""

    results: list[CodeSummary]


class Alive(Record):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Record):
    """The service suggests codes, with this data."""

    status: Literal["ready"] = "ready"
    pack: str
    code_books: dict[System, str]
    lexicon: str
    software: str


class Links(Record):
    """Where things are."""

    service: str
    software: str
    links: dict[str, str]


class ImportBody(BaseModel):
    """Note records to take in. What else a record carries (codes of a corpus, say) is ignored."""

    model_config = ConfigDict(extra="ignore")

    items: list[Any] = Field(max_length=1000, description="Records as NoteRecord, or with several `notes`.")


# Described in OpenAPI but not declared to FastAPI, which would validate and quote what came.
DESCRIBED: tuple[type[BaseModel], ...] = (
    NoteRecord,
    NoteBatch,
    Prediction,
    PredictionBatch,
    ProblemDetails,
    ImportBody,
)
