"""What to ask the provider where the note leaves a code unspecified.

A query is open, names several clinically plausible answers, ends with "other" and "unable to determine",
quotes the note's own words as indicators and never speaks of payment (ACDIS/AHIMA, Guidelines for Achieving
a Compliant Query Practice, 2022). The questions are data: ``data/queries.tsv``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files

from coder_assist.errors import LexiconError
from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.types import Finding, Query, Setting, Severity

CLOSING = ("other", "unable to determine")
AUTHORITY = "ICD-10-CM guideline I.B.18, FY2026; ACDIS/AHIMA compliant query practice, 2022"
TRIMESTERS = ("first", "second", "third", "the weeks of gestation")

ASKED = {
    "query-type": "An unspecified code where the type decides the code and the note does not name it.",
    "query-stage": "A staged condition without its stage.",
    "query-severity": "A condition whose severity decides the code and is not documented.",
    "query-organism": "An infection treated as an inpatient without type or organism.",
    "query-site": "A code whose site or vessel the note leaves open.",
    "query-cause": "A condition coded by its sign because the cause is not documented.",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A row of ``queries.tsv``. ``exact`` and ``prefixes`` say for which codes it is asked."""

    rule: str
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    settings: frozenset[Setting]
    text: str
    options: tuple[str, ...]

    def asks(self, value: str, setting: Setting) -> bool:
        """Say whether the question is about this code in this setting."""
        if self.settings and setting not in self.settings:
            return False
        return value in self.exact or (bool(self.prefixes) and value.startswith(self.prefixes))


@lru_cache(maxsize=1)
def questions() -> tuple[Question, ...]:
    """Return the questions that the package carries. Raises ``LexiconError`` for a row that is not in its form."""
    lines = files("coder_assist.suggest.rules").joinpath("data/queries.tsv").read_text("utf-8").splitlines()
    rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
    read = []
    for number, row in enumerate(rows, 1):
        codes = row["codes"].split()
        if row["rule"] not in ASKED or not codes or not row["question"].endswith("."):
            raise LexiconError("queries.tsv", number, "expected a known rule, codes and a sentence")
        read.append(
            Question(
                row["rule"],
                frozenset(code[1:] for code in codes if code.startswith("=")),
                tuple(code for code in codes if not code.startswith("=")),
                frozenset(Setting(setting) for setting in row["settings"].split()),
                row["question"],
                (*row["options"].split("|"), *CLOSING),
            )
        )
    return tuple(read)


def _query(line: Line, question: str, options: tuple[str, ...]) -> Query:
    return Query(question, options, line.evidence[:3])


@lru_cache(maxsize=4096)
def _question_for(id: str, value: str, setting: Setting) -> Question | None:
    return next((q for q in questions() if q.rule == id and q.asks(value, setting)), None)


def _ask(id: str, coding: Coding) -> Iterator[Finding]:
    for line in coding.diagnoses:
        question = _question_for(id, line.value, coding.encounter.setting)
        if question is not None:
            yield found(
                (line.code,),
                f"{line.value} is unspecified; the provider can be asked for what is missing.",
                query=_query(line, question.text, question.options),
            )


for _id, _summary in ASKED.items():
    _check = partial(_ask, _id)
    _check.__module__ = __name__
    rule(_id, Severity.QUERY, authority=AUTHORITY, summary=_summary)(_check)


@rule(
    "query-side",
    Severity.QUERY,
    authority="ICD-10-CM guideline I.B.13, FY2026; ACDIS/AHIMA compliant query practice, 2022",
    summary="A code for an unspecified side where the note does not name the side.",
)
def query_side(coding: Coding) -> Iterator[Finding]:
    """Yield each code without a side that the book has by side, unless the note says one (``side-stated`` speaks then)."""
    for line in coding.diagnoses:
        sides = coding.facts.sides(line.value)
        if sides.get("") != line.value:
            continue
        if any(mention.attributes.get("laterality") for mention in coding.mentions_of(line)):
            continue
        options = tuple(side for side in ("left", "right", "bilateral") if side in sides)
        yield found(
            (line.code,),
            f"{line.value} leaves the side open.",
            query=_query(line, "Please document the side of the condition.", (*options, *CLOSING)),
        )


@rule(
    "query-trimester",
    Severity.QUERY,
    authority="ICD-10-CM guideline I.C.15.a.3, FY2026",
    summary="An obstetric code for an unspecified trimester.",
)
def query_trimester(coding: Coding) -> Iterator[Finding]:
    """Yield each O code whose title leaves the trimester open."""
    for line in coding.starting("O"):
        if "unspecified trimester" in coding.fact(line).title.lower():
            yield found(
                (line.code,),
                f"{line.value} leaves the trimester open; the weeks of gestation decide it.",
                query=_query(
                    line, "Please document the weeks of gestation or the trimester.", (*TRIMESTERS, *CLOSING)
                ),
            )
