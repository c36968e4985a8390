"""Reading CMS's MUE and NCCI files; all contents are made up in their layouts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from coder_assist.errors import CodeBookError
from coder_assist.settings import Settings
from coder_assist.suggest.rules.edit_files import (
    Adjudication,
    UnitsLimit,
    edit_tables,
    read_mue,
    read_ncci,
)

MUE = (
    '"A made-up notice, that is passed over",,,\r\n'
    '"HCPCS/CPT Code","Practitioner Services MUE Values","MUE Adjudication Indicator","MUE Rationale"\r\n'
    '45378,1,"2 Date of Service Edit: Policy","Nature of Service/Procedure"\r\n'
    'J3301,16,"3 Date of Service Edit: Clinical","Prescribing Information"\r\n'
)
NCCI = (
    "A made-up notice\n\n"
    "Column 1\tColumn 2\t*=in existence\tEffective Date\tDeletion Date\tModifier\tPTP Edit Rationale\n"
    "45385\t45378\t*\t19960101\t*\t0\tMore extensive procedure\n"
    "45385\t45380\t \t20040101\t20091231\t0\tMisuse of column two code\n"
    "45385\t45380\t \t20100101\t*\t1\tMisuse of column two code\n"
    "0001A\tG0105\t \t20210101\t20210101\t9\tx\n"
)


def test_mue_is_read(tmp_path: Path) -> None:
    """The notice and the header are passed over; comma and tab are understood."""
    expected = {
        "45378": UnitsLimit(1, Adjudication.DAY_POLICY, "Nature of Service/Procedure"),
        "J3301": UnitsLimit(16, Adjudication.DAY_CLINICAL, "Prescribing Information"),
    }
    file = tmp_path / "mue.csv"
    file.write_bytes(MUE.encode("cp1252"))
    assert read_mue(file) == expected
    tabbed = tmp_path / "mue.txt"
    tabbed.write_text("Notice\n45378\t1\t2 Policy\tNature of Service/Procedure\n", encoding="utf-8")
    assert read_mue(tabbed) == {"45378": expected["45378"]}


def test_ncci_follows_the_dates(tmp_path: Path) -> None:
    """The edit in force on the day counts; without a day only one that is in force to this day."""
    file = tmp_path / "ncci.txt"
    file.write_text(NCCI, encoding="utf-8")
    table = read_ncci([file])
    assert len(table) == 4
    assert table.indicator("45385", "45378", date(2026, 5, 1)) == 0
    assert table.indicator("45385", "45380", date(2009, 12, 31)) == 0
    assert table.indicator("45385", "45380", date(2010, 1, 1)) == 1
    assert table.indicator("45385", "45380", date(2003, 1, 1)) is None
    assert table.indicator("45385", "45380", None) == 1
    assert table.indicator("45378", "45385", None) is None
    assert table.indicator("0001A", "G0105", date(2021, 1, 1)) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("45378,x,2 Policy,y\n", "f.csv:1: expected a number of units"),
        ("45378,1,7 Policy,y\n", "f.csv:1: expected a number of units"),
        ("45378,1,2 P,y\n45378,1,2 P,y\n", "f.csv:2: 45378 stands in the table twice"),
        ("45378,1,2 P,y\nSECRET WORDS\n", "f.csv:2: expected a code and at least 3 columns"),
        ("SECRET WORDS\n", "f.csv: expected rows that begin with a code; got none"),
        ("PK\x03\x04SECRET", "f.csv: expected CMS's .txt or .csv file; got a workbook or zip archive"),
    ],
)
def test_a_wrong_mue_file_is_named_by_line(tmp_path: Path, text: str, told: str) -> None:
    """File and line and what was expected; the text of the line never."""
    file = tmp_path / "f.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CodeBookError) as error:
        read_mue(file)
    assert told in str(error.value) and "SECRET" not in str(error.value)


@pytest.mark.parametrize(
    "row",
    [
        "45385\tSECRET\t*\t20000101\t*\t0\tx",
        "45385\t45378\t*\t2000-01-01\t*\t0\tx",
        "45385\t45378\t*\t20000101\tnever\t0\tx",
        "45385\t45378\t*\t20000101\t*\t5\tx",
    ],
)
def test_a_wrong_ncci_row_is_named_by_line(tmp_path: Path, row: str) -> None:
    """A second code, dates and an indicator are expected."""
    file = tmp_path / "f.txt"
    file.write_text(f"45385\t45379\t*\t20000101\t*\t0\tx\n{row}\n", encoding="utf-8")
    with pytest.raises(CodeBookError, match=r"f.txt:2: expected a second code") as error:
        read_ncci([file])
    assert "SECRET" not in str(error.value)


def test_settings_name_the_files(tmp_path: Path) -> None:
    """A directory holds the parts; the table is kept in the cache and read from there, anew when a part changes."""
    parts = tmp_path / "ncci"
    parts.mkdir()
    (parts / "f1.txt").write_text(NCCI, encoding="utf-8")
    (parts / "f2.csv").write_text("64721,29848,*,20000101,*,1,x\n", encoding="utf-8")
    mue = tmp_path / "mue.csv"
    mue.write_text(MUE, encoding="utf-8")
    settings = Settings(cache_dir=tmp_path / "cache", ncci_file=parts, mue_file=mue)
    first = edit_tables(settings)
    assert first.pairs is not None and len(first.pairs) == 5 and len(first.units) == 2
    assert len(list((tmp_path / "cache").glob("ncci-*.npz"))) == 1
    again = edit_tables(settings)
    assert again.pairs is not None and np.array_equal(again.pairs.keys, first.pairs.keys)
    assert again.pairs.indicator("64721", "29848", None) == 1
    (parts / "f2.csv").write_text("64721,29848,*,20000101,*,0,x\n", encoding="utf-8")
    changed = edit_tables(settings)
    assert changed.pairs is not None and changed.pairs.indicator("64721", "29848", None) == 0


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A file that is not there, and a directory without tables, say so; without settings there are no edits."""
    with pytest.raises(CodeBookError, match="expected an edit file that can be read"):
        read_mue(tmp_path / "no.csv")
    with pytest.raises(CodeBookError, match="ncci_file: expected a file that can be read"):
        edit_tables(Settings(cache_dir=tmp_path, ncci_file=tmp_path / "no.txt"))
    with pytest.raises(CodeBookError, match=r"expected .txt or .csv files"):
        edit_tables(Settings(cache_dir=tmp_path, ncci_file=tmp_path))
    assert edit_tables(Settings(cache_dir=tmp_path)).pairs is None
