"""A release of a dozen codes and a lexicon of a dozen rows, to compile in milliseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from coder_assist.codes import Library, compiler, open_library

TABULAR = """<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.tabular>
  <version>2031</version>
  <chapter>
    <name>1</name>
    <desc>Certain infectious diseases (A00-B99)</desc>
    <useAdditionalCode><note>code to identify resistance (Z16.-)</note></useAdditionalCode>
    <section id="A00-A09">
      <desc>Intestinal infectious diseases (A00-A09)</desc>
      <excludes2><note>burns (T20-T32)</note></excludes2>
      <diag>
        <name>A00</name>
        <desc>Cholera</desc>
        <codeAlso><note>any associated:</note><note>injury (S52.-)</note><note>a state of mind</note></codeAlso>
        <diag><name>A00.0</name><desc>Classical cholera</desc>
          <inclusionTerm><note>Cholera due to the old germ</note></inclusionTerm>
          <excludes1><note>other cholera (A00.1, A00.9)</note></excludes1>
        </diag>
        <diag><name>A00.9</name><desc>Cholera, unspecified</desc></diag>
      </diag>
    </section>
    <section id="B20">
      <desc>Human immunodeficiency virus [HIV] disease (B20)</desc>
      <diag><name>B20</name><desc>Human immunodeficiency virus [HIV] disease</desc></diag>
    </section>
  </chapter>
  <chapter>
    <name>19</name>
    <desc>Injury (S00-T88)</desc>
    <section id="S50-S59">
      <desc>Injuries to the elbow and forearm (S50-S59)</desc>
      <diag>
        <name>S52</name>
        <desc>Fracture of forearm</desc>
        <sevenChrDef>
          <extension char="A">initial encounter for closed fracture</extension>
          <extension char="S">sequela</extension>
        </sevenChrDef>
        <diag><name>S52.9</name><desc>Unspecified fracture of forearm</desc></diag>
        <diag>
          <name>S52.1</name>
          <desc>Torus fracture of forearm</desc>
          <sevenChrDef><extension char="D">subsequent encounter</extension></sevenChrDef>
          <diag><name>S52.101</name><desc>Torus fracture of right forearm</desc></diag>
        </diag>
      </diag>
    </section>
  </chapter>
</ICD10CM.tabular>
"""

LEXICON = {
    "synonyms.tsv": "term\tsystem\tcode\tkind\nrice water stool\tICD-10-CM\tA00.9\tlay\n",
    "abbreviations.tsv": (
        "abbreviation\texpansion\tsystem\tcode\tsense\tcase\tcues\n"
        "HIV\thuman immunodeficiency virus\tICD-10-CM\tB20\tonly\tany\t\n"
        "FX\tfracture\tICD-10-CM\tS52\tcued\texact\tforearm,cast\n"
    ),
    "drugs.tsv": "drug\tgeneric\tconditions\tstatus_code\ndoxy\tdoxycycline\tA00\t\n",
    "cpt.tsv": (
        "code\tlabel\tterms\trequires\texcludes\tfamily\taddon\tlaterality\n"
        "99999\tSetting a broken forearm\tforearm reduction; setting of forearm\tforearm & cast,splint\topen\tarm\t\tyes\n"
    ),
    "hcpcs.tsv": (
        "code\tlabel\tterms\trequires\texcludes\tfamily\taddon\tlaterality\tuse\n"
        "E0130\tWalking frame\tzimmer frame\tdispensed\t\t\t\t\tsupply\n"
    ),
}

ORDER = [
    ("A00", 0, "Cholera"),
    ("A00.0", 1, "Classical cholera, as the order file has it"),
    ("A00.9", 1, "Cholera, unspecified"),
    ("B20", 1, "Human immunodeficiency virus [HIV] disease"),
    ("S52", 0, "Fracture of forearm"),
    ("S52.9XXA", 1, "Unspecified fracture of forearm, initial encounter for closed fracture"),
    ("S52.9XXS", 1, "Unspecified fracture of forearm, sequela"),
    ("S52.101D", 1, "Torus fracture of right forearm, subsequent encounter"),
]

EDITION = 'name = "FY2031"\nvalid_from = 2030-10-01\nvalid_to = 2031-09-30\ntabular = "tabular.xml"\n'


def order_lines(rows: list[tuple[str, int, str]]) -> str:
    """Write rows in the fixed columns of CMS's order file."""
    return "".join(
        f"{number:05d} {code.replace('.', ''):<7} {flag} {title[:60]:<60} {title}\n"
        for number, (code, flag, title) in enumerate(rows, 1)
    )


@pytest.fixture
def tabular(tmp_path: Path) -> Path:
    """A Tabular List of two chapters."""
    path = tmp_path / "tabular.xml"
    path.write_text(TABULAR, encoding="utf-8")
    return path


@pytest.fixture
def order_rows() -> list[tuple[str, int, str]]:
    """The rows of the order file that goes with the small Tabular List."""
    return list(ORDER)


@pytest.fixture
def write_order(tmp_path: Path) -> Callable[[list[tuple[str, int, str]]], Path]:
    """Write an order file and return its path."""

    def write(rows: list[tuple[str, int, str]]) -> Path:
        path = tmp_path / "order.txt"
        path.write_text(order_lines(rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def make_editions(tmp_path: Path) -> Callable[..., Path]:
    """Write an editions directory with one edition in it: ``edition.toml`` and further files."""

    def make(toml: str | bytes = EDITION, **files: str) -> Path:
        digest = hashlib.sha256(repr((toml, files)).encode()).hexdigest()[:8]
        child = tmp_path / f"editions-{digest}" / "fy2031"
        child.mkdir(parents=True, exist_ok=True)
        content = toml if isinstance(toml, bytes) else toml.encode()
        (child / "edition.toml").write_bytes(content)
        for name, text in {"tabular_xml": TABULAR, **files}.items():
            (child / name.replace("_", ".")).write_text(text, encoding="utf-8")
        return child.parent

    return make


@pytest.fixture
def small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of small lexicon files that stands in for the packaged one."""
    directory = tmp_path / "data"
    directory.mkdir()
    for name, text in LEXICON.items():
        (directory / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(compiler, "data_file", lambda name: directory / name)
    return directory


@pytest.fixture
def small_library(small_data: Path, make_editions: Callable[..., Path], tmp_path: Path) -> Library:
    """The small release and the small lexicon, opened as a user would."""
    return open_library(tmp_path / "cache", make_editions())
