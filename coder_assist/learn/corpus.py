"""Coded notes: the mark-up that the project's own are written in, and JSONL corpora of any origin.

A note of ``corpora/notes`` is a text file: front matter of ``key: value`` lines, a line ``---``, then
the note, in which evidence is marked in place:

.. code-block:: text

    {{type 2 diabetes|E11.9}}             a required code and the words it rests on
    {{left knee pain|M25.562?}}           optional: right if coded, no loss if not
    {{chest pain|R07.9!}}                 the first-listed diagnosis, at most one in a note
    {{hypertensive CKD 3a|I12.9 N18.31}}  several codes on the same words
    {{cholecystectomy|CPT:47562}}         another system

The same code may be marked at several places; all of them become its evidence. Compiling takes the
mark-up out and computes the offsets, so they cannot drift from the text.

>>> record = compile_note(
...     "id: x-1\\nsetting: outpatient\\nspecialty: ENT\\ntitle: Ear\\nsplit: train\\n---\\n"
...     "Right {{ear pain|H92.01!}} for two days."
... )
>>> record["text"]
'Right ear pain for two days.'
>>> record["codes"][0]["evidence"]
[{'start': 6, 'end': 14, 'text': 'ear pain'}]
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coder_assist.codes import Library
from coder_assist.errors import CorpusError
from coder_assist.types import Claim, Code, Setting, Sex, Span, System

Record = dict[str, Any]

STATUSES = ("required", "optional")
SPLITS = ("train", "test")
_REQUIRED_KEYS = ("id", "setting", "specialty", "title", "split")
_CHOICES: dict[str, tuple[str, ...]] = {
    "setting": tuple(Setting),
    "claim": tuple(Claim),
    "sex": tuple(Sex),
    "split": SPLITS,
}
_KNOWN_KEYS = ("id", "encounter", "setting", "claim", "sex", "age", "specialty", "title", "split")

# Symptoms that ICD-10-CM classifies in a body-system chapter (guideline I.B.4: chapter 18 holds "many,
# but not all" of them).
_SYMPTOMS_ELSEWHERE = (
    "G89", "H53.14", "H57.1", "H92", "H93.1", "K08.89", "K59.0", "K62.5", "K92.0", "K92.1", "M25.5", "M25.6",
    "M54.2", "M54.5", "M54.6", "M54.9", "M62.81", "M79.1", "M79.6", "N64.4", "N92.6", "N93.9",
)  # fmt: skip
# Chapter 18 also holds severe sepsis and shock, which are no symptoms.
_NOT_SYMPTOMS = ("R57", "R65")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What ``check`` found wrong, and where."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Mark:
    """One code at one marked place: ``span`` in the note's text, ``line`` in its file."""

    code: Code
    optional: bool
    primary: bool
    span: Span
    line: int


def kind_of(code: Code) -> str:
    """Return what a code names: diagnosis, symptom, status or procedure.

    >>> [kind_of(Code.parse("ICD-10-CM", value)) for value in ("E11.9", "R07.9", "M25.562", "Z79.4", "W19.XXXA")]
    ['diagnosis', 'symptom', 'symptom', 'status', 'status']
    """
    if code.system is not System.ICD10CM:
        return "procedure"
    if code.value[0] in "VWXYZ":
        return "status"
    if code.value.startswith(_NOT_SYMPTOMS):
        return "diagnosis"
    return "symptom" if code.value.startswith(("R", *_SYMPTOMS_ELSEWHERE)) else "diagnosis"


def compile_note(text: str, file: str = "<note>") -> Record:
    """Compile a marked-up note into a line of a coded corpus.

    Codes stand in the order in which the note marks them, the primary one first. Raises
    ``CorpusError`` with file and line.
    """
    front, body, marks = _parse(text, file)
    record: Record = {key: front[key] for key in _KNOWN_KEYS if key in front}
    record["text"] = body
    record["codes"] = _codes(body, marks)
    return record


def compile_notes(directory: Path) -> list[Record]:
    """Compile all notes of ``directory/notes``, ordered by file name. Raises ``CorpusError``."""
    return [compile_note(_read(path), path.name) for path in _note_files(directory)]


def to_jsonl(records: Iterable[Record]) -> str:
    """Write records as JSONL, the same bytes for the same records."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _note_files(directory: Path) -> list[Path]:
    return sorted((directory / "notes").glob("*.txt"))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise CorpusError(path.name, 1, f"must be UTF-8; byte {error.start} is not") from None


def _parse(text: str, file: str) -> tuple[Record, str, list[Mark]]:
    front, body, first_line = _front_matter(text, file)
    plain, marks = _unmark(body, first_line, file)
    if not plain.strip():
        raise CorpusError(file, first_line, "the note has no text after its front matter")
    _agreeing(marks, file)
    return front, plain, marks


def _front_matter(text: str, file: str) -> tuple[Record, str, int]:
    """Return the front matter, the marked-up note and the line it starts on."""
    head, separator, body = text.partition("\n---\n")
    if not separator:
        raise CorpusError(file, 1, "expected front matter that ends with a line '---'; found no such line")
    front: Record = {}
    lines = head.split("\n")
    for number, line in enumerate(lines, start=1):
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not value:
            raise CorpusError(file, number, "expected 'key: value' in the front matter")
        if key not in _KNOWN_KEYS:
            # What came is not repeated: it may be a line of the note.
            wanted = ", ".join(_KNOWN_KEYS)
            raise CorpusError(
                file, number, f"key must be one of {wanted}; got another of {len(key)} characters"
            )
        if key in front:
            raise CorpusError(file, number, f"key {key!r} stands twice")
        choices = _CHOICES.get(key)
        if choices and value not in choices:
            raise CorpusError(file, number, f"{key} must be one of {', '.join(choices)}; got another word")
        front[key] = _age(value, file, number) if key == "age" else value
    missing = [key for key in _REQUIRED_KEYS if key not in front]
    if missing:
        raise CorpusError(file, len(lines) + 1, f"front matter lacks {', '.join(missing)}")
    return front, body.rstrip("\n"), len(lines) + 2


def _age(value: str, file: str, line: int) -> int | float:
    """Return an age in years; fractions are for infants."""
    try:
        age = float(value)
    except ValueError:
        age = -1.0
    if not 0 <= age <= 130:
        raise CorpusError(file, line, "age must be a number of years between 0 and 130; got something else")
    return int(age) if age == int(age) else age


def _unmark(body: str, first_line: int, file: str) -> tuple[str, list[Mark]]:
    """Take the mark-up out in one pass of ``str.find``: time grows with the length, whatever the text."""
    plain: list[str] = []
    marks: list[Mark] = []
    position = length = counted = 0
    line = first_line
    while True:
        opening = body.find("{{", position)
        stray = body.find("}}", position, opening if opening >= 0 else len(body))
        if stray >= 0:
            raise CorpusError(file, first_line + body.count("\n", 0, stray), "'}}' without '{{' before it")
        before = body[position : opening if opening >= 0 else len(body)]
        plain.append(before)
        length += len(before)
        if opening < 0:
            return "".join(plain), marks
        line += body.count("\n", counted, opening)
        counted = opening
        closing = body.find("}}", opening)
        inside = body[opening + 2 : closing]
        if closing < 0 or "{{" in inside:
            raise CorpusError(file, line, "'{{' without '}}' after it")
        words, bar, written = inside.rpartition("|")
        if not bar or not written.strip():
            raise CorpusError(file, line, "expected '{{words|CODE}}'; found no code")
        if not words or words != words.strip():
            raise CorpusError(file, line, "the marked words must not be empty or begin or end with a blank")
        span = Span(length, length + len(words))
        marks.extend(_mark(item, span, line, file) for item in written.split())
        plain.append(words)
        length = span.end
        position = closing + 2


def _mark(written: str, span: Span, line: int, file: str) -> Mark:
    value = written.rstrip("?!")
    flags = written[len(value) :]
    if flags not in ("", "?", "!"):
        raise CorpusError(file, line, "a code takes one of '?' (optional) or '!' (primary); got several")
    system, colon, rest = value.partition(":")
    try:
        code = Code.parse(system, rest) if colon else Code.parse(System.ICD10CM, value)
    except ValueError as error:
        raise CorpusError(file, line, str(error)) from None
    if flags == "!" and code.system is not System.ICD10CM:
        raise CorpusError(file, line, f"only a diagnosis can be primary; got {written!r}")
    return Mark(code, flags == "?", flags == "!", span, line)


def _agreeing(marks: Sequence[Mark], file: str) -> None:
    """See that no code is both required and optional and that one code at most is primary."""
    first: dict[Code, Mark] = {}
    primary: Mark | None = None
    seen: set[tuple[Code, Span]] = set()
    for mark in marks:
        earlier = first.setdefault(mark.code, mark)
        if earlier.optional != mark.optional:
            message = f"{mark.code} is optional in one place and required in another (line {earlier.line})"
            raise CorpusError(file, mark.line, message)
        if mark.primary and primary and primary.code != mark.code:
            raise CorpusError(
                file, mark.line, f"{mark.code} is primary; so is {primary.code} (line {primary.line})"
            )
        if (mark.code, mark.span) in seen:
            raise CorpusError(file, mark.line, f"{mark.code} stands twice on the same words")
        seen.add((mark.code, mark.span))
        primary = mark if mark.primary else primary


def _codes(body: str, marks: Sequence[Mark]) -> list[Record]:
    codes: dict[Code, Record] = {}
    for mark in marks:
        code = mark.code
        coded = codes.setdefault(
            code,
            {
                "system": code.system.value,
                "code": code.value,
                "status": STATUSES[mark.optional],
                "type": kind_of(code),
                "evidence": [],
            },
        )
        if mark.primary:
            coded["primary"] = True
        evidence = {"start": mark.span.start, "end": mark.span.end, "text": mark.span.slice(body)}
        coded["evidence"].append(evidence)
    return sorted(codes.values(), key=lambda coded: "primary" not in coded)


def read_corpus(path: Path) -> Iterator[Record]:
    """Read a coded corpus line by line, each checked; unknown keys are kept.

    ``codes`` may be empty, and ``evidence`` of a code may be missing; ``weight``, above 0 and at most 1, says
    how much a code counts in training, ``private`` that the note is a patient's, whose words are not to be kept.
    Codes are returned in written form. Raises ``CorpusError`` with file and line; its message holds ids and
    codes, no note text.
    """
    ids: dict[str, int] = {}
    with path.open("rb") as lines:
        for number, written in json_lines(lines, path.name):
            try:
                record = checked_record(written)
            except ValueError as error:
                raise CorpusError(path.name, number, str(error)) from None
            earlier = ids.setdefault(record["id"], number)
            if earlier != number:
                raise CorpusError(path.name, number, f"id {record['id']!r} is also on line {earlier}")
            yield record


def json_lines(lines: Iterable[bytes], file: str) -> Iterator[tuple[int, object]]:
    """Yield the values of JSON lines with their numbers, blank lines left out.

    Raises ``CorpusError`` with file and line for one that is no JSON.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"))
        except (UnicodeDecodeError, RecursionError):
            raise CorpusError(file, number, "expected a JSON object of little depth, in UTF-8") from None
        except json.JSONDecodeError as error:
            raise CorpusError(
                file, number, f"expected a JSON object; {error.msg} at column {error.colno}"
            ) from None
        except ValueError as error:  # a number of thousands of digits
            raise CorpusError(file, number, str(error)) from None
        yield number, value


def checked_record(record: object) -> Record:
    """Return a line of a coded corpus with its codes in written form. Raises ``ValueError`` for another form."""
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object; got {type(record).__name__}")
    for key in ("id", "text"):
        if not isinstance(record.get(key), str) or not record[key].strip():
            raise ValueError(f"{key!r} must be a string that is not blank")
    for key in ("patient_id", "encounter", "group"):
        if not isinstance(record.get(key), str | int | None):
            raise ValueError(f"{key!r} must be a string or a whole number")
    if not isinstance(record.get("private", False), bool):
        raise ValueError("'private' must be true or false")
    for key, choices in _CHOICES.items():
        if record.get(key) is not None and record[key] not in choices:
            raise ValueError(f"{key!r} must be one of {', '.join(choices)}")
    age = record.get("age")
    if age is not None and (isinstance(age, bool) or not isinstance(age, int | float) or not 0 <= age <= 130):
        raise ValueError("'age' must be a number of years between 0 and 130")
    if not isinstance(record.get("codes"), list):
        raise ValueError("'codes' must be a list; it may be empty")
    codes = [_checked_code(coded, record["text"]) for coded in record["codes"]]
    counts = Counter((coded["system"], coded["code"]) for coded in codes)
    repeated = [value for (_, value), count in counts.items() if count > 1]
    if repeated:
        raise ValueError(f"code {repeated[0]} stands twice; expected one entry with all its evidence")
    if sum(bool(coded.get("primary")) for coded in codes) > 1:
        raise ValueError("more than one code is primary; expected at most one")
    return {**record, "codes": codes}


def _checked_code(coded: object, text: str) -> Record:
    if not isinstance(coded, dict) or not all(isinstance(coded.get(key), str) for key in ("system", "code")):
        raise ValueError("a code must be an object with the strings 'system' and 'code'")
    code = Code.parse(coded["system"], coded["code"])
    status = coded.get("status", "required")
    if status not in STATUSES:
        raise ValueError(f"status of {code} must be one of {', '.join(STATUSES)}")
    weight = coded.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
        raise ValueError(f"weight of {code} must be a number above 0 and at most 1")
    evidence = coded.get("evidence") or []
    if not isinstance(evidence, list):
        raise ValueError(f"evidence of {code} must be a list")
    for piece in evidence:
        if not isinstance(piece, dict) or not all(type(piece.get(key)) is int for key in ("start", "end")):
            raise ValueError(f"evidence of {code} must have the integers 'start' and 'end'")
        start, end = piece["start"], piece["end"]
        if not 0 <= start < end <= len(text):
            raise ValueError(
                f"evidence of {code} must satisfy 0 <= start < end <= {len(text)}; got {start}, {end}"
            )
        if "text" in piece and piece["text"] != text[start:end]:
            raise ValueError(f"evidence of {code} at {start}-{end} is not the text of the note there")
    kind = coded.get("type") or kind_of(code)
    return {**coded, "system": code.system.value, "code": code.value, "status": status, "type": kind}


def check(directory: Path, library: Library) -> list[Problem]:
    """Return all that is wrong with the notes of a directory, and with the file compiled from them.

    Every ICD-10-CM code must be in the book and billable; a CPT or HCPCS code must be in its written
    form only, since the catalogue holds common ones. Ids are unique, notes of one encounter agree
    on whose they are, and ``encounters.jsonl`` is what compiling gives.
    """
    problems: list[Problem] = []
    records: list[Record] = []
    files: dict[str, str] = {}
    encounters: dict[str, tuple[str, Record]] = {}
    for path in _note_files(directory):
        try:
            text = _read(path)
            front, _, marks = _parse(text, path.name)
        except CorpusError as error:
            problems.append(Problem(error.file, error.line, error.problem))
            continue
        records.append(compile_note(text, path.name))
        problems.extend(_code_problems(marks, library, path.name))
        earlier = files.setdefault(front["id"], path.name)
        if earlier != path.name:
            problems.append(Problem(path.name, 1, f"id {front['id']!r} is also that of {earlier}"))
        if "encounter" in front:
            name, other = encounters.setdefault(front["encounter"], (path.name, front))
            differing = [
                key for key in ("setting", "claim", "sex", "age", "split") if front.get(key) != other.get(key)
            ]
            if differing:
                problems.append(
                    Problem(path.name, 1, f"{', '.join(differing)} differs from {name}, same encounter")
                )
    if not records:
        problems.append(Problem("notes", 1, "found no notes/*.txt"))
    compiled = directory / "encounters.jsonl"
    if not compiled.is_file() or compiled.read_text(encoding="utf-8") != to_jsonl(records):
        problems.append(
            Problem(compiled.name, 1, "is not what compiling the notes gives; compile them again")
        )
    return sorted(problems)


def _code_problems(marks: Sequence[Mark], library: Library, file: str) -> Iterator[Problem]:
    for mark in marks:
        if mark.code.system is not System.ICD10CM:
            continue
        entry = library.icd.get(mark.code.value)
        if entry is None:
            yield Problem(file, mark.line, f"ICD-10-CM edition {library.icd.edition} has no code {mark.code}")
        elif not entry.billable:
            yield Problem(file, mark.line, f"{mark.code} is a header; expected a billable code below it")


def summary(records: Sequence[Record]) -> str:
    """Return the counts of a corpus as a Markdown table.

    Words are counted as runs without blanks.
    """
    lines = ["| | train | test | all |", "|---|---|---|---|"]
    parts = [[record for record in records if record.get("split") == split] for split in SPLITS]

    def row(label: str, values: list[object]) -> None:
        lines.append(f"| {label} | " + " | ".join(str(value) for value in values) + " |")

    def coded(part: Sequence[Record], status: str, kind: str) -> int:
        return sum(
            code["status"] == status and code["type"] == kind for record in part for code in record["codes"]
        )

    columns = [*parts, records]
    row("notes", [len(part) for part in columns])
    row("encounters", [len({record.get("encounter", record["id"]) for record in part}) for part in columns])
    row("specialties", [len({record["specialty"] for record in part}) for part in columns])
    row(
        "inpatient notes",
        [sum(record["setting"] == Setting.INPATIENT for record in part) for part in columns],
    )
    row("notes without a code", [sum(not record["codes"] for record in part) for part in columns])
    row("words", [sum(len(re.findall(r"\S+", record["text"])) for record in part) for part in columns])
    for status in STATUSES:
        for kind in ("diagnosis", "symptom", "status", "procedure"):
            row(f"{status} {kind} codes", [coded(part, status, kind) for part in columns])
    distinct = [
        {(code["system"], code["code"]) for record in part for code in record["codes"]} for part in columns
    ]
    row("distinct codes", [len(codes) for codes in distinct])
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    _directory = Path(sys.argv[1] if len(sys.argv) > 1 else "corpora")
    _records = compile_notes(_directory)
    (_directory / "encounters.jsonl").write_text(to_jsonl(_records), encoding="utf-8")
    sys.stdout.write(summary(_records))
