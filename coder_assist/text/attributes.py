"""What a note says of a mention that codes need: side, episode, weeks, open or closed, and the like."""

from __future__ import annotations

import re

from coder_assist.text.matcher import NoteWords

_SIDES = {
    "left": "left", "lt": "left", "right": "right", "rt": "right", "bilateral": "bilateral", "bilaterally": "bilateral",
    "both": "bilateral", "od": "right", "os": "left", "ou": "bilateral",
}  # fmt: skip
_NOT_A_SIDE = re.compile(
    r"right(?:\s+(?:hand(?:ed| dominant)|away|now|lower quadrant|upper quadrant|lateral decubitus|side up))|"
    r"left(?:\s+(?:hand(?:ed| dominant)|the hospital|lateral decubitus|lower quadrant|upper quadrant|shift|ventric\w+|atri\w+))|"
    r"right\s+(?:ventric\w+|atri\w+|bundle)|left\s+(?:bundle|main|anterior descending|circumflex)",
    re.IGNORECASE,
)
REACH = 7
# "Osteoarthritis of the knees": the plural of a paired part, without a side, means both.
_PAIRED = frozenset(
    "knees hips shoulders elbows wrists ankles eyes ears hands feet lungs kidneys breasts ovaries".split()
)

_SUBSEQUENT = re.compile(
    r"\b(?:routine healing|cast (?:removal|was removed)|(?:suture|staple|hardware) removal|removal of (?:sutures|staples|hardware)|"
    r"aftercare|healing well|has healed|(?:weeks|months) (?:out|post|status post|after) (?:from )?(?:his|her|the|surgery|injury|orif))\b",
    re.IGNORECASE,
)


def side_of(note: NoteWords, places: tuple[int, ...]) -> str | None:
    """Return the side that the sentence gives to a mention: within it, before it, or just after it.

    The nearest side word within seven words wins; both sides named next to each other are bilateral.
    """
    sentence = note.sentence_of[places[0]]
    first, last = note.ranges[sentence]
    inside = {_SIDES[note.words[p].raw] for p in range(places[0], places[-1] + 1) if _is_side(note, p)}
    if len(inside) == 1:
        return inside.pop()
    if inside or any(note.words[p].raw in _PAIRED for p in places):
        return "bilateral"
    best: tuple[int, str] | None = None
    for place in range(max(first, places[0] - REACH), min(last, places[-1] + REACH + 1)):
        if not _is_side(note, place):
            continue
        before = place < places[0]
        distance = places[0] - place if before else (place - places[-1]) * 2
        gap = note.text[note.words[min(place, places[0])].end : note.words[max(place, places[-1])].start]
        if ("," in gap and distance > 2) or ";" in gap:
            distance += 4
        if distance <= REACH and (best is None or distance < best[0]):
            best = (distance, _SIDES[note.words[place].raw])
    return best[1] if best else None


def _is_side(note: NoteWords, place: int) -> bool:
    word = note.words[place]
    if word.raw not in _SIDES:
        return False
    if (
        word.raw in ("od", "os", "ou", "rt", "lt")
        and not note.text[word.start : word.end].isupper()
        and word.raw[0] == "o"
    ):
        return False
    return _NOT_A_SIDE.match(note.text, word.start) is None


def episode_of(text: str) -> str:
    """Return ``subsequent`` where the words of a note say aftercare of an injury, else ``initial``.

    Active treatment is initial, routine care during healing is subsequent (guideline I.C.19.a).
    """
    return "subsequent" if _SUBSEQUENT.search(text) else "initial"
