"""What the code books say of one code, looked up once and kept: what rules ask again and again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from coder_assist.codes import CodeBook, CodeRange, Instruction, InstructionKind, Library
from coder_assist.suggest.rules.edit_files import NO_EDITS, EditTables
from coder_assist.types import CodeEntry, System

_SIDES = (
    (re.compile(r"\bbilateral\b", re.IGNORECASE), "bilateral"),
    (re.compile(r"\bleft\b", re.IGNORECASE), "left"),
    (re.compile(r"\bright\b", re.IGNORECASE), "right"),
)
_SIDE_WORDS = re.compile(
    r"\b(?:left|right|bilateral|unilateral|of|unspecified(?: side)?)\b|[^a-z0-9]+", re.IGNORECASE
)
_UNSPECIFIED = re.compile(r"\b(?:unspecified|not otherwise specified|NOS)\b", re.IGNORECASE)
_ELSEWHERE = re.compile(r"classified elsewhere", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """One ICD-10-CM code. ``entry`` is ``None`` for a code that the edition does not have.

    ``side`` is ``left``, ``right``, ``bilateral`` or ``""``, from the title. ``excludes1`` and the other
    notes come with those inherited from the nodes above, nearest first.
    """

    value: str
    entry: CodeEntry | None
    ancestors: tuple[str, ...]
    side: str
    unspecified: bool
    manifestation: bool
    excludes1: tuple[Instruction, ...]
    excludes2: tuple[Instruction, ...]
    code_first: tuple[Instruction, ...]
    use_additional: tuple[Instruction, ...]
    code_also: tuple[Instruction, ...]

    @property
    def title(self) -> str:
        """The title, or the code itself where the book has none."""
        return self.entry.title if self.entry else self.value

    @property
    def billable(self) -> bool:
        """Whether it may stand on a claim as it is."""
        return self.entry is not None and self.entry.billable


def covers(instructions: tuple[Instruction, ...], value: str) -> Instruction | None:
    """Return the first of the notes that names a code, itself, by a node above it or by a range."""
    for instruction in instructions:
        for span in instruction.ranges:
            if span.covers(value):
                return instruction
    return None


def ranges_of(instructions: tuple[Instruction, ...]) -> tuple[CodeRange, ...]:
    """Return every code range that the notes name."""
    return tuple(span for instruction in instructions for span in instruction.ranges)


class FactBook:
    """The facts of an edition's codes. Looking one up costs a millisecond once, then nothing.

    ``edits`` are the payer's edits that the deployment loaded (``edit_tables(settings)``), none by default.
    """

    def __init__(self, library: Library, edits: EditTables = NO_EDITS) -> None:
        self.library = library
        self.edits = edits
        self.icd: CodeBook = library.icd
        self.books: Mapping[System, CodeBook] = library.books
        self.of = lru_cache(maxsize=32768)(self._of)
        self.kept_apart = lru_cache(maxsize=65536)(self._kept_apart)
        self.sides = lru_cache(maxsize=32768)(self._sides)
        self.named_by = lru_cache(maxsize=32768)(self._named_by)

    def _named_by(self, term_keys: tuple[int, ...], codes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the ICD-10-CM nodes that a mention's words name, by its lexicon keys and its own codes."""
        terms = (term for key in term_keys for term in self.library.lexicon.terms_of(key))
        nodes = [term.code.value for term in terms if term.code.system is System.ICD10CM]
        return tuple(dict.fromkeys([*codes, *nodes]))

    def _of(self, value: str) -> CodeFacts:
        entry = self.icd.get(value)
        if entry is None:
            return CodeFacts(value, None, (), "", False, False, (), (), (), (), ())
        found: dict[InstructionKind, list[Instruction]] = {}
        for instruction in self.icd.instructions(value):
            found.setdefault(instruction.kind, []).append(instruction)
        code_first = tuple(found.get(InstructionKind.CODE_FIRST, ()))
        return CodeFacts(
            value=value,
            entry=entry,
            ancestors=self.icd.ancestors(value),
            side=next((side for pattern, side in _SIDES if pattern.search(entry.title)), ""),
            unspecified=bool(_UNSPECIFIED.search(entry.title)),
            manifestation=bool(code_first and _ELSEWHERE.search(entry.title)),
            excludes1=tuple(found.get(InstructionKind.EXCLUDES1, ())),
            excludes2=tuple(found.get(InstructionKind.EXCLUDES2, ())),
            code_first=code_first,
            use_additional=tuple(found.get(InstructionKind.USE_ADDITIONAL, ())),
            code_also=tuple(found.get(InstructionKind.CODE_ALSO, ())),
        )

    def _kept_apart(self, one: str, other: str) -> Instruction | None:
        """Return the Excludes1 note of either code that names the other, ``None`` if there is none."""
        return covers(self.of(one).excludes1, other) or covers(self.of(other).excludes1, one)

    def siblings(self, value: str) -> tuple[str, ...]:
        """Return the billable codes beside a code, itself included; those with its 7th character where it has one."""
        entry = self.icd.get(value)
        if entry is None or entry.parent is None:
            return ()
        if len(value) == 8 and (stem := self.icd.get(entry.parent)) is not None and stem.parent is not None:
            beside = [
                self.icd.seventh_characters(child).get(value[-1]) for child in self.icd.children(stem.parent)
            ]
            return tuple(code for code in beside if code)
        return tuple(code for code in self.icd.children(entry.parent) if self.of(code).billable)

    def _sides(self, value: str) -> Mapping[str, str]:
        """Return the codes for the same condition by side: ``left``, ``right``, ``bilateral`` and ``""`` (unspecified).

        Empty where the book does not tell sides of this condition apart.
        """
        bare = _SIDE_WORDS.sub("", self.of(value).title).lower()
        found: dict[str, str] = {}
        beside = self.siblings(value)
        for code in beside:
            facts = self.of(code)
            same = _SIDE_WORDS.sub("", facts.title).lower() == bare
            if same and (facts.side or facts.unspecified):
                found.setdefault(facts.side, code)
        if not {"left", "right"} <= found.keys():
            return {}
        both = [code for code in beside if self.of(code).side == "bilateral"]
        if "bilateral" not in found and len(both) == 1:
            found["bilateral"] = both[0]
        if "bilateral" not in found:  # M16.0 stands beside M16.1-, not below it
            above = self.icd.get(str(self.icd.entry(value).parent))
            for code in self.icd.children(above.parent) if above and above.parent else ():
                facts = self.of(code)
                if (
                    facts.billable
                    and facts.side == "bilateral"
                    and _SIDE_WORDS.sub("", facts.title).lower() == bare
                ):
                    found["bilateral"] = code
        return found
