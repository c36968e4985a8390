"""What may be coded, and what clinicians call it.

``open_library(cache_dir)`` compiles on first use and returns a ``Library``: the code books of an
edition and the lexicon over them.

>>> parse = Code.parse("ICD-10-CM", "s52501a")
>>> parse.value
'S52.501A'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from coder_assist.codes.book import CodeBook
from coder_assist.codes.compiler import lexicon_files, store_for
from coder_assist.codes.editions import Edition, edition_for, installed_editions
from coder_assist.codes.instructions import CodeRange, Instruction, InstructionKind
from coder_assist.codes.lexicon import Hit, Lexicon, Term, open_lexicon
from coder_assist.codes.listed import ListedBook
from coder_assist.codes.listings import (
    Listing,
    cpt_listing,
    hcpcs_catalogue,
    hcpcs_listing,
    packaged_pcs,
    pcs_listing,
)
from coder_assist.errors import UnknownCode
from coder_assist.settings import Settings
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
    "ListedBook",
    "Listing",
    "Shelf",
    "Term",
    "listings_for",
    "open_library",
]

_HOW_TO_INSTALL = {
    System.ICD10PCS: "; install coder-assist[pcs], or set CODER_ASSIST_PCS_FILE to CMS's order file",
}


# ICD-10-CM, with or without the dot, and the five characters of CPT.
_CODE = re.compile(r"[A-Z](?:\d[0-9A-Z]|A\d)(?:\.?[0-9A-Z]{1,4})?|\d{4}[0-9A-Z]")


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
            hint = _HOW_TO_INSTALL.get(code.system, "")
            raise UnknownCode(f"no {code.system} book is installed; got {code.value!r}{hint}")
        return book.entry(code.value)

    def search(self, text: str, system: System | None = None, limit: int = 10) -> list[CodeEntry]:
        """Return the entries for what someone is typing: a code's beginning, or words; best first.

        Prefixes and misspellings are understood. What is written as a code brings only codes that
        begin so, and none if none does. At most ``limit`` entries. ICD-10-PCS is searched only where
        it is asked for: its codes begin as those of ICD-10-CM do, and its composed titles would stand
        before everything else.
        """
        books = [
            book
            for book in self.books.values()
            if book.system is system or (system is None and book.system is not System.ICD10PCS)
        ]
        found = [entry for book in books for entry in book.starting_with(text, limit)]
        if found or self._is_code(text):
            return found[:limit]
        hits = self.lexicon.search(text, system, limit)
        listed = [book for book in books if isinstance(book, ListedBook)]
        if listed:
            hits += [hit for book in listed for hit in book.index.search(text, limit=limit)]
            hits.sort(key=lambda hit: -hit.score)
        codes = list(dict.fromkeys(hit.term.code for hit in hits))
        return [self.entry(code) for code in codes[:limit]]

    def _is_code(self, text: str) -> bool:
        """Say whether a text can only be a code: "Z99.999", "99999"; not "A1c", "B12" or "H1N1"."""
        written = text.strip().upper()
        return bool(_CODE.fullmatch(written)) and (
            written[0].isdigit() or "." in written or written[:3] in self.icd
        )

    def close(self) -> None:
        """Close the books' files; the library cannot be read afterwards."""
        for book in self.books.values():
            book.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Shelf:
    """All installed editions, each opened when first asked for."""

    editions: tuple[Edition, ...]
    cache_dir: Path
    lexicon_dir: Path | None = None
    listings: tuple[Listing, ...] = ()

    def __post_init__(self) -> None:
        self._open: dict[str, Library] = {}

    @classmethod
    def of(cls, settings: Settings) -> Shelf:
        """Return the shelf with everything that the settings name. Raises ``CodeBookError``."""
        return cls(
            installed_editions(settings.editions_dir),
            settings.cache_dir,
            settings.lexicon_dir,
            listings_for(settings),
        )

    def library_for(self, service_date: date | None) -> tuple[Library, str | None]:
        """Return the library valid on a date of service, and a notice where no edition covers it."""
        edition, notice = edition_for(self.editions, service_date)
        if edition.name not in self._open:
            self._open[edition.name] = _open(edition, self.cache_dir, self.lexicon_dir, self.listings)
        return self._open[edition.name], notice


def listings_for(settings: Settings) -> tuple[Listing, ...]:
    """Return the listed code sets that the settings name, and the packaged ICD-10-PCS where there is one.

    Raises ``CodeBookError`` for a file that cannot be read.
    """
    found = [pcs_listing(settings.pcs_file) if settings.pcs_file else packaged_pcs()]
    if settings.hcpcs_file:
        found.append(hcpcs_listing(settings.hcpcs_file, _catalogue("hcpcs.tsv", settings.lexicon_dir)))
    if settings.cpt_file:
        found.append(cpt_listing(settings.cpt_file, _catalogue("cpt.tsv", settings.lexicon_dir)))
    return tuple(listing for listing in found if listing is not None)


def _catalogue(name: str, lexicon_dir: Path | None) -> list[Path]:
    """Return the files of a catalogue: the packaged one, and the user's if there is one."""
    return [path for path in lexicon_files(lexicon_dir) if path.name == name]


def _open(
    edition: Edition, cache_dir: Path, lexicon_dir: Path | None, listings: Sequence[Listing]
) -> Library:
    if not any(listing.system is System.HCPCS for listing in listings):
        listings = (*listings, hcpcs_catalogue(_catalogue("hcpcs.tsv", lexicon_dir)))
    store = store_for(edition, cache_dir, lexicon_dir, listings)
    books = {
        System.ICD10CM: CodeBook(
            store / "codes.sqlite", System.ICD10CM, edition.name, edition.valid_from, edition.valid_to
        ),
        System.CPT: CodeBook(store / "codes.sqlite", System.CPT, "catalogue"),
    }
    books.update({listing.system: ListedBook(listing, cache_dir) for listing in listings})
    return Library(edition, books, open_lexicon(store))


def open_library(
    cache_dir: Path,
    editions_dir: Path | None = None,
    lexicon_dir: Path | None = None,
    service_date: date | None = None,
    listings: Sequence[Listing] = (),
) -> Library:
    """Open the library valid on a date of service (the newest without a date), compiling on first use.

    ``listings`` are the code sets beside ICD-10-CM and our CPT catalogue; ``listings_for(settings)``
    gives those that a deployment names.
    """
    shelf = Shelf(installed_editions(editions_dir), cache_dir, lexicon_dir, tuple(listings))
    return shelf.library_for(service_date)[0]
