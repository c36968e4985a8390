"""Which codes stand together: counts of notes, what they say of a code beside another, and how a pack keeps them."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

from coder_assist.suggest.company import FILE, Company

NOTES = [["I10", "E11.9"]] * 6 + [["I10"]] * 2 + [["H25.9", "66984", "66984"]] * 2 + [[]] * 10
COUNTED = Company.of(NOTES)


def test_notes_are_counted_not_mentions() -> None:
    """A code that a note carries twice counts once; notes without codes count among all."""
    assert COUNTED.notes == 20
    assert dict(zip(COUNTED.codes, COUNTED.carried.tolist(), strict=True)) == {
        "66984": 2, "E11.9": 6, "H25.9": 2, "I10": 8,
    }  # fmt: skip
    pairs = {(COUNTED.codes[a], COUNTED.codes[b]) for a, b in COUNTED.pairs}
    assert pairs == {("E11.9", "I10"), ("66984", "H25.9")} and COUNTED.together.tolist() == [2, 6]


def test_lifts_compare_shares() -> None:
    """The figure is the log of the share beside a code over the share of all notes, drawn towards it."""
    lifts = COUNTED.lifts(["E11.9"], ["I10", "H25.9", "E11.9"])[0]
    share = 8.1 / 20
    assert lifts[0] == pytest.approx(log(((6 + 3 * share) / 9 + 1e-4) / (share + 1e-4)))
    assert lifts[0] > 0 > lifts[1] and lifts[2] == 0.0


def test_unknown_codes_say_nothing() -> None:
    """A code that no note carries changes no other's chances, and nothing changes its own but its rarity."""
    assert COUNTED.lifts(["Z99.9"], ["I10", "H25.9"]) == pytest.approx(0.0)
    assert abs(COUNTED.lifts(["E11.9"], ["Z99.9"])[0, 0]) < 1.5
    assert COUNTED.lifts([], ["I10"]).shape == (0, 1)
    assert Company.of([]).lifts(["I10"], ["E11.9", "I10"]) == pytest.approx(0.0)


def test_pairs_can_be_left_out() -> None:
    """Without a pair its codes stand together no more, and are carried as before."""
    fewer = COUNTED.only(COUNTED.together > 2)
    assert fewer.carried.tolist() == COUNTED.carried.tolist()
    assert fewer.lifts(["H25.9"], ["66984"])[0, 0] < 0 < COUNTED.lifts(["H25.9"], ["66984"])[0, 0]


def test_counts_are_kept_in_a_pack(tmp_path: Path) -> None:
    """What is saved is loaded, a pack without has none, and arrays that do not fit are refused."""
    assert Company.load(tmp_path) is None
    COUNTED.save(tmp_path)
    loaded = Company.load(tmp_path)
    assert loaded is not None and loaded.notes == 20 and loaded.codes == COUNTED.codes
    asked = ["I10", "E11.9", "66984"]
    assert np.array_equal(loaded.lifts(asked, asked), COUNTED.lifts(asked, asked))
    np.savez_compressed(
        tmp_path / FILE, notes=1, codes=["I10"], carried=[1], pairs=np.array([[0, 1]]), together=[1]
    )
    with pytest.raises(ValueError, match=r"company\.npz must hold a count for each code and for each pair"):
        Company.load(tmp_path)
