"""Which codes stand together on claims: counted in coded notes, kept as numbers of notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

FILE = "company.npz"
# A code seen in few notes says little of what it stands with: its share is drawn towards that of all notes.
SHRINK = 3.0
_RARE = 0.1
_LEAST_SHARE = 1e-4


@dataclass(frozen=True)
class Company:
    """How many of ``notes`` carry each of ``codes``, and each pair of them (by their places, in rising order)."""

    notes: int
    codes: tuple[str, ...]
    carried: Counts
    pairs: Counts
    together: Counts

    @classmethod
    def of(cls, notes: Iterable[Iterable[str]]) -> Company:
        """Count the codes that each note carries."""
        alone: Counter[str] = Counter()
        both: Counter[tuple[str, str]] = Counter()
        number = 0
        for carried in notes:
            number += 1
            codes = sorted(set(carried))
            alone.update(codes)
            both.update(combinations(codes, 2))
        place = {code: at for at, code in enumerate(sorted(alone))}
        pairs = sorted(both)
        return cls(
            number,
            tuple(place),
            np.array([alone[code] for code in place], dtype=np.int64),
            np.array([[place[a], place[b]] for a, b in pairs], dtype=np.int64).reshape(-1, 2),
            np.array([both[pair] for pair in pairs], dtype=np.int64),
        )

    def only(self, pairs: npt.NDArray[np.bool_]) -> Company:
        """Return the same without the pairs for which ``pairs`` is false."""
        return Company(self.notes, self.codes, self.carried, self.pairs[pairs], self.together[pairs])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {code: at for at, code in enumerate(self.codes)}

    @cached_property
    def _numbers(self) -> Counts:
        """One number for each pair, in rising order, and a last one that no pair has."""
        return np.append(self.pairs[:, 0] * len(self.codes) + self.pairs[:, 1], np.iinfo(np.int64).max)

    def _both(self, first: Counts, second: Counts) -> Counts:
        """Return how many notes carry both codes, by their places; -1 is a code that no note carries."""
        low, high = np.minimum(first, second), np.maximum(first, second)
        wanted = low * len(self.codes) + high
        places = self._numbers.searchsorted(wanted)
        found = (self._numbers[places] == wanted) & (low >= 0)
        return np.where(found, np.append(self.together, 0)[places], 0)

    def lifts(self, told: Sequence[str], codes: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return by how much a note that carries each code of ``told`` is likelier to carry each of ``codes``.

        A row for each code of ``told``; log of the shares' quotient, 0 for a code and itself.
        """
        carried = np.append(self.carried, 0)
        given, asked = (
            np.array([self._places.get(code, -1) for code in some], dtype=np.int64) for some in (told, codes)
        )
        share = (carried[asked] + _RARE) / max(1, self.notes)
        together = self._both(given[:, np.newaxis], asked)
        with_it = (together + SHRINK * share) / (carried[given] + SHRINK)[:, np.newaxis]
        lifts = np.log((with_it + _LEAST_SHARE) / (share + _LEAST_SHARE))
        lifts[np.array(told, dtype=object)[:, np.newaxis] == np.array(codes, dtype=object)] = 0.0
        return np.asarray(lifts)

    def save(self, directory: Path) -> None:
        """Write ``company.npz``."""
        np.savez_compressed(
            directory / FILE,
            allow_pickle=False,
            notes=np.array(self.notes),
            codes=np.array(self.codes, dtype=np.str_),
            carried=self.carried.astype(np.uint32),
            pairs=self.pairs.astype(np.uint32),
            together=self.together.astype(np.uint32),
        )

    @classmethod
    def load(cls, directory: Path) -> Company | None:
        """Read what ``save`` wrote; ``None`` if there is none. Raises ``ValueError`` for arrays that do not fit."""
        if not (directory / FILE).is_file():
            return None
        with np.load(directory / FILE, allow_pickle=False) as saved:
            codes = tuple(saved["codes"].tolist())
            carried, pairs, together = (
                saved[name].astype(np.int64) for name in ("carried", "pairs", "together")
            )
            notes = int(saved["notes"])
        fits = (
            carried.shape == (len(codes),)
            and pairs.shape == (len(together), 2)
            and (pairs < len(codes)).all()
        )
        if not fits:
            raise ValueError(f"{FILE} must hold a count for each code and for each pair of them")
        return cls(notes, codes, carried, pairs, together)
