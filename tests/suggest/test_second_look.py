"""The second look: what a first ranker said of a proposal, of its rivals and of its company."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from coder_assist.suggest.company import Company
from coder_assist.suggest.second_look import SECOND_LOOK, SecondLook, columns
from coder_assist.types import (
    Assertion,
    Candidate,
    Code,
    Mention,
    MentionKind,
    SectionKind,
    Span,
    System,
)

CODES = [
    Code(System.ICD10CM, "S52.501A"),
    Code(System.ICD10CM, "S52.502A"),
    Code(System.ICD10CM, "I10"),
    Code(System.CPT, "25600"),
]
COMPANY = Company.of([["S52.501A", "25600"]] * 5 + [["I10"]] * 15)


def candidate(code: Code, start: int, end: int, note: str = "n") -> Candidate:
    """Return a candidate of a code on the characters of a note."""
    mention = Mention(
        (Span(start, end),), MentionKind.DIAGNOSIS, "x" * (end - start), SectionKind.OTHER, Assertion()
    )
    return Candidate(mention, code, "synonym", "x", 1.0, note)


HELD = [
    [candidate(CODES[0], 10, 30)],
    [candidate(CODES[1], 20, 40), candidate(CODES[1], 50, 60)],
    [candidate(CODES[2], 10, 30, "another")],
    [candidate(CODES[3], 10, 30)],
]
LIKELY = np.array([0.6, 0.2, 0.1, 0.4])


def table(likely: npt.NDArray[np.float64] = LIKELY) -> dict[str, list[float]]:
    """Return the features by name."""
    found = columns(CODES, HELD, likely, COMPANY)
    return {name: column.tolist() for name, column in zip(SECOND_LOOK, found.T, strict=True)}


def test_places_and_sums_are_those_of_the_system() -> None:
    """Diagnoses stand against diagnoses, procedures against procedures; the likeliest of all is told to all."""
    found = table()
    assert found["first_look"] == LIKELY.tolist()
    assert found["first_look_place"] == [0, 1, 2, 0]
    assert found["first_look_codes"] == pytest.approx([0.9, 0.9, 0.9, 0.4])
    assert found["first_look_best"] == [0.6] * 4


def test_rivals_share_the_category_or_the_words() -> None:
    """A rival has the same three characters, or a mention that overlaps in the same note, in the same system."""
    found = table()
    assert found["rival_in_category"] == [0.2, 0.6, -1.0, -1.0]
    assert found["rival_on_words"] == [0.2, 0.6, -1.0, -1.0]
    assert found["rivals_on_words"] == [1, 1, 0, 0]


def test_company_is_what_stands_with_the_likely_ones() -> None:
    """What usually stands with the fracture is likelier beside it, what never does is less likely."""
    found = table()
    assert found["company"][3] > 0 > found["company"][2]
    assert found["company_best"][3] > found["company"][3] and found["company_worst"][2] < 0
    assert found["company_best"][0] == pytest.approx(COMPANY.lifts(["25600"], ["S52.501A"])[0, 0])
    unlikely = table(LIKELY / 10)
    assert unlikely["company"] == unlikely["company_best"] == unlikely["company_worst"] == [0.0] * 4


def test_no_proposals_have_no_features() -> None:
    """An encounter without proposals is looked at for nothing."""
    assert columns([], [], np.zeros(0), COMPANY).shape == (0, len(SECOND_LOOK))
    assert columns(CODES[:1], [[]], np.array([0.5]), COMPANY)[0, 5:7].tolist() == [-1.0, 0.0]


@dataclass
class Halved:
    """A first ranker that halves the first feature."""

    asked: list[npt.NDArray[np.float64]]

    def probabilities(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        self.asked.append(rows)
        return np.asarray(rows[:, 0] / 2)


def test_the_first_ranker_sees_its_features_alone() -> None:
    """It is asked once for all proposals, with its own features in its own order."""
    first = Halved([])
    look = SecondLook(first, ("match", "words"), COMPANY)
    rows = [{"words": 2.0, "other": 9.0, "match": value} for value in (1.0, 0.4, 0.2, 0.8)]
    found = look.features(CODES, HELD, rows)
    assert [asked.tolist() for asked in first.asked] == [[[1.0, 2.0], [0.4, 2.0], [0.2, 2.0], [0.8, 2.0]]]
    assert [list(row) for row in found] == [list(SECOND_LOOK)] * 4
    assert [row["first_look"] for row in found] == [0.5, 0.2, 0.1, 0.4]
    assert look.features([], [], []) == []
