"""In which order the selected codes would stand: what the visit was for comes first.

Guideline IV.G (outpatient): first the condition chiefly responsible for the services; II (inpatient):
the principal diagnosis. The author's own lists say it best: the final diagnosis list, then the
admission or preoperative one, then the reason for the visit, then the text. Some codes may only be first
(I.C.21.c.16), external causes never are (I.C.20.a.6), status and history codes follow conditions.
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
EXTERNAL = frozenset("VWXY")
# What follows the code that it belongs to, by prefix, and why (I.C.1.b, I.C.18.e, I.C.18.i, I.C.21.c.3).
NEVER_FIRST = {
    "B95": "it names the organism of a disease classified elsewhere",
    "B96": "it names the organism of a disease classified elsewhere",
    "B97": "it names the organism of a disease classified elsewhere",
    "R29.7": "the stroke scale follows the stroke",
    "R40.21": "the coma scale follows the diagnosis",
    "R40.22": "the coma scale follows the diagnosis",
    "R40.23": "the coma scale follows the diagnosis",
    "R40.24": "the coma scale follows the diagnosis",
    "R65.2": "severe sepsis follows the infection",
    "Z16": "resistance follows the infection",
    "Z37": "the outcome follows the delivery",
    "Z3A": "weeks of gestation follow the obstetric code",
    "Z68": "the body mass index follows its condition",
    "Z67": "the blood type follows the reason for the visit",
    "Z66": "a status is no reason for an encounter",
}
# Statuses, histories and long-term drugs: no reason for an encounter while another stands beside it (I.C.21.c.3, c.4).
STATUS = (
    "Z14", "Z15", "Z17", "Z18", "Z19", "Z28", "Z33.1", "Z72.0", "Z74", "Z78", "Z79", "Z80", "Z81", "Z82", "Z83",
    "Z84", "Z85", "Z86", "Z87", "Z88", "Z89", "Z90", "Z91", "Z92", "Z93", "Z94", "Z95", "Z96", "Z97", "Z98",
    "Z99.0", "Z99.11", "Z99.2", "Z99.3", "Z99.8",
)  # fmt: skip
# I.C.21.c.16; Z00.6 and Z52.9 are excepted there.
FIRST_ONLY = (
    "Z00", "Z01", "Z02", "Z04", "Z31.81", "Z31.83", "Z31.84", "Z33.2", "Z34", "Z38", "Z39", "Z40", "Z42",
    "Z51.0", "Z51.1", "Z52", "Z76.1", "Z76.2", "Z99.12",
)  # fmt: skip
_EXCEPTED = ("Z00.6", "Z52.9")
_NEVER = tuple(NEVER_FIRST)


def is_first_only(value: str) -> bool:
    """Say whether a code may only be listed first (I.C.21.c.16)."""
    return value.startswith(FIRST_ONLY) and not value.startswith(_EXCEPTED)


def _group(code: Code) -> int:
    """Return which codes come first by their nature, whatever the note's order."""
    value = code.value
    if code.system is not System.ICD10CM:
        return 1
    if is_first_only(value):
        return 0
    if value[0] in EXTERNAL or value.startswith(_NEVER):
        return 3
    return 2 if value.startswith(STATUS) else 1


def _standing(proposal: Proposal) -> tuple[int, int, float, str]:
    places = [
        (
            _ORDER.index(candidate.mention.section) if candidate.mention.section in _ORDER else len(_ORDER),
            candidate.mention.span.start,
        )
        for candidate in proposal.candidates
        if affirmed(candidate)
    ]
    section, start = min(places)
    return _group(proposal.code), section, float(start), proposal.code.value


def in_sequence(selected: Sequence[Proposal]) -> dict[Code, int]:
    """Return the place of each selected code within its system, 1 for first-listed."""
    sequence: dict[Code, int] = {}
    for system in System:
        ordered = sorted((p for p in selected if p.code.system is system), key=_standing)
        sequence.update({proposal.code: place for place, proposal in enumerate(ordered, 1)})
    return sequence
