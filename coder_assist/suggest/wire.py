"""The machine interface: a note's JSON record in, a run's JSON record out.

The command line and the HTTP service both read and write through here, so that a note gets the
same answer by either way.

>>> read_record({"id": "n1", "text": "Hypertension.", "setting": "inpatient"}).setting
<Setting.INPATIENT: 'inpatient'>
>>> try:
...     read_record({"id": "n1", "text": "Hypertension.", "setting": "ward"})
... except InvalidRecordError as error:
...     print(error)
note 'n1': setting must be one of outpatient, inpatient; got a string of 4 characters
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar

from coder_assist.errors import InvalidRecordError
from coder_assist.types import (
    Claim,
    Code,
    Encounter,
    Evidence,
    Finding,
    Note,
    Run,
    Setting,
    Sex,
    Suggestion,
    Withheld,
)

LONGEST_ID = 200
LONGEST_SPECIALTY = 200
OLDEST = 130

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# JSON can spell half of a surrogate pair ("\ud83d"); no text holds one, and UTF-8 cannot write it.
_SURROGATE = re.compile(r"[\ud800-\udfff]")

_Choice = TypeVar("_Choice", bound=StrEnum)


def read_record(record: object) -> Encounter:
    """Return the encounter that a decoded JSON record describes; unknown keys and ``null`` are ignored.

    Raises ``InvalidRecordError``, an ``InputError`` that lists every field that is missing or wrong, what
    was expected and what kind of value came.
    """
    if not isinstance(record, Mapping):
        raise InvalidRecordError(None, (("", f"must be an object with id and text; got {_kind(record)}"),))
    fields = _Fields(record)
    id = fields.text("id", required=True, longest=LONGEST_ID)
    text = fields.text("text", required=True)
    setting = fields.choice("setting", Setting)
    claim = fields.choice("claim", Claim)
    sex = fields.choice("sex", Sex)
    age = fields.age()
    service_date = fields.date("service_date")
    specialty = fields.text("specialty", longest=LONGEST_SPECIALTY)
    if fields.problems or id is None or text is None:
        raise InvalidRecordError(id, tuple(fields.problems))
    return Encounter(
        id=id,
        notes=(Note(id, text),),
        setting=setting or Setting.OUTPATIENT,
        claim=claim,
        service_date=service_date,
        sex=sex or Sex.UNKNOWN,
        age=age,
        specialty=specialty,
    )


class _Fields:
    """Reads the fields of one record and collects what is wrong with them."""

    def __init__(self, record: Mapping[object, object]) -> None:
        self.record = record
        self.problems: list[tuple[str, str]] = []

    def _wrong(self, field: str, expected: str, came: str) -> None:
        self.problems.append((field, f"must be {expected}; got {came}"))

    def text(self, field: str, required: bool = False, longest: int | None = None) -> str | None:
        value = self.record.get(field)
        if value is None and not required:
            return None
        if not isinstance(value, str):
            came = "nothing" if field not in self.record else _kind(value)
            self._wrong(field, "a string", came)
        elif (half := _SURROGATE.search(value)) is not None:
            self._wrong(field, "Unicode text", f"half of a surrogate pair at character {half.start()}")
        elif longest is not None and not (len(value) <= longest and value.strip()):
            self._wrong(field, f"a string of 1 to {longest} characters, not only blanks", _kind(value))
        else:
            return value
        return None

    def choice(self, field: str, choices: type[_Choice]) -> _Choice | None:
        value = self.record.get(field)
        if value is None:
            return None
        if isinstance(value, str) and value in set(choices):
            return choices(value)
        self._wrong(field, "one of " + ", ".join(choices), _kind(value))
        return None

    def age(self) -> float | None:
        value = self.record.get("age")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= OLDEST:
            self._wrong("age", f"a number of years from 0 to {OLDEST}", _kind(value))
            return None
        return float(value)

    def date(self, field: str) -> date | None:
        value = self.record.get(field)
        if value is None:
            return None
        if isinstance(value, str) and _ISO_DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                self._wrong(field, "a day of the calendar", "a date that does not exist")
                return None
        self._wrong(field, "an ISO 8601 date, YYYY-MM-DD", _kind(value))
        return None


def _kind(value: object) -> str:
    """Say what kind of JSON value came, without the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case float() if not math.isfinite(value):
            return "a number that is not finite"
        case int() | float():
            return "a number below 0" if value < 0 else "a number"
        case str():
            return (
                "an empty string"
                if not value
                else f"a string of {len(value)} character{'s' if len(value) > 1 else ''}"
            )
        case list() | tuple():
            return "an array"
        case Mapping():
            return "an object"
    return f"a {type(value).__name__}"


def run_record(run: Run) -> dict[str, object]:
    """Return a run as the machine interface writes it: JSON values only, no NaN, keys in a fixed order.

    Evidence of an encounter of several notes also says which note it stands in (``note_id``).
    """
    several = len(run.note_versions) > 1
    return {
        "id": run.encounter_id,
        "suggestions": [suggestion_record(suggestion, several) for suggestion in run.suggestions],
        "withheld": [_withheld(withheld, several) for withheld in run.withheld],
        "pack": run.pack,
        "code_books": dict(run.code_books),
        "lexicon": run.lexicon,
        "software": run.software,
        "notices": list(run.notices),
    }


def suggestion_record(suggestion: Suggestion, several: bool) -> dict[str, object]:
    """Return a suggestion as the machine interface writes it; ``several`` as for the encounter's evidence."""
    return {
        **_code(suggestion.code),
        "title": suggestion.title,
        "score": float(suggestion.probability),
        "selected": suggestion.selected,
        "sequence": suggestion.sequence,
        "evidence": [_evidence(evidence, several) for evidence in suggestion.evidence],
        "alternatives": [code.value for code in suggestion.alternatives],
        "findings": [finding_record(finding, several) for finding in suggestion.findings],
        "reasons": list(suggestion.reasons),
    }


def _withheld(withheld: Withheld, several: bool) -> dict[str, object]:
    return {
        **_code(withheld.code),
        "title": withheld.title,
        "reason": withheld.reason,
        "evidence": [_evidence(evidence, several) for evidence in withheld.evidence],
    }


def _code(code: Code) -> dict[str, object]:
    return {"system": code.system.value, "code": code.value}


def _evidence(evidence: Evidence, several: bool) -> dict[str, object]:
    place: dict[str, object] = {"note_id": evidence.note_id} if several else {}
    return {
        **place,
        "start": evidence.span.start,
        "end": evidence.span.end,
        "text": evidence.text,
        "section": evidence.section.value,
    }


def finding_record(finding: Finding, several: bool = False) -> dict[str, object]:
    """Return a finding as the machine interface writes it; ``several`` as for the encounter's evidence."""
    fix: dict[str, object] | None = None
    if finding.fix is not None:
        fix = {"remove": [_code(c) for c in finding.fix.remove], "add": [_code(c) for c in finding.fix.add]}
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "codes": [_code(code) for code in finding.codes],
        "message": finding.message,
        "authority": finding.authority,
        "fix": fix,
    }
