"""Numbers of a note that are codes in themselves: body mass index and weeks of gestation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from coder_assist.types import Span

_BMI = re.compile(
    r"\b(?:bmi|body mass index)\b\)?[^.\d\n]{0,25}?(?P<value>\d{2}(?:\.\d{1,2})?)(?![\d/])", re.IGNORECASE
)
_WEEKS_BEFORE = re.compile(
    r"\b(?P<weeks>\d{1,2})(?:(?:\.\d)|(?:[- ]?(?:and |\+ ?)?\d(?:/\d)?(?:th)?))?[- ]*(?:weeks?|wks?|week's|weeks')\b"
    r"(?:(?: and)? \d days?)?[ ,-]*(?:of )?(?:size |intrauterine |estimated |single |viable |twin |\()*"
    r"(?:gestation|gestational|pregnan|iup|ega|ga\b)",
    re.IGNORECASE,
)
_WEEKS_AFTER = re.compile(
    r"\b(?:gestation(?:al age)?|pregnancy|iup|ega|gw|intrauterine pregnancy|sonographic age|menstrual age)\b(?:[^.\d\n]|:){0,24}?"
    r"(?P<weeks>\d{1,2})(?:\.\d|[- ]?(?:and |\+ ?)?\d/\d(?:th)?)?[- ]*(?:weeks?|wks?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with its words, and the code it is."""

    span: Span
    code: str


def bmi_code(value: float) -> str | None:
    """Return the Z68 code of an adult's body mass index in kg/m2; ``None`` outside of 10 to 150.

    Z68.1 is 19.9 or less, Z68.20 to Z68.39 go by whole numbers, Z68.41 to Z68.45 by bands from 40.
    """
    if not 10 <= value <= 150:
        return None
    if value < 20:
        return "Z68.1"
    if value < 40:
        return f"Z68.{int(value)}"
    return "Z68." + (
        "41" if value < 45 else "42" if value < 50 else "43" if value < 60 else "44" if value < 70 else "45"
    )


def weeks_code(weeks: int) -> str | None:
    """Return the Z3A code of completed weeks of gestation; ``None`` outside of 1 to 45 weeks."""
    if not 1 <= weeks <= 45:
        return None
    return "Z3A.01" if weeks < 8 else "Z3A.49" if weeks > 42 else f"Z3A.{weeks:02d}"


@lru_cache(maxsize=8)
def gestations(text: str) -> tuple[tuple[Span, int], ...]:
    """Return the completed weeks of gestation that a note states, with the words that state them.

    Measurements and attributes share it for the few notes of an encounter.
    """
    lowered = text.lower()
    if "week" not in lowered and "wk" not in lowered:
        return ()  # most notes: the patterns would try every number of them
    return tuple(
        (Span(match.start(), match.end()), int(match["weeks"]))
        for pattern in (_WEEKS_BEFORE, _WEEKS_AFTER)
        for match in pattern.finditer(text)
        if 4 <= int(match["weeks"]) <= 43
    )


def find_measurements(text: str) -> list[Measurement]:
    """Return the measurements of a note that are codes, in order of the text."""
    found = []
    for match in _BMI.finditer(text):
        code = bmi_code(float(match["value"]))
        if code:
            found.append(Measurement(Span(match.start(), match.end()), code))
    for span, weeks in gestations(text):
        code = weeks_code(weeks)
        if code:
            found.append(Measurement(span, code))
    return sorted(found, key=lambda measurement: (measurement.span, measurement.code))
