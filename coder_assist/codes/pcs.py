"""The words of inpatient procedures, and the ICD-10-PCS codes that they leave.

A PCS code is seven characters, each an answer of its own; which answers go together only the book knows.
So the tables hold words for answers, never codes:

=================== =====================================================================================
file                what a row says
=================== =====================================================================================
pcs_procedures.tsv  terms that name an operation, and the pattern they set: a character, ``.`` (not said)
                    or ``[..]`` (one of several, the likeliest first; ``*`` marks the one that holds where
                    the note says nothing). ``kind``: ``named`` operations, ``generic`` words for a root
                    operation alone, ``imaging`` and ``other`` services that few hospitals report
pcs_parts.tsv       terms for a part of the body in a body system: its value, or those of its sides
pcs_values.tsv      cues for the value of a character (3 to 7), in codes that begin with ``scope``
=================== =====================================================================================

``PcsVocabulary.resolve`` asks the book for the codes of a pattern and narrows them, character by
character, by what the note says. What is left open stays open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from coder_assist.codes.sources import data_file, read_rows, split_cell
from coder_assist.codes.terms import content_stems, key_of, words
from coder_assist.errors import LexiconError

KINDS = ("named", "generic", "imaging", "other")
SIDES = ("right", "left", "both")
# A part of the body that is this open is not said at all.
MOST_PARTS = 12
_CHARACTERS = re.compile(r"\[([0-9A-HJ-NP-Z*]+)\]|([0-9A-HJ-NP-Z.])")
_MEDICAL = {3: "operation", 4: "body part", 5: "approach", 6: "device", 7: "qualifier"}
_HOURS = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d)?) (hour|hr|day)s?\b")
_BREATHING = ("5A19", "5A09")

Like = Callable[[str], Sequence[str]]
Row = TypeVar("Row", "Operation", "Part")


@dataclass(frozen=True, slots=True)
class Operation:
    """Terms that name an operation: the values that each of the seven characters may have, likeliest first.

    ``values`` holds ``""`` for a character that the terms leave open, ``defaults`` the value that holds
    where the note says nothing (``""``: none).
    """

    values: tuple[str, ...]
    defaults: tuple[str, ...]
    kind: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the body: ``value`` where it has no sides, else the values of its sides, in ``SIDES`` order."""

    system: str
    value: str
    sides: tuple[str, str, str]
    terms: tuple[str, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """All values of the part."""
        return tuple(value for value in (self.value, *self.sides) if value)


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that tell a character's value, in codes that begin with ``scope`` (``.``: any character)."""

    scope: re.Pattern[str]
    character: int
    value: str
    cues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The likeliest code of what a note says; ``open`` names the characters that it leaves open.

    ``others`` are the further codes of the book that the note leaves, likeliest first.
    """

    code: str
    open: tuple[str, ...]
    others: tuple[str, ...]


def read_operations(path: Path) -> Iterator[Operation]:
    """Read ``pcs_procedures.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        found = [match[1] or match[2] for match in _CHARACTERS.finditer(row["pattern"])]
        if len(found) != 7 or _CHARACTERS.sub("", row["pattern"]) or not row["terms"]:
            raise LexiconError(
                path.name, number, f"expected a pattern of seven characters and terms; got {row['pattern']!r}"
            )
        if row["kind"] not in KINDS:
            raise LexiconError(
                path.name, number, f"kind must be one of {', '.join(KINDS)}; got {row['kind']!r}"
            )
        yield Operation(
            tuple(part.replace("*", "").replace(".", "") for part in found),
            tuple(part[part.index("*") - 1] if "*" in part else "" for part in found),
            row["kind"],
            split_cell(row["terms"], ";"),
        )


def read_parts(path: Path) -> Iterator[Part]:
    """Read ``pcs_parts.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        sided = bool(row["right"] and row["left"])
        if len(row["system"]) != 2 or bool(row["part"]) == sided or not row["terms"]:
            raise LexiconError(
                path.name, number, "expected a body system, a part or its right and left values, and terms"
            )
        sides = (row["right"], row["left"], row["both"])
        yield Part(row["system"], row["part"], sides, split_cell(row["terms"], ";"))


def read_cues(path: Path) -> Iterator[Cue]:
    """Read ``pcs_values.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        if row["character"] not in "34567" or len(row["value"]) != 1 or not row["cues"]:
            raise LexiconError(path.name, number, "expected a scope, a character 3 to 7, its value and cues")
        cues = tuple(plain(cue) for cue in split_cell(row["cues"], ";"))
        yield Cue(re.compile(row["scope"]), int(row["character"]), row["value"], cues)


def plain(text: str) -> str:
    """Return a text as cues are compared with: lower-case words parted by blanks, blanks around.

    >>> plain("Two-level, K-wires")
    ' two level k wires '
    """
    return f" {' '.join(word.raw for word in words(text))} "


class PcsVocabulary:
    """The three tables, and how they narrow the codes of a book."""

    def __init__(self, operations: Iterable[Operation], parts: Iterable[Part], cues: Iterable[Cue]) -> None:
        self.operations = tuple(operations)
        self.parts = tuple(parts)
        self._cues = tuple(cues)
        self.operations_of = _by_key(self.operations)
        self.parts_of = _by_key(self.parts)
        terms = [term for operation in self.operations for term in operation.terms]
        terms += [term for part in self.parts for term in part.terms]
        self.longest = max(len(content_stems(term)) for term in terms)
        self._side_of = {
            (part.system, value): side
            for part in self.parts
            for side, value in zip(SIDES, part.sides, strict=True)
            if value
        }

    @classmethod
    @cache
    def packaged(cls) -> PcsVocabulary:
        """Return the vocabulary of the packaged tables, read once. Raises ``LexiconError``."""
        return cls(
            read_operations(data_file("pcs_procedures.tsv")),
            read_parts(data_file("pcs_parts.tsv")),
            read_cues(data_file("pcs_values.tsv")),
        )

    def side_of(self, code: str) -> str:
        """Return the side that a code's part of the body has, one of ``SIDES``; empty if it has none."""
        return self._side_of.get((code[:2], code[3]), "")

    def resolve(
        self, operation: Operation, parts: Sequence[Part], side: str, texts: Sequence[str], like: Like
    ) -> Resolution | None:
        """Return what a mention of an operation leaves of the book, ``None`` where that is nothing or too much.

        ``parts`` are what a part of the body next to the mention may mean, ``side`` one of ``SIDES`` or
        empty; ``texts`` (each as ``plain`` gives it) are what stands around it, the nearest first. ``like``
        gives the codes of a glob pattern.
        """
        codes = self._codes(operation, parts, like)
        codes = self._of_side(codes, side)
        for character in range(3, 8):
            codes = self._narrow(codes, operation, character, texts)
        if not codes or len({code[1:4] for code in codes}) > MOST_PARTS:
            return None

        def likeliness(code: str) -> tuple[tuple[int, ...], str]:
            order = zip(code, operation.values, strict=True)
            return tuple(values.find(value) for value, values in order), code

        codes = sorted(codes, key=likeliness)
        left = [place for place in range(2, 8) if len({code[place - 1] for code in codes}) > 1]
        names = _MEDICAL if codes[0][0] == "0" else {}
        return Resolution(
            codes[0],
            tuple(f"character {place}" + (f" ({names[place]})" if place in names else "") for place in left),
            tuple(codes[1:]),
        )

    @staticmethod
    def _codes(operation: Operation, parts: Sequence[Part], like: Like) -> list[str]:
        first, system, root, part, *rest = (f"[{values}]" if values else "?" for values in operation.values)
        if part == "?":
            for near in parts:
                fits = all(
                    not said or at in said for at, said in zip(near.system, operation.values, strict=False)
                )
                glob = [first, near.system[1], root, f"[{''.join(near.values)}]", *rest]
                if fits and (codes := like("".join(glob))):
                    return list(codes)
            return []
        codes = like("".join([first, system, root, part, *rest]))
        near_by = {near.system + value for near in parts for value in near.values}
        return [code for code in codes if code[:2] + code[3] in near_by] or list(codes)

    def _of_side(self, codes: list[str], side: str) -> list[str]:
        """Keep the codes of a side; without one, the two sides but not both."""
        sides = {code: self.side_of(code) for code in codes}
        wanted = (side,) if side else SIDES[:2]
        kept = [code for code in codes if not sides[code] or sides[code] in wanted]
        if not any(sides[code] for code in kept) and any(sides.values()):
            return codes  # the book has no code of this side alone
        return kept

    def _narrow(
        self, codes: list[str], operation: Operation, character: int, texts: Sequence[str]
    ) -> list[str]:
        """Keep the codes whose value of a character is said, holds by default, or is "none"."""
        present = {code[character - 1] for code in codes}
        if len(present) < 2:
            return codes
        for text in texts:
            told = self._told(codes[0], character, text) & present
            if told:
                return [code for code in codes if code[character - 1] in told]
        default = operation.defaults[character - 1] or ("Z" if character > 5 else "")
        if default in present:
            return [code for code in codes if code[character - 1] == default]
        return codes

    def _told(self, code: str, character: int, text: str) -> set[str]:
        """Return the values of a character that a text tells; a longer cue outdoes one within it."""
        if character == 5 and code[:4] in _BREATHING:
            return _duration(text)
        found = [
            (at, at + len(cue), row.value)
            for row in self._cues
            if row.character == character and row.scope.match(code)
            for cue in row.cues
            for at in _places(cue, text)
        ]
        return {
            value
            for start, end, value in found
            if not any(s <= start and end <= e and (s, e) != (start, end) for s, e, _ in found)
        }


def _by_key(rows: Iterable[Row]) -> dict[int, tuple[Row, ...]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        for term in dict.fromkeys(key_of(content_stems(term)) for term in row.terms):
            found.setdefault(term, []).append(row)
    return {term: tuple(several) for term, several in found.items()}


def _places(cue: str, text: str) -> Iterator[int]:
    at = text.find(cue)
    while at >= 0:
        yield at
        at = text.find(cue, at + 1)


def _duration(text: str) -> set[str]:
    """Return the values of consecutive hours: 3 under 24, 4 from 24 to 96, 5 above."""
    hours = [float(match[1]) * (24 if match[2] == "day" else 1) for match in _HOURS.finditer(text)]
    return {"3" if longest < 24 else "4" if longest <= 96 else "5" for longest in hours}
