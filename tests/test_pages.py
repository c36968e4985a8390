"""What the pages on running the project claim is there: tests, settings, figures, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coder_assist.api.metrics import Figures
from coder_assist.settings import Settings

ROOT = Path(__file__).parents[1]
SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_every_test_named_for_security_exists() -> None:
    """Each row of the table is held by a test that is there, or says that it is open and why."""
    rows = [line.strip("|").split("|") for line in SECURITY.splitlines() if re.match(r"\| V\d+ ", line)]
    assert len(rows) > 40
    for *_, held in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", held)
        assert named or re.match(r" open\b.{10,}", held), held
        for file, test in named:
            source = (ROOT / file).read_text("utf-8")
            assert re.search(rf"^(async )?def {test}\(", source, re.M), held


@pytest.mark.parametrize("page", ["operations", "reliability", "security"])
def test_pages_name_settings_and_files_that_exist(page: str) -> None:
    """Every setting is one, and every file of the repository is there."""
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    known = {f"CODER_ASSIST_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"CODER_ASSIST_[A-Z_]+", text)) <= known
    for path in re.findall(r"`((?:docs|tests|benchmarks|coder_assist)/[\w/]+\.\w+)", text):
        assert (ROOT / path).exists(), path


def test_the_figures_of_the_page_are_those_of_the_service() -> None:
    """What is to be watched has the names that ``/metrics`` gives."""
    figures = Figures()
    figures.count("GET", "/", 200, 0.01)
    given = figures.text().decode() + (ROOT / "coder_assist" / "api" / "metrics.py").read_text("utf-8")
    named = set(re.findall(r"`(coder_assist_[a-z_]+)", OPERATIONS))
    assert len(named) >= 5
    assert all(name.removesuffix("_total").removesuffix("_bucket") in given for name in named)
