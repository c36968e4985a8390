"""The coder's desk in a notebook: the page's own ES module over the kernel's review store."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

import coder_assist
from coder_assist.errors import InputError
from coder_assist.review.records import Desk, NewDecision
from coder_assist.types import Code, Encounter, System, Verdict, Via
from coder_assist.workbench import tables
from coder_assist.workbench.answering import Answering
from coder_assist.workbench.bench import Bench

_PAGE = Path(coder_assist.__file__).parent / "web"
_HERE = Path(__file__).parent


def _module() -> str:
    """Return one ES module: the desk, and what joins it to the kernel."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (_PAGE / "desk.js", _HERE / "widget.js"))


def _style() -> str:
    """Return the desk's styles with its colours on the widget, not on the notebook around it."""
    desk = (_PAGE / "desk.css").read_text(encoding="utf-8").replace(":root", ".ca-widget")
    return f"{desk}\n{(_HERE / 'widget.css').read_text(encoding='utf-8')}"


class ReviewWidget(anywidget.AnyWidget):
    """One encounter to be coded in a cell, by the keys of the page or from Python; each sees what the other did.

    ``work`` is an ``Encounter``, a note's text, or with a ``bench`` the id of one of its encounters. Without a
    bench the review is a temporary one. Decisions go into the bench's store, with its rules, conflicts and audit
    events; what the store refuses it refuses here: the methods raise what ``Store`` raises.
    """

    _esm = _module()
    _css = _style()

    version = traitlets.Int(
        0, read_only=True, help="Grows with every change; observe it to hear of them."
    ).tag(sync=True)

    def __init__(self, work: Encounter | str, bench: Bench | None = None) -> None:
        super().__init__()
        self.bench = bench or Bench.temporary()
        self._view: str | None = None  # the view whose question is being answered
        self._answering = Answering(
            self.bench, _encounter_id(work, self.bench, bench is not None), self._changed
        )
        self.set_trait("version", self._desk().version)
        self.on_msg(self._asked)

    @property
    def encounter_id(self) -> str:
        """The encounter's id."""
        return self._answering.encounter_id

    # --- looking ------------------------------------------------------------------------------------------

    @property
    def decisions(self) -> pd.DataFrame:
        """All decisions on the encounter, whoever made them, oldest first."""
        return tables.decisions(self._desk().decisions)

    @property
    def codes(self) -> pd.DataFrame:
        """The codes that stand, in order."""
        return tables.codes(self._desk().codes)

    @property
    def suggestions(self) -> pd.DataFrame:
        """What the tool suggests."""
        return tables.suggestions(_suggested(self._desk()))

    @property
    def findings(self) -> pd.DataFrame:
        """What the rules say of the codes that stand."""
        return tables.findings(self._answering.findings())

    @property
    def history(self) -> pd.DataFrame:
        """The encounter's audit events."""
        return tables.history(self.bench.store.history(self.encounter_id))

    @property
    def state(self) -> str:
        """The encounter's state: new, in_review, on_hold, submitted ..."""
        return self._desk().summary.state.value

    # --- deciding -----------------------------------------------------------------------------------------

    def accept(self, code: str, system: str = System.ICD10CM) -> None:
        """Accept a suggested code. Raises ``InputError`` for one that is not suggested."""
        self._decide(Verdict.ACCEPT, code, system, self._place(code, system))

    def reject(self, code: str, reason: str = "", system: str = System.ICD10CM) -> None:
        """Reject a code, suggested or standing; ``reason`` is one of ``review.states.RejectReason`` or words."""
        with contextlib.suppress(InputError):
            return self._decide(Verdict.REJECT, code, system, self._place(code, system), reason=reason)
        return self._decide(Verdict.REJECT, code, system, None, reason=reason)

    def replace(self, code: str, by: str, system: str = System.ICD10CM) -> None:
        """Take another code instead of a suggested one. Raises ``InputError`` for one that is not suggested."""
        replaced = _code(system, code)
        place = self._place(code, system)
        self._decide(Verdict.REPLACE, by, system, place, replaces=replaced, via=Via.ALTERNATIVE)

    def add(
        self, code: str, system: str = System.ICD10CM, modifiers: Sequence[str] = (), units: int = 1
    ) -> None:
        """Add a code that is not suggested."""
        more = {"modifiers": tuple(modifiers), "units": units, "via": Via.SEARCH}
        self._decide(Verdict.ADD, code, system, None, **more)

    def undo(self) -> None:
        """Take the last act back, made here or in the page. Raises ``NotFound`` where there is none."""
        self._answering.undo(self._desk().version)

    def hold(self, query: str) -> None:
        """Put the encounter on hold with a query to the provider."""
        self._answering.hold(self._desk().version, query)

    def release(self, answer: str | None = None) -> None:
        """Take the encounter off hold."""
        self._answering.release(self._desk().version, answer)

    def submit(self) -> None:
        """Finish the encounter. Raises ``Blocked`` with the findings that are errors."""
        self._answering.submit(self._desk().version)

    def _decide(self, verdict: Verdict, code: str, system: str, suggestion: int | None, **more: Any) -> None:
        decision = NewDecision(verdict, _code(system, code), datetime.now(UTC), suggestion, **more)
        self._answering.decide(self._desk().version, [decision])

    def _place(self, code: str, system: str) -> int:
        wanted = _code(system, code)
        for place, suggestion in enumerate(_suggested(self._desk())):
            if (suggestion["system"], suggestion["code"]) == (wanted.system, wanted.value):
                return place
        raise InputError(f"{wanted.value} is not suggested here; add it with add()")

    def _desk(self) -> Desk:
        return self._answering.desk()

    # --- between kernel and page --------------------------------------------------------------------------

    def _changed(self, version: int) -> None:
        self.set_trait("version", version)
        self.send({"event": "changed", "view": self._view, "version": version})

    def _asked(self, widget: object, message: Any, buffers: object) -> None:
        self._view = message.get("view")
        try:
            said = self._answering.answer(message.get("method", ""), message.get("given") or {})
        finally:
            self._view = None
        self.send({"id": message.get("id"), **said})

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), "text/html": self._repr_html_()}, metadata

    def _repr_html_(self) -> str:
        """Return the codes that stand, for exports where no kernel runs."""
        codes = self.codes
        return (
            f"<p><b>{escape(self.encounter_id)}</b>: {escape(self.state)}, "
            f"{len(codes)} code{'' if len(codes) == 1 else 's'} assigned</p>"
            f"{codes[['sequence', 'system', 'code', 'title']].to_html(index=False)}"
        )


def _encounter_id(work: Encounter | str, bench: Bench, known: bool) -> str:
    if isinstance(work, str) and known:
        return bench.store.summary(work).id
    if isinstance(work, str):
        return bench.bring([{"id": "note", "text": work}])[0]
    return bench.bring([work])[0]


def _suggested(desk: Desk) -> list[dict[str, Any]]:
    record: Any = desk.run.record if desk.run and desk.run.record else {}
    return list(record.get("suggestions", ()))


def _code(system: str, code: str) -> Code:
    try:
        return Code.parse(system, code)
    except ValueError as error:
        raise InputError(str(error)) from None
