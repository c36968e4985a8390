"""Payer edit files that a deployment may load: CMS's MUE and NCCI procedure-to-procedure tables.

No edit ships with the project. ``docs/edits.md`` says where the files come from and what their columns
are. ``edit_tables(settings)`` reads what the settings name; without files the tables are empty and the
rules that ask them stay silent. Errors name the file and the line, never the text on it.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from coder_assist.errors import CodeBookError
from coder_assist.settings import Settings

_CODE = re.compile(r"[0-9A-Z][0-9]{3}[0-9A-Z]")
_UNITS = re.compile(r"[0-9]{1,9}")
_LAYOUT = "2"  # of the cached table; a change makes old files unread


class Adjudication(IntEnum):
    """How a units limit binds (CMS's MUE adjudication indicator)."""

    LINE = 1
    DAY_POLICY = 2
    DAY_CLINICAL = 3


@dataclass(frozen=True, slots=True)
class UnitsLimit:
    """The most units of a code that are paid for, and why."""

    units: int
    adjudication: Adjudication
    rationale: str


@dataclass(frozen=True, eq=False)
class PairTable:
    """Procedure-to-procedure edits in sorted arrays: some two million rows fit into 40 MB.

    ``keys`` hold both codes; dates are ``yyyymmdd``; a ``deleted`` of 0 means in force.
    """

    keys: npt.NDArray[np.uint64]
    effective: npt.NDArray[np.int32]
    deleted: npt.NDArray[np.int32]
    indicators: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, int, int, int]]) -> PairTable:
        """Make the table of (column 1, column 2, effective, deleted, indicator) in any order."""
        keys, effective, deleted, indicators = [], [], [], []
        for first, second, start, end, indicator in rows:
            keys.append(_key(first, second))
            effective.append(start)
            deleted.append(end)
            indicators.append(indicator)
        order = np.lexsort((effective, keys))
        return cls(
            np.array(keys, np.uint64)[order],
            np.array(effective, np.int32)[order],
            np.array(deleted, np.int32)[order],
            np.array(indicators, np.uint8)[order],
        )

    def __len__(self) -> int:
        return len(self.keys)

    def indicator(self, first: str, second: str, day: date | None) -> int | None:
        """Return the indicator of the edit in force for column 1 and column 2; ``None`` for no edit.

        Without a date of service only edits count that are in force to this day. An edit's deletion
        date is the last day that it binds. Indicator 9 marks one that never did.
        """
        key = np.uint64(_key(first, second))
        number = int(f"{day:%Y%m%d}") if day else None
        for row in range(int(np.searchsorted(self.keys, key)), len(self.keys)):
            if self.keys[row] != key:
                break
            last = int(self.deleted[row])
            if number is None:
                binds = last == 0
            else:
                binds = int(self.effective[row]) <= number and (last == 0 or number <= last)
            if binds and self.indicators[row] != 9:
                return int(self.indicators[row])
        return None


@dataclass(frozen=True)
class EditTables:
    """The payer edits of a deployment; empty unless its settings name files."""

    units: Mapping[str, UnitsLimit] = field(default_factory=dict)
    pairs: PairTable | None = None


NO_EDITS = EditTables()


def _key(first: str, second: str) -> int:
    return int(first, 36) << 32 | int(second, 36)


def edit_tables(settings: Settings) -> EditTables:
    """Read the files that the settings name. Raises ``CodeBookError``."""
    return EditTables(
        read_mue(settings.mue_file) if settings.mue_file else {},
        _cached_ncci(settings.ncci_file, settings.cache_dir) if settings.ncci_file else None,
    )


def read_mue(path: Path) -> dict[str, UnitsLimit]:
    """Read CMS's MUE table: code, value, adjudication indicator, rationale. Raises ``CodeBookError``."""
    limits: dict[str, UnitsLimit] = {}
    for line, cells in _data_rows(path, 3):
        indicator = cells[2].strip()[:1]
        units = cells[1].strip()
        if not _UNITS.fullmatch(units) or indicator not in ("1", "2", "3"):
            raise CodeBookError(
                f"{path.name}:{line}: expected a number of units and an adjudication indicator of 1, 2 or 3"
            )
        if cells[0].strip() in limits:
            raise CodeBookError(f"{path.name}:{line}: {cells[0].strip()} stands in the table twice")
        rationale = cells[3].strip() if len(cells) > 3 else ""
        limits[cells[0].strip()] = UnitsLimit(int(units), Adjudication(int(indicator)), rationale)
    return limits


def ncci_files(path: Path) -> list[Path]:
    """Return the NCCI file, or the ``.txt`` and ``.csv`` files of a directory (CMS ships four parts)."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in (".txt", ".csv"))
    if not found:
        raise CodeBookError(f"ncci_file: expected .txt or .csv files in {path.name}; got none")
    return found


def read_ncci(files: Iterable[Path]) -> PairTable:
    """Read CMS's procedure-to-procedure edits.

    Columns: column 1, column 2, in existence before 1996, effective date, deletion date (``*`` for none),
    modifier indicator, rationale. Raises ``CodeBookError``.
    """

    def rows() -> Iterator[tuple[str, str, int, int, int]]:
        for path in files:
            for line, cells in _data_rows(path, 6):
                first, second, _, start, end, indicator = (cell.strip() for cell in cells[:6])
                end = "0" if end in ("*", "") else end
                if (
                    not _CODE.fullmatch(second)
                    or not re.fullmatch(r"[0-9]{8}", start)
                    or not re.fullmatch(r"0|[0-9]{8}", end)
                    or indicator not in ("0", "1", "9")
                ):
                    raise CodeBookError(
                        f"{path.name}:{line}: expected a second code, the dates as yyyymmdd (* for no deletion) "
                        "and a modifier indicator of 0, 1 or 9"
                    )
                yield first, second, int(start), int(end), int(indicator)

    return PairTable.of(rows())


def _data_rows(path: Path, least: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the numbered rows below the copyright notice and the header; tab or comma separated."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CodeBookError(f"expected an edit file that can be read; got {path}: {error.strerror}") from None
    if content.startswith(b"PK"):
        raise CodeBookError(f"{path.name}: expected CMS's .txt or .csv file; got a workbook or zip archive")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = content.decode("cp1252", errors="replace").splitlines()
    begun = False
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t,"):
            continue
        try:
            cells = line.split("\t") if "\t" in line else next(csv.reader([line]))
        except csv.Error:
            raise CodeBookError(
                f"{path.name}:{number}: expected columns separated by tabs or commas"
            ) from None
        if _CODE.fullmatch(cells[0].strip()) and len(cells) >= least:
            begun = True
            yield number, cells
        elif begun:
            raise CodeBookError(f"{path.name}:{number}: expected a code and at least {least} columns")
    if not begun:
        raise CodeBookError(f"{path.name}: expected rows that begin with a code; got none")


def _cached_ncci(path: Path, cache_dir: Path) -> PairTable:
    """Return the table, from the cache where these very files were read before."""
    files = ncci_files(path)
    digest = sha256(_LAYOUT.encode())
    for file in files:
        try:
            digest.update(sha256(file.read_bytes()).digest())
        except OSError as error:
            raise CodeBookError(
                f"ncci_file: expected a file that can be read; got {file}: {error.strerror}"
            ) from None
    kept = cache_dir / f"ncci-{digest.hexdigest()[:16]}.npz"
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as arrays:
            return PairTable(*(arrays[name] for name in ("keys", "effective", "deleted", "indicators")))
    table = read_ncci(files)
    cache_dir.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as opened:
        np.savez(
            opened,
            keys=table.keys,
            effective=table.effective,
            deleted=table.deleted,
            indicators=table.indicators,
        )
    partial.replace(kept)
    return table
