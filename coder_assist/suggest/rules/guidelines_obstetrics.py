"""Guidelines I.C.15 and I.C.16: pregnancy, childbirth, the newborn."""

from __future__ import annotations

import re
from collections.abc import Iterator

from coder_assist.suggest.rules.coding import Coding, Line, codes_of, icd
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.types import Finding, Fix, Severity

_ABORTIVE = tuple(f"O0{number}" for number in range(9))
_TRIMESTER = re.compile(r"\b(first|second|third) trimester\b")


def _obstetric(coding: Coding) -> tuple[Line, ...]:
    return coding.starting("O")


@rule(
    "obstetric-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.15.a.1, FY2026",
    summary="A code of another chapter before the obstetric codes.",
    sequencing=True,
)
def obstetric_first(coding: Coding) -> Iterator[Finding]:
    """Yield a first-listed code outside chapter 15 in a set that has chapter 15 codes."""
    first = coding.first
    lines = _obstetric(coding)
    if first is None or not lines or first.value[0] in "OP" or first.value.startswith("Z38"):
        return
    yield found(
        (lines[0].code, first.code),
        f"Chapter 15 codes are listed before others: {lines[0].value} before {first.value}.",
        fix=coding.put_first(lines[0]),
    )


def _needs_weeks(coding: Coding, line: Line) -> bool:
    if line.value.startswith(
        (*_ABORTIVE, "O85", "O86", "O87", "O88", "O89", "O90", "O91", "O92", "O94", "O72", "O73")
    ):
        return False
    title = coding.fact(line).title.lower()
    return "puerperium" not in title or "pregnancy" in title


@rule(
    "weeks-missing",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.21.c.11, FY2026; note at chapter 15 for Z3A",
    summary="Obstetric codes without the weeks of gestation.",
)
def weeks_missing(coding: Coding) -> Iterator[Finding]:
    """Yield the obstetric codes of a pregnancy that has no Z3A."""
    if "Z3A" in coding.categories:
        return
    lines = [line for line in _obstetric(coding) if _needs_weeks(coding, line)]
    if lines:
        codes = codes_of(lines)
        yield found(codes, f"{codes[0].value} asks for the weeks of gestation (Z3A).")


@rule(
    "weeks-with-abortive-outcome",
    Severity.WARNING,
    authority="ICD-10-CM note at Z3A and guideline I.C.21.c.11, FY2026",
    summary="Weeks of gestation beside an abortive outcome, a termination or postpartum conditions alone.",
)
def weeks_with_abortive_outcome(coding: Coding) -> Iterator[Finding]:
    """Yield Z3A in a set whose pregnancy ended before (O00 to O08, Z33.2)."""
    if "Z3A" not in coding.categories:
        return
    ended = coding.starting(*_ABORTIVE, "Z33.2")
    if not ended or any(line.value[:3] >= "O09" for line in _obstetric(coding)):
        return
    cause = min(ended, key=lambda line: line.value)
    for line in coding.by_category["Z3A"]:
        yield found(
            (line.code, cause.code),
            f"{line.value} is not reported with {cause.value}.",
            fix=Fix(remove=(line.code,)),
        )


@rule(
    "weeks-contradict-trimester",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.15.a.3, FY2026; chapter 15 note: second trimester from 14 weeks, third from 28",
    summary="A trimester that does not fit the weeks of gestation.",
)
def weeks_contradict_trimester(coding: Coding) -> Iterator[Finding]:
    """Yield each obstetric code of another trimester than the weeks say, with its sibling as the fix."""
    weeks = [line for line in coding.by_category.get("Z3A", ()) if line.value[4:].isdigit()]
    if len({line.value for line in weeks}) != 1:
        return
    number = int(weeks[0].value[4:])
    if number == 0:  # Z3A.00, weeks not specified; Z3A.01 is less than 8
        return
    wanted = "first" if number < 14 else "second" if number < 28 else "third"
    for line in _obstetric(coding):
        title = coding.fact(line).title
        match = _TRIMESTER.search(title.lower())
        if match and match[1] != wanted:
            yield found(
                (line.code, weeks[0].code),
                f"{line.value} is for the {match[1]} trimester; {weeks[0].value} lies in the {wanted}.",
                fix=_of_trimester(coding, line, match[1], wanted),
            )


def _of_trimester(coding: Coding, line: Line, said: str, wanted: str) -> Fix | None:
    """Return the change to the sibling code whose title differs in the trimester alone."""
    title = coding.fact(line).title.lower().replace(f"{said} trimester", f"{wanted} trimester")
    at = 7 if len(line.value) == 8 else len(line.value)
    for digit in "1234":
        value = f"{line.value[: at - 1]}{digit}{line.value[at:]}"
        sibling = coding.facts.of(value)
        if sibling.billable and sibling.title.lower() == title:
            return Fix(remove=(line.code,), add=(icd(value),))
    return None


@rule(
    "outcome-missing",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.15.b.5, FY2026",
    summary="A delivery without its outcome.",
)
def outcome_missing(coding: Coding) -> Iterator[Finding]:
    """Yield the delivery codes of a set without Z37."""
    if "Z37" in coding.categories or (
        "O80" not in coding.categories and "O" not in {c[0] for c in coding.categories}
    ):
        return
    lines = [
        line
        for line in _obstetric(coding)
        if line.value[:3] in {"O80", "O82", "O70"}
        or "complicating childbirth" in coding.fact(line).title.lower()
    ]
    if lines:
        codes = codes_of(lines)
        yield found(codes, f"{codes[0].value} is a delivery: its outcome (Z37) is coded beside it.")


# A chronic disease of the mother, and the category that it takes in pregnancy.
_PREEXISTING = {
    "I10": "O10", "I11": "O10", "I12": "O10", "I13": "O10", "I15": "O10", "E10": "O24", "E11": "O24", "E13": "O24",
    "B20": "O98.7", "Z21": "O98.7",
}  # fmt: skip


@rule(
    "preexisting-in-pregnancy",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.15.c, I.C.15.d, I.C.15.f and I.C.15.g, FY2026",
    summary="Hypertension, diabetes or HIV of a pregnant patient without its obstetric code.",
)
def preexisting_in_pregnancy(coding: Coding) -> Iterator[Finding]:
    """Yield the disease whose chapter 15 code is missing."""
    if not _obstetric(coding) or coding.categories.isdisjoint(_PREEXISTING):
        return
    for category in sorted(coding.categories & _PREEXISTING.keys()):
        wanted = _PREEXISTING[category]
        allowed = (wanted, "O11") if wanted == "O10" else (wanted,)
        if not coding.starting(*allowed):
            for line in coding.by_category[category]:
                yield found(
                    (line.code,), f"In pregnancy {line.value} goes with a code of {wanted}, listed before it."
                )


@rule(
    "birth-once",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.16.a.2, FY2026",
    summary="More than one birth status code on a record.",
)
def birth_once(coding: Coding) -> Iterator[Finding]:
    """Yield the Z38 codes of a record that has two: a newborn is born once."""
    lines = coding.by_category.get("Z38", ())
    if len({line.value for line in lines}) > 1:
        codes = codes_of(lines)
        yield found(codes, f"A newborn has one birth status: {' or '.join(code.value for code in codes)}.")
