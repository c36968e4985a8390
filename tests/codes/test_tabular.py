"""Reading an official release: the Tabular List's XML and the order file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coder_assist.codes import InstructionKind
from coder_assist.codes.tabular import Node, apply_order_file, dotted, read_tabular
from coder_assist.errors import CodeBookError

Rows = list[tuple[str, int, str]]


def by_name(nodes: list[Node]) -> dict[str, Node]:
    return {node.name: node for node in nodes}


def test_nodes_of_a_release(tabular: Path) -> None:
    """Chapters, blocks and codes come parents first, with 7th characters written out."""
    nodes = read_tabular(tabular)
    assert [node.name for node in nodes] == [
        *("chapter 1", "A00-A09", "A00", "A00.0", "A00.9", "B20-B20", "B20"),
        *("chapter 19", "S50-S59", "S52", "S52.9", "S52.9XXA", "S52.9XXS", "S52.1", "S52.101", "S52.101D"),
    ]
    assert [node.name for node in nodes if node.billable] == [
        "A00.0",
        "A00.9",
        "B20",
        "S52.9XXA",
        "S52.9XXS",
        "S52.101D",
    ]


def test_nearer_definition_of_7th_characters_wins(tabular: Path) -> None:
    """A subcategory's own 7th characters replace those of its category."""
    node = by_name(read_tabular(tabular))["S52.101D"]
    assert (node.parent, node.seventh) == ("S52.101", "D")
    assert node.title == "Torus fracture of right forearm, subsequent encounter"


def test_sections_without_codes_head_those_in_their_range(tmp_path: Path) -> None:
    """A section that holds no codes is the parent of the later sections in its range, to any depth."""
    sections = ("T07-T88", "T07", "T20-T32", "T20-T25", "T26-T28", "T33-T34", "V00")
    content = "".join(
        f"<section id='{name}'><desc>{name}</desc>"
        + ("" if name in ("T07-T88", "T20-T32") else f"<diag><name>{name[:3]}</name><desc>Harm</desc></diag>")
        + "</section>"
        for name in sections
    )
    path = tmp_path / "tabular.xml"
    path.write_text(
        f"<ICD10CM.tabular><chapter><name>1</name><desc>All</desc>{content}</chapter></ICD10CM.tabular>"
    )
    parents = {node.name: node.parent for node in read_tabular(path) if node.level == "block"}
    assert parents == {
        "T07-T88": "chapter 1",
        "T07-T07": "T07-T88",
        "T20-T32": "T07-T88",
        "T20-T25": "T20-T32",
        "T26-T28": "T20-T32",
        "T33-T34": "T07-T88",
        "V00-V00": "chapter 1",
    }


def test_notes_stay_where_they_stand(tabular: Path) -> None:
    """Notes and inclusion terms belong to the node that prints them."""
    nodes = by_name(read_tabular(tabular))
    assert nodes["chapter 1"].notes == [
        (InstructionKind.USE_ADDITIONAL, "code to identify resistance (Z16.-)")
    ]
    assert nodes["A00-A09"].notes == [(InstructionKind.EXCLUDES2, "burns (T20-T32)")]
    assert nodes["A00.0"].inclusion_terms == ["Cholera due to the old germ"]
    assert [text for _, text in nodes["A00"].notes] == [
        "any associated:",
        "any associated: injury (S52.-)",
        "any associated: a state of mind",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not xml at all", r"wrong\.xml: expected the ICD-10-CM tabular list as XML"),
        ("<ICD10CM.index/>", r"wrong\.xml: expected root element ICD10CM\.tabular; got ICD10CM\.index"),
        (
            "<ICD10CM.tabular><chapter><name>1</name><desc>One</desc><section id='A00'/></chapter></ICD10CM.tabular>",
            "a section below chapter 1 has no name or no desc",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """A file that is not a Tabular List is refused with what was expected."""
    path = tmp_path / "wrong.xml"
    path.write_text(content)
    with pytest.raises(CodeBookError, match=message):
        read_tabular(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is a ``CodeBookError`` too."""
    with pytest.raises(CodeBookError, match=r"none\.xml: expected the ICD-10-CM tabular list"):
        read_tabular(tmp_path / "none.xml")


@pytest.mark.parametrize(
    ("bare", "written"), [("E119", "E11.9"), ("I10", "I10"), ("S52501A", "S52.501A"), ("", "")]
)
def test_dotted(bare: str, written: str) -> None:
    """The dot stands after the third character."""
    assert dotted(bare) == written


def test_order_file_overrides_titles_and_flags(
    tabular: Path, order_rows: Rows, write_order: Callable[[Rows], Path]
) -> None:
    """Where an order file is given, its long titles and billable flags count."""
    nodes = read_tabular(tabular)
    order_rows[4] = ("S52", 1, "Fracture of forearm")
    apply_order_file(nodes, write_order(order_rows))
    found = by_name(nodes)
    assert found["A00.0"].title == "Classical cholera, as the order file has it"
    assert (found["A00"].billable, found["S52"].billable) == (False, True)


def test_order_file_may_have_blank_lines(
    tabular: Path, order_rows: Rows, write_order: Callable[[Rows], Path]
) -> None:
    """Blank lines at the end of an order file do no harm."""
    path = write_order(order_rows)
    path.write_text(path.read_text() + "\n  \n")
    apply_order_file(read_tabular(tabular), path)


def test_order_file_with_a_wrong_flag(
    tabular: Path, order_rows: Rows, write_order: Callable[[Rows], Path]
) -> None:
    """A flag that is not 0 or 1 is refused with file and line."""
    order_rows[1] = ("A00.0", 2, "Classical cholera")
    with pytest.raises(CodeBookError, match=r"order\.txt:2: expected order number, code, 0 or 1"):
        apply_order_file(read_tabular(tabular), write_order(order_rows))


def test_order_file_with_a_short_line(tabular: Path, tmp_path: Path) -> None:
    """A line that breaks off is refused with file and line."""
    path = tmp_path / "order.txt"
    path.write_text("00001 A00     0 Cholera\n")
    with pytest.raises(CodeBookError, match=r"order\.txt:1: "):
        apply_order_file(read_tabular(tabular), path)


def test_order_file_in_another_encoding(tabular: Path, tmp_path: Path) -> None:
    """An order file that is not UTF-8 is refused."""
    path = tmp_path / "order.txt"
    path.write_bytes("00001 A00     0 Choléra".encode("latin-1"))
    with pytest.raises(CodeBookError, match=r"order\.txt: expected CMS's order file in UTF-8"):
        apply_order_file(read_tabular(tabular), path)


def test_order_file_of_another_release(
    tabular: Path, order_rows: Rows, write_order: Callable[[Rows], Path]
) -> None:
    """A code that the Tabular List does not have is refused."""
    order_rows.append(("Z99.9", 1, "Something new"))
    with pytest.raises(CodeBookError, match=r"order\.txt:9: Z99\.9 is not in the tabular list"):
        apply_order_file(read_tabular(tabular), write_order(order_rows))


def test_order_file_that_misses_codes(
    tabular: Path, order_rows: Rows, write_order: Callable[[Rows], Path]
) -> None:
    """A billable code of the Tabular List that the order file leaves out is refused."""
    with pytest.raises(CodeBookError, match=r"order\.txt: 2 billable codes .* missing, S52\.9XXS first"):
        apply_order_file(read_tabular(tabular), write_order(order_rows[:-2]))
