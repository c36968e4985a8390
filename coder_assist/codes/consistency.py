"""What the authored data files hold, and where their rows repeat or contradict each other.

Two rows conflict where the same words come to codes that neither refines the other (``M17`` and ``M17.1``
agree: the walk goes from the deeper). A conflict that is meant stands in ``explained.tsv`` with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from coder_assist.codes.pcs import read_cues, read_operations, read_parts
from coder_assist.codes.sources import (
    data_file,
    read_abbreviations,
    read_combinations,
    read_drugs,
    read_histories,
    read_procedures,
    read_rows,
    read_synonyms,
)
from coder_assist.codes.terms import key

Row = TypeVar("Row")
# Tables in which one code follows from another, and what a contradiction in each is called.
_FOLLOWING = {"histories.tsv": "history", "relatives.tsv": "relative", "companions.tsv": "companion"}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rows that contradict each other: which check found them, on what words, and what they say.

    ``why`` is the reason in ``explained.tsv``, empty for a conflict that nobody explained.
    """

    check: str
    what: str
    says: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class FileCount:
    """A data file: its rows, and how many of them repeat another row's key."""

    name: str
    rows: int
    duplicates: int


def counts() -> list[FileCount]:
    """Count the rows and repeated rows of each data file. Raises ``LexiconError`` for a bad row."""
    return [
        _count("synonyms.tsv", read_synonyms, lambda row: (key(row.term), row.system, row.code)),
        _count(
            "abbreviations.tsv", read_abbreviations, lambda r: (r.abbreviation, key(r.expansion), r.sense)
        ),
        _count("drugs.tsv", read_drugs, lambda row: row.name),
        _count("cpt.tsv", read_procedures, lambda row: row.code),
        _count("hcpcs.tsv", read_procedures, lambda row: row.code),
        _count("combinations.tsv", read_combinations, lambda row: (row.context, row.conditions, row.code)),
        *(_count(name, read_histories, lambda row: row.condition) for name in _FOLLOWING),
        _count("pcs_procedures.tsv", read_operations, lambda row: row.values),
        _count("pcs_parts.tsv", read_parts, lambda row: (row.system, row.values)),
        _count("pcs_values.tsv", read_cues, lambda row: (row.scope.pattern, row.character, row.value)),
    ]


def _count(name: str, read: Callable[[Path], Iterable[Row]], of: Callable[[Row], Hashable]) -> FileCount:
    keys = Counter(map(of, read(data_file(name))))
    return FileCount(name, keys.total(), keys.total() - len(keys))


def conflicts() -> list[Conflict]:
    """Return the conflicts among all data files, each with its explanation if it has one."""
    explained = {(row["check"], row["what"]): row["why"] for _, row in read_rows(data_file("explained.tsv"))}
    found = [Conflict(check, what, says, explained.get((check, what), "")) for check, what, says in _all()]
    return sorted(found, key=lambda conflict: (conflict.check, conflict.what))


def stale_explanations() -> list[str]:
    """Return what ``explained.tsv`` explains and no check finds any more."""
    found = {(check, what) for check, what, _ in _all()}
    rows = (row for _, row in read_rows(data_file("explained.tsv")))
    return [f"{row['check']}: {row['what']}" for row in rows if (row["check"], row["what"]) not in found]


_Finding = tuple[str, str, tuple[str, ...]]


def _all() -> Iterator[_Finding]:
    yield from _synonyms()
    yield from _abbreviations()
    yield from _drugs()
    yield from _procedures()
    yield from _combined()
    yield from _inpatient()


def _agree(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _grouped(pairs: Iterable[tuple[Hashable, str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield ``(words, what they come to)`` for each key that comes to several things."""
    words: dict[Hashable, str] = {}
    meant: dict[Hashable, set[str]] = {}
    for at, text, means in pairs:
        words.setdefault(at, text)
        meant.setdefault(at, set()).add(means)
    for at, several in meant.items():
        if len(several) > 1:
            yield words[at], tuple(sorted(several))


def _synonyms() -> Iterator[_Finding]:
    rows = read_synonyms(data_file("synonyms.tsv"))
    for term, codes in _grouped(((key(row.term), row.system), row.term, row.code) for row in rows):
        if not all(_agree(codes[0], code) for code in codes):
            yield "synonym", term, codes


def _abbreviations() -> Iterator[_Finding]:
    synonyms = {key(row.term): row for row in read_synonyms(data_file("synonyms.tsv"))}
    rows = list(read_abbreviations(data_file("abbreviations.tsv")))
    for row in rows:
        # An abbreviation of exact case is another word than the term in lower case ("MetS", "mets").
        forms = [row.expansion] + ([row.abbreviation] if row.any_case else [])
        for form in forms:
            synonym = synonyms.get(key(form))
            if row.codes and synonym and not any(_agree(synonym.code, code) for code in row.codes):
                yield "abbreviation and synonym", row.abbreviation, (*row.codes, synonym.code)
    firing = [row for row in rows if row.sense in ("only", "default")]
    for name, senses in _grouped((row.abbreviation, row.abbreviation, row.expansion) for row in firing):
        yield "abbreviation with two first senses", name, senses


def _drugs() -> Iterator[_Finding]:
    rows = (row for row in read_drugs(data_file("drugs.tsv")) if row.status_code)
    for generic, codes in _grouped((row.generic, row.generic, row.status_code) for row in rows):
        yield "drug status", generic, codes


def _procedures() -> Iterator[_Finding]:
    for name in ("cpt.tsv", "hcpcs.tsv"):
        rows = (row for row in read_procedures(data_file(name)) if not (row.requires or row.excludes))
        terms = ((key(term), term, row.code) for row in rows if row.use != "look-up" for term in row.terms)
        for term, codes in _grouped(terms):
            yield "procedures that nothing sets apart", term, codes


def _combined() -> Iterator[_Finding]:
    rows = list(read_combinations(data_file("combinations.tsv")))
    for conditions, codes in _grouped(
        ((r.context, r.conditions), " + ".join(map("|".join, r.conditions)), r.code) for r in rows
    ):
        yield "combination", conditions, codes
    for row in rows:
        if row.code in row.replaces:
            yield "combination that replaces itself", row.code, row.replaces
    for name, check in _FOLLOWING.items():
        following = read_histories(data_file(name))
        for condition, codes in _grouped((row.condition, row.condition, row.code) for row in following):
            yield check, condition, codes


def _inpatient() -> Iterator[_Finding]:
    operations = read_operations(data_file("pcs_procedures.tsv"))
    patterns = (
        (key(term), term, "".join(v or "." for v in row.values)) for row in operations for term in row.terms
    )
    for term, several in _grouped(patterns):
        yield "inpatient operation", term, several
    parts = read_parts(data_file("pcs_parts.tsv"))
    named = (
        ((r.system, key(term)), f"{r.system} {term}", "".join(r.values)) for r in parts for term in r.terms
    )
    for term, several in _grouped(named):
        yield "inpatient part of the body", term, several
