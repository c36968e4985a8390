"""The code book's own conventions: what its notes say of two codes, of order, of completeness."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from coder_assist.suggest.rules.coding import Coding
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.rules.facts import covers
from coder_assist.types import Finding, Severity


@rule(
    "excludes1",
    Severity.WARNING,
    authority="ICD-10-CM guideline I.A.12.a, FY2026",
    summary="Two codes that an Excludes1 note keeps apart, unless the two conditions are unrelated.",
)
def excludes1(coding: Coding) -> Iterator[Finding]:
    """Yield each pair of codes of which one's Excludes1 note, or one above it, names the other."""
    for one, other in combinations(coding.diagnoses, 2):
        for line, excluded in ((one, other), (other, one)):
            note = covers(coding.fact(line).excludes1, excluded.value)
            if note is not None and excluded.value != line.value:
                yield found(
                    (line.code, excluded.code),
                    f"{excluded.value} is excluded at {note.node}; report both only if the conditions are unrelated.",
                    authority=f"Excludes1 note at {note.node}; guideline I.A.12.a, FY2026",
                )
                break
