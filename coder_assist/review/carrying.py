"""Where evidence of an old version of a note stands in the new one.

A piece of evidence stands if the sentence around it does: "diabetes" is still to be found in "no diabetes",
and that is another statement. Sentences are compared in order (``difflib``), so one that moved below another
heading does not count as the same.

>>> carry("Cough. Asthma, mild.", "Fever. Cough. Asthma, mild.", Span(7, 13))
Span(start=14, end=20)
>>> carry("Cough. Asthma, mild.", "Cough. No asthma, mild.", Span(7, 13)) is None
True
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from difflib import SequenceMatcher

from coder_assist.types import Span

_UNIT = re.compile(r"\S(?:.*?[.;!?](?=\s)|.*)")


def carry(old: str, new: str, span: Span) -> Span | None:
    """Return where ``span`` of the old text stands in the new one, or ``None``."""
    return carrier(old, new)(span)


def only_added(old: str, new: str) -> bool:
    """Say whether every sentence of the old text stands in the new one, in the same order."""
    following = iter([unit.slice(new) for unit in _units(new)])
    return all(unit.slice(old) in following for unit in _units(old))


def carrier(old: str, new: str) -> Callable[[Span], Span | None]:
    """Compare two versions once and return the function that carries spans from one to the other."""
    before, after = _units(old), _units(new)
    partner = _partners([unit.slice(old) for unit in before], [unit.slice(new) for unit in after])
    starts = [unit.start for unit in before]

    def carried(span: Span) -> Span | None:
        if not 0 <= span.start < span.end <= len(old):
            return None
        first = bisect_right(starts, span.start) - 1
        last = bisect_right(starts, span.end - 1) - 1
        if first < 0:
            return None
        partners = [partner.get(place) for place in range(first, last + 1)]
        if any(there is None for there in partners):
            return None
        head, tail = partners[0], partners[-1]
        if head is None or tail is None or tail - head != last - first:
            return None
        start = after[head].start + span.start - before[first].start
        end = after[tail].start + span.end - before[last].start
        # Between two sentences there may be other blanks than before; the words must be the same.
        if new[start:end].split() != old[span.start : span.end].split():
            return None
        return Span(start, end)

    return carried


def _partners(before: list[str], after: list[str]) -> dict[int, int]:
    """Return which sentence of the new text each unchanged sentence of the old one is."""
    most = min(len(before), len(after))
    head = next((place for place in range(most) if before[place] != after[place]), most)
    tail = next((n for n in range(most - head) if before[-1 - n] != after[-1 - n]), most - head)
    partner = {place: place for place in range(head)}
    partner.update({len(before) - 1 - n: len(after) - 1 - n for n in range(tail)})
    # Most edits are in one place; only what lies between the equal ends is worth the slow comparison.
    middle = SequenceMatcher(
        None, before[head : len(before) - tail], after[head : len(after) - tail], autojunk=False
    )
    for block in middle.get_matching_blocks():
        partner.update({head + block.a + n: head + block.b + n for n in range(block.size)})
    return partner


def _units(text: str) -> list[Span]:
    """Return the sentences of a text, roughly: lines, cut after a full stop, semicolon or such."""
    return [
        Span(unit.start(), unit.start() + len(unit.group().rstrip()))
        for line in re.finditer(r"[^\n\r]+", text)
        for unit in _UNIT.finditer(text, line.start(), line.end())
    ]
