"""What the rules say of gold codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_assist.learn.alarms import alarms, gold_lines
from coder_assist.learn.corpus import read_corpus
from coder_assist.settings import Settings
from coder_assist.suggest import Coder

CORPUS = Path(__file__).parents[2] / "corpora/encounters.jsonl"


def test_lines_are_the_required_codes_primary_first() -> None:
    """Optional codes are left out, the primary one is first-listed, each system counts for itself."""
    record = {
        "id": "n",
        "text": "x",
        "codes": [
            {"system": "ICD-10-CM", "code": "I10", "status": "required"},
            {"system": "ICD-10-CM", "code": "E11.9", "status": "required", "primary": True},
            {"system": "ICD-10-CM", "code": "E78.5", "status": "optional"},
            {"system": "CPT", "code": "93000", "status": "required"},
        ],
    }
    lines = [(line.value, line.sequence) for line in gold_lines(record)]
    assert lines == [("E11.9", 1), ("I10", 2), ("93000", 1)]


@pytest.mark.slow
def test_few_errors_on_our_own_gold(cache_dir: Path) -> None:
    """At most 2 % of the notes of corpora/ get an error on the codes that were given to them."""
    found = alarms(Coder.load(settings=Settings(cache_dir=cache_dir)), read_corpus(CORPUS))
    assert found.notes >= 240
    assert found.error_rate <= 0.02, found.errors
