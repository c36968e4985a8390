"""Guidelines I.C.1 and I.C.2: infections and neoplasms."""

from __future__ import annotations

from collections.abc import Iterator

from coder_assist.codes.sources import data_file, read_histories
from coder_assist.suggest.rules.coding import Coding, codes_of, icd
from coder_assist.suggest.rules.engine import OPEN_END, found, rule
from coder_assist.types import (
    Finding,
    Fix,
    Query,
    Severity,
)

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

_OTHER_ORGANS = ("D68", "D69.5", "D69.6", "G92", "G93.4", "I21.A1", "I50", "I95", "J96", "K56.7", "K72", "K76.7", "R40.2",
    "R41.0", "R41.82")  # fmt: skip


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
            ("due to the infection", "due to another condition (please specify)", *OPEN_END),
            tuple(evidence for line in (sepsis, *sorted(organs, key=lambda o: o.value)) for evidence in line.evidence[:1]),
        ),
    )  # fmt: skip


@rule(
    "severe-sepsis-organ",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.1.d.1.b, FY2026",
    summary="Severe sepsis without the acute organ dysfunction that makes it severe.",
)
def severe_sepsis_organ(coding: Coding) -> Iterator[Finding]:
    """Yield R65.20 without a further acute condition that an organ dysfunction could be."""
    if "R65.20" in coding.values and not coding.starting(*_ORGANS, *_OTHER_ORGANS):
        yield found(
            (icd("R65.20"),),
            "R65.20 is coded with the acute organ dysfunction that the provider linked to the sepsis.",
        )


_OPPORTUNISTIC = ("A07.2", "A31", "A81.2", "B25", "B37.1", "B37.81", "B38", "B39", "B45", "B58", "B59", "C46")


@rule(
    "hiv-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.1.a.2.b, FY2026",
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
