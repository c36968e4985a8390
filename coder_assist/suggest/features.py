"""What is known of each proposed code of an encounter, as named numbers.

One ``Proposal`` gathers all candidates of a code over the encounter's notes; ``features_of`` turns it
into the numbers that scoring (by hand or learnt) weighs. Every feature is listed in ``FEATURES`` with
what it means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from unicodedata import normalize

from rapidfuzz import fuzz

from coder_assist.suggest.second_look import SECOND_LOOK, SecondLook
from coder_assist.suggest.vicinity import Vicinity
from coder_assist.text.performance import NOT_DONE, Performance
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
    "first_position": "characters of the note before the first mention (log)",
    **{
        f"in_{group}": f"1 if an affirmed mention stands in {group.replace('_', ' ')}"
        for group in SECTION_GROUPS
    },
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
    "requirement": "procedures: 1 if the cues that set it apart stand in the notes, -1 if they do not, 0 if none needed",
    "excluded": "procedures: 1 if a contradicting cue stands in the notes",
    "performed": "procedures: 1 if a note says that it was done today, -1 if it only stands where others' work is told",
    "family_rivals": "procedures: other proposals of its family (log)",
    "family_best": "procedures: 1 if none of its family fits better",
    "list_place": "place within the diagnosis list, 1 first (log; 99 where it is in none)",
    "rank_in_category": "place by fit among the proposals of its category (log)",
    "same_words": "other proposals that rest on the very same words (log)",
    "best_same_words": "1 if no proposal on the same words fits better",
    "operative": "1 if the notes are about an operation",
    "diagnoses_listed": "proposals that stand in a diagnosis list (log)",
    "chapter": "the code's chapter, by number of its letter",
    "affirmed_share": "share of mentions that hold for the patient now",
    "memory_precision": "best precision of a remembered phrase for the code, shrunk",
    "memory_support": "notes behind that phrase (log)",
    "memory_phrases": "remembered phrases of the notes that speak for the code (log)",
    "from_memory": "1 if the code rests on remembered phrases alone",
    "alternative_rank": "place among the alternatives of a better proposal on the same words, 0 if proposed itself",
    "drug_support": "1 if a drug of the notes usually treats the condition",
    "seen_code": "how often the code was right when proposed, shrunk (log odds)",
    "seen_category": "how often codes of its category were right when proposed, shrunk (log odds)",
    "seen_words": "how often these words with this code were right, shrunk (log odds)",
    "seen_code_count": "how often the code was proposed (log)",
    "seen_words_count": "how often these words were proposed with this code (log)",
    "carried": "training notes that carry the code (log)",
    "carried_category": "training notes' codes of its category (log)",
    "carried_share": "share of the code among the codes of its category that training notes carry, shrunk",
    "memory_lift": "log odds of the remembered phrase's precision over the share of all notes that carry the code",
    "memory_second": "best precision of a second remembered phrase that stands elsewhere",
    "title_match": "how much of the code's title the best words say, 0 to 1",
    "vicinity_best": "how the words around the best mention speak for the code (log odds)",
    "vicinity_mean": "how the words around its mentions speak for the code on the whole (log odds)",
    "denied": "1 if no mention holds for the patient, in a pack whose gold codes such findings too",
    **SECOND_LOOK,
}


# The ``position`` of a code that only follows from others: behind everything in a note.
NOWHERE = 1_000_000


@dataclass(slots=True)
class Proposal:
    """All candidates for one code in an encounter.

    ``position`` tells how many characters stand before its first mention in a note: with no share of the whole in
    it, what is written further down changes nothing.
    ``corrected`` says how an addendum contradicts it, ``amended`` what it owes to one; ``copies`` are
    mentions that only repeat others.
    """

    code: Code
    title: str
    candidates: list[Candidate] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    assumed: tuple[str, ...] = ()
    ambiguity: int = 0
    rank_in_term: int = 1
    position: int = NOWHERE
    displaced_by: str = ""
    family: str = ""
    requirement: float = 0.0
    excluded: bool = False
    never_preselected: str = ""
    list_place: int = 99
    alternative_rank: int = 0
    memory_precision: float = 0.0
    memory_support: int = 0
    memory_phrases: int = 0
    corrected: str = ""
    amended: str = ""
    copies: list[Candidate] = field(default_factory=list)
    # Why nothing of it holds for the patient, in a pack that proposes such findings all the same.
    denied: str = ""

    @property
    def category(self) -> str:
        """The three-character category, or the whole code of another system."""
        return self.code.value[:3] if self.code.system is System.ICD10CM else self.code.value


class Recalls(Protocol):
    """What earlier proposals tell of a new one (see ``experience``)."""

    def features(self, proposal: Proposal) -> dict[str, float]:
        """Return named numbers about a proposal."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What scoring may know besides the proposal itself."""

    encounter: Encounter
    has_diagnosis_list: bool
    drug_conditions: frozenset[str]
    priors: Mapping[str, int]
    category_priors: Mapping[str, int]
    operative: bool = False
    experience: Recalls | None = None
    vicinity: Vicinity | None = None
    second_look: SecondLook | None = None


# What a mention's attribute ``performance`` says of a procedure that earns no code today.
NOT_TODAY = NOT_DONE | {Performance.BEFORE}
# Looked up once: ``affirmed`` is asked some hundred times a note, and a name costs less than a member of an enum.
_AFFIRMED, _PATIENT, _HYPOTHETICAL = Polarity.AFFIRMED, Experiencer.PATIENT, Temporality.HYPOTHETICAL
_UNCERTAIN, _HISTORICAL, _ICD = Certainty.UNCERTAIN, Temporality.HISTORICAL, System.ICD10CM


def affirmed(candidate: Candidate) -> bool:
    """Say whether a candidate's mention holds for the patient: not denied, not a relative's, not "if".

    A procedure that was planned, ordered, declined or done before does not hold either.
    """
    judged = candidate.mention.assertion
    return (
        judged.polarity is _AFFIRMED
        and judged.experiencer is _PATIENT
        and judged.temporality is not _HYPOTHETICAL
        and not (
            candidate.code.system is not _ICD and candidate.mention.attributes.get("performance") in NOT_TODAY
        )
    )


def plain(text: str) -> str:
    """Return words in lower case, with accents and ligatures in one form whichever a text uses.

    >>> plain("\ufb01brillation")
    'fibrillation'
    """
    return text.lower() if text.isascii() else normalize("NFKC", text).lower()


def section_group(kind: SectionKind) -> str:
    """Return the group of sections that scoring tells apart."""
    return _GROUP_OF[kind]


@lru_cache(maxsize=16384)
def _of_code(code: Code, title: str) -> Mapping[str, float]:
    """Return what the code and its title tell alone, whatever the note."""
    letter = code.value[0] if code.system is System.ICD10CM else ""
    return {
        "chapter": float(ord(code.value[0])),
        "unspecified": float("unspecified" in title.lower()),
        "symptom": float(letter == "R"),
        "status": float(letter == "Z"),
        "external_cause": float(letter in ("V", "W", "X", "Y") and letter != ""),
        "injury": float(letter in ("S", "T") and letter != ""),
        "pregnancy": float(letter == "O"),
        "neoplasm": float(letter == "C" or code.value[:2] in ("D0", "D1", "D2", "D3", "D4")),
        "procedure": float(code.system is not System.ICD10CM),
    }


Holding = Mapping[int, Sequence[Candidate]]  # the affirmed candidates of each proposal, by its ``id``
_TITLED = SECTION_GROUPS["diagnosis_list"] | SECTION_GROUPS["procedure_title"]


def _strength(good: Sequence[Candidate]) -> tuple[int, int]:
    if not good:
        return 0, 0
    titled = any(candidate.mention.section in _TITLED for candidate in good)
    return 2 if titled else 1, max(len(candidate.term.split()) for candidate in good)


def _fit(proposal: Proposal, strength: tuple[int, int]) -> tuple[float, ...]:
    """Return how well a proposal fits, for comparing rivals: larger is better."""
    section, words = strength
    return (
        -float(proposal.alternative_rank > 0),
        -float(proposal.excluded),
        proposal.requirement,
        -float(bool(proposal.displaced_by)),
        float(words),
        float(section),
        -float(proposal.rank_in_term),
        -float(len(proposal.assumed)),
        float(len(proposal.candidates)),
    )


def _rivalry(
    proposals: Sequence[Proposal], holding: Holding, strengths: Mapping[int, tuple[int, int]]
) -> list[dict[str, float]]:
    """Return for each proposal how it stands against its category, its family and its words."""
    fits = {id(proposal): _fit(proposal, strengths[id(proposal)]) for proposal in proposals}
    by_category: dict[str, list[Proposal]] = {}
    by_family: dict[str, list[Proposal]] = {}
    by_words: dict[tuple[str, int, int], list[Proposal]] = {}
    for proposal in proposals:
        by_category.setdefault(proposal.category, []).append(proposal)
        if proposal.family:
            by_family.setdefault(proposal.family, []).append(proposal)
        best = max(holding[id(proposal)], key=lambda candidate: candidate.score)
        place = (best.note_id, best.mention.span.start, best.mention.span.end)
        by_words.setdefault(place, []).append(proposal)
    same: dict[int, list[Proposal]] = {id(p): group for group in by_words.values() for p in group}
    rows = []
    for proposal in proposals:
        mine = fits[id(proposal)]
        category = by_category[proposal.category]
        family = by_family.get(proposal.family, [proposal])
        rows.append(
            {
                "rank_in_category": math.log1p(sum(fits[id(other)] > mine for other in category)),
                "family_rivals": math.log1p(len(family) - 1),
                "family_best": float(all(fits[id(other)] <= mine for other in family)),
                "same_words": math.log1p(len(same[id(proposal)]) - 1),
                "best_same_words": float(all(fits[id(other)] <= mine for other in same[id(proposal)])),
            }
        )
    return rows


def features_of(proposals: Sequence[Proposal], context: Context) -> list[dict[str, float]]:
    """Return the features of each proposal, in order; the keys are those of ``FEATURES``.

    What the context does not have (experience, vicinity, a second look) gives none.
    """
    by_category: dict[str, list[Proposal]] = {}
    for proposal in proposals:
        by_category.setdefault(proposal.category, []).append(proposal)
    holding = {id(proposal): list(filter(affirmed, proposal.candidates)) for proposal in proposals}
    strengths = {of: _strength(good) for of, good in holding.items()}
    rows = []
    listed = sum(
        any(c.mention.section in SECTION_GROUPS["diagnosis_list"] for c in good) for good in holding.values()
    )
    treated = tuple(context.drug_conditions)
    everywhere = {
        "operative": float(context.operative),
        "diagnoses_listed": math.log1p(listed),
        "inpatient": float(context.encounter.setting is Setting.INPATIENT),
        "proposals": math.log1p(len(proposals)),
        "has_diagnosis_list": float(context.has_diagnosis_list),
    }
    nearby: Sequence[Mapping[str, float]] = [{}] * len(proposals)
    if context.vicinity is not None:
        nearby = context.vicinity.features(context.encounter, [holding[id(p)] for p in proposals])
    rivalries = _rivalry(proposals, holding, strengths)
    for proposal, rivalry, near in zip(proposals, rivalries, nearby, strict=True):
        good = holding[id(proposal)]
        strength = strengths[id(proposal)]
        rivals = [other for other in by_category[proposal.category] if other is not proposal]
        rows.append(
            {
                **everywhere,
                **_of_code(proposal.code, proposal.title),
                **_of_candidates(proposal, good),
                **rivalry,
                **near,
                **(context.experience.features(proposal) if context.experience else {}),
                "memory_precision": proposal.memory_precision,
                "memory_support": math.log1p(proposal.memory_support),
                "memory_phrases": math.log1p(proposal.memory_phrases),
                "memory_second": _second_memory(proposal),
                "alternative_rank": float(proposal.alternative_rank),
                "title_match": _title_match(proposal, good),
                "denied": float(bool(proposal.denied)),
                "requirement": proposal.requirement,
                "excluded": float(proposal.excluded),
                "list_place": math.log1p(proposal.list_place),
                "assumed": float(len(proposal.assumed)),
                "prior": math.log1p(context.priors.get(proposal.code.value, 0)),
                "prior_category": math.log1p(context.category_priors.get(proposal.category, 0)),
                "competitors": math.log1p(len(rivals)),
                "stronger_sibling": float(any(strengths[id(rival)] > strength for rival in rivals)),
                "displaced": float(bool(proposal.displaced_by)),
                "drug_support": float(proposal.code.value.startswith(treated)),
            }
        )
    if context.second_look is not None:
        codes, held = [p.code for p in proposals], [holding[id(p)] for p in proposals]
        for row, seen_again in zip(rows, context.second_look.features(codes, held, rows), strict=True):
            row |= seen_again
    return rows


# Where a procedure's name alone may tell of orders, of history or of others' work.
_ONLY_NAMED = frozenset(
    {K.HISTORY_PRESENT, K.RESULTS, K.PLAN, K.ASSESSMENT, K.EXAMINATION, K.INDICATION, K.CHIEF_COMPLAINT}
)


def _performed(candidate: Candidate) -> float:
    if candidate.code.system is System.ICD10CM:
        return 0.0
    told = candidate.mention.attributes.get("performance")
    if told == Performance.NOW:
        return 1.0
    here = candidate.mention.section
    return -float(here in _ONLY_NAMED and (told != Performance.DONE or here is K.HISTORY_PRESENT))


def _second_memory(proposal: Proposal) -> float:
    scores = sorted((c.score for c in proposal.candidates if c.source == "memory"), reverse=True)
    return scores[1] if len(scores) > 1 else 0.0


def _title_match(proposal: Proposal, good: Sequence[Candidate]) -> float:
    """Return the best likeness of an affirmed mention's words to the title, whatever their order."""
    title = proposal.title.lower()
    texts = {plain(candidate.mention.text) for candidate in good}
    return max([fuzz.token_set_ratio(text, title) for text in texts], default=0.0) / 100


def _of_candidates(proposal: Proposal, good: Sequence[Candidate]) -> dict[str, float]:
    candidates = proposal.candidates
    total = len(candidates)
    groups = {section_group(candidate.mention.section) for candidate in good}
    sources = {candidate.source for candidate in candidates}
    negated = uncertain = historical = hypothetical = family = 0
    for candidate in candidates:
        judged = candidate.mention.assertion
        negated += judged.polarity is not _AFFIRMED
        uncertain += judged.certainty is _UNCERTAIN
        historical += judged.temporality is _HISTORICAL
        hypothetical += judged.temporality is _HYPOTHETICAL
        family += judged.experiencer is not _PATIENT
    only = next(iter(sources)) if len(sources) == 1 else ""
    return {
        **_IN_NO_GROUP,
        **{_IN_GROUP[group]: 1.0 for group in groups},
        "match": max([candidate.score for candidate in candidates]),
        "retrieved": float(only == "retrieval"),
        "mended": float(all(candidate.mention.source in ("mended", "shared") for candidate in candidates)),
        "words": float(max([len(candidate.term.split()) for candidate in candidates])),
        "ambiguity": math.log1p(proposal.ambiguity),
        "rank_in_term": float(proposal.rank_in_term),
        "combination": float(only == "combination"),
        "history": float(only == "history"),
        "from_memory": float(only == "memory"),
        "from_drug": float(only == "drug"),
        "measured": float(only == "measurement"),
        "mentions": math.log1p(len(good)),
        "all_mentions": math.log1p(total),
        "affirmed_share": len(good) / total,
        "negated_share": negated / total,
        "uncertain_share": uncertain / total,
        "historical_share": historical / total,
        "hypothetical_share": hypothetical / total,
        "family_share": family / total,
        "first_position": math.log1p(proposal.position),
        "performed": max(map(_performed, good), default=0.0),
    }


_IN_GROUP = {group: f"in_{group}" for group in SECTION_GROUPS}
_IN_NO_GROUP = dict.fromkeys(_IN_GROUP.values(), 0.0)
