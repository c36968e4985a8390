"""A code book: every code of a system in one edition, its place, its notes, its validity.

The book is read from the compiled store (see ``compiler``), row by row as asked, so that opening
one costs milliseconds and little memory.
"""

from __future__ import annotations

import json
import re
import sqlite3
import weakref
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Self

from coder_assist.codes.instructions import CodeRange, Instruction, InstructionKind
from coder_assist.codes.tabular import dotted
from coder_assist.errors import UnknownCode
from coder_assist.types import Code, CodeEntry, System


class CodeBook:
    """The codes of one system in one edition.

    Codes are given and returned in written form (``E11.9``). All methods are safe to call from
    several threads. ``valid_from`` and ``valid_to`` bound the dates of service (both included),
    ``None`` where the edition does not say.
    """

    def __init__(
        self,
        store: Path,
        system: System,
        edition: str,
        valid_from: date | None = None,
        valid_to: date | None = None,
    ) -> None:
        self.system = system
        self.edition = edition
        self.valid_from = valid_from
        self.valid_to = valid_to
        self._database = sqlite3.connect(
            f"{store.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        self._finalizer = weakref.finalize(self, self._database.close)  # a dropped book closes too
        self.get = lru_cache(maxsize=16384)(self._get)
        self.children = lru_cache(maxsize=16384)(self._children)
        self.ancestors = lru_cache(maxsize=16384)(self._ancestors)
        self.notes_at = lru_cache(maxsize=16384)(self._notes_at)

    def close(self) -> None:
        """Close the store's file; the book cannot be read afterwards."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CodeBook({self.system}, edition {self.edition})"

    def __len__(self) -> int:
        """Return the number of codes and headers, chapters and blocks left out."""
        return self._count("select count(*) from nodes where system = ? and level = 'code'", self.system)

    def __contains__(self, value: str) -> bool:
        return self.get(value) is not None

    def __iter__(self) -> Iterator[CodeEntry]:
        """Iterate over all codes and headers in book order."""
        rows = self._database.execute(
            "select name, title, billable, parent, terms from nodes where system = ? and level = 'code' order by id",
            (self.system,),
        )
        yield from (self._entry(*row) for row in rows)

    def _count(self, query: str, *values: str) -> int:
        return int(self._database.execute(query, values).fetchone()[0])

    def _entry(self, name: str, title: str, billable: int, parent: str | None, terms: str) -> CodeEntry:
        inclusion = tuple(json.loads(terms)) if terms else ()
        return CodeEntry(Code(self.system, name), title, bool(billable), parent, inclusion)

    def _get(self, value: str) -> CodeEntry | None:
        """Return the entry of a code, block or chapter, or ``None`` if the book has none."""
        row = self._database.execute(
            "select name, title, billable, parent, terms from nodes where system = ? and name = ?",
            (self.system, value),
        ).fetchone()
        return self._entry(*row) if row else None

    def entry(self, value: str) -> CodeEntry:
        """Return the entry of a code, block or chapter. Raises ``UnknownCode`` if the book has none."""
        found = self.get(value)
        if found is None:
            raise UnknownCode(
                f"{self.system} edition {self.edition} has no code {value!r}; search the book by its words"
            )
        return found

    def starting_with(self, text: str, limit: int) -> list[CodeEntry]:
        """Return the first entries in book order whose code begins as typed, dot or no dot."""
        bare = text.strip().upper().replace(".", "")
        if not re.fullmatch(r"(?:[A-Z](?:\d|A\d)|\d)[0-9A-Z]{0,5}", bare):
            return []
        written = bare if self.system is not System.ICD10CM else dotted(bare)
        rows = self._database.execute(
            "select name, title, billable, parent, terms from nodes where system = ? and level = 'code' "
            "and name >= ? and name < ? order by id limit ?",
            (self.system, written, written + "~", limit),
        )
        return [self._entry(*row) for row in rows]

    def billable_count(self) -> int:
        """Return the number of codes that may stand on a claim."""
        query = "select count(*) from nodes where system = ? and level = 'code' and billable"
        return self._count(query, self.system)

    def _children(self, value: str) -> tuple[str, ...]:
        """Return the names directly below a node, in book order."""
        rows = self._database.execute(
            "select name from nodes where system = ? and parent = ? order by id", (self.system, value)
        )
        return tuple(name for (name,) in rows)

    def entries_below(self, value: str) -> list[CodeEntry]:
        """Return the entries directly below a node, in book order."""
        rows = self._database.execute(
            "select name, title, billable, parent, terms from nodes where system = ? and parent = ? order by id",
            (self.system, value),
        )
        return [self._entry(*row) for row in rows]

    def _ancestors(self, value: str) -> tuple[str, ...]:
        """Return the names above a node, nearest first, up to the chapter."""
        above: list[str] = []
        entry = self.get(value)
        while entry is not None and entry.parent is not None:
            above.append(entry.parent)
            entry = self.get(entry.parent)
        return tuple(above)

    def title(self, value: str) -> str:
        """Return a node's title. Raises ``UnknownCode``."""
        return self.entry(value).title

    def billable_below(self, value: str) -> list[str]:
        """Return the billable codes at or below a node, in book order."""
        if self.entry(value).billable:
            return [value]
        return [code for child in self.children(value) for code in self.billable_below(child)]

    def instructions(
        self, value: str, kind: InstructionKind | None = None, inherited: bool = True
    ) -> list[Instruction]:
        """Return the notes that bind a code: its own first, then those of the nodes above it.

        A note of the Tabular List applies to everything below the place where it stands.
        """
        self.entry(value)
        nodes = (value, *(self.ancestors(value) if inherited else ()))
        return [note for node in nodes for note in self.notes_at(node) if kind is None or note.kind == kind]

    def _notes_at(self, node: str) -> tuple[Instruction, ...]:
        """Return the notes that stand at a node itself, in book order."""
        rows = self._database.execute(
            "select kind, text, ranges from notes where system = ? and node = ? order by id",
            (self.system, node),
        )
        return tuple(
            Instruction(
                InstructionKind(kind),
                text,
                tuple(CodeRange(first, last) for first, last in json.loads(ranges)),
                node,
            )
            for kind, text, ranges in rows
        )

    def seventh_characters(self, value: str) -> dict[str, str]:
        """Return the 7th characters that complete a code without one: character → code. Empty if none."""
        rows = self._database.execute(
            "select seventh, name from nodes where system = ? and parent = ? and seventh != '' order by id",
            (self.system, value),
        )
        return dict(rows.fetchall())

    def unparsed_notes(self) -> dict[InstructionKind, int]:
        """Count the notes that name no code in a form that can be read; they are kept as text."""
        rows = self._database.execute(
            "select kind, count(*) from notes where system = ? and ranges = '[]' group by kind",
            (self.system,),
        )
        return {InstructionKind(kind): count for kind, count in rows}
