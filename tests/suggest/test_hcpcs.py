"""HCPCS Level II in notes: services are suggested, supplies only where they were given, look-ups never."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_assist.codes.listings import read_hcpcs
from coder_assist.codes.sources import data_file, read_procedures
from coder_assist.suggest import Coder
from coder_assist.types import Note, Suggestion, System

OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "official" / "hcpcs-level2-2025.tsv.gz"


def hcpcs(coder: Coder, text: str) -> dict[str, Suggestion]:
    return {
        s.code.value: s for s in coder.suggest(Note("n", text)).suggestions if s.code.system is System.HCPCS
    }


@pytest.mark.shared
@pytest.mark.skipif(not OFFICIAL.is_file(), reason="needs ../shared/data/official")
def test_every_code_is_in_the_official_list() -> None:
    """Every row names a code of CMS's list, once, and no label of ours repeats CMS's longer descriptions."""
    official = {row.code: row.title.lower() for row in read_hcpcs(OFFICIAL)}
    rows = list(read_procedures(data_file("hcpcs.tsv")))
    assert len({row.code for row in rows}) == len(rows) >= 200
    for row in rows:
        assert row.code in official, row.code
        assert row.label.lower() != official[row.code] or len(row.label.split()) <= 4, row.code


def test_a_service_is_suggested(coder: Coder) -> None:
    """Giving a flu shot is G0008, with the phrase as its evidence."""
    found = hcpcs(coder, "ASSESSMENT: Doing well.\nPLAN: Flu shot given today. Follow up in a year.")
    assert "flu shot given" in found["G0008"].evidence[0].text.lower()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "PROCEDURE: The knee was injected with 40 mg of Kenalog. Kenalog injection tolerated well.",
            "J3301",
        ),
        ("PLAN: A rolling walker was dispensed for home use.", "E0143"),
        ("PLAN: The ankle was placed in a CAM walker boot.", "L4387"),
    ],
)
def test_a_supply_is_not_preselected(coder: Coder, text: str, code: str) -> None:
    """A supply that was given is proposed, never preselected, and the reason is said."""
    suggestion = hcpcs(coder, text)[code]
    assert not suggestion.selected
    assert any("a supply or drug" in reason for reason in suggestion.reasons)


@pytest.mark.parametrize(
    "text",
    [
        "MEDICATIONS: Toradol 10 mg as needed, albuterol nebulizer at home, vitamin B12, Depo-Provera.",
        "HISTORY: She walks with a rolling walker and uses a CPAP machine at night.",
        "HISTORY: The patient is wheelchair bound and wears a knee immobilizer.",
    ],
)
def test_what_was_not_given_is_no_supply(coder: Coder, text: str) -> None:
    """A drug on the list, or a device that the patient has, is no supply of this encounter."""
    assert not hcpcs(coder, text)


def test_look_up_codes_are_searched_and_not_suggested(coder: Coder) -> None:
    """E/M add-ons are found by their words and never come from a note."""
    assert not hcpcs(coder, "PLAN: Visit complexity add on. Virtual check in next week.")
    assert "G2211" in [entry.code.value for entry in coder.library.search("visit complexity", System.HCPCS)]
