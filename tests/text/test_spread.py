"""Lists of the organs that a cancer has spread to."""

from __future__ import annotations

import pytest


def organs(read, text):
    """Return the last words of the mentions that say where a cancer went."""
    return {
        mention.rsplit(" ", 1)[-1].lower() for mention in read(text).texts if "metasta" in mention.lower()
    }


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Breast cancer metastatic to the lung, liver and brain.", {"lung", "liver", "brain"}),
        ("The tumor has metastasized to the spleen as well as the adrenal gland.", {"spleen", "gland"}),
        ("Lung cancer with metastatic disease to the skin, and anemia.", {"skin"}),
    ],
)
def test_every_organ_of_a_list_is_named(read, text, named):
    """Each organ behind "metastatic to" is a secondary cancer."""
    assert named <= organs(read, text)


@pytest.mark.parametrize(
    "text", ["Metastatic disease; liver and spleen are normal.", "Metastatic to no site; liver normal."]
)
def test_organs_that_stand_alone_are_not_named(read, text):
    """Without "to" before them, or behind a word that is no organ, organs are only organs."""
    assert organs(read, text).isdisjoint({"liver", "spleen"})
