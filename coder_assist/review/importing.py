"""What comes in: plain text, note records, JSONL and FHIR R4, read item by item.

A bad item becomes an ``Incoming`` with its reason; the others are read. Nothing is fetched: an attachment
that is only a link is a bad item.
"""

from __future__ import annotations

from collections.abc import Iterable

from coder_assist.review.records import Incoming


def from_text(id: str, text: str, longest: int = 200_000) -> list[Incoming]:
    """Read a bare note."""
    raise NotImplementedError


def from_records(records: Iterable[object], longest: int = 200_000) -> list[Incoming]:
    """Read decoded note records: ``id`` with ``text`` or ``notes``, and what else ``suggest.wire`` knows.

    ``title``, ``priority`` and ``patient_id`` are read as well.
    """
    raise NotImplementedError


def from_jsonl(content: bytes, longest: int = 200_000) -> list[Incoming]:
    """Read a JSONL file of note records."""
    raise NotImplementedError


def from_fhir(resource: object, longest: int = 200_000) -> list[Incoming]:
    """Read a decoded FHIR R4 ``DocumentReference`` or a ``Bundle`` that holds some.

    Documents of one FHIR encounter become the notes of one encounter.
    """
    raise NotImplementedError
