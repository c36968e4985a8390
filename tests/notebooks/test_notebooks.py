"""Every notebook runs from top to bottom in a kernel of its own, and is committed without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from coder_assist.workbench.lab import NOTEBOOKS

FILES = sorted(NOTEBOOKS.glob("*.ipynb"))


def test_all_are_there() -> None:
    assert [file.name[0] for file in FILES] == list("1234567")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_committed_without_outputs_and_closes_with_assertions(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.cells[0].source.startswith("# ")
    assert "**Purpose.**" in notebook.cells[0].source
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert "assert " in code[-1].source


@pytest.mark.endurance
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs(file: Path, kernel_environment: dict[str, str]) -> None:
    notebook = nbformat.read(file, as_version=4)
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    client.execute(env=kernel_environment)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)  # each has a plot
