"""The claim view: what stands at the end of a review, as the lines that a biller needs.

A professional claim (CMS-1500, 837P) carries twelve diagnoses, A to L, and procedure lines with modifiers, units
and up to four pointers. A facility's claim of a stay (UB-04, 837I) carries the principal and 24 further diagnoses
with present-on-admission indicators and up to 25 ICD-10-PCS procedures; of an outpatient encounter, CPT and
HCPCS lines instead. What a claim has no place for is listed with the reason, never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from coder_assist.suggest.rules import Coding, Line
from coder_assist.suggest.rules.coding import MOST_MODIFIERS
from coder_assist.suggest.rules.pointers import MOST_DIAGNOSES, pointers
from coder_assist.types import Claim, Finding, Setting, Severity, System

MOST_FACILITY_DIAGNOSES = 25
MOST_FACILITY_PROCEDURES = 25
MOST_PROFESSIONAL_LINES = 50


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that blocks a claim or should be looked at: the rule's id, one sentence, the codes."""

    rule: str
    message: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimDiagnosis:
    """A diagnosis of a claim. ``letter`` is what a professional line points to, ``""`` on a facility's claim."""

    sequence: int
    letter: str
    code: str
    title: str
    present_on_admission: str | None


@dataclass(frozen=True, slots=True)
class Pointer:
    """A link from a procedure line to a diagnosis, with the reason."""

    letter: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimProcedure:
    """A procedure line of a claim."""

    sequence: int
    system: System
    code: str
    title: str
    modifiers: tuple[str, ...]
    units: int
    pointers: tuple[Pointer, ...]


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A code that stands and has no place on this claim, with the reason."""

    system: System
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim as it would go out. ``blocks`` is empty if nothing keeps it back."""

    encounter_id: str
    claim: Claim
    setting: Setting
    service_date: date | None
    blocks: tuple[Notice, ...]
    cautions: tuple[Notice, ...]
    diagnoses: tuple[ClaimDiagnosis, ...]
    procedures: tuple[ClaimProcedure, ...]
    left_over: tuple[LeftOver, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing blocks the claim."""
        return not self.blocks


def claim_of(coding: Coding, findings: Sequence[Finding]) -> ClaimView:
    """Return the claim of accepted codes in their context, and of what the rules said of them."""
    of_stay = coding.claim is Claim.FACILITY and coding.encounter.setting is Setting.INPATIENT
    professional = coding.claim is Claim.PROFESSIONAL
    most = MOST_DIAGNOSES if professional else MOST_FACILITY_DIAGNOSES
    left: list[LeftOver] = []

    coded = tuple({line.code: line for line in reversed(coding.diagnoses)}.values())[::-1]
    diagnoses = tuple(
        ClaimDiagnosis(
            place,
            chr(ord("A") + place - 1) if professional else "",
            line.value,
            _title(coding, line),
            line.present_on_admission if of_stay else None,
        )
        for place, line in enumerate(coded[:most], 1)
    )
    left += [_left(line, f"the claim has places for {most} diagnoses") for line in coded[most:]]

    wanted = {System.ICD10PCS} if of_stay else {System.CPT, System.HCPCS}
    lines = [line for line in coding.lines if line.code.system in wanted]
    most_lines = (
        MOST_PROFESSIONAL_LINES if professional else MOST_FACILITY_PROCEDURES if of_stay else len(lines)
    )
    left += [_left(line, f"the claim has places for {most_lines} procedures") for line in lines[most_lines:]]
    for line in coding.lines:
        if line.code.system not in wanted and line.code.system is not System.ICD10CM:
            belongs = (
                "a hospital's claim of a stay" if line.code.system is System.ICD10PCS else "another claim"
            )
            left.append(_left(line, f"{line.code.system} belongs on {belongs}"))

    letters = {diagnosis.code: diagnosis.letter for diagnosis in diagnoses}
    linked = pointers(coding) if professional else {}
    procedures = tuple(
        ClaimProcedure(
            place,
            line.code.system,
            line.value,
            _title(coding, line),
            line.modifiers,
            line.units,
            tuple(
                Pointer(letters[code], code, reason)
                for code, reason in linked.get(line, ())
                if code in letters
            ),
        )
        for place, line in enumerate(lines[:most_lines], 1)
    )
    said = sorted(findings, key=lambda finding: (finding.rule, finding.codes, finding.message))
    blocks = [_notice(finding) for finding in said if finding.severity is Severity.ERROR]
    cautions = [_notice(finding) for finding in said if finding.severity is Severity.WARNING]
    own_blocks, own_cautions = _of_the_form(coding.claim, of_stay, diagnoses, procedures)
    return ClaimView(
        coding.encounter.id,
        coding.claim,
        coding.encounter.setting,
        coding.encounter.service_date,
        (*own_blocks, *blocks),
        (*own_cautions, *cautions),
        diagnoses,
        procedures,
        tuple(left),
    )


def _of_the_form(
    claim: Claim,
    of_stay: bool,
    diagnoses: Sequence[ClaimDiagnosis],
    procedures: Sequence[ClaimProcedure],
) -> tuple[list[Notice], list[Notice]]:
    """Return what the claim's own form misses: what blocks it, and what to look at."""
    blocks, cautions = [], []
    if not diagnoses:
        blocks.append(Notice("claim-diagnosis", "The claim has no diagnosis.", ()))
    if claim is Claim.PROFESSIONAL and not procedures:
        blocks.append(Notice("claim-procedure", "A professional claim has at least one procedure line.", ()))
    for line in procedures:
        if line.units < 1:
            blocks.append(Notice("claim-units", f"{line.code} has no units.", (line.code,)))
        if len(line.modifiers) > MOST_MODIFIERS:
            blocks.append(
                Notice(
                    "claim-modifiers",
                    f"{line.code} has {len(line.modifiers)} modifiers; a line has places for {MOST_MODIFIERS}.",
                    (line.code,),
                )
            )
        if claim is Claim.PROFESSIONAL and diagnoses and not line.pointers:
            cautions.append(
                Notice("claim-pointer", f"{line.code} points to no diagnosis; choose one.", (line.code,))
            )
    unsaid = tuple(d.code for d in diagnoses if d.present_on_admission is None) if of_stay else ()
    if unsaid:
        cautions.append(
            Notice(
                "claim-present-on-admission",
                f"{len(unsaid)} diagnoses carry no present-on-admission indicator (1 if exempt).",
                unsaid,
            )
        )
    return blocks, cautions


def _title(coding: Coding, line: Line) -> str:
    book = coding.facts.books.get(line.code.system)
    entry = book.get(line.value) if book is not None else None
    return entry.title if entry else ""


def _left(line: Line, reason: str) -> LeftOver:
    return LeftOver(line.code.system, line.value, reason)


def _notice(finding: Finding) -> Notice:
    return Notice(finding.rule, finding.message, tuple(code.value for code in finding.codes))
