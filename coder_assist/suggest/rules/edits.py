"""Payer edits that a deployment loaded: units above CMS's MUE, pairs of CMS's NCCI table.

Silent without the files (``CODER_ASSIST_MUE_FILE``, ``CODER_ASSIST_NCCI_FILE``; see ``docs/edits.md``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from itertools import permutations

from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.edit_files import Adjudication, PairTable
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.rules.modifiers import NCCI_MODIFIERS, distinct, side_of
from coder_assist.types import Code, Finding, Fix, Severity


def _above_limit(coding: Coding) -> Iterator[tuple[Code, Adjudication, str]]:
    """Yield each code whose units pass its limit: of one line, or of the day."""
    if not coding.edits.units:
        return
    lines: dict[Code, list[Line]] = defaultdict(list)
    for line in coding.procedures:
        lines[line.code].append(line)
    for code, of_code in lines.items():
        limit = coding.edits.units.get(code.value)
        if limit is None:
            continue
        by_line = limit.adjudication is Adjudication.LINE
        units = (max if by_line else sum)(line.units for line in of_code)
        if units > limit.units:
            scope = "line" if by_line else "day"
            because = f" ({limit.rationale})" if limit.rationale else ""
            yield (
                code,
                limit.adjudication,
                f"{code} has {units} units; the MUE is {limit.units} a {scope}{because}.",
            )


@rule(
    "units-above-policy-limit",
    Severity.ERROR,
    authority="CMS Medically Unlikely Edits, adjudication indicator 2 (day of service, policy)",
    summary="Units above a limit that no appeal passes (user-loaded MUE file).",
)
def units_above_policy_limit(coding: Coding) -> Iterator[Finding]:
    """Yield each code above an absolute limit."""
    for code, adjudication, message in _above_limit(coding):
        if adjudication is Adjudication.DAY_POLICY:
            yield found((code,), message)


@rule(
    "units-above-limit",
    Severity.WARNING,
    authority="CMS Medically Unlikely Edits, adjudication indicators 1 (line) and 3 (day of service, clinical)",
    summary="Units above a limit that the record must justify (user-loaded MUE file).",
)
def units_above_limit(coding: Coding) -> Iterator[Finding]:
    """Yield each code above a line's limit or a clinical limit of the day."""
    for code, adjudication, message in _above_limit(coding):
        if adjudication is not Adjudication.DAY_POLICY:
            yield found((code,), message)


def _edited(coding: Coding, indicator: int) -> Iterator[tuple[Line, Line]]:
    """Yield the pairs (column 1, column 2) of the set with an edit in force of the given indicator."""
    table = coding.edits.pairs
    if table is None:
        return
    values = frozenset(line.value for line in coding.procedures)
    between = _between(table, values, coding.encounter.service_date)
    if indicator in between.values():
        for one, other in permutations(coding.procedures, 2):
            if between.get((one.value, other.value)) == indicator:
                yield one, other


@lru_cache(maxsize=256)
def _between(table: PairTable, values: frozenset[str], day: date | None) -> dict[tuple[str, str], int]:
    """Return the edits in force among some codes; both rules of a note, and its next decision, ask the same."""
    asked = ((one, other, table.indicator(one, other, day)) for one, other in permutations(sorted(values), 2))
    return {(one, other): told for one, other, told in asked if told is not None}


@rule(
    "ncci-never-together",
    Severity.ERROR,
    authority="CMS NCCI procedure-to-procedure edits, modifier indicator 0",
    summary="A pair that NCCI never pays together (user-loaded NCCI file).",
)
def ncci_never_together(coding: Coding) -> Iterator[Finding]:
    """Yield each pair with indicator 0; the fix takes the column 2 code out."""
    for one, other in _edited(coding, 0):
        yield found(
            (one.code, other.code),
            f"{other.value} is not paid beside {one.value}; no modifier changes that.",
            fix=Fix(remove=(other.code,)),
        )


@rule(
    "ncci-needs-modifier",
    Severity.WARNING,
    authority="CMS NCCI procedure-to-procedure edits, modifier indicator 1",
    summary="A pair that NCCI pays only with a modifier that says why (user-loaded NCCI file).",
)
def ncci_needs_modifier(coding: Coding) -> Iterator[Finding]:
    """Yield each pair with indicator 1 of which neither line carries an NCCI-associated modifier."""
    for one, other in _edited(coding, 1):
        if side_of(one) and side_of(one) == side_of(other) and not distinct(one, other):
            told = "both lines name the same side"
        elif any(NCCI_MODIFIERS & set(line.modifiers) for line in (one, other)):
            continue
        else:
            told = "no modifier says so"
        yield found(
            (one.code, other.code),
            f"{other.value} is paid beside {one.value} only if done apart from it; {told}.",
        )
