"""What is known of each proposed code of an encounter, as named numbers.

One ``Proposal`` gathers all candidates of a code over the encounter's notes; ``features_of`` turns it
into the numbers that scoring (by hand or learnt) weighs. Every feature is listed in ``FEATURES`` with
what it means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coder_assist.types import (
    Candidate,
    Certainty,
    Code,
    Encounter,
    Experiencer,
    Polarity,
    SectionKind,
    Setting,
    System,
    Temporality,
)

K = SectionKind

SECTION_GROUPS: dict[str, frozenset[SectionKind]] = {
    "diagnosis_list": frozenset({K.DIAGNOSIS_POST, K.DIAGNOSIS_DISCHARGE, K.ASSESSMENT}),
    "diagnosis_early": frozenset({K.DIAGNOSIS_PRE, K.DIAGNOSIS_ADMISSION, K.INDICATION, K.CHIEF_COMPLAINT}),
    "narrative": frozenset({K.HISTORY_PRESENT, K.COURSE, K.OTHER}),
    "past_history": frozenset({K.HISTORY_PAST, K.HISTORY_SURGICAL}),
    "social_history": frozenset({K.HISTORY_SOCIAL}),
    "family_history": frozenset({K.HISTORY_FAMILY}),
    "review_of_systems": frozenset({K.REVIEW_OF_SYSTEMS}),
    "examination": frozenset({K.EXAMINATION}),
    "results": frozenset({K.RESULTS, K.FINDINGS}),
    "plan": frozenset({K.PLAN, K.INSTRUCTIONS}),
    "procedure_title": frozenset({K.PROCEDURE}),
    "procedure_body": frozenset({K.PROCEDURE_BODY, K.ANESTHESIA, K.ADMINISTRATIVE, K.COMPLICATIONS}),
    "medications": frozenset({K.MEDICATIONS, K.ALLERGIES}),
}
_GROUP_OF = {kind: group for group, kinds in SECTION_GROUPS.items() for kind in kinds}

FEATURES: dict[str, str] = {
    "match": "best match of a candidate's words, 0 to 1",
    "retrieved": "1 if every candidate came from retrieval, none from a term of the lexicon",
    "mended": "1 if every candidate needed an abbreviation expanded, a spelling mended or a shared head",
    "words": "content words of the longest matched term",
    "ambiguity": "number of other codes that the best matched term may mean (log)",
    "rank_in_term": "0 if the code is the first choice of its best term, 1 if not",
    "mentions": "affirmed mentions (log)",
    "all_mentions": "mentions of any assertion (log)",
    "negated_share": "share of mentions that are negated",
    "uncertain_share": "share of mentions that are uncertain",
    "historical_share": "share of mentions that are historical",
    "hypothetical_share": "share of mentions that are hypothetical",
    "family_share": "share of mentions that are about the family",
    "first_position": "place of the first affirmed mention in the note, 0 start to 1 end",
    **{f"in_{group}": f"1 if an affirmed mention stands in {group.replace('_', ' ')}" for group in SECTION_GROUPS},
    "symptom": "1 for chapter 18 (symptoms, signs, abnormal findings)",
    "status": "1 for chapter 21 (factors influencing health status)",
    "external_cause": "1 for chapter 20 (external causes)",
    "injury": "1 for chapter 19",
    "pregnancy": "1 for chapter 15",
    "neoplasm": "1 for chapter 2",
    "procedure": "1 for a procedure code",
    "inpatient": "1 for an inpatient encounter",
    "unspecified": "1 if the title says unspecified",
    "assumed": "number of choices the note is silent about",
    "prior": "how many charts carried the code in the prior counts (log)",
    "prior_category": "how many charts carried its category (log)",
    "competitors": "other proposals of the same category (log)",
    "stronger_sibling": "1 if a sibling of the category matches more words or stands in a better section",
    "proposals": "number of proposals of the encounter (log)",
    "has_diagnosis_list": "1 if the notes have a diagnosis list or assessment",
    "combination": "1 if the code follows from two conditions together",
    "history": "1 if the code follows from a condition of the past",
    "displaced": "1 if a combination of the encounter makes the code redundant",
    "from_drug": "1 if the code rests on a drug's name alone",
    "measured": "1 if the code rests on a number (body mass index, weeks)",
    "drug_support": "1 if a drug of the notes usually treats the condition",
}


@dataclass(slots=True)
class Proposal:
    """All candidates for one code in an encounter."""

    code: Code
    title: str
    candidates: list[Candidate] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    assumed: tuple[str, ...] = ()
    ambiguity: int = 0
    rank_in_term: int = 1
    position: float = 1.0
    displaced_by: str = ""

    @property
    def category(self) -> str:
        """The three-character category, or the whole code of another system."""
        return self.code.value[:3] if self.code.system is System.ICD10CM else self.code.value


@dataclass(frozen=True, slots=True)
class Context:
    """What scoring may know besides the proposal itself."""

    encounter: Encounter
    has_diagnosis_list: bool
    drug_conditions: frozenset[str]
    priors: Mapping[str, int]
    category_priors: Mapping[str, int]


def affirmed(candidate: Candidate) -> bool:
    """Say whether a candidate's mention holds for the patient: not denied, not a relative's, not "if"."""
    judged = candidate.mention.assertion
    return (
        judged.polarity is Polarity.AFFIRMED
        and judged.experiencer is Experiencer.PATIENT
        and judged.temporality is not Temporality.HYPOTHETICAL
    )


def section_group(kind: SectionKind) -> str:
    """Return the group of sections that scoring tells apart."""
    return _GROUP_OF[kind]


def _chapter_flags(code: Code) -> dict[str, float]:
    letter = code.value[0] if code.system is System.ICD10CM else ""
    return {
        "symptom": float(letter == "R"),
        "status": float(letter == "Z"),
        "external_cause": float(letter in ("V", "W", "X", "Y") and letter != ""),
        "injury": float(letter in ("S", "T") and letter != ""),
        "pregnancy": float(letter == "O"),
        "neoplasm": float(letter == "C" or code.value[:2] in ("D0", "D1", "D2", "D3", "D4")),
        "procedure": float(code.system is not System.ICD10CM),
    }


def _strength(proposal: Proposal) -> tuple[int, int]:
    best_section = 0
    longest = 0
    for candidate in proposal.candidates:
        if affirmed(candidate):
            group = section_group(candidate.mention.section)
            best_section = max(best_section, 2 if group in ("diagnosis_list", "procedure_title") else 1)
            longest = max(longest, len(candidate.term.split()))
    return best_section, longest


def features_of(proposals: Sequence[Proposal], context: Context) -> list[dict[str, float]]:
    """Return the features of each proposal, in order; the keys are those of ``FEATURES``."""
    by_category: dict[str, list[Proposal]] = {}
    for proposal in proposals:
        by_category.setdefault(proposal.category, []).append(proposal)
    strengths = {id(proposal): _strength(proposal) for proposal in proposals}
    rows = []
    for proposal in proposals:
        rivals = [other for other in by_category[proposal.category] if other is not proposal]
        rows.append(
            {
                **_of_candidates(proposal),
                **_chapter_flags(proposal.code),
                "inpatient": float(context.encounter.setting is Setting.INPATIENT),
                "unspecified": float("unspecified" in proposal.title.lower()),
                "assumed": float(len(proposal.assumed)),
                "prior": math.log1p(context.priors.get(proposal.code.value, 0)),
                "prior_category": math.log1p(context.category_priors.get(proposal.category, 0)),
                "competitors": math.log1p(len(rivals)),
                "stronger_sibling": float(any(strengths[id(r)] > strengths[id(proposal)] for r in rivals)),
                "proposals": math.log1p(len(proposals)),
                "has_diagnosis_list": float(context.has_diagnosis_list),
                "displaced": float(bool(proposal.displaced_by)),
                "drug_support": float(any(proposal.code.value.startswith(c) for c in context.drug_conditions)),
            }
        )
    return rows


def _of_candidates(proposal: Proposal) -> dict[str, float]:
    candidates = proposal.candidates
    total = len(candidates)
    good = [candidate for candidate in candidates if affirmed(candidate)]
    groups = {section_group(candidate.mention.section) for candidate in good}

    def share(test: str) -> float:
        tests = {
            "negated": lambda a: a.polarity is Polarity.NEGATED,
            "uncertain": lambda a: a.certainty is Certainty.UNCERTAIN,
            "historical": lambda a: a.temporality is Temporality.HISTORICAL,
            "hypothetical": lambda a: a.temporality is Temporality.HYPOTHETICAL,
            "family": lambda a: a.experiencer is Experiencer.FAMILY,
        }
        return sum(tests[test](candidate.mention.assertion) for candidate in candidates) / total

    return {
        "match": max(candidate.score for candidate in candidates),
        "retrieved": float(all(candidate.source == "retrieval" for candidate in candidates)),
        "mended": float(all(candidate.mention.source in ("mended", "shared") for candidate in candidates)),
        "words": float(max(len(candidate.term.split()) for candidate in candidates)),
        "ambiguity": math.log1p(proposal.ambiguity),
        "rank_in_term": float(proposal.rank_in_term),
        "combination": float(all(candidate.source == "combination" for candidate in candidates)),
        "history": float(all(candidate.source == "history" for candidate in candidates)),
        "from_drug": float(all(candidate.source == "drug" for candidate in candidates)),
        "measured": float(all(candidate.source == "measurement" for candidate in candidates)),
        "mentions": math.log1p(len(good)),
        "all_mentions": math.log1p(total),
        **{f"{test}_share": share(test) for test in ("negated", "uncertain", "historical", "hypothetical", "family")},
        "first_position": proposal.position,
        **{f"in_{group}": float(group in groups) for group in SECTION_GROUPS},
    }
