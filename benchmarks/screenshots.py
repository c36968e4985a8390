"""The pictures of ``docs/``: a fresh demo, JupyterLab and the accuracy report, photographed in headless Chromium.

``python -m benchmarks.screenshots [--out docs/screenshots] [--only desk|lab|report]``
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.simulate import Plan, play, simulate

OUT = Path(__file__).parent.parent / "docs" / "screenshots"
LARGEST = 250_000
_ROLES = ("coder", "lead", "auditor", "data_scientist", "admin")


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """Serve a demo of its own; gives the sign-in link of each role."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-c", "from coder_assist.cli import main; main()"]
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port)],
            env={**os.environ, "CODER_ASSIST_DATA_DIR": data, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        links: dict[str, str] = {}
        try:
            for line in process.stdout:
                words = line.split()
                if len(words) == 2 and words[0] in _ROLES:
                    links[words[0]] = words[1]
                if len(links) == len(_ROLES):
                    break
            else:
                raise SystemExit("the service did not start")
            yield links
        finally:
            process.terminate()
            process.wait(20)


class Photographer:
    """Signs in once for each role, opens pages, and writes what they show."""

    def __init__(self, browser: Any, links: dict[str, str], out: Path) -> None:
        self.browser = browser
        self.url = links["coder"].split("/sign-in")[0]
        self.out = out
        self.states: dict[str, Any] = {}
        for role, link in links.items():
            context = browser.new_context()
            page = context.new_page()
            page.goto(link)
            page.get_by_role("button", name="Sign out").wait_for()
            self.states[role] = context.storage_state()
            context.close()

    def open(self, role: str, path: str, **how: Any) -> Any:
        """Open a view for a role."""
        how = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", **how}
        page = self.browser.new_context(
            base_url=self.url, storage_state=self.states[role], reduced_motion="reduce", **how
        ).new_page()
        page.goto(f"/#/{path}")
        page.wait_for_load_state("networkidle")
        return page

    def take(self, page: Any, name: str) -> None:
        """Write what a page shows now."""
        take(page, self.out / f"{name}.png")


def take(page: Any, file: Path) -> None:
    """Write what a page shows now."""
    page.wait_for_timeout(500)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    # A page has few colours; with a palette of its own a picture takes a third of the bytes.
    picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{file}: expected at most {LARGEST} bytes; got {size}")
    print(f"{file.name}: {size / 1000:.0f} kB")


def press(page: Any, *keys: str) -> None:
    """Press keys, at the pace of a person."""
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(120)


def saved(page: Any) -> None:
    """Wait until the service has every decision of a page."""
    page.wait_for_function("() => (document.querySelector('.ca-desk').dataset.unsaved || '0') === '0'")


def photograph(camera: Photographer) -> None:
    """Work through the demo, and take each picture when its state is reached."""
    request = camera.browser.new_context(base_url=camera.url, storage_state=camera.states["coder"]).request
    until = time.monotonic() + 120
    while time.monotonic() < until:  # the suggestions of the demo are computed in the background
        items = request.get("/v1/encounters?limit=200&sort=age").json()["items"]
        if all(item["run_state"] == "done" for item in items):
            break
        time.sleep(1)

    wide = camera.open("coder", "encounter/enc-colon", viewport={"width": 1440, "height": 860})
    wide.locator("li[aria-current=true]").wait_for()
    press(wide, "a", "a", "r", "3", "a")
    camera.take(wide, "desk")
    wide.context.close()

    desk = camera.open("coder", "encounter/ca-004")
    desk.locator("li[aria-current=true]").wait_for()
    press(desk, "a", "a", "r")
    camera.take(desk, "reject")
    press(desk, "3", "a", "j")
    press(desk, "/")
    desk.keyboard.type("heart failure")
    desk.locator(".ca-choices li").first.wait_for()
    camera.take(desk, "search")
    press(desk, "Escape", "b")
    camera.take(desk, "bulk")
    press(desk, "Escape", "?")
    camera.take(desk, "keys")
    press(desk, "Escape", "/")
    desk.keyboard.type("I50.9")
    desk.locator(".ca-choices li").first.wait_for()
    press(desk, "Enter")
    saved(desk)
    desk.get_by_role("tab", name="Findings").click()
    camera.take(desk, "findings")
    press(desk, "h")
    camera.take(desk, "hold")
    press(desk, "Escape", "s")
    camera.take(desk, "submit")
    press(desk, "Escape")
    desk.context.close()

    phone = camera.open(
        "coder",
        "encounter/ca-002",
        viewport={"width": 390, "height": 780},
        color_scheme="dark",
        has_touch=True,
        is_mobile=True,
    )
    phone.locator("li[aria-current=true]").wait_for()
    camera.take(phone, "phone-dark")
    phone.context.close()

    done = camera.open("coder", "encounter/ca-001", color_scheme="dark")
    done.locator("li[aria-current=true]").wait_for()
    camera.take(done, "desk-dark")
    press(done, *"aaaaaaaaaa")
    saved(done)
    press(done, "s", "Enter")
    done.get_by_text("Submitted.").first.wait_for()
    done.goto("/#/practice/ca-002")
    done.locator(".ca-codes h2").first.wait_for()
    for code in ("S52.531A", "W00.0XXA", "S52.501A"):
        press(done, "/")
        done.keyboard.type(code)
        done.locator(".ca-choices li").filter(has_text=code).first.wait_for()
        press(done, "Enter")
    saved(done)
    press(done, "s", "Enter")
    done.locator(".ca-table").wait_for()
    done.evaluate("document.documentElement.dataset.theme = 'light'")
    camera.take(done, "practice")
    done.context.close()

    audit = camera.open("auditor", "audits")
    audit.get_by_role("button", name="Begin an audit").click()
    audit.get_by_role("link", name="ca-001").click()
    audit.get_by_role("button", name="Agree with").first.click()
    audit.get_by_text("Agreed").first.wait_for()
    audit.get_by_role("button", name="Overturn").first.click()
    audit.get_by_label("Reason").fill(
        "The polyneuropathy is the foot exam's alone; the assessment does not say it."
    )
    audit.get_by_role("button", name="Record").click()
    audit.get_by_text("Overturned").first.wait_for()
    camera.take(audit, "audit")
    audit.context.close()

    lead = camera.open("lead", "overview")
    lead.locator(".ca-table").first.wait_for()
    camera.take(lead, "overview")
    lead.context.close()


CELLS = (
    "from coder_assist.workbench import Bench, ReviewWidget, read, show_document\n"
    "bench = Bench.open()\n"
    "widget = ReviewWidget('ca-004', bench)\n"
    "widget",
    "widget.decisions[['verdict', 'code', 'via', 'reason']]",
    "show_document(read('ASSESSMENT: Essential hypertension. No asthma. Father had gout. '\n"
    "                   'Possible pneumonia of the left lower lobe.'))",
)


@contextmanager
def lab() -> Iterator[str]:
    """Open JupyterLab over one notebook, with a demo of its own; gives the notebook's address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, Path(data) / "chart.ipynb")
        token = secrets.token_hex(16)
        places = {
            name: str(Path(data) / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "CODER_ASSIST_DATA_DIR")
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "coder_assist", "lab", data, "--port", str(port), "--no-browser"],
            env={**os.environ, **places, "JUPYTER_TOKEN": token},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            until = time.monotonic() + 180
            while True:
                try:
                    urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise SystemExit("JupyterLab did not start") from None
                    time.sleep(0.5)
            yield f"{address}/lab/tree/chart.ipynb?token={token}"
        finally:
            process.terminate()
            process.wait(30)


def photograph_lab(browser: Any, address: str, out: Path) -> None:
    """Decide in a notebook's cell by keys, and show what Python sees of it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(address)
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.nth(0).locator(".cm-content").click()
    press(page, "Control+Enter")
    page.keyboard.press("Control+b")  # the files beside the notebook go
    desk = page.locator(".ca-widget .ca-desk")
    desk.locator("li[data-index]").first.wait_for()
    desk.locator("li[data-index='0']").focus()
    press(page, "a", "a", "r", "3", "a", "j")
    page.wait_for_timeout(1500)
    desk.evaluate("desk => desk.scrollIntoView({block: 'start'})")
    take(page, out / "widget.png")
    for number in (1, 2):
        cells.nth(number).locator(".cm-content").click()
        press(page, "Control+Enter")
        cells.nth(number).locator(".jp-OutputArea-output").first.wait_for()
    cells.nth(2).evaluate("cell => cell.scrollIntoView({block: 'end'})")
    take(page, out / "notebook.png")
    page.close()


def photograph_report(browser: Any, out: Path) -> None:
    """Make the report of a simulated year by the command, and show its head, a number's encounters, a breakdown."""
    with tempfile.TemporaryDirectory() as place:
        play(simulate(Plan(encounters=240, audited=90, second=40, wave=5.0), 3), Path(place))
        page_file = Path(place) / "accuracy.html"
        command = ["audit", "report", "--from", "2026-01-01", "--to", "2027-01-01", "--out", str(page_file)]
        subprocess.run(
            [sys.executable, "-m", "coder_assist", *command],
            env={**os.environ, "CODER_ASSIST_DATA_DIR": place},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        page.goto(f"file://{page_file}")
        take(page, out / "report.png")
        page.locator("#summary td:last-child a.behind").first.click()
        page.locator(".ids p:target").wait_for()
        take(page, out / "report-encounters.png")
        page.goto(f"file://{page_file}#coders")
        page.locator("#coders details.parts").first.locator("summary").first.click()
        page.locator("#coders details.parts").first.scroll_into_view_if_needed()
        page.locator("#coders details.parts svg[role=img]").first.evaluate(
            "it => it.scrollIntoView({block: 'center'})"
        )
        take(page, out / "report-parts.png")
        dark = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="dark")
        dark.goto(f"file://{page_file}#calibration")
        take(dark, out / "report-dark.png")


def main() -> None:
    """Take all pictures, or those of one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", choices=("desk", "lab", "report"))
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CODER_ASSIST_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if options.only in (None, "desk"):
            with served() as links:
                photograph(Photographer(browser, links, out))
        if options.only in (None, "lab"):
            with lab() as address:
                photograph_lab(browser, address, out)
        if options.only in (None, "report"):
            photograph_report(browser, out)
        browser.close()


if __name__ == "__main__":
    main()
