"""Cut a note into sentences that survive dictation, lists and abbreviations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from coder_assist.types import Section, Span

_ABBREVIATIONS = frozenset(
    "dr mr mrs ms st jr sr prof vs no approx dept fig e.g i.e q.d b.i.d t.i.d q.i.d p.o p.r.n i.v i.m q.h.s a.m p.m "
    "o.d o.s o.u p.r h.s a.c p.c n.p.o s.c o.r e.r u.s c.c s.q sub.q m.d d.o ph.d r.n".split()
)  # fmt: skip
# A full stop, question or exclamation mark; or the start of a numbered item within a line. A row of stops is tried
# once, from its first: "......" before something else would cost the square of its length. The first look tells
# at most places that nothing of it can begin there.
_STOP = re.compile(
    r"(?=[.!?;\d\r\n])"
    r"(?:(?<![.!?])[.!?]++(?=[\s\"')\]]|[A-Z][a-z]|\d{1,2}\.\s|$)|;|(?<=[\s,])(?=\d{1,2}[.)]\s+[A-Z])|\r?\n)"
)
_LAST_WORD = re.compile(r"([A-Za-z][A-Za-z.]*)$")
_ITEM = re.compile(r"\s*(?:\d{1,2}[.)]|[-•*–]|[A-Z][A-Za-z /]{1,40}:|\(\d)")
# "Type 2. Hypertension": the number behind one of these words is no item's.
_NUMBERED = re.compile(r"\b(?:stage|grade|class|type|degree|level)\s$", re.IGNORECASE)
_ITEM_NUMBER = re.compile(r"\s*\(?\d{1,2}[.)]?$")
WRAPPED = 55
LONGEST = 3000


def _is_end(text: str, start: int, stop: re.Match[str]) -> bool:
    mark = stop.group()
    if mark == "":
        return _NUMBERED.search(text, max(start, stop.start() - 8), stop.start()) is None
    if mark == ";":
        return True
    if mark.startswith(("\n", "\r")):
        line_start = text.rfind("\n", 0, stop.start()) + 1
        rest = text[stop.end() : stop.end() + 48]
        # A long line that ends in the middle of a sentence was wrapped by the editor.
        wrapped = stop.start() - line_start >= WRAPPED and rest[:1].islower()
        return not wrapped or _ITEM.match(rest) is not None
    if mark == ".":
        before = _LAST_WORD.search(text, max(start, stop.start() - 12), stop.start())
        if before and (before[1].lower() in _ABBREVIATIONS or len(before[1]) == 1):
            following = text[stop.end() : stop.end() + 2].strip()
            return len(before[1]) > 2 and before[1].lower().count(".") > 0 and following[:1].isupper()
        if _ITEM_NUMBER.fullmatch(text, start, stop.start()):
            return False  # the number of a list item belongs to the item
    return True


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a stretch without any stop at blanks, so that the work on a sentence is bounded."""
    while end - start > LONGEST:
        cut = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
        cut = cut if cut > 0 else start + LONGEST
        yield start, cut
        start = cut
    yield start, end


def find_sentences(text: str, sections: Sequence[Section]) -> list[Span]:
    """Return the sentences in order, trimmed of outer blanks; a heading is never part of one."""
    sentences = []
    for section in sections:
        start = section.body
        for stop in _STOP.finditer(text, section.body, section.span.end):
            if stop.start() < start or not _is_end(text, start, stop):
                continue
            sentences.append((start, stop.end()))
            start = stop.end()
        sentences.append((start, section.span.end))
    sentences = [piece for start, end in sentences for piece in _bounded(text, start, end)]
    trimmed = []
    for start, end in sentences:
        piece = text[start:end]
        left = len(piece) - len(piece.lstrip())
        right = len(piece.rstrip())
        if right > left:
            trimmed.append(Span(start + left, start + right))
    return trimmed
