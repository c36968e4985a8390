"""What the procedure rules know of CPT and HCPCS codes: our own data files, read once, asked by code.

The files stand in ``data/``, tab separated with a header line; a cell of codes holds codes and ranges
(``45379-45398``) with blanks between. They hold code numbers and words of our own, no AMA descriptor.

``addons.tsv``      an add-on code and the codes that it may stand beside
``pairs.tsv``       what is not reported together: kind, codes, others, reason
``bilateral.tsv``   codes that mean both sides by themselves
``twins.tsv``       HCPCS and CPT codes of the same service
``major.tsv``       operations with a global period of 90 days
``affinities.tsv``  which diagnoses plausibly support a procedure
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Self

from coder_assist.codes.sources import data_file, read_procedures

_EVERYTHING = 1 << 15


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A set of five-character codes, single ones and ranges.

    >>> "45380" in CodeSet.parse("44388 45379-45398"), "45378" in CodeSet.parse("44388 45379-45398")
    (True, False)
    """

    single: frozenset[str]
    ranges: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read codes and ranges with blanks between. Raises ``ValueError``."""
        single, ranges = set(), []
        for part in text.split():
            first, _, last = part.partition("-")
            if len(first) != 5 or (last and (len(last) != 5 or last < first)):
                raise ValueError(f"expected a code or a range of codes; got {part!r}")
            if last:
                ranges.append((first, last))
            else:
                single.add(first)
        return cls(frozenset(single), tuple(ranges))

    @property
    def width(self) -> int:
        """How many codes could be in it, to tell the narrower of two sets."""
        return len(self.single) + sum(int(last, 36) - int(first, 36) for first, last in self.ranges)

    def __contains__(self, value: str) -> bool:
        if value in self.single:
            return True
        # A loop: this is asked for every pair of the catalogue, and a generator costs three times as much.
        for first, last in self.ranges:  # noqa: SIM110
            if first <= value <= last:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Pair:
    """Codes that are not reported together.

    ``kind``: ``includes`` (one of ``codes`` includes any of ``others``), ``combine`` (all of ``others``
    together are the one of ``codes``), ``either`` (one side or the other), ``one`` (one of ``codes``).
    """

    kind: str
    codes: CodeSet
    others: CodeSet
    reason: str


@dataclass(frozen=True, slots=True)
class Affinity:
    """Diagnoses, by how their codes begin, that plausibly support a procedure.

    ``own`` says that they are what the procedure is for; otherwise they only lie in its area.
    """

    procedures: CodeSet
    diagnoses: tuple[str, ...]
    own: bool
    because: str


def _rows(name: str, *columns: str) -> Iterator[tuple[str, ...]]:
    text = (importlib.resources.files("coder_assist.suggest.rules") / "data" / name).read_text("utf-8")
    lines = text.splitlines()
    if tuple(lines[0].split("\t")) != columns:
        raise ValueError(f"{name}: expected the columns {' '.join(columns)}")
    for number, line in enumerate(lines[1:], 2):
        cells = tuple(line.split("\t"))
        if len(cells) != len(columns):
            raise ValueError(f"{name}:{number}: expected {len(columns)} cells; got {len(cells)}")
        yield cells


@cache
def _catalogue() -> tuple[frozenset[str], frozenset[str]]:
    """Return the catalogue's add-on codes and its codes of paired organs or limbs."""
    rows = list(read_procedures(data_file("cpt.tsv")))
    return (
        frozenset(row.code for row in rows if row.addon),
        frozenset(row.code for row in rows if row.laterality),
    )


@cache
def _addons() -> dict[str, CodeSet]:
    return {code: CodeSet.parse(cell) for code, cell in _rows("addons.tsv", "addon", "primaries")}


@cache
def pairs() -> tuple[Pair, ...]:
    """Return everything of ``pairs.tsv``."""
    return tuple(
        Pair(kind, CodeSet.parse(codes), CodeSet.parse(others), reason)
        for kind, codes, others, reason in _rows("pairs.tsv", "kind", "codes", "others", "reason")
    )


@cache
def _affinities() -> tuple[Affinity, ...]:
    return tuple(
        Affinity(CodeSet.parse(procedures), tuple(diagnoses.split()), reach == "own", because)
        for procedures, diagnoses, reach, because in _rows(
            "affinities.tsv", "procedures", "diagnoses", "reach", "because"
        )
    )


@cache
def _twins() -> tuple[tuple[CodeSet, CodeSet, str], ...]:
    return tuple(
        (CodeSet.parse(hcpcs), CodeSet.parse(cpt), service)
        for hcpcs, cpt, service in _rows("twins.tsv", "hcpcs", "cpt", "service")
    )


@cache
def _named(file: str, second: str) -> tuple[tuple[CodeSet, str], ...]:
    return tuple((CodeSet.parse(cell), word) for cell, word in _rows(file, "codes", second))


def is_addon(value: str) -> bool:
    """Say whether a code is only reported beside another."""
    return value in _addons() or value in _catalogue()[0]


def primaries(value: str) -> CodeSet | None:
    """Return the codes that an add-on may stand beside, ``None`` where we do not know them."""
    return _addons().get(value)


def is_paired(value: str) -> bool:
    """Say whether a procedure is done on one of two sides, so that the claim says which."""
    return value in _catalogue()[1] and not bilateral_reason(value)


@lru_cache(maxsize=_EVERYTHING)
def bilateral_reason(value: str) -> str:
    """Return why a code covers both sides by itself, ``""`` if it does not."""
    return next((reason for codes, reason in _named("bilateral.tsv", "reason") if value in codes), "")


@lru_cache(maxsize=_EVERYTHING)
def is_major(value: str) -> bool:
    """Say whether an operation is one of those whose global period is known to us to be 90 days."""
    return not is_addon(value) and any(value in codes for codes, _ in _named("major.tsv", "area"))


@lru_cache(maxsize=_EVERYTHING)
def pairs_of(value: str) -> tuple[tuple[int, bool], ...]:
    """Return the rows of ``pairs()`` that name a code: the row's number, and whether in ``codes``."""
    found = []
    for number, pair in enumerate(pairs()):
        if value in pair.codes:
            found.append((number, True))
        if value in pair.others:
            found.append((number, False))
    return tuple(found)


@lru_cache(maxsize=_EVERYTHING)
def twins_of(hcpcs: str) -> tuple[tuple[CodeSet, str], ...]:
    """Return the CPT codes of the same service as a HCPCS code, and what the service is."""
    return tuple((cpt, service) for codes, cpt, service in _twins() if hcpcs in codes)


@lru_cache(maxsize=_EVERYTHING)
def affinities_of(value: str) -> tuple[Affinity, ...]:
    """Return what supports a procedure, its own diagnoses and the narrower row first; empty if we know nothing."""
    found = [affinity for affinity in _affinities() if value in affinity.procedures]
    return tuple(sorted(found, key=lambda affinity: (not affinity.own, affinity.procedures.width)))
