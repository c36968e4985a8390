"""Under which licences the installed dependencies stand: a table, and exit code 1 where one may not be used.

    python -m benchmarks.licences [--extra dev ...]

Walks from ``pyproject.toml``, with the extras asked for, through the metadata of what is installed (no network), and
puts each licence into a family. What is not known, and what would bind the whole (GPL, AGPL, non-commercial), is
named and fails. A bill of materials in CycloneDX form is made by cyclonedx-bom; see ``docs/security.md``.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
# Families by the words of an SPDX expression, a classifier or a licence's first line; the first that fits counts.
FORBIDDEN = r"\bAGPL|Affero|(?<!L)(?<!Lesser )\bGPL|(?<!Lesser )General Public|Non-?Commercial|\bNC\b|Proprietary|SSPL|Commons Clause"
ALLOWED = (
    r"\bMIT\b|\bMIT[- ]0\b|Expat",
    r"Apache",
    r"\bBSD|0BSD",
    r"\bISC\b|\bISCL\b",
    r"\bPSF|Python Software Foundation|Python-2|CNRI",
    r"\bMPL|Mozilla Public",
    r"\bLGPL|Lesser General Public",
    r"Unlicense|Public Domain|CC0|\bZlib\b|zlib|HPND|BSL-1|Boost",
)
# Where the metadata say nothing: what the licence file beside them says.
KNOWN = {
    "atheris": "Apache-2.0",
    "skops": "MIT",
    "axe-playwright-python": "MIT AND MPL-2.0",  # axe-core inside is MPL
}


@dataclass(frozen=True, slots=True)
class Dependency:
    """An installed dependency and its licence; ``problem`` is empty where it may be used."""

    name: str
    version: str
    licence: str
    problem: str


def licence_of(found: Distribution) -> str:
    """Return what a distribution's metadata say of its licence: the expression, else classifiers, else the text's head."""
    metadata = found.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classified = [
        line.rsplit(" :: ", 1)[-1]
        for line in metadata.get_all("Classifier", [])
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    if classified:
        return "; ".join(classified)
    written = (metadata.get("License") or "").strip().splitlines()
    return KNOWN.get(canonicalize_name(metadata["Name"]), written[0].strip() if written else "")


def judged(licence: str) -> str:
    """Return why a licence may not be used; empty where it may.

    Of licences to choose from (``OR``) one that may is enough.

    >>> judged("MIT"), judged("LGPL-3.0-only"), judged("GPL-2.0-only OR MIT")
    ('', '', '')
    >>> judged("AGPL-3.0-only"), judged("MIT AND GPL-3.0-only"), judged("")
    ('forbidden', 'forbidden', 'unknown')
    """
    verdicts = [
        "forbidden"
        if re.search(FORBIDDEN, choice, re.I)
        else ""
        if any(re.search(family, choice, re.I) for family in ALLOWED)
        else "unknown"
        for choice in re.split(r"\s+OR\s+", licence)
    ]
    return "" if "" in verdicts else verdicts[0]


def needed(extras: Iterable[str] = ()) -> Iterator[Distribution]:
    """Yield what the project needs, with these extras, as far as it is installed; each once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    waiting = list(_wanted(lines, ()))
    seen: set[tuple[str, frozenset[str]]] = set()
    given = {project["name"]}
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        if name == project["name"]:  # one extra may ask for others
            waiting += _wanted((line for extra in wanted for line in optional[extra]), ())
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform, or an extra that is not installed
        if name not in given:
            given.add(name)
            yield found
        waiting += _wanted(found.requires or (), wanted)


def _wanted(lines: Iterable[str], extras: Iterable[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in lines:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def dependencies(extras: Iterable[str] = ()) -> list[Dependency]:
    """Return the installed dependencies by name."""
    rows = []
    for found in needed(extras):
        licence = licence_of(found)
        rows.append(Dependency(found.metadata["Name"], found.version, licence, judged(licence)))
    return sorted(rows, key=lambda row: row.name.lower())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extra", action="append", default=[])
    wanted = parser.parse_args()
    rows = dependencies(wanted.extra)
    for row in rows:
        print(
            f"{row.name:<28}{row.version:<16}{row.licence or '-'}{'  <- ' + row.problem if row.problem else ''}"
        )
    bad = [row.name for row in rows if row.problem]
    print(
        f"\n{len(rows)} dependencies, {len(bad)} that may not be used{': ' + ', '.join(bad) if bad else ''}"
    )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
