"""The book of a listed code set: codes and titles, with an index of its own over the titles."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from coder_assist.codes.book import CodeBook
from coder_assist.codes.compiler import store_of_listing
from coder_assist.codes.lexicon import Lexicon
from coder_assist.codes.listings import Listing
from coder_assist.errors import UnknownCode
from coder_assist.types import CodeEntry, System

_PCS_BEGINNING = re.compile(r"[0-9A-HJ-NP-Z]{1,7}")


class ListedBook(CodeBook):
    """A code book that came as a list, compiled on first use below ``cache_dir``.

    Its titles are searched, by ``index``, and never matched with the words of a note.
    """

    def __init__(self, listing: Listing, cache_dir: Path) -> None:
        self._store = store_of_listing(listing, cache_dir)
        super().__init__(
            self._store / "codes.sqlite",
            listing.system,
            listing.edition,
            listing.valid_from,
            listing.valid_to,
        )

    @cached_property
    def index(self) -> Lexicon:
        """The titles of the billable codes, to search in."""
        return Lexicon(self._store)

    def entry(self, value: str) -> CodeEntry:
        """Return the entry of a code. Raises ``UnknownCode``, for a part of an ICD-10-PCS code saying so."""
        if self.system is System.ICD10PCS and len(value) != 7 and value not in self:
            raise UnknownCode(
                f"an {self.system} code has 7 characters; got {value!r}; "
                "search for its beginning to see the codes below it"
            )
        return super().entry(value)

    def like(self, pattern: str) -> tuple[str, ...]:
        """Return the billable codes of a pattern, in order: ``?`` any character, ``[..]`` one of several."""
        rows = self._database.execute(
            "select name from nodes where system = ? and name glob ? and billable order by name",
            (self.system, pattern),
        )
        return tuple(name for (name,) in rows)

    def starting_with(self, text: str, limit: int) -> list[CodeEntry]:
        """Return the first entries in the order of codes whose code begins as typed."""
        if self.system is not System.ICD10PCS:
            return super().starting_with(text, limit)
        bare = text.strip().upper()
        # Without a digit it is a word ("CT", "head"), unless it is a whole code ("GZFZZZZ").
        if not _PCS_BEGINNING.fullmatch(bare) or (len(bare) < 7 and not re.search(r"\d", bare)):
            return []
        rows = self._database.execute(
            "select name, title, billable, parent, terms from nodes where system = ? "
            "and name >= ? and name < ? order by name limit ?",
            (self.system, bare, bare + "~", limit),
        )
        return [self._entry(*row) for row in rows]
