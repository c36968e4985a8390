"""A real service with a fresh demo, and a real browser before it. Both are started once for all tests."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.driving import ROLES, Service

_PLACES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_MISSING = (
    "NO CHROMIUM: the page was NOT tested in a browser. Install Debian's chromium (apt-get install chromium)"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "NO CHROMIUM" in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_sep("!", f"{len(skipped)} browser tests skipped", red=True, bold=True)
        terminalreporter.write_line(_MISSING, red=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is; without one, the tests are skipped, loudly."""
    found = os.environ.get("CODER_ASSIST_CHROMIUM") or next(filter(None, map(shutil.which, _PLACES)), None)
    if found is None:
        pytest.skip(_MISSING)
    return found


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[object]:
    """Headless Chromium. While it runs it holds this thread's event loop, so it is closed with the package."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _links(process: subprocess.Popen[str], within: float = 120.0) -> dict[str, str]:
    """Read the sign-in links that the service prints, one for each role."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:  # to its end, so that the service never waits for a reader
            said.put(line)

    threading.Thread(target=read, daemon=True).start()
    found: dict[str, str] = {}
    lines: list[str] = []
    until = time.monotonic() + within
    while len(found) < len(ROLES) and time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(queue.Empty):
            lines.append(said.get(timeout=1.0))
            if match := re.match(r"^\s+(\w+)\s+(http\S+)\s*$", lines[-1]):
                found[match[1]] = match[2]
    assert len(found) == len(ROLES), f"the service did not start: {''.join(lines)}"
    return found


@pytest.fixture(scope="package")
def service(browser: object, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`coder-assist serve` in a process of its own, with a demo database that nobody has touched."""
    port = _free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CODER_ASSIST_")},
        "CODER_ASSIST_CACHE_DIR": str(cache_dir),
        "CODER_ASSIST_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "400",
    }
    command = [
        sys.executable,
        "-c",
        "from coder_assist.cli import main; main()",
        "serve",
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            serving = Service(f"http://127.0.0.1:{port}", browser, _links(process))
            yield serving
            serving.close()
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def page_of(service: Service) -> Iterator[Callable[..., object]]:
    """Open a page for a role; what the browser complains of on it fails the test."""
    opened = []

    def open_page(role: str, **how: object) -> object:
        page = service.page(role, **how)
        opened.append(page)
        return page

    yield open_page
    complaints = [complaint for page in opened for complaint in page.complaints]
    for page in opened:
        page.context.close()
    assert complaints == []
