"""Guidelines I.C.19 and I.C.20: injury, burns, poisoning, abuse, external causes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from coder_assist.suggest.rules.coding import Coding, Line, codes_of, icd
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.rules.guidelines_general import explained
from coder_assist.types import Finding, Fix, Severity

_DRUGS = frozenset(f"T{number}" for number in range(36, 51))
_TOXIC = frozenset(f"T{number}" for number in range(51, 66))
_BURNS = frozenset(f"T{number}" for number in range(20, 26))
_OPEN = re.compile(
    r"\b(?:open|compound|gustilo|exposed bone|bone (?:is |was )?exposed|protruding|gunshot)\b", re.IGNORECASE
)
# The 7th characters of open fractures (types I or II, type III), and those of closed ones in the same phase.
_CLOSED = dict(zip("BCEFHJMNQR", "AADDGGKKPP", strict=True))


def _episode(line: Line) -> str:
    """Return the 7th character of an injury code, "" where it has none."""
    return line.value[-1] if line.value[0] in "ST" and len(line.value) == 8 else ""


@rule(
    "episode-mixed",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.a, FY2026",
    summary="One injury coded with two episodes of care.",
)
def episode_mixed(coding: Coding) -> Iterator[Finding]:
    """Yield the codes of one injury that differ in their 7th character alone."""
    seen: dict[str, list[Line]] = {}
    for line in coding.diagnoses:
        if _episode(line):
            seen.setdefault(line.value[:-1], []).append(line)
    for stem in sorted(seen):
        codes = codes_of(seen[stem])
        if len(codes) > 1:
            yield found(
                codes, f"One injury has one episode of care: {' or '.join(code.value for code in codes)}."
            )


@rule(
    "superficial-with-deeper",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.b.1, FY2026",
    summary="A superficial injury beside a more severe one of the same site.",
)
def superficial_with_deeper(coding: Coding) -> Iterator[Finding]:
    """Yield the contusion or abrasion that goes with a fracture, dislocation or wound of its site and side."""
    for line, cause, row in explained(coding, "S"):
        yield found(
            (line.code, cause.code),
            f"{line.value} is not coded beside {cause.value}: {row.reason}.",
            fix=Fix(remove=(line.code,)),
        )


@rule(
    "fracture-open-unstated",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.c, FY2026: a fracture not said to be open is coded as closed",
    summary="A fracture coded as open though no note says so.",
)
def fracture_open_unstated(coding: Coding) -> Iterator[Finding]:
    """Yield open fractures where no note has a word for it; the fix is the closed one."""
    if not coding.documents:
        return
    for line in coding.diagnoses:
        if _episode(line) in _CLOSED and line.value[2] == "2" and line.value[0] == "S":
            if any(_OPEN.search(document.note.text) for document in coding.documents):
                return
            closed = line.value[:-1] + _CLOSED[line.value[-1]]
            yield found(
                (line.code,),
                f"{line.value} is for an open fracture; the note does not say that it is open.",
                fix=Fix(remove=(line.code,), add=() if closed in coding.values else (icd(closed),)),
            )


_DEGREES = {"1": 1, "2": 2, "3": 3, "0": 0}


@rule(
    "burn-one-degree",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.d.2, FY2026",
    summary="One site's burn coded in two degrees.",
)
def burn_one_degree(coding: Coding) -> Iterator[Finding]:
    """Yield the lesser degree of a burn of the same site and side."""
    sites: dict[str, list[Line]] = {}
    for category in sorted(coding.categories & _BURNS):
        for line in coding.by_category[category]:
            if line.value[4:5] in _DEGREES:
                sites.setdefault(line.value[:3] + line.value[5:7], []).append(line)
    for lines in sites.values():
        highest = max(_DEGREES[line.value[4]] for line in lines)
        kept = min(
            (line for line in lines if _DEGREES[line.value[4]] == highest), key=lambda line: line.value
        )
        for line in lines:
            if _DEGREES[line.value[4]] < highest:
                yield found(
                    (line.code, kept.code),
                    f"Burns of one site and side are coded to the highest degree: {kept.value}.",
                    fix=Fix(remove=(line.code,)),
                )


@rule(
    "burn-highest-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.d.1, FY2026",
    summary="A burn of lesser degree in first place.",
    sequencing=True,
)
def burn_highest_first(coding: Coding) -> Iterator[Finding]:
    """Yield a first-listed burn that another one exceeds in degree."""
    first = coding.first
    if first is None or first.value[:3] not in _BURNS:
        return
    burns = [line for line in coding.diagnoses if line.value[:3] in _BURNS and line.value[4:5] in _DEGREES]
    worst = max(burns, key=lambda line: _DEGREES[line.value[4]], default=None)
    if worst is not None and _DEGREES[worst.value[4]] > _DEGREES.get(first.value[4:5], 0):
        yield found(
            (worst.code, first.code),
            f"The burn of the highest degree is listed first: {worst.value}.",
            fix=coding.put_first(worst),
        )


def _intent(line: Line) -> str:
    """Return the character of a drug code that says how: 1-4 poisoning, 5 adverse effect, 6 underdosing."""
    return line.value[6:7] if line.value[:3] in _DRUGS else ""


@rule(
    "poisoning-first",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.19.e.5.b and I.C.19.e.5.d, FY2026",
    summary="A poisoning or toxic effect behind the condition that it caused.",
    sequencing=True,
)
def poisoning_first(coding: Coding) -> Iterator[Finding]:
    """Yield a poisoning behind another diagnosis; obstetric codes and other poisonings may precede it."""
    first = coding.first
    if first is None or coding.categories.isdisjoint(_DRUGS | _TOXIC):
        return
    if first.value[:3] in _DRUGS | _TOXIC or first.value[0] == "O":
        return
    for line in coding.diagnoses:
        if (_intent(line) in {"1", "2", "3", "4"} or line.value[:3] in _TOXIC) and line.value[-1] == "A":
            yield found(
                (line.code, first.code),
                f"{line.value} is listed before {first.value} where it caused it.",
                fix=coding.put_first(line),
            )
            return


@rule(
    "adverse-effect-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.e.5.a, FY2026",
    summary="An adverse effect code before the condition that the drug caused.",
    sequencing=True,
)
def adverse_effect_first(coding: Coding) -> Iterator[Finding]:
    """Yield a drug code of an adverse effect in first place."""
    first = coding.first
    if first is not None and _intent(first) == "5":
        leading = [line for line in coding.diagnoses if _intent(line) == "5"]
        yield found(
            (first.code,),
            f"The nature of the adverse effect is listed before {first.value}.",
            fix=coding.put_last(leading),
        )


@rule(
    "drug-one-intent",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.e.5, FY2026",
    summary="One drug coded as a poisoning and in another way, or with two intents.",
)
def drug_one_intent(coding: Coding) -> Iterator[Finding]:
    """Yield the codes of one drug that differ in how it acted."""
    drugs: dict[str, list[Line]] = {}
    for category in sorted(coding.categories & _DRUGS):
        for line in coding.by_category[category]:
            drugs.setdefault(line.value[:6], []).append(line)
    for stem in sorted(drugs):
        # An adverse effect can lead to underdosing; a poisoning excludes both, and has one intent.
        intents = {_intent(line) for line in drugs[stem]}
        if len(intents) > 1 and intents != {"5", "6"}:
            codes = codes_of(drugs[stem])
            yield found(
                codes, f"One drug of one event acted in one way: {' or '.join(code.value for code in codes)}."
            )


@rule(
    "abuse-first",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.C.19.f, FY2026",
    summary="An injury or mental condition before the abuse or neglect that is coded.",
    sequencing=True,
)
def abuse_first(coding: Coding) -> Iterator[Finding]:
    """Yield a first-listed code with T74 or T76 behind it."""
    first = coding.first
    if first is None or coding.categories.isdisjoint({"T74", "T76"}) or first.value[0] not in "FST":
        return
    if first.value[:3] in {"T74", "T76"}:
        return
    abuse = coding.starting("T74", "T76")[0]
    yield found(
        (abuse.code, first.code),
        f"{abuse.value} is listed first, injuries and mental conditions behind it.",
        fix=coding.put_first(abuse),
    )


# I.C.20 External causes

_ONCE = ("Y92", "Y93", "Y99")


@rule(
    "place-once",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.20.b, I.C.20.c and I.C.20.k, FY2026",
    summary="More than one place of occurrence, activity or external status.",
)
def place_once(coding: Coding) -> Iterator[Finding]:
    """Yield the codes of a category of which one is recorded."""
    for category in _ONCE:
        lines = coding.by_category.get(category, ())
        if len({line.value for line in lines}) > 1:
            codes = codes_of(lines)
            yield found(
                codes, f"Only one {category} code is recorded: {' or '.join(code.value for code in codes)}."
            )


@rule(
    "place-after-initial",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.C.20.b, I.C.20.c and I.C.20.k, FY2026",
    summary="Place, activity or external status after the initial encounter for the injury.",
)
def place_after_initial(coding: Coding) -> Iterator[Finding]:
    """Yield such codes where every injury is in a later episode of care."""
    if coding.categories.isdisjoint(_ONCE):
        return
    episodes = {_episode(line) for line in coding.diagnoses} - {""}
    if episodes and episodes.isdisjoint({"A", "B", "C"}):
        for line in coding.starting(*_ONCE):
            yield found(
                (line.code,),
                f"{line.value} is recorded at the initial encounter only.",
                fix=Fix(remove=(line.code,)),
            )
