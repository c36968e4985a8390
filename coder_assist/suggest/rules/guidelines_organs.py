"""Guidelines I.C.9 to I.C.14: heart and kidney, stroke, skin, bones."""

from __future__ import annotations

from collections.abc import Iterator

from coder_assist.suggest.rules.coding import Coding, Line, codes_of, icd
from coder_assist.suggest.rules.engine import OPEN_END, found, rule
from coder_assist.types import Finding, Fix, Query, Severity

# I.C.9 Heart and circulation

_HYPERTENSION = ("I10", "I11", "I12", "I13")
# The heart conditions that I.C.9.a.1 names.
_HEART = ("I51.4", "I51.5", "I51.7", "I51.89", "I51.9")


def _hypertension_code(coding: Coding) -> str | None:
    """Return the one code of I10 to I13 that heart and kidney ask for, ``None`` without essential hypertension."""
    said = {line.value for line in coding.starting(*_HYPERTENSION)}
    if not said:
        return None
    kidney = coding.by_category.get("N18", ())
    failing = "I50" in coding.categories or bool(said & {"I11.0", "I13.0", "I13.2"})
    heart = failing or bool(coding.starting(*_HEART)) or bool(coding.starting("I11", "I13"))
    if kidney:
        late = any(line.value in {"N18.5", "N18.6"} for line in kidney)
    else:
        late = bool(said & {"I12.0", "I13.11", "I13.2"})
    if kidney or coding.starting("I12", "I13"):
        if not heart:
            return "I12.0" if late else "I12.9"
        if failing:
            return "I13.2" if late else "I13.0"
        return "I13.11" if late else "I13.10"
    if heart:
        return "I11.0" if failing else "I11.9"
    return "I10"


@rule(
    "hypertension-heart-kidney",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.9.a.1 to I.C.9.a.3, FY2026",
    summary="Hypertension coded apart from the heart or kidney disease that the book assumes it causes.",
    settles=True,
)
def hypertension_heart_kidney(coding: Coding) -> Iterator[Finding]:
    """Yield the hypertension codes that are not the one that heart failure and kidney disease ask for."""
    if coding.categories.isdisjoint(_HYPERTENSION) or "O10" in coding.categories:
        return
    wanted = _hypertension_code(coding)
    present = codes_of(coding.starting(*_HYPERTENSION))
    if wanted is None or [code.value for code in present] == [wanted]:
        return
    beside = codes_of([*coding.starting("I50", "N18"), *coding.starting(*_HEART)])
    yield found(
        (*present, *beside),
        f"Hypertension with {', '.join(c.value for c in beside) or 'these codes'} is {wanted}, unless documented as unrelated.",
        fix=Fix(tuple(c for c in present if c.value != wanted), () if icd(wanted) in present else (icd(wanted),)),
    )  # fmt: skip


@rule(
    "hypertensive-crisis-alone",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.9.a.10, FY2026; note at I16",
    summary="Hypertensive crisis without the hypertensive disease.",
)
def hypertensive_crisis_alone(coding: Coding) -> Iterator[Finding]:
    """Yield a crisis in a set without any of I10 to I1A or obstetric hypertension."""
    if "I16" in coding.categories and coding.categories.isdisjoint(
        {"I10", "I11", "I12", "I13", "I15", "I1A", "O10", "O11", "O13", "O14", "O15", "O16"}
    ):
        for line in coding.by_category["I16"]:
            yield found((line.code,), f"{line.value} needs the hypertensive disease (I10 to I1A) beside it.")


@rule(
    "mi-subsequent-alone",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.9.e.4, FY2026",
    summary="A subsequent myocardial infarction without the one of the last four weeks.",
)
def mi_subsequent_alone(coding: Coding) -> Iterator[Finding]:
    """Yield I22 without I21."""
    if "I22" in coding.categories and "I21" not in coding.categories:
        for line in coding.by_category["I22"]:
            yield found(
                (line.code,), f"{line.value} is coded together with the I21 code of the first infarction."
            )


@rule(
    "mi-type-2-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.9.e.5, FY2026: the underlying cause is coded first",
    summary="A type 2 myocardial infarction before its underlying cause.",
    sequencing=True,
)
def mi_type_2_first(coding: Coding) -> Iterator[Finding]:
    """Yield I21.A1 in first place; the fix moves it behind the others."""
    first = coding.first
    if first is not None and first.value == "I21.A1":
        yield found(
            (first.code,),
            "I21.A1 follows the condition that caused the type 2 infarction.",
            fix=coding.put_last((first,)),
        )


# I.C.12 Skin


def _ulcer_site(value: str) -> str:
    return value[:-1]


_STAGE_RANK = {"9": 0, "6": 1, "1": 2, "2": 3, "3": 4, "0": 5, "4": 6}


@rule(
    "pressure-ulcer-two-stages",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.12.a, FY2026",
    summary="A pressure ulcer of one site coded in two stages.",
)
def pressure_ulcer_two_stages(coding: Coding) -> Iterator[Finding]:
    """Yield the lesser stage of a site; an inpatient stay during which an ulcer worsened takes both."""
    if "L89" not in coding.categories:
        return
    sites: dict[str, list[Line]] = {}
    for line in coding.by_category["L89"]:
        sites.setdefault(_ulcer_site(line.value), []).append(line)
    for lines in sites.values():
        kept = max(lines, key=lambda line: _STAGE_RANK.get(line.value[-1], -1))
        for line in lines:
            if line.value == kept.value or (coding.facility_inpatient and line.value[-1] != "9"):
                continue
            yield found(
                (line.code, kept.code),
                f"An ulcer of one site has one stage: {kept.value} or {line.value}.",
                fix=Fix(remove=(line.code,)),
            )


# L97.9, of no named part, is asked for its site as well, by another rule.
_DEPTHS = (
    "limited to breakdown of skin", "fat layer exposed", "muscle involved without necrosis", "necrosis of muscle",
    "bone involved without necrosis", "necrosis of bone",
)  # fmt: skip


@rule(
    "query-ulcer-depth",
    Severity.QUERY,
    authority="ICD-10-CM guideline I.C.12.b, FY2026; categories L97 and L98.4",
    summary="A chronic ulcer of the skin, not a pressure ulcer, without its depth.",
)
def query_ulcer_depth(coding: Coding) -> Iterator[Finding]:
    """Yield the question for the depth of each such ulcer whose severity is unspecified."""
    if coding.categories.isdisjoint({"L97", "L98"}):
        return
    for line in coding.starting("L97", "L98.4"):
        if line.value[-1] == "9" and len(line.value) == 7 and not line.value.startswith("L97.9"):
            yield found(
                (line.code,),
                f"{line.value} does not say how deep the ulcer is: ask for it.",
                query=Query(
                    "Please document the depth of the ulcer.",
                    (*_DEPTHS, *OPEN_END),
                    line.evidence,
                ),
            )


# I.C.13 Bones

_FRACTURE_SITES = ("S22.0", "S32.0", "S32.1", "S32.5", "S42.2", "S52.5", "S52.6", "S72.0", "S72.1", "S72.2")


@rule(
    "query-osteoporotic-fracture",
    Severity.QUERY,
    authority="ICD-10-CM guideline I.C.13.d.2, FY2026",
    summary="Osteoporosis beside a current fracture of a typical site.",
)
def query_osteoporotic_fracture(coding: Coding) -> Iterator[Finding]:
    """Yield the question what the fracture is due to: after a minor fall M80 is coded, not the injury."""
    if "M81" not in coding.categories:
        return
    breaks = [
        line for line in coding.starting(*_FRACTURE_SITES, "M84.4", "M48.5") if line.value[-1] in "ABCX"
    ]
    bone = min(coding.by_category["M81"], key=lambda line: line.value)
    for line in breaks:
        yield found(
            (bone.code, line.code),
            f"Ask for the nature of the fracture: {line.value} stands beside {bone.value}.",
            query=Query(
                "Please document the nature of the fracture, considering the mechanism and the bone's condition.",
                ("due to osteoporosis", "due to trauma", "due to another disease of the bone", *OPEN_END),
                (*line.evidence[:2], *bone.evidence[:1]),
            ),
        )  # fmt: skip


# I.C.14 Kidney

_CKD_RANK = {value: rank for rank, value in enumerate(
    ("N18.9", "N18.1", "N18.2", "N18.30", "N18.31", "N18.32", "N18.4", "N18.5", "N18.6"))}  # fmt: skip


@rule(
    "ckd-one-stage",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.14.a.1, FY2026",
    summary="Chronic kidney disease coded in two stages.",
)
def ckd_one_stage(coding: Coding) -> Iterator[Finding]:
    """Yield the lesser stages; with end-stage disease N18.6 alone is coded."""
    lines = coding.by_category.get("N18", ())
    if len(lines) < 2:
        return
    kept = max(lines, key=lambda line: _CKD_RANK.get(line.value, -1))
    for line in lines:
        if line.value != kept.value:
            yield found(
                (line.code, kept.code),
                f"Kidney disease has one stage: {kept.value}, not {line.value} as well.",
                fix=Fix(remove=(line.code,)),
            )


@rule(
    "dialysis-stage",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.14.a.1, FY2026; notes at N18.5 and N18.6",
    summary="Dialysis status beside chronic kidney disease stage 5 that is not coded as end-stage.",
)
def dialysis_stage(coding: Coding) -> Iterator[Finding]:
    """Yield stage 5 with dialysis status: requiring chronic dialysis it is N18.6."""
    if {"N18.5", "Z99.2"} <= coding.values and "N18.6" not in coding.values:
        yield found(
            (icd("N18.5"), icd("Z99.2")),
            "Stage 5 that requires chronic dialysis is N18.6.",
            fix=Fix(remove=(icd("N18.5"),), add=(icd("N18.6"),)),
        )
