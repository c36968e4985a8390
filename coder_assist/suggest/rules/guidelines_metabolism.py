"""Guideline I.C.4, with I.B.14: diabetes and weight."""

from __future__ import annotations

import re
from collections.abc import Iterator

from coder_assist.codes.sources import data_file, read_drugs
from coder_assist.suggest.rules.coding import Coding, codes_of, icd
from coder_assist.suggest.rules.engine import OPEN_END, found, rule
from coder_assist.suggest.rules.tables import all_combinations
from coder_assist.types import (
    Experiencer,
    Finding,
    Fix,
    Mention,
    MentionKind,
    Polarity,
    Query,
    SectionKind,
    Severity,
    Temporality,
)

_DIABETES = frozenset({"E08", "E09", "E10", "E11", "E13"})
# (diabetes, other condition) -> combined code and what it replaces; a later row is the more exact one.
_WITH = {
    (row.conditions[0][0], other): (row.code, row.replaces)
    for row in all_combinations()
    if "I.A.15" in row.authority
    for other in row.conditions[1]
    if other != "N52"  # "specified complication" is not assumed
}
_WITH_CATEGORIES = frozenset(other[:3] for _, other in _WITH)


@rule(
    "diabetes-with",
    Severity.WARNING,
    authority='ICD-10-CM guideline I.A.15 ("with") and I.C.4.a, FY2026',
    summary="Diabetes and a condition that the book assumes to be its complication, coded apart.",
    settles=True,
)
def diabetes_with(coding: Coding) -> Iterator[Finding]:
    """Yield each such pair whose combined code is missing; the fix puts it in."""
    if coding.categories.isdisjoint(_DIABETES) or coding.categories.isdisjoint(_WITH_CATEGORIES):
        return
    for (kind, other), (value, replaces) in _WITH.items():
        if kind not in coding.categories:
            continue
        # E11.22 is said by any E11.2; E11.36, E11.621 and E11.649 only by themselves.
        said = value if value[3:5] == ".6" or value[4:] == "36" else value[:5]
        # A fuller row for the same condition speaks for this one.
        for line in coding.starting(other):
            if any(k == kind and len(o) > len(other) and line.value.startswith(o) for k, o in _WITH):
                continue
            if not coding.starting(said):
                gone = codes_of(coding.starting(*replaces)) if replaces else ()
                diabetes = min(coding.by_category[kind], key=lambda d: d.value)
                yield found(
                    (diabetes.code, line.code),
                    f"Diabetes with {line.value} is {value}, unless the provider says that they are unrelated.",
                    fix=Fix(remove=gone, add=(icd(value),)),
                )


# Words that say a kind of diabetes; without any of them type 2 is the default.
_KINDS = {
    "E10": re.compile(
        r"\b(?:type[ -]*(?:1|I|one)\b|T1D|DM ?[1I]\b|DM1|IDDM|insulin[- ]dependent|juvenile|LADA|autoimmune)",
        re.I,
    ),
    "E13": re.compile(
        r"\b(?:secondary|MODY|monogenic|genetic|post|pancrea|due to|caused by|induced|LADA|type[ -]*3|cystic)",
        re.I,
    ),
}


@rule(
    "diabetes-type-default",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.4.a.2 and I.C.4.a.3, FY2026",
    summary="Type 1 or other specified diabetes where no note names the type.",
)
def diabetes_type_default(coding: Coding) -> Iterator[Finding]:
    """Yield E10 and E13 codes that no word of the notes supports; the default is E11, also under insulin."""
    if not coding.documents or coding.categories.isdisjoint(_KINDS):
        return
    for kind in sorted(coding.categories & _KINDS.keys()):
        if any(_KINDS[kind].search(document.note.text) for document in coding.documents):
            continue
        for line in coding.by_category[kind]:
            value = "E11" + line.value[3:]
            if coding.facts.of(value).billable:
                yield found(
                    (line.code,),
                    f"The note does not name the type of diabetes: the default is {value}, not {line.value}.",
                    fix=Fix(remove=(line.code,), add=() if value in coding.values else (icd(value),)),
                )


_DRUG_STATUS = {
    drug.name: drug.status_code
    for drug in read_drugs(data_file("drugs.tsv"))
    if drug.status_code in {"Z79.4", "Z79.84", "Z79.85"}
}
_NOT_TAKEN = {SectionKind.ALLERGIES, SectionKind.HISTORY_FAMILY, SectionKind.INSTRUCTIONS}


def _taken(mention: Mention) -> str | None:
    if mention.kind is not MentionKind.DRUG or mention.section in _NOT_TAKEN:
        return None
    held = mention.assertion
    if (held.polarity, held.temporality, held.experiencer) != (
        Polarity.AFFIRMED,
        Temporality.CURRENT,
        Experiencer.PATIENT,
    ):
        return None
    return _DRUG_STATUS.get(mention.text.lower())


@rule(
    "diabetes-drug-use",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline I.C.4.a.3, FY2026",
    summary="A diabetic's insulin, oral or injectable drug of the note without its long-term use code.",
)
def diabetes_drug_use(coding: Coding) -> Iterator[Finding]:
    """Yield Z79.4, Z79.84 or Z79.85 where the note names such a drug and the code is missing."""
    if coding.categories.isdisjoint({"E08", "E09", "E11", "E13"}):
        return
    named = {status for _, mention in coding.mentions if (status := _taken(mention))}
    diabetes = min(line for kind in ("E08", "E09", "E11", "E13") for line in codes_of(coding.starting(kind)))
    for status in sorted(named - coding.values):
        yield found(
            (diabetes,),
            f"The note names a drug of {status} (long-term use): add it if the treatment is not temporary.",
            fix=Fix(add=(icd(status),)),
        )


_WASTING = ("B20", "C", "E84", "I50", "J44", "K70", "K74", "N18", "M05", "M06")


@rule(
    "query-cachexia-cause",
    Severity.QUERY,
    authority="ICD-10-CM Excludes1 note at R64 (E88.A) and code first note at E88.A; guideline I.B.5, FY2026",
    summary="Cachexia without a cause beside a chronic disease that can lead to it.",
)
def query_cachexia_cause(coding: Coding) -> Iterator[Finding]:
    """Yield the question what the wasting is due to."""
    if "R64" not in coding.values:
        return
    for line in sorted(coding.starting(*_WASTING), key=lambda line: line.value)[:1]:
        yield found(
            (icd("R64"), line.code),
            f"Ask for the cause of the cachexia: R64 stands beside {line.value}.",
            query=Query(
                "Please document the cause of this patient's cachexia, if known.",
                ("due to an underlying condition (please specify)", "due to inadequate intake", *OPEN_END),
                coding.starting("R64")[0].evidence,
            ),
        )


_WEIGHT = ("E40", "E41", "E42", "E43", "E44", "E45", "E46", "E64.0", "E65", "E66", "E67", "E68", "E88.A",
    "F50", "O99.21", "O26.0", "R62", "R63", "R64", "Z71.3", "Z98.84", "Z72.4")  # fmt: skip


@rule(
    "bmi-alone",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.14, FY2026",
    summary="A body mass index without a diagnosis of weight that the provider made.",
)
def bmi_alone(coding: Coding) -> Iterator[Finding]:
    """Yield a Z68 code in a set that says nothing of overweight, obesity or malnutrition."""
    if "Z68" in coding.categories and not coding.starting(*_WEIGHT):
        for line in coding.by_category["Z68"]:
            yield found(
                (line.code,),
                f"{line.value} needs an associated diagnosis, such as obesity, documented by the provider.",
                fix=Fix(remove=(line.code,)),
            )


_CLASSES = {"E66.811": (30, 34), "E66.812": (35, 39), "E66.813": (40, 99), "E66.3": (25, 29)}


def _index(value: str) -> int | None:
    """Return the whole kg/m2 that an adult BMI code stands for; Z68.4x are 40 and more."""
    tail = value[4:]
    return 40 if tail[:1] == "4" else int(tail) if len(tail) == 2 and tail.isdigit() and tail < "40" else None


@rule(
    "bmi-contradicts-class",
    Severity.WARNING,
    authority="ICD-10-CM E66.81 (obesity classes 1 to 3 by BMI), FY2026; guideline I.B.14",
    summary="A body mass index outside the class of obesity that is coded.",
)
def bmi_contradicts_class(coding: Coding) -> Iterator[Finding]:
    """Yield an adult BMI code that does not lie in the range of the obesity or overweight code."""
    if not {"E66", "Z68"} <= coding.categories:
        return
    for weight in coding.by_category["E66"]:
        span = _CLASSES.get(weight.value)
        for index in coding.by_category["Z68"]:
            kg = _index(index.value)
            if span and kg is not None and not span[0] <= kg <= span[1]:
                yield found(
                    (weight.code, index.code),
                    f"{index.value} lies outside the range of {weight.value}; check the documented class.",
                )
