"""Numbers of a note that are codes in themselves: body mass index, weeks, birth weight, burned surface, radiation."""

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

# The weight at birth, in grams, kilograms or pounds and ounces; only a newborn's note is coded by it.
_GRAMS = r"(?P<grams>\d{3,4}|\d,\d{3})(?:[- ](?=g)|(?=g))g(?:m|ms|rams?)?\b"
_BIRTH_WEIGHT = (
    re.compile(
        r"\bbirth ?weight\b[^.\d\n]{0,20}(?:" + _GRAMS + r"|(?P<kilos>[0-4]\.\d{1,3}) ?(?:kg|kilo)|"
        r"(?P<pounds>\d)(?:[- ]?pounds?| ?lbs?\.?),?(?: and)? ?(?P<ounces>1?\d)?(?: ?(?:ounces?|oz))?\b)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b"
        + _GRAMS[: -len(r"\b")]
        + r"(?:[- ](?:pre\w*|small|viable|live|baby|infant|newborn|male|female))+",
        re.IGNORECASE,
    ),
)
_NEWBORN = re.compile(
    r"\b(?:nicu|neonat\w+|newborn|premature|preemie|prematurity|(?:days?|weeks?)[- ]old|baby)\b",
    re.IGNORECASE,
)
# One of these stands wherever the pattern finds something.
_OF_NEWBORNS = (
    "nicu", "neonat", "newborn", "prem", "preemie", "baby", "day old", "days old", "week old", "weeks old", "day-old",
    "days-old", "week-old", "weeks-old",
)  # fmt: skip
# "A 29-3/7-week gestation infant", "an ex-32-weeker", "prematurity, 34 weeks": the weeks of one's own birth.
_BORN_AT = re.compile(
    r"\b(?:(?P<before>[23]\d)(?:[- ](?:and )?\d/7)?(?:th)?[- ]*weeks?'?[- ]+(?:gestation(?:al age)?[- ]+)?(?:old )?"
    r"(?:pre\w+ |male |female |baby |twin )*(?:infant|preemie|newborn|baby|neonate|premie)|"
    r"(?:ex|former)[- ](?P<former>[23]\d)(?:[- ]\d/7)?[- ]*week(?:s|er)?\b|"
    r"prematur(?:ity|e)(?: birth)?(?: at|,| of)? (?P<after>[23]\d)(?:[- ]\d/7)?[- ]*weeks?\b)",
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


def birth_weight_code(grams: int) -> str | None:
    """Return the P07 code of a low birth weight in grams; ``None`` for 2,500 and more, or for no weight of a newborn.

    >>> birth_weight_code(1102), birth_weight_code(2400), birth_weight_code(3200)
    ('P07.14', 'P07.18', None)
    """
    if not 200 <= grams < 2500:
        return None
    if grams < 1000:
        return "P07.01" if grams < 500 else "P07.02" if grams < 750 else "P07.03"
    return "P07.18" if grams >= 2000 else f"P07.1{4 + (grams - 1000) // 250}"


def preterm_code(weeks: int) -> str | None:
    """Return the P07 code of a newborn by its completed weeks of gestation; ``None`` from 37 weeks on."""
    if not 23 <= weeks <= 36:
        return None
    return f"P07.2{weeks - 21}" if weeks < 28 else f"P07.3{weeks - 27}"


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


def _of_newborns(text: str, lowered: str) -> list[Measurement]:
    """Return the birth weights and the weeks at birth of a newborn's note, as codes."""
    found = []
    newborn = any(word in lowered for word in _OF_NEWBORNS) and _NEWBORN.search(text)
    for pattern in _BIRTH_WEIGHT if newborn else ():
        for match in pattern.finditer(text):
            told = match.groupdict()
            if told["grams"]:
                grams = int(told["grams"].replace(",", ""))
            elif told.get("kilos"):
                grams = round(float(told["kilos"]) * 1000)
            else:
                grams = round(int(told["pounds"]) * 453.6 + int(told["ounces"] or 0) * 28.35)
            if code := birth_weight_code(grams):
                found.append(Measurement(Span(match.start(), match.end()), code))
    found += (
        Measurement(Span(match.start(), match.end()), code)
        for match in (_BORN_AT.finditer(text) if "week" in lowered else ())
        if (code := preterm_code(int(match["before"] or match["former"] or match["after"])))
    )
    return found


def find_measurements(text: str) -> list[Measurement]:
    """Return the measurements of a note that are codes, in order of the text."""
    found = []
    lowered = text.lower()
    # Most notes say none of these words, and a pattern would try every place of the text.
    for match in _BMI.finditer(text) if "bmi" in lowered or "body mass" in lowered else ():
        code = bmi_code(float(match["value"]))
        if code:
            found.append(Measurement(Span(match.start(), match.end()), code))
    if "burn" in lowered:
        found += (
            Measurement(Span(match.start(), match.end()), burned_code(int(match["share"])))
            for match in _BURNED.finditer(text)
        )
    if "cgy" in lowered:
        found += (
            Measurement(Span(match.start(), match.end()), "Z92.3") for match in _IRRADIATED.finditer(text)
        )
    found += _of_newborns(text, lowered)
    for span, weeks in gestations(text):
        code = weeks_code(weeks)
        if code:
            found.append(Measurement(span, code))
    return sorted(found, key=lambda measurement: (measurement.span, measurement.code))
