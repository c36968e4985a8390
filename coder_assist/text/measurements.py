"""Numbers of a note that are codes in themselves: body mass index, weeks of gestation, burned surface, radiation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from coder_assist.types import Span

_BMI = re.compile(
    r"\b(?:bmi|body mass index)\b\)?[^.\d\n]{0,25}?(?P<value>\d{2}(?:\.\d{1,2})?)(?![\d/])", re.IGNORECASE
)
_WEEKS_BEFORE = re.compile(
    r"\b(?P<weeks>\d{1,2})(?:(?:\.\d)|\+| plus|(?:[- ]?(?:and |\+ ?)?\d(?:/\d)?(?:th)?))?[- ]*(?:weeks'|week's|weeks?|wks?)(?!\w)"
    r"(?:(?: and)? \d days?)?[ ,-]*(?:of )?(?:size |intrauterine |estimated |single |viable |twin |\()*"
    r"(?:gestation|gestational|pregnan|iup|ega|ga\b)",
    re.IGNORECASE,
)
_WEEKS_AFTER = re.compile(
    r"\b(?:gestation(?:al age)?|pregnancy|iup|ega|gw|intrauterine pregnancy|sonographic age|menstrual age)\b(?:[^.\d\n]|:){0,24}?"
    r"(?P<weeks>\d{1,2})(?:\.\d|\+| plus|[- ]?(?:and |\+ ?)?\d/\d(?:th)?)?[- ]*(?:weeks?|wks?)\b",
    re.IGNORECASE,
)
# "39-4/7 weeks", "36th and 4/7th week", "at 35-1/7": nothing but gestation is told in sevenths.
_WEEKS_IN_SEVENTHS = re.compile(
    r"\b(?P<weeks>[1-4]\d)(?:st|nd|rd|th)?(?:[- ]{1,3}| ?\+ ?| and | & )[0-6](?:st|nd|rd|th)?/7(?:ths?)?\b(?:[- ]*(?:weeks?|wks?)\b)?",
    re.IGNORECASE,
)
# A share of the body surface that burned, before or after the word.
_BURNED = re.compile(
    r"\b(?P<share>\d{1,2})(?:\.\d)? ?(?:%|percent) ?(?:tbsa|bsa|(?:total )?body surface(?: area)?)\b[^.\n]{0,20}?\bburn",
    re.IGNORECASE,
)
# A dose of radiation that was given: nothing else is told in centigray.
_IRRADIATED = re.compile(
    r"\b(?:received|underwent|given|treated with|completed|completing|total (?:dose )?of|to a dose of|dose of)\b[^.\n]{0,40}?"
    r"\b\d{3,5} ?cGy\b",
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


def burned_code(percent: int) -> str:
    """Return the T31 code of a burned share of the body surface, 0 to 99 percent, none of it said to be third degree."""
    return "T31.0" if percent < 10 else f"T31.{percent // 10}0"


@lru_cache(maxsize=8)
def gestations(text: str) -> tuple[tuple[Span, int], ...]:
    """Return the completed weeks of gestation that a note states, each with the words that state them."""
    lowered = text.lower()
    # Most notes say nothing of weeks, and the patterns would try every number of them.
    patterns = [_WEEKS_BEFORE, _WEEKS_AFTER] if "week" in lowered or "wk" in lowered else []
    if "/7" in text:
        patterns.append(_WEEKS_IN_SEVENTHS)
    found: list[tuple[Span, int]] = []
    for pattern in patterns:
        for match in pattern.finditer(text):
            weeks, span = int(match["weeks"]), Span(match.start(), match.end())
            if 4 <= weeks <= 43 and not any(span.overlaps(other) for other, _ in found):
                found.append((span, weeks))
    return tuple(found)


def find_measurements(text: str) -> list[Measurement]:
    """Return the measurements of a note that are codes, in order of the text."""
    found = []
    for match in _BMI.finditer(text):
        code = bmi_code(float(match["value"]))
        if code:
            found.append(Measurement(Span(match.start(), match.end()), code))
    if "burn" in text.lower():
        found += (
            Measurement(Span(match.start(), match.end()), burned_code(int(match["share"])))
            for match in _BURNED.finditer(text)
        )
    if "cgy" in text.lower():
        found += (
            Measurement(Span(match.start(), match.end()), "Z92.3") for match in _IRRADIATED.finditer(text)
        )
    for span, weeks in gestations(text):
        code = weeks_code(weeks)
        if code:
            found.append(Measurement(span, code))
    return sorted(found, key=lambda measurement: (measurement.span, measurement.code))
