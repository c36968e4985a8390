"""Modifiers: side, visit beside a procedure, reading and equipment, who operated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.rules.pointers import support
from coder_assist.suggest.rules.procedure_facts import CodeSet, bilateral_reason, is_major, is_paired
from coder_assist.types import Claim, Code, Finding, Fix, Setting, Severity, System

_DISTINCT = frozenset({"59", "XE", "XS", "XP", "XU"})
_LEFT = frozenset({"LT", "E1", "E2", "FA", "F1", "F2", "F3", "F4", "TA", "T1", "T2", "T3", "T4"})
_RIGHT = frozenset({"RT", "E3", "E4", "F5", "F6", "F7", "F8", "F9", "T5", "T6", "T7", "T8", "T9"})
_ANATOMIC = _LEFT | _RIGHT | {"50", "LC", "LD", "LM", "RC", "RI"}
NCCI_MODIFIERS = (_ANATOMIC - {"50"}) | _DISTINCT | {"24", "25", "27", "57", "58", "78", "79", "91"}

_VISITS = CodeSet.parse(
    "99202-99205 99211-99215 99221-99239 99242-99245 99252-99255 99281-99285 99291 99304-99316 99341-99350 "
    "99381-99397 92002-92014 G0402 G0438 G0439 G0463"
)
_WITH_MODIFIER_25 = CodeSet.parse("99202-99499 92002-92014 G0000-G9999 S0000-S9999")
_OFFICE = CodeSet.parse("99202-99215 99242-99245 92002-92014")
# Procedures of the physician that a same-day visit must stand apart from; drawing blood is none.
_OPERATIONS = CodeSet.parse("10004-36399 36420-36429 36440-36590 36594-69979")
_SERVICES = CodeSet.parse("90460-90474 94640 94644 96360-96379 96401-96450 97597-97608 98925-98943")

_READ_APART = CodeSet.parse(
    "70010-76999 77046-77086 78012-78999 93015 93000 93224 93303-93356 93880-93990 94010-94070 94726-94729 "
    "95700-95822 95860-95913"
)
_COMPONENT_ONLY = CodeSet.parse("93005 93010 93016-93018 93041 93042 93225-93227 93268-93272 76140")
_READING_OF = {"93000": "93010", "93015": "93018", "93040": "93042", "93224": "93227"}
_COLONOSCOPY_WITH_TREATMENT = CodeSet.parse("45331-45350 45379-45398")
_ANESTHESIA = CodeSet.parse("00100-01999")


def anatomic(line: Line) -> frozenset[str]:
    """Return the modifiers of a line that name a side, digit, lid or vessel."""
    return _ANATOMIC & set(line.modifiers)


def side_of(line: Line) -> str:
    """Return the side that a line's modifiers say: ``left``, ``right``, ``bilateral`` or ``""``."""
    left, right = bool(_LEFT & set(line.modifiers)), bool(_RIGHT & set(line.modifiers))
    if "50" in line.modifiers or (left and right):
        return "bilateral"
    return "left" if left else "right" if right else ""


def _without(line: Line, *marks: str) -> tuple[str, ...]:
    return tuple(modifier for modifier in line.modifiers if modifier not in marks)


def distinct(one: Line, other: Line) -> bool:
    """Say whether modifiers set two lines apart: 59 or X{EPSU}, or two sides, digits or vessels."""
    if _DISTINCT & (set(one.modifiers) | set(other.modifiers)):
        return True
    return bool(anatomic(one) and anatomic(other)) and not anatomic(one) & anatomic(other)


_SIDE_WORDS = {
    "left": re.compile(r"\bleft\b", re.IGNORECASE),
    "right": re.compile(r"\bright\b", re.IGNORECASE),
    "bilateral": re.compile(r"\b(?:bilateral(?:ly)?|both)\b", re.IGNORECASE),
}


def noted_side(coding: Coding, line: Line) -> str:
    """Return the one side that the sentences of a line's evidence name, ``""`` for none or several."""
    sides: set[str] = set()
    for document in coding.documents:
        for evidence in line.evidence:
            if evidence.note_id != document.note.id:
                continue
            for sentence in document.sentences:
                if sentence.overlaps(evidence.span):
                    text = sentence.slice(document.note.text)
                    sides |= {side for side, word in _SIDE_WORDS.items() if word.search(text)}
    if sides == {"left", "right"}:
        return ""
    return next(iter(sides)) if len(sides) == 1 else ""


def _paired(coding: Coding) -> Iterator[Line]:
    return (line for line in coding.procedures if line.code.system is System.CPT and is_paired(line.value))


@rule(
    "side-modifier-missing",
    Severity.WARNING,
    authority="CMS modifiers LT and RT; Medicare Claims Processing Manual, chapter 4, 20.6",
    summary="A procedure on one of two sides carries no side though the note says which.",
)
def side_modifier_missing(coding: Coding) -> Iterator[Finding]:
    """Yield each paired procedure without a side whose sentence names one side, which the fix marks."""
    for line in _paired(coding):
        if not anatomic(line):
            side = noted_side(coding, line)
            if side in ("left", "right"):
                modifier = "LT" if side == "left" else "RT"
                yield found(
                    (line.code,),
                    f"{line.value} is done on one side; the note says {side}: {modifier}.",
                    fix=coding.mark(line, (*line.modifiers, modifier)),
                )


@rule(
    "side-against-note",
    Severity.WARNING,
    authority="CMS modifiers LT, RT and 50; the record must support the modifier",
    summary="A side modifier contradicts the note.",
)
def side_against_note(coding: Coding) -> Iterator[Finding]:
    """Yield each line whose modifier names the side that its sentence does not; the fix turns LT and RT round."""
    turned = {"LT": "RT", "RT": "LT"}
    for line in coding.procedures:
        said, noted = side_of(line), noted_side(coding, line)
        if said in ("left", "right") and noted in ("left", "right") and said != noted:
            plain = anatomic(line) <= turned.keys()
            yield found(
                (line.code,),
                f"{line.value} is marked {said}; the note says {noted}.",
                fix=coding.mark(line, (turned.get(m, m) for m in line.modifiers)) if plain else None,
            )


@rule(
    "side-against-diagnosis",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.13, FY2026 (laterality); CMS modifiers LT and RT",
    summary="A side modifier contradicts the side of the diagnoses that support the procedure.",
)
def side_against_diagnosis(coding: Coding) -> Iterator[Finding]:
    """Yield each line whose supporting diagnoses that have a side all have the other one."""
    for line in coding.procedures:
        said = side_of(line)
        if said not in ("left", "right"):
            continue
        sided = [diagnosis for diagnosis in support(coding, line) if coding.fact(diagnosis).side]
        if sided and all(coding.fact(diagnosis).side not in (said, "bilateral") for diagnosis in sided):
            codes = tuple(sorted({diagnosis.code for diagnosis in sided}))
            others = ", ".join(code.value for code in codes)
            yield found((line.code, *codes), f"{line.value} is marked {said}; {others} is of the other side.")


@rule(
    "bilateral-by-definition",
    Severity.WARNING,
    authority="Medicare Physician Fee Schedule, bilateral indicator 2",
    summary="Modifier 50 on a code that covers both sides by itself.",
)
def bilateral_by_definition(coding: Coding) -> Iterator[Finding]:
    """Yield each such line with modifier 50, which the fix leaves out."""
    for line in coding.procedures:
        if "50" in line.modifiers and (why := bilateral_reason(line.value)):
            yield found(
                (line.code,),
                f"{line.value} covers both sides by itself ({why}); leave modifier 50 out.",
                fix=coding.mark(line, _without(line, "50")),
            )


@rule(
    "bilateral-modifier",
    Severity.WARNING,
    authority="Medicare Claims Processing Manual, chapter 12, 40.7 (bilateral surgery)",
    summary="A bilateral procedure without modifier 50, or with more than one unit under it.",
)
def bilateral_modifier(coding: Coding) -> Iterator[Finding]:
    """Yield paired procedures that the note calls bilateral and the lines do not, and 50 with two units."""
    sides: dict[Code, set[str]] = {}
    for line in coding.procedures:
        sides.setdefault(line.code, set()).add(side_of(line))
    for line in coding.procedures:
        if "50" in line.modifiers and line.units > 1:
            yield found(
                (line.code,),
                f"{line.value} has modifier 50 and {line.units} units; both sides are one unit under 50.",
            )
    for line in _paired(coding):
        if line.value >= "70000":  # studies and tests count their sides in units, each by its own rule
            continue
        if sides[line.code] & {"bilateral"} or {"left", "right"} <= sides[line.code]:
            continue
        if noted_side(coding, line) == "bilateral" and not anatomic(line) - {"LT", "RT"}:
            yield found(
                (line.code,),
                f"The note says both sides; report {line.value} with modifier 50, one unit.",
                fix=coding.mark(line, ("50", *_without(line, "LT", "RT"))) if line.units == 1 else None,
            )


@rule(
    "modifier-conflict",
    Severity.WARNING,
    authority="CMS NCCI Policy Manual, chapter I, E; CMS modifiers LT, RT, 50, 26, TC, 59 and X{EPSU}",
    summary="Modifiers of one line contradict each other.",
)
def modifier_conflict(coding: Coding) -> Iterator[Finding]:
    """Yield each line with modifiers that exclude each other."""
    for line in coding.procedures:
        marks = set(line.modifiers)
        for one, others, why in (
            ("50", {"LT", "RT"}, "50 says both sides already"),
            ("LT", {"RT"}, "one line has one side; both sides are 50 or two lines"),
            ("26", {"TC"}, "reading and equipment together are the code without either"),
            ("59", {"XE", "XS", "XP", "XU"}, "an X modifier stands in place of 59"),
            ("76", {"77"}, "the repeat was by the same physician or by another"),
            ("80", {"81", "82"}, "one assistant modifier is reported"),
            ("81", {"82"}, "one assistant modifier is reported"),
            ("62", {"66", "80", "81", "82"}, "a surgeon is co-surgeon, of a team, or assistant"),
            ("66", {"80", "81", "82"}, "a surgeon is of a team, or assistant"),
        ):
            clash = sorted(marks & others)
            if one in marks and clash:
                yield found((line.code,), f"{line.value} carries {one} and {', '.join(clash)}: {why}.")


@rule(
    "visit-modifier-on-procedure",
    Severity.WARNING,
    authority="CPT modifiers 24, 25 and 57; Medicare Claims Processing Manual, chapter 12, 40.2",
    summary="Modifier 24, 25 or 57 on a code that is no visit.",
)
def visit_modifier_on_procedure(coding: Coding) -> Iterator[Finding]:
    """Yield each line with a visit's modifier that is no evaluation and management service; the fix drops it."""
    for line in coding.procedures:
        marks = sorted({"24", "25", "57"} & set(line.modifiers))
        if marks and line.value not in _WITH_MODIFIER_25:
            yield found(
                (line.code,),
                f"Modifier {', '.join(marks)} belongs on the visit, not on {line.value}.",
                fix=coding.mark(line, _without(line, *marks)),
            )


@rule(
    "visit-beside-procedure",
    Severity.WARNING,
    authority="CPT modifier 25; CMS NCCI Policy Manual, chapter I, D (visit on the day of a procedure)",
    summary="A visit on the day of a minor procedure carries no modifier 25.",
)
def visit_beside_procedure(coding: Coding) -> Iterator[Finding]:
    """Yield each visit without 24, 25 or 57 beside procedures, if it is beside no major operation.

    The fix marks it 25. Whether the visit was apart is the coder's to see; nothing applies it by itself.
    """
    done = [line for line in coding.procedures if line.value in _OPERATIONS or line.value in _SERVICES]
    if not done or any(is_major(line.value) for line in done):
        return
    first = min(line.value for line in done)
    for visit in _unmarked_visits(coding):
        yield found(
            (visit.code,),
            f"{visit.value} stands beside {first}; modifier 25 if the visit was significant and apart, else no visit.",
            fix=coding.mark(visit, ("25", *visit.modifiers)),
        )


@rule(
    "visit-beside-major-operation",
    Severity.WARNING,
    authority="CPT modifier 57; Medicare Claims Processing Manual, chapter 12, 40.2 (decision for surgery)",
    summary="A visit beside an operation with a 90-day global period carries no modifier 57.",
)
def visit_beside_major_operation(coding: Coding) -> Iterator[Finding]:
    """Yield each visit without 24, 25 or 57 beside an operation whose global period is 90 days; the fix marks it 57."""
    major = [line.value for line in coding.procedures if is_major(line.value)]
    if major:
        for visit in _unmarked_visits(coding):
            yield found(
                (visit.code,),
                f"{visit.value} stands beside {min(major)} (90-day global period); modifier 57 if the "
                "operation was decided at it, else it is part of the package.",
                fix=coding.mark(visit, ("57", *visit.modifiers)),
            )


def _unmarked_visits(coding: Coding) -> list[Line]:
    return [
        line
        for line in coding.procedures
        if line.value in _VISITS and not {"24", "25", "57"} & set(line.modifiers)
    ]


@rule(
    "postoperative-visit",
    Severity.INFORMATION,
    authority="Medicare Claims Processing Manual, chapter 12, 40.1 (global surgical package); CPT 99024",
    summary="A visit for surgical aftercare; inside the global period it is 99024.",
    claims=[Claim.PROFESSIONAL],
)
def postoperative_visit(coding: Coding) -> Iterator[Finding]:
    """Yield each office visit without 24 beside an aftercare diagnosis."""
    aftercare = coding.starting("Z47", "Z48")
    if not aftercare:
        return
    for line in coding.procedures:
        if line.value in _OFFICE and "24" not in line.modifiers:
            yield found(
                (line.code, aftercare[0].code) if len(aftercare) == 1 else (line.code,),
                f"{line.value} with aftercare: inside the global period the surgeon's visit is 99024, not paid apart.",
            )


@rule(
    "unrelated-visit-with-aftercare",
    Severity.WARNING,
    authority="CPT modifier 24; Medicare Claims Processing Manual, chapter 12, 40.2",
    summary="Modifier 24 says that the visit was unrelated; every diagnosis is aftercare.",
)
def unrelated_visit_with_aftercare(coding: Coding) -> Iterator[Finding]:
    """Yield each visit with 24 if all diagnoses are aftercare, follow-up or complications of surgery."""
    if not coding.diagnoses or len(coding.starting("Z47", "Z48", "Z09", "T81")) < len(coding.diagnoses):
        return
    for line in coding.procedures:
        if "24" in line.modifiers and line.value in _WITH_MODIFIER_25:
            yield found(
                (line.code,), f"{line.value} carries 24, unrelated visit, but all diagnoses are aftercare."
            )


@rule(
    "component-modifier",
    Severity.WARNING,
    authority="Medicare Physician Fee Schedule, PC/TC indicators; CMS modifiers 26 and TC",
    summary="Modifier 26 or TC where it cannot stand.",
)
def component_modifier(coding: Coding) -> Iterator[Finding]:
    """Yield 26 and TC on codes that are a component by themselves or a visit, and 26 on a facility's claim.

    The fix leaves them out.
    """
    for line in coding.procedures:
        marks = sorted({"26", "TC"} & set(line.modifiers))
        if not marks:
            continue
        if line.value in _COMPONENT_ONLY:
            told = f"{line.value} is one component by itself; leave {', '.join(marks)} out."
        elif line.value in _VISITS:
            told = f"{line.value} is a visit; {', '.join(marks)} does not belong on it."
        elif "26" in marks and coding.encounter.claim is Claim.FACILITY:
            told, marks = f"{line.value} carries 26, the physician's part, on the facility's claim.", ["26"]
        else:
            continue
        yield found((line.code,), told, fix=coding.mark(line, _without(line, *marks)))


@rule(
    "reading-in-hospital",
    Severity.WARNING,
    authority="Medicare Claims Processing Manual, chapter 13, 20.2 (professional component in a hospital)",
    summary="A physician's claim of a hospital stay bills a whole study; only the reading is the physician's.",
    settings=[Setting.INPATIENT],
    claims=[Claim.PROFESSIONAL],
)
def reading_in_hospital(coding: Coding) -> Iterator[Finding]:
    """Yield each study without 26; the fix takes the code of the reading where it has one, else it marks 26."""
    for line in coding.procedures:
        if line.value not in _READ_APART or {"26", "TC"} & set(line.modifiers):
            continue
        if line.value in _COMPONENT_ONLY:
            continue
        reading = _READING_OF.get(line.value)
        if reading:
            yield found(
                (line.code,),
                f"{line.value} is the whole service; the reading in a hospital is {reading}.",
                fix=Fix(remove=(line.code,), add=(Code(System.CPT, reading),)),
            )
        else:
            yield found(
                (line.code,),
                f"{line.value} in a hospital is the reading only: modifier 26.",
                fix=coding.mark(line, ("26", *line.modifiers)),
            )


@rule(
    "screening-turned-treatment",
    Severity.WARNING,
    authority="Medicare Claims Processing Manual, chapter 18, 60 (modifier PT); CPT modifier 33",
    summary="A screening colonoscopy that became a treatment carries neither 33 nor PT.",
)
def screening_turned_treatment(coding: Coding) -> Iterator[Finding]:
    """Yield each colonoscopy with sampling or removal beside a screening diagnosis."""
    if not coding.starting("Z12.10", "Z12.11", "Z12.12"):
        return
    for line in coding.procedures:
        if line.value in _COLONOSCOPY_WITH_TREATMENT and not {"33", "PT"} & set(line.modifiers):
            yield found(
                (line.code,),
                f"{line.value} began as a screening: modifier PT for Medicare, 33 for other payers.",
            )


@rule(
    "anesthesia-by-surgeon",
    Severity.WARNING,
    authority="CPT modifier 47; CMS NCCI Policy Manual, chapter II (anesthesia by the surgeon)",
    summary="Modifier 47 on an anesthesia code, or anesthesia and operation as one physician's lines.",
)
def anesthesia_by_surgeon(coding: Coding) -> Iterator[Finding]:
    """Yield 47 on anesthesia codes, and anesthesia beside an operation on a professional claim."""
    operations = [line.value for line in coding.procedures if line.value in _OPERATIONS]
    for line in coding.procedures:
        if line.value not in _ANESTHESIA:
            continue
        if "47" in line.modifiers:
            yield found(
                (line.code,),
                f"Modifier 47 goes on the operation, not on anesthesia code {line.value}.",
                fix=coding.mark(line, _without(line, "47")),
            )
        elif operations and coding.claim is Claim.PROFESSIONAL:
            yield found(
                (line.code,),
                f"{line.value} is anesthesia; who operated ({min(operations)}) does not bill it beside the operation.",
            )
