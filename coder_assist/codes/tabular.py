"""The official ICD-10-CM release, read into plain rows.

The Tabular List comes as XML (chapters, blocks and codes to six characters, with notes and
7th-character definitions); the order file lists every code with its billable flag and long title.
The XML alone is enough; an order file, where given, overrides flags and titles.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from coder_assist.codes.instructions import CodeRange, InstructionKind
from coder_assist.codes.xml_files import root_of, too_deep
from coder_assist.errors import CodeBookError

_NOTES = {
    "includes": InstructionKind.INCLUDES,
    "excludes1": InstructionKind.EXCLUDES1,
    "excludes2": InstructionKind.EXCLUDES2,
    "codeFirst": InstructionKind.CODE_FIRST,
    "useAdditionalCode": InstructionKind.USE_ADDITIONAL,
    "codeAlso": InstructionKind.CODE_ALSO,
    "notes": InstructionKind.NOTE,
}


@dataclass(slots=True)
class Node:
    """A chapter, block or code of the Tabular List, before it goes into the cache.

    ``level`` is ``chapter``, ``block`` or ``code``. ``name`` is unique: a block of a single
    category (``B20``) is named ``B20-B20``, so that the category keeps its name.
    """

    name: str
    level: str
    title: str
    parent: str | None
    billable: bool = True
    inclusion_terms: list[str] = field(default_factory=list)
    notes: list[tuple[InstructionKind, str]] = field(default_factory=list)
    seventh: str = ""


def _text(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _note_texts(element: ET.Element) -> Iterator[str]:
    """Yield a note group's lines; a line that ends in ':' is repeated before each line it introduces."""
    lead = ""
    for note in element.iter("note"):
        line = _text(note)
        if line.endswith(":"):
            lead = line
            yield line
        else:
            yield f"{lead} {line}" if lead else line


def _seventh_characters(element: ET.Element) -> dict[str, str]:
    characters: dict[str, str] = {}
    for group in element.findall("sevenChrDef"):
        for extension in group.findall("extension"):
            characters[extension.get("char", "")] = _text(extension)
    return characters


_NOT_APPLICABLE = re.compile(
    r"7th characters? (?P<chars>[A-Z](?: and [A-Z])*) do(?:es)? not apply to codes in category (?P<category>\w{3}) "
    r"with 6th character (?P<sixth>\d\b.*)"
)


@dataclass(frozen=True, slots=True)
class _Sevenths:
    """The 7th characters that bind below a node, and where some do not apply (as S06 says in words)."""

    meanings: dict[str, str]
    excepted_characters: frozenset[str] = frozenset()
    excepted_sixths: frozenset[str] = frozenset()

    @classmethod
    def read(cls, element: ET.Element, inherited: _Sevenths) -> _Sevenths:
        meanings = _seventh_characters(element)
        if not meanings:
            return inherited
        for note in element.iterfind("notes/note"):
            match = _NOT_APPLICABLE.search(_text(note))
            if match:
                sixths = re.findall(r"(?:^|or )(\d)\b", match["sixth"])
                return cls(meanings, frozenset(match["chars"].split(" and ")), frozenset(sixths))
        return cls(meanings)

    def of(self, code: str) -> dict[str, str]:
        bare = code.replace(".", "")
        if bare[5:6] in self.excepted_sixths:
            return {c: m for c, m in self.meanings.items() if c not in self.excepted_characters}
        return self.meanings


def _padded(code: str) -> str:
    """Fill a code with the placeholder X up to six characters (guideline I.A.5)."""
    bare = code.replace(".", "").ljust(6, "X")
    return f"{bare[:3]}.{bare[3:]}"


def _walk(element: ET.Element, parent: str, sevenths: _Sevenths, nodes: list[Node]) -> None:
    # The release lists all sections of a chapter flat. One that holds no codes of its own ("V00-V99")
    # heads the later sections within its range, so that its notes reach their codes.
    heads: list[tuple[CodeRange, str, _Sevenths]] = []
    for child in element:
        if child.tag == "section":
            first, _, last = child.get("id", "").partition("-")
            name = f"{first}-{last or first}" if first else ""
            while heads and not (heads[-1][0].covers(first) and heads[-1][0].covers(last or first)):
                heads.pop()
            _, above, inherited = heads[-1] if heads else (None, parent, sevenths)
            _node(child, name, "block", above, inherited, nodes)
            if child.find("diag") is None and child.find("section") is None:
                heads.append((CodeRange(first, last or first), name, _Sevenths.read(child, inherited)))
        elif child.tag == "diag":
            _node(child, (child.findtext("name") or "").strip(), "code", parent, sevenths, nodes)


def _node(
    element: ET.Element, name: str, level: str, parent: str | None, sevenths: _Sevenths, nodes: list[Node]
) -> None:
    title = _text(element.find("desc")) if element.find("desc") is not None else ""  # type: ignore[arg-type]
    if not name or not title:
        raise CodeBookError(
            f"tabular list: a {element.tag} below {parent or 'the root'} has no name or no desc"
        )
    if level != "code":
        title = re.sub(r"\s*\([A-Z0-9-]+\)$", "", title)
    node = Node(name, level, title, parent, billable=level == "code")
    node.inclusion_terms = [
        _text(note) for group in element.findall("inclusionTerm") for note in group.findall("note")
    ]
    node.notes = [
        (kind, line)
        for tag, kind in _NOTES.items()
        for group in element.findall(tag)
        for line in _note_texts(group)
    ]
    nodes.append(node)
    sevenths = _Sevenths.read(element, sevenths)
    has_codes = element.find("diag") is not None or element.find("section") is not None
    if level == "code" and not has_codes and sevenths.meanings:
        node.billable = False
        nodes.extend(
            Node(f"{_padded(name)}{character}", "code", f"{title}, {meaning}", name, seventh=character)
            for character, meaning in sevenths.of(name).items()
        )
    if has_codes:
        node.billable = False
        _walk(element, name, sevenths, nodes)


def read_tabular(path: Path) -> list[Node]:
    """Read a Tabular List XML file into nodes, parents before children, 7th characters expanded.

    Raises ``CodeBookError`` if the file is not such a release.
    """
    root = root_of(path, "the ICD-10-CM tabular list", "ICD10CM.tabular")
    nodes: list[Node] = []
    try:
        for chapter in root.findall("chapter"):
            _node(chapter, f"chapter {chapter.findtext('name')}", "chapter", None, _Sevenths({}), nodes)
    except RecursionError:
        raise too_deep(path) from None
    return nodes


def dotted(bare: str) -> str:
    """Write a code with its dot: ``E119`` → ``E11.9``."""
    return bare if len(bare) <= 3 else f"{bare[:3]}.{bare[3:]}"


def apply_order_file(nodes: list[Node], path: Path) -> None:
    """Take billable flags and long titles from CMS's order file (fixed columns).

    Columns (1-based): 1-5 order number, 7-13 code without dot, 15 billable 0/1, 17-76 short
    title, 78- long title. Raises ``CodeBookError`` for a line of another form, and where the two
    files do not list the same codes.
    """
    by_name = {node.name: node for node in nodes if node.level == "code"}
    seen = set()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CodeBookError(f"{path.name}: expected CMS's order file in UTF-8; {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        code, flag, title = dotted(line[6:13].strip()), line[14:15], line[77:].strip()
        if flag not in ("0", "1") or not code or not title:
            raise CodeBookError(
                f"{path.name}:{number}: expected order number, code, 0 or 1, short and long title"
            )
        node = by_name.get(code)
        if node is None:
            raise CodeBookError(f"{path.name}:{number}: {code} is not in the tabular list of this release")
        node.billable, node.title = flag == "1", title
        seen.add(code)
    missing = [name for name, node in by_name.items() if node.billable and name not in seen]
    if missing:
        raise CodeBookError(
            f"{path.name}: {len(missing)} billable codes of the tabular list are missing, {missing[0]} first"
        )
