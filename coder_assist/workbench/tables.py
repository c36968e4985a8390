"""The review's records as pandas tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from coder_assist.review.records import FinalCode
from coder_assist.suggest import Coder
from coder_assist.types import AuditEvent, Decision, Document, Finding, Note, Span
from coder_assist.workbench.showing import said_of

_DECISIONS = (
    "id", "verdict", "system", "code", "replaces", "reason", "via", "modifiers", "units",
    "suggestion", "run", "reviewer", "shown_at", "at", "undone", "stale",
)  # fmt: skip
_CODES = ("sequence", "system", "code", "title", "modifiers", "units", "from_suggestion", "stale")
_SUGGESTIONS = ("code", "system", "title", "score", "selected", "sequence", "words", "section", "reasons", "alternatives")  # fmt: skip
_FINDINGS = ("severity", "rule", "codes", "message", "authority")
_HISTORY = ("at", "actor", "action", "details")
_MENTIONS = (
    "text",
    "kind",
    "section",
    "polarity",
    "certainty",
    "temporality",
    "experiencer",
    "cue",
    "start",
    "end",
)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table that has all its columns, be there rows or not."""
    return pd.DataFrame([{name: row[name] for name in columns} for row in rows], columns=list(columns))


def of_records(records: Iterable[Any]) -> pd.DataFrame:
    """Return frozen records of one kind as a table, a column for each field."""
    listed = list(records)
    names = list(listed[0].__dataclass_fields__) if listed else []
    return pd.DataFrame([[_plain(getattr(each, name)) for name in names] for each in listed], columns=names)


def decisions(made: Iterable[Decision]) -> pd.DataFrame:
    """Return decisions, a row each, oldest first."""
    return table(
        (
            {
                **{
                    name: _plain(getattr(each, name)) for name in _DECISIONS if name not in ("system", "code")
                },
                "system": each.code.system.value,
                "code": each.code.value,
                "replaces": each.replaces.value if each.replaces else None,
                "modifiers": " ".join(each.modifiers),
            }
            for each in made
        ),
        _DECISIONS,
    )


def codes(standing: Iterable[FinalCode]) -> pd.DataFrame:
    """Return the codes that stand, in order."""
    return table(
        (
            {
                **{name: getattr(each, name) for name in _CODES if name not in ("system", "code")},
                "system": each.code.system.value,
                "code": each.code.value,
                "modifiers": " ".join(each.modifiers),
            }
            for each in standing
        ),
        _CODES,
    )


def suggestions(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return suggestions as a run's record has them, each with the words it rests on first."""
    return table(
        (
            {
                **{name: each[name] for name in ("code", "system", "title", "score", "selected", "sequence")},
                "words": each["evidence"][0]["text"],
                "section": each["evidence"][0]["section"],
                "reasons": "; ".join(each["reasons"]),
                "alternatives": " ".join(each["alternatives"]),
            }
            for each in records
        ),
        _SUGGESTIONS,
    )


def findings(found: Iterable[Finding]) -> pd.DataFrame:
    """Return what the rules say."""
    return table(
        (
            {
                "severity": each.severity.value,
                "rule": each.rule,
                "codes": " ".join(code.value for code in each.codes),
                "message": each.message,
                "authority": each.authority,
            }
            for each in found
        ),
        _FINDINGS,
    )


def history(events: Iterable[AuditEvent]) -> pd.DataFrame:
    """Return audit events, oldest first."""
    return table(
        ({"at": e.at, "actor": e.actor, "action": e.action, "details": dict(e.details)} for e in events),
        _HISTORY,
    )


def _plain(value: object) -> object:
    return value.value if hasattr(value, "value") else value


def mentions(document: Document) -> pd.DataFrame:
    """Return the mentions of a document, in order of the text."""
    return table(
        (
            {
                "text": each.text,
                "kind": each.kind.value,
                "section": each.section.value,
                "polarity": each.assertion.polarity.value,
                "certainty": each.assertion.certainty.value,
                "temporality": each.assertion.temporality.value,
                "experiencer": each.assertion.experiencer.value,
                "cue": each.assertion.cue,
                "start": each.span.start,
                "end": each.span.end,
            }
            for each in document.mentions
        ),
        _MENTIONS,
    )


def misses(coder: Coder, lines: Iterable[Mapping[str, Any]], outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the missed codes of ``outcomes`` with where the words of each stand and what the note says of them.

    ``lines`` are the coded notes; ``outcomes`` holds ``learn.breakdown.outcomes``, a row each. The section is that
    of the first evidence; ``said`` is "no mention" where nothing was read in its words.
    """
    missed = outcomes[outcomes.kind == "miss"]
    rows = []
    for line in lines:
        wanted = set(missed[missed.note_id == line["id"]].code)
        if not wanted:
            continue
        document = coder.read(Note(line["id"], line["text"]))
        for coded in line["codes"]:
            if coded["code"] in wanted and coded["status"] == "required":
                rows.append({"note": line["id"], "code": coded["code"], **_where(coded, document)})
                wanted.discard(coded["code"])
    return pd.DataFrame(rows, columns=["note", "code", "words", "section", "said"])


def _where(coded: Mapping[str, Any], document: Document) -> dict[str, str]:
    evidence = coded.get("evidence") or ()
    if not evidence:
        return {"words": "", "section": "no evidence", "said": "no evidence"}
    span = Span(evidence[0]["start"], evidence[0]["end"])
    section = next((s.kind.value for s in document.sections if s.span.overlaps(span)), "other")
    mention = next((m for m in document.mentions if m.span.overlaps(span)), None)
    said = "no mention" if mention is None else said_of(mention.assertion) or "affirmed"
    return {"words": span.slice(document.note.text), "section": section, "said": said}


def mistaken_siblings(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of a missed and a wrongly preselected ICD-10-CM code of one category in one note, counted."""
    wrong = outcomes.assign(category=outcomes.code.str[:3])
    columns = ["note_id", "category", "code"]
    pairs = wrong.loc[wrong.kind == "miss", columns].merge(
        wrong.loc[wrong.kind == "false positive", columns],
        on=["note_id", "category"],
        suffixes=("_missed", "_preselected"),
    )
    counted = pairs.groupby(["code_missed", "code_preselected"]).note_id.agg(["size", "first"])
    counted.columns = ["notes", "for_example"]
    return counted.reset_index().sort_values("notes", ascending=False, ignore_index=True)
