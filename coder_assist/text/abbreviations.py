"""Choose the sense of each abbreviation of a note from its surroundings."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from coder_assist.codes.lexicon import Lexicon
from coder_assist.codes.sources import Sense
from coder_assist.codes.terms import fold
from coder_assist.text.matcher import NoteWords
from coder_assist.types import Section

_TOKEN = re.compile(r"[A-Za-z0-9]+(?:[/&+'.-][A-Za-z0-9]+)*")
_LONGEST = 40  # no abbreviation has more characters; a run of full stops has no end
NEAR = 160


def find_senses(note: NoteWords, sections: Sequence[Section], lexicon: Lexicon) -> dict[int, Sense]:
    """Return for each abbreviation's place (index into the note's words) the sense that holds there.

    A sense with cues holds where a cue stands within 160 characters or in the section's heading
    (``section:plan``); without a cue the ``only`` or ``default`` sense holds. Where "never" holds,
    the place is returned with a sense without codes, so that nothing else reads it.
    """
    found: dict[int, Sense] = {}
    folded = ""
    for place in [place for place, raw in enumerate(note.raws) if lexicon.begins_sense(raw)]:
        word = note.words[place]
        written = note.text[word.start : word.end]
        senses = lexicon.senses.get(written)
        if senses is None and len(written) > 2 and written[:-1].isupper() and written[-1] == "s":
            senses = lexicon.senses.get(written[:-1])  # "CVAs", "MIs"
        if senses is None:
            if not _compound(note, place):
                continue
            token = _TOKEN.match(note.text, word.start, word.start + _LONGEST)
            senses = lexicon.senses.get(token.group()) if token else None
            if senses is None:
                continue
        if written.isupper() and _in_capitals(note.text, word.start):
            continue
        folded = folded or fold(note.text)
        sense = _choose(senses, folded, word.start, sections)
        if sense is not None:
            found[place] = sense
    return found


def _compound(note: NoteWords, place: int) -> bool:
    end = note.words[place].end
    return note.text[end : end + 1] in ("/", "&", "+", ".", "-")


def _in_capitals(text: str, start: int) -> bool:
    """Say whether a whole stretch is in capitals, where case tells nothing of abbreviations."""
    around = text[max(0, start - 30) : start + 30]
    letters = [c for c in around if c.isalpha()]
    return len(letters) > 30 and sum(map(str.isupper, letters)) > 0.9 * len(letters)


@lru_cache(maxsize=4096)
def _at_word_start(cue: str) -> re.Pattern[str]:
    """Return what finds a cue at the start of a word: "ear" is not in "year"."""
    return re.compile(rf"(?<![a-z0-9]){re.escape(cue)}")


def _choose(senses: list[Sense], folded: str, start: int, sections: Sequence[Section]) -> Sense | None:
    near = folded[max(0, start - NEAR) : start + NEAR]
    at = bisect_right(sections, start, key=lambda section: section.span.start) - 1
    heading = sections[at] if at >= 0 and start < sections[at].span.end else None
    for sense in senses:
        for cue in sense.cues:
            if cue.startswith("section:"):
                wanted = cue.removeprefix("section:")
                if heading and (wanted in heading.title.lower() or wanted in heading.kind.value):
                    return sense
            elif _at_word_start(cue).search(near):
                return sense
    return next((sense for sense in senses if sense.sense != "cued"), None)
