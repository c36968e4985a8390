"""Guideline sections I.B, II, III and IV: certainty, symptoms, combinations, present on admission."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coder_assist.codes.sources import Combination
from coder_assist.suggest.rules.coding import Coding, Line, codes_of, icd
from coder_assist.suggest.rules.engine import OPEN_END, found, rule
from coder_assist.suggest.rules.tables import Integral, all_combinations, integral_by_category
from coder_assist.types import (
    Certainty,
    Claim,
    Finding,
    Fix,
    MentionKind,
    Query,
    Setting,
    Severity,
)

# I.C.1.a.1 (HIV), I.C.1.f (Zika), I.C.1.g (COVID-19) and I.C.10.c (influenza): confirmed cases only.
_CONFIRMED_ONLY = ("B20", "A92.5", "U07.1", "J09", "J10")
_NO_CONDITION = frozenset("RVWXYZ")


def _only_uncertain(coding: Coding) -> Iterator[Line]:
    """Yield the diagnoses whose every mention in the notes is uncertain ("probable", "rule out")."""
    unsure = [
        (note_id, mention.span)
        for note_id, mention in coding.mentions
        if mention.assertion.certainty is Certainty.UNCERTAIN
    ]
    if not unsure:
        return
    for line in coding.diagnoses:
        if line.value[0] in _NO_CONDITION or not any(
            evidence.note_id == note_id and evidence.span.overlaps(span)
            for evidence in line.evidence
            for note_id, span in unsure
        ):
            continue
        # "Maybe 25 tablets" is unsure of the number, not of the overdose.
        conditions = [m for m in coding.mentions_of(line) if m.kind is not MentionKind.DRUG]
        if conditions and all(m.assertion.certainty is Certainty.UNCERTAIN for m in conditions):
            yield line


@rule(
    "uncertain-outpatient",
    Severity.WARNING,
    authority="ICD-10-CM guideline IV.H, FY2026",
    summary="A diagnosis that the note only suspects, on an outpatient or professional claim.",
)
def uncertain_outpatient(coding: Coding) -> Iterator[Finding]:
    """Yield each diagnosis that is nowhere certain, where uncertain diagnoses are not coded."""
    if coding.facility_inpatient:
        return
    for line in _only_uncertain(coding):
        yield found(
            (line.code,),
            f"{line.value} rests on uncertain words alone; code the signs, symptoms or findings that led to it.",
            fix=Fix(remove=(line.code,)),
        )


@rule(
    "uncertain-inpatient",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline II.H, FY2026; section III.C for other diagnoses",
    summary="A diagnosis that the note only suspects, coded as if it existed on an inpatient facility claim.",
    settings=(Setting.INPATIENT,),
)
def uncertain_inpatient(coding: Coding) -> Iterator[Finding]:
    """Yield each diagnosis that is nowhere certain: it counts only if it still stood at discharge."""
    if not coding.facility_inpatient:
        return
    for line in _only_uncertain(coding):
        if not line.value.startswith(_CONFIRMED_ONLY):
            yield found(
                (line.code,),
                f"{line.value} is uncertain in the note; it is coded as established only if it is still so at discharge.",
            )


@rule(
    "confirmed-only",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.1.a.1, I.C.1.f, I.C.1.g.1.a and I.C.10.c, FY2026",
    summary="HIV, Zika, COVID-19 or identified influenza coded from uncertain words on an inpatient stay.",
    settings=(Setting.INPATIENT,),
)
def confirmed_only(coding: Coding) -> Iterator[Finding]:
    """Yield the infections that II.H does not cover: only a confirmed case is coded."""
    if not coding.facility_inpatient or coding.categories.isdisjoint({"B20", "A92", "U07", "J09", "J10"}):
        return
    for line in _only_uncertain(coding):
        if line.value.startswith(_CONFIRMED_ONLY):
            yield found(
                (line.code,),
                f"{line.value} is for confirmed cases only, also on an inpatient claim.",
                fix=Fix(remove=(line.code,)),
            )


def explained(coding: Coding, beginning: str) -> Iterator[tuple[Line, Line, Integral]]:
    """Yield symptoms whose code begins so, each with the first condition that explains it, not on the other side."""
    table = integral_by_category()
    for line in coding.diagnoses:
        if not line.value.startswith(beginning):
            continue
        for row in table.get(line.value[:3], ()):
            if not line.value.startswith(row.symptom):
                continue
            causes = sorted(coding.starting(*row.explained_by), key=lambda cause: cause.value)
            cause = next((c for c in causes if c.value != line.value and _same_side(coding, line, c)), None)
            if cause is not None:
                yield line, cause, row
                break


def _same_side(coding: Coding, one: Line, other: Line) -> bool:
    sides = {coding.fact(one).side, coding.fact(other).side}
    return not {"left", "right"} <= sides


@rule(
    "symptom-integral",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.B.4 and I.B.5, FY2026",
    summary="A sign or symptom that comes with a confirmed diagnosis among the codes.",
    settles=True,
)
def symptom_integral(coding: Coding) -> Iterator[Finding]:
    """Yield each symptom of the table beside a diagnosis that it routinely comes with."""
    for line, cause, row in explained(coding, ""):
        if line.value[0] != "S":
            yield found(
                (line.code, cause.code),
                f"{line.value} is not coded beside {cause.value} where it belongs to it: {row.reason}.",
                fix=Fix(remove=(line.code,)),
            )


@rule(
    "symptom-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline II.A, FY2026; IV.D for outpatient claims",
    summary="A symptom in first place while a related definitive diagnosis is among the codes.",
    sequencing=True,
)
def symptom_first(coding: Coding) -> Iterator[Finding]:
    """Yield a first-listed chapter 18 code that a diagnosis behind it explains."""
    first = coding.first
    if first is None or first.value[0] != "R":
        return
    for line, cause, _ in explained(coding, first.value):
        if line.code == first.code:
            yield found(
                (first.code, cause.code),
                f"{first.value} is a symptom of {cause.value} and is not listed before it.",
                fix=coding.put_first(cause),
            )


# Acute and chronic forms with entries of their own: (acute, chronic).
_ACUTE_CHRONIC = (
    ("J01", "J32"), ("J20", "J42"), ("J02", "J31.2"), ("J03", "J35.0"), ("J04.0", "J37.0"),
    ("H65.0", "H65.2"), ("H65.1", "H65.3"), ("H66.0", "H66.1"), ("H66.0", "H66.2"), ("H66.0", "H66.3"),
    ("H70.0", "H70.1"), ("H10.3", "H10.4"), ("H20.0", "H20.1"), ("K85", "K86.0"),
    ("K85", "K86.1"), ("K29.0", "K29.3"), ("K29.0", "K29.4"), ("K29.0", "K29.5"), ("N10", "N11"),
    ("N30.0", "N30.1"), ("N30.0", "N30.2"), ("N41.0", "N41.1"), ("N70.0", "N70.1"), ("N71.0", "N71.1"),
    ("N00", "N03"), ("M86.0", "M86.6"), ("M86.1", "M86.6"), ("I82.4", "I82.5"),
    ("I26", "I27.82"), ("G89.11", "G89.21"), ("G89.12", "G89.22"), ("G89.18", "G89.28"), ("D62", "D50.0"),
    ("K72.0", "K72.1"), ("M10", "M1A"),
)  # fmt: skip
_ACUTE_CATEGORIES = frozenset(acute[:3] for acute, _ in _ACUTE_CHRONIC)


@rule(
    "acute-before-chronic",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.8, FY2026",
    summary="The chronic form of a condition before its acute form.",
    sequencing=True,
)
def acute_before_chronic(coding: Coding) -> Iterator[Finding]:
    """Yield each pair of acute and chronic codes of one condition that stands in the wrong order."""
    if coding.categories.isdisjoint(_ACUTE_CATEGORIES):
        return
    for acute_prefix, chronic_prefix in _ACUTE_CHRONIC:
        for acute in coding.starting(acute_prefix):
            for chronic in coding.starting(chronic_prefix):
                if _before(chronic, acute):
                    yield found(
                        (acute.code, chronic.code),
                        f"{acute.value} is the acute form and is listed before the chronic form {chronic.value}.",
                        fix=coding.put_last((chronic,)),
                    )


def _before(one: Line, other: Line) -> bool:
    return one.sequence is not None and other.sequence is not None and one.sequence < other.sequence


# Hypertension (I.C.9.a) and diabetes (I.A.15) have rules of their own; the cause of an anemia is for the
# provider to say, and an obstetric code needs its trimester.
_ELSEWHERE = ("I.C.9.a", "I.A.15")
_OPEN = ("D50", "D64", "O99")


def _by_category(rows: Iterable[Combination]) -> dict[str, tuple[Combination, ...]]:
    """Return the rows that two codes alone decide, by the categories of their first group."""
    found: dict[str, list[Combination]] = {}
    for row in rows:
        if any(section in row.authority for section in _ELSEWHERE) or row.conditions[0][0].startswith(_OPEN):
            continue
        for category in dict.fromkeys(prefix[:3] for prefix in row.conditions[0]):
            found.setdefault(category, []).append(row)
    return {category: tuple(rows) for category, rows in found.items()}


_COMBINATIONS = _by_category(all_combinations())


@rule(
    "combination-code",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.9, FY2026",
    summary="Two codes for which the book has one combination code.",
    settles=True,
)
def combination_code(coding: Coding) -> Iterator[Finding]:
    """Yield each pair that the combination table replaces by one code."""
    rows = dict.fromkeys(row for category in coding.categories for row in _COMBINATIONS.get(category, ()))
    for row in rows:
        parts = [
            tuple(line for line in coding.starting(*group) if line.value != row.code)
            for group in row.conditions
        ]
        if not all(parts):
            continue
        replaced = [line for line in coding.starting(*row.replaces) if line.value != row.code]
        if not replaced or not _sides_agree(coding, replaced):
            continue
        yield _combined(coding, row, replaced, [line for part in parts for line in part])


def _sides_agree(coding: Coding, lines: list[Line]) -> bool:
    return not {"left", "right"} <= {coding.fact(line).side for line in lines}


def _combined(coding: Coding, row: Combination, replaced: list[Line], parts: list[Line]) -> Finding:
    target = icd(row.code)
    involved = codes_of([*replaced, *parts])
    fix = None
    if coding.facts.of(row.code).billable:
        add = () if row.code in coding.values else (target,)
        fix = Fix(remove=codes_of(replaced), add=add)
    return found(
        involved,
        f"{' and '.join(code.value for code in involved)} are one code: {row.code}.",
        authority=f"{row.authority}; guideline I.B.9, FY2026",
        fix=fix,
    )


@rule(
    "sequela-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.10, FY2026",
    summary="A sequela code in first place, before the condition that the sequela left behind.",
    sequencing=True,
)
def sequela_first(coding: Coding) -> Iterator[Finding]:
    """Yield a first-listed injury with 7th character S, or a sequela category, with another condition behind it."""
    first = coding.first
    if first is None or not _is_sequela(first.value):
        return
    nature = next((line for line in coding.diagnoses if not _is_sequela(line.value) and line.value[0] not in "VWXYZ"), None)  # fmt: skip
    if nature is not None:
        yield found(
            (first.code, nature.code),
            f"{first.value} says what the sequela is of; the condition now present is listed first.",
            fix=coding.put_first(nature),
        )


def _is_sequela(value: str) -> bool:
    return value.startswith(("B90", "B91", "B92", "B94", "E64", "E68", "G09")) or (
        value[0] in "ST" and len(value) == 8 and value[-1] == "S"
    )


# Appendix I: V to Z codes are left out of the question, for CMS exempts most of them, code by code.
_EXEMPT = ("B90", "B91", "B92", "B94", "E64", "I25.2", "I69", "O09", "O80", "O94", "Q")
_POA = "ICD-10-CM guidelines, Appendix I, FY2026; CMS list of exempt codes"


def _exempt(value: str) -> bool:
    return value.startswith(_EXEMPT) or (value[0] in "ST" and len(value) == 8 and value[-1] not in "ABC")


@rule(
    "poa-missing",
    Severity.INFORMATION,
    authority=_POA,
    summary="Diagnoses of an inpatient facility claim without a present-on-admission indicator.",
    settings=(Setting.INPATIENT,),
    claims=(Claim.FACILITY,),
)
def poa_missing(coding: Coding) -> Iterator[Finding]:
    """Yield one finding that names every diagnosis whose indicator is still to be given."""
    lines = [
        line
        for line in coding.diagnoses
        if line.present_on_admission is None and line.value[0] not in "VWXYZ" and not _exempt(line.value)
    ]
    if lines:
        codes = codes_of(lines)
        yield found(
            codes,
            f"Present on admission is to be said (Y, N, U or W) of {', '.join(code.value for code in codes)}.",
        )


@rule(
    "poa-exempt",
    Severity.WARNING,
    authority=_POA,
    summary="A present-on-admission indicator that does not fit: exempt or not.",
    settings=(Setting.INPATIENT,),
    claims=(Claim.FACILITY,),
)
def poa_exempt(coding: Coding) -> Iterator[Finding]:
    """Yield each exempt code with an indicator, and each condition that is marked exempt and is not."""
    for line in coding.diagnoses:
        said = line.present_on_admission
        if said is None or line.value[0] in "VWXYZ":
            continue
        if _exempt(line.value) and said != "1":
            yield found((line.code,), f"{line.value} is exempt from the present-on-admission indicator.")
        elif said == "1" and line.value[0] in "ABDEFGHIJKLMN" and not _exempt(line.value):
            yield found((line.code,), f"{line.value} is not exempt: say Y, N, U or W.")


@rule(
    "query-present-on-admission",
    Severity.QUERY,
    authority=_POA,
    summary="An indicator U: the record does not say whether the condition was present on admission.",
    settings=(Setting.INPATIENT,),
    claims=(Claim.FACILITY,),
)
def query_present_on_admission(coding: Coding) -> Iterator[Finding]:
    """Yield the question to the provider for each diagnosis marked U."""
    for line in coding.diagnoses:
        if line.present_on_admission == "U":
            yield found(
                (line.code,),
                f"{line.value} is marked U: ask the provider when the condition arose.",
                query=Query(
                    f"Please document when this condition arose: {coding.fact(line).title}.",
                    (
                        "present at the time of the admission order",
                        "arose after the admission order",
                        *OPEN_END,
                    ),
                    line.evidence,
                ),
            )
