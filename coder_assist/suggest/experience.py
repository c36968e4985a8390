"""What became of earlier proposals: how often a code, its category or its words were right.

Counts come from coded notes; rates are shrunk towards the rate one level up, so that a code seen
twice says little and a code seen fifty times says much. Words are kept as 64-bit hashes, never as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from coder_assist.suggest.features import Proposal, affirmed, plain

SHRINK = 4.0


def keyed_words(proposal: Proposal) -> dict[str, str]:
    """Return the words of a proposal's affirmed candidates, by the hash of them with the code."""
    texts = {plain(c.mention.text) for c in proposal.candidates if affirmed(c)}
    return {_words_key(text, proposal.code.value): text for text in texts}


@lru_cache(maxsize=65536)
def _words_key(text: str, code: str) -> str:
    return blake2b(f"{text}|{code}".encode(), digest_size=8).hexdigest()


def word_keys(proposal: Proposal) -> list[str]:
    """Return the hashed words-with-code pairs of a proposal's affirmed candidates, each once."""
    return sorted(keyed_words(proposal))


def _log_odds(rate: float) -> float:
    rate = min(0.99, max(0.01, rate))
    return math.log(rate / (1 - rate))


@dataclass
class Experience:
    """Counts ``[right, proposed]`` by code, category and hashed words, and over everything.

    ``carried`` counts the coded notes that carry each code, proposed or not, of ``notes`` in all.
    """

    codes: dict[str, list[int]] = field(default_factory=dict)
    categories: dict[str, list[int]] = field(default_factory=dict)
    words: dict[str, list[int]] = field(default_factory=dict)
    total: list[int] = field(default_factory=lambda: [1, 4])
    carried: dict[str, int] = field(default_factory=dict)
    notes: int = 0
    _families: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for code, count in self.carried.items():
            self._families[code[:3]] = self._families.get(code[:3], 0) + count

    def carry(self, codes: Iterable[str]) -> None:
        """Count the codes that one note carries, proposed or not."""
        self.notes += 1
        for code in codes:
            self.carried[code] = self.carried.get(code, 0) + 1
            self._families[code[:3]] = self._families.get(code[:3], 0) + 1

    def add(self, proposal: Proposal, right: bool) -> None:
        """Count one proposal and whether it was right."""
        places = [(self.codes, proposal.code.value), (self.categories, proposal.category)]
        places += [(self.words, key) for key in word_keys(proposal)]
        for table, key in places:
            counts = table.setdefault(key, [0, 0])
            counts[0] += right
            counts[1] += 1
        self.total[0] += right
        self.total[1] += 1

    def features(self, proposal: Proposal) -> dict[str, float]:
        """Return the ``seen_`` features of a proposal."""
        base = self.total[0] / self.total[1]
        category = self._rate(self.categories.get(proposal.category), base)
        code_counts = self.codes.get(proposal.code.value)
        code = self._rate(code_counts, category)
        seen = self._sum(map(self.words.get, keyed_words(proposal)))
        return {
            "seen_code": _log_odds(code),
            "seen_category": _log_odds(category),
            "seen_words": _log_odds(self._rate(seen, code)),
            "seen_code_count": math.log1p(code_counts[1] if code_counts else 0),
            "seen_words_count": math.log1p(seen[1]),
            **self._carried(proposal),
        }

    def _carried(self, proposal: Proposal) -> dict[str, float]:
        carried = self.carried.get(proposal.code.value, 0)
        family = self._families.get(proposal.code.value[:3], 0)
        everywhere = (carried + 0.5) / (self.notes + SHRINK)
        return {
            "carried": math.log1p(carried),
            "carried_category": math.log1p(family),
            "carried_share": (carried + 0.2) / (family + 1.0),
            "memory_lift": _log_odds(proposal.memory_precision) - _log_odds(everywhere)
            if proposal.memory_precision
            else 0.0,
        }

    @staticmethod
    def _sum(counts: Iterable[list[int] | None]) -> list[int]:
        right = proposed = 0
        for pair in counts:
            if pair is not None:
                right, proposed = right + pair[0], proposed + pair[1]
        return [right, proposed]

    @staticmethod
    def _rate(counts: list[int] | None, prior: float) -> float:
        right, proposed = counts or (0, 0)
        return (right + SHRINK * prior) / (proposed + SHRINK)

    def as_json(self, least: int = 1) -> dict[str, object]:
        """Return the counts for a pack; word pairs seen fewer than ``least`` times are left out."""
        kept = {key: counts for key, counts in sorted(self.words.items()) if counts[1] >= least}
        return {
            "codes": self.codes,
            "categories": self.categories,
            "words": kept,
            "total": self.total,
            "carried": self.carried,
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Experience:
        """Read what ``as_json`` wrote."""
        return cls(
            dict(data["codes"]),
            dict(data["categories"]),
            dict(data["words"]),
            list(data["total"]),
            dict(data.get("carried", {})),
            int(data.get("notes", 0)),
        )
