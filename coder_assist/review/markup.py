"""What the accuracy report is drawn with: its styles, its tables, and numbers that lead to their encounters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5a6675; --line: #dfe4ea; --paper: #fff;
  --card: #f6f8fa; --mark: #1f5fa8; --tint: #a9c8ec; --good: #1d6b3c; --bad: #a8321f; --doubt: #805500; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #333c48;
  --paper: #12161c; --card: #1a2028; --mark: #7fb4f0; --tint: #35608f; --good: #7fcf9b; --bad: #f0937f;
  --doubt: #e3b45c; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink);
  background: var(--paper); margin: 0; }
.page { max-width: 76rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; display: grid;
  grid-template-columns: 13rem minmax(0, 1fr); gap: 0 3rem; }
nav { position: sticky; top: 2rem; align-self: start; font-size: .9rem; }
nav a { display: block; padding: .28rem .7rem; color: var(--soft); border-left: 2px solid var(--line); }
nav a:hover { color: var(--ink); border-color: var(--mark); text-decoration: none; }
header { grid-column: 1 / -1; border-bottom: 1px solid var(--line); padding-bottom: 1.4rem; margin-bottom: 2rem; }
header p { margin: 0; color: var(--soft); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 3rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
section:first-of-type h2 { margin-top: 0; border: 0; padding-top: 0; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .3rem; }
section > p { max-width: 46rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); gap: .8rem; margin: 1rem 0 1.6rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.7rem; font-weight: 650; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card small { display: block; }
.verdict { display: inline-block; border-radius: 1rem; padding: .1rem .7rem; font-size: .85rem; font-weight: 600;
  border: 1px solid currentcolor; }
.above { color: var(--good); } .below { color: var(--bad); } .open { color: var(--doubt); }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1.4rem; margin: 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0 .4rem; width: 100%; }
caption { text-align: left; color: var(--ink); font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .38rem .9rem .38rem 0; text-align: right; vertical-align: middle;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
td.words, th.words { text-align: left; white-space: normal; min-width: 12rem; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; vertical-align: bottom; }
tbody tr:hover { background: var(--card); }
a { color: var(--mark); text-decoration: none; } a:hover { text-decoration: underline; }
a.behind { color: inherit; border-bottom: 1px dotted var(--mark); }
a.behind:hover { color: var(--mark); text-decoration: none; }
.soft, small { color: var(--soft); } .bad { color: var(--bad); font-weight: 600; }
small code { font-size: .8rem; color: var(--soft); }
pre, code { font: .82rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line);
  border-radius: .4rem; padding: .7rem .9rem; margin: .4rem 0 1rem; }
details { margin: .2rem 0; } summary { cursor: pointer; color: var(--mark); }
details.query > summary { font-size: .82rem; color: var(--soft); }
details.parts { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .9rem; margin: .5rem 0; }
.ids p { display: none; }
.ids p:target { display: block; position: fixed; inset: auto 0 0 0; max-height: 45vh; overflow: auto; margin: 0;
  padding: 1rem max(1.5rem, calc((100vw - 73rem) / 2)) 1.4rem; background: var(--paper); font-size: .88rem;
  border-top: 2px solid var(--mark); box-shadow: 0 -6px 24px rgb(0 0 0 / 18%); overflow-wrap: anywhere; z-index: 2; }
.ids .close { float: right; margin-left: 2rem; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); }
svg.bar { display: inline-block; vertical-align: middle; }
.grid { stroke: var(--line); } .goal { stroke: var(--bad); stroke-dasharray: 5 4; }
.whisker { stroke: var(--mark); stroke-width: 2; } .dot { fill: var(--mark); } .track { fill: var(--line); }
.reach { fill: var(--tint); } .line { stroke: var(--bad); }
.sign { display: grid; grid-template-columns: repeat(3, 1fr); gap: 2rem; margin: 3.5rem 0 1rem; }
.sign div { border-top: 1px solid var(--ink); padding-top: .3rem; color: var(--soft); font-size: .85rem; }
.plots { display: flex; flex-wrap: wrap; gap: 2rem; }
@media (max-width: 60rem) { .page { grid-template-columns: minmax(0, 1fr); padding: 1.2rem 1rem 3rem; }
  nav { position: static; columns: 2; margin-bottom: 2rem; } .sign { grid-template-columns: 1fr; } }
@media print { .page { display: block; } nav, .ids .close { display: none; } details > * { display: block; }
  .ids p, .ids p:target { display: block; position: static; max-height: none; box-shadow: none; border: 0;
  padding: .2rem 0; font-size: .75rem; } h2 { break-after: avoid; } tr, svg { break-inside: avoid; } }
"""
NOWHERE = "#-"


class Behind:
    """The sets of encounters that numbers lead to, each written once at the end of the page.

    A set shows when one of its numbers is followed, over the foot of the page, so that the place is kept.
    """

    def __init__(self) -> None:
        self._sets: dict[tuple[str, ...], str] = {}

    def link(self, words: str, encounters: Iterable[str]) -> str:
        """Return the words as a link to these encounters; plain words where there are none."""
        ids = tuple(sorted(set(encounters)))
        if not ids:
            return escape(words)
        name = self._sets.setdefault(ids, f"e{len(self._sets) + 1}")
        return f'<a class="behind" href="#{name}">{escape(words)}</a>'

    def section(self) -> str:
        """Return the list of all sets that were linked to."""
        rows = [
            f'<p id="{name}"><a class="close" href="{NOWHERE}">close</a><strong>{len(ids)} '
            f"encounter{'' if len(ids) == 1 else 's'}</strong> <small>({name})</small> {escape(', '.join(ids))}</p>"
            for ids, name in self._sets.items()
        ]
        return f'<div class="ids">{"".join(rows)}</div>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table; cells are HTML already. A column whose name ends in a blank holds words."""
    if not rows:
        return f'<p class="soft">{escape(caption)}{": " if caption else ""}nothing to count.</p>'
    kinds = [' class="words"' if name.endswith(" ") else "" for name in header]
    head = "".join(f"<th{kind}>{escape(name.strip())}</th>" for name, kind in zip(header, kinds, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{told}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def query(*queries: str) -> str:
    """Return queries under a handle, closed at first."""
    written = escape(";\n".join(queries))
    return f'<details class="query"><summary>recompute</summary><pre>{written};</pre></details>'


def section(name: str, title: str, *pieces: str) -> str:
    """Return a section of the page, with an id to navigate to."""
    return f'<section id="{name}"><h2>{escape(title)}</h2>{"".join(pieces)}</section>'


def percent(value: float | None) -> str:
    """Return a share in per cent; a dash for none."""
    return "–" if value is None else f"{value:.1%}"
