"""Which release of a code set is valid on a date of service.

An edition is a directory that the user points to, or the one packaged with ``simple-icd-10-cm``.
A directory holds the tabular XML, optionally the order file, and ``edition.toml``::

    name = "FY2027"
    valid_from = 2026-10-01
    valid_to = 2027-09-30
    tabular = "icd10cm-tabular-2027.xml"
    order = "icd10cm-order-2027.txt"      # optional
    index = ["icd10cm-index-2027.xml"]    # optional, CDC's Index files
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeGuard

from coder_assist.errors import CodeBookError


@dataclass(frozen=True, slots=True)
class Edition:
    """An official ICD-10-CM release: its files and its dates of validity (both days included)."""

    name: str
    valid_from: date
    valid_to: date
    tabular: Path
    order: Path | None = None
    index: tuple[Path, ...] = ()

    def covers(self, day: date) -> bool:
        """Say whether the edition is valid on a date of service."""
        return self.valid_from <= day <= self.valid_to


def packaged_edition() -> Edition:
    """Return the newest release that comes with the installation: April 2026 (update of FY2026).

    Valid for dates of service from 1 April 2026 to 30 September 2026. Raises ``CodeBookError`` if
    the package that carries it does not hold it.
    """
    spec = importlib.util.find_spec("simple_icd_10_cm")  # found, not imported: importing parses 10 MB
    root = Path(spec.origin).parent if spec and spec.origin else Path()
    tabular = root / "data" / "icd10c-tabular-April-1-2026.xml"
    if not tabular.is_file():
        raise CodeBookError(
            "simple-icd-10-cm: expected the April 2026 tabular list; install the version that constraints.txt names"
        )
    return Edition("2026-04", date(2026, 4, 1), date(2026, 9, 30), tabular)


_NAME = re.compile(r"\w[\w. -]{0,49}")


def _is_day(value: object) -> TypeGuard[date]:
    """Say whether a value of TOML is a date; one with a time of day is not."""
    return isinstance(value, date) and not isinstance(value, datetime)


def _path(directory: Path, table: dict[str, Any], key: str) -> Path | None:
    if key not in table:
        return None
    name = table[key]
    if not isinstance(name, str):
        raise CodeBookError(f"{directory.name}/edition.toml: expected {key} as a file name; got {name!r}")
    path = directory / name
    if not path.is_file():
        raise CodeBookError(f"{directory.name}/edition.toml: {key} names {name!r}, which is not there")
    return path


def read_edition(directory: Path) -> Edition:
    """Read a user's edition directory. Raises ``CodeBookError`` with what is missing or wrong."""
    file = directory / "edition.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CodeBookError(f"{directory.name}: expected a readable edition.toml; {error}") from None
    start, end, name = table.get("valid_from"), table.get("valid_to"), table.get("name")
    if not isinstance(name, str) or not _is_day(start) or not _is_day(end) or start > end:
        raise CodeBookError(
            f"{directory.name}/edition.toml: expected name, and dates valid_from <= valid_to (unquoted); "
            f"got name={name!r}, valid_from={start!r}, valid_to={end!r}"
        )
    if not _NAME.fullmatch(name):  # it names the store's directory
        raise CodeBookError(
            f"{directory.name}/edition.toml: expected a name of at most 50 letters, digits, blanks and . _ -; "
            f"got {name!r}"
        )
    tabular = _path(directory, table, "tabular")
    if tabular is None:
        raise CodeBookError(f"{directory.name}/edition.toml: tabular is missing")
    names = table.get("index", [])
    if not isinstance(names, list):
        raise CodeBookError(
            f"{directory.name}/edition.toml: expected index as a list of file names in brackets; got {names!r}"
        )
    index = tuple(path for each in names if (path := _path(directory, {"index": each}, "index")))
    return Edition(name, start, end, tabular, _path(directory, table, "order"), index)


def installed_editions(directory: Path | None) -> tuple[Edition, ...]:
    """Return all editions, oldest first: those of ``directory``'s sub-directories and the packaged one."""
    editions = [packaged_edition()]
    if directory is not None:
        if not directory.is_dir():
            raise CodeBookError(f"editions_dir: expected a directory; got {directory}")
        editions += [read_edition(child) for child in sorted(directory.iterdir()) if child.is_dir()]
    return tuple(sorted(editions, key=lambda edition: (edition.valid_from, edition.name)))


def edition_for(editions: tuple[Edition, ...], service_date: date | None) -> tuple[Edition, str | None]:
    """Pick the edition for a date of service, and a notice where none covers the date.

    Without a date the newest edition is taken. Where several cover the date, the one that became
    valid last wins; where none does, the nearest.
    """
    if service_date is None:
        return editions[-1], None
    covering = [edition for edition in editions if edition.covers(service_date)]
    if covering:
        return covering[-1], None

    def distance(edition: Edition) -> int:
        return min(abs((edition.valid_from - service_date).days), abs((edition.valid_to - service_date).days))

    nearest = min(reversed(editions), key=distance)
    return nearest, (
        f"no installed ICD-10-CM edition covers the date of service {service_date}; "
        f"edition {nearest.name} ({nearest.valid_from} to {nearest.valid_to}) was used"
    )
