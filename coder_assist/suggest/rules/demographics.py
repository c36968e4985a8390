"""Age and sex against the codes.

Age ranges after the age conflict edit of CMS's Medicare Code Editor: perinatal and newborn codes age 0,
maternity 9 to 64, paediatric 0 to 17, adult 15 to 124. Sex limits from the Tabular List's own block titles
("Diseases of male genital organs"). An encounter without age or sex hears nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from coder_assist.codes import CodeRange
from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.types import Finding, Severity, Sex

MCE = "CMS Medicare Code Editor, age conflict edit"
_NEWBORN = (CodeRange("Z38", "Z38"), CodeRange("P00", "P04"), CodeRange("P05", "P08"), CodeRange("Z05", "Z05"),
            CodeRange("Z00.110", "Z00.111"))  # fmt: skip
_MATERNITY = (
    CodeRange("O00", "O9A"),
    CodeRange("Z33", "Z34"),
    CodeRange("Z36", "Z37"),
    CodeRange("Z39", "Z3A"),
)
_PAEDIATRIC = (CodeRange("Z00.12", "Z00.12"), CodeRange("Z68.5", "Z68.5"), CodeRange("Z62.21", "Z62.21"),
               CodeRange("R62.51", "R62.51"))  # fmt: skip
_ADULT = (CodeRange("Z00.0", "Z00.0"), CodeRange("M81.0", "M81.0"), CodeRange("H25", "H25"), CodeRange("R54", "R54"),
          CodeRange("F52", "F52"), CodeRange("Z68.1", "Z68.4"))  # fmt: skip
_FEMALE = (CodeRange("C51", "C58"), CodeRange("D06", "D06"), CodeRange("D07.0", "D07.3"), CodeRange("D25", "D28"),
           CodeRange("D39", "D39"), CodeRange("N70", "N77"), CodeRange("N80", "N98"), CodeRange("O00", "O9A"),
           CodeRange("R87", "R87"), CodeRange("Z01.41", "Z01.42"), CodeRange("Z12.4", "Z12.4"), CodeRange("Z30.43", "Z30.43"),
           CodeRange("Z32", "Z34"), CodeRange("Z36", "Z37"), CodeRange("Z39", "Z3A"), CodeRange("Z90.71", "Z90.72"),
           CodeRange("Z85.40", "Z85.44"), CodeRange("Z78.0", "Z78.0"))  # fmt: skip
_MALE = (CodeRange("C60", "C63"), CodeRange("D07.4", "D07.6"), CodeRange("D29", "D29"), CodeRange("D40", "D40"),
         CodeRange("N40", "N53"), CodeRange("R86", "R86"), CodeRange("Z12.5", "Z12.5"), CodeRange("Z85.45", "Z85.49"),
         CodeRange("R97.2", "R97.2"), CodeRange("Z90.79", "Z90.79"), CodeRange("Z98.52", "Z98.52"))  # fmt: skip


def _inside(coding: Coding, ranges: tuple[CodeRange, ...]) -> Iterator[Line]:
    for line in coding.diagnoses:
        if any(span.covers(line.value) for span in ranges):
            yield line


def _too_old_or_young(
    coding: Coding, ranges: tuple[CodeRange, ...], least: float, below: float, who: str
) -> Iterator[Finding]:
    age = coding.encounter.age
    if age is None or least <= age < below:
        return
    for line in _inside(coding, ranges):
        yield found((line.code,), f"{line.value} is a code for {who}; the patient's age is {age:g}.")


@rule(
    "age-newborn",
    Severity.WARNING,
    authority=f"{MCE} (newborn); guideline I.C.16.a, FY2026: a perinatal condition may be coded later if it persists",
    summary="A newborn code on a patient who is no newborn.",
)
def age_newborn(coding: Coding) -> Iterator[Finding]:
    """Yield each birth or perinatal-maternal code of a patient aged one year or more."""
    yield from _too_old_or_young(coding, _NEWBORN, 0, 1, "newborns")


@rule("age-maternity", Severity.ERROR, authority=f"{MCE} (maternity, 9 to 64 years)",
      summary="A maternity code outside the ages of 9 to 64.")  # fmt: skip
def age_maternity(coding: Coding) -> Iterator[Finding]:
    """Yield each obstetric code of a patient younger than 9 or older than 64."""
    yield from _too_old_or_young(coding, _MATERNITY, 9, 65, "maternity, ages 9 to 64")


@rule("age-paediatric", Severity.ERROR, authority=f"{MCE} (pediatric, 0 to 17 years)",
      summary="A paediatric code on an adult.")  # fmt: skip
def age_paediatric(coding: Coding) -> Iterator[Finding]:
    """Yield each code for children of a patient of 18 years or more; BMI percentiles are for ages 2 to 19."""
    for finding in _too_old_or_young(coding, _PAEDIATRIC, 0, 18, "ages 0 to 17"):
        bmi = finding.codes[0].value.startswith("Z68.5")
        if not (bmi and coding.encounter.age is not None and coding.encounter.age < 20):
            yield finding


@rule("age-adult", Severity.ERROR, authority=f"{MCE} (adult, 15 to 124 years)",
      summary="A code for adults on a child.")  # fmt: skip
def age_adult(coding: Coding) -> Iterator[Finding]:
    """Yield each adult code of a patient younger than 15."""
    yield from _too_old_or_young(coding, _ADULT, 15, 200, "adults, ages 15 to 124")


@rule("sex-female", Severity.WARNING,
      authority="ICD-10-CM Tabular List, titles of C51-C58, N70-N77, N80-N98, chapter 15",
      summary="A code for female organs or maternity on a male patient.")  # fmt: skip
def sex_female(coding: Coding) -> Iterator[Finding]:
    """Yield each code for women where the encounter's sex is male."""
    if coding.encounter.sex is Sex.MALE:
        for line in _inside(coding, _FEMALE):
            yield found((line.code,), f"{line.value} is a code for female patients; the encounter says male.")


@rule("sex-male", Severity.WARNING, authority="ICD-10-CM Tabular List, titles of C60-C63, N40-N53",
      summary="A code for male organs on a female patient.")  # fmt: skip
def sex_male(coding: Coding) -> Iterator[Finding]:
    """Yield each code for men where the encounter's sex is female."""
    if coding.encounter.sex is Sex.FEMALE:
        for line in _inside(coding, _MALE):
            yield found((line.code,), f"{line.value} is a code for male patients; the encounter says female.")
