"""Everybody can use the page: axe looks at every view, light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.driving import Desk

NOTE = """CHIEF COMPLAINT: Follow-up.

ASSESSMENT:
1. Type 2 diabetes mellitus with chronic kidney disease stage 3b.
2. Essential hypertension. No fever.
3. Anemia in chronic kidney disease, heart failure.

Seen for {0}.
"""
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="session")
def axe_source():
    """The script of axe-core."""
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def clean(axe_source):
    """Assert that axe finds nothing on what a page shows now; a dialog is looked at by itself."""

    def look(page, what):
        page.wait_for_timeout(150)  # the transition of colours
        if not page.evaluate("typeof axe !== 'undefined'"):
            page.evaluate(axe_source)
        found = page.evaluate("rules => axe.run(document, rules)", _RULES)
        told = [
            f"{what}: {violation['id']}: {node['target']} {node['failureSummary'][:200]}"
            for violation in found["violations"]
            for node in violation["nodes"][:3]
        ]
        assert told == []
        assert len(found["passes"]) > 10
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{what} overflows"

    return look


@pytest.fixture(scope="module")
def ready(service):
    """An encounter to work on, one that waits, and one that was submitted and audited in part."""
    worked = service.imported(NOTE.format("work"))
    held, done = service.imported(NOTE.format("a hold")), service.imported(NOTE.format("an audit"))
    for id in (held, done):
        desk = service.desk(id)
        made = [
            {
                "suggestion": place,
                "verdict": "accept",
                "system": s["system"],
                "code": s["code"],
                "via": "single",
                "shown_at": "2026-01-01T00:00:00Z",
            }
            for place, s in enumerate(desk["run"]["suggestions"])
            if s["selected"]
        ]
        body = {"version": desk["version"], "decisions": made}
        version = service.call("coder", "POST", f"/v1/encounters/{id}/decisions", body)["version"]
        if id == held:
            query = {"version": version, "query": {"text": "Which type?"}}
            service.call("coder", "POST", f"/v1/encounters/{id}/hold", query)
        else:
            service.call("coder", "POST", f"/v1/encounters/{id}/submit", {"version": version})
    sample = {"sample": {"kind": "random", "size": 1000, "seed": 1}}
    audit = service.call("auditor", "POST", "/v1/audits", sample)["id"]
    code = service.desk(done)["codes"][0]
    finding = {
        "system": code["system"],
        "code": code["code"],
        "verdict": "overturn",
        "error": "unsupported",
        "reason": "Said once.",
    }
    service.call("auditor", "POST", f"/v1/audits/{audit}/encounters/{done}/findings", finding)
    return {"worked": worked, "held": held, "done": done, "audit": audit}


LOOKS = pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
)


@LOOKS
def test_axe_finds_nothing_at_the_desk(service, page_of, clean, ready, scheme, width):
    """The desk with its tabs, a decided row, each dialog, a lost connection, a hold and a submitted encounter."""
    page = page_of("coder", color_scheme=scheme, width=width)
    desk = Desk(page, ready["worked"])
    page.locator(".ca-withheld summary, .ca-rest summary").first.click()
    clean(page, "desk")
    desk.press("a", "r")
    clean(page, "decided")
    desk.saved()
    page.wait_for_timeout(1700)
    for tab in ("Findings", "Claim", "History"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_load_state("networkidle")
        clean(page, tab)
    page.get_by_role("tab", name="Codes").click()
    for key, name in (
        ("/", "search"),
        ("b", "bulk"),
        ("h", "hold"),
        ("s", "submit"),
        ("?", "keys"),
        ("n", "words"),
        ("c", "change"),
    ):
        desk.press(key)
        page.get_by_role("dialog").wait_for()
        if key in "/c":
            page.keyboard.type("diabetes")
            page.locator(".ca-choices li").first.wait_for()
        clean(page, f"dialog {name}")
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
    page.context.set_offline(True)
    desk.press("u")
    page.get_by_role("alert").get_by_text("No connection").wait_for()
    clean(page, "lost connection")
    page.context.set_offline(False)
    page.get_by_text("The connection is back").wait_for()
    for what in ("held", "done"):
        Desk(page, ready[what])
        clean(page, what)


@LOOKS
def test_axe_finds_nothing_around_it(service, page_of, clean, ready, scheme, width):
    """Signing in, the worklist, the lead's and the auditor's views, practice with its comparison, people."""
    how = {"color_scheme": scheme, "width": width}
    page = page_of(None, **how)
    page.goto("/")
    page.get_by_label("Name").wait_for()
    clean(page, "sign in")
    coder = page_of("coder", **how)
    coder.goto("/")
    coder.locator(".ca-worklist-items a").first.wait_for()
    clean(coder, "worklist")
    case = service.call("coder", "GET", "/v1/practice")["cases"][0]["id"]
    coder.goto(f"/#/practice/{case}")
    coder.locator(".ca-codes h2").first.wait_for()
    clean(coder, "practice")
    coder.get_by_role("button", name="Compare").click()
    coder.get_by_role("dialog").get_by_role("button", name="Compare").click()
    coder.locator(".ca-table").wait_for()
    clean(coder, "comparison")
    auditor = page_of("auditor", **how)
    for path, ready_when in (
        ("audits", ".ca-table"),
        (f"audits/{ready['audit']}", ".ca-table"),
        (f"audits/{ready['audit']}/{ready['done']}", ".ca-verdict-box"),
    ):
        auditor.goto(f"/#/{path}")
        auditor.locator(ready_when).first.wait_for()
        clean(auditor, path)
    auditor.get_by_role("button", name="Overturn").first.click()
    clean(auditor, "overturning")
    lead = page_of("lead", **how)
    for path in ("overview", "people", "practice"):
        lead.goto(f"/#/{path}")
        lead.locator(".ca-table").first.wait_for()
        clean(lead, path)


def test_the_state_of_a_code_is_said_in_words(service, page_of):
    """Whether a code is preselected, accepted or rejected is text and a sign, never a colour alone."""
    id = service.imported(NOTE.format("words"))
    desk = Desk(page_of("coder"), id)
    first = desk.current_code()
    assert "preselected" in desk.row(first).inner_text()
    desk.press("a")
    second = desk.current_code()
    desk.press("r").saved()
    assert "accepted" in desk.row(first).inner_text()
    assert "✓" in desk.row(first).inner_text()
    assert "✗" in desk.row(second).inner_text()
    assert "rejected: not supported by the note" in desk.row(second).inner_text()
