"""Find the lexicon's terms in a note.

Each sentence becomes a row of word numbers (64-bit hashes of stems). A window of words matches a
term when the sums agree (see ``codes.terms``), so order does not matter. Each window is tried on
several *views* of the sentence: as written; without modifiers that terms rarely hold (side,
severity); with abbreviations expanded and misspelt words mended.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from coder_assist.codes.lexicon import Lexicon
from coder_assist.codes.sources import Sense
from coder_assist.codes.terms import KEY_MASK, STOPWORDS, Word, key, word_hash, words_of_note
from coder_assist.types import Span

MODIFIERS = frozenset(
    "left right bilateral bilaterally rt lt mild mildly moderate moderately severe severely marked markedly significant "
    "slight slightly minimal some any new old large small very quite known further also likely possible probable "
    "suspected presumed intermittent occasional persistent ongoing continued worsening progressive long standing "
    "longstanding diffuse underlying apparent clinical obvious evident acute subacute chronic recurrent stable early late "
    "symptomatic asymptomatic extensive profound intractable moderate-to-severe uncontrolled controlled poorly well "
    "associated multiple several focal isolated nonspecific generalized overt subtle gross frank increased increasing "
    "patient his her their both another first second third fourth fifth more most much such seen noted identified".split()
)

# Words that, alone, name too little to be a mention, though a title or an index line consists of them.
TOO_LITTLE = frozenset(
    "history pain other disease disorder syndrome injury mass lesion infection fracture tear procedure surgery "
    "examination left right bilateral symptom finding normal screening observation problem change complication "
    "trauma drug care treatment therapy training test counseling visit status person male female child adult family "
    "body foreign wall part site area tissue organ system device implant graft fluid air water blood urine stool skin "
    "bone joint muscle nerve artery vein vessel heart lung liver kidney brain eye ear nose throat mouth tongue neck "
    "chest abdomen back arm leg hand foot hip knee shoulder elbow wrist ankle finger toe head face scalp breast "
    "cervix uterus ovary prostate bladder colon rectum stomach acute chronic severe mild moderate type stage grade "
    "1 2 3 4 5 6 7 8 9 0 fall work home school sport running walking activity place time day night dry use contact "
    "exposure stress worry growth weight height age death birth pregnancy delivery labor single primary secondary "
    "benign malignant stable abnormal negative positive absence presence consultation follow followup repair removal "
    "excision incision drainage injection closure biopsy exploration application insertion placement revision release "
    "reconstruction replacement anesthesia imaging cast splint dressing suture light dark hot cold sun cat dog "
    "run runs hanging arrest wound medication antibiotic cut block spot spell stool gas cord lump bump leak snap pop dead mark tag "
    "crash hit falls struck bite stone dust smoke fire ice sand soil mud bath sport farm street bus train boat "
    "supervision rehabilitation education advice certificate bed chair car driver passenger pedestrian door table".split()
)


@dataclass(slots=True)
class Match:
    """Words of a sentence that name a lexicon term. ``places`` index the note's words."""

    places: tuple[int, ...]
    keys: tuple[int, ...]
    source: str
    weight: int
    over_comma: bool = False


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Where words begin and end, their sentences, and how many marks and commas stand before each word."""

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    sentences: npt.NDArray[np.int64]
    marks: npt.NDArray[np.int64]
    commas: npt.NDArray[np.int64]

    @classmethod
    def of(cls, text: str, cut: Sequence[Word], sentence_of: Sequence[int]) -> _Gaps:
        starts = np.array([word.start for word in cut], dtype=np.int64)
        ends = np.array([word.end for word in cut], dtype=np.int64)
        found = [(match.start(), match.group() == ",") for match in _MARK.finditer(text)]
        marks = np.zeros(len(cut) + 1, dtype=np.int64)
        commas = np.zeros(len(cut) + 1, dtype=np.int64)
        if found and len(cut):
            at = np.array([place for place, _ in found], dtype=np.int64)
            is_comma = np.array([comma for _, comma in found], dtype=bool)
            word = np.searchsorted(starts, at, "right")  # the word that follows a mark
            outside = at >= np.concatenate(([0], ends))[word]
            np.add.at(marks, word[outside & ~is_comma], 1)
            np.add.at(commas, word[outside & is_comma], 1)
        return cls(starts, ends, np.array(sentence_of, dtype=np.int64), np.cumsum(marks), np.cumsum(commas))


@dataclass(slots=True)
class NoteWords:
    """The words of a note, the sentence of each, and what stands between them.

    ``raws`` and ``stems`` are those of ``words``: most steps look at every word, and at nothing else of it.
    """

    text: str
    words: list[Word]
    sentence_of: list[int]
    sentences: Sequence[Span]
    ranges: list[tuple[int, int]] = field(default_factory=list)
    raws: list[str] = field(init=False)
    stems: list[str] = field(init=False)
    _gaps: _Gaps | None = None
    _content: tuple[list[int], list[int]] | None = None
    _content_runs: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        self.raws = [word.raw for word in self.words]
        self.stems = [word.stem for word in self.words]

    @classmethod
    def cut(cls, text: str, sentences: Sequence[Span]) -> NoteWords:
        """Cut a note into words; words outside every sentence (headings) are left out."""
        kept: list[Word] = []
        sentence_of: list[int] = []
        ranges: list[tuple[int, int]] = []
        everything = words_of_note(text)
        starts, ends = [word.start for word in everything], [word.end for word in everything]
        last = 0
        for number, sentence in enumerate(sentences):
            first = bisect_left(starts, sentence.start, last)
            last = bisect_right(ends, sentence.end, first)
            ranges.append((len(kept), len(kept) + last - first))
            kept += everything[first:last]
            sentence_of += [number] * (last - first)
        return cls(text, kept, sentence_of, sentences, ranges)

    @property
    def gaps(self) -> _Gaps:
        """What stands between the words, looked through once."""
        if self._gaps is None:
            self._gaps = _Gaps.of(self.text, self.words, self.sentence_of)
        return self._gaps

    @property
    def content(self) -> tuple[list[int], list[int]]:
        """The places of the words that carry meaning, and the numbers of their stems."""
        if self._content is None:
            places = [i for i, stem in enumerate(self.stems) if stem not in STOPWORDS]
            self._content = places, [word_hash(self.stems[i]) for i in places]
        return self._content

    @property
    def content_runs(self) -> npt.NDArray[np.int64]:
        """The ``runs`` of the words that carry meaning, found once."""
        if self._content_runs is None:
            self._content_runs = self.runs(self.content[0])
        return self._content_runs

    def runs(self, places: Sequence[int]) -> npt.NDArray[np.int64]:
        """Number the stretches that a term may not cross: sentences, colons, brackets, two commas."""
        at = np.array(places, dtype=np.int64)
        before, after = at[:-1], at[1:]
        gaps = self.gaps
        apart = gaps.starts[after] - gaps.ends[before] > 1
        new = gaps.marks[after] > gaps.marks[before]
        for pair in np.flatnonzero(~new & (gaps.commas[after] - gaps.commas[before] > 1)).tolist():
            first, last = places[pair], places[pair + 1]
            # Two commas part words unless a line ends between them.
            new[pair] = bool(_TWO_COMMAS.search(self.text, self.words[first].end, self.words[last].start))
        new = (new & apart) | (gaps.sentences[after] != gaps.sentences[before])
        runs = np.zeros(len(at), dtype=np.int64)
        np.cumsum(new, out=runs[1:])
        return runs

    def between(self, place: int) -> str:
        """Return the characters between a word and the next."""
        return self.text[self.words[place].end : self.words[place + 1].start]


# What a term may not cross, in the characters between two words: one of these marks, or two commas.
# The full stop of a genus ("E. coli", "S. aureus") parts nothing.
_MARK = re.compile(
    r"(?=[-.:;()\[\]?!,])(?:[:;()\[\]?!,]|(?<!\s[A-Z])\.|(?<=\s[A-Z])\.(?!\s[a-z])|(?<=\s)-(?=\s)|--)"
)
_TWO_COMMAS = re.compile(r",.*,")
_ACUITIES = frozenset({"acute", "chronic"})  # "acute and chronic gastritis" names both
_JOINT = re.compile(r"\b(?:and|or|with)\b|[/,&]")
LONGEST_WINDOW = 8
# Ways to write "history" that speak of what follows them.
_LOOKS_AHEAD = frozenset({"status post", "status-post", "s/p", "h/o", "hx of"})
_ENDED = ("Z85", "Z86", "I25.2")

_LEVELS = frozenset(
    [f"c{n}" for n in range(1, 8)] + [f"t{n}" for n in range(1, 13)] + [f"l{n}" for n in range(1, 6)] + ["s1"]
)
_REGIONS = {"c": "cervical", "t": "thoracic", "l": "lumbar", "s": "sacral"}


def spine_region(note: NoteWords, place: int) -> str | None:
    """Return the region of a spinal level ("C5-6" is cervical, "L5-S1" lumbosacral), ``None`` for another word.

    A thoracic level counts only next to a second one: "T1" and "T2" are also MRI weightings and tumour stages.
    """
    raw = note.raws[place]
    if raw not in _LEVELS:
        return None
    following = note.raws[place + 1] if place + 1 < len(note.words) else ""
    paired = note.text[note.words[place].end : note.words[place].end + 1] in ("-", "/")
    if raw == "l5" and following == "s1":
        return "lumbosacral"
    if raw[0] in "ts" and not paired:
        return None
    return _REGIONS[raw[0]]


LONGEST_PHRASE = 4


@dataclass(frozen=True, slots=True)
class Phrases:
    """All windows of up to four content words of a note: keys, first and last places, words; equally long."""

    keys: npt.NDArray[np.uint64]
    firsts: npt.NDArray[np.int64]
    lasts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def phrases_of(note: NoteWords) -> Phrases:
    """Return the windows of a note that a phrase memory may hold; none crosses a sentence, colon or bracket."""
    places, numbers = note.content
    hashes = np.array(numbers, dtype=np.uint64)
    sums = np.zeros(len(places) + 1, dtype=np.uint64)
    np.cumsum(hashes, out=sums[1:])
    runs = note.content_runs
    at = np.array(places, dtype=np.int64)
    parts: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64], int]] = []
    for length in range(1, min(LONGEST_PHRASE, len(places)) + 1):
        keys = sums[length:] - sums[:-length]
        inside = runs[length - 1 :] == runs[: len(runs) - length + 1]
        parts.append((keys[inside], at[: len(at) - length + 1][inside], at[length - 1 :][inside], length))
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Phrases(np.zeros(0, dtype=np.uint64), nothing, nothing, nothing)
    return Phrases(
        np.concatenate([keys for keys, _, _, _ in parts]),
        np.concatenate([firsts for _, firsts, _, _ in parts]),
        np.concatenate([lasts for _, _, lasts, _ in parts]),
        np.concatenate([np.full(len(keys), length, dtype=np.int64) for keys, _, _, length in parts]),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A way to read a note's content words.

    ``kept`` are the words it holds, by their place among all content words, ``runs`` the stretches that they
    stand in; ``numbers`` the numbers of all content words, ``mended`` which of them are not as written.
    """

    kept: list[int]
    runs: npt.NDArray[np.int64]
    numbers: list[int]
    source: str
    mended: list[bool] = field(default_factory=list)


class TermMatcher:
    """Finds lexicon terms in a note's words."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def match(self, note: NoteWords, senses: dict[int, Sense]) -> list[Match]:
        """Return the best matches in order of the text; of overlapping ones the one that says more.

        ``senses`` gives for the places of abbreviations the sense that holds there.
        """
        found: list[Match] = []
        views, mended = self._views(note, senses)
        for view in views:
            found += self._windows(note, view)
        longer = {place for match in found if match.weight > 1 for place in match.places}
        for place, sense in senses.items():
            if sense.codes and place not in longer:
                found.append(Match((place,), (), "abbreviation", 1))
        found = self._best(found, note)
        found += self._shared_heads(note, found, mended)
        found.sort(key=lambda match: (match.places, -match.weight))
        return found

    def _views(self, note: NoteWords, senses: dict[int, Sense]) -> tuple[list[_View], dict[int, int]]:
        """Return the views of a note, and the numbers of the words that were mended."""
        content, plain = note.content
        raws, stems, known = note.raws, note.stems, self._lexicon.knows
        bare = [at for at, i in enumerate(content) if raws[i] not in MODIFIERS]
        mended: dict[int, int] = {}
        for i in content:
            if raws[i] in _LEVELS and (region := spine_region(note, i)) is not None:
                mended[i] = word_hash(region)
            elif i in senses and senses[i].codes:
                mended[i] = key(senses[i].expansion)
            elif not known(stems[i]):
                nearest = self._lexicon.closest_word(stems[i])
                if nearest is not None:
                    mended[i] = word_hash(nearest)
        kept = [(list(range(len(content))), note.content_runs)]
        if len(bare) < len(content):
            kept.append((bare, note.runs([content[at] for at in bare])))
        views = [_View(words, runs, plain, "exact") for words, runs in kept]
        if mended:
            changed = [mended.get(i, number) for i, number in zip(content, plain, strict=True)]
            here = [i in mended for i in content]
            views += [_View(words, runs, changed, "mended", here) for words, runs in kept]
        return views, mended

    def _windows(self, note: NoteWords, view: _View) -> list[Match]:
        """Return the windows of a view that are terms; those that an earlier view holds, too, are left to it."""
        if not view.kept:
            return []
        content = note.content[0]
        places = [content[at] for at in view.kept]
        size = len(places)
        at = np.array(view.kept, dtype=np.int64)
        sums = np.zeros(size + 1, dtype=np.uint64)
        np.cumsum(np.array(view.numbers, dtype=np.uint64)[at], out=sums[1:])
        # A row for each length, a column for each first word.
        added = np.arange(min(LONGEST_WINDOW, self._lexicon.longest, size))[:, np.newaxis]
        lasts = np.arange(size) + added
        inside = lasts < size
        lasts[~inside] = 0
        new = inside & (view.runs[lasts] == view.runs)
        if size < len(content):
            new &= at[lasts] - at != added
        if view.mended:
            mended = np.zeros(size + 1, dtype=np.int64)
            np.cumsum(np.array(view.mended)[at], out=mended[1:])
            new &= mended[lasts + 1] > mended[:-1]
        rows, firsts = new.nonzero()
        keys = sums[firsts + rows + 1] - sums[firsts]
        known = np.flatnonzero(self._lexicon.known_keys(keys))
        found: list[Match] = []
        for first, row, term_key in zip(
            firsts[known].tolist(), rows[known].tolist(), keys[known].tolist(), strict=True
        ):
            match = self._match(note, tuple(places[first : first + row + 1]), term_key, view.source)
            if match is not None:
                found.append(match)
        return found

    def _match(self, note: NoteWords, window: tuple[int, ...], term_key: int, source: str) -> Match | None:
        """Return the match of words whose key is a term's, ``None`` where they say too little or are joined."""
        if len(window) == 1 and note.stems[window[0]] in TOO_LITTLE:
            return None
        if window[-1] - window[0] > len(window) + 4:
            return None
        if any(note.stems[place] == "well" and note.stems[place - 1] == "as" for place in window if place):
            return None  # "examination, as well as" is no well examination
        if len(window) > 1 and note.stems[window[-1]] == "due":
            return None  # "aspirin because of a stroke" is nothing that aspirin did
        if len(window) > 1 and note.raws[window[-1]] in _LOOKS_AHEAD and not self._is_over(term_key):
            return None
        if all(note.stems[place].isdigit() and note.stems[place] in TOO_LITTLE for place in window):
            return None
        if note.raws[window[-1]] == "back" and note.raws[window[-1] + 1 : window[-1] + 2] == ["of"]:
            return None  # "pain in the back of the knee" is no back pain
        if self._joins(note, window) and not self._is_joint_term(term_key):
            return None
        comma = "," in note.text[note.words[window[0]].end : note.words[window[-1]].start]
        return Match(window, (term_key & KEY_MASK,), source, len(window), comma)

    def _is_over(self, term_key: int) -> bool:
        """Say whether a term is a disease that what "status post" speaks of ends: "breast cancer s/p mastectomy"."""
        return any(term.code.value.startswith(_ENDED) for term in self._lexicon.terms_of(term_key))

    @staticmethod
    def _joins(note: NoteWords, window: tuple[int, ...]) -> bool:
        """Say whether an "and" or "or" stands between the words of a window; "acute and chronic" is one kind."""
        between = range(window[0] + 1, window[-1])
        return any(
            note.stems[at] in ("and", "or") and {note.stems[at - 1], note.stems[at + 1]} != _ACUITIES
            for at in between
        )

    def _is_joint_term(self, term_key: int) -> bool:
        """Say whether a term joins things itself: "depression and anxiety" is not "anxiety depression"."""
        return any(_JOINT.search(term.text) for term in self._lexicon.terms_of(term_key))

    @staticmethod
    def _best(found: list[Match], note: NoteWords) -> list[Match]:
        """Keep, of overlapping matches, the one with more words; within commas, as written, before others."""
        rank = {"exact": 0, "abbreviation": 0, "mended": 1}
        found.sort(
            key=lambda m: (-m.weight, m.over_comma, rank[m.source], m.places[-1] - m.places[0], m.places)
        )
        taken: dict[int, Match] = {}
        kept: list[Match] = []
        for match in found:
            if any(place in taken for place in match.places):
                continue
            kept.append(match)
            for place in match.places:
                taken[place] = match
        return kept

    def _shared_heads(self, note: NoteWords, found: list[Match], mended: dict[int, int]) -> list[Match]:
        """Find terms whose words stand on both sides of an "and" ("hip and knee pain", "pain in hip and knee").

        Only matches of two or more words share: one of their words is replaced by the word across
        the conjunction.
        """
        extra: list[Match] = []
        covered = {place for match in found for place in match.places}
        by_sentence: dict[int, list[Match]] = {}
        for match in found:
            if len(match.places) > 1:
                by_sentence.setdefault(note.sentence_of[match.places[0]], []).append(match)
        for sentence in sorted(by_sentence):
            first, last = note.ranges[sentence]
            for joint in range(first + 1, min(last, len(note.words) - 1)):
                is_word = note.stems[joint] in ("and", "or")
                if not is_word and (
                    joint in covered or note.between(joint - 1).strip() not in ("/", "&", ",")
                ):
                    continue
                left, right = joint - 1, joint + 1 if is_word else joint
                if right >= last:
                    continue
                for match in by_sentence[sentence]:
                    if match.places[0] > right + 2 or match.places[-1] < left - 2:
                        continue
                    other = self._across(note, match, left, right, covered, mended)
                    if other is not None:
                        extra.append(other)
        unique: dict[tuple[int, ...], Match] = {}
        for match in extra:
            unique.setdefault(match.places, match)
        return list(unique.values())

    def _across(
        self, note: NoteWords, match: Match, left: int, right: int, covered: set[int], mended: dict[int, int]
    ) -> Match | None:
        """Replace the word of a match next to the conjunction by the word on its other side."""

        def content(place: int, step: int) -> int | None:
            for _ in range(3):
                if not 0 <= place < len(note.words):
                    return None
                raw = note.raws[place]
                if note.stems[place] not in STOPWORDS and (raw not in MODIFIERS or raw in _ACUITIES):
                    return place
                place += step
            return None

        def number(place: int) -> int:
            return mended.get(place, word_hash(note.stems[place]))

        ahead = content(right, 1)
        behind = content(left, -1)
        if ahead is None or behind is None:
            return None
        for inside, outside in ((behind, ahead), (ahead, behind)):
            if (
                inside not in match.places
                or outside in match.places
                or (outside in covered and outside < inside)
            ):
                continue
            if note.sentence_of[inside] != note.sentence_of[outside]:
                continue
            rest = [place for place in match.places if place != inside]
            total = (sum(number(place) for place in rest) + number(outside)) & KEY_MASK
            if rest and self._lexicon.terms_of(total):
                return Match(tuple(sorted((*rest, outside))), (total,), "shared", len(rest) + 1)
        return None
