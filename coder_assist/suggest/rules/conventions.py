"""The code book's own conventions: validity, completeness, what its notes say of two codes and of their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from coder_assist.codes import Instruction
from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.rules.facts import covers
from coder_assist.types import Code, Finding, Fix, Severity, System

MOST_NAMED = 6
_CONDITIONAL = re.compile(r"\b(?:applicable|known|present|any)\b")


def _icd(value: str) -> Code:
    return Code(System.ICD10CM, value)


def completed(coding: Coding, value: str) -> str | None:
    """Return the billable code that placeholders X make of a value whose last character is a 7th one, if any.

    Guideline I.A.4 and I.A.5: where a code of fewer than six characters takes a 7th, X fills the gap.
    """
    bare = value.replace(".", "")
    if not 4 <= len(bare) <= 6:
        return None
    filled = bare[:-1] + "X" * (7 - len(bare)) + bare[-1]
    written = f"{filled[:3]}.{filled[3:]}"
    return written if coding.facts.of(written).billable else None


@rule(
    "code-unknown",
    Severity.ERROR,
    authority="ICD-10-CM Tabular List, edition valid on the date of service (45 CFR 162.1002)",
    summary="A diagnosis code that the edition valid on the date of service does not have.",
)
def code_unknown(coding: Coding) -> Iterator[Finding]:
    """Yield each code that is not in the book; what only lacks placeholders or has a wrong 7th character has rules of its own."""
    for line in coding.diagnoses:
        if coding.fact(line).entry is None and not completed(coding, line.value) and not _stem(coding, line):
            yield found(
                (line.code,),
                f"{line.value} is not in ICD-10-CM edition {coding.facts.icd.edition}; look the condition up again.",
            )


@rule(
    "placeholder-missing",
    Severity.ERROR,
    authority="ICD-10-CM guidelines I.A.4 and I.A.5, FY2026",
    summary="A 7th character that stands too far left because the placeholder X is missing.",
)
def placeholder_missing(coding: Coding) -> Iterator[Finding]:
    """Yield each code that X placeholders would make valid, with the completed code as the fix."""
    for line in coding.diagnoses:
        if coding.fact(line).entry is None and (right := completed(coding, line.value)):
            yield found(
                (line.code,),
                f"{line.value} lacks the placeholder X before its 7th character; write {right}.",
                fix=Fix((line.code,), (_icd(right),)),
            )


def _stem(coding: Coding, line: Line) -> dict[str, str]:
    """Return the 7th characters that a seven-character code's first six allow; empty for anything else."""
    bare = line.value.replace(".", "")
    if len(bare) != 7:
        return {}
    stem = bare[:6].rstrip("X")
    written = f"{stem[:3]}.{stem[3:]}" if len(stem) > 3 else stem
    return coding.facts.icd.seventh_characters(written) if written in coding.facts.icd else {}


@rule(
    "seventh-character-wrong",
    Severity.ERROR,
    authority="ICD-10-CM guideline I.A.5, FY2026; 7th character notes of the Tabular List",
    summary="A 7th character that the category does not have.",
)
def seventh_character_wrong(coding: Coding) -> Iterator[Finding]:
    """Yield each code whose first six characters stand in the book but whose 7th is not one of theirs."""
    for line in coding.diagnoses:
        if coding.fact(line).entry is None and (allowed := _stem(coding, line)):
            yield found(
                (line.code,),
                f"{line.value[-1]} is no 7th character of this category; it has {', '.join(sorted(allowed))}.",
            )


@rule(
    "seventh-character-missing",
    Severity.ERROR,
    authority="ICD-10-CM guidelines I.A.5 and I.C.19.a, FY2026",
    summary="A code that is not valid without its 7th character (episode of care, fetus, coma scale time).",
)
def seventh_character_missing(coding: Coding) -> Iterator[Finding]:
    """Yield each code that lacks the 7th character; the fix takes it from the episode the note states, if it does."""
    for line in coding.diagnoses:
        choices = coding.facts.icd.seventh_characters(line.value) if not coding.fact(line).billable else {}
        if not choices:
            continue
        episodes = {m.attributes.get("episode") for m in coding.mentions_of(line)} - {None}
        letter = {"initial": "A", "subsequent": "D", "sequela": "S"}.get(str(next(iter(episodes), "")))
        right = choices.get(letter) if letter and len(episodes) == 1 else None
        yield found(
            (line.code,),
            f"{line.value} needs a 7th character: {', '.join(sorted(choices))}.",
            fix=Fix((line.code,), (_icd(right),)) if right else None,
        )


@rule(
    "not-billable",
    Severity.ERROR,
    authority="ICD-10-CM guidelines I.A.3 and I.B.2, FY2026: code to the highest number of characters available",
    summary="A category or subcategory where the book has codes with more characters below.",
)
def not_billable(coding: Coding) -> Iterator[Finding]:
    """Yield each header with what may be chosen below it; the fix applies where there is one choice."""
    for line in coding.diagnoses:
        facts = coding.fact(line)
        if facts.entry is None or facts.billable or coding.facts.icd.seventh_characters(line.value):
            continue
        below = coding.facts.icd.billable_below(line.value)
        named = ", ".join(below[:MOST_NAMED]) + (" ..." if len(below) > MOST_NAMED else "")
        yield found(
            (line.code,),
            f"{line.value} is a header with {len(below)} codes below it: {named}.",
            fix=Fix((line.code,), (_icd(below[0]),)) if len(below) == 1 else None,
        )


@rule(
    "duplicate-diagnosis",
    Severity.ERROR,
    authority="ICD-10-CM guideline I.B.12, FY2026: each unique code may be reported once",
    summary="The same diagnosis code more than once.",
)
def duplicate_diagnosis(coding: Coding) -> Iterator[Finding]:
    """Yield each code that stands more than once."""
    for code, count in Counter(line.code for line in coding.diagnoses).items():
        if count > 1:
            yield found((code,), f"{code.value} stands {count} times; an encounter reports a code once.")


@rule(
    "excludes1",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.A.12.a, FY2026",
    summary="Two codes that an Excludes1 note keeps apart, unless the two conditions are unrelated.",
)
def excludes1(coding: Coding) -> Iterator[Finding]:
    """Yield each pair of codes of which one's Excludes1 note, or one above it, names the other."""
    for one, other in combinations(sorted(coding.values), 2):
        note = coding.facts.kept_apart(one, other)
        if note is not None:
            yield found(
                (_icd(one), _icd(other)),
                f"{one} and {other} exclude each other; report both only if the conditions are unrelated.",
                authority=f"Excludes1 note at {note.node}; guideline I.A.12.a, FY2026",
            )


@rule(
    "excludes2",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline I.A.12.b, FY2026",
    summary="Two codes that an Excludes2 note names as different conditions: both stand if both are documented.",
)
def excludes2(coding: Coding) -> Iterator[Finding]:
    """Yield each pair of one category of which an Excludes2 note of the one names the other."""
    for lines in coding.by_category.values():
        for one, other in combinations(lines, 2):
            note = covers(coding.fact(one).excludes2, other.value) or covers(
                coding.fact(other).excludes2, one.value
            )
            if note is not None and one.value != other.value:
                yield found(
                    tuple(sorted((one.code, other.code))),
                    f"{one.value} and {other.value} are different conditions; both stand if the note documents both.",
                    authority=f"Excludes2 note at {note.node}; guideline I.A.12.b, FY2026",
                )


def _exact(notes: tuple[Instruction, ...], line: Line) -> tuple[Instruction, ...]:
    """Return the notes that stand at the code itself or at a subcategory above it and name codes.

    A category's note often speaks of circumstances that only some of its codes have ("cardiac arrhythmia
    complicating obstetric surgery" at I49), so its silence proves nothing.
    """
    return tuple(
        n
        for n in notes
        if n.ranges
        and (
            n.node == line.value or (len(n.node) > 3 and "-" not in n.node and line.value.startswith(n.node))
        )
    )


def _optional(note: Instruction) -> bool:
    return any(
        words in note.text for words in ("if applicable", "if known", "any associated", "if present", "any")
    )


@rule(
    "manifestation-alone",
    Severity.ERROR,
    authority="ICD-10-CM guideline I.A.13, FY2026; code first notes of the Tabular List",
    summary="A manifestation code (in diseases classified elsewhere) without the disease that it belongs to.",
)
def manifestation_alone(coding: Coding) -> Iterator[Finding]:
    """Yield each manifestation of which no line is an underlying disease that its code first note names.

    Notes that say "such as" are open lists: any other diagnosis outside the chapter of symptoms may then be
    the underlying one.
    """
    for line in coding.diagnoses:
        facts = coding.fact(line)
        if not facts.manifestation:
            continue
        others = [other for other in coding.diagnoses if other.value != line.value]
        named = any(covers(facts.code_first, other.value) for other in others)
        open_list = any("such as" in note.text for note in facts.code_first)
        candidates = [o for o in others if o.value[0] not in "RSTVWXYZ" and not coding.fact(o).manifestation]
        if not named and not (open_list and candidates):
            note = facts.code_first[0]
            yield found(
                (line.code,),
                f"{line.value} is a manifestation; code the underlying disease first.",
                authority=f"code first note at {note.node}; guideline I.A.13, FY2026",
            )


@rule(
    "manifestation-first",
    Severity.ERROR,
    authority="ICD-10-CM guideline I.A.13, FY2026: manifestation codes are never first-listed or principal",
    summary="A manifestation code in first place.",
    sequencing=True,
)
def manifestation_first(coding: Coding) -> Iterator[Finding]:
    """Yield the first-listed code if it is a manifestation; the fix moves it behind the others."""
    first = coding.first
    if first is not None and coding.fact(first).manifestation and len(coding.diagnoses) > 1:
        yield found(
            (first.code,),
            f"{first.value} is a manifestation and cannot be first; the underlying disease goes before it.",
            fix=Fix((first.code,), (first.code,)),
        )


@rule(
    "code-first-missing",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.A.13, FY2026; code first notes of the Tabular List",
    summary="A code whose code first note asks for a cause that is not among the codes.",
)
def code_first_missing(coding: Coding) -> Iterator[Finding]:
    """Yield each code with a binding code first note that no line answers; "if applicable" and "any" do not bind."""
    for line in coding.diagnoses:
        facts = coding.fact(line)
        own = _exact(facts.code_first, line)
        if not own or facts.manifestation or any(map(_optional, own)):
            continue
        if not any(covers(own, other) for other in coding.values):
            yield found(
                (line.code,),
                f"{line.value} asks for its cause to be coded first; no code of the list is one that the note names.",
                authority=f"code first note at {own[0].node}; guideline I.A.13, FY2026",
            )


@rule(
    "code-first-order",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.A.13, FY2026; code first notes of the Tabular List",
    summary="A code that stands before the cause which its code first note asks to be coded first.",
    sequencing=True,
)
def code_first_order(coding: Coding) -> Iterator[Finding]:
    """Yield each code that stands before a code which its own code first note names; the fix moves it last."""
    for place, line in enumerate(coding.diagnoses):
        own = tuple(n for n in coding.fact(line).code_first if n.node[:3] == line.value[:3])
        if not own or line.sequence is None:
            continue
        later = next((o for o in coding.diagnoses[place + 1 :] if covers(own, o.value)), None)
        if later is not None:
            yield found(
                (line.code, later.code),
                f"{later.value} goes before {line.value}.",
                authority=f"code first note at {own[0].node}; guideline I.A.13, FY2026",
                fix=Fix((line.code,), (line.code,)),
            )


@rule(
    "use-additional-order",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.A.13 and I.A.17, FY2026: use additional code notes ask for a secondary code",
    summary="A code in first place that a use additional code note of another one asks for as secondary.",
    sequencing=True,
)
def use_additional_order(coding: Coding) -> Iterator[Finding]:
    """Yield the first-listed code if a later line's own note asks for it as an additional code."""
    first = coding.first
    if first is None:
        return
    for line in coding.diagnoses[1:]:
        own = tuple(n for n in coding.fact(line).use_additional if n.node[:3] == line.value[:3])
        note = covers(own, first.value)
        if note is not None:
            yield found(
                (first.code, line.code),
                f"{line.value} asks for {first.value} as an additional code; it goes before it.",
                authority=f"use additional code note at {note.node}; guideline I.A.17, FY2026",
                fix=Fix((first.code,), (first.code,)),
            )
            return


@rule(
    "use-additional-missing",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline I.A.13, FY2026; use additional code notes of the Tabular List",
    summary="A code whose own note asks for an additional code that is not among the codes.",
)
def use_additional_missing(coding: Coding) -> Iterator[Finding]:
    """Yield each code whose own subcategory's note asks, without "if applicable", for a code that nobody gave."""
    for line in coding.diagnoses:
        own = tuple(
            n for n in coding.fact(line).use_additional if len(n.node) > 3 and n.ranges and "-" not in n.node
        )
        if not own or any("applicable" in n.text or "if known" in n.text for n in own):
            continue
        if not any(covers(own, other) for other in coding.values):
            named = ", ".join(dict.fromkeys(span.first for note in own for span in note.ranges[:2]))
            yield found(
                (line.code,),
                f"{line.value} asks for an additional code, if the note documents it: {named}.",
                authority=f"use additional code note at {own[0].node}; guideline I.A.13, FY2026",
            )


@rule(
    "code-also",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline I.A.17, FY2026; code also notes of the Tabular List",
    summary="A code whose code also note names conditions that may have to be coded beside it.",
)
def code_also(coding: Coding) -> Iterator[Finding]:
    """Yield each code whose own code also note names codes none of which is there; order is free."""
    for line in coding.diagnoses:
        own = tuple(n for n in _exact(coding.fact(line).code_also, line) if "applicable" not in n.text)
        if own and not any(covers(own, other) for other in coding.values):
            named = ", ".join(dict.fromkeys(span.first for note in own for span in note.ranges[:2]))
            yield found(
                (line.code,),
                f"{line.value}: code also, if documented, {named}.",
                authority=f"code also note at {own[0].node}; guideline I.A.17, FY2026",
            )


@rule(
    "unspecified-beside-specific",
    Severity.WARNING,
    authority="ICD-10-CM guidelines I.A.9.b and I.B.2, FY2026: unspecified codes are for notes that say no more",
    summary="An unspecified code beside a specific one of the same subcategory.",
    settles=True,
)
def unspecified_beside_specific(coding: Coding) -> Iterator[Finding]:
    """Yield each unspecified code whose direct neighbour in the book, sided or specific, is also coded."""
    for lines in coding.by_category.values():
        for line in lines:
            facts = coding.fact(line)
            if not facts.unspecified or facts.side or coding.facts.sides(line.value):
                continue  # sides have rules of their own
            rival = next(
                (o for o in lines if o.value != line.value and not coding.fact(o).unspecified
                 and o.value in coding.facts.siblings(line.value)),
                None,
            )  # fmt: skip
            if rival is not None:
                yield found(
                    (line.code, rival.code),
                    f"{line.value} is unspecified and {rival.value} is not; the specific one says it all.",
                    fix=Fix((line.code,), ()),
                )
