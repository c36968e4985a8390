"""Text of others stays text, and the page's files keep to what they may do."""

from __future__ import annotations

import re
from pathlib import Path

import coder_assist
from tests.browser.driving import Desk

WEB = Path(coder_assist.__file__).parent / "web"
EVIL = "<img src=x onerror=\"window.broken='{0}'\"><script>window.broken='{0}'</script><svg/onload=window.broken=1>"


def test_markup_in_notes_titles_ids_queries_and_comments_stays_text(service, page_of):
    """Whatever an import or a person writes is shown as it was written, and runs nowhere."""
    id = service.imported(
        f"{EVIL.format('text')}\nASSESSMENT:\n1. Essential hypertension {EVIL.format('near')}\n2. Gout.",
        id="<img src=x onerror=alert(1)>",
        title=EVIL.format("title"),
        specialty="<b>bold</b>",
    )
    page = page_of("coder")
    dialogs = []
    page.on("dialog", lambda shown: (dialogs.append(shown.message), shown.dismiss()))
    desk = Desk(page, id)
    assert EVIL.format("text") in page.locator(".ca-text").inner_text()
    assert page.locator("h1").first.inner_text() == EVIL.format("title")
    desk.press("a").saved()
    page.get_by_role("tab", name="History").click()
    page.get_by_label("A comment").fill(EVIL.format("comment"))
    page.get_by_role("button", name="Comment").click()
    page.locator(".ca-history").get_by_text("window.broken='comment'").wait_for()
    page.get_by_role("tab", name="Claim").click()
    page.locator(".ca-claim").first.wait_for()
    page.get_by_role("tab", name="Codes").click()
    desk.press("h")
    page.get_by_label("The query").fill(EVIL.format("query"))
    page.get_by_role("dialog").get_by_role("button", name="Hold").click()
    page.locator(".ca-held").get_by_text("window.broken='query'").wait_for()
    lead = page_of("lead")
    lead.goto("/#/overview")
    lead.get_by_text("window.broken='query'").first.wait_for()
    for shown in (page, lead):
        shown.wait_for_timeout(200)
        assert shown.evaluate("window.broken") is None
        assert shown.locator("img:not([src='/icon.svg'])").count() == 0
        assert shown.locator("body script, svg").count() == 0
    assert dialogs == []


def test_the_page_refuses_scripts_that_are_not_its_own(page_of):
    """The policy that the service sends lets no inline script run, and no style from elsewhere."""
    page = page_of("coder")
    answer = page.goto("/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    page.locator(".ca-worklist-items a").first.wait_for()
    page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.broken = 1';
          document.body.append(script);
        }"""
    )
    assert page.evaluate("window.broken") is None
    page.complaints[:] = [words for words in page.complaints if "Content Security Policy" not in words]


def test_the_desk_is_one_module_without_network():
    """desk.js imports nothing and asks no network: it works on any adapter, on the page and in a notebook."""
    source = (WEB / "desk.js").read_text(encoding="utf-8")
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.DOTALL)
    assert not re.search(r"^\s*import\b|\bimport\s*\(|\brequire\s*\(", code, flags=re.MULTILINE)
    assert not re.search(r"\bfetch\s*\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|https?://", code)
    assert re.search(r"^export function createDesk\(root, adapter", code, flags=re.MULTILINE)


def test_nothing_is_made_out_of_markup():
    """No file of the page turns text into elements or code."""
    scripts = [path for path in WEB.rglob("*") if path.suffix in (".js", ".mjs", ".html")]
    assert len(scripts) >= 3
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\s*\(|new Function|createContextualFragment"
        r"|DOMParser|setHTML|srcdoc|javascript:"
    )
    for path in scripts:
        assert not forbidden.search(path.read_text(encoding="utf-8")), path.name
    assert not re.search(r"\son\w+=|<script(?![^>]*\bsrc=)|<style|style=", (WEB / "index.html").read_text())


def test_a_page_that_nobody_touches_is_cleared(service, page_of):
    """Who reads stays signed in; after a quarter of an hour without a hand on it no note is left on the page."""
    id = service.imported("ASSESSMENT: Gout of the left foot, dictated for the empty chair.")
    page = page_of("coder")
    page.clock.install()
    Desk(page, id)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for place in (200, 300):
        page.clock.fast_forward("14:00")
        page.mouse.move(place, place)
        page.clock.fast_forward("00:20")
    assert [url for url in asked if url.endswith("/v1/session")]
    assert "empty chair" in page.locator("body").inner_text()
    page.clock.fast_forward("15:20")
    page.get_by_role("heading", name="coder_assist").wait_for()
    page.get_by_label("Password").wait_for()
    assert "empty chair" not in page.content()
