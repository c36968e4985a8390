"""The bodies that the review's operations take, as they are read and as OpenAPI documents them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from coder_assist.api.access import Scope
from coder_assist.api.schemas import Record
from coder_assist.errors import InputError
from coder_assist.review.states import AuditError, AuditVerdict, Role, SampleKind
from coder_assist.types import Code, PresentOnAdmission, Setting, Span, System, Verdict, Via


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
    present_on_admission: Annotated[
        PresentOnAdmission | None,
        Field(description="Of a diagnosis; needed on a hospital's claim of a stay."),
    ] = None


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
    blinded: Annotated[
        Flag, Field(description="Whether the auditor codes the notes alone before seeing the codes.")
    ] = False


class AuditBody(Record):
    """An audit to begin."""

    sample: SampleBody


class SecondCodingBody(Record):
    """What an auditor codes from the notes alone, first-listed first; none says that they support none."""

    codes: Annotated[list[CodeBody], Field(max_length=200)]


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
