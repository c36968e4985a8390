"""Whether the right code is within reach at the words that support it, and why not where it is not.

For each required gold code with evidence: is it among the first 20 candidates of a mention that overlaps the
evidence? Candidates of a mention are the proposals that rest on it, by the pack's score, then their
alternatives in turn. That bounds what any ranking or review from these mentions can find.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from coder_assist.codes import Library
from coder_assist.errors import UnknownCode
from coder_assist.measure import meets, wilson
from coder_assist.suggest import Coder
from coder_assist.suggest.features import Proposal, affirmed, features_of
from coder_assist.suggest.wire import read_record
from coder_assist.types import Code, Span, System

FIRST = 20

# Why a code is out of reach, the nearest miss first.
CLASSES: dict[str, str] = {
    "below the top": "proposed at the evidence, but not among the first candidates",
    "withheld": "the words name it, but every mention is negated, of the family or hypothetical",
    "elsewhere": "proposed, but for other words of the note",
    "episode": "another 7th character",
    "laterality": "another side",
    "unspecified though stated": "only the unspecified code of its category",
    "specified though unspecified": "the unspecified code, where only specified ones were offered",
    "sibling": "another code of its category",
    "other category": "the words are read as something else",
    "no mention": "the words are read as nothing",
    "not in the books": "no installed book has the code",
}

_SIDE = re.compile(r"\b(?:left|right|bilateral|unilateral|unspecified (?:side|ear|eye|limb|site))\b")
_VAGUE = re.compile(r"\bunspecified\b|\bnot otherwise specified\b")


@dataclass(frozen=True, slots=True)
class Reach:
    """One required code of one note: ``missed`` is empty if it is within reach, else one of ``CLASSES``.

    ``nearest`` is the code offered instead, if any.
    """

    note_id: str
    code: str
    missed: str
    nearest: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many required codes with evidence of a system are within reach, and what is missed by class."""

    system: str
    possible: int
    covered: int
    missed: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the share with its Wilson interval, and the misses by class."""
        low, high = wilson(self.covered, self.possible)
        return {
            "possible": self.possible,
            "covered": self.covered,
            "share": round(self.covered / self.possible, 4) if self.possible else None,
            "interval": [round(low, 4), round(high, 4)],
            "missed": self.missed,
        }


@dataclass(frozen=True, slots=True)
class Ranked:
    """A coded line with its supported proposals, best first, and those held back."""

    line: dict[str, Any]
    supported: list[Proposal]
    withheld: list[Proposal]


def rank(coder: Coder, lines: Iterable[dict[str, Any]]) -> Iterator[Ranked]:
    """Rank the proposals of coded lines by the coder's pack. Gold codes are never read."""
    for line in lines:
        encounter = read_record({key: value for key, value in line.items() if key != "codes"})
        proposals, context = coder.propose(encounter, coder.read_all(encounter), coder.pack.memory)
        supported = [proposal for proposal in proposals if any(map(affirmed, proposal.candidates))]
        scores = coder.pack.scorer.probabilities(features_of(supported, context))
        yield Ranked(line, by_score(supported, scores), held_back(proposals))


def by_score(proposals: Iterable[Proposal], scores: Iterable[float]) -> list[Proposal]:
    """Return proposals in the order of their scores, best first."""
    scored = sorted(zip(proposals, scores, strict=True), key=lambda item: (-item[1], item[0].code))
    return [proposal for proposal, _ in scored]


def held_back(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Return the proposals without an affirmed mention."""
    return [proposal for proposal in proposals if not any(map(affirmed, proposal.candidates))]


def coverage(ranked: Iterable[Ranked], library: Library, first: int = FIRST) -> dict[str, Coverage]:
    """Return the coverage of ranked lines by system, those with no required code with evidence left out."""
    found: dict[str, list[Reach]] = {}
    for one in ranked:
        for system, reach in reaches(one, library, first):
            found.setdefault(system, []).append(reach)
    result: dict[str, Coverage] = {}
    for system in (s.value for s in System if s.value in found):
        counts = Counter(reach.missed for reach in found[system])
        covered = counts.pop("", 0)
        missed = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        result[system] = Coverage(system, len(found[system]), covered, missed)
    return result


def reaches(ranked: Ranked, library: Library, first: int = FIRST) -> Iterator[tuple[str, Reach]]:
    """Yield for each required code with evidence its system, and whether it is within reach."""
    for gold in ranked.line["codes"]:
        if gold["status"] == "required" and gold.get("evidence"):
            missed, nearest = _judge(gold, ranked.supported, ranked.withheld, library, first)
            yield gold["system"], Reach(ranked.line["id"], gold["code"], missed, nearest)


def _overlapping(proposal: Proposal, spans: Sequence[Span], affirmed_only: bool) -> set[tuple[Span, ...]]:
    """Return the mentions of a proposal that overlap the evidence."""
    return {
        candidate.mention.spans
        for candidate in proposal.candidates
        if (not affirmed_only or affirmed(candidate))
        and any(mine.overlaps(span) for mine in candidate.mention.spans for span in spans)
    }


def _judge(
    gold: dict[str, Any],
    ranked: Sequence[Proposal],
    withheld: Sequence[Proposal],
    library: Library,
    first: int,
) -> tuple[str, str]:
    system, wanted = gold["system"], gold["code"]
    spans = [Span(piece["start"], piece["end"]) for piece in gold["evidence"]]
    by_mention: dict[tuple[Span, ...], list[Proposal]] = {}
    for proposal in ranked:
        for mention in _overlapping(proposal, spans, affirmed_only=True):
            by_mention.setdefault(mention, []).append(proposal)
    offered: list[str] = []
    for proposals in by_mention.values():
        candidates = candidates_of(proposals, system)
        if any(meets(system, wanted, code) for code in candidates[:first]):
            return "", ""
        offered += candidates
    near = next((code for code in offered if meets(system, wanted, code)), None)
    if near is not None:
        return "below the top", near
    if any(
        _is(p, system, wanted) and _overlapping(p, spans, affirmed_only=False) for p in (*withheld, *ranked)
    ):
        return "withheld", wanted
    if any(_is(proposal, system, wanted) for proposal in ranked):
        return "elsewhere", wanted
    if not title_of(library, system, wanted):
        return "not in the books", ""
    offered += [p.code.value for p in withheld if _overlapping(p, spans, affirmed_only=False)]
    read = bool(offered) or bool(by_mention)
    return _nearest(wanted, offered, library, system) or ("other category" if read else "no mention", "")


def candidates_of(proposals: Sequence[Proposal], system: str) -> list[str]:
    """Return a mention's candidate codes of a system: the proposals as ranked, then their alternatives in turn."""
    mine = [proposal for proposal in proposals if proposal.code.system == system]
    turns = zip_longest(*(proposal.alternatives for proposal in mine))
    alternatives = (code for turn in turns for code in turn if code is not None)
    return list(dict.fromkeys([*(proposal.code.value for proposal in mine), *alternatives]))


def _is(proposal: Proposal, system: str, wanted: str) -> bool:
    return proposal.code.system == system and meets(system, wanted, proposal.code.value)


def _nearest(wanted: str, offered: Sequence[str], library: Library, system: str) -> tuple[str, str] | None:
    """Return the class and code of the nearest offered code of the same category."""
    order = list(CLASSES)
    family = [code for code in dict.fromkeys(offered) if code[:3] == wanted[:3]]
    judged = [(_difference(wanted, code, library, system), code) for code in family]
    return min(judged, key=lambda item: order.index(item[0])) if judged else None


def _difference(wanted: str, code: str, library: Library, system: str) -> str:
    if system == System.ICD10CM and len(wanted) == 8 and wanted[:7] == code[:7]:
        return "episode"
    mine, other = (title_of(library, system, value).lower() for value in (wanted, code))
    if mine != other and _sideless(mine) == _sideless(other) and _SIDE.search(mine):
        return "laterality"
    vague, other_vague = len(_VAGUE.findall(mine)), len(_VAGUE.findall(other))
    if other_vague > vague:
        return "unspecified though stated"
    return "specified though unspecified" if vague > other_vague else "sibling"


def _sideless(title: str) -> str:
    """Return a title without its side: "pain in left knee" and "pain in unspecified knee" are one."""
    return " ".join(_VAGUE.sub(" ", _SIDE.sub(" ", title)).split())


def title_of(library: Library, system: str, code: str) -> str:
    """Return a code's title, empty for one that no installed book has."""
    try:
        return library.entry(Code(System(system), code)).title
    except UnknownCode:
        return ""
