"""How the tests drive the page: signing in, importing notes, pressing and counting keys."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from typing import Any

ROLES = ("coder", "lead", "auditor", "data_scientist", "admin")
_NUMBERS = itertools.count(1)
# What a browser says of itself when a test takes its connection away or a request is refused on purpose.
_EXPECTED = ("Failed to load resource", "net::ERR_INTERNET_DISCONNECTED")


class Service:
    """The running service, with a signed-in state for each role."""

    def __init__(self, url: str, browser: Any, links: Mapping[str, str]) -> None:
        self.url = url
        self.browser = browser
        self.states: dict[str, Any] = {}
        for role, link in links.items():
            context = browser.new_context()
            page = context.new_page()
            page.goto(link)
            page.get_by_role("banner").get_by_text("Sign out").wait_for()
            self.states[role] = context.storage_state()
            context.close()
        self._contexts: dict[str, Any] = {}

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()

    def page(self, role: str | None, *, width: int = 1280, height: int = 800, **how: Any) -> Any:
        """Open a page for a role, or signed out; its ``complaints`` are what the browser said against it."""
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": height},
            storage_state=self.states[role] if role else None,
            **how,
        )
        context.set_default_timeout(30_000)
        context.set_default_navigation_timeout(60_000)  # a page waits for what loads beside it
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                page.complaints.append(message.text)
                if message.type in ("error", "warning") and not any(w in message.text for w in _EXPECTED)
                else None
            ),
        )
        return page

    def call(self, role: str, method: str, path: str, body: object = None) -> Any:
        """Ask the service beside the page, to make ready or to look."""
        if role not in self._contexts:
            self._contexts[role] = self.browser.new_context(
                base_url=self.url, storage_state=self.states[role]
            )
        request = self._contexts[role].request
        headers = {"Content-Type": "application/json"}
        if method != "GET":
            headers["X-CSRF-Token"] = request.get("/v1/session").json()["csrf"]
        data = None if body is None else json.dumps(body)
        answer = request.fetch(path, method=method, data=data, headers=headers)
        assert answer.ok, f"{method} {path}: {answer.status} {answer.text()[:300]}"
        return answer.json() if answer.status != 204 else None

    def imported(self, text: str, **more: Any) -> str:
        """Import a note as an encounter of its own, and wait for its suggestions; returns its id."""
        id = more.pop("id", None) or f"browser-{next(_NUMBERS)}"
        item = {"id": id, "text": text, "setting": "outpatient", "claim": "professional", **more}
        report = self.call("lead", "POST", "/v1/encounters", {"items": [item]})
        assert report["imported"] == [id], report
        until = time.monotonic() + 300  # the demo is computed first, on a busy machine in minutes
        while self.desk(id)["encounter"]["run_state"] not in ("done", "failed"):
            assert time.monotonic() < until, "the suggestions were not computed"
            time.sleep(0.2)
        return id

    def desk(self, id: str) -> Any:
        """The encounter as the service has it."""
        from urllib.parse import quote

        return self.call("lead", "GET", f"/v1/encounters/{quote(id, safe='')}")

    def codes(self, id: str) -> list[str]:
        """The codes that stand."""
        return [code["code"] for code in self.desk(id)["codes"]]

    def verdicts(self, id: str) -> list[tuple[str, str]]:
        """The decisions that count, as they were made."""
        return [(d["verdict"], d["code"]) for d in self.desk(id)["decisions"] if not d["undone"]]


class Desk:
    """An encounter opened on a page; ``strokes`` counts the keys that were pressed."""

    def __init__(self, page: Any, id: str, *, fresh: bool = True) -> None:
        from urllib.parse import quote

        self.page = page
        self.id = id
        self.strokes = 0
        if fresh:
            page.goto(f"/#/encounter/{quote(id, safe='')}")
        page.locator(".ca-codes h2").first.wait_for()

    def press(self, *keys: str) -> Desk:
        for key in keys:
            self.strokes += 1
            self.page.keyboard.press(key)
        return self

    @property
    def current(self) -> Any:
        """The suggestion that the keys are for."""
        return self.page.locator("li[aria-current=true]")

    def current_code(self) -> str:
        code: str = self.current.locator("b").first.inner_text()
        return code

    def row(self, code: str) -> Any:
        return self.page.locator(".ca-suggested li[data-index]").filter(
            has=self.page.locator(f"xpath=./b[text()='{code}']")
        )

    def go_to(self, code: str) -> Desk:
        """Walk with j until a suggestion is current."""
        for _ in range(60):
            if self.current_code() == code:
                return self
            self.press("j")
        raise AssertionError(f"{code} is not listed")

    def search(self, words: str) -> Desk:
        """Add a code with the search dialog."""
        self.press("/")
        self.page.locator(".ca-chooser input").fill(words)
        self.page.locator(".ca-choices li").filter(has_text=words).first.wait_for()
        self.strokes += len(words)
        return self.press("Enter")

    def saved(self) -> Desk:
        """Wait until the service has everything: the page holds nothing that is not saved."""
        self.page.wait_for_timeout(50)
        self.page.wait_for_function(
            "() => (document.querySelector('.ca-desk').dataset.unsaved || '0') === '0'"
        )
        return self

    def assigned(self) -> list[str]:
        """The codes that the page shows as assigned."""
        texts: list[str] = self.page.locator(".ca-assigned li > b").all_inner_texts()
        return texts
