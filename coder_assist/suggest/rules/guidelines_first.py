"""What may stand in first place and what may stand nowhere else: guidelines I.C.20, I.C.21 and II."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile

from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.sequencing import EXTERNAL, FIRST_ONLY, NEVER_FIRST, STATUS, is_first_only
from coder_assist.types import Finding, Severity

_FIRST_ONLY_CATEGORIES = frozenset(prefix[:3] for prefix in FIRST_ONLY)
_DRUGS = tuple(f"T{number}" for number in range(36, 51))


def _never_because(line: Line) -> str | None:
    if line.value[0] in EXTERNAL:
        return "an external cause follows the condition that it caused"
    if line.value[0] == "T" and line.value.startswith(_DRUGS) and line.value[6:7] == "6":
        return "underdosing follows the condition that it led to"
    return next((why for prefix, why in NEVER_FIRST.items() if line.value.startswith(prefix)), None)


@rule(
    "never-first",
    Severity.ERROR,
    authority="ICD-10-CM guidelines I.C.20.a.6, I.C.1.b, I.C.1.d, I.C.18.e, I.C.18.i, I.C.19.e.5.c and I.C.21.c.3, FY2026",
    summary="A code in first place that may only be secondary: external cause, organism, severity, weeks, index.",
    sequencing=True,
)
def never_first(coding: Coding) -> Iterator[Finding]:
    """Yield a first-listed code that follows another by its nature; the fix moves all such codes back."""
    first = coding.first
    why = _never_because(first) if first is not None else None
    if first is None or why is None:
        return
    leading = _leading(coding, lambda line: _never_because(line) is not None)
    yield found(
        (first.code,),
        f"{first.value} is never listed first: {why}.",
        fix=coding.put_last(leading),
    )


def _leading(coding: Coding, of_kind: Callable[[Line], bool]) -> list[Line]:
    """Return the lines of the kind that stand before the first line which is not."""
    return list(takewhile(of_kind, coding.diagnoses))


@rule(
    "status-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.21.c.3 and I.C.21.c.4, FY2026; CMS Medicare Code Editor, unacceptable principal diagnosis",
    summary="A status or history code in first place.",
    sequencing=True,
)
def status_first(coding: Coding) -> Iterator[Finding]:
    """Yield a first-listed status, history or long-term drug code while a reason for the visit stands behind it."""
    first = coding.first
    if first is None or not first.value.startswith(STATUS):
        return
    leading = _leading(coding, lambda line: line.value.startswith(STATUS) or _never_because(line) is not None)
    fix = coding.put_last(leading)
    if fix is not None:
        yield found(
            (first.code,),
            f"{first.value} says a status or history; list the reason for the visit first.",
            fix=fix,
        )


@rule(
    "first-only",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.21.c.16, FY2026; I.C.2.e.2 for cancer treatment, I.C.16.a.2 for birth",
    summary="A Z code behind another diagnosis that may only be listed first.",
    sequencing=True,
)
def first_only(coding: Coding) -> Iterator[Finding]:
    """Yield each code of the list in a later place, unless another of the list is first."""
    if coding.categories.isdisjoint(_FIRST_ONLY_CATEGORIES):
        return
    first = coding.first
    if first is None or first.value.startswith(FIRST_ONLY):
        return
    for line in coding.diagnoses:
        if is_first_only(line.value):
            yield found(
                (line.code,),
                f"{line.value} is listed first only, unless encounters of one day are combined.",
                fix=coding.put_first(line),
            )


_SCREENING = {
    "Z12.11": ("D12", "K57", "K62", "K63", "K64", "C18", "C19", "C20"),
    "Z12.12": ("D12", "K62", "K63", "C19", "C20"),
    "Z12.31": ("C50", "D05", "D24", "N60", "N63", "R92"),
    "Z12.4": ("C53", "D06", "N87", "R87"),
    "Z12.5": ("C61", "N40", "R97.2"),
    "Z12.2": ("C34", "R91"),
    "Z13.820": ("M80", "M81", "M85.8"),
    "Z13.1": ("E11", "R73"),
    "Z13.6": ("I10", "I71", "R03"),
    "Z11": ("A", "B18", "B20", "Z21"),
}


@rule(
    "screening-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.21.c.5, FY2026",
    summary="What a screening found listed before the screening.",
    sequencing=True,
)
def screening_first(coding: Coding) -> Iterator[Finding]:
    """Yield a screening code behind the finding that the same screening makes."""
    if coding.categories.isdisjoint({"Z11", "Z12", "Z13"}) or coding.first is None:
        return
    for prefix, findings in _SCREENING.items():
        for line in coding.starting(prefix):
            if coding.first.value.startswith(findings):
                yield found(
                    (coding.first.code, line.code),
                    f"Where the visit was the screening, {line.value} is first and {coding.first.value} is what it found.",
                    fix=coding.put_first(line),
                )
