"""FHIR R4 documents as encounters: ``DocumentReference``, alone or in a ``Bundle``.

Documents of one FHIR ``Encounter`` become the notes of one encounter; sex, age, setting and day come from the
bundle's ``Patient`` and ``Encounter``. Nothing is fetched: an attachment must carry its text as ``data``, or
point to a ``Binary`` of the same bundle.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from coder_assist.errors import InputError
from coder_assist.review.importing import LONGEST_NOTE, accept
from coder_assist.review.records import Incoming
from coder_assist.types import Encounter, Note, Setting, Sex

Resource = Mapping[str, Any]

# https://terminology.hl7.org/CodeSystem-v3-ActCode.html
_INPATIENT = frozenset({"IMP", "ACUTE", "NONAC"})
_SEX = {"female": Sex.FEMALE, "male": Sex.MALE}
_TEXT_TYPES = frozenset({"", "text/plain"})
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_DAYS_OF_YEAR = 365.2425


def from_fhir(resource: object, longest: int = LONGEST_NOTE) -> list[Incoming]:
    """Read a decoded FHIR R4 ``DocumentReference`` or a ``Bundle`` that holds some.

    ``index`` is the place of the document in the bundle's entries. Documents that cannot be read are listed,
    and the encounter goes in with the others. Raises ``InputError`` for what is neither.
    """
    if not isinstance(resource, Mapping):
        raise InputError("expected a FHIR resource, a JSON object with resourceType")
    kind = resource.get("resourceType")
    if kind == "DocumentReference":
        entries: list[tuple[str, Resource]] = [("", resource)]
    elif kind == "Bundle":
        entries = list(_entries(resource))
    else:
        raise InputError("resourceType must be DocumentReference or Bundle")
    others = _Others(entries)
    failed: list[Incoming] = []
    documents: dict[str, list[tuple[int, Resource, Note]]] = {}
    for index, (_, document) in enumerate(entries):
        if document.get("resourceType") != "DocumentReference":
            continue
        id = _string(document.get("id"))
        try:
            note = Note(id or f"document-{index + 1}", _text_of(document, others), title=_title(document))
        except InputError as error:
            failed.append(Incoming(index, id, error=str(error)))
            continue
        visit = _reference(_first(_mapping(document.get("context")).get("encounter")))
        documents.setdefault(f"visit {visit}" if visit else f"alone {index}", []).append(
            (index, document, note)
        )
    read = [_encounter(visit, group, others, longest) for visit, group in documents.items()]
    return sorted([*read, *failed], key=lambda item: item.index)


class _Others:
    """The other resources of a bundle, by every name they may be referred to."""

    def __init__(self, entries: Iterable[tuple[str, Resource]]) -> None:
        self._by_name: dict[str, Resource] = {}
        for url, resource in entries:
            kind, id = resource.get("resourceType"), resource.get("id")
            for name in (url, f"{kind}/{id}" if id else ""):
                if name:
                    self._by_name.setdefault(name, resource)

    def get(self, reference: str | None, kind: str) -> Resource:
        """Return what a reference points to, or nothing."""
        if not reference:
            return {}
        found = self._by_name.get(reference) or self._by_name.get("/".join(reference.split("/")[-2:]), {})
        return found if found.get("resourceType") == kind else {}


def _entries(bundle: Resource) -> Iterator[tuple[str, Resource]]:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        entry = _mapping(entry)
        yield _string(entry.get("fullUrl")) or "", _mapping(entry.get("resource"))


def _encounter(key: str, group: list[tuple[int, Resource, Note]], others: _Others, longest: int) -> Incoming:
    index, first, note = group[0]
    context = _mapping(first.get("context"))
    reference = _reference(_first(context.get("encounter")))
    visit = others.get(reference, "Encounter")
    subject = _reference(first.get("subject")) or _reference(visit.get("subject"))
    patient = others.get(subject, "Patient")
    day = (
        _day(_mapping(visit.get("period")).get("start"))
        or _day(_mapping(context.get("period")).get("start"))
        or _day(first.get("date"))
    )
    # The visit's name where documents share one; a document alone is known by its own.
    own = _string(first.get("id")) or _identifier(first)
    id = (_last(reference) if key.startswith("visit ") and reference else None) or own or note.id
    act_class = _string(_mapping(visit.get("class")).get("code"))
    encounter = Encounter(
        id=id,
        notes=tuple(note for _, _, note in group),
        setting=Setting.INPATIENT if act_class in _INPATIENT else Setting.OUTPATIENT,
        service_date=day,
        sex=_SEX.get(_string(patient.get("gender")) or "", Sex.UNKNOWN),
        age=_age(_day(patient.get("birthDate")), day),
        patient_id=_last(subject),
    )
    return accept(index, encounter, longest, note.title)


def _text_of(document: Resource, others: _Others) -> str:
    """Return the text of the first attachment that is plain text. Raises ``InputError`` with the reason."""
    contents = document.get("content")
    reasons: list[str] = []
    for content in contents if isinstance(contents, list) else ():
        attachment = _mapping(_mapping(content).get("attachment"))
        kind, _, parameters = (_string(attachment.get("contentType")) or "").partition(";")
        if kind.strip().lower() not in _TEXT_TYPES:
            reasons.append("the attachment is not text/plain")
            continue
        data = _string(attachment.get("data"))
        url = _string(attachment.get("url"))
        if data is None and url is not None:
            data = _string(others.get(url, "Binary").get("data"))
            if data is None:
                reasons.append("the attachment is a link, and nothing is fetched; send its data")
                continue
        if data is None:
            reasons.append("the attachment has no data")
            continue
        return _decoded(data, parameters)
    raise InputError(reasons[0] if reasons else "the document has no attachment")


def _decoded(data: str, parameters: str) -> str:
    """Return what base64 says. Systems that write the bare text instead are taken at their word."""
    written = "".join(data.split())
    if not _BASE64.fullmatch(written):
        return data
    try:
        content = base64.b64decode(written, validate=True)
    except binascii.Error:
        return data
    name = re.search(r"charset\s*=\s*\"?([\w.:-]+)", parameters, re.IGNORECASE)
    try:
        return content.decode(name.group(1) if name else "utf-8")
    except (UnicodeDecodeError, LookupError):
        raise InputError(
            "the attachment's data is not text in the charset of its contentType (utf-8 if none is named)"
        ) from None


def _title(document: Resource) -> str:
    kind = _mapping(document.get("type"))
    coding = _mapping(_first(kind.get("coding")))
    content = _mapping(_first(document.get("content")))
    written = (
        _string(kind.get("text"))
        or _string(coding.get("display"))
        or _string(_mapping(content.get("attachment")).get("title"))
        or _string(document.get("description"))
        or ""
    )
    return written[:200]


def _age(born: date | None, day: date | None) -> float | None:
    if born is None or day is None or not 0 <= (day - born).days <= 130 * _DAYS_OF_YEAR:
        return None
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    # Of infants the fraction matters; of others the birthday does.
    return float(years) if years >= 2 else round((day - born).days / _DAYS_OF_YEAR, 2)


def _day(written: object) -> date | None:
    """Return the day of a FHIR date or dateTime; a year or month alone is no day."""
    try:
        return date.fromisoformat(written[:10]) if isinstance(written, str) and len(written) >= 10 else None
    except ValueError:
        return None


def _identifier(document: Resource) -> str | None:
    master = _mapping(document.get("masterIdentifier")) or _mapping(_first(document.get("identifier")))
    return _string(master.get("value"))


def _reference(written: object) -> str | None:
    return _string(_mapping(written).get("reference"))


def _last(reference: str | None) -> str | None:
    """Return the id that a reference ends with."""
    return re.split(r"[/:]", reference)[-1] or None if reference else None


def _first(written: object) -> object:
    return written[0] if isinstance(written, list) and written else None


def _mapping(written: object) -> Resource:
    return written if isinstance(written, Mapping) else {}


def _string(written: object) -> str | None:
    return written if isinstance(written, str) and written.strip() else None
