"""What the project depends on may be used, and a bill of materials can be made of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from benchmarks.licences import dependencies, judged

EVERYTHING = ("dev", "workbench", "postgres", "batch", "dask", "pcs", "fuzz")


def test_all_dependencies_may_be_used() -> None:
    """Every installed dependency, also of the extras, has a licence that is known and permitted."""
    rows = dependencies(extras=EVERYTHING)
    assert {"fastapi", "spacy", "sqlalchemy", "numpy"} <= {row.name.lower() for row in rows}
    assert [f"{row.name}: {row.licence} {row.problem}" for row in rows if row.problem] == []


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("Apache-2.0", ""),
        ("BSD License", ""),
        ("GNU Lesser General Public License v3 (LGPLv3)", ""),
        ("GNU General Public License v3 (GPLv3)", "forbidden"),
        ("GNU Affero General Public License v3", "forbidden"),
        ("MIT AND GPL-2.0-or-later", "forbidden"),
        ("GPL-2.0-only OR BSD-3-Clause", ""),
        ("CC-BY-NC-4.0", "forbidden"),
        ("Other/Proprietary License", "forbidden"),
        ("Free for friends", "unknown"),
        ("", "unknown"),
    ],
)
def test_licences_are_told_apart(licence: str, verdict: str) -> None:
    """What binds the whole, and what nobody knows, is named."""
    assert judged(licence) == verdict


@pytest.mark.slow
def test_a_bill_of_materials_names_every_dependency(tmp_path: Path) -> None:
    """CycloneDX's own command writes one of this environment; all run-time dependencies are in it."""
    program = Path(sys.executable).parent / "cyclonedx-py"
    if not program.exists() and shutil.which("cyclonedx-py") is None:
        pytest.skip("cyclonedx-bom, of the extra dev, is not installed")
    target = tmp_path / "sbom.json"
    command = [str(program if program.exists() else "cyclonedx-py"), "environment", "--of", "JSON"]
    subprocess.run([*command, "-o", str(target), sys.prefix + "/bin/python"], check=True, capture_output=True)
    bill = json.loads(target.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {(part["name"].lower().replace("_", "-"), part["version"]) for part in bill["components"]}
    for name in ("fastapi", "spacy", "sqlalchemy", "numpy"):
        assert (name, distribution(name).version) in listed
