"""The accuracy report: one HTML file without anything from elsewhere, made of facts alone.

It shows ids, codes and counts, never a word of a note. Every number is a link to the encounters behind it;
every table shows the query that gives its numbers again from the exported Parquet files. The same facts give
the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from coder_assist.measure import Share, reliability
from coder_assist.review import accuracy
from coder_assist.review.accuracy import BY_CODE, BY_ENCOUNTER, Ledger, Number, Tally
from coder_assist.review.drift import ALPHA, Drift, EditionEffect
from coder_assist.review.facts import Facts
from coder_assist.review.measures import (
    ANSWERS,
    CODERS,
    INDUSTRY_LINE,
    MEASURES,
    SUGGESTIONS,
    SUGGESTIONS_AUDITED,
    SUGGESTIONS_SECOND,
    VIEWS,
    Measure,
    Rows,
    Scope,
)
from coder_assist.review.plots import reliability_plot, whiskers
from coder_assist.review.published import PUBLISHED

MOST_PARTS = 40
_ERRORS = "SELECT error, count(*) FROM code_rows WHERE error <> '' GROUP BY error"
_OVERTURNS = "SELECT rebutted, final, count(*) FROM finding_rows WHERE verdict = 'overturn' GROUP BY ALL"
_ANSWERED = "SELECT verdict, count(*) FROM code_rows WHERE probability IS NOT NULL GROUP BY verdict"
_REASONS = (
    "SELECT reason, count(*) FROM code_rows WHERE probability IS NOT NULL AND reason <> '' GROUP BY reason"
)
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d5dae1; --paper: #fff;
  --mark: #1f5fa8; --bad: #a8321f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #3a4350;
  --paper: #14181e; --mark: #7fb4f0; --bad: #f0937f; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; margin: .6rem 0; } caption { text-align: left; color: var(--soft); }
th, td { padding: .2rem .7rem .2rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; color: var(--soft); }
a { color: var(--mark); text-decoration: none; } a:hover { text-decoration: underline; }
.soft, small { color: var(--soft); } .bad { color: var(--bad); font-weight: 600; }
pre, code { font-size: .85rem; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.ids { overflow-wrap: anywhere; font-size: .85rem; } .ids p:target { outline: 2px solid var(--mark); }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); }
.grid { stroke: var(--line); } .goal { stroke: var(--bad); stroke-dasharray: 5 4; }
.whisker { stroke: var(--mark); stroke-width: 2; } .dot { fill: var(--mark); }
.scroll { overflow-x: auto; } td small { white-space: nowrap; } .head td { text-align: left; }
"""


class _Behind:
    """The sets of encounters that numbers link to, each written once at the end of the page."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, ...], str] = {}

    def link(self, words: str, encounters: Iterable[str], style: str = "") -> str:
        """Return the words as a link to these encounters; plain words where there are none."""
        ids = tuple(sorted(set(encounters)))
        if not ids:
            return escape(words)
        name = self._sets.setdefault(ids, f"e{len(self._sets) + 1}")
        return f'<a href="#{name}"{f" class={style!r}" if style else ""}>{escape(words)}</a>'

    def section(self) -> str:
        """Return the list of all sets that were linked to."""
        rows = [
            f'<p id="{name}"><strong>{name}</strong> <small>({len(ids)})</small> {escape(", ".join(ids))}</p>'
            for ids, name in self._sets.items()
        ]
        return f'<div class="ids">{"".join(rows)}</div>'


def make_report(
    facts: Facts,
    drift: Drift,
    compared: str,
    effects: Mapping[str, Sequence[EditionEffect]] | None = None,
) -> str:
    """Return the report of a period as HTML.

    ``compared`` says which two periods ``drift`` compares; ``effects`` are by the edition that would be used
    instead.
    """
    behind, ledger = _Behind(), Ledger.of(facts)
    body = [
        _head(facts, ledger),
        _summary(ledger, behind),
        _suggestions(ledger, behind),
        _coders(facts, ledger, behind),
        _answers(facts, ledger, behind),
        _calibration(ledger, behind),
        _agreement(ledger, behind),
        _drift(drift, compared, behind),
        _editions(effects or {}, behind),
        _methods(),
    ]
    ids = f"<h2>Encounters behind the numbers</h2>{behind.section()}"
    title = f"Coding accuracy, {facts.since:%Y-%m-%d} to {facts.until:%Y-%m-%d}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(body)
        + f"\n{ids}\n</body></html>\n"
    )


# --- small pieces -------------------------------------------------------------------------------------


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _range(share: Share) -> str:
    return "" if share.value is None else f"{share.low:.1%} to {share.high:.1%}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table; cells are HTML already."""
    if not rows:
        return f'<p class="soft">{escape(caption)}{": " if caption else ""}nothing to count.</p>'
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{told}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _query(*queries: str) -> str:
    written = escape(";\n".join(queries))
    return f"<details><summary><small>recompute</small></summary><pre>{written};</pre></details>"


def _cells(number: Number, behind: _Behind) -> list[str]:
    share = number.share
    return [
        behind.link(_percent(share.value), number.encounters),
        f"<small>{_range(share)}</small>",
        f"{share.hits}/{share.total}",
        behind.link(str(len(number.wrong)), number.wrong),
    ]


_NUMBER = ("value", "95 % interval", "count", "encounters with faults")


def _numbers(measures: Sequence[Measure], ledger: Ledger, behind: _Behind, caption: str) -> str:
    rows = []
    for measure in measures:
        number = ledger.number(measure)
        if number.share.total:
            told = f'{escape(measure.title)} <small title="{escape(measure.says)}">{measure.name}</small>'
            rows.append([told, *_cells(number, behind)])
    return _table(("", *_NUMBER), rows, caption) + (_query(*(m.query() for m in measures)) if rows else "")


def _parts(measure: Measure, ledger: Ledger, behind: _Behind, line: float | None = None) -> str:
    """Return a measure's breakdowns, each with its plot where it is short enough to be read."""
    pieces = []
    for by in (*BY_ENCOUNTER, *(BY_CODE if measure.rows is Rows.CODES else ())):
        parts = ledger.parts(measure, by)
        if not parts or (len(parts) == 1 and by not in ("coder", "pack")):
            continue
        largest = sorted(parts.items(), key=lambda pair: -pair[1].share.total)[:MOST_PARTS]
        shown = dict(sorted(largest, key=lambda pair: _natural(pair[0])))
        left = len(parts) - len(shown)
        caption = f"{measure.title} by {by}" + (f" ({left} smaller ones are in the export)" if left else "")
        rows = [[escape(part or "not suggested"), *_cells(number, behind)] for part, number in shown.items()]
        if line is not None:
            for row, number in zip(rows, shown.values(), strict=True):
                row.append(_verdict(number.share, line))
        table = _table((by, *_NUMBER, *(("95 % line",) if line is not None else ())), rows, caption)
        plot = ""
        if 1 < len(shown) <= 24:
            plot = whiskers(caption, [(part or "not suggested", n.share) for part, n in shown.items()], line)
        pieces.append(table + plot + _query(measure.query(by)))
    told = escape(f"{measure.title}, by part")
    return f"<details><summary>{told}</summary>{''.join(pieces)}</details>" if pieces else ""


def _natural(name: str) -> tuple[int, str]:
    """Return what puts chapter 3 before chapter 10."""
    number = name.split(" ", 1)[0]
    return (int(number) if number.isdigit() else 0, name)


def _verdict(share: Share, line: float) -> str:
    """Say on which side of a line a share is, if its interval lies on one side."""
    if share.low >= line:
        return "above"
    return '<span class="bad">below</span>' if share.high < line else "not decided"


def _tally(what: str, found: Mapping[str, Tally], behind: _Behind, whole: int, query: str) -> str:
    rows = [
        [escape(name), behind.link(str(tally.count), tally.encounters), _percent(tally.count / whole)]
        for name, tally in found.items()
    ]
    return _table((what, "count", "share"), rows, "") + (_query(query) if rows else "")


# --- sections -----------------------------------------------------------------------------------------


def _head(facts: Facts, ledger: Ledger) -> str:
    encounters = facts.encounters
    books = sorted({f"{s} {v}" for e in encounters for s, v in json.loads(e.code_books).items()})
    rows = [
        ["Period", f"{facts.since.isoformat()} to {facts.until.isoformat()}, by submission"],
        ["Encounters submitted", str(len(encounters))],
        ["of them audited", str(len(ledger.within(Scope.AUDITED)))],
        ["of them coded a second time, blinded", str(len(ledger.within(Scope.SECOND)))],
        ["Decisions", str(len(facts.decisions))],
        ["Packs", escape(", ".join(sorted({e.pack for e in encounters})) or "–")],
        ["Code books", escape(", ".join(books) or "–")],
        ["Lexica", escape(", ".join(sorted({e.lexicon for e in encounters})) or "–")],
        ["Rules", escape(", ".join(sorted({e.rules for e in encounters})) or "–")],
        ["Software", escape(", ".join(sorted({e.software for e in encounters})) or "–")],
        ["Audit chain", f"event {facts.head_sequence}, <code>{escape(facts.head_hash)}</code>"],
    ]
    return f'<div class="head">{_table(("", ""), rows)}</div>'


def _named(measures: Sequence[Measure], *names: str) -> list[Measure]:
    return [measure for name in names for measure in measures if measure.name == name]


def _summary(ledger: Ledger, behind: _Behind) -> str:
    measures = _named(
        MEASURES,
        "code_accuracy",
        "fully_correct",
        "coder_first",
        "over_coding",
        "under_coding",
        "suggestion_precision",
        "suggestion_recall",
        "suggestion_f1",
        "acceptance",
    )
    share = ledger.number(measures[0]).share
    said = {"above": "at or above", "not decided": "not distinguishable from"}.get(
        _verdict(share, INDUSTRY_LINE), "below"
    )
    told = (
        f"<p>Code accuracy is {said} the industry's {INDUSTRY_LINE:.0%} line.</p>"
        if share.value is not None
        else "<p>No audit finished in this period: nothing is known about the coders' accuracy.</p>"
    )
    return "<h2>At a glance</h2>" + told + _numbers(measures, ledger, behind, "")


def _suggestions(ledger: Ledger, behind: _Behind) -> str:
    return (
        "<h2>The tool's suggestions</h2><p>Against the codes that stand: as audited, or else as submitted. "
        "Coders see the suggestions before they decide, so figures against their own codes flatter the tool; "
        "the audited and the blinded ones do so less.</p>"
        + _numbers(SUGGESTIONS, ledger, behind, "All submitted encounters")
        + _numbers(
            SUGGESTIONS_AUDITED, ledger, behind, "Audited encounters, weighted to all that were drawn from"
        )
        + _numbers(SUGGESTIONS_SECOND, ledger, behind, "Against a blinded second reader")
        + "".join(_parts(measure, ledger, behind) for measure in SUGGESTIONS)
    )


def _coders(facts: Facts, ledger: Ledger, behind: _Behind) -> str:
    errors = accuracy.errors_by_kind(facts)
    rebuttals = accuracy.rebuttals(facts)
    return (
        "<h2>The coders' codes</h2><p>Against finished audits. Encounters count by the inverse of the chance "
        "they had to be drawn.</p>"
        + _numbers(CODERS, ledger, behind, "Audited encounters")
        + "".join(
            _parts(measure, ledger, behind, INDUSTRY_LINE if measure.name == "code_accuracy" else None)
            for measure in CODERS
        )
        + "<h3>Errors by kind</h3>"
        + _tally(
            "error",
            errors,
            behind,
            sum(tally.count for tally in errors.values()),
            _ERRORS,
        )
        + "<h3>Overturns and rebuttals</h3>"
        + _tally(
            "overturn",
            rebuttals,
            behind,
            sum(tally.count for tally in rebuttals.values()),
            _OVERTURNS,
        )
    )


def _answers(facts: Facts, ledger: Ledger, behind: _Behind) -> str:
    verdicts, reasons = accuracy.verdicts(facts), accuracy.reasons(facts)
    pieces = [
        "<h2>What coders do with suggestions</h2>",
        _numbers(ANSWERS, ledger, behind, ""),
        *(_parts(measure, ledger, behind) for measure in ANSWERS),
        "<h3>Answers</h3>",
        _tally(
            "answer",
            verdicts,
            behind,
            sum(tally.count for tally in verdicts.values()),
            _ANSWERED,
        ),
        "<h3>Why suggestions were rejected</h3>",
        _tally(
            "reason",
            reasons,
            behind,
            sum(tally.count for tally in reasons.values()),
            _REASONS,
        ),
        "<h3>Time per decision</h3><p>Seconds from the code shown to the decision; not those in bulk, nor "
        "those taken back.</p>",
    ]
    for by in ("verdict", "reviewer", "month", "pack"):
        rows = [
            [
                escape(part),
                behind.link(str(t.count), t.encounters),
                *(f"{seconds:.1f}" for seconds in (t.lower, t.median, t.upper, t.ninetieth)),
            ]
            for part, t in accuracy.times(facts, by).items()
        ]
        pieces.append(_table((by, "decisions", "25 %", "median", "75 %", "90 %"), rows, f"By {by}"))
        pieces.append(_query(accuracy.TIMES_QUERY.format(by=by)))
    return "".join(pieces)


def _calibration(ledger: Ledger, behind: _Behind) -> str:
    pieces = [
        "<h2>Calibration</h2><p>Of suggestions with a probability of p, a share of p should be right.</p>"
    ]
    for scope, told in (
        (Scope.AUDITED, "Audited encounters (what was not proposed or reviewed is known to be wrong)"),
        (Scope.ALL, "All encounters (only what the review judged; it favours what is right)"),
    ):
        found = accuracy.calibration(ledger, scope)
        if found.error is None:
            continue
        bins = reliability(found.points)
        rows = [[f"{b.mean_probability:.3f}", f"{b.share_right:.3f}", str(b.count)] for b in bins]
        counted = behind.link(f"{len(found.points)} suggestions", found.encounters)
        pieces += [
            f"<h3>{told}</h3><p>Expected calibration error {found.error:.3f} over {counted}, "
            "bins of equal count.</p>",
            reliability_plot(told, bins),
            _table(("mean probability", "share right", "suggestions"), rows),
        ]
    return "".join(pieces) if len(pieces) > 1 else pieces[0] + _table((), [])


def _agreement(ledger: Ledger, behind: _Behind) -> str:
    rows = []
    for name, levels in accuracy.agreements(ledger).items():
        for level in levels:
            counts, interval = level.counts, level.kappa_interval
            rows.append(
                [
                    f"{escape(name)}, {level.level}",
                    behind.link(str(counts.encounters), level.encounters),
                    "–" if counts.kappa is None else f"{counts.kappa:.2f}",
                    f"<small>{interval[0]:.2f} to {interval[1]:.2f}</small>" if interval else "",
                    _percent(counts.percent),
                    _percent(counts.same_sets),
                    "–" if level.first is None else f"{level.first:.2f}",
                    _percent(level.first_percent),
                ]
            )
    header = ("", "encounters", "kappa", "95 % interval", "same codes", "same sets", "kappa first-listed", "same first-listed")  # fmt: skip
    published = [
        [escape(figure.what), escape(figure.value), f"<small>{escape(figure.source)}</small>"]
        for figure in PUBLISHED
    ]
    return (
        "<h2>Agreement of coder and blinded second reader</h2><p>Kappa is Cohen's over all pairs of an "
        "encounter and a code that either gave to any of these encounters; the answer is whether the encounter "
        "has the code. As most pairs are empty it comes close to twice the codes in common by the sum of both. "
        "“Same codes” is the codes both gave, by those at least one gave.</p>"
        + _table(header, rows, "Second codings of this period")
        + _table(("people, as published", "figure", "source"), published)
    )


def _drift(drift: Drift, compared: str, behind: _Behind) -> str:
    shown = [change for change in drift.changes if change.alarm or change.p < ALPHA]
    rows = [
        [
            ('<span class="bad">alarm</span> ' if change.alarm else "") + change.kind.value,
            escape(change.what),
            f"{change.before:.3f}",
            f"{change.after:.3f}",
            f"{change.p:.2g}",
            behind.link("examples", change.examples) if change.examples else "",
        ]
        for change in shown
    ]
    stability = "–" if drift.stability is None else f"{drift.stability:.3f}"
    count = len(drift.alarms)
    return (
        f"<h2>Drift</h2><p>{escape(compared)}: {drift.encounters[0]} and {drift.encounters[1]} encounters, "
        f"{len(drift.changes)} comparisons, <strong>{count} alarm{'' if count == 1 else 's'}</strong>. "
        f"Stability index of the chapters {stability} (below 0.1 is usually called stable).</p>"
        + _table(("", "what", "before", "after", "p, corrected", ""), rows, "Changes beyond chance")
    )


def _editions(effects: Mapping[str, Sequence[EditionEffect]], behind: _Behind) -> str:
    pieces = ["<h2>Another edition of the code set</h2>"]
    for edition, found in effects.items():
        rows = [
            [
                f"<code>{escape(effect.code)}</code>",
                escape(effect.why),
                escape(", ".join(effect.instead)) or "–",
                behind.link(str(len(effect.suggested)), effect.suggested),
                behind.link(str(len(effect.submitted)), effect.submitted),
            ]
            for effect in found
        ]
        header = ("code", "why", "instead", "encounters suggested in", "submitted in")
        pieces.append(
            _table(header, rows, f"Codes of this period that {edition} would not let stand as they are")
        )
    if not effects:
        pieces.append('<p class="soft">No other edition is installed to compare with.</p>')
    return "".join(pieces)


def _methods() -> str:
    says = "".join(f"<li><code>{m.name}</code>: {escape(m.says)}</li>" for m in MEASURES)
    return (
        "<h2>How it was counted</h2><ul>"
        "<li>One submission speaks for an encounter: the first one that an audit finished, else the newest. What a "
        "coder corrected after an audit does not count for them; what was taken back into review is left out.</li>"
        "<li>A suggestion that was not reviewed, deferred, or rejected for another reason than “not supported” or "
        "“wrong code” is neither right nor wrong, unless an audit read the encounter to its end.</li>"
        "<li>Intervals are at 95 %: Wilson's with the effective number that the variance between encounters "
        "leaves of the codes, corrected for few encounters. They hold for the process, not only for the "
        "encounters drawn. Of kappa: bootstrap over encounters, 500 rounds, seed 0.</li>"
        "<li>Audited figures weigh each encounter by the inverse of its chance to be drawn, so that a risk sample "
        "does not make everybody look bad. Counts are unweighted.</li>"
        "<li>The 95 % line is the custom of the trade; it has no agreed definition. Here: codes without any "
        "error by codes submitted or missed.</li>"
        f"<li>Drift: five kinds of change, each tested at {ALPHA / 5:.1%} after Holm's correction; an alarm also "
        "needs a change large enough to matter.</li></ul>"
        f"<h3>Measures</h3><ul>{says}</ul>"
        "<h3>Recompute</h3><p>Export with <code>--parquet DIR</code>, then in DuckDB, with DIR for "
        f"{{directory}}:</p><pre>{escape(VIEWS.strip())}</pre>"
    )
