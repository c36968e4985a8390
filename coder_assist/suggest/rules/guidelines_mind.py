"""Guidelines I.C.5 to I.C.7: substances and dementia, pain and hemiplegia, glaucoma."""

from __future__ import annotations

from collections.abc import Iterator

from coder_assist.suggest.rules.coding import Coding, Line, codes_of, icd
from coder_assist.suggest.rules.engine import OPEN_END, found, rule
from coder_assist.types import Finding, Fix, Query, Severity

_SUBSTANCES = frozenset(f"F{number}" for number in (10, 11, 12, 13, 14, 15, 16, 18, 19))
# The 4th character, least first: use, abuse, dependence.
_PATTERNS = {"9": 0, "1": 1, "2": 2}


@rule(
    "substance-one-pattern",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.5.b.2, FY2026",
    summary="Use, abuse and dependence of one substance coded side by side.",
)
def substance_one_pattern(coding: Coding) -> Iterator[Finding]:
    """Yield the lesser pattern of a substance: dependence outranks abuse, abuse outranks use."""
    for category in sorted(coding.categories & _SUBSTANCES):
        lines = coding.by_category[category]
        ranks = {line.value: _PATTERNS.get(line.value[4:5], -1) for line in lines}
        highest = max(ranks.values())
        kept = min(value for value, rank in ranks.items() if rank == highest)
        for line in lines:
            if -1 < ranks[line.value] < highest:
                yield found(
                    (line.code, icd(kept)),
                    f"Of one substance only the highest pattern is coded: {kept}, not {line.value}.",
                    fix=Fix(remove=(line.code,)),
                )


@rule(
    "substance-remission-and-active",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.5.b.1, FY2026",
    summary="A substance disorder in remission beside the same disorder as active.",
)
def substance_remission_and_active(coding: Coding) -> Iterator[Finding]:
    """Yield both codes; whether it is remission is for the provider to say."""
    for category in sorted(coding.categories & _SUBSTANCES):
        lines = coding.by_category[category]
        rested = [line for line in lines if _in_remission(line)]
        active = [line for line in lines if line.value[4:5] in "12" and not _in_remission(line)]
        if rested and active:
            yield found(
                codes_of([*rested, *active]),
                f"{rested[0].value[:3]} is coded as active and in remission; the provider's word decides.",
            )


def _in_remission(line: Line) -> bool:
    return line.value[4:6] in {"11", "21", "91"}


@rule(
    "substance-use-unlinked",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline I.C.5.b.3, FY2026",
    summary="Substance use without a disorder, which is coded only where it bears on another condition.",
)
def substance_use_unlinked(coding: Coding) -> Iterator[Finding]:
    """Yield "use, unspecified, uncomplicated" codes."""
    for category in sorted(coding.categories & _SUBSTANCES):
        for line in coding.by_category[category]:
            if line.value.endswith(".90"):
                yield found(
                    (line.code,),
                    f"{line.value} is coded only where the provider links the use to a disorder or condition.",
                )


_DEMENTIA = frozenset({"F01", "F02", "F03"})
_SEVERITY_RANK = {"9": 0, "A": 1, "B": 2, "C": 3}


@rule(
    "dementia-one-severity",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.5.d, FY2026",
    summary="One dementia coded with more than one severity.",
)
def dementia_one_severity(coding: Coding) -> Iterator[Finding]:
    """Yield the lesser severities of a dementia category."""
    for category in sorted(coding.categories & _DEMENTIA):
        lines = coding.by_category[category]
        ranks = {line.value: _SEVERITY_RANK.get(_severity_of(line.value), -1) for line in lines}
        highest = max(ranks.values())
        kept = min(value for value, rank in ranks.items() if rank == highest)
        for line in lines:
            if ranks[line.value] < highest:
                yield found(
                    (line.code, icd(kept)),
                    f"Dementia is coded once, at its highest severity of the encounter: {kept}.",
                    fix=Fix(remove=(line.code,)),
                )


def _severity_of(value: str) -> str:
    """Return the character of a dementia code that says its severity: F03.A4 has it 4th, F01.A4 too, F01.50 none."""
    character = value[4:5]
    return "9" if character in "59" else character


# I.C.6 Nerves

_PAIN_SITES = ("R52", "R07", "R10", "R51", "M25.5", "M54", "M79.6", "G89", "G90.5", "G56.4", "G57.7", "M79.1",
    "G43", "G44", "N94", "K08.8", "H57.1", "H92.0", "Z")  # fmt: skip


@rule(
    "pain-code-with-cause",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline I.C.6.b.1.a, FY2026",
    summary="A G89 pain code behind a definitive diagnosis that explains the pain.",
    sequencing=True,
)
def pain_code_with_cause(coding: Coding) -> Iterator[Finding]:
    """Yield acute or chronic pain codes behind a diagnosis, where they belong to pain management only."""
    first = coding.first
    if first is None or "G89" not in coding.categories or first.value.startswith(_PAIN_SITES):
        return
    for line in coding.starting("G89.1", "G89.2"):
        yield found(
            (line.code, first.code),
            f"{line.value} is coded beside {first.value} only where the encounter was for pain control.",
            fix=Fix(remove=(line.code,)),
        )


@rule(
    "hemiplegia-dominance",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline I.C.6.a, FY2026",
    summary="Hemiplegia or monoplegia of an unspecified side where the note names the side.",
)
def hemiplegia_dominance(coding: Coding) -> Iterator[Finding]:
    """Yield the default: the right side counts as dominant, the left as not dominant, unless the note says more."""
    if not coding.documents or coding.categories.isdisjoint({"G81", "G83", "I69"}):
        return
    for line in coding.starting("G81", "G83.1", "G83.2", "G83.3", "I69"):
        if not _side_unspecified(coding, line):
            continue
        sides = {mention.attributes.get("laterality") for mention in coding.mentions_of(line)}
        for side, last in (("right", "1"), ("left", "4")):
            value = line.value[:-1] + last
            if sides == {side} and coding.facts.of(value).billable:
                yield found(
                    (line.code,),
                    f"The note names the {side} side: without a word on dominance it is {value}.",
                    fix=Fix(remove=(line.code,), add=(icd(value),)),
                )


def _side_unspecified(coding: Coding, line: Line) -> bool:
    return "affecting unspecified side" in coding.fact(line).title.lower()


# I.C.7 Eyes


@rule(
    "glaucoma-two-stages",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.7.a, FY2026",
    summary="One eye's glaucoma coded in two stages.",
)
def glaucoma_two_stages(coding: Coding) -> Iterator[Finding]:
    """Yield the lesser stage of the same glaucoma and eye."""
    if "H40" not in coding.categories:
        return
    eyes: dict[str, list[Line]] = {}
    for line in coding.by_category["H40"]:
        if len(line.value) == 8:
            eyes.setdefault(line.value[:-1], []).append(line)
    for lines in eyes.values():
        # 1 mild, 2 moderate, 3 severe; 0 unspecified and 4 indeterminate say less.
        kept = max(lines, key=lambda line: "40123".find(line.value[-1]))
        for line in lines:
            if line.value != kept.value:
                yield found(
                    (line.code, kept.code),
                    f"An eye has one stage, the highest documented: {kept.value}.",
                    fix=Fix(remove=(line.code,)),
                )


@rule(
    "query-glaucoma-stage",
    Severity.QUERY,
    authority="ICD-10-CM guideline I.C.7.a.1 and I.C.7.a.5, FY2026",
    summary="Glaucoma with stage unspecified.",
)
def query_glaucoma_stage(coding: Coding) -> Iterator[Finding]:
    """Yield the question for the stage; indeterminate is the provider's finding, unspecified its lack."""
    for line in coding.by_category.get("H40", ()):
        if len(line.value) == 8 and line.value[-1] == "0":
            yield found(
                (line.code,),
                f"{line.value} has no stage: ask the provider for it.",
                query=Query(
                    "Please document the stage of the glaucoma for each eye.",
                    ("mild", "moderate", "severe", "indeterminate", *OPEN_END),
                    line.evidence,
                ),
            )
