"""What may be coded, and what clinicians call it.

``open_library(cache_dir)`` compiles on first use and returns a ``Library``: the code books of an
edition and the lexicon over them.

>>> parse = Code.parse("ICD-10-CM", "s52501a")
>>> parse.value
'S52.501A'
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from coder_assist.codes.book import CodeBook
from coder_assist.codes.compiler import store_for
from coder_assist.codes.editions import Edition, edition_for, installed_editions
from coder_assist.codes.instructions import CodeRange, Instruction, InstructionKind
from coder_assist.codes.lexicon import Hit, Lexicon, Term
from coder_assist.errors import UnknownCode
from coder_assist.types import Code, CodeEntry, System

__all__ = [
    "CodeBook",
    "CodeRange",
    "Edition",
    "Hit",
    "Instruction",
    "InstructionKind",
    "Lexicon",
    "Library",
    "Shelf",
    "Term",
    "open_library",
]


@dataclass(frozen=True)
class Library:
    """The code books of one edition, and the lexicon over them."""

    edition: Edition
    books: dict[System, CodeBook]
    lexicon: Lexicon

    @property
    def icd(self) -> CodeBook:
        """The ICD-10-CM book."""
        return self.books[System.ICD10CM]

    def versions(self) -> dict[str, str]:
        """Return the edition of each book, by system."""
        return {system.value: book.edition for system, book in self.books.items()}

    def entry(self, code: Code) -> CodeEntry:
        """Return the entry of a code. Raises ``UnknownCode`` if no installed book has it."""
        book = self.books.get(code.system)
        if book is None:
            raise UnknownCode(f"no {code.system} book is installed; got {code.value!r}")
        return book.entry(code.value)

    def search(self, text: str, system: System | None = None, limit: int = 10) -> list[CodeEntry]:
        """Return the entries for what someone is typing: a code's beginning, or words; best first.

        Prefixes and misspellings are understood. At most ``limit`` entries.
        """
        found: dict[Code, CodeEntry] = {}
        for book in self.books.values():
            if system is None or book.system is system:
                found.update({entry.code: entry for entry in book.starting_with(text, limit)})
        if len(found) < limit:
            for hit in self.lexicon.search(text, system, limit * 2):
                found.setdefault(hit.term.code, self.entry(hit.term.code))
        return list(found.values())[:limit]


@dataclass
class Shelf:
    """All installed editions, each opened when first asked for."""

    editions: tuple[Edition, ...]
    cache_dir: Path
    lexicon_dir: Path | None = None

    def __post_init__(self) -> None:
        self._open: dict[str, Library] = {}

    def library_for(self, service_date: date | None) -> tuple[Library, str | None]:
        """Return the library valid on a date of service, and a notice where no edition covers it."""
        edition, notice = edition_for(self.editions, service_date)
        if edition.name not in self._open:
            self._open[edition.name] = _open(edition, self.cache_dir, self.lexicon_dir)
        return self._open[edition.name], notice


def _open(edition: Edition, cache_dir: Path, lexicon_dir: Path | None) -> Library:
    store = store_for(edition, cache_dir, lexicon_dir)
    books = {
        System.ICD10CM: CodeBook(
            store / "codes.sqlite", System.ICD10CM, edition.name, edition.valid_from, edition.valid_to
        ),
        System.CPT: CodeBook(store / "codes.sqlite", System.CPT, "catalogue"),
    }
    return Library(edition, books, Lexicon(store))


def open_library(
    cache_dir: Path,
    editions_dir: Path | None = None,
    lexicon_dir: Path | None = None,
    service_date: date | None = None,
) -> Library:
    """Open the library valid on a date of service (the newest without a date), compiling on first use."""
    shelf = Shelf(installed_editions(editions_dir), cache_dir, lexicon_dir)
    return shelf.library_for(service_date)[0]
