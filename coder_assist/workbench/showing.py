"""Documents and runs as a notebook shows them: HTML that stands by itself, without scripts or style sheets.

Everything from a note or a code book is escaped. Meaning is written beside every colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_record, run_record
from coder_assist.types import (
    Assertion,
    Certainty,
    Document,
    Encounter,
    Experiencer,
    Mention,
    Note,
    Polarity,
    Run,
    Span,
    Temporality,
)
from coder_assist.workbench.bench import default_coder

if TYPE_CHECKING:
    import pandas

_TEXT_ID = "text"
_FRAME = (
    "font:14px/1.6 system-ui,sans-serif;color:#17202b;background:#fff;border:1px solid #d5dbe2;"
    "border-radius:6px;padding:.7em 1em;margin:.3em 0;max-width:70em"
)
_PROSE = f"{_FRAME};white-space:pre-wrap;overflow-wrap:anywhere"
_LABEL = "font-size:.72em;font-weight:600;margin-left:.35em;color:#37424e"
_SECTION = "font-size:.72em;font-weight:600;color:#5b2d91;border-bottom:1px solid #5b2d91;margin-right:.4em"
_AFFIRMED, _NOT_NOW, _DENIED, _DOUBTED = "#d9f0df", "#e7e3f5", "#f9dcd9", "#fdf0c4"
_CELL = "text-align:left;vertical-align:top;padding:.25em .8em .25em 0;border-bottom:1px solid #e3e7ec"


def read(text: str, coder: Coder | None = None) -> Document:
    """Return what a note says: sections, sentences, mentions. Raises ``NoteError``."""
    return (coder or default_coder()).read(Note(_TEXT_ID, text))


def show_document(document: Document) -> DocumentView:
    """Return a document as a notebook shows it: sections, mentions and their assertions in the text."""
    return DocumentView(document)


def suggest(text: str, coder: Coder | None = None, **context: object) -> SuggestionView:
    """Return the codes for a note as a notebook shows them; ``run`` and ``table`` of it are for further work.

    ``context`` is what else is known of the encounter: ``setting``, ``claim``, ``sex``, ``age`` ... as in a note
    record. Raises ``InputError`` for what is none.
    """
    encounter = read_record({**context, "id": _TEXT_ID, "text": text})
    return SuggestionView(encounter, (coder or default_coder()).suggest(encounter))


def said_of(assertion: Assertion) -> str:
    """Say in words what a note says of a mention; empty for what is there, now, in the patient.

    >>> said_of(Assertion(Polarity.NEGATED, temporality=Temporality.HISTORICAL, cue="no history of"))
    'negated, historical'
    """
    usual = (Polarity.AFFIRMED, Certainty.CERTAIN, Temporality.CURRENT, Experiencer.PATIENT)
    said = (assertion.polarity, assertion.certainty, assertion.temporality, assertion.experiencer)
    return ", ".join(is_.value for is_, plain in zip(said, usual, strict=True) if is_ != plain)


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document, shown."""

    document: Document

    @property
    def table(self) -> pandas.DataFrame:
        """The mentions, a row each."""
        from coder_assist.workbench import tables

        return tables.mentions(self.document)

    def _repr_html_(self) -> str:
        text = self.document.note.text
        inserts = [(section.span.start, _badge(section.kind.value)) for section in self.document.sections]
        marks = [(mention.span, _mention(mention)) for mention in self.document.mentions]
        return f'<div style="{_PROSE}">{_marked(text, marks, inserts)}</div>{_legend()}'

    def __repr__(self) -> str:
        counted = f"{len(self.document.sections)} sections, {len(self.document.mentions)} mentions"
        return f"<document {self.document.note.id!r}: {counted}>"


@dataclass(frozen=True, slots=True)
class SuggestionView:
    """A run, shown beside the text it is about."""

    encounter: Encounter
    run: Run

    @property
    def table(self) -> pandas.DataFrame:
        """The suggestions, a row each."""
        from coder_assist.workbench import tables

        return tables.suggestions(self.record["suggestions"])

    @property
    def record(self) -> dict[str, Any]:
        """The run as the machine interface writes it."""
        return run_record(self.run)

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="{_CELL}">{"✓ preselected" if each.selected else ""}</td>'
            f'<td style="{_CELL}"><b>{escape(each.code.value)}</b></td>'
            f'<td style="{_CELL}">{each.probability:.2f}</td><td style="{_CELL}">{escape(each.title)}</td>'
            f'<td style="{_CELL}">{escape("; ".join(evidence.text for evidence in each.evidence[:2]))}</td></tr>'
            for each in self.run.suggestions
        )
        heads = "".join(
            f'<th style="{_CELL}" scope="col">{name}</th>'
            for name in ("", "code", "probability", "title", "evidence")
        )
        shown = [each for each in self.run.suggestions if each.selected]
        notes = "".join(
            f'<div style="{_PROSE}">{_marked(note.text, list(_evidence(shown, note.id)))}</div>'
            for note in self.encounter.notes
        )
        findings = "".join(
            f"<li><b>{escape(found.severity.value)}</b> {escape(found.message)}</li>"
            for found in self.run.findings
        )
        said = f'<ul style="margin:.5em 0">{findings}</ul>' if findings else ""
        table = f'<table style="border-collapse:collapse"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        return f'<div style="{_FRAME}">{table}{said}</div>{notes}'

    def __repr__(self) -> str:
        lines = [
            f"{'*' if each.selected else ' '} {each.code.value:<9}{each.probability:.2f}  {each.title}"
            for each in self.run.suggestions
        ]
        return "\n".join(lines) or "nothing is suggested"


def _evidence(suggestions: Iterable[Any], note_id: str) -> Iterable[tuple[Span, tuple[str, str]]]:
    for suggestion in suggestions:
        for evidence in suggestion.evidence:
            if evidence.note_id == note_id:
                yield evidence.span, (_AFFIRMED, suggestion.code.value)


def _mention(mention: Mention) -> tuple[str, str]:
    said = said_of(mention.assertion)
    assertion = mention.assertion
    if assertion.polarity is Polarity.NEGATED or assertion.experiencer is Experiencer.FAMILY:
        colour = _DENIED
    elif assertion.certainty is Certainty.UNCERTAIN:
        colour = _DOUBTED
    elif assertion.temporality is not Temporality.CURRENT:
        colour = _NOT_NOW
    else:
        colour = _AFFIRMED
    return colour, f"{mention.kind.value}{f': {said}' if said else ''}"


def _marked(
    text: str, marks: Sequence[tuple[Span, tuple[str, str]]], inserts: Sequence[tuple[int, str]] = ()
) -> str:
    """Return a text with marks; of marks that overlap the first stays, and the others' labels join it."""
    kept: list[tuple[Span, str, list[str]]] = []
    for span, (colour, label) in sorted(marks, key=lambda mark: (mark[0].start, -mark[0].end)):
        if kept and kept[-1][0].overlaps(span):
            if label not in kept[-1][2]:
                kept[-1][2].append(label)
        else:
            kept.append((span, colour, [label]))
    pieces, at, waiting = [], 0, list(inserts)
    for span, colour, labels in [*kept, (Span(len(text), len(text)), "", [])]:
        while waiting and waiting[0][0] <= span.start:
            place, badge = waiting.pop(0)
            pieces += [escape(text[at:place]), badge]
            at = max(at, place)
        pieces.append(escape(text[at : span.start]))
        if labels:
            pieces.append(
                f'<mark style="background:{colour};color:#17202b;padding:.1em .2em;border-radius:3px">'
                f'{escape(span.slice(text))}<span style="{_LABEL}">{escape(" · ".join(labels))}</span></mark>'
            )
        at = max(at, span.end)
    return "".join(pieces)


def _badge(kind: str) -> str:
    return f'<span style="{_SECTION}">{escape(kind)}</span>'


def _legend() -> str:
    meant = (
        (_AFFIRMED, "there, now"),
        (_DENIED, "negated, or of the family"),
        (_DOUBTED, "uncertain"),
        (_NOT_NOW, "of the past, or not yet"),
    )
    marks = " ".join(
        f'<mark style="background:{colour};color:#17202b;padding:.1em .4em;border-radius:3px">{label}</mark>'
        for colour, label in meant
    )
    return f'<p style="font:12px system-ui,sans-serif;margin:.2em 0">{marks}</p>'
