"""CDC's Alphabetical Index files (Index, External Cause, Drugs, Neoplasm) as terms → codes.

The files are not packaged; a user names them in an edition's ``edition.toml``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from coder_assist.codes.xml_files import root_of, too_deep

_CODE = re.compile(r"[A-Z](?:\d[0-9A-Z]|A\d)(?:\.[0-9A-Z]{1,4})?")

# Column heads of the two tables, as words that a term needs ("malignant primary", "poisoning accidental").
_TABLE_COLUMNS = {
    "Neoplasm": {
        "2": "malignant neoplasm of", "3": "secondary malignant neoplasm of", "4": "carcinoma in situ of",
        "5": "benign neoplasm of", "6": "neoplasm of uncertain behavior of", "7": "neoplasm of unspecified behavior of",
    },
    "Substance": {
        "2": "accidental poisoning by", "3": "intentional self-harm poisoning by", "4": "assault poisoning by",
        "5": "undetermined poisoning by", "6": "adverse effect of", "7": "underdosing of",
    },
}  # fmt: skip


def _title(element: ET.Element) -> str:
    """Return a term's title without its nonessential modifiers (``nemod``)."""
    title = element.find("title")
    if title is None:
        return ""
    parts = [title.text or ""] + [child.tail or "" for child in title]
    return " ".join(" ".join(parts).replace("NEC", " ").split())


def _walk(element: ET.Element, above: tuple[str, ...], columns: dict[str, str]) -> Iterator[tuple[str, str]]:
    path = (*above, _title(element))
    term = " ".join(part for part in path if part)
    code = element.findtext("code")
    if code and (match := _CODE.match(code.strip())):
        yield term, match.group()
    for cell in element.findall("cell"):
        lead = columns.get(cell.get("col", ""))
        match = _CODE.match((cell.text or "").strip())
        if lead and match:
            yield f"{lead} {term}", match.group()
    for child in element.findall("term"):
        yield from _walk(child, path, columns)


def read_index(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ``(term, code)`` for each line of an Index file (XML, also gzipped) that carries a code.

    A sub-term's words come after its main term's ("Fracture femur neck"); nonessential modifiers
    and cross-references are left out; of a table (neoplasm, drugs) each column gives its own term.
    Raises ``CodeBookError`` for another file.
    """
    root = root_of(path, "a CDC Index file", "ICD10CM.index")
    table = (root.findtext("indexHeading/head") or "").strip()
    columns = _TABLE_COLUMNS.get(table, {})
    for main in root.iter("mainTerm"):
        try:
            terms = list(_walk(main, (), columns))
        except RecursionError:
            raise too_deep(path) from None
        for term, code in terms:
            yield (
                re.sub(r" ?Neoplasm, neoplastic ?", " ", term).strip() if table == "Neoplasm" else term,
                code,
            )
