"""What comes in: plain text, note records and JSONL, read item by item. ``fhir.py`` reads FHIR.

A bad item becomes an ``Incoming`` with its reason; the others are read. No reason repeats a value.

>>> [item.error for item in from_records([{"id": "n1", "text": "Cough."}, {"id": "n2"}])]
[None, "note 'n2': text must be a string; got nothing"]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from coder_assist.errors import InputError, InvalidRecordError
from coder_assist.review.changing import checked_text
from coder_assist.review.records import Incoming
from coder_assist.suggest.wire import LONGEST_ID, LONGEST_SPECIALTY, read_record
from coder_assist.types import Encounter, Note

LONGEST_NOTE = 200_000
MOST_NOTES = 200
MOST_PRIORITY = 9


def from_text(id: str, text: str, longest: int = LONGEST_NOTE) -> list[Incoming]:
    """Read a bare note."""
    return from_records([{"id": id, "text": text}], longest)


def from_records(records: Iterable[object], longest: int = LONGEST_NOTE) -> list[Incoming]:
    """Read decoded note records: ``id`` with ``text`` or ``notes``, and what else ``suggest.wire`` knows.

    ``title``, ``patient_id`` and ``priority`` (0 to 9, urgent ones higher) are read as well. ``notes`` is a
    list of objects with ``text`` and, where there are several, ``id``; ``title`` may be there.
    """
    return [_read(index, record, longest) for index, record in enumerate(records)]


def from_jsonl(content: bytes, longest: int = LONGEST_NOTE) -> list[Incoming]:
    """Read a JSONL file of note records; ``index`` counts its lines from 0, blank ones included."""
    items = []
    for index, line in enumerate(content.split(b"\n")):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            items.append(Incoming(index, None, error=f"expected a JSON object; {type(error).__name__}"))
        else:
            items.append(_read(index, record, longest))
    return items


def accept(index: int, encounter: Encounter, longest: int, title: str = "", priority: int = 0) -> Incoming:
    """See that the store can keep an encounter, and return it as an item; else the item says why not."""
    try:
        checked_text(encounter.id, "id", LONGEST_ID)
        if not 1 <= len(encounter.notes) <= MOST_NOTES:
            raise InputError(f"expected 1 to {MOST_NOTES} notes; got {len(encounter.notes)}")
        if len({note.id for note in encounter.notes}) < len(encounter.notes):
            raise InputError("the notes of an encounter must have different ids")
        for place, note in enumerate(encounter.notes):
            checked_text(note.id, f"notes[{place}].id", LONGEST_ID)
            checked_text(note.title, f"notes[{place}].title", LONGEST_ID, empty=True)
            checked_text(note.text, f"notes[{place}].text", longest)
        checked_text(title, "title", LONGEST_ID, empty=True)
        checked_text(encounter.patient_id or "", "patient_id", LONGEST_ID, empty=True)
        checked_text(encounter.specialty or "", "specialty", LONGEST_SPECIALTY, empty=True)
    except InputError as error:
        return Incoming(index, encounter.id, error=str(error))
    return Incoming(index, encounter.id, encounter, title, priority)


def _read(index: int, record: object, longest: int) -> Incoming:
    if not isinstance(record, Mapping):
        return Incoming(index, None, error="expected an object with id and text or notes")
    try:
        encounter = _several(record) if record.get("notes") is not None else read_record(record)
        title = _optional_text(record, "title")
        encounter = replace(encounter, patient_id=_optional_text(record, "patient_id") or None)
        priority = record.get("priority") or 0
        if type(priority) is not int or not 0 <= priority <= MOST_PRIORITY:
            raise InputError(f"priority must be an integer from 0 to {MOST_PRIORITY}")
    except InputError as error:
        id = error.id if isinstance(error, InvalidRecordError) else record.get("id")
        return Incoming(index, id if isinstance(id, str) else None, error=str(error))
    if len(encounter.notes) == 1 and title and not encounter.notes[0].title:
        encounter = replace(encounter, notes=(replace(encounter.notes[0], title=title),))
    return accept(index, encounter, longest, title, priority)


def _several(record: Mapping[object, object]) -> Encounter:
    """Read an encounter of several notes: the record's other fields mean what they mean beside one text."""
    written = record["notes"]
    if record.get("text") is not None:
        raise InputError("expected text or notes; got both")
    if not isinstance(written, list) or not 1 <= len(written) <= MOST_NOTES:
        raise InputError(f"notes must be an array of 1 to {MOST_NOTES} notes")
    frame = read_record({**{key: value for key, value in record.items() if key != "notes"}, "text": "-"})
    notes = []
    for place, note in enumerate(written):
        if not isinstance(note, Mapping):
            raise InputError(f"notes[{place}] must be an object with text")
        id = note.get("id", frame.id if len(written) == 1 else None)
        text = note.get("text")
        if not isinstance(id, str) or not isinstance(text, str):
            raise InputError(f"notes[{place}] must have the strings id and text")
        notes.append(Note(id, text, title=_optional_text(note, "title")))
    return replace(frame, notes=tuple(notes))


def _optional_text(record: Mapping[object, object], field: str) -> str:
    value = record.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{field} must be a string")
    return value
