"""The XML files of a release, as a tree. They have no document type, so none is read: no entity, no other file."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

from coder_assist.errors import CodeBookError


class _DocumentType(Exception):
    """A document type was declared."""


class _Builder(ET.TreeBuilder):
    """Builds the tree, and stops where entities would be declared."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called by the parser at a document type's beginning."""
        raise _DocumentType


def root_of(path: Path, what: str, tag: str) -> ET.Element:
    """Return the root of an XML file (also gzipped), which must have this tag.

    ``what`` names the file that is expected. Raises ``CodeBookError``.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            parser = ET.XMLParser(target=_Builder())  # noqa: S314 - entities are refused
            root: ET.Element = ET.parse(file, parser).getroot()  # noqa: S314
    except _DocumentType:
        raise CodeBookError(
            f"{path.name}: expected {what} as XML without a document type; got one that declares it"
        ) from None
    # LookupError and ValueError: an encoding that Python or the parser does not know.
    except (ET.ParseError, OSError, EOFError, zlib.error, LookupError, ValueError) as error:
        raise CodeBookError(f"{path.name}: expected {what} as XML; {error}") from None
    if root.tag != tag:
        raise CodeBookError(f"{path.name}: expected root element {tag}; got {root.tag}")
    return root


def too_deep(path: Path) -> CodeBookError:
    """Return what is raised where elements are nested deeper than any release nests them."""
    return CodeBookError(f"{path.name}: expected a release's few levels; its elements are nested too deep")
