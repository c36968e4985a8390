"""The report's plots, as SVG that stands in the page: shares with their intervals, and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from coder_assist.measure import ReliabilityBin, Share, wilson

_ROW, _LEFT, _WIDTH = 22, 190, 640


def interval_bar(share: Share, line: float | None = None, width: int = 110) -> str:
    """Draw a share between 0 and 1 with its interval, small enough to stand in a row."""
    if share.value is None:
        return ""
    low, high, at = (value * (width - 8) + 4 for value in (share.low, share.high, share.value))
    parts = [
        f'<rect x="4" y="7" width="{width - 8}" height="2" class="track"/>',
        f'<rect x="{low:.1f}" y="4" width="{max(high - low, 1):.1f}" height="8" rx="2" class="reach"/>',
        f'<circle cx="{at:.1f}" cy="8" r="3.2" class="dot"/>',
    ]
    if line is not None:
        place = line * (width - 8) + 4
        parts.insert(2, f'<line x1="{place:.1f}" y1="1" x2="{place:.1f}" y2="15" class="line"/>')
    return (
        f'<svg class="bar" viewBox="0 0 {width} 16" width="{width}" height="16" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def whiskers(title: str, rows: Sequence[tuple[str, Share]], line: float | None = None) -> str:
    """Draw each row's share as a dot with its interval, and a line to compare with."""
    rows = [(name, share) for name, share in rows if share.value is not None]
    if not rows:
        return ""
    lows = [share.low for _, share in rows] + ([line] if line is not None else [])
    start = max(0.0, min(int(low * 20) / 20 for low in lows))
    end = min(1.0, (int(max(share.high for _, share in rows) * 20 - 1e-9) + 1) / 20)
    end = max(end, line or 0.0, start + 0.05)

    def x(value: float) -> float:
        return _LEFT + (value - start) / (end - start) * (_WIDTH - _LEFT - 20)

    bottom = _ROW * len(rows) + 14
    parts = [
        _text(x(mark), bottom + 16, f"{mark:.0%}", "middle")
        + f'<line x1="{x(mark):.1f}" y1="6" x2="{x(mark):.1f}" y2="{bottom}" class="grid"/>'
        for mark in (start + (end - start) * step / 4 for step in range(5))
    ]
    if line is not None:
        parts.append(f'<line x1="{x(line):.1f}" y1="6" x2="{x(line):.1f}" y2="{bottom}" class="goal"/>')
    for place, (name, share) in enumerate(rows):
        y = _ROW * place + 20
        assert share.value is not None
        parts += [
            _text(_LEFT - 8, y + 4, name if len(name) < 26 else name[:24] + "…", "end"),
            f'<line x1="{x(share.low):.1f}" y1="{y}" x2="{x(share.high):.1f}" y2="{y}" class="whisker"/>',
            f'<circle cx="{x(share.value):.1f}" cy="{y}" r="4" class="dot"/>',
        ]
    return _svg(title, _WIDTH, bottom + 24, parts)


def reliability_plot(title: str, bins: Sequence[ReliabilityBin]) -> str:
    """Draw how often suggestions were right against how sure the tool was, with Wilson's intervals."""
    if not bins:
        return ""
    side, margin = 300, 42

    def x(value: float) -> float:
        return margin + value * side

    def y(value: float) -> float:
        return 12 + (1 - value) * side

    parts = [f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" class="goal"/>']
    for step in range(6):
        mark = step / 5
        parts += [
            f'<line x1="{x(mark):.1f}" y1="{y(0)}" x2="{x(mark):.1f}" y2="{y(1)}" class="grid"/>',
            f'<line x1="{x(0)}" y1="{y(mark):.1f}" x2="{x(1)}" y2="{y(mark):.1f}" class="grid"/>',
            _text(x(mark), y(0) + 16, f"{mark:.1f}", "middle"),
            _text(x(0) - 6, y(mark) + 4, f"{mark:.1f}", "end"),
        ]
    for one in bins:
        low, high = wilson(one.share_right * one.count, one.count)
        at = x(one.mean_probability)
        parts += [
            f'<line x1="{at:.1f}" y1="{y(low):.1f}" x2="{at:.1f}" y2="{y(high):.1f}" class="whisker"/>',
            f'<circle cx="{at:.1f}" cy="{y(one.share_right):.1f}" r="4" class="dot"/>',
        ]
    parts.append(_text(x(0.5), y(0) + 34, "probability of the suggestion", "middle"))
    return _svg(title, side + margin + 20, side + 56, parts)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
