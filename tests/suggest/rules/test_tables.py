"""The rules' tables: every code in them exists, and a bad row is refused with its line."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from coder_assist.codes import Library
from coder_assist.errors import LexiconError
from coder_assist.suggest.rules.guidelines_pairs import PAIRS
from coder_assist.suggest.rules.tables import all_combinations, integral_by_category, read_integral

CODE = re.compile(r"[A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{1,4})?")


def unknown(library: Library, prefixes: set[str]) -> list[str]:
    """Those of the prefixes, whole chapters aside, that no code begins with."""
    return sorted(
        prefix for prefix in prefixes if len(prefix) > 2 and not library.icd.starting_with(prefix, 1)
    )


def test_integral_symptoms_exist(library: Library) -> None:
    rows = list(chain.from_iterable(integral_by_category().values()))
    assert sum(len(row.explained_by) for row in rows) >= 80
    assert unknown(library, {prefix for row in rows for prefix in (row.symptom, *row.explained_by)}) == []
    assert all(row.reason and not row.reason.endswith(".") for row in rows)


def test_combined_codes_exist_and_may_be_billed_or_need_more_characters(library: Library) -> None:
    for row in all_combinations():
        assert library.icd.get(row.code) is not None, row.code
        assert unknown(library, {prefix for group in row.conditions for prefix in group}) == []


def test_codes_of_the_pairs_exist(library: Library) -> None:
    named = {prefix for pair in PAIRS for sides in pair.pairs for side in sides for prefix in side}
    assert unknown(library, named) == []


@pytest.mark.parametrize(
    "module", ["first", "general", "infections", "injury", "metabolism", "mind", "obstetrics", "organs"]
)
def test_codes_in_the_rules_exist(library: Library, module: str) -> None:
    """A mistyped code in a rule would make it silent for ever."""
    source = Path(__file__).parents[3] / f"coder_assist/suggest/rules/guidelines_{module}.py"
    quoted = {text for text in re.findall(r'"([^"\s]+)"', source.read_text("utf-8")) if CODE.fullmatch(text)}
    assert quoted and unknown(library, quoted) == []


def test_a_range_of_categories_is_each_of_them(tmp_path: Path) -> None:
    path = tmp_path / "integral.tsv"
    path.write_text("symptom\texplained_by\treason\nR05\tJ09-J12 J45\tcough\n", "utf-8")
    assert next(read_integral(path)).explained_by == ("J09", "J10", "J11", "J12", "J45")


@pytest.mark.parametrize("text", ["symptom\treason\n", "symptom\texplained_by\treason\nR05\tJ18\n"])
def test_a_bad_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "integral.tsv"
    path.write_text(text, "utf-8")
    with pytest.raises(LexiconError, match=r"integral\.tsv"):
        list(read_integral(path))
