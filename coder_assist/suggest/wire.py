"""The machine interface: the JSON record of a note or of an encounter's notes in, a run's JSON record out.

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

import json
import math
import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar

from coder_assist.errors import InvalidRecordError, RecordError
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
MOST_NOTES = 500

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# JSON can spell half of a surrogate pair ("\ud83d"); no text holds one, and UTF-8 cannot write it.
_SURROGATE = re.compile(r"[\ud800-\udfff]")

_Choice = TypeVar("_Choice", bound=StrEnum)


def read_record(record: object) -> Encounter:
    """Return the encounter that a decoded JSON record describes; unknown keys and ``null`` are ignored.

    Its note is ``text``, which then has the record's id; or its ``notes`` are a list of ``{id, text, title?}``.
    Raises ``InvalidRecordError``, an ``InputError`` that lists every field that is missing or wrong, what
    was expected and what kind of value came.
    """
    if not isinstance(record, Mapping):
        raise InvalidRecordError(
            None, (("", f"must be an object with id and text, or id and notes; got {_kind(record)}"),)
        )
    fields = _Fields(record)
    id = fields.text("id", required=True, longest=LONGEST_ID)
    notes = fields.notes(id)
    setting = fields.choice("setting", Setting)
    claim = fields.choice("claim", Claim)
    sex = fields.choice("sex", Sex)
    age = fields.age()
    service_date = fields.date("service_date")
    specialty = fields.text("specialty", longest=LONGEST_SPECIALTY)
    if fields.problems or id is None:
        raise InvalidRecordError(id, tuple(fields.problems))
    return Encounter(
        id=id,
        notes=notes,
        setting=setting or Setting.OUTPATIENT,
        claim=claim,
        service_date=service_date,
        sex=sex or Sex.UNKNOWN,
        age=age,
        specialty=specialty,
    )


def read_line(number: int, line: bytes) -> Encounter:
    """Return the encounter of one line of a JSONL file; ``number`` counts from 1.

    Raises ``RecordError``, which knows the line.
    """
    try:
        return read_record(json.loads(line.decode("utf-8")))
    except UnicodeDecodeError:
        raise RecordError(number, "expected UTF-8") from None
    except json.JSONDecodeError as error:
        raise RecordError(number, f"expected a JSON object; {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise RecordError(number, "expected a JSON object of little depth; it is nested too deeply") from None
    except InvalidRecordError as error:
        raise RecordError(number, str(error)) from None
    except ValueError:
        raise RecordError(number, "expected a JSON object; it holds a number of too many digits") from None


class _Fields:
    """Reads the fields of one record and collects what is wrong with them, below ``path``."""

    def __init__(self, record: Mapping[object, object], path: str = "") -> None:
        self.record = record
        self.path = path
        self.problems: list[tuple[str, str]] = []

    def _wrong(self, field: str, expected: str, came: str) -> None:
        self.problems.append((self.path + field, f"must be {expected}; got {came}"))

    def notes(self, id: str | None) -> tuple[Note, ...]:
        """Return the one note of ``text`` (it has the record's id) or those of ``notes``; exactly one must be given."""
        listed = self.record.get("notes")
        if listed is None:
            text = self.text("text", required=True)
            return (Note(id or "", text),) if text is not None else ()
        if self.record.get("text") is not None:
            self._wrong("notes", "left out where text is given", _kind(listed))
        elif not isinstance(listed, list) or not 1 <= len(listed) <= MOST_NOTES:
            came = f"{len(listed)} notes" if isinstance(listed, list) else _kind(listed)
            self._wrong("notes", f"an array of 1 to {MOST_NOTES} notes", came)
        else:
            return self._several(listed)
        return ()

    def _several(self, listed: list[object]) -> tuple[Note, ...]:
        notes: dict[str, Note] = {}
        for place, record in enumerate(listed):
            if not isinstance(record, Mapping):
                self._wrong(f"notes/{place}", "an object with id and text", _kind(record))
                continue
            fields = _Fields(record, f"{self.path}notes/{place}/")
            id = fields.text("id", required=True, longest=LONGEST_ID)
            text = fields.text("text", required=True)
            title = fields.text("title")
            self.problems += fields.problems
            if id in notes:
                self._wrong(f"notes/{place}/id", "an id of its own", "that of another note")
            elif id is not None and text is not None:
                notes[id] = Note(id, text, title=title or "")
        return tuple(notes.values())

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

    Evidence says which note it stands in (``note_id``), but for the one note that has the encounter's own id.
    """
    several = set(run.note_versions) != {run.encounter_id}
    return {
        "id": run.encounter_id,
        "suggestions": [suggestion_record(suggestion, several) for suggestion in run.suggestions],
        "withheld": [_withheld(withheld, several) for withheld in run.withheld],
        "findings": [finding_record(finding, several) for finding in run.findings],
        "pack": run.pack,
        "code_books": dict(run.code_books),
        "lexicon": run.lexicon,
        "rules": run.rules,
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
        fix = {
            "remove": [_code(code) for code in finding.fix.remove],
            "add": [_code(code) for code in finding.fix.add],
            "modifiers": [
                {**_code(code), "modifiers": list(modifiers)} for code, modifiers in finding.fix.modifiers
            ],
        }
    query: dict[str, object] | None = None
    if finding.query is not None:
        query = {
            "question": finding.query.question,
            "options": list(finding.query.options),
            "indicators": [_evidence(evidence, several) for evidence in finding.query.indicators],
        }
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "codes": [_code(code) for code in finding.codes],
        "message": finding.message,
        "authority": finding.authority,
        "fix": fix,
        "query": query,
    }
