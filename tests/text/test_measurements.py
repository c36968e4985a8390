"""Numbers that are codes in themselves."""

from __future__ import annotations

import pytest

from coder_assist.text.measurements import (
    birth_weight_code,
    bmi_code,
    find_measurements,
    preterm_code,
    weeks_code,
)


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


@pytest.mark.parametrize(
    ("grams", "code"),
    [(150, None), (499, "P07.01"), (999, "P07.03"), (1000, "P07.14"), (1749, "P07.16"), (1999, "P07.17"),
     (2499, "P07.18"), (2500, None)],
)  # fmt: skip
def test_birth_weight_bands(grams: int, code: str | None) -> None:
    """Each band of P07.0 and P07.1 starts where its title says; 2,500 grams are no low weight."""
    assert birth_weight_code(grams) == code


@pytest.mark.parametrize(
    ("weeks", "code"),
    [(22, None), (23, "P07.22"), (27, "P07.26"), (28, "P07.31"), (36, "P07.39"), (37, None)],
)
def test_weeks_at_birth(weeks: int, code: str | None) -> None:
    """Extreme immaturity ends at 28 weeks, prematurity at 37."""
    assert preterm_code(weeks) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Newborn with a birth weight of 1,102 grams.", "P07.14"),
        ("An 1812 g baby boy in the NICU.", "P07.17"),
        ("Newborn, birth weight 4 pounds 1 ounce.", "P07.17"),
        ("Premature, birthweight was 0.9 kg.", "P07.03"),
        ("A 29-3/7-week gestation infant.", "P07.32"),
        ("The baby is an ex-32-weeker.", "P07.35"),
        ("Prematurity, 34 weeks' gestation.", "P07.37"),
    ],
)
def test_newborns_are_coded_by_weight_and_weeks(text: str, code: str) -> None:
    """A newborn's weight and weeks at birth are codes."""
    assert code in {measured.code for measured in find_measurements(text)}


@pytest.mark.parametrize(
    "text",
    [
        "He is 9 and was adopted; birth weight 1,900 grams.",
        "The specimen weighs 1200 grams.",
        "IUP at 34 weeks.",
    ],
)
def test_other_weights_and_weeks_are_no_newborns(text: str) -> None:
    """A weight outside of a newborn's note, a specimen's weight, and a mother's weeks are not."""
    assert not any(measured.code.startswith("P07") for measured in find_measurements(text))
