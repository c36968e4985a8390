"""Procedures: what may stand beside what, on which claim, and with which diagnosis."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.rules.modifiers import anatomic, distinct
from coder_assist.suggest.rules.pointers import is_supported, speaks_of
from coder_assist.suggest.rules.procedure_facts import (
    CodeSet,
    Pair,
    is_addon,
    pairs,
    pairs_of,
    primaries,
    twins_of,
)
from coder_assist.types import Claim, Code, Finding, Fix, Setting, Severity, System

_NCCI_MANUAL = "CMS NCCI Policy Manual, chapter I"
# Studies and tests are repeated on the days of a stay; operations are compared always.
_IMAGING_ON = "70000"

_REPEATS = frozenset({"59", "XE", "XS", "XP", "XU", "76", "77", "78", "79", "91"})

_UNLISTED = CodeSet.parse(
    "01999 15999 17999 19499 20999 21089 21299 21499 21899 22899 22999 23929 24999 25999 26989 27299 27599 "
    "27899 28899 29799 29999 30999 31299 31599 31899 32999 33999 36299 37501 37799 38129 38589 38999 39499 "
    "39599 40799 40899 41599 41899 42299 42699 42999 43289 43499 43659 43999 44238 44799 44899 44979 45399 "
    "45499 45999 46999 47379 47399 47579 47999 48999 49329 49659 49999 50549 50949 51999 53899 54699 55559 "
    "55899 58578 58579 58679 58999 59897-59899 60659 60699 64999 66999 67299 67399 67599 67999 68399 68899 "
    "69399 69799 69949 69979 76496-76499 76999 77299 77399 77499 77799 78099 78199 78299 78399 78499 78599 "
    "78699 78799 78999 79999 81479 81599 84999 85999 86849 86999 87999 88099 88199 88299 88399 89240 89398 "
    "90399 90749 90899 90999 91299 92499 92700 93799 93998 94799 95199 95999 96379 96549 96999 97039 97139 "
    "97799 99199 99429 99499 99600"
)


@rule(
    "addon-without-primary",
    Severity.WARNING,
    authority="CMS NCCI add-on code edits",
    summary="An add-on code stands without a code that it may be added to.",
)
def addon_without_primary(coding: Coding) -> Iterator[Finding]:
    """Yield each add-on whose primaries we know and miss, or that stands beside no other procedure at all."""
    values = {line.value for line in coding.procedures}
    for value in sorted(values):
        if not is_addon(value):
            continue
        known = primaries(value)
        if known is None:
            missing = all(is_addon(other) for other in values)
        else:
            missing = not any(
                other in known.single or (other in known and not is_addon(other)) for other in values
            )
        if missing:
            yield found(
                _codes(coding, value),
                f"{value} is an add-on code; the procedure that it is added to is missing.",
            )


@rule(
    "addon-reduced",
    Severity.WARNING,
    authority="CPT introduction, add-on codes; Medicare Claims Processing Manual, chapter 12, 40.6",
    summary="An add-on code carries modifier 51; add-on codes are exempt from multiple-procedure reduction.",
)
def addon_reduced(coding: Coding) -> Iterator[Finding]:
    """Yield each add-on with modifier 51."""
    for line in coding.procedures:
        if "51" in line.modifiers and is_addon(line.value):
            yield found((line.code,), f"{line.value} is an add-on code; modifier 51 does not belong on it.")


@rule(
    "duplicate-procedure",
    Severity.WARNING,
    authority="Medicare Claims Processing Manual, chapter 1, 120 (duplicate claims); CPT modifiers 76, 77, 91",
    summary="The same procedure stands twice with nothing that tells the lines apart.",
)
def duplicate_procedure(coding: Coding) -> Iterator[Finding]:
    """Yield each code with two lines of the same side, digit and repeat modifiers."""
    seen: dict[Code, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for line in coding.lines:
        if line.code.system is not System.ICD10CM:
            mark = tuple(sorted(anatomic(line) | (_REPEATS & set(line.modifiers))))
            seen[line.code][mark] += 1
    for code, marks in seen.items():
        if max(marks.values()) > 1:
            yield found(
                (code,), f"{code} stands more than once; use units, or a modifier that says what differs."
            )


def _compared(coding: Coding) -> dict[Pair, tuple[list[Line], list[Line]]]:
    """Return the rows of ``pairs.tsv`` that name lines of the set, with the lines on each side."""
    stay = coding.encounter.setting is Setting.INPATIENT
    named: dict[Pair, tuple[list[Line], list[Line]]] = {}
    table = pairs()
    for line in coding.procedures:
        if stay and line.value >= _IMAGING_ON:
            continue
        for number, is_first in pairs_of(line.value):
            sides = named.setdefault(table[number], ([], []))
            sides[0 if is_first else 1].append(line)
    return named


@rule(
    "included-procedure",
    Severity.WARNING,
    authority=f"{_NCCI_MANUAL}: the more extensive procedure includes the less extensive",
    summary="A procedure that another one of the set includes is reported beside it.",
)
def included_procedure(coding: Coding) -> Iterator[Finding]:
    """Yield each pair of which one includes the other, unless a modifier says that they were apart."""
    for pair, (larger, smaller) in _compared(coding).items():
        if pair.kind != "includes":
            continue
        for one in larger:
            for other in smaller:
                if one.value != other.value and not distinct(one, other):
                    yield found(
                        (one.code, other.code),
                        f"{one.value} includes {other.value}: {pair.reason}.",
                        fix=Fix(remove=(other.code,)),
                    )


@rule(
    "combined-procedure",
    Severity.WARNING,
    authority=f"{_NCCI_MANUAL}: one code for what was done is not broken into its parts",
    summary="Two procedures that have one code together are reported apart.",
)
def combined_procedure(coding: Coding) -> Iterator[Finding]:
    """Yield each set of codes that a combined code replaces."""
    for pair, (whole, parts) in _compared(coding).items():
        if pair.kind != "combine" or whole:
            continue
        by_value = {line.value: line for line in parts}
        if by_value.keys() != pair.others.single:
            continue
        lines = [by_value[value] for value in sorted(by_value)]
        if any(distinct(one, other) for one, other in combinations(lines, 2)):
            continue
        codes = tuple(line.code for line in lines)
        together = Code(System.CPT, next(iter(pair.codes.single)))
        yield found(
            codes,
            f"{' and '.join(c.value for c in codes)} are {together} together: {pair.reason}.",
            fix=Fix(remove=codes, add=(together,)),
        )


@rule(
    "exclusive-procedures",
    Severity.WARNING,
    authority=f"{_NCCI_MANUAL}: mutually exclusive procedures",
    summary="Two procedures that are not done in one session at one site.",
)
def exclusive_procedures(coding: Coding) -> Iterator[Finding]:
    """Yield each pair that excludes the other: two approaches, or two sizes of the same service."""
    for pair, (ones, others) in _compared(coding).items():
        if pair.kind == "one":
            candidates = list(combinations(ones, 2))
        elif pair.kind == "either":
            candidates = [(one, other) for one in ones for other in others]
        else:
            continue
        for one, other in candidates:
            if one.value != other.value and not distinct(one, other):
                first, second = sorted((one.code, other.code))
                yield found((first, second), f"{first} and {second}: {pair.reason}.")


@rule(
    "same-service-twice",
    Severity.WARNING,
    authority="CMS HCPCS Level II; Medicare takes the G or Q code, other payers the CPT code",
    summary="A HCPCS code and the CPT code of the same service stand together.",
)
def same_service_twice(coding: Coding) -> Iterator[Finding]:
    """Yield each HCPCS line beside a CPT line of the same service."""
    for line in coding.procedures:
        if line.code.system is not System.HCPCS:
            continue
        for cpt, service in twins_of(line.value):
            for other in coding.procedures:
                if other.value in cpt:
                    yield found(
                        (line.code, other.code),
                        f"{line.value} and {other.value} both report {service}; keep the one that the payer takes.",
                    )


@rule(
    "pcs-off-inpatient-facility",
    Severity.ERROR,
    authority="45 CFR 162.1002(c)(3): ICD-10-PCS is for inpatient hospital procedures",
    summary="An ICD-10-PCS code on a claim that is not a hospital's for an inpatient stay.",
)
def pcs_off_inpatient_facility(coding: Coding) -> Iterator[Finding]:
    """Yield each PCS code of an outpatient encounter or a professional claim."""
    if coding.facility_inpatient:
        return
    where = (
        "a professional claim"
        if coding.encounter.setting is Setting.INPATIENT
        else "a claim of an outpatient encounter"
    )
    for line in coding.lines:
        if line.code.system is System.ICD10PCS:
            yield found(
                (line.code,),
                f"{line.value} is an ICD-10-PCS code; {where} takes CPT or HCPCS.",
                fix=Fix(remove=(line.code,)),
            )


@rule(
    "cpt-on-inpatient-facility",
    Severity.WARNING,
    authority="45 CFR 162.1002(c)(3): inpatient hospital procedures are coded in ICD-10-PCS",
    summary="CPT codes on the hospital's claim of an inpatient stay.",
    settings=[Setting.INPATIENT],
    claims=[Claim.FACILITY],
)
def cpt_on_inpatient_facility(coding: Coding) -> Iterator[Finding]:
    """Yield one finding of all CPT codes; silent where nobody said whose claim it is."""
    codes = tuple(dict.fromkeys(line.code for line in coding.procedures if line.code.system is System.CPT))
    if codes and coding.encounter.claim is Claim.FACILITY:
        yield found(
            codes,
            "The hospital's claim of an inpatient stay takes ICD-10-PCS procedures; CPT belongs on the physician's.",
        )


@rule(
    "unlisted-procedure",
    Severity.INFORMATION,
    authority="CPT, unlisted procedures; Medicare Claims Processing Manual, chapter 23",
    summary="An unlisted procedure needs a report of what was done, and a comparable code.",
)
def unlisted_procedure(coding: Coding) -> Iterator[Finding]:
    """Yield each unlisted code."""
    for code in sorted({line.code for line in coding.procedures if line.value in _UNLISTED}):
        yield found(
            (code,), f"{code} is an unlisted procedure; send the report, and name a code that compares."
        )


@rule(
    "procedure-not-in-book",
    Severity.INFORMATION,
    authority="the installed code books",
    summary="A procedure code that no installed book has.",
)
def procedure_not_in_book(coding: Coding) -> Iterator[Finding]:
    """Yield each code that the book of its system lacks or marks as not reportable.

    Silent without a book, and on HCPCS where only our own few hundred codes are installed.
    """
    for code in sorted({line.code for line in coding.lines if line.code.system is not System.ICD10CM}):
        book = coding.facts.books.get(code.system)
        if book is None or (code.system is System.HCPCS and book.edition == "catalogue"):
            continue
        entry = book.get(code.value)
        if entry is None or not entry.billable:
            which = "our CPT catalogue" if book.edition == "catalogue" else f"{code.system} {book.edition}"
            yield found(
                (code,), f"{code} is not a reportable code of {which}; check it against your own book."
            )


@rule(
    "procedure-without-diagnosis",
    Severity.WARNING,
    authority="CMS-1500 item 24E; Social Security Act 1862(a)(1)(A), medical necessity",
    summary="No diagnosis of the set plausibly supports the procedure.",
)
def procedure_without_diagnosis(coding: Coding) -> Iterator[Finding]:
    """Yield each procedure line that nothing supports, of the procedures that we know diagnoses for."""
    if not coding.diagnoses:
        return
    for line in coding.procedures:
        if speaks_of(line) and not is_supported(coding, line):
            yield found(
                (line.code,),
                f"None of the diagnoses plausibly supports {line.value}; code what it was done for.",
            )


@rule(
    "no-diagnosis",
    Severity.WARNING,
    authority="CMS-1500 item 21; ICD-10-CM guideline IV.A, FY2026",
    summary="Procedures stand without any diagnosis.",
)
def no_diagnosis(coding: Coding) -> Iterator[Finding]:
    """Yield one finding where there are procedures and no diagnosis at all."""
    codes = tuple(dict.fromkeys(line.code for line in coding.lines))
    if codes and not coding.diagnoses:
        yield found(codes, "No diagnosis is coded; each procedure needs the condition it was done for.")


def _codes(coding: Coding, value: str) -> tuple[Code, ...]:
    return tuple(dict.fromkeys(line.code for line in coding.procedures if line.value == value))
