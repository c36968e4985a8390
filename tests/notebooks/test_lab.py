"""The widget in JupyterLab: real server, real kernel, real browser; keys pressed there decide in the store."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import nbformat
import pytest

from coder_assist.settings import Settings
from coder_assist.types import Decision, Verdict
from coder_assist.workbench import Bench

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT = 90_000
ENCOUNTER = "ca-001"
CELLS = (
    "from coder_assist.workbench import Bench, ReviewWidget\n"
    "bench = Bench.open()\n"
    f"widget = ReviewWidget('{ENCOUNTER}', bench)\n"
    "widget",
    "print('kernel', *widget.decisions.verdict, *widget.decisions.code)",
    "widget.add('Z87.891')",
)

pytestmark = [pytest.mark.endurance, pytest.mark.filterwarnings("ignore")]


@dataclass(frozen=True)
class Lab:
    address: str
    token: str
    data: Path


@pytest.fixture
def lab(tmp_path: Path, kernel_environment: dict[str, str]) -> Iterator[Lab]:
    """`coder-assist lab` over one notebook."""
    directory = tmp_path / "notebooks"
    directory.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, directory / "desk.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    log = (tmp_path / "lab.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "coder_assist", "lab", str(directory), "--port", str(port), "--no-browser"],
        env={**kernel_environment, "JUPYTER_TOKEN": token},
        stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _await(f"{address}/api/status?token={token}", process, tmp_path / "lab.log")
        yield Lab(address, token, tmp_path / "data")
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(log.read_text())


@pytest.fixture
def page() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM: install Debian's chromium to see the widget work in JupyterLab")
    playwright = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: pip install playwright")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(WAIT)
        yield page
        browser.close()


def run_cell(page: Any, number: int) -> Any:
    """Run a cell, not yet run, by its keys and return what it shows.

    JupyterLab drops keys pressed while it still lays out the notebook or starts the kernel, so the keys
    wait for an idle kernel and are pressed again until the cell has its number.
    """
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for(state="attached")
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputPrompt").first
    deadline = time.monotonic() + WAIT / 1000
    while not re.fullmatch(r"\[[*\d]+\]:", prompt.inner_text().strip()):
        assert time.monotonic() < deadline, (
            f"cell {number} did not start:\n{page.locator('body').inner_text()}"
        )
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(2000)
    return cell.locator(".jp-OutputArea")


def decided(bench: Bench, count: int) -> Sequence[Decision]:
    """Return the decisions once there are so many: the page sends one after the other."""
    deadline = time.monotonic() + 120
    while len(made := bench.store.desk(ENCOUNTER).decisions) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    return made


def test_keys_in_the_cell_decide_in_kernel_and_store(lab: Lab, page: Any) -> None:
    page.goto(f"{lab.address}/lab/tree/desk.ipynb?token={lab.token}")
    run_cell(page, 0)
    desk = page.locator(".ca-widget .ca-desk")
    desk.locator("li[data-index]").first.wait_for()
    cells = page.locator(".jp-Notebook .jp-CodeCell").count()

    bench = Bench.open(settings=Settings(data_dir=lab.data))
    try:
        desk.locator("li[data-index='0']").focus()
        for key in ("a", "r", "1"):  # accept; reject the next one, as not supported
            page.keyboard.press(key)
        made = decided(bench, 2)
        assert [decision.verdict for decision in made] == [Verdict.ACCEPT, Verdict.REJECT]
        assert made[1].reason == "not_supported"
        # The keys were the desk's: JupyterLab's own "a" would have put a cell above.
        assert page.locator(".jp-Notebook .jp-CodeCell").count() == cells

        said = run_cell(page, 1)
        said.get_by_text(re.compile("^kernel")).wait_for()
        codes = [decision.code.value for decision in made]
        assert said.inner_text().split() == ["kernel", "accept", "reject", *codes]

        place = desk.locator("li[aria-current=true]").inner_text()
        desk.evaluate("desk => { desk.dataset.same = 'yes' }")
        run_cell(page, 2)  # Python decides; the page shows it, the same desk at the same place
        desk.get_by_text("Z87.891").first.wait_for()
        assert desk.get_attribute("data-same") == "yes"
        assert desk.locator("li[aria-current=true]").inner_text() == place
        assert "Z87.891" in {final.code.value for final in bench.store.desk(ENCOUNTER).codes}
    finally:
        bench.close()
