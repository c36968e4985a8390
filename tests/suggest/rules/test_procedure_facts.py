"""The data files of the procedure rules."""

from __future__ import annotations

import pytest

from coder_assist.codes import Library
from coder_assist.suggest.rules import procedure_facts as facts
from coder_assist.suggest.rules.coding import parse_line
from coder_assist.suggest.rules.pointers import speaks_of
from coder_assist.types import System


def test_every_row_can_be_read() -> None:
    """Each file has its columns, each cell of codes is codes, and kinds of pairs are known."""
    kinds = {pair.kind for pair in facts.pairs()}
    assert kinds == {"includes", "combine", "either", "one"}
    assert facts.primaries("22552") is not None and facts.twins_of("G0105")
    assert facts.bilateral_reason("55250") and facts.is_major("27447") and facts.affinities_of("45380")
    for pair in facts.pairs():
        if pair.kind == "combine":
            assert len(pair.codes.single) == 1 and not pair.codes.ranges
            assert len(pair.others.single) > 1 and not pair.others.ranges


def test_a_cell_that_is_no_code_is_refused() -> None:
    """A part of another length, or a range that runs backwards, is named."""
    for cell in ("4538", "45385-4539", "45390-45380"):
        with pytest.raises(ValueError, match="expected a code or a range"):
            facts.CodeSet.parse(cell)


def test_the_files_agree() -> None:
    """Both sides need no side, though the catalogue may mark the code; an add-on has no global period of its own."""
    assert facts.is_paired("20610") and not facts.is_paired("93970")
    assert facts.is_major("33533") and not facts.is_major("33518")
    combined = {code for pair in facts.pairs() if pair.kind == "combine" for code in pair.codes.single}
    assert not any(facts.is_addon(code) for code in combined)


def test_diagnoses_of_the_affinities_exist(library: Library) -> None:
    """Each beginning of a diagnosis begins a code of the book."""
    values = sorted(entry.code.value for entry in library.icd)
    starts = {value[:length] for value in values for length in range(1, len(value) + 1)}
    named = {start for affinity in facts._affinities() for start in affinity.diagnoses}
    assert named <= starts, sorted(named - starts)


def test_most_of_the_catalogue_has_diagnoses(library: Library) -> None:
    """At least 98 % of our procedures know what they are done for."""
    codes = [entry.code.value for entry in library.books[System.CPT]]
    known = sum(speaks_of(parse_line(code)) for code in codes)
    assert known / len(codes) > 0.98
