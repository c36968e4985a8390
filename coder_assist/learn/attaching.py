"""Codes kept apart from the texts they are of: the codes are ours to publish, the texts are somebody else's.

A line of such a file has the note's ``id``, the SHA-256 of its text in UTF-8 (``text_sha256``), what is known of the
encounter, such as its ``setting``, and ``codes`` as in a coded corpus, with evidence as offsets alone.

>>> text = "Left knee pain."
>>> line = {"id": "n1", "text_sha256": text_digest(text), "codes": [{"system": "ICD-10-CM", "code": "M25.562"}]}
>>> attached(line, {"id": "n1", "text": text})["text"]
'Left knee pain.'
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from coder_assist.errors import CorpusError, InputError
from coder_assist.learn.corpus import checked_record, json_lines

Record = dict[str, Any]


def text_digest(text: str) -> str:
    """Return what names a text: the SHA-256 of its UTF-8, in hexadecimal."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def attached(line: Record, note: Record) -> Record:
    """Return a line of codes as a line of a coded corpus: with the text, and what else is known, of ``note``.

    Raises ``ValueError`` if the codes are of another text, or in no form for a corpus.
    """
    if line.get("text_sha256") != text_digest(note["text"]):
        raise ValueError("the text is not the one that was coded; its SHA-256 differs")
    own = {key: value for key, value in line.items() if key != "text_sha256"}
    return checked_record({**note, **own})


def attach(codes: Path, texts: Path) -> Iterator[Record]:
    """Yield the lines of ``codes``, in order, each with its text from ``texts`` (JSONL, also gzipped, ``id`` and ``text``).

    Raises ``CorpusError`` with file and line for a line that is not in its form, whose text is absent or differs, and
    ``InputError`` for a file that cannot be read; their messages hold ids, no note text.
    """
    known = {record["id"]: record for _, record in _records(texts, "text")}
    for number, line in _records(codes, "text_sha256"):
        if line["id"] not in known:
            raise CorpusError(codes.name, number, f"{texts.name} has no text with the id {line['id']!r}")
        try:
            yield attached(line, known[line["id"]])
        except ValueError as error:
            raise CorpusError(codes.name, number, str(error)) from None


def _records(path: Path, wanted: str) -> Iterator[tuple[int, Record]]:
    """Yield the numbered JSON objects of a file, each with the strings ``id`` and ``wanted``."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is no whole gzip file"
        raise InputError(f"{path}: expected a file of JSON lines; {reason}") from None
    for number, record in json_lines(BytesIO(data), path.name):
        if not isinstance(record, dict) or not all(
            isinstance(record.get(key), str) for key in ("id", wanted)
        ):
            raise CorpusError(path.name, number, f"expected an object with the strings 'id' and {wanted!r}")
        yield number, record
