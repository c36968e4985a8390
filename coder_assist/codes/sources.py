"""The authored data files of the lexicon, checked row by row as they are read.

``synonyms.tsv``: term, system, code, kind. ``abbreviations.tsv``: abbreviation, expansion, system,
code, sense, case, cues. ``drugs.tsv``: drug, generic, conditions, status_code. ``cpt.tsv``:
code, label, terms, requires, excludes, family, addon, laterality. ``hcpcs.tsv``: the same and use.
``combinations.tsv``: conditions, code, replaces, authority. ``histories.tsv``, ``relatives.tsv``, ``companions.tsv``:
condition, code, authority.
``integral.tsv``: component, comprehensive, authority. ``pcs_*.tsv``: see ``pcs``. Tab separated, one header line.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coder_assist.errors import LexiconError
from coder_assist.types import System

SYNONYM_KINDS = ("lay", "clinical", "eponym", "shorthand", "spelling", "finding", "status", "combination")
SENSES = ("only", "default", "cued", "never")
USES = ("service", "supply", "look-up")
_PROCEDURE = ("code", "label", "terms", "requires", "excludes", "family", "addon", "laterality")
_FOLLOWING = ("condition", "code", "authority")
_COLUMNS = {
    "synonyms.tsv": ("term", "system", "code", "kind"),
    "abbreviations.tsv": ("abbreviation", "expansion", "system", "code", "sense", "case", "cues"),
    "drugs.tsv": ("drug", "generic", "conditions", "status_code"),
    "cpt.tsv": _PROCEDURE,
    "hcpcs.tsv": (*_PROCEDURE, "use"),
    "combinations.tsv": ("conditions", "code", "replaces", "authority"),
    "histories.tsv": _FOLLOWING,
    "relatives.tsv": _FOLLOWING,
    "companions.tsv": _FOLLOWING,
    "integral.tsv": ("component", "comprehensive", "authority"),
    "explained.tsv": ("check", "what", "why"),
    "pcs_procedures.tsv": ("pattern", "kind", "terms"),
    "pcs_parts.tsv": ("system", "part", "right", "left", "both", "terms"),
    "pcs_values.tsv": ("scope", "character", "value", "cues"),
}


@dataclass(frozen=True, slots=True)
class Synonym:
    """A phrase and the deepest node of the book that the phrase alone supports."""

    term: str
    system: System
    code: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sense:
    """One sense of an abbreviation.

    ``sense``: ``only`` and ``default`` fire, ``cued`` fires when one of ``cues`` is near, ``never``
    names something that is no condition. ``codes`` is empty for such and holds several for "N/V/D".
    ``any_case``: also in lower case.
    """

    abbreviation: str
    expansion: str
    codes: tuple[str, ...]
    sense: str
    any_case: bool
    cues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug name, what it usually treats (supporting evidence only) and its long-term-use code."""

    name: str
    generic: str
    conditions: tuple[str, ...]
    status_code: str


@dataclass(frozen=True, slots=True)
class Procedure:
    """A CPT or HCPCS code with our own label and the words of notes for it.

    ``requires`` is a conjunction of groups, one cue of each must stand in the note; ``excludes``
    are cues that contradict (how they are looked up: ``suggest.families``). Of a ``family`` normally one code is reported for one operation.
    ``use``: a ``service`` is suggested; a ``supply`` only where its sentence says that it was given,
    and never preselected; a ``look-up`` is not matched with notes, only found by searching.
    """

    system: System
    code: str
    label: str
    terms: tuple[str, ...]
    requires: tuple[tuple[str, ...], ...]
    excludes: tuple[str, ...]
    family: str
    addon: bool
    laterality: bool
    use: str = "service"


@dataclass(frozen=True, slots=True)
class Combination:
    """One code for conditions that stand together.

    ``conditions`` are groups of code prefixes; one of each group must hold. ``replaces`` are the codes
    that the combination makes redundant. ``code`` is ``=`` where the last condition's own code stays and
    only the others go. ``context`` (a group behind ``@``) must hold too, and is no evidence for the code: the
    pregnancy of a patient with asthma. ``together`` (``&`` before the groups) asks that one sentence says them: a
    stroke of the past and the aphasia that it left. ``unless`` (a group behind ``!``) must not hold: a stroke of
    today, which may have left the aphasia as well. ``authority`` is the guideline section or note that says so.
    """

    conditions: tuple[tuple[str, ...], ...]
    code: str
    replaces: tuple[str, ...]
    authority: str
    context: tuple[str, ...] = ()
    together: bool = False
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """The code that another earns by its prefix: a condition of the past, of a relative, or with a companion."""

    condition: str
    code: str
    authority: str


@dataclass(frozen=True, slots=True)
class Integral:
    """Procedures that are part of others and not reported beside them: ranges of codes, first and last.

    ``authority`` is the CPT note or the chapter of the NCCI Policy Manual that says so.
    """

    component: tuple[tuple[str, str], ...]
    comprehensive: tuple[tuple[str, str], ...]
    authority: str


def data_file(name: str) -> Path:
    """Return the path of a data file of this package, wherever it is installed."""
    return Path(str(importlib.resources.files("coder_assist.codes") / "data" / name))


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a data file with their lines, by column. Raises ``LexiconError`` for another form."""
    columns = _COLUMNS[path.name]
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()  # with a spreadsheet's byte order mark
    except UnicodeDecodeError as error:
        number, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise LexiconError(
            path.name, number, f"expected UTF-8; got byte 0x{byte:02x}; save the file as UTF-8"
        ) from None
    if not lines or tuple(lines[0].split("\t")) != columns:
        raise LexiconError(path.name, 1, f"expected the header {' '.join(columns)} (tab separated)")
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(columns):
            raise LexiconError(
                path.name, number, f"expected {len(columns)} tab-separated columns; got {len(cells)}"
            )
        yield number, dict(zip(columns, cells, strict=True))


def split_cell(cell: str, separator: str) -> tuple[str, ...]:
    """Return the parts of a cell without outer blanks, empty ones left out."""
    return tuple(part for raw in cell.split(separator) if (part := raw.strip()))


def read_synonyms(path: Path) -> Iterator[Synonym]:
    """Read ``synonyms.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        if row["kind"] not in SYNONYM_KINDS:
            raise LexiconError(
                path.name, number, f"kind must be one of {', '.join(SYNONYM_KINDS)}; got {row['kind']!r}"
            )
        if not row["term"] or row["term"] != row["term"].lower().strip():
            raise LexiconError(
                path.name, number, f"term must be lower case without outer blanks; got {row['term']!r}"
            )
        if row["system"] not in set(System):
            raise LexiconError(
                path.name, number, f"system must be one of {', '.join(System)}; got {row['system']!r}"
            )
        yield Synonym(row["term"], System(row["system"]), row["code"], row["kind"])


def read_abbreviations(path: Path) -> Iterator[Sense]:
    """Read ``abbreviations.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        if row["sense"] not in SENSES:
            raise LexiconError(
                path.name, number, f"sense must be one of {', '.join(SENSES)}; got {row['sense']!r}"
            )
        if row["case"] not in ("exact", "any"):
            raise LexiconError(path.name, number, f"case must be exact or any; got {row['case']!r}")
        if row["sense"] == "cued" and not row["cues"]:
            raise LexiconError(path.name, number, "a cued sense needs cues")
        if row["code"] and row["system"] != System.ICD10CM:
            raise LexiconError(
                path.name, number, f"system must be {System.ICD10CM} for a code; got {row['system']!r}"
            )
        yield Sense(
            row["abbreviation"],
            row["expansion"],
            split_cell(row["code"], " "),
            row["sense"],
            row["case"] == "any",
            split_cell(row["cues"], ","),
        )


def read_drugs(path: Path) -> Iterator[Drug]:
    """Read ``drugs.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        if not row["drug"] or row["drug"] != row["drug"].lower().strip():
            raise LexiconError(
                path.name, number, f"drug must be lower case without outer blanks; got {row['drug']!r}"
            )
        yield Drug(row["drug"], row["generic"], split_cell(row["conditions"], " "), row["status_code"])


def read_procedures(path: Path) -> Iterator[Procedure]:
    """Read ``cpt.tsv`` or ``hcpcs.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    system = System.HCPCS if path.name == "hcpcs.tsv" else System.CPT
    for number, row in read_rows(path):
        if len(row["code"]) != 5 or not row["terms"]:
            raise LexiconError(
                path.name, number, f"expected a five-character code and terms; got {row['code']!r}"
            )
        use = row.get("use", "service")
        if use not in USES:
            raise LexiconError(path.name, number, f"use must be one of {', '.join(USES)}; got {use!r}")
        yield Procedure(
            system,
            row["code"],
            row["label"],
            split_cell(row["terms"], ";"),
            tuple(split_cell(group, ",") for group in split_cell(row["requires"], "&")),
            split_cell(row["excludes"], ","),
            row["family"],
            row["addon"] == "yes",
            row["laterality"] == "yes",
            use,
        )


def read_combinations(path: Path) -> Iterator[Combination]:
    """Read ``combinations.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        groups = [split_cell(group, "|") for group in split_cell(row["conditions"].lstrip("@&"), "+")]
        if not groups or not row["code"] or not row["authority"]:
            raise LexiconError(path.name, number, "expected conditions joined by +, a code and an authority")
        context = groups.pop(0) if row["conditions"].startswith("@") else ()
        replaces = split_cell(row["replaces"], " ")
        together = row["conditions"].startswith("&")
        unless = tuple(prefix.lstrip("!") for group in groups if group[0][0] == "!" for prefix in group)
        conditions = tuple(group for group in groups if group[0][0] != "!")
        yield Combination(conditions, row["code"], replaces, row["authority"], context, together, unless)


def read_histories(path: Path) -> Iterator[History]:
    """Read a table in which one code follows from another, as ``histories.tsv``. Raises ``LexiconError`` with the line for a bad row."""
    for number, row in read_rows(path):
        if not all(row.values()):
            raise LexiconError(path.name, number, "expected a condition, a code and an authority")
        yield History(row["condition"], row["code"], row["authority"])


def read_integral(path: Path) -> Iterator[Integral]:
    """Read ``integral.tsv``; a cell lists codes and ranges (``29871-29889``), separated by blanks.

    Raises ``LexiconError`` with the line for a bad row.
    """
    for number, row in read_rows(path):
        component, comprehensive = _ranges(row["component"]), _ranges(row["comprehensive"])
        if not (component and comprehensive and row["authority"]):
            raise LexiconError(
                path.name, number, "expected five-character codes or ranges of them, and an authority"
            )
        yield Integral(component, comprehensive, row["authority"])


def _ranges(cell: str) -> tuple[tuple[str, str], ...]:
    """Return the ranges of a cell; none at all where one of them is none."""
    ranges = []
    for part in split_cell(cell, " "):
        first, _, last = part.partition("-")
        ranges.append((first, last or first))
    good = all(len(first) == len(last) == 5 and first <= last for first, last in ranges)
    return tuple(ranges) if good else ()
