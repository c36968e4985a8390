"""A release's XML names no other file, does not unfold, and is refused plainly where it is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coder_assist.codes.cdc_index import read_index
from coder_assist.codes.tabular import read_tabular
from coder_assist.errors import CodeBookError

SECRET = "Zyxwvut"
# How a release is read, a file of one with a place for a text, and an element that may stand within itself.
Reader = tuple[Callable[[Path], object], str, str]
READERS: dict[str, Reader] = {
    "tabular": (
        read_tabular,
        "<ICD10CM.tabular><chapter><name>1</name><desc>{}</desc></chapter></ICD10CM.tabular>",
        "<diag><name>A00</name><desc>x</desc>",
    ),
    "index": (
        lambda path: list(read_index(path)),
        "<ICD10CM.index><mainTerm><title>{}</title><code>A00</code></mainTerm></ICD10CM.index>",
        "<term><title>x</title>",
    ),
}
BOMB = "<!ENTITY e0 'lol'>" + "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 10))


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> Reader:
    return READERS[request.param]


@pytest.mark.parametrize(
    ("doctype", "content"),
    [
        ("<!DOCTYPE a [<!ENTITY b SYSTEM '{}'>]>", "x&b;"),
        ("<!DOCTYPE a [<!ENTITY b PUBLIC 'c' '{}'>]>", "x&b;"),
        ("<!DOCTYPE a [<!ENTITY % b SYSTEM '{}'>%b;]>", "x"),
        ("<!DOCTYPE a SYSTEM '{}'>", "x&b;"),
    ],
    ids=["entity", "public entity", "parameter entity", "external subset"],
)
def test_no_other_file_is_read(reader: Reader, tmp_path: Path, doctype: str, content: str) -> None:
    """Whatever way another file is named, its content is in no node, term or message."""
    read, form, _ = reader
    (tmp_path / "secret").write_text(SECRET)
    path = tmp_path / "release.xml"
    path.write_text(doctype.format((tmp_path / "secret").as_uri()) + form.format(content))
    with pytest.raises(CodeBookError, match="without a document type") as refusal:
        read(path)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("depth", [4, 9])
def test_entities_do_not_unfold(reader: Reader, tmp_path: Path, depth: int) -> None:
    """A file of 700 characters that would be 30 kB, or 3 GB, is refused for its document type, before that."""
    read, form, _ = reader
    path = tmp_path / "release.xml"
    path.write_text(f"<!DOCTYPE a [{BOMB}]>" + form.format(f"&e{depth};"))
    with pytest.raises(CodeBookError, match="without a document type"):
        read(path)


@pytest.mark.parametrize("encoding", ["none-such", "utf-7", "shift_jis"])
def test_an_encoding_that_is_not_known_is_refused(reader: Reader, tmp_path: Path, encoding: str) -> None:
    """A file in an encoding that Python or its parser lacks is refused as any other that is no release."""
    read, form, _ = reader
    path = tmp_path / "release.xml"
    path.write_text(f"<?xml version='1.0' encoding='{encoding}'?>" + form.format("x"))
    with pytest.raises(CodeBookError, match=r"release\.xml: expected .* as XML; "):
        read(path)


def test_a_well_without_bottom_is_refused(reader: Reader, tmp_path: Path) -> None:
    """Elements nested 20,000 deep are refused, not followed until the stack ends."""
    read, form, element = reader
    closing = f"</{element[1:].partition('>')[0]}>"
    path = tmp_path / "release.xml"
    end = "</chapter>" if "</chapter>" in form else "</mainTerm>"
    path.write_text(form.format("x").replace(end, element * 20_000 + closing * 20_000 + end))
    with pytest.raises(CodeBookError, match="nested too deep"):
        read(path)


def test_a_column_that_is_no_number_is_no_column(tmp_path: Path) -> None:
    """A cell of a table says which column it is of; any other word leads to no term."""
    path = tmp_path / "index.xml"
    path.write_text(
        "<ICD10CM.index><indexHeading><head>Neoplasm</head></indexHeading><mainTerm><title>Lung</title>"
        "<cell col='x'>A00</cell><cell col='²'>A01</cell><cell col='2'>C34.90</cell></mainTerm></ICD10CM.index>"
    )
    assert [code for _, code in read_index(path)] == ["C34.90"]
