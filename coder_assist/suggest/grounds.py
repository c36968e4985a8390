"""What a suggestion says for itself: its evidence, its reasons, and why a code is held back."""

from __future__ import annotations

from collections import Counter

from coder_assist.suggest.features import Proposal, affirmed, section_group
from coder_assist.text.performance import Performance
from coder_assist.types import (
    Candidate,
    Certainty,
    Encounter,
    Evidence,
    Experiencer,
    Polarity,
    SectionKind,
    Setting,
    System,
    Temporality,
)

MOST_EVIDENCE = 6

_EVIDENCE_ORDER = (
    "diagnosis_list",
    "procedure_title",
    "diagnosis_early",
    "narrative",
    "plan",
    "past_history",
)


# What a note says of a procedure that was not done for this encounter; the first that is said is the reason.
_NOT_PERFORMED = {
    Performance.DECLINED: "declined or not done",
    Performance.PLANNED: "planned, not performed",
    Performance.ORDERED: "ordered or recommended, not performed",
    Performance.BEFORE: "done before this encounter",
}


def why(proposal: Proposal, encounter: Encounter) -> tuple[str, ...]:
    """Return why a code is proposed, the best source first, then what was assumed, lowered or held open."""
    best = max(proposal.candidates, key=lambda candidate: (affirmed(candidate), candidate.score))
    reasons = [f"{best.source}: {best.term}"]
    if proposal.denied:
        reasons.append(f"others would withhold it: {proposal.denied}")
    if proposal.assumed:
        reasons.append("assumed: " + ", ".join(dict.fromkeys(proposal.assumed)))
    if proposal.corrected:
        reasons.append(f"lowered: {proposal.corrected}")
    if proposal.amended:
        reasons.append(proposal.amended)
    if proposal.never_preselected:
        reasons.append(f"not preselected: {proposal.never_preselected}")
    if only_uncertain(proposal, encounter):
        where = "outpatient" if encounter.setting is Setting.OUTPATIENT else "professional claim"
        reasons.append(f"not preselected: {where}, uncertain diagnosis (guideline IV.H)")
    return tuple(reasons)


def only_uncertain(proposal: Proposal, encounter: Encounter) -> bool:
    """Say whether a code rests on uncertain mentions alone where those may not be coded (guideline IV.H)."""
    if encounter.uncertain_as_established:
        return False
    return all(
        candidate.mention.assertion.certainty is Certainty.UNCERTAIN
        for candidate in proposal.candidates
        if affirmed(candidate)
    )


def reason_withheld(proposal: Proposal) -> str:
    """Return why a proposal without an affirmed mention is held back."""
    judged = [candidate.mention.assertion for candidate in proposal.candidates]
    if proposal.code.system is not System.ICD10CM:
        told = {candidate.mention.attributes.get("performance", "") for candidate in proposal.candidates}
        for performance, reason in _NOT_PERFORMED.items():
            if performance in told:
                return reason
    if any(a.experiencer is Experiencer.FAMILY for a in judged):
        return "family history"
    if any(a.polarity is Polarity.NEGATED and "rule" in a.cue for a in judged):
        return "ruled out"
    if any(a.polarity is Polarity.NEGATED for a in judged):
        return "negated"
    if any(a.temporality is Temporality.HYPOTHETICAL for a in judged):
        return "hypothetical or planned"
    return "not about the patient's present state"


def evidence_of(proposal: Proposal, texts: dict[str, str], affirmed_only: bool) -> tuple[Evidence, ...]:
    """Return the phrases a code rests on, the most telling section first, the longest phrase where they overlap."""

    def order(candidate: Candidate) -> tuple[int, str, int, int]:
        group = section_group(candidate.mention.section)
        rank = _EVIDENCE_ORDER.index(group) if group in _EVIDENCE_ORDER else len(_EVIDENCE_ORDER)
        span = candidate.mention.span
        return rank, candidate.note_id, -len(span), span.start

    found: list[Evidence] = []
    for candidate in (*sorted(proposal.candidates, key=order), *sorted(proposal.copies, key=order)):
        if affirmed_only and not affirmed(candidate):
            continue
        section: SectionKind = candidate.mention.section
        for span in candidate.mention.spans:
            inside = any(e.note_id == candidate.note_id and e.span.overlaps(span) for e in found)
            if not inside:
                found.append(Evidence(candidate.note_id, span, span.slice(texts[candidate.note_id]), section))
    if len(texts) > 1:
        # The best of each note before the second of any.
        nth: Counter[str] = Counter()
        places = []
        for evidence in found:
            places.append(nth[evidence.note_id])
            nth[evidence.note_id] += 1
        found = [
            evidence for _, evidence in sorted(zip(places, found, strict=True), key=lambda pair: pair[0])
        ]
    return tuple(found[:MOST_EVIDENCE])
