"""Phrase memory: which phrases of coded notes earned which codes, and how reliably.

A phrase is up to four content words, kept as the order-free 64-bit key of its stems (see
``codes.terms``), never as text. For each phrase and code: in how many notes the phrase stood for the
code (``right``) and in how many it stood at all (``seen``).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from coder_assist.errors import PackError
from coder_assist.types import Code, System

PAIR = np.dtype([("key", "<u8"), ("code", "<u4"), ("right", "<u2"), ("seen", "<u2"), ("words", "u1")])
FILES = ("memory.npy", "memory-codes.txt")

# What phrases of other notes were remembered for holds only where the note itself names what the code combines:
# "peripheral vascular disease" is E11.51 in a diabetic, a headache O99.35 in a pregnancy ("O").
_PRESUPPOSES: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("E08", "E09", "E10", "E11", "E13"), frozenset("E08 E09 E10 E11 E13 E16 R73 Z79".split())
    ),
    **dict.fromkeys(("I11", "I12", "I13"), frozenset("I10 I11 I12 I13 I15 I16".split())),
}
# What words of a note of a pregnancy hold, and what such words are as a whole.
_OF_PREGNANCY = ("pregnan", "gestation", "gravid", "trimester", "obstetric")
_WORDS_OF_PREGNANCY = re.compile(r"\b(?:weeks?|labor|iup)\b")


def speaks_of_pregnancy(text: str) -> bool:
    """Say whether a note has a word that notes of a pregnancy have."""
    lowered = text.lower()
    return any(part in lowered for part in _OF_PREGNANCY) or _WORDS_OF_PREGNANCY.search(lowered) is not None


def may_hold(code: Code, held: Collection[str]) -> bool:
    """Say whether ``held``, the categories that a note names, have what a remembered code presupposes.

    >>> may_hold(Code(System.ICD10CM, "E11.51"), {"I73"}), may_hold(Code(System.ICD10CM, "E11.51"), {"I73", "E11"})
    (False, True)
    """
    if code.system is not System.ICD10CM:
        return True
    needed = frozenset("O") if code.value[0] == "O" else _PRESUPPOSES.get(code.value[:3])
    return needed is None or not needed.isdisjoint(held)


@dataclass(frozen=True, slots=True)
class Recollection:
    """What is remembered of one phrase and one code. ``precision`` is shrunk, in (0, 1)."""

    code: Code
    right: int
    seen: int
    words: int

    @property
    def precision(self) -> float:
        """How often the phrase earned the code, shrunk towards a tenth."""
        return (self.right + 0.2) / (self.seen + 2.0)


class PhraseMemory:
    """Pairs of phrases and codes, sorted by key. ``pairs`` has the dtype ``PAIR``; ``codes`` its codes."""

    def __init__(self, pairs: npt.NDArray[np.void], codes: list[Code]) -> None:
        self._pairs = pairs
        self._keys = np.ascontiguousarray(pairs["key"])
        self._codes = codes

    def __len__(self) -> int:
        return len(self._pairs)

    def lookup(self, key: int) -> list[Recollection]:
        """Return what is remembered of a phrase, most precise first; nothing for an unknown key."""
        first = int(self._keys.searchsorted(np.uint64(key), "left"))
        found = []
        while first < len(self._keys) and int(self._keys[first]) == key:
            row = self._pairs[first]
            found.append(
                Recollection(
                    self._codes[int(row["code"])], int(row["right"]), int(row["seen"]), int(row["words"])
                )
            )
            first += 1
        return sorted(found, key=lambda r: (-r.precision, r.code))

    def save(self, directory: Path) -> None:
        """Write the two files of a pack."""
        np.save(directory / FILES[0], self._pairs, allow_pickle=False)
        lines = [f"{code.system.value}\t{code.value}" for code in self._codes]
        (directory / FILES[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> PhraseMemory | None:
        """Read the memory of a pack; ``None`` if it has none. Raises ``PackError`` for another layout."""
        if not (directory / FILES[0]).is_file():
            return None
        pairs = np.load(directory / FILES[0], allow_pickle=False)
        lines = (directory / FILES[1]).read_text(encoding="utf-8").splitlines()
        if pairs.dtype != PAIR:
            raise PackError(f"pack {directory.name}: memory.npy has another layout; train the pack anew")
        split = (line.split("\t") for line in lines)
        return cls(pairs, [Code(System(system), value) for system, value in split])
