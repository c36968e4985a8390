"""Read where a cancer has spread: "metastatic to the lung, liver and brain" names three secondary cancers.

The words of a list of organs are matched one by one, each together with the word "metastasis" that governs them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coder_assist.codes.lexicon import Lexicon
from coder_assist.codes.terms import KEY_MASK, STOPWORDS, word_hash
from coder_assist.text.matcher import MODIFIERS, Match, NoteWords

_SPREAD = "metastasis"
_SECONDARY = ("C77", "C78", "C79")
# "Metastatic cancer of the breast" is the breast's own; "to" and its like say where it went.
_TOWARDS = frozenset({"to", "into", "involving", "throughout", "at", "in", "within"})
_AND = frozenset({"and", "or", "as", "well", "plus", "including", "possibly"})
# "In a patient with lung cancer" is not in the lung.
_OTHER = frozenset({"with", "patient", "who", "whose", "man", "woman", "setting", "context"})
MOST_BETWEEN = 3
MOST_OF_ORGAN = 3
LONGEST_LIST = 30


def find_spread(note: NoteWords, found: Sequence[Match], lexicon: Lexicon) -> list[Match]:
    """Return the secondary cancers of the lists of organs in a note that ``found`` does not name yet."""
    extra: list[Match] = []
    for place, word in enumerate(note.words):
        if word.stem != _SPREAD:
            continue
        taken = {other for match in found if place in match.places for other in match.places}
        for organ, key in _organs(note, place, lexicon):
            if taken.isdisjoint(organ):
                extra.append(Match((place, *organ), (key,), "shared", len(organ) + 1))
    return extra


def _organs(note: NoteWords, place: int, lexicon: Lexicon) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the organs behind a word of spreading as ``(places, the key of their metastasis)``."""
    last = note.ranges[note.sentence_of[place]][1]
    start = next(
        (
            at + 1
            for at in range(place + 1, min(last, place + 1 + MOST_BETWEEN))
            if note.words[at].raw in _TOWARDS
        ),
        None,
    )
    if start is None:
        return
    for item in _items(note, start, min(last, place + LONGEST_LIST)):
        organ = _longest(note, item, lexicon)
        if organ is None:
            return  # the list is over
        yield organ


def _items(note: NoteWords, start: int, end: int) -> Iterator[list[int]]:
    """Yield the content words between the commas and conjunctions of a list."""
    item: list[int] = []
    for at in range(start, end):
        word = note.words[at]
        if word.raw in _OTHER:
            break
        parted = any(mark in note.between(at - 1) for mark in ",;/&") if at > start else False
        if item and (parted or word.raw in _AND):
            yield item
            item = []
        if word.raw not in _AND and word.stem not in STOPWORDS and word.raw not in MODIFIERS:
            item.append(at)
    if item:
        yield item


def _longest(note: NoteWords, item: list[int], lexicon: Lexicon) -> tuple[tuple[int, ...], int] | None:
    """Return the longest beginning of an item that, with "metastasis", is a term of a secondary cancer.

    Its first word may say where in the organ: "lower lumbar spine".
    """
    spread = word_hash(_SPREAD)
    organs = [tuple(item[:length]) for length in range(min(MOST_OF_ORGAN, len(item)), 0, -1)]
    for organ in organs + [organ[1:] for organ in organs if len(organ) > 1]:
        key = (sum(word_hash(note.words[at].stem) for at in organ) + spread) & KEY_MASK
        if any(term.code.value.startswith(_SECONDARY) for term in lexicon.terms_of(key)):
            return organ, key
    return None
