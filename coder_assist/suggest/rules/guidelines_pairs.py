"""Guidelines of one form: where one code stands, another says nothing more or contradicts it, and goes.

Each row is a rule of its own; the table says which codes stay, which go, why, and on what authority.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coder_assist.suggest.rules.coding import Coding
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.types import Finding, Fix, Severity

_PNEUMONIA = ("J12", "J13", "J14", "J15", "J16", "J17", "J18")
_OBSTETRIC_BUT_DELIVERY = (
    *(f"O{tens}" for tens in "01234567"),
    "O82",
    "O85",
    "O86",
    "O87",
    "O88",
    "O89",
    "O9",
)
_SHORT_INFECTIONS = (
    "A46", "H65.0", "H66.0", "J01", "J02", "J03", "J06", "J13", "J14", "J15", "J18", "J20", "J36", "K35",
    "L01", "L03", "L04", "N10", "N30.0", "N39.0",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """A rule as data. Of each pair, codes that begin like the first stay and those like the second go.

    It is silent where a code begins like one of ``unless``. ``removes`` is false where a coder must choose.
    """

    id: str
    authority: str
    summary: str
    pairs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    why: str
    severity: Severity = Severity.WARNING
    unless: tuple[str, ...] = ()
    removes: bool = True


PAIRS = (
    Pair(
        "hiv-one-status",
        "ICD-10-CM guideline I.C.1.a.2, FY2026",
        "HIV disease beside asymptomatic HIV status or an inconclusive test.",
        ((("B20",), ("Z21", "R75")), (("Z21",), ("R75",))),
        "a patient has one HIV status, and once B20 always B20",
    ),
    Pair(
        "covid-exposure",
        "ICD-10-CM guideline I.C.1.g.1.e and f, FY2026",
        "Exposure to or screening for COVID-19 beside confirmed COVID-19.",
        ((("U07.1",), ("Z20.822", "Z11.52")),),
        "the infection is confirmed",
    ),
    Pair(
        "mrsa-resistance",
        "ICD-10-CM guideline I.C.1.e.1.a and b, FY2026",
        "Resistance to penicillins beside a code that says MRSA.",
        ((("A41.02", "A49.02", "B95.62", "J15.212"), ("Z16.11",)),),
        "the code for MRSA says the resistance",
    ),
    Pair(
        "agent-doubled",
        "ICD-10-CM guideline I.C.1.b, FY2026",
        "An organism code beside an infection whose code names that organism.",
        (
            (("A41.01", "J15.211", "A49.01"), ("B95.61",)),
            (("A41.02", "J15.212", "A49.02"), ("B95.62",)),
            (("A40.0",), ("B95.0",)),
            (("A40.1",), ("B95.1",)),
            (("A40.3", "J13"), ("B95.3",)),
            (("A41.3", "J14"), ("B96.3",)),
            (("A41.51", "J15.5"), ("B96.20",)),
            (("A41.52", "J15.1"), ("B96.5",)),
            (("J15.0",), ("B96.1",)),
            (("J15.7",), ("B96.0",)),
            (("J12.1", "J20.5", "J21.0"), ("B97.4",)),
            (("U07.1",), ("B97.29",)),
        ),
        "the infection's code names the organism",
    ),
    Pair(
        "sirs-with-infection",
        "ICD-10-CM guidelines I.C.1.d.1 and I.C.18.g, FY2026",
        "SIRS of non-infectious origin beside sepsis.",
        ((("A40", "A41"), ("R65.1",)),),
        "R65.1 is for a non-infectious process",
    ),
    Pair(
        "septic-shock-postprocedural",
        "ICD-10-CM guideline I.C.1.d.5.b, FY2026",
        "Severe sepsis with shock beside postprocedural septic shock.",
        ((("T81.12",), ("R65.21",)),),
        "after a procedure the shock has its own code",
    ),
    Pair(
        "insulin-with-type-1",
        "ICD-10-CM guideline I.C.4.a.3, FY2026; E10 carries no note for Z79.4",
        "Long-term insulin beside type 1 diabetes, which implies it.",
        ((("E10",), ("Z79.4",)),),
        "insulin goes without saying in type 1 diabetes",
        Severity.INFORMATION,
        unless=("E08", "E09", "E11", "E13"),
    ),
    Pair(
        "diabetes-in-remission",
        "ICD-10-CM guideline I.C.4.a, FY2026; Excludes1 notes at E11",
        "Type 2 diabetes in remission beside type 2 diabetes that is active.",
        ((tuple(f"E11.{digit}" for digit in "012345689"), ("E11.A",)),),
        "remission is for diabetes without complications and without treatment, on the provider's word",
    ),
    Pair(
        "tobacco-one-status",
        "ICD-10-CM category F17, Excludes1 notes; guideline I.C.5.b, FY2026",
        "Tobacco use or a history of dependence beside current nicotine dependence.",
        ((("F17",), ("Z72.0", "Z87.891")), (("Z72.0",), ("Z87.891",))),
        "dependence outranks use, and what is current outranks a history",
    ),
    Pair(
        "nstemi-beside-stemi",
        "ICD-10-CM guideline I.C.9.e.1, FY2026",
        "An NSTEMI beside a STEMI of the same episode.",
        ((("I21.0", "I21.1", "I21.2", "I21.3"), ("I21.4",)),),
        "an NSTEMI that evolves to a STEMI is coded as the STEMI",
    ),
    Pair(
        "mi-type-2-alone",
        "ICD-10-CM guideline I.C.9.e.5, FY2026",
        "Demand ischemia or a type 1 code beside a type 2 myocardial infarction.",
        ((("I21.A1",), ("I24.89", "I21.4", "I21.3")),),
        "a type 2 infarction is I21.A1 alone, also where it is described as STEMI or NSTEMI",
    ),
    Pair(
        "stroke-history-with-sequela",
        "ICD-10-CM guideline I.C.9.d.3, FY2026; Excludes1 note at I69",
        "A history of stroke without deficits beside sequelae of one.",
        ((("I69",), ("Z86.73",)),),
        "Z86.73 is for patients without remaining deficits",
    ),
    Pair(
        "stroke-sequela-beside-current",
        "ICD-10-CM guideline I.C.9.d.2, FY2026",
        "Sequelae of a stroke beside a current stroke.",
        ((("I60", "I61", "I62", "I63"), ("I69",)),),
        "both stand only where an old deficit remains beside the new stroke",
        Severity.INFORMATION,
        removes=False,
    ),
    Pair(
        "mi-old-beside-acute",
        "ICD-10-CM guideline I.C.9.e.1, FY2026",
        "An old myocardial infarction beside one of the last four weeks.",
        ((("I21", "I22"), ("I25.2",)),),
        "I25.2 is for another infarction, older than four weeks",
        Severity.INFORMATION,
        removes=False,
    ),
    Pair(
        "ventilator-pneumonia-type",
        "ICD-10-CM guideline I.C.10.d.1, FY2026",
        "A pneumonia code beside ventilator associated pneumonia.",
        ((("J95.851",), _PNEUMONIA),),
        "the type is not coded beside it unless the patient was admitted with another pneumonia",
    ),
    Pair(
        "osteoporosis-with-fracture",
        "ICD-10-CM guideline I.C.13.d, FY2026; Excludes1 note at M81",
        "Osteoporosis without current fracture beside osteoporosis with one.",
        ((("M80",), ("M81",)),),
        "M80 says the osteoporosis and its fracture",
    ),
    Pair(
        "transplant-status",
        "ICD-10-CM guideline I.C.21.c.3, FY2026",
        "Transplant status beside a complication of the same transplanted organ.",
        (
            (("T86.0",), ("Z94.81",)),
            (("T86.1",), ("Z94.0",)),
            (("T86.2",), ("Z94.1",)),
            (("T86.3",), ("Z94.1", "Z94.2", "Z94.3")),
            (("T86.4",), ("Z94.4",)),
            (("T86.5",), ("Z94.84",)),
            (("T86.81",), ("Z94.2",)),
            (("T86.82",), ("Z94.5",)),
            (("T86.83",), ("Z94.6",)),
            (("T86.84",), ("Z94.7",)),
            (("T86.85",), ("Z94.82",)),
        ),
        "the complication says that the organ is transplanted",
    ),
    Pair(
        "supervision-beside-obstetric",
        "ICD-10-CM guidelines I.C.15.a.1 and I.C.15.b.1, FY2026",
        "Supervision of normal pregnancy or incidental pregnancy beside an obstetric code.",
        ((("O",), ("Z34", "Z33.1")),),
        "it is for pregnancies without any chapter 15 code",
    ),
    Pair(
        "normal-delivery-alone",
        "ICD-10-CM guideline I.C.15.n.1, FY2026",
        "Normal delivery beside another obstetric code.",
        ((_OBSTETRIC_BUT_DELIVERY, ("O80",)),),
        "O80 is for a delivery without any other chapter 15 code",
    ),
    Pair(
        "normal-delivery-outcome",
        "ICD-10-CM guideline I.C.15.n.3, FY2026",
        "Normal delivery with an outcome other than a single liveborn.",
        ((("O80",), ("Z37.1", "Z37.2", "Z37.3", "Z37.4", "Z37.5", "Z37.6", "Z37.7", "Z37.9")),),
        "Z37.0 is the only outcome that goes with O80",
        removes=False,
    ),
    Pair(
        "outcome-on-newborn",
        "ICD-10-CM guideline I.C.15.b.5, FY2026",
        "The mother's outcome of delivery on a newborn's record.",
        ((("Z38",), ("Z37",)),),
        "the outcome stands on the mother's record alone",
    ),
    Pair(
        "mother-and-newborn",
        "ICD-10-CM guidelines I.C.15.a.2 and I.C.16.a.1, FY2026",
        "Codes of the mother and of the newborn on one record.",
        ((("O",), ("P", "Z38")),),
        "mother and newborn have records of their own",
        removes=False,
    ),
    Pair(
        "puerperal-sepsis",
        "ICD-10-CM guideline I.C.15.k, FY2026",
        "Sepsis of chapter 1 beside puerperal sepsis.",
        ((("O85",), ("A40", "A41")),),
        "O85 says the sepsis, with the organism from B95 or B96",
    ),
    Pair(
        "gestational-diabetes-drugs",
        "ICD-10-CM guideline I.C.15.i, FY2026",
        "Long-term insulin or oral drugs beside gestational diabetes.",
        ((("O24.4",), ("Z79.4", "Z79.84")),),
        "the code for gestational diabetes says how it is controlled",
        unless=("O24.0", "O24.1", "O24.3", "O24.8", "E08", "E09", "E10", "E11", "E13"),
    ),
    Pair(
        "gestational-diabetes-control",
        "ICD-10-CM guideline I.C.15.i, FY2026",
        "Gestational diabetes controlled by diet beside controlled by a drug.",
        (
            (("O24.414", "O24.415"), ("O24.410",)),
            (("O24.424", "O24.425"), ("O24.420",)),
            (("O24.434", "O24.435"), ("O24.430",)),
        ),
        "where diet and a drug control it, the drug is coded",
    ),
    Pair(
        "bmi-in-pregnancy",
        "ICD-10-CM guideline I.C.21.c.3 (Z68), FY2026",
        "A body mass index beside an obstetric code.",
        ((("O",), ("Z68",)),),
        "the index is not coded during pregnancy",
    ),
    Pair(
        "aftercare-with-injury",
        "ICD-10-CM guidelines I.C.19.a and I.C.21.c.7, FY2026",
        "An aftercare Z code beside the injury that is cared for.",
        ((("S",), ("Z47.1", "Z47.8", "Z47.3", "Z48.0", "Z48.8")),),
        "aftercare of an injury is the injury's code with 7th character D",
    ),
    Pair(
        "follow-up-with-active",
        "ICD-10-CM guideline I.C.21.c.8, FY2026",
        "Follow-up after completed cancer treatment beside an active malignancy.",
        ((("C",), ("Z08",)),),
        "Z08 says that the malignancy is gone and its treatment complete",
        removes=False,
    ),
    Pair(
        "long-term-use-short-course",
        "ICD-10-CM guideline I.C.21.c.3 (Z79), FY2026",
        "Long-term use of a drug beside an acute illness that takes a short course of it.",
        ((_SHORT_INFECTIONS, ("Z79.2",)), (("J02", "J04", "J05", "J20", "J21"), ("Z79.52",))),
        "a drug given for a brief period against an acute illness is not long-term use",
        removes=False,
    ),
    Pair(
        "observation-with-symptom",
        "ICD-10-CM guideline I.C.21.c.6, FY2026",
        "Observation for a condition ruled out beside a symptom or injury.",
        ((("R", "S"), ("Z03.7", "Z03.8", "Z04", "Z05")),),
        "observation codes are for patients without a sign, symptom or injury that relates to the suspicion",
        Severity.INFORMATION,
        removes=False,
    ),
    Pair(
        "covid-current-and-post",
        "ICD-10-CM guideline I.C.1.g.1, FY2026 (post COVID-19 condition)",
        "A post COVID-19 condition beside current COVID-19.",
        ((("U07.1",), ("U09.9",)),),
        "both stand only where the patient is infected anew",
        Severity.INFORMATION,
        removes=False,
    ),
)  # fmt: skip


def _register(pair: Pair) -> None:
    """Make the row a rule."""
    may_go = frozenset(prefix[:3] for _, gone in pair.pairs for prefix in gone)

    # "P" of a chapter is no category; such a row does without the early exit.
    short = any(len(prefix) < 3 for prefix in may_go)

    @rule(pair.id, pair.severity, authority=pair.authority, summary=pair.summary)
    def check(coding: Coding) -> Iterator[Finding]:
        if not short and coding.categories.isdisjoint(may_go):
            return
        if pair.unless and coding.starting(*pair.unless):
            return
        for stay, go in pair.pairs:
            for gone in coding.starting(*go):
                kept = min(
                    (line for line in coding.starting(*stay) if line.value != gone.value),
                    key=lambda line: line.value,
                    default=None,
                )
                if kept is not None:
                    yield found(
                        (kept.code, gone.code),
                        f"{gone.value} beside {kept.value}: {pair.why}.",
                        fix=Fix(remove=(gone.code,)) if pair.removes else None,
                    )


for _pair in PAIRS:
    _register(_pair)
