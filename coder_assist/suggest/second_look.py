"""A second look at each proposal, now that a first ranker has said how likely all of them are.

The first ranker sees each proposal by itself. The second, which decides, also sees what it said: of the proposal, of
its rivals in the category and on the same words, and of the codes that it usually stands with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coder_assist.suggest.company import Company
from coder_assist.suggest.forest import Ranks, table_of
from coder_assist.types import Candidate, Code, System

Shares = npt.NDArray[np.float64]

# The features, in the order of the columns.
SECOND_LOOK: dict[str, str] = {
    "first_look": "probability by the first ranker",
    "first_look_place": "proposals of its code system that the first ranker holds likelier",
    "first_look_codes": "codes of its system that the first ranker expects of the encounter",
    "first_look_best": "probability of the likeliest proposal of the encounter by the first ranker",
    "rival_in_category": "highest first probability of another proposal of the same three characters; -1 without one",
    "rival_on_words": "highest first probability of another proposal of its system whose mentions overlap; -1 without one",
    "rivals_on_words": "other proposals of its system whose mentions overlap",
    "company": "how much likelier the code is beside the likely others (mean log of the shares' quotient)",
    "company_best": "the same beside the one that speaks for it most; 0 without one",
    "company_worst": "the same beside the one that speaks against it most; 0 without one",
}
NO_RIVAL = -1.0
# So many mentions of a code are looked at.
MOST_MENTIONS = 8
# From which first probability on another code is company, and from which it may speak alone.
_LIKELY, _TELLING = 0.15, 0.3
# What stands beside the weights of company: the mean of little company is near 0.
_DOUBT = 0.3


def columns(
    codes: Sequence[Code], held: Sequence[Sequence[Candidate]], likely: Shares, company: Company
) -> Shares:
    """Return the features ``SECOND_LOOK`` of proposals, one row each.

    ``held`` are the candidates of each that hold for the patient, ``likely`` what the first ranker says.
    """
    count = len(codes)
    table = np.zeros((count, len(SECOND_LOOK)))
    if not count:
        return table
    systems = np.array([list(System).index(code.system) for code in codes])
    same_system = systems[:, np.newaxis] == systems
    table[:, 0] = likely
    table[:, 1] = (same_system & (likely > likely[:, np.newaxis])).sum(axis=1)
    table[:, 2] = (same_system * likely).sum(axis=1)
    table[:, 3] = likely.max()
    families = np.array([code.value[:3] for code in codes])
    others = same_system & ~np.eye(count, dtype=bool)
    table[:, 4] = _highest(likely, others & (families[:, np.newaxis] == families))
    on_words = others & _overlapping(held)
    table[:, 5] = _highest(likely, on_words)
    table[:, 6] = on_words.sum(axis=1)
    told = np.flatnonzero(likely > _LIKELY)
    if len(told):
        values = [code.value for code in codes]
        lifts = company.lifts([values[at] for at in told], values)
        weights = likely[told]
        table[:, 7] = weights @ lifts / (weights.sum() + _DOUBT)
        telling = lifts[weights > _TELLING]
        if len(telling):
            table[:, 8], table[:, 9] = telling.max(axis=0, initial=0), telling.min(axis=0, initial=0)
    return table


def _highest(likely: Shares, rivals: npt.NDArray[np.bool_]) -> Shares:
    return np.asarray(np.where(rivals, likely, NO_RIVAL).max(axis=1))


def _overlapping(held: Sequence[Sequence[Candidate]]) -> npt.NDArray[np.bool_]:
    """Say for each two proposals whether a mention of one overlaps one of the other."""
    found = np.zeros((len(held), len(held)), dtype=bool)
    spans = [
        (owner, candidate.note_id, candidate.mention.span)
        for owner, candidates in enumerate(held)
        for candidate in candidates[:MOST_MENTIONS]
    ]
    if spans:
        notes = {note: number for number, note in enumerate(dict.fromkeys(note for _, note, _ in spans))}
        owners, of, starts, ends = np.array(
            [(owner, notes[note], span.start, span.end) for owner, note, span in spans]
        ).T
        meet = (
            (starts[:, np.newaxis] < ends) & (starts < ends[:, np.newaxis]) & (of[:, np.newaxis] == of)
        ).nonzero()
        found[owners[meet[0]], owners[meet[1]]] = True
    return found


def seen_first(names: Iterable[str]) -> list[str]:
    """Return the features that a first ranker sees of those that a ranker is trained on, in their order."""
    return [name for name in names if name not in SECOND_LOOK]


@dataclass(frozen=True)
class SecondLook:
    """The first ranker with the features ``names`` that it sees, and which codes stand together."""

    first: Ranks
    names: tuple[str, ...]
    company: Company

    def features(
        self,
        codes: Sequence[Code],
        held: Sequence[Sequence[Candidate]],
        rows: Sequence[Mapping[str, float]],
    ) -> list[dict[str, float]]:
        """Return the features ``SECOND_LOOK`` of proposals, whose other features are ``rows``."""
        if not rows:
            return []
        likely = self.first.probabilities(table_of(rows, self.names))
        table = columns(codes, held, likely, self.company)
        return [dict(zip(SECOND_LOOK, row, strict=True)) for row in table.tolist()]
