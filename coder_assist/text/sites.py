"""Read where a pain or a mass is that stands apart from its part of the body: "pain and swelling as related to the right knee".

A window of neighbouring words is no term there. The words between are few and say little; a report's "INDICATION: Pain"
is that of the joint which its title says was imaged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from coder_assist.codes.lexicon import Lexicon
from coder_assist.codes.terms import KEY_MASK, STOPWORDS, word_hash
from coder_assist.text.matcher import MODIFIERS, Match, NoteWords
from coder_assist.types import System

_HEADS = frozenset({"pain", "swelling", "numbness", "weakness", "weak", "tenderness"})
_FINDINGS = frozenset({"mass", "lump", "nodule", "cyst", "abnormality"})
_TOWARDS = frozenset("in of over on around about at to across along involving within behind under".split())
# What may stand between a symptom and the preposition before its site.
_BETWEEN = STOPWORDS | MODIFIERS | _HEADS | _FINDINGS | frozenset(
    "discomfort stiffness tightness soreness tingling burning aching cramping pressure ache related relating particularly "
    "especially mostly mainly primarily essentially predominantly located localized localizing localizes felt present "
    "worse worst greatest has have had described sharp dull throbbing constant centered confined limited now currently "
    "present seen noted identified found visualized palpable palpated solid cystic simple position o clock cm mm measuring "
    "again all only just she he also really so movement motion activity palpation still pressure-like like".split()
)  # fmt: skip
# "The back of the knee", "the epigastric region": words of a place that name no part of their own.
_PLACE = frozenset(
    "back side aspect front top bottom inside outside part area region pole portion half lobe".split()
)
_OF_PLACE = frozenset(
    "area region aspect side part portion position lateral medial anterior posterior inferior superior".split()
)
# "Abdominal pain located in the epigastrium": the mention is found, but its site says more.
_VAGUE = frozenset({"abdominal"})
_MARKS = re.compile(r"[.;:()\n]")
MOST_BETWEEN = 9
MOST_OF_SITE = 3
MOST_SITES = 3

_STUDY = re.compile(r"\b(?:mri|ct|x-?rays?|radiographs?|views?|ultrasound)\b", re.IGNORECASE)
_JOINTS = frozenset("knee hip shoulder elbow wrist ankle foot hand".split())
_TITLE = 400


def find_sites(note: NoteWords, found: Sequence[Match], lexicon: Lexicon) -> list[Match]:
    """Return the symptoms and findings of a note whose part of the body stands apart from them, as ``found`` names none."""
    covered = {place for match in found if len(match.places) > 1 for place in match.places}
    extra: list[Match] = []
    for place, stem in enumerate(note.stems):
        if (stem not in _HEADS and stem not in _FINDINGS) or (
            place in covered and note.stems[place - 1] not in _VAGUE
        ):
            continue
        sites = list(_sites(note, place, covered, lexicon))
        extra += sites
        if not sites and stem == "pain":
            extra += _of_study(note, place, lexicon)
    return extra


def _sites(note: NoteWords, place: int, covered: AbstractSet[int], lexicon: Lexicon) -> Iterator[Match]:
    """Yield a symptom with each part of the body that the words behind it place it in."""
    last = note.ranges[note.sentence_of[place]][1]
    at, end, number = place + 1, min(last, place + 1 + MOST_BETWEEN), 0
    while at < end and number < MOST_SITES:
        if _MARKS.search(note.between(at - 1)) or (
            note.raws[at] not in _BETWEEN and note.raws[at] not in _TOWARDS and not note.raws[at].isdigit()
        ):
            return
        if note.raws[at] in _TOWARDS or (number and note.raws[at] == "and"):
            site = _site(note, place, at + 1, min(last, at + 9), lexicon)
            if site is not None and covered.isdisjoint(site.places[1:]):
                yield site
                number += 1
                at = site.places[-1]
                while at + 1 < last and note.raws[at + 1] in _OF_PLACE:
                    at += 1
                end = min(last, at + 1 + MOST_BETWEEN)
        at += 1


def _site(note: NoteWords, head: int, start: int, end: int, lexicon: Lexicon) -> Match | None:
    """Return the longest beginning of a stretch that, with the symptom, is a term of a diagnosis."""
    places: list[int] = []
    for at in range(start, end):
        if _MARKS.search(note.between(at - 1)) or (places and "," in note.between(at - 1)):
            break
        raw = note.raws[at]
        if raw in _PLACE and at + 1 < end and note.raws[at + 1] == "of":
            continue
        if raw in ("and", "or") or (places and raw in _TOWARDS):
            break
        if raw not in STOPWORDS and raw not in MODIFIERS and raw not in _OF_PLACE:
            places.append(at)
    own = word_hash("weak" if note.raws[head] == "weak" else note.stems[head])
    for length in range(min(MOST_OF_SITE, len(places)), 0, -1):
        site = tuple(places[:length])
        key = (sum(word_hash(note.stems[at]) for at in site) + own) & KEY_MASK
        if any(term.code.system is System.ICD10CM for term in lexicon.terms_of(key)):
            return Match((head, *site), (key,), "shared", length + 1)
    return None


def _of_study(note: NoteWords, place: int, lexicon: Lexicon) -> list[Match]:
    """Return the pain of the one joint that a report's title says was imaged, where "pain" is all that a line says."""
    first, last = note.ranges[note.sentence_of[place]]
    if any(raw not in _BETWEEN for raw in note.raws[first:last]):
        return []
    for sentence, span in enumerate(note.sentences):
        if span.start > _TITLE or sentence >= note.sentence_of[place]:
            break
        begin, end = note.ranges[sentence]
        joints = [at for at in range(begin, end) if note.stems[at] in _JOINTS]
        if len({note.stems[at] for at in joints}) == 1 and _STUDY.search(span.slice(note.text)):
            key = (word_hash("pain") + word_hash(note.stems[joints[0]])) & KEY_MASK
            return [Match((joints[0], place), (key,), "shared", 2)] if lexicon.terms_of(key) else []
    return []
