"""Numbers that are codes in themselves."""

from __future__ import annotations

import pytest

from coder_assist.text.measurements import bmi_code, find_measurements, weeks_code


@pytest.mark.parametrize(
    ("value", "code"),
    [(9.9, None), (19.9, "Z68.1"), (20, "Z68.20"), (32.99, "Z68.32"), (39.9, "Z68.39"), (40, "Z68.41"),
     (44.9, "Z68.41"), (45, "Z68.42"), (50, "Z68.43"), (60, "Z68.44"), (70, "Z68.45"), (151, None)],
)  # fmt: skip
def test_body_mass_index_bands(value: float, code: str | None) -> None:
    """Each band of category Z68 starts where the tabular list says; values no adult has are no code."""
    assert bmi_code(value) == code


@pytest.mark.parametrize(
    ("weeks", "code"), [(0, None), (7, "Z3A.01"), (8, "Z3A.08"), (42, "Z3A.42"), (43, "Z3A.49"), (46, None)]
)
def test_weeks_of_gestation(weeks: int, code: str | None) -> None:
    """Under 8 weeks is Z3A.01, over 42 is Z3A.49, in between each week has its code."""
    assert weeks_code(weeks) == code


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        ("Her BMI is 33.0 today.", "BMI is 33.0", "Z68.33"),
        ("body mass index of 41", "body mass index of 41", "Z68.41"),
        ("a 39-week intrauterine pregnancy", "39-week intrauterine pregnan", "Z3A.39"),
        ("at 38-1/2 weeks gestation", "38-1/2 weeks gestation", "Z3A.38"),
        ("Estimated gestational age: 12 weeks", "gestational age: 12 weeks", "Z3A.12"),
    ],
)
def test_found_with_their_words(text: str, words: str, code: str) -> None:
    """A measurement is found with the words that state it."""
    found = find_measurements(text)[0]
    assert (found.span.slice(text), found.code) == (words, code)


@pytest.mark.parametrize(
    "text", ["BP 120/80", "BMI not recorded. 24 hours later", "for 6 weeks", "BMI 120/80", "weeks"]
)
def test_other_numbers_are_left_alone(text: str) -> None:
    """A blood pressure, a duration or a missing value is no measurement."""
    assert find_measurements(text) == []
