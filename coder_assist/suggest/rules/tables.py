"""What the guideline rules know as data: tab separated tables beside this module, read once.

``integral.tsv``: symptom, explained_by, reason. A symptom's prefix, the prefixes (or ranges of categories,
``J09-J18``) of the conditions that it comes with, and why. ``combinations.tsv`` has the form of the
lexicon's own and adds what only rules need.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coder_assist.codes.sources import Combination, data_file, read_combinations
from coder_assist.errors import LexiconError

_RANGE = re.compile(r"([A-Z])(\d\d)-\1(\d\d)")


@dataclass(frozen=True, slots=True)
class Integral:
    """A sign, symptom or lesser injury (by prefix) that goes without saying beside certain conditions."""

    symptom: str
    explained_by: tuple[str, ...]
    reason: str


def rule_file(name: str) -> Path:
    """Return the path of a data file of the rules, wherever the package is installed."""
    return Path(str(importlib.resources.files("coder_assist.suggest.rules") / "data" / name))


def _prefixes(written: str) -> Iterator[str]:
    for part in written.split():
        match = _RANGE.fullmatch(part)
        if match is None:
            yield part
        else:
            yield from (f"{match[1]}{number:02d}" for number in range(int(match[2]), int(match[3]) + 1))


def read_integral(path: Path) -> Iterator[Integral]:
    """Read ``integral.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    header, *lines = path.read_text("utf-8").splitlines()
    if header.split("\t") != ["symptom", "explained_by", "reason"]:
        raise LexiconError(path.name, 1, "expected the columns symptom, explained_by, reason")
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) != 3 or not all(cells):
            raise LexiconError(path.name, number, "expected a symptom, what explains it, and a reason")
        yield Integral(cells[0], tuple(_prefixes(cells[1])), cells[2])


@cache
def integral_by_category() -> dict[str, tuple[Integral, ...]]:
    """Return the table of integral symptoms by the symptom's first three characters."""
    found: dict[str, list[Integral]] = {}
    for row in read_integral(rule_file("integral.tsv")):
        found.setdefault(row.symptom[:3], []).append(row)
    return {category: tuple(rows) for category, rows in found.items()}


@cache
def all_combinations() -> tuple[Combination, ...]:
    """Return the lexicon's combinations that put one code in place of others, then those of the rules.

    Rows that only take codes away, or that hold in a context such as pregnancy, have rules of their own; what must
    stand in one sentence is known to the reading alone.
    """
    lexicon = read_combinations(data_file("combinations.tsv"))
    own = read_combinations(rule_file("combinations.tsv"))
    return tuple(
        row
        for row in (*lexicon, *own)
        if row.replaces and row.code != "=" and not (row.context or row.together)
    )
