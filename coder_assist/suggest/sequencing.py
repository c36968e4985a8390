"""In which order the selected codes would stand: what the visit was for comes first.

Guideline IV.G (outpatient): first the condition chiefly responsible for the services; II (inpatient):
the principal diagnosis. The author's own lists say it best: the final diagnosis list, then the
admission or preoperative one, then the reason for the visit, then the text. External causes are never
first (I.C.20.a.6), status and history codes follow conditions, symptoms follow diagnoses.
"""

from __future__ import annotations

from collections.abc import Sequence

from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Code, SectionKind, System

_ORDER = (
    SectionKind.DIAGNOSIS_POST,
    SectionKind.DIAGNOSIS_DISCHARGE,
    SectionKind.ASSESSMENT,
    SectionKind.DIAGNOSIS_PRE,
    SectionKind.DIAGNOSIS_ADMISSION,
    SectionKind.INDICATION,
    SectionKind.CHIEF_COMPLAINT,
    SectionKind.COURSE,
    SectionKind.HISTORY_PRESENT,
)


def _standing(proposal: Proposal) -> tuple[int, int, float, str]:
    letter = proposal.code.value[0]
    group = 2 if letter in "VWXY" else 1 if letter in "Z" else 0
    places = [
        (
            _ORDER.index(candidate.mention.section) if candidate.mention.section in _ORDER else len(_ORDER),
            candidate.mention.span.start,
        )
        for candidate in proposal.candidates
        if affirmed(candidate)
    ]
    section, start = min(places)
    return group, section, float(start), proposal.code.value


def in_sequence(selected: Sequence[Proposal]) -> dict[Code, int]:
    """Return the place of each selected code within its system, 1 for first-listed."""
    sequence: dict[Code, int] = {}
    for system in System:
        ordered = sorted((p for p in selected if p.code.system is system), key=_standing)
        sequence.update({proposal.code: place for place, proposal in enumerate(ordered, 1)})
    return sequence
