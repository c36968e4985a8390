"""Sides: what the code says, what the note says, and what two codes together say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.types import Code, Finding, Fix, Severity, System


def note_side(coding: Coding, line: Line) -> str | None:
    """Return the one side that the mentions under a line's evidence name; ``None`` if none or several do.

    Left and right together are ``bilateral``.
    """
    sides = {side for mention in coding.mentions_of(line) if (side := mention.attributes.get("laterality"))}
    if sides == {"left", "right"} or "bilateral" in sides:
        return "bilateral"
    return sides.pop() if len(sides) == 1 else None


@rule(
    "side-contradicts-note",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.13, FY2026",
    summary="A code for one side where the note's own words name the other.",
)
def side_contradicts_note(coding: Coding) -> Iterator[Finding]:
    """Yield each left (right) code whose evidence says right (left), with the other side's code as the fix."""
    for line in coding.diagnoses:
        side = coding.fact(line).side
        if side not in ("left", "right") or (said := note_side(coding, line)) in (None, side, "bilateral"):
            continue
        other = coding.facts.sides(line.value).get(said or "")
        yield found(
            (line.code,),
            f"{line.value} is for the {side} side; its evidence says {said}.",
            fix=Fix((line.code,), (Code(System.ICD10CM, other),))
            if other and other not in coding.values
            else None,
        )


@rule(
    "side-stated",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.13, FY2026: an unspecified side is for records that do not name it",
    summary="A code for an unspecified side where the note names the side.",
)
def side_stated(coding: Coding) -> Iterator[Finding]:
    """Yield each code without a side whose evidence names one that the book tells apart; the fix takes it."""
    for line in coding.diagnoses:
        facts = coding.fact(line)
        if not facts.unspecified or facts.side or (said := note_side(coding, line)) is None:
            continue
        right = coding.facts.sides(line.value).get(said)
        if right and right != line.value and right not in coding.values:
            yield found(
                (line.code,),
                f"{line.value} leaves the side open; the note says {said}: {right}.",
                fix=Fix((line.code,), (Code(System.ICD10CM, right),)),
            )


@rule(
    "both-sides",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.13, FY2026",
    summary="Left and right coded apart where the book has one code for both sides.",
    settles=True,
)
def both_sides(coding: Coding) -> Iterator[Finding]:
    """Yield each left and right pair of one condition that has a bilateral code, which the fix puts in."""
    for lines in coding.by_category.values():
        for one, other in combinations(lines, 2):
            if {coding.fact(one).side, coding.fact(other).side} != {"left", "right"}:
                continue
            sides = coding.facts.sides(one.value)
            both = sides.get("bilateral")
            if (
                both
                and {one.value, other.value} == {sides["left"], sides["right"]}
                and both not in coding.values
            ):
                pair = tuple(sorted((one.code, other.code)))
                yield found(
                    pair,
                    f"{pair[0].value} and {pair[1].value} are the two sides of one condition: {both} names both.",
                    fix=Fix(pair, (Code(System.ICD10CM, both),)),
                )


@rule(
    "side-beside-unspecified",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.13, FY2026",
    summary="The same condition with a side and without one.",
    settles=True,
)
def side_beside_unspecified(coding: Coding) -> Iterator[Finding]:
    """Yield each code for an unspecified side that stands beside the same condition with its side."""
    for lines in coding.by_category.values():
        if len(lines) < 2:
            continue
        for line in lines:
            sides = coding.facts.sides(line.value)
            if sides.get("") != line.value:
                continue
            sided = sorted(o.code for o in lines if o.value != line.value and o.value in sides.values())
            if sided:
                yield found(
                    (line.code, sided[0]),
                    f"{line.value} says nothing that {sided[0].value} does not say with the side.",
                    fix=Fix((line.code,), ()),
                )


@rule(
    "side-and-bilateral",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.B.13, FY2026",
    summary="A bilateral code beside the same condition of one side.",
    settles=True,
)
def side_and_bilateral(coding: Coding) -> Iterator[Finding]:
    """Yield each one-sided code that a bilateral code of the same condition already includes."""
    for lines in coding.by_category.values():
        if len(lines) < 2:
            continue
        values = {line.value for line in lines}
        for line in lines:
            if coding.fact(line).side not in ("left", "right"):
                continue
            both = coding.facts.sides(line.value).get("bilateral")
            if both in values:
                yield found(
                    (line.code, Code(System.ICD10CM, str(both))),
                    f"{both} already says both sides; {line.value} repeats one of them.",
                    fix=Fix((line.code,), ()),
                )
