"""Guidelines I.C.1 to I.C.7: infections, neoplasms, diabetes and obesity, substances, nerves, eyes."""

from __future__ import annotations

from collections.abc import Iterator

from coder_assist.codes.sources import data_file, read_drugs, read_histories
from coder_assist.suggest.rules.coding import Coding, codes_of, icd
from coder_assist.suggest.rules.engine import found, rule
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

_OPEN_END = ("other", "unable to determine")


# I.C.1 Infections

_SEPSIS = ("A40", "A41")
_LOCAL = (
    "A46", "G00", "I33", "J09", "J10", "J12", "J13", "J14", "J15", "J16", "J18", "J85", "J86", "K35", "K57.0",
    "K57.2", "K57.4", "K57.8", "K65", "K81.0", "K83.0", "L02", "L03", "M00", "M86.1", "N10", "N12", "N15.1",
    "N30.0", "N39.0", "N41.0",
)  # fmt: skip
_AFTER_PROCEDURE = ("T80.2", "T81.4", "T88.0", "T82.6", "T82.7", "T83.5", "T83.6", "T84.5", "T84.6", "T84.7",
    "T85.7", "O86.0", "O85", "O03.37", "O03.87", "O04.87", "O07.37", "O08.82")  # fmt: skip
_ORGANS = ("N17", "J96.0", "J96.2", "G93.41", "D65", "K72.0", "K76.2", "G62.81", "G72.81", "J80", "E87.2")


@rule(
    "sepsis-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.1.d.4, FY2026",
    summary="A localized infection in first place while sepsis is among the codes.",
    sequencing=True,
)
def sepsis_first(coding: Coding) -> Iterator[Finding]:
    """Yield the localized infection before sepsis, unless the sepsis arose after admission."""
    first = coding.first
    if first is None or coding.categories.isdisjoint(_SEPSIS) or not first.value.startswith(_LOCAL):
        return
    sepsis = next(line for line in coding.diagnoses if line.value.startswith(_SEPSIS))
    if sepsis.present_on_admission != "N":
        yield found(
            (first.code, sepsis.code),
            f"{sepsis.value} is first and {first.value} secondary where both were there at the start.",
            fix=coding.put_first(sepsis),
        )


@rule(
    "sepsis-postprocedural-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.1.d.5.b, FY2026",
    summary="Sepsis before the code of the procedural or obstetric infection that it came from.",
    sequencing=True,
)
def sepsis_postprocedural_first(coding: Coding) -> Iterator[Finding]:
    """Yield sepsis in first place with an infection after a procedure, device or delivery behind it."""
    first = coding.first
    if first is None or not first.value.startswith(_SEPSIS):
        return
    for line in coding.starting(*_AFTER_PROCEDURE)[:1]:
        yield found(
            (line.code, first.code),
            f"Where the sepsis came from it, {line.value} is listed before {first.value}.",
            fix=coding.put_first(line),
        )


@rule(
    "query-sepsis-organs",
    Severity.QUERY,
    authority="ICD-10-CM guideline I.C.1.d.1.a.iii, FY2026",
    summary="Sepsis with an acute organ dysfunction that nobody linked to it.",
)
def query_sepsis_organs(coding: Coding) -> Iterator[Finding]:
    """Yield the question whether an organ dysfunction belongs to the sepsis, where R65.2 is not coded."""
    if coding.categories.isdisjoint(_SEPSIS) or coding.starting("R65.2"):
        return
    organs = coding.starting(*_ORGANS)
    if not organs:
        return
    sepsis = min(coding.starting(*_SEPSIS), key=lambda line: line.value)
    names = sorted({coding.fact(line).title for line in organs})
    yield found(
        (sepsis.code, *codes_of(organs)),
        f"Ask what {', '.join(c.value for c in codes_of(organs))} is due to; severe sepsis is coded only if linked.",
        query=Query(
            f"Please document the cause of the following, as far as clinically known: {'; '.join(names)}.",
            ("due to the infection", "due to another condition (please specify)", *_OPEN_END),
            tuple(evidence for line in (sepsis, *sorted(organs, key=lambda o: o.value)) for evidence in line.evidence[:1]),
        ),
    )  # fmt: skip


_OPPORTUNISTIC = ("A07.2", "A31", "A81.2", "B25", "B37.1", "B37.81", "B38", "B39", "B45", "B58", "B59", "C46")


@rule(
    "hiv-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.1.a.2.a, FY2026",
    summary="An HIV-related condition before HIV disease.",
    sequencing=True,
)
def hiv_first(coding: Coding) -> Iterator[Finding]:
    """Yield an opportunistic disease in first place with B20 behind it."""
    first = coding.first
    if first is not None and "B20" in coding.values and first.value.startswith(_OPPORTUNISTIC):
        hiv = coding.by_category["B20"][0]
        yield found(
            (hiv.code, first.code),
            f"For an HIV-related condition B20 is listed before {first.value}.",
            fix=coding.put_first(hiv),
        )


@rule(
    "covid-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.1.g.1.b, FY2026",
    summary="A manifestation of COVID-19 in first place.",
    sequencing=True,
)
def covid_first(coding: Coding) -> Iterator[Finding]:
    """Yield a respiratory manifestation that is listed before U07.1."""
    first = coding.first
    if first is None or "U07.1" not in coding.values:
        return
    if first.value.startswith(("J12.82", "J20.8", "J22", "J40", "J80", "J96.0", "J98.8")):
        covid = coding.starting("U07.1")[0]
        yield found(
            (covid.code, first.code),
            f"U07.1 is listed first and its manifestation {first.value} behind it.",
            fix=coding.put_first(covid),
        )


@rule(
    "covid-pneumonia",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.1.g.1.c.i, FY2026",
    summary="Viral pneumonia of another code beside COVID-19.",
)
def covid_pneumonia(coding: Coding) -> Iterator[Finding]:
    """Yield a viral pneumonia beside U07.1; pneumonia due to COVID-19 is J12.82."""
    if "U07.1" not in coding.values:
        return
    for line in coding.starting("J12.8", "J12.9"):
        if line.value != "J12.82":
            add = () if "J12.82" in coding.values else (icd("J12.82"),)
            yield found(
                (line.code, icd("U07.1")),
                f"Pneumonia due to COVID-19 is J12.82, not {line.value}.",
                fix=Fix(remove=(line.code,), add=add),
            )


# I.C.2 Neoplasms

_SECONDARY = ("C77", "C78", "C79")
_NO_SITE = ("C77", "C78", "C79", "C80")
_HISTORY = {h.condition: h.code for h in read_histories(data_file("histories.tsv")) if h.condition[0] == "C"}


@rule(
    "neoplasm-history-beside-current",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.2.d and I.C.2.m, FY2026",
    summary="A history of a cancer beside the same cancer as current.",
)
def neoplasm_history_beside_current(coding: Coding) -> Iterator[Finding]:
    """Yield a Z85 code with the malignancy of its site; both stand only for two tumors."""
    for history in coding.starting("Z85"):
        for line in coding.diagnoses:
            if line.value[0] == "C" and _HISTORY.get(line.value[:3]) == history.value:
                yield found(
                    (line.code, history.code),
                    f"{history.value} is for a cancer that is gone and no longer treated; {line.value} says it is there.",
                    fix=Fix(remove=(history.code,)),
                )


@rule(
    "metastasis-without-primary",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.2.b, I.C.2.d and I.C.2.k, FY2026",
    summary="A secondary malignancy without its primary, a history of it, or C80.1.",
)
def metastasis_without_primary(coding: Coding) -> Iterator[Finding]:
    """Yield the metastases of a set that does not say where they came from."""
    secondary = coding.starting(*_SECONDARY)
    if not secondary or coding.starting("Z85", "C80"):
        return
    if not any(line.value[0] == "C" and not line.value.startswith(_NO_SITE) for line in coding.diagnoses):
        codes = codes_of(secondary)
        yield found(
            codes,
            f"{codes[0].value} needs its primary site: active, as history (Z85), or unknown (C80.1).",
        )


@rule(
    "unknown-primary-beside-known",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.2.j and I.C.2.k, FY2026",
    summary="A cancer without specified site beside one with its site.",
)
def unknown_primary_beside_known(coding: Coding) -> Iterator[Finding]:
    """Yield C80.0 beside any named site, and C80.1 beside a named primary."""
    if "C80" not in coding.categories:
        return
    sites = [line for line in coding.diagnoses if line.value[0] == "C" and line.value[:3] != "C80"]
    primaries = [line for line in sites if not line.value.startswith(_SECONDARY)]
    for line in coding.by_category["C80"]:
        known = sites if line.value == "C80.0" else primaries if line.value == "C80.1" else []
        if known:
            site = min(known, key=lambda other: other.value)
            yield found(
                (line.code, site.code),
                f"{line.value} is for cancers without a known site; {site.value} names one.",
                fix=Fix(remove=(line.code,)),
            )


@rule(
    "treatment-without-neoplasm",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.2.e.2, FY2026; notes at Z51.0 and Z51.1",
    summary="An encounter for radiation, chemotherapy or immunotherapy without the cancer that is treated.",
)
def treatment_without_neoplasm(coding: Coding) -> Iterator[Finding]:
    """Yield the treatment code of a set that has no neoplasm."""
    if "Z51" not in coding.categories or any(
        line.value[0] in "CD" and line.value < "D50" for line in coding.diagnoses
    ):
        return
    for line in coding.starting("Z51.0", "Z51.11", "Z51.12"):
        yield found((line.code,), f"{line.value} needs the neoplasm under treatment as a secondary code.")  # fmt: skip


# I.C.4 Diabetes and obesity

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


_WEIGHT = ("E40", "E41", "E42", "E43", "E44", "E45", "E46", "E64.0", "E65", "E66", "E67", "E68", "E88.A",
    "F50", "O99.21", "O26.0", "R62", "R63", "R64", "Z71.3", "Z98.84", "Z72.4", "Z00")  # fmt: skip


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
