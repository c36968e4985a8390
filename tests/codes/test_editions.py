"""Editions: the user's directory, validity, and the choice by date of service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from coder_assist.codes import Edition, Library, Shelf, edition_for, installed_editions, open_library
from coder_assist.codes.editions import packaged_edition, read_edition
from coder_assist.errors import CodeBookError
from coder_assist.types import System

BASE = 'name = "FY2031"\nvalid_from = 2030-10-01\nvalid_to = 2031-09-30\ntabular = "tabular.xml"\n'
Make = Callable[..., Path]


def edition(name: str, first: date, last: date) -> Edition:
    return Edition(name, first, last, Path("tabular.xml"))


FY2026 = edition("FY2026", date(2025, 10, 1), date(2026, 9, 30))
APRIL = edition("2026-04", date(2026, 4, 1), date(2026, 9, 30))
FY2029 = edition("FY2029", date(2028, 10, 1), date(2029, 9, 30))
SHELF = (FY2026, APRIL, FY2029)


@pytest.mark.parametrize(
    ("day", "covered"),
    [
        (date(2026, 3, 31), False),
        (date(2026, 4, 1), True),
        (date(2026, 9, 30), True),
        (date(2026, 10, 1), False),
    ],
)
def test_both_days_of_validity_count(day: date, covered: bool) -> None:
    """An edition is valid on its first and on its last day."""
    assert packaged_edition().covers(day) is covered


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2025, 10, 1), FY2026),
        (date(2026, 3, 31), FY2026),
        (date(2026, 4, 1), APRIL),
        (date(2026, 9, 30), APRIL),
        (date(2029, 1, 1), FY2029),
    ],
)
def test_edition_that_covers_the_date(day: date, expected: Edition) -> None:
    """The edition that covers the date is taken without a notice; of two, the one that became valid last."""
    assert edition_for(SHELF, day) == (expected, None)


@pytest.mark.parametrize(
    ("day", "nearest"),
    [
        (date(2020, 1, 1), FY2026),
        (date(2026, 10, 5), APRIL),
        (date(2028, 9, 1), FY2029),
        (date(2040, 1, 1), FY2029),
    ],
)
def test_nearest_edition_comes_with_a_notice(day: date, nearest: Edition) -> None:
    """Where no edition covers the date, the nearest is taken and the notice says which and why."""
    chosen, notice = edition_for(SHELF, day)
    assert chosen == nearest
    assert notice is not None
    assert str(day) in notice
    assert f"edition {nearest.name} ({nearest.valid_from} to {nearest.valid_to}) was used" in notice


def test_newest_edition_without_a_date() -> None:
    """Without a date of service the newest edition is taken, without a notice."""
    assert edition_for(SHELF, None) == (FY2029, None)


def test_packaged_edition_alone() -> None:
    """Without a directory of the user's the packaged edition is the only one."""
    (only,) = installed_editions(None)
    assert only == packaged_edition()
    assert only.tabular.is_file()


def test_user_edition_stands_beside_the_packaged(make_editions: Make) -> None:
    """A user's edition is read with its files and sorted in by its first day."""
    directory = make_editions(
        BASE + 'order = "order.txt"\nindex = ["index.xml"]\n', order_txt="", index_xml=""
    )
    first, second = installed_editions(directory)
    assert first == packaged_edition()
    child = directory / "fy2031"
    assert second == Edition(
        "FY2031",
        date(2030, 10, 1),
        date(2031, 9, 30),
        child / "tabular.xml",
        child / "order.txt",
        (child / "index.xml",),
    )


def test_an_older_edition_comes_first(make_editions: Make) -> None:
    """An edition that was valid before the packaged one is not taken for the newest."""
    directory = make_editions(BASE.replace("2030", "2020").replace("2031", "2021"))
    assert [known.name for known in installed_editions(directory)] == ["FY2021", "2026-04"]


def test_user_edition_opens(small_library: Library) -> None:
    """A user's release of seven codes opens as any other."""
    assert small_library.edition.name == "FY2031"
    assert small_library.icd.billable_count() == 6
    assert small_library.icd.valid_to == date(2031, 9, 30)
    assert small_library.icd.instructions("A00.0")[0].text == "other cholera (A00.1, A00.9)"
    assert sum(small_library.icd.unparsed_notes().values()) == 2


def test_order_file_of_a_user_edition_counts(
    small_data: Path,
    make_editions: Make,
    tmp_path: Path,
    order_rows: list[tuple[str, int, str]],
    write_order: Callable[..., Path],
) -> None:
    """The order file that edition.toml names gives the titles."""
    directory = make_editions(BASE + 'order = "order.txt"\n', order_txt=write_order(order_rows).read_text())
    found = open_library(tmp_path / "cache", directory)
    assert found.icd.title("A00.0") == "Classical cholera, as the order file has it"


def test_bad_order_file_of_a_user_edition(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """A bad order file is refused at opening, and no half store is left."""
    directory = make_editions(BASE + 'order = "order.txt"\n', order_txt="nonsense\n")
    with pytest.raises(CodeBookError, match=r"order\.txt:1"):
        open_library(tmp_path / "cache", directory)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("name = ", "fy2031: expected a readable edition.toml"),
        (BASE.replace("FY2031", "").replace('""', "3"), "expected name, and dates valid_from <= valid_to"),
        (
            BASE.replace("2030-10-01", '"2030-10-01"'),
            r"\(unquoted\); got name='FY2031', valid_from='2030-10-01'",
        ),
        (BASE.replace("2030-10-01", "2032-10-01"), "expected name, and dates valid_from <= valid_to"),
        (BASE.replace("valid_to", "valid_until"), "valid_to=None"),
        (BASE.replace("tabular =", "table ="), "tabular is missing"),
        (BASE.replace("tabular.xml", "lost.xml"), "tabular names 'lost.xml', which is not there"),
        (BASE + 'order = "lost.txt"\n', "order names 'lost.txt', which is not there"),
        (BASE + 'index = ["lost.xml"]\n', "index names 'lost.xml', which is not there"),
    ],
)
def test_bad_edition_file(make_editions: Make, toml: str, message: str) -> None:
    """A bad edition.toml is refused with what was expected and what came."""
    with pytest.raises(CodeBookError, match=message):
        installed_editions(make_editions(toml))


def test_directory_without_edition_file(tmp_path: Path) -> None:
    """A sub-directory without an edition.toml is refused, not skipped."""
    (tmp_path / "editions" / "empty").mkdir(parents=True)
    with pytest.raises(CodeBookError, match=r"empty: expected a readable edition\.toml"):
        installed_editions(tmp_path / "editions")


def test_editions_directory_that_is_not_there(tmp_path: Path) -> None:
    """A directory that is not there is refused by the name of its setting."""
    with pytest.raises(CodeBookError, match="editions_dir: expected a directory"):
        installed_editions(tmp_path / "none")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (BASE.replace("2030-10-01", "2030-10-01T00:00:00"), "valid_from <= valid_to .* got .*datetime"),
        (BASE + "index = 3\n", "expected index as a list of file names in brackets; got 3"),
        (BASE + "index = [3]\n", "expected index as a file name; got 3"),
        (BASE.replace('"tabular.xml"', "[1]"), r"expected tabular as a file name; got \[1\]"),
        (BASE.replace("FY2031", "Año 2031").encode("latin-1"), r"expected a readable edition\.toml"),
        (BASE.replace("FY2031", "FY/2031"), "expected a name of at most 50 letters.*; got 'FY/2031'"),
        (BASE.replace("FY2031", ".."), "expected a name of at most 50 letters"),
        (BASE.replace("FY2031", "x" * 300), "expected a name of at most 50 letters"),
    ],
)
def test_bad_edition_file_of_a_rarer_kind(make_editions: Make, toml: str | bytes, message: str) -> None:
    """A time of day, a number for a name, another encoding and a name that is no file's are refused."""
    with pytest.raises(CodeBookError, match=message):
        installed_editions(make_editions(toml))


def test_index_given_as_one_name(make_editions: Make) -> None:
    """An index file without brackets is refused by its whole name."""
    directory = make_editions(BASE + 'index = "lost.xml"\n')
    with pytest.raises(CodeBookError, match=r"lost\.xml"):
        read_edition(directory / "fy2031")


def test_edition_name_is_a_file_name(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """An edition whose name cannot name a directory is refused."""
    with pytest.raises(CodeBookError):
        open_library(tmp_path / "cache", make_editions(BASE.replace("FY2031", "FY/2031")))


def test_edition_without_a_code_of_the_packaged_lexicon(make_editions: Make, tmp_path: Path) -> None:
    """An edition that lacks a code of the packaged lexicon (an older or newer year) opens all the same."""
    found = open_library(tmp_path / "cache", make_editions())
    assert found.icd.billable_count() == 6


def test_shelf_opens_by_date_of_service(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """A shelf opens the edition of the date, once, and passes the notice on."""
    (_, small) = installed_editions(make_editions())
    shelf = Shelf((small,), tmp_path / "cache")
    inside, quiet = shelf.library_for(date(2031, 1, 1))
    outside, notice = shelf.library_for(date(2033, 1, 1))
    assert quiet is None
    assert notice is not None
    assert "2033-01-01" in notice
    assert inside is outside
    assert inside.books[System.ICD10CM].edition == "FY2031"
