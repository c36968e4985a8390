"""The accuracy report: one HTML file without anything from elsewhere, made of facts alone.

It shows ids, codes and counts, never a word of a note. Every number is a link to the encounters behind it;
every table shows the query that gives its numbers again from the exported Parquet files. The same facts give
the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

from coder_assist.measure import Share, reliability
from coder_assist.review import accuracy, queries
from coder_assist.review.accuracy import BY_CODE, BY_ENCOUNTER, Ledger, Number, Tally
from coder_assist.review.drift import ALPHA, Drift, EditionEffect
from coder_assist.review.facts import Facts
from coder_assist.review.markup import STYLE, Behind, percent, query, section, table
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
from coder_assist.review.plots import interval_bar, reliability_plot, whiskers
from coder_assist.review.published import PUBLISHED

MOST_PARTS = 40
SECTIONS = (
    ("summary", "At a glance"),
    ("suggestions", "The tool's suggestions"),
    ("coders", "The coders' codes"),
    ("answers", "What coders do with suggestions"),
    ("calibration", "Calibration"),
    ("agreement", "Agreement with a second reader"),
    ("drift", "Drift"),
    ("editions", "Another edition of the code set"),
    ("methods", "How it was counted"),
    ("made", "What it was made of"),
)


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
    behind, ledger = Behind(), Ledger.of(facts)
    pieces = (
        _summary(ledger, behind),
        _suggestions(ledger, behind),
        _coders(facts, ledger, behind),
        _answers(facts, ledger, behind),
        _calibration(ledger, behind),
        _agreement(ledger, behind),
        _drift(drift, compared, behind),
        _editions(effects or {}, behind),
        _methods(),
        _made(facts, ledger, behind),
    )
    body = [section(*named, piece) for named, piece in zip(SECTIONS, pieces, strict=True)]
    title = f"Coding accuracy, {facts.since:%Y-%m-%d} to {facts.until:%Y-%m-%d}"
    contents = "".join(f'<a href="#{name}">{escape(told)}</a>' for name, told in SECTIONS)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}</style></head>\n<body><div class="page">\n<header><h1>{title}</h1>'
        f"<p>{_told(facts, ledger, behind)}</p></header>\n"
        f'<nav aria-label="Sections">{contents}</nav>\n<main>\n'
        + "\n".join(body)
        + f"\n{_SIGNATURES}\n{behind.section()}\n</main></div></body></html>\n"
    )


_SIGNATURES = '<div class="sign"><div>Auditor</div><div>Signature</div><div>Date</div></div>'


# --- small pieces -------------------------------------------------------------------------------------


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _told(facts: Facts, ledger: Ledger, behind: Behind) -> str:
    everything = [encounter.encounter for encounter in facts.encounters]
    audited = [encounter.encounter for encounter in ledger.within(Scope.AUDITED)]
    submitted = behind.link(_counted(len(everything), "encounter"), everything)
    return f"{submitted} submitted, {behind.link(f'{len(audited):,}', audited)} of them audited"


def _range(share: Share) -> str:
    return "" if share.value is None else f"{share.low:.1%} to {share.high:.1%}"


def _cells(number: Number, behind: Behind) -> list[str]:
    share, ids = number.share, number.encounters
    return [
        f"<strong>{behind.link(percent(share.value), ids)}</strong>",
        f"<small>{behind.link(_range(share), ids)}</small>",
        interval_bar(share),
        behind.link(f"{share.hits} of {share.total}", ids),
        behind.link(str(len(number.wrong)), number.wrong),
    ]


_NUMBER = ("value", "95 % interval", "", "count", "with faults")


def _numbers(measures: Sequence[Measure], ledger: Ledger, behind: Behind, caption: str) -> str:
    rows = []
    for measure in measures:
        number = ledger.number(measure)
        if number.share.total:
            told = f'<span title="{escape(measure.says)}">{escape(measure.title)}</span> <small><code>{measure.name}</code></small>'
            rows.append([told, *_cells(number, behind)])
    return table(("", *_NUMBER), rows, caption) + (query(*(m.query() for m in measures)) if rows else "")


def _parts(measure: Measure, ledger: Ledger, behind: Behind, line: float | None = None) -> str:
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
        header = (by, *_NUMBER, *(("95 % line",) if line is not None else ()))
        plot = ""
        if 1 < len(shown) <= 24:
            plot = whiskers(caption, [(part or "not suggested", n.share) for part, n in shown.items()], line)
        pieces.append(table(header, rows, caption) + plot + query(measure.query(by)))
    told = escape(f"{measure.title}, by part")
    if not pieces:
        return ""
    return f'<details class="parts"><summary>{told}</summary>{"".join(pieces)}</details>'


def _natural(name: str) -> tuple[int, str]:
    """Return what puts chapter 3 before chapter 10."""
    number = name.split(" ", 1)[0]
    return (int(number) if number.isdigit() else 0, name)


def _side(share: Share, line: float) -> str:
    """Say on which side of a line a share is, if its interval lies on one side."""
    if share.low >= line:
        return "above"
    return "below" if share.high < line else "open"


def _verdict(share: Share, line: float) -> str:
    side = _side(share, line)
    told = {"above": "above", "below": "below", "open": "not decided"}[side]
    return f'<span class="{side}">{told}</span>'


def _tally(what: str, found: Mapping[str, Tally], behind: Behind, asked: str) -> str:
    whole = sum(tally.count for tally in found.values())
    rows = [
        [
            escape(name.replace("_", " ")),
            behind.link(str(tally.count), tally.encounters),
            behind.link(percent(tally.count / whole), tally.encounters),
        ]
        for name, tally in found.items()
    ]
    return table((what, "count", "share"), rows, "") + (query(asked) if rows else "")


# --- sections -----------------------------------------------------------------------------------------


def _made(facts: Facts, ledger: Ledger, behind: Behind) -> str:
    encounters = facts.encounters
    second = [encounter.encounter for encounter in ledger.within(Scope.SECOND)]
    decided = {decision.encounter for decision in facts.decisions}
    books = sorted({f"{s} {v}" for e in encounters for s, v in json.loads(e.code_books).items()})
    rows = {
        "Period": f"{facts.since:%Y-%m-%d %H:%M} to {facts.until:%Y-%m-%d %H:%M} UTC, by submission",
        "Encounters": f"{_told(facts, ledger, behind)}, {behind.link(str(len(second)), second)} coded a second "
        "time, blinded",
        "Decisions": behind.link(f"{len(facts.decisions):,}", decided),
        "Packs": escape(", ".join(sorted({e.pack for e in encounters})) or "–"),
        "Code books": escape(", ".join(books) or "–"),
        "Lexica": escape(", ".join(sorted({e.lexicon for e in encounters})) or "–"),
        "Rules": escape(", ".join(sorted({e.rules for e in encounters})) or "–"),
        "Software": escape(", ".join(sorted({e.software for e in encounters})) or "–"),
        "Audit chain": f"event {facts.head_sequence} <code>{escape(facts.head_hash)}</code>",
    }
    told = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items())
    return f'<dl class="facts">{told}</dl>' + query(*queries.COUNTS)


def _named(measures: Sequence[Measure], *names: str) -> list[Measure]:
    return [measure for name in names for measure in measures if measure.name == name]


def _summary(ledger: Ledger, behind: Behind) -> str:
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
    said = {
        "above": f"at or above the {INDUSTRY_LINE:.0%} line",
        "below": f"below the {INDUSTRY_LINE:.0%} line",
        "open": f"not distinguishable from the {INDUSTRY_LINE:.0%} line",
    }
    side = _side(share, INDUSTRY_LINE)
    told = (
        f'<p>Code accuracy is <span class="verdict {side}">{said[side]}</span> that the industry holds itself to.</p>'
        if share.value is not None
        else "<p>No audit finished in this period: nothing is known about the coders' accuracy.</p>"
    )
    cards = "".join(
        f'<div class="card"><small>{escape(measure.title)}</small><b>{behind.link(percent(number.share.value), number.encounters)}</b>'
        f"{interval_bar(number.share, line, 150)}<small>{_range(number.share)}</small></div>"
        for measure, line in (
            (measures[0], INDUSTRY_LINE),
            *((m, None) for m in measures[1:3]),
            (measures[7], None),
        )
        if (number := ledger.number(measure)).share.total
    )
    return told + f'<div class="cards">{cards}</div>' + _numbers(measures, ledger, behind, "")


def _suggestions(ledger: Ledger, behind: Behind) -> str:
    return (
        "<p>Against the codes that stand: as audited, or else as submitted. "
        "Coders see the suggestions before they decide, so figures against their own codes flatter the tool; "
        "the audited and the blinded ones do so less.</p>"
        + _numbers(SUGGESTIONS, ledger, behind, "All submitted encounters")
        + _numbers(
            SUGGESTIONS_AUDITED, ledger, behind, "Audited encounters, weighted to all that were drawn from"
        )
        + _numbers(SUGGESTIONS_SECOND, ledger, behind, "Against a blinded second reader")
        + "".join(_parts(measure, ledger, behind) for measure in SUGGESTIONS)
    )


def _coders(facts: Facts, ledger: Ledger, behind: Behind) -> str:
    errors = accuracy.errors_by_kind(facts)
    rebuttals = accuracy.rebuttals(facts)
    return (
        "<p>Against finished audits. Encounters count by the inverse of the chance "
        "they had to be drawn.</p>"
        + _numbers(CODERS, ledger, behind, "Audited encounters")
        + "".join(
            _parts(measure, ledger, behind, INDUSTRY_LINE if measure.name == "code_accuracy" else None)
            for measure in CODERS
        )
        + "<h3>Errors by kind</h3>"
        + _tally("error", errors, behind, queries.ERRORS)
        + "<h3>Overturns and rebuttals</h3>"
        + _tally("overturn", rebuttals, behind, queries.OVERTURNS)
    )


def _answers(facts: Facts, ledger: Ledger, behind: Behind) -> str:
    verdicts, reasons = accuracy.verdicts(facts), accuracy.reasons(facts)
    pieces = [
        _numbers(ANSWERS, ledger, behind, ""),
        *(_parts(measure, ledger, behind) for measure in ANSWERS),
        "<h3>Answers</h3>",
        _tally("answer", verdicts, behind, queries.ANSWERED),
        "<h3>Why suggestions were rejected</h3>",
        _tally("reason", reasons, behind, queries.REASONS),
        "<h3>Time per decision</h3><p>Seconds from the code shown to the decision; not those in bulk, nor "
        "those taken back.</p>",
    ]
    for by in ("verdict", "reviewer", "month", "pack"):
        rows = [
            [
                escape(part),
                behind.link(str(t.count), t.encounters),
                *(
                    behind.link(f"{seconds:.1f}", t.encounters)
                    for seconds in (t.lower, t.median, t.upper, t.ninetieth)
                ),
            ]
            for part, t in accuracy.times(facts, by).items()
        ]
        pieces.append(table((by, "decisions", "25 %", "median", "75 %", "90 %"), rows, f"By {by}"))
        pieces.append(query(accuracy.TIMES_QUERY.format(by=by)) if rows else "")
    return "".join(pieces)


def _calibration(ledger: Ledger, behind: Behind) -> str:
    pieces = ["<p>Of suggestions with a probability of p, a share of p should be right.</p>"]
    for scope, told in (
        (Scope.AUDITED, "Audited encounters (what was not proposed or reviewed is known to be wrong)"),
        (Scope.ALL, "All encounters (only what the review judged; it favours what is right)"),
    ):
        found = accuracy.calibration(ledger, scope)
        if found.error is None:
            continue
        bins = reliability(found.points)
        rows = [
            [
                behind.link(told, ids)
                for told in (f"{b.mean_probability:.3f}", f"{b.share_right:.3f}", str(b.count))
            ]
            for b, ids in zip(bins, found.by_bin, strict=True)
        ]
        error = behind.link(f"{found.error:.3f}", found.encounters)
        counted = behind.link(f"{len(found.points)} suggestions", found.encounters)
        pieces += [
            f"<h3>{told}</h3><p>Expected calibration error {error} over {counted}, bins of equal count.</p>",
            f'<div class="plots">{reliability_plot(told, bins)}<div>',
            table(("mean probability", "share right", "suggestions"), rows),
            f"</div></div>{query(*queries.calibration(scope))}",
        ]
    return "".join(pieces) if len(pieces) > 1 else pieces[0] + table((), [])


def _agreement(ledger: Ledger, behind: Behind) -> str:
    rows = []
    for name, levels in accuracy.agreements(ledger).items():
        for level in levels:
            counts, interval = level.counts, level.kappa_interval
            told = (
                str(counts.encounters),
                _two(counts.kappa),
                f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "",
                percent(counts.percent),
                percent(counts.same_sets),
                _two(level.first),
                percent(level.first_percent),
            )
            label = f"{escape(name)}, {level.level}"
            rows.append([label, *(behind.link(each, level.encounters) for each in told)])
    header = ("", "encounters", "kappa", "95 % interval", "same codes", "same sets", "kappa first-listed", "same first-listed")  # fmt: skip
    published = [
        [escape(figure.what), escape(figure.value), f"<small>{escape(figure.source)}</small>"]
        for figure in PUBLISHED
    ]
    return (
        "<p>Kappa is Cohen's over all pairs of an "
        "encounter and a code that either gave to any of these encounters; the answer is whether the encounter "
        "has the code. As most pairs are empty it comes close to twice the codes in common by the sum of both. "
        "“Same codes” is the codes both gave, by those at least one gave.</p>"
        + table(header, rows, "Second codings of this period")
        + (query(*queries.agreement(False), *queries.agreement(True)) if rows else "")
        + table(("people, as published", "figure ", "source "), published)
    )


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _drift(drift: Drift, compared: str, behind: Behind) -> str:
    shown = [change for change in drift.changes if change.alarm or change.p < ALPHA]
    before, after = drift.periods
    rows = [
        [
            ('<span class="bad">alarm</span> ' if change.alarm else "") + change.kind.value,
            escape(change.what),
            behind.link(f"{change.before:.3f}", before),
            behind.link(f"{change.after:.3f}", after),
            f"{change.p:.2g}",
            behind.link("examples", change.examples) if change.examples else "",
        ]
        for change in shown
    ]
    stability = "–" if drift.stability is None else f"{drift.stability:.3f}"
    count = len(drift.alarms)
    sizes = [behind.link(f"{size:,}", ids) for size, ids in zip(drift.encounters, drift.periods, strict=True)]
    asked = (
        queries.CATEGORIES,
        queries.SCORES,
        *(m.query() for m in (*ANSWERS, CODERS[0])),
        queries.CHAPTERS,
    )
    return (
        f"<p>{escape(compared)}: {sizes[0]} and {sizes[1]} encounters, "
        f"{len(drift.changes)} comparisons, <strong>{count} alarm{'' if count == 1 else 's'}</strong>. "
        f"Stability index of the chapters {behind.link(stability, (*before, *after))} (below 0.1 is usually called "
        "stable).</p>"
        + table(("", "what ", "before", "after", "p, corrected", ""), rows, "Changes beyond chance")
        + "<p>Both periods are exported, each into a directory of its own; asked there, these give both columns.</p>"
        + query(*asked)
    )


def _editions(effects: Mapping[str, Sequence[EditionEffect]], behind: Behind) -> str:
    pieces = []
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
        header = ("code", "why ", "instead ", "encounters suggested in", "submitted in")
        pieces.append(
            table(header, rows, f"Codes of this period that {edition} would not let stand as they are")
        )
    if not effects:
        pieces.append('<p class="soft">No other edition is installed to compare with.</p>')
    return "".join(pieces)


def _methods() -> str:
    says = "".join(f"<li><code>{m.name}</code>: {escape(m.says)}</li>" for m in MEASURES)
    return (
        "<ul>"
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
        "needs a change large enough to matter.</li>"
        "<li>The interval of kappa is a bootstrap, and drift's probabilities are tests, on the numbers that the "
        "queries give; words of notes are counted for drift and never exported.</li></ul>"
        f"<h3>Measures</h3><ul>{says}</ul>"
        "<h3>Recompute</h3><p>Export with <code>--parquet DIR</code>, then in DuckDB, with DIR for "
        f"{{directory}}:</p><pre>{escape(VIEWS.strip())}</pre>"
    )
