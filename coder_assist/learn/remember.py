"""Build a phrase memory from coded notes.

Where the gold has evidence, a phrase is credited with a code if it lies in that code's evidence; where it
has none (CodiEsp), if it stands in a note that carries the code. Either way ``seen`` counts every note
in which the phrase stands, so that a phrase that stands everywhere is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from coder_assist.codes.terms import STOPWORDS, words
from coder_assist.suggest.memory import PAIR, PhraseMemory
from coder_assist.text.matcher import NoteWords, Phrases, phrases_of
from coder_assist.text.sections import find_sections
from coder_assist.text.sentences import find_sentences
from coder_assist.types import Code, System

LEAST_NOTES = 2
LEAST_PATIENTS = 3
LEAST_PRECISION = 0.25
SINGLE_WORDS = 2
_NOBODYS = 0


Credit = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Retention:
    """What a pack may keep of the words of notes: only what ``least_patients`` patients share.

    ``knows`` says whether a stem is a word of medicine at large; with it, a phrase is kept only if it
    consists of such words and holds no digit, which leaves out names, dates and numbers. A line whose
    ``private`` is false is nobody's, and not bound by this.
    """

    least_patients: int = 1
    knows: Callable[[str], bool] | None = None

    def binds(self, line: Mapping[str, Any]) -> bool:
        """Say whether the words of a line fall under this."""
        return self.least_patients > 1 and bool(line.get("private", True))

    @classmethod
    def private(cls, knows: Callable[[str], bool]) -> Retention:
        """Return what notes under privacy rules demand: three patients, known words without digits."""
        return cls(LEAST_PATIENTS, knows)

    def allows(self, text: str) -> bool:
        """Say whether a phrase may be kept if enough patients share it."""
        return all(self.allows_stem(word.stem) for word in words(text))

    def allows_stem(self, stem: str) -> bool:
        """Say whether a word may be part of a kept phrase."""
        if self.knows is None or stem in STOPWORDS:
            return True
        return not any(character.isdigit() for character in stem) and self.knows(stem)


KEEP_ALL = Retention()


def patient_of(line: dict[str, Any]) -> str:
    """Return whose note a line is. Lines that do not say count as one patient's, to be on the safe side."""
    return str(line.get("patient_id") or "")


@dataclass(frozen=True)
class NotePhrases:
    """The phrases of one coded note: all of them, and those credited to each required code with their lengths.

    ``located`` are the codes whose credits come from evidence, ``patient`` whose note it is: ``None`` for one
    that need not be shared with other patients' to be remembered.
    """

    keys: npt.NDArray[np.uint64]
    credited: dict[Code, Credit]
    located: frozenset[Code]
    patient: str | None = ""


def note_phrases(line: dict[str, Any], retention: Retention = KEEP_ALL) -> NotePhrases:
    """Return the phrases of a coded line; codes without evidence are credited with all of the note.

    Phrases with a word that ``retention`` does not allow are left out of the lines that it binds.
    """
    text = line["text"]
    note = NoteWords.cut(text, find_sentences(text, find_sections(text)))
    phrases = phrases_of(note)
    bound = retention.binds(line)
    if bound and retention.knows is not None:
        phrases = _allowed(phrases, note, retention)
    starts = np.array([word.start for word in note.words], dtype=np.int64)
    ends = np.array([word.end for word in note.words], dtype=np.int64)
    credited: dict[Code, Credit] = {}
    located = set()
    for coded in line["codes"]:
        if coded["status"] != "required":
            continue
        code = Code(System(coded["system"]), coded["code"])
        evidence = coded.get("evidence") or ()
        inside = _inside(phrases, starts, ends, evidence)
        if evidence:
            located.add(code)
        keys, first = np.unique(phrases.keys[inside], return_index=True)
        credited[code] = (keys, phrases.lengths[inside][first])
    patient = None if retention != KEEP_ALL and not bound else patient_of(line)
    return NotePhrases(np.unique(phrases.keys), credited, frozenset(located), patient)


def _allowed(phrases: Phrases, note: NoteWords, retention: Retention) -> Phrases:
    """Return the phrases without a word that must not be kept."""
    banned = np.array([not retention.allows_stem(word.stem) for word in note.words], dtype=np.int64)
    until = np.concatenate(([0], np.cumsum(banned)))
    clean = until[phrases.lasts + 1] == until[phrases.firsts]
    return Phrases(phrases.keys[clean], phrases.firsts[clean], phrases.lasts[clean], phrases.lengths[clean])


def forget_singletons(notes: Sequence[NotePhrases]) -> list[NotePhrases]:
    """Drop from credits without evidence the phrases that stand in one note only: they can teach nothing."""
    known, seen = np.unique(np.concatenate([note.keys for note in notes]), return_counts=True)
    repeated = known[seen > 1]
    kept = []
    for note in notes:
        credited = {
            code: credit if code in note.located else _only(credit, np.isin(credit[0], repeated))
            for code, credit in note.credited.items()
        }
        kept.append(replace(note, credited=credited))
    return kept


def _only(credit: Credit, keep: npt.NDArray[np.bool_]) -> Credit:
    return credit[0][keep], credit[1][keep]


def _inside(
    phrases: Phrases,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    evidence: Sequence[dict[str, int]],
) -> npt.NDArray[np.bool_]:
    if not evidence or not len(starts):
        return np.full(len(phrases.keys), not evidence)
    found = np.zeros(len(phrases.keys), dtype=bool)
    for span in evidence:
        found |= (starts[phrases.firsts] >= span["start"]) & (ends[phrases.lasts] <= span["end"])
    return found


def build_memory(
    notes: Iterable[NotePhrases], least_notes: int = LEAST_NOTES, least_patients: int = 1
) -> PhraseMemory:
    """Return the memory of coded notes.

    A pair is kept if the phrase earned the code in ``least_notes`` notes and in a quarter of the notes in
    which it stands; a phrase of two or more words may also have earned it in the one note it stands in,
    where evidence says so. ``least_notes`` above 2 forgets everything rarer, ``least_patients`` above 1 what
    fewer patients' notes earned (for notes under privacy rules).
    """
    notes = list(notes)
    codes = sorted({code for note in notes for code in note.credited})
    number_of = {code: number for number, code in enumerate(codes)}
    all_keys = np.concatenate([note.keys for note in notes]) if notes else np.zeros(0, dtype=np.uint64)
    known, seen = np.unique(all_keys, return_counts=True)
    keys: list[npt.NDArray[np.uint64]] = []
    owners: list[npt.NDArray[np.int64]] = []
    lengths: list[npt.NDArray[np.int64]] = []
    whose: list[npt.NDArray[np.int64]] = []
    patients: dict[str | None, int] = {None: _NOBODYS}
    for note in notes:
        patient = patients.setdefault(note.patient, len(patients))
        for code, (credited, lengths_of) in note.credited.items():
            keys.append(credited)
            owners.append(np.full(len(credited), number_of[code], dtype=np.int64))
            lengths.append(lengths_of)
            whose.append(np.full(len(credited), patient, dtype=np.int64))
    if not keys:
        return PhraseMemory(np.zeros(0, dtype=PAIR), codes)
    key, owner, length = np.concatenate(keys), np.concatenate(owners), np.concatenate(lengths)
    patient_of_row = np.concatenate(whose)
    order = np.lexsort((patient_of_row, owner, key))
    key, owner, length, patient_of_row = key[order], owner[order], length[order], patient_of_row[order]
    fresh = np.ones(len(key), dtype=bool)
    fresh[1:] = (key[1:] != key[:-1]) | (owner[1:] != owner[:-1])
    another = fresh.copy()
    another[1:] |= patient_of_row[1:] != patient_of_row[:-1]
    first = np.flatnonzero(fresh)
    right = np.diff(np.append(first, len(key)))
    counted = np.where(patient_of_row == _NOBODYS, least_patients, another)
    shared_by = np.add.reduceat(counted.astype(np.int64), first) if len(first) else first
    key, owner, length = key[first], owner[first], length[first]
    stood = seen[np.searchsorted(known, key)]
    located = {code for note in notes for code in note.located}
    with_evidence = np.array([code in located for code in codes])[owner]
    often = (right >= least_notes) & (right / stood >= LEAST_PRECISION)
    once = with_evidence & (length >= SINGLE_WORDS) & (right / stood >= 0.5) & (least_notes <= LEAST_NOTES)
    keep = (often | once) & (shared_by >= least_patients)
    pairs = np.zeros(int(keep.sum()), dtype=PAIR)
    pairs["key"], pairs["code"], pairs["words"] = key[keep], owner[keep], length[keep]
    pairs["right"], pairs["seen"] = np.minimum(right[keep], 65535), np.minimum(stood[keep], 65535)
    return PhraseMemory(pairs, codes)
