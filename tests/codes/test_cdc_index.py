"""CDC's Index files as terms and codes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from coder_assist.codes import Library, open_library
from coder_assist.codes.cdc_index import read_index
from coder_assist.codes.terms import key
from coder_assist.errors import CodeBookError

OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "official"

MAIN = """<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.index>
  <title>ICD-10-CM INDEX</title>
  <letter>
    <title>C</title>
    <mainTerm>
      <title>Cholera<nemod>(Asiatic) (epidemic)</nemod> NEC</title>
      <code>A00.9</code>
      <term level="1"><title>classical</title><code>A00.0</code>
        <term level="2"><title>of the old<nemod>(germ)</nemod> kind</title><code>A00.0</code></term>
      </term>
      <term level="1"><title>carrier</title><see>Carrier, cholera</see>
        <term level="2"><title>suspected</title><code>Z22.1</code></term>
      </term>
      <term level="1"><title>in a broken forearm</title><code>S52.1-</code></term>
    </mainTerm>
    <mainTerm><title>Colic</title><seeAlso>Pain, abdominal</seeAlso></mainTerm>
  </letter>
</ICD10CM.index>
"""

NEOPLASM = """<ICD10CM.index>
  <indexHeading>
    <head col="1">Neoplasm</head><head col="2">Malignant Primary</head><head col="3">Malignant Secondary</head>
    <head col="4">Ca in situ</head><head col="5">Benign</head><head col="6">Uncertain Behavior</head>
    <head col="7">Unspecified Behavior</head>
  </indexHeading>
  <letter><title>N</title>
    <mainTerm><title>Neoplasm, neoplastic</title>
      <cell col="2">C80.1</cell>
      <term level="1"><title>abdomen</title>
        <cell col="2">C76.2</cell><cell col="3">C79.8-</cell><cell col="4">D09.8</cell>
        <cell col="5">D36.7</cell><cell col="6">-</cell><cell col="7">D49.89</cell>
      </term>
    </mainTerm>
  </letter>
</ICD10CM.index>
"""

DRUGS = """<ICD10CM.index>
  <indexHeading><head col="1">Substance</head><head col="2">Poisoning Accidental (unintentional)</head></indexHeading>
  <letter><title>A</title>
    <mainTerm><title>Aspirin<nemod>(any)</nemod></title>
      <cell col="2">T39.011</cell><cell col="3">T39.012</cell><cell col="4">T39.013</cell>
      <cell col="5">T39.014</cell><cell col="6">T39.015</cell><cell col="7">--</cell>
    </mainTerm>
  </letter>
</ICD10CM.index>
"""

MAIN_TERMS = [
    ("Cholera", "A00.9"),
    ("Cholera classical", "A00.0"),
    ("Cholera classical of the old kind", "A00.0"),
    ("Cholera carrier suspected", "Z22.1"),
    ("Cholera in a broken forearm", "S52.1"),
]


def test_main_index(tmp_path: Path) -> None:
    """A term's words follow those above it; modifiers, NEC and cross-references are left out."""
    path = tmp_path / "index.xml"
    path.write_text(MAIN)
    assert list(read_index(path)) == MAIN_TERMS


def test_gzipped_index(tmp_path: Path) -> None:
    """A gzipped file reads as the plain one."""
    path = tmp_path / "index.xml.gz"
    path.write_bytes(gzip.compress(MAIN.encode()))
    assert list(read_index(path)) == MAIN_TERMS


def test_neoplasm_table(tmp_path: Path) -> None:
    """Each column of the neoplasm table gives a term of its own; empty cells give none."""
    path = tmp_path / "neoplasm.xml"
    path.write_text(NEOPLASM)
    assert list(read_index(path))[1:] == [
        ("malignant neoplasm of abdomen", "C76.2"),
        ("secondary malignant neoplasm of abdomen", "C79.8"),
        ("carcinoma in situ of abdomen", "D09.8"),
        ("benign neoplasm of abdomen", "D36.7"),
        ("neoplasm of unspecified behavior of abdomen", "D49.89"),
    ]


def test_head_of_the_neoplasm_table(tmp_path: Path) -> None:
    """The first row of the neoplasm table names no site."""
    path = tmp_path / "neoplasm.xml"
    path.write_text(NEOPLASM)
    term, code = next(read_index(path))
    assert code == "C80.1"
    assert "neoplastic" not in term


def test_drug_table(tmp_path: Path) -> None:
    """Each column of the drug table says how the substance did harm."""
    path = tmp_path / "drugs.xml"
    path.write_text(DRUGS)
    assert list(read_index(path)) == [
        ("accidental poisoning by Aspirin", "T39.011"),
        ("intentional self-harm poisoning by Aspirin", "T39.012"),
        ("assault poisoning by Aspirin", "T39.013"),
        ("undetermined poisoning by Aspirin", "T39.014"),
        ("adverse effect of Aspirin", "T39.015"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("index.xml", b"no xml", r"index\.xml: expected a CDC Index file as XML"),
        ("index.xml", b"<ICD10CM.tabular/>", r"expected root element ICD10CM\.index; got ICD10CM\.tabular"),
        (
            "index.xml.gz",
            MAIN.encode(),
            r"index\.xml\.gz: expected a CDC Index file as XML; Not a gzipped file",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """A file that is not an Index is refused with what was expected."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CodeBookError, match=message):
        list(read_index(path))


def test_broken_off_download(tmp_path: Path) -> None:
    """A gzipped file that breaks off is refused."""
    path = tmp_path / "index.xml.gz"
    path.write_bytes(gzip.compress(MAIN.encode())[:-30])
    with pytest.raises(CodeBookError):
        list(read_index(path))


def test_index_of_an_edition_reaches_the_lexicon(
    small_data: Path, make_editions: Callable[..., Path], tmp_path: Path
) -> None:
    """The Index that edition.toml names adds its terms; codes that the edition has not are passed over."""
    toml = 'name = "FY2031"\nvalid_from = 2030-10-01\nvalid_to = 2031-09-30\ntabular = "tabular.xml"\nindex = ["index.xml"]\n'
    found = open_library(tmp_path / "cache", make_editions(toml, index_xml=MAIN))
    (added,) = found.lexicon.terms_of(key("cholera, classical, of the old kind"))
    assert (added.text, added.code.value, added.source) == (
        "Cholera classical of the old kind",
        "A00.0",
        "index",
    )
    assert [term.code.value for term in found.lexicon.terms_of(key("cholera in a broken forearm"))] == [
        "S52.1"
    ]
    assert found.lexicon.terms_of(key("cholera carrier suspected")) == ()


@pytest.mark.shared
@pytest.mark.skipif(not OFFICIAL.is_dir(), reason=f"the official Index files are not in {OFFICIAL}")
@pytest.mark.parametrize(
    ("name", "rows", "known"),
    [
        ("icd10cm-eindex-april-1-2026-xml.xml.gz", 6_671, ("Accident barefoot water skier", "V94.4")),
        (
            "icd10cm-neoplasm-april-1-2026-xml.xml.gz",
            9_020,
            ("benign neoplasm of Zuckerkandl organ", "D35.6"),
        ),
        ("icd10cm-drug-april-1-2026-xml.xml.gz", 40_036, ("adverse effect of Zyprexa", "T43.595")),
    ],
)
def test_official_files(library: Library, name: str, rows: int, known: tuple[str, str]) -> None:
    """The official April 2026 files are read whole, and name only codes of the April 2026 book."""
    found = list(read_index(OFFICIAL / name))
    assert len(found) == rows
    assert known in found
    assert {code for _, code in found if code not in library.icd} == set()
    assert all(term for term, _ in found)
