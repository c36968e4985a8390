"""The report of an evaluation: one dictionary by system for machines, and tables of the same for people.

Without ``words`` a report holds no text of notes: metrics, codes and titles only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coder_assist.codes import Library
from coder_assist.errors import InputError
from coder_assist.learn.breakdown import breakdown, changes, frequent_errors
from coder_assist.learn.coverage import CLASSES, FIRST, Coverage, coverage, rank
from coder_assist.learn.evaluation import Evaluation, Record, evaluate, score_out_of_fold
from coder_assist.learn.operating import (
    Curve,
    OperatingPoint,
    Recut,
    curve_of,
    operating_points,
    recut,
    stored_curves,
)
from coder_assist.learn.resampling import compare, intervals
from coder_assist.measure import Part, Scores, reliability
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.scoring import WeightedScorer

Report = dict[str, dict[str, Any]]

MOST_CHANGES = 15
_KINDS = {"false positives": "false positive", "misses": "miss"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is to hold besides the metrics and their intervals.

    ``folds`` scores out of that many folds instead of by the pack; ``errors`` is how many codes to list;
    ``words`` allows note text in that list.
    """

    folds: int = 0
    target: float | None = None
    reliability: bool = False
    by: Part | None = None
    errors: int = 0
    words: bool = False
    coverage: bool = False
    other: Path | None = None


@dataclass(frozen=True)
class _Scored:
    """An evaluation at the wanted cuts, how it was at the usual ones, and where the cuts come from."""

    evaluation: Evaluation
    usual: Evaluation
    points: dict[str, OperatingPoint]
    origin: dict[str, str]


def make_report(
    lines: list[Record],
    pack: Path | None,
    wanted: Wanted,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Evaluate a pack (the default one if ``None``) on coded lines.

    Raises ``PackError``, or ``InputError`` for lines or wishes that cannot be met.
    """
    if wanted.folds and wanted.other:
        raise InputError("expected a comparison of packs or figures out of fold; got both. Leave one out")
    if wanted.folds == 1:
        raise InputError("expected at least 2 folds; got 1")
    if not lines:
        raise InputError("expected at least one coded note to evaluate on; got none")
    coder = Coder.load(pack)
    covered: dict[str, Coverage] = {}
    if wanted.folds:
        apart = score_out_of_fold(coder.pack, lines, wanted.folds, progress=progress)
        usual = apart.evaluation()
        curves = {name: curve_of(notes) for name, notes in usual.notes.items()} if wanted.target else {}
        points = operating_points(curves, Recut(WeightedScorer(), usual.cuts), wanted.target or 1.0)
        chosen = apart.evaluation({name: point.cut for name, point in points.items()}) if points else usual
        scored = _Scored(chosen, usual, points, dict.fromkeys(points, "this file, out of fold"))
        covered = coverage(apart.ranked(), coder.library) if wanted.coverage else {}
    else:
        progress(f"reading {len(lines)} notes")
        scored = _evaluated(coder, pack, lines, wanted.target)
        if wanted.coverage:
            progress("looking for codes out of reach")
            covered = coverage(rank(coder, lines), coder.library)
    progress("drawing intervals")
    report = _of(scored, coder.library, wanted)
    for name, found in covered.items():
        report[name]["coverage"] = found.as_dict()
    if wanted.other is not None:
        progress(f"comparing with {wanted.other.name}")
        other = _evaluated(Coder.load(wanted.other), wanted.other, lines, wanted.target)
        _add_comparison(report, scored.evaluation, other.evaluation, coder.library)
    return report


def _evaluated(coder: Coder, pack: Path | None, lines: list[Record], target: float | None) -> _Scored:
    usual = evaluate(coder, lines)
    if target is None:
        return _Scored(usual, usual, {}, {})
    stored = stored_curves(pack)
    curves: dict[str, Curve] = {
        name: stored.get(name) or curve_of(notes) for name, notes in usual.notes.items()
    }
    origin = {name: "the pack, out of fold" if name in stored else "this file" for name in curves}
    points = operating_points(curves, coder.pack.scorer, target)
    again = Coder.load_with(recut(coder.pack, points), Settings())
    return _Scored(evaluate(again, lines), usual, points, origin)


def _of(scored: _Scored, library: Library, wanted: Wanted) -> Report:
    evaluation = scored.evaluation
    parts = breakdown(evaluation, library, wanted.by) if wanted.by else {}
    report: Report = {}
    for name, scores in evaluation.scores.items():
        notes = evaluation.notes[name]
        one: dict[str, Any] = {**scores.as_dict(), "intervals": intervals(name, notes)}
        one |= {"pack": evaluation.pack, "cut": evaluation.cuts.get(name)}
        if name in scored.points and scores.required:
            one["operating_point"] = {
                **scored.points[name].as_dict(),
                "read_from": scored.origin[name],
                "measured": _measured(scores, scored.usual.scores[name]),
            }
        if wanted.reliability:
            table = reliability([point for note in notes for point in note.points])
            one["reliability"] = [asdict(part) for part in table]
        if wanted.by:
            one["by"] = {"part": wanted.by.value, **{k: s.as_dict() for k, s in parts[name].items()}}
        if wanted.errors:
            one["errors"] = {
                label: [
                    _listed(asdict(error), wanted.words)
                    for error in frequent_errors(evaluation, library, name, kind, wanted.errors)
                ]
                for label, kind in _KINDS.items()
            }
        report[name] = one
    return report


def _measured(scores: Scores, usual: Scores) -> dict[str, float | None]:
    lost = None if scores.recall is None or usual.recall is None else round(usual.recall - scores.recall, 4)
    return {
        "precision": scores.precision,
        "recall": scores.recall,
        "usual_precision": usual.precision,
        "usual_recall": usual.recall,
        "recall_lost": lost,
    }


def _listed(error: dict[str, Any], words: bool) -> dict[str, Any]:
    return error if words else {key: value for key, value in error.items() if key != "words"}


def _add_comparison(report: Report, mine: Evaluation, other: Evaluation, library: Library) -> None:
    for name in report:
        if name not in other.notes:
            continue
        found = changes(mine, other, library, name)
        report[name]["compared"] = {
            "with": other.pack,
            "differences": {
                metric: asdict(difference)
                for metric, difference in compare(name, mine.notes[name], other.notes[name]).items()
            },
            "better": [asdict(c) for c in found if c.better > c.worse][:MOST_CHANGES],
            "worse": [asdict(c) for c in reversed(found) if c.worse > c.better][:MOST_CHANGES],
        }


def show(report: Report, console: Console) -> None:
    """Print a report as tables."""
    console.print(score_table(report))
    for name, one in report.items():
        if "operating_point" in one:
            console.print(
                "\n" + describe_point(name, one["operating_point"]), highlight=False, soft_wrap=True
            )
        if "reliability" in one:
            console.print(_reliability_table(name, one["reliability"]))
        if "by" in one and one["required"] + one["selected"]:
            console.print(_parts_table(name, one["by"]))
        if "coverage" in one:
            console.print(_coverage_table(name, one["coverage"]))
        if "compared" in one:
            console.print(_comparison_table(name, one["compared"]))
            for label in (label for label in ("better", "worse") if one["compared"][label]):
                console.print(_changes_table(f"{name}: {label} with the other pack", one["compared"][label]))
        for label, errors in one.get("errors", {}).items():
            console.print(_errors_table(f"{name}: {label}", errors))


def _table(title: str | None, *columns: str) -> Table:
    table = Table(
        title=escape(f"\n{title}") if title else None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for place, column in enumerate(columns):
        text = column in ("title", "words", "class", "meaning") or (place == 0 and column != "missed")
        free = column in ("title", "words", "meaning")
        table.add_column(
            column,
            justify="left" if text else "right",
            overflow="fold" if free else "ellipsis",
            no_wrap=not free,
        )
    return table


def _cell(value: object) -> str:
    return "-" if value is None else escape(str(value))


def _short(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else _cell(value)


def score_table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the metrics of systems side by side, with their intervals where there are any."""
    table = _table(None, "", *results)
    for metric in Scores.__dataclass_fields__:
        if metric == "system":
            continue
        cells = []
        for one in results.values():
            interval = (one.get("intervals") or {}).get(metric)
            spread = f" {interval[0]:.3f}-{interval[1]:.3f}" if interval else ""
            cells.append(_cell(one[metric]) + spread)
        table.add_row(metric, *cells)
    return table


def describe_point(system: str, point: Mapping[str, Any]) -> str:
    """Say in a sentence or two where the cut is and what it costs."""
    origin = point.get("read_from", "the pack, out of fold")
    if not point["reached"]:
        said = f"{system}: no cut reaches a precision of {point['target']:g}; nothing is preselected (read from {origin})"
    else:
        said = (
            f"{system}: preselected from {point['cut']:.2f} instead of {point['usual_cut']:.2f} for a precision of "
            f"{point['target']:g}: recall {_cell(point['recall'])} instead of {_cell(point['usual_recall'])}, "
            f"{_cell(point['recall_lost'])} lost (read from {origin})"
        )
    if "measured" in point:
        on = point["measured"]
        said += (
            f"; measured here: precision {_cell(on['precision'])} instead of {_cell(on['usual_precision'])}, "
            f"recall {_cell(on['recall'])} instead of {_cell(on['usual_recall'])}"
        )
    return said


def _reliability_table(name: str, bins: list[dict[str, Any]]) -> Table:
    table = _table(f"{name}: reliability", "suggestions", "mean probability", "share right")
    for part in bins:
        table.add_row(str(part["count"]), f"{part['mean_probability']:.3f}", f"{part['share_right']:.3f}")
    return table


def _parts_table(name: str, by: dict[str, Any]) -> Table:
    columns = ("notes", "required", "selected", "precision", "recall", "f1", "map")
    table = _table(f"{name} by {by['part']}", "", *columns)
    for part, scores in by.items():
        if part != "part" and (scores["required"] or scores["selected"]):
            table.add_row(escape(part[:26]), *(_short(scores[column]) for column in columns))
    return table


def _coverage_table(name: str, found: dict[str, Any]) -> Table:
    low, high = found["interval"]
    table = _table(
        f"{name}: {found['covered']} of {found['possible']} required codes with evidence are among the first {FIRST} "
        f"candidates of their mentions, {found['share']} ({low} to {high})",
        "missed",
        "class",
        "meaning",
    )
    for label, count in found["missed"].items():
        table.add_row(str(count), label, CLASSES[label])
    return table


def _comparison_table(name: str, compared: dict[str, Any]) -> Table:
    table = _table(
        f"{name}: {compared['with']} against this pack", "", "this", "other", "difference", "95 %", "p"
    )
    for metric, one in compared["differences"].items():
        interval = f"{one['interval'][0]:+.4f} to {one['interval'][1]:+.4f}" if one["interval"] else "-"
        difference = "-" if one["difference"] is None else f"{one['difference']:+.4f}"
        table.add_row(
            metric, _cell(one["first"]), _cell(one["second"]), difference, interval, _cell(one["p"])
        )
    return table


def _changes_table(title: str, found: list[dict[str, Any]]) -> Table:
    table = _table(title, "code", "better", "worse", "title")
    for one in found:
        table.add_row(one["code"], str(one["better"]), str(one["worse"]), escape(one["title"]))
    return table


def _errors_table(title: str, found: list[dict[str, Any]]) -> Table:
    words = any("words" in one for one in found)
    table = _table(title, "code", "notes", "proposed", "title", *(["words"] if words else []))
    for one in found:
        said = [" | ".join(escape(printable(word)) for word in one["words"])] if words else []
        table.add_row(one["code"], str(one["notes"]), str(one["proposed"]), escape(one["title"]), *said)
    return table


def printable(text: str) -> str:
    """Return a text for a terminal: runs of blanks as one, what no terminal should be sent as U+FFFD."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
