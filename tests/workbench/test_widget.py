"""The widget from Python: the same review, the same refusals, tables of what stands, both ways in step."""

from __future__ import annotations

from typing import Any

import pytest

from coder_assist.errors import Blocked, InputError, NotFound, StateConflict
from coder_assist.review.database import Database
from coder_assist.review.states import Role
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.types import Encounter, Note
from coder_assist.workbench import Bench, ReviewWidget
from tests.workbench.conftest import NOTE


class Page:
    """What the page would hear of a widget, and how it asks."""

    def __init__(self, widget: ReviewWidget, monkeypatch: pytest.MonkeyPatch) -> None:
        self.widget = widget
        self.heard: list[dict[str, Any]] = []
        monkeypatch.setattr(widget, "send", self.heard.append)

    def ask(self, method: str, view: str = "one", **given: Any) -> dict[str, Any]:
        message = {"id": f"{view}:{len(self.heard)}", "view": view, "method": method, "given": given}
        self.widget._handle_custom_msg(message, [])
        reply = self.heard[-1]
        assert reply["id"] == message["id"]
        return reply


@pytest.fixture
def widget(bench: Bench) -> ReviewWidget:
    return ReviewWidget(Encounter.of(Note("e1", NOTE)), bench)


def test_decisions_from_python_stand_in_the_store(bench: Bench, widget: ReviewWidget) -> None:
    widget.accept("I10")
    widget.replace("E11.9", by="E11.65")
    widget.add("J45.909")
    assert list(widget.codes.code) == ["I10", "E11.65", "J45.909"]
    assert list(widget.decisions.verdict) == ["accept", "replace", "add"]
    widget.reject("J45.909", "not_supported")
    widget.undo()
    assert [final.code.value for final in bench.store.desk("e1").codes] == list(widget.codes.code)
    assert list(widget.history.action)[-2:] == ["decide", "undo"]
    assert widget.version == bench.store.summary("e1").version


def test_the_page_hears_of_python_and_python_of_the_page(
    widget: ReviewWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(widget, monkeypatch)
    widget.accept("I10")
    assert page.heard == [{"event": "changed", "view": None, "version": widget.version}]
    seen: list[int] = []
    widget.observe(lambda change: seen.append(change["new"]), "version")
    place = list(widget.suggestions.code).index("E11.9")
    decision = {
        "suggestion": place, "verdict": "accept", "system": "ICD-10-CM", "code": "E11.9",
        "shown_at": "2026-03-01T09:00:00Z",
    }  # fmt: skip
    reply = page.ask("decide", decisions=[decision], version=widget.version)
    assert reply["answer"]["version"] == widget.version == seen[-1]
    assert list(widget.codes.code) == ["I10", "E11.9"]
    assert page.heard[-2] == {"event": "changed", "view": "one", "version": widget.version}


def test_what_the_store_refuses_the_widget_refuses(widget: ReviewWidget) -> None:
    with pytest.raises(InputError, match=r"J45\.909 is not suggested"):
        widget.accept("J45.909")
    with pytest.raises(InputError, match="written form"):
        widget.add("no code")
    with pytest.raises(NotFound):
        widget.undo()
    widget.add("E11.2")
    with pytest.raises(Blocked):
        widget.submit()
    widget.undo()
    widget.accept("I10")
    widget.hold("Which type of diabetes?")
    with pytest.raises(StateConflict):
        widget.accept("E11.9")
    widget.release("Type 2.")
    widget.submit()
    assert widget.state == "submitted"


def test_a_bare_text_gets_a_review_of_its_own(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coder_assist.workbench.bench.default_coder", lambda: coder)
    widget = ReviewWidget(NOTE)
    widget.accept("I10")
    assert "I10" in widget._repr_html_()
    assert widget.decisions.empty is False
    assert ReviewWidget(NOTE).decisions.empty


def test_exports_hold_a_plain_table(bench: Bench) -> None:
    widget = ReviewWidget(Encounter.of(Note("<img onerror=x>", NOTE)), bench)
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "<img" not in data["text/html"]


def test_the_module_is_the_pages_own() -> None:
    module = str(ReviewWidget._esm)
    assert "export function createDesk" in module
    assert "\nimport " not in module
    assert module.count("export default") == 1
    assert ":root" not in str(ReviewWidget._css)  # the notebook keeps its own colours


def test_the_demo_opens_as_each_of_its_people_and_its_log_is_signed(coder: Coder, tmp_path: Any) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    bench = Bench.open(settings=settings, coder=coder)
    try:
        assert bench.actor.role is Role.CODER
        assert bench.acting_as(Role.AUDITOR).actor.role is Role.AUDITOR
        first = bench.worklist(limit=5)
        assert len(first) == 5
        assert set(first.state) == {"new"}
        ReviewWidget(first.id[0], bench)
        assert settings.audit_head.exists()
    finally:
        bench.close()


def test_outside_the_demo_a_person_must_be_named(tmp_path: Any) -> None:
    from coder_assist.errors import SettingsError

    with pytest.raises(SettingsError, match="name of a person"):
        Bench.open(settings=Settings(data_dir=tmp_path, demo=False))


def test_a_database_is_closed_where_opening_fails(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Database] = []
    monkeypatch.setattr(Database, "close", lambda self: closed.append(self))
    with pytest.raises(NotFound):
        Bench.open("Nobody", Settings(data_dir=tmp_path))
    assert len(closed) == 1
