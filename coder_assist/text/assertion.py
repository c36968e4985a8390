"""Whether a mentioned thing is there, is sure, is now, and is the patient's: a ConText of our own.

Cues are phrases; each has a reach (after it, before it), ended by the sentence, by a terminating
phrase or by a new item that has a cue of its own. Longer phrases win, so that "no increase in" and
"not only" disarm the "no" and "not" that they hold. After the algorithm of Harkema et al., J Biomed
Inform 2009. The cues themselves are in ``cues.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from coder_assist.text.cues import (
    ANSWERS,
    CUES,
    LASTING,
    MONTHS,
    PASSING,
    SILENT,
    Cue,
    CueTable,
    Effect,
    by_first_word,
)
from coder_assist.text.matcher import NoteWords
from coder_assist.types import Assertion, Certainty, Experiencer, Polarity, SectionKind, Temporality

_SIGN = re.compile(r"\((?P<sign>[+-])\)|(?<![\w?])(?P<ask>\?)(?=\s?[A-Za-z])|(?P<asked>\?)\s*$")
_MINUS_BEFORE = Cue("(-)", Effect.NEGATED, True, False, 12)
_MINUS_AFTER = Cue("(-)", Effect.NEGATED, False, True, 3, close=True)
_PLUS = Cue("(+)", Effect.END, True, True, 0)
_ASK = Cue("?", Effect.UNCERTAIN, True, False, 3)
_ASKED = Cue("?", Effect.UNCERTAIN, False, True, 4)

_YEAR = re.compile(r"(?:19|20)\d\d")
_THEN = Cue("in that year", Effect.HISTORICAL, True, False, 6)
_IN_YEAR = Cue("in that year", Effect.HISTORICAL, False, True, 4, close=True)
_PREPOSITIONS = frozenset(["for", "with", "of", "because", "to", "while", "during"])


@lru_cache(maxsize=1)
def _table() -> CueTable:
    return by_first_word(CUES)


@dataclass(frozen=True, slots=True)
class CueHit:
    """A cue found in a sentence: words ``[first, last)`` of the note, by index; none for a sign like "(-)"."""

    first: int
    last: int
    cue: Cue


_SECTION_DEFAULT = {
    SectionKind.HISTORY_FAMILY: Effect.FAMILY,
    SectionKind.HISTORY_PAST: Effect.HISTORICAL,
    SectionKind.HISTORY_SURGICAL: Effect.HISTORICAL,
    SectionKind.INSTRUCTIONS: Effect.HYPOTHETICAL,
}
# Where an operation is told, what was planned has been done.
_DONE = frozenset(
    {SectionKind.PROCEDURE_BODY, SectionKind.INDICATION, SectionKind.COURSE, SectionKind.PROCEDURE}
)


def find_cues(note: NoteWords, first: int, last: int) -> list[CueHit]:
    """Return the cues among the words ``[first, last)``, longest at each place, none inside another.

    Forward and backward cues of one phrase ("suspected") are both returned.
    """
    if first == last:
        return []
    table = _table()
    raws = [word.raw for word in note.words[first:last]]
    for at in range(1, len(raws)):
        if raws[at] == "t" and raws[at - 1].endswith("n"):
            raws[at] = "not"  # "isn't": the words are "isn" and "t"
    hits: list[CueHit] = []
    at = 0
    while at < len(raws):
        raw = raws[at]
        taken = 0
        if raw in table:
            lengths, wordings = table[raw]
            for length in lengths:
                cues = wordings.get(tuple(raws[at : at + length]))
                if cues is not None and at + length <= len(raws):
                    taken = length
                    hits += [
                        _answer(CueHit(first + at, first + at + length, cue), note, first, last)
                        for cue in cues
                    ]
                    break
        elif at and raw[0] in "12" and _YEAR.fullmatch(raw):
            hits += _year(raws, at, first)
        at += taken or 1
    signs = list(_signs(note, first, last))
    return sorted(hits + signs, key=lambda hit: (hit.first, hit.last)) if signs else hits


def _answer(hit: CueHit, note: NoteWords, first: int, last: int) -> CueHit:
    """Turn a cue round that ends an item and answers what stands before it."""
    cue = hit.cue
    if cue.phrase not in ANSWERS or hit.first == first or cue.effect in SILENT:
        return hit
    before = note.between(hit.first - 1)
    closes = hit.last == last or note.between(hit.last - 1).lstrip()[:1] in (*",;.)",)
    if closes and (re.search(r"[:(=]|\s[-–]\s", before) or (hit.last == last and "," in before)):
        return CueHit(hit.first, hit.last, Cue(cue.phrase, cue.effect, False, True, 10))
    return hit


def _year(raws: list[str], at: int, first: int) -> list[CueHit]:
    """Return the cue of a year: "in 1998", "in October of 2004"; to what follows only where it opens the sentence."""
    back = at - 1
    while back > 0 and (
        raws[back] in MONTHS or raws[back] in ("of", "the") or (raws[back].isdigit() and len(raws[back]) < 3)
    ):
        back -= 1
    if raws[back] != "in":
        return []
    return [CueHit(first + back, first + at + 1, _THEN if back == 0 else _IN_YEAR)]


def _signs(note: NoteWords, first: int, last: int) -> Iterator[CueHit]:
    """Yield the cues written as signs: "(-) fever", "fever (-)", "?pneumonia", "pneumonia?"."""
    sentence = note.sentences[note.sentence_of[first]]
    start, text = sentence.start, sentence.slice(note.text)
    if "?" not in text and "(-)" not in text and "(+)" not in text:
        return
    for match in _SIGN.finditer(text):
        place = next((at for at in range(first, last) if note.words[at].start >= start + match.end()), last)
        if match["sign"] == "+":
            yield CueHit(place, place, _PLUS)
        elif match["sign"]:
            after = text[match.end() :].lstrip()[:1]
            yield CueHit(
                place,
                place,
                _MINUS_AFTER if place > first and after in (*",;.", "") else _MINUS_BEFORE,
            )
        else:
            yield CueHit(place, place, _ASK if match["ask"] else _ASKED)


def assert_mention(
    hits: Sequence[CueHit], note: NoteWords, places: Sequence[int], section: SectionKind
) -> Assertion:
    """Return the assertion of a mention from the cues of its sentence and its section's default."""
    own = {hit.cue.effect for hit in hits if hit.first in places and hit.first < hit.last}
    found: dict[Effect, CueHit | None] = {}
    for number, hit in enumerate(hits):
        if hit.cue.effect not in SILENT and _reaches(hit, number, hits, note, places):
            found.setdefault(hit.cue.effect, hit)
    default = _SECTION_DEFAULT.get(section)
    if default is not None and not (default is Effect.HISTORICAL and Effect.NEGATED in found):
        found.setdefault(default, None)
    if section in _DONE:
        found.pop(Effect.PLANNED, None)
    if Effect.FAMILY in own:
        found.pop(Effect.FAMILY, None)  # "family history of glaucoma" as such is the patient's
    denial = found.get(Effect.NEGATED)
    if denial is not None:
        for effect in (Effect.UNCERTAIN, Effect.HISTORICAL):
            _take_up(found, effect, denial)
    if Effect.HISTORICAL in found and _lasts(note, places):
        del found[Effect.HISTORICAL]
    return _assertion(found, section)


def _reaches(
    hit: CueHit, number: int, hits: Sequence[CueHit], note: NoteWords, places: Sequence[int]
) -> bool:
    first, last = places[0], places[-1]
    cue = hit.cue
    if first <= hit.first and hit.last <= last + 1 and hit.first < hit.last:
        # Words of the mention itself ("absent", "no") do not judge it; "history" does, and so does what
        # stands between its words ("history of possible stroke").
        return cue.effect is Effect.HISTORICAL or (
            cue.forward and not set(range(hit.first, hit.last)) & set(places)
        )
    if cue.forward and hit.first <= first:
        return first - hit.last < cue.limit and not _ended(hits[number + 1 :], hit, (hit.last, first), note)
    if cue.backward and hit.first > last:
        between = [other for other in hits if last < other.first < hit.first]
        return hit.first - last <= cue.limit and not _ended(between, hit, (last + 1, hit.first), note)
    return False


def _ended(between: Iterable[CueHit], by: CueHit, stretch: tuple[int, int], note: NoteWords) -> bool:
    """Say whether something in the words between a cue and a mention ends the cue's reach."""
    start, end = stretch
    effect = by.cue.effect
    for hit in between:
        # A cue may be the mention's own first word: "negative for flu and positive for chlamydia".
        if not (start <= hit.first and (hit.last <= end or hit.first == end)):
            continue
        if hit.cue.effect is Effect.RETURN or (hit.cue.effect is Effect.PATIENT and effect is Effect.FAMILY):
            return True
        if hit.cue.effect is Effect.END and effect is not Effect.FAMILY:
            return True
        if hit.cue.effect is Effect.ONLY and effect is Effect.NEGATED:
            return True
        if (
            hit.cue.forward
            and effect in _ITEMS
            and hit.cue.effect in _ITEMS
            and _opens_item(hit, start, note)
            and not (effect is Effect.NEGATED and _or_follows(end, note))
        ):
            return True  # "no residual weakness, history of cancer": a new item begins
    return by.cue.close and start < end and _parted(start, end, by, note)


_ITEMS = frozenset({Effect.NEGATED, Effect.UNCERTAIN, Effect.HISTORICAL})


def _opens_item(hit: CueHit, start: int, note: NoteWords) -> bool:
    return hit.first > start and (
        "," in note.between(hit.first - 1) or note.words[hit.first - 1].raw == "and"
    )


def _or_follows(place: int, note: NoteWords) -> bool:
    """Say whether a list goes on to an "or": "no chest pain, history of cancer, or fever" denies every item."""
    last = note.ranges[note.sentence_of[place]][1]
    return any(note.words[at].raw == "or" and "," in note.between(at - 1) for at in range(place + 1, last))


def _parted(start: int, end: int, by: CueHit, note: NoteWords) -> bool:
    """Say whether a comma (but not that of an enumeration) or a preposition stands in a stretch of words."""
    raws = [note.words[place].raw for place in range(start, end)]
    if not _PREPOSITIONS.isdisjoint(raws):
        return True
    edge = start - 1 if by.cue.backward else start
    text = note.text[note.words[edge].end : note.words[end - 1].end + 1]
    return "," in text and not (by.cue.backward and ("and" in raws or "or" in raws))


def _take_up(found: dict[Effect, CueHit | None], effect: Effect, denial: CueHit) -> None:
    """Drop a cue that a denial covers: "no suspicion of meningitis", "denies previous stroke"."""
    hit = found.get(effect)
    if hit is not None and hit.cue.forward and (denial.cue.backward or denial.first <= hit.first):
        del found[effect]


def _lasts(note: NoteWords, places: Sequence[int]) -> bool:
    stems = {note.words[place].stem for place in places}
    return stems.isdisjoint(PASSING) and any(phrase <= stems for phrase in LASTING)


_HOLDS = Assertion()


def _assertion(found: dict[Effect, CueHit | None], section: SectionKind) -> Assertion:
    if not found:
        return _HOLDS
    telling = next((effect for effect in Effect if effect in found), None)
    hit = found[telling] if telling is not None else None
    past = Effect.HISTORICAL in found or Effect.OVER in found
    return Assertion(
        Polarity.NEGATED if Effect.NEGATED in found else Polarity.AFFIRMED,
        Certainty.UNCERTAIN if Effect.UNCERTAIN in found else Certainty.CERTAIN,
        Temporality.HYPOTHETICAL
        if Effect.HYPOTHETICAL in found or Effect.PLANNED in found
        else Temporality.HISTORICAL
        if past
        else Temporality.CURRENT,
        Experiencer.FAMILY if Effect.FAMILY in found else Experiencer.PATIENT,
        hit.cue.phrase if hit is not None else section.value if telling is not None else "",
    )
