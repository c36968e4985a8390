"""Symptoms that stand apart from the part of the body they are felt in."""

from __future__ import annotations

import pytest


def parts(read, text):
    """Return the last words of the mentions that begin or end with a symptom, however far apart their words are."""
    return {
        mention.rsplit(" ", 1)[-1].lower()
        for mention in read(text).texts
        if mention.lower().startswith(("pain", "swelling", "weak", "numb"))
    }


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("He has pain and discomfort in the left upper arm.", {"arm"}),
        ("Pain and swelling as related to the right knee.", {"knee"}),
        ("She complains of pain particularly in the left shoulder.", {"shoulder"}),
        ("He has pain in the back of the knee.", {"knee"}),
        ("Pain, which is worse in the hip and in the shoulder.", {"hip", "shoulder"}),
    ],
)
def test_words_between_a_symptom_and_its_site_are_passed_over(read, text, named):
    """Words that say how it feels do not part a symptom from its site."""
    assert named <= parts(read, text)


@pytest.mark.parametrize(
    "text",
    [
        "He was given pain medication for surgery in the knee.",
        "Pain radiating to the knee.",
        "Pain control. The operation on the knee went well.",
    ],
)
def test_other_words_part_a_symptom_from_a_site(read, text):
    """What was done about a pain, or where it goes, is not where it is."""
    assert "knee" not in parts(read, text)


def test_pain_of_an_imaged_joint(read):
    """A report whose indication is "pain" speaks of the joint of its title; one of two joints does not."""
    one = read("EXAM: Three views of the right ankle.\nINDICATION: Pain.").texts
    two = read("EXAM: Views of the right ankle and knee.\nINDICATION: Pain.").texts
    assert any("ankle" in text and "Pain" in text for text in one)
    assert not any("Pain" in text for text in two)
