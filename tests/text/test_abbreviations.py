"""An abbreviation means what its surroundings say."""

from __future__ import annotations

import pytest


def codes(read, text: str, short: str) -> tuple[str, ...]:
    found = [m for m in read(text).document.mentions if m.text == short]
    return found[0].codes if found else ()


@pytest.mark.parametrize(
    ("text", "short", "prefix"),
    [
        ("He has HTN.", "HTN", "I10"),
        ("HTN, DM2, CAD", "DM2", "E11"),
        ("The patient has CP and SOB.", "CP", "R07"),
        ("CP, in a wheelchair, on baclofen", "CP", "G80"),
        ("MS with optic neuritis, on Copaxone", "MS", "G35"),
        ("RA with joint deformities on methotrexate", "RA", "M06"),
        ("Bilateral DVT, started on heparin; PE by CTA", "PE", "I26"),
        ("ASSESSMENT: RA", "RA", "M06"),
    ],
)
def test_sense_in_context(text, short, prefix, read):
    """A cue nearby or the section's heading selects the sense; else the usual one holds."""
    assert codes(read, text, short)
    assert all(code.startswith(prefix) for code in codes(read, text, short))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("SpO2 98% on RA", "RA"),
        ("RA pressure elevated at cath", "RA"),
        ("Ms. Smith came. MS Smith left.", "MS"),
        ("PE: lungs clear", "PE"),
        ("Given MS 4 mg IV", "MS"),
        ("See the A&P below", "A&P"),
    ],
)
def test_sense_without_a_code(text, short, read):
    """Room air, right atrium, a title or an examination are no diagnosis."""
    assert codes(read, text, short) == ()


def test_capitals_tell_nothing(read):
    """Where everything is in capitals, case does not make an abbreviation."""
    text = "THE PATIENT WAS SEEN IN THE CLINIC AND MS JONES REPORTED THAT IT WAS ALL WELL WITH HER"
    assert codes(read, text, "MS") == ()
