"""The code book's instructional notes, and the code ranges that stand in them.

>>> parse_ranges("diabetes mellitus due to underlying condition (E08.-, E09.311, O24.4-)")
(CodeRange(first='E08', last='E08'), CodeRange(first='E09.311', last='E09.311'), CodeRange(first='O24.4', last='O24.4'))
>>> CodeRange("O00", "O07").covers("O03.9")
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class InstructionKind(StrEnum):
    """The kinds of notes in the Tabular List, by the names that coders use."""

    INCLUDES = "includes"
    EXCLUDES1 = "excludes1"
    EXCLUDES2 = "excludes2"
    CODE_FIRST = "code first"
    USE_ADDITIONAL = "use additional code"
    CODE_ALSO = "code also"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class CodeRange:
    """All codes from ``first`` to ``last``, both with everything below them."""

    first: str
    last: str

    def covers(self, code: str) -> bool:
        """Say whether a code (dotted) lies in the range or below its ends."""
        return self.first <= code[: len(self.first)] and code[: len(self.last)] <= self.last


@dataclass(frozen=True, slots=True)
class Instruction:
    """One note of the Tabular List. ``ranges`` is empty where it names no codes; ``node`` is where it stands."""

    kind: InstructionKind
    text: str
    ranges: tuple[CodeRange, ...]
    node: str


_CODE = r"[A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{1,4})?(?:\.?-)?"
_ITEM = re.compile(rf"(?<![A-Za-z0-9.])({_CODE})(?:\s*(?:-|to)\s*({_CODE}))?(?![A-Za-z0-9])")
_VITAMIN = re.compile(r"vitamin B\d{1,2}", re.IGNORECASE)


def _bare(code: str) -> str:
    return code.removesuffix("-").removesuffix(".")


def parse_ranges(text: str) -> tuple[CodeRange, ...]:
    """Read every code, ``X00.-`` stem and ``X00-X09`` range of a note's text, in order.

    A note without a code gives an empty tuple: the caller keeps its text.
    """
    found = []
    for match in _ITEM.finditer(_VITAMIN.sub("vitamin", text)):
        first, last = _bare(match[1]), _bare(match[2] or match[1])
        if first <= last:
            found.append(CodeRange(first, last))
    return tuple(found)
