"""Codes that conditions earn together, and codes that a condition of the past takes.

The knowledge is data (``combinations.tsv``, ``histories.tsv``), each row with its authority; this module
adds the proposals that follow from it and marks those that a combination makes redundant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from coder_assist.codes.sources import Combination, History, data_file, read_combinations, read_histories
from coder_assist.suggest.features import Proposal, affirmed
from coder_assist.types import Candidate, Code, System, Temporality

MakeProposal = Callable[[Code], Proposal | None]


class Combiner:
    """Adds combined and historical proposals. ``make`` turns a code into an empty proposal, if it exists."""

    def __init__(self, make: MakeProposal) -> None:
        self._make = make
        self._combinations: list[Combination] = list(read_combinations(data_file("combinations.tsv")))
        histories: Iterable[History] = read_histories(data_file("histories.tsv"))
        # The longest prefix speaks first: "C44" before "C".
        self._histories = sorted(histories, key=lambda history: (-len(history.condition), history.condition))

    def extend(self, proposals: dict[Code, Proposal]) -> None:
        """Add to ``proposals`` what follows from them, in place."""
        self._add_histories(proposals)
        for combination in self._combinations:
            self._combine(combination, proposals)

    def _add_histories(self, proposals: dict[Code, Proposal]) -> None:
        for proposal in list(proposals.values()):
            past = [
                c
                for c in proposal.candidates
                if affirmed(c) and c.mention.assertion.temporality is Temporality.HISTORICAL
            ]
            if not past or proposal.code.system is not System.ICD10CM:
                continue
            row = next((h for h in self._histories if proposal.code.value.startswith(h.condition)), None)
            if row is not None:
                self._extend(proposals, row.code, past, "history")

    def _combine(self, combination: Combination, proposals: dict[Code, Proposal]) -> None:
        parts: list[list[Proposal]] = []
        for prefixes in combination.conditions:
            part = [
                proposal
                for code, proposal in proposals.items()
                if code.system is System.ICD10CM
                and code.value.startswith(prefixes)
                and code.value != combination.code
                and any(map(affirmed, proposal.candidates))
            ]
            if not part:
                return
            parts.append(part)
        candidates = [candidate for part in parts for proposal in part for candidate in proposal.candidates]
        self._extend(proposals, combination.code, [c for c in candidates if affirmed(c)], "combination")
        for code in combination.replaces:
            replaced = proposals.get(Code(System.ICD10CM, code))
            if replaced is not None:
                replaced.displaced_by = combination.code

    def _extend(
        self, proposals: dict[Code, Proposal], value: str, candidates: list[Candidate], source: str
    ) -> None:
        code = Code(System.ICD10CM, value)
        proposal = proposals.get(code) or self._make(code)
        if proposal is None:
            return
        proposals[code] = proposal
        known = {(c.note_id, c.mention.spans) for c in proposal.candidates}
        proposal.candidates += [
            Candidate(c.mention, code, source, c.term, c.score * 0.9, c.note_id)
            for c in candidates
            if (c.note_id, c.mention.spans) not in known
        ]
        proposal.rank_in_term = 0
