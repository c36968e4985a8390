"""How a term becomes a key: the one normalisation that the lexicon and the note share.

A term is cut into words, words are folded (case, accents, British spelling, plurals), words that
carry no meaning of their own are dropped, and the rest is summed into a 64-bit key. A sum does not
depend on order, so "reflux, gastroesophageal" and "gastroesophageal reflux" have one key.

>>> key("Fracture of the femur") == key("femur fractures")
True
>>> [word.stem for word in words("S/P oesophageal tumours")]
['history', 'esophageal', 'tumor']
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

KEY_MASK = (1 << 64) - 1


class Word(NamedTuple):
    """A word of a text: ``[start, end)`` in code points, its letters as written, its folded stem."""

    start: int
    end: int
    raw: str
    stem: str


def _fold_table() -> dict[int, int]:
    """Map each Latin letter with a mark to its ASCII lower-case letter, one code point to one."""
    table = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
    for point in range(0xC0, 0x250):
        base = unicodedata.normalize("NFD", chr(point))[0]
        if base.isascii() and base.isalpha():
            table[point] = ord(base.lower())
    table[ord("’")] = ord("'")
    return table


_FOLD = _fold_table()

# Ways to write "in the patient's past" come first, so that they become one word; few letters begin one.
_SHORT_FORMS = r"(?=[swhdcb2])(?:status[ -]post|s/p|h/o|hx of|w/o|w/|due to|secondary to|caused by|because of|d/t|d/o|2/2)(?![a-z])"
_WORD = re.compile(rf"(?=[a-z0-9])(?:{_SHORT_FORMS}|\d+(?:\.\d+)+|[a-z0-9]+(?:'s(?![a-z]))?)")
# Text taken from a PDF has ligatures, text in a decomposed form (NFD) its accents as characters of their own.
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"}
_ACCENTS = dict.fromkeys(range(0x300, 0x370), "")
_MARKED_WORD = re.compile(
    rf"(?=[a-z0-9\ufb00-\ufb04])(?:{_SHORT_FORMS}|\d+(?:\.\d+)+|"
    r"[a-z0-9\ufb00-\ufb04][a-z0-9\ufb00-\ufb04\u0300-\u036f]*(?:'s(?![a-z]))?)"
)
_PLAIN = {**_LIGATURES, **_ACCENTS}
_PHRASES = {
    "status post": "history",
    "status-post": "history",
    "s/p": "history",
    "h/o": "history",
    "hx of": "history",
    "w/o": "without",
    "w/": "with",
    "d/o": "disorder",
    **dict.fromkeys(("due to", "secondary to", "caused by", "because of", "d/t", "2/2"), "due"),
}

STOPWORDS = frozenset(
    "of the a an in on at by to for with and or from as is are was were be been per its his her this that "
    "which into unspecified nos".split()
)

_IRREGULAR = {
    "hx": "history", "prior": "history", "previous": "history", "previously": "history",
    "vertebrae": "vertebra", "diagnoses": "diagnosis", "metastases": "metastasis", "mets": "metastasis",
    "prostheses": "prosthesis", "diseases": "disease", "doses": "dose", "noses": "nose", "causes": "cause",
    "bases": "base", "phases": "phase", "cases": "case", "feet": "foot", "teeth": "tooth", "men": "man",
    "women": "woman", "disk": "disc", "disks": "disc", "children": "child", "thrombi": "thrombus", "emboli": "embolus", "bronchi": "bronchus",
    "calculi": "calculus", "nevi": "nevus", "condylomata": "condyloma", "fibromata": "fibroma",
    "diverticula": "diverticulum", "ova": "ovum", "testes": "testis", "foci": "focus", "fungi": "fungus",
    "fractured": "fracture", "dislocated": "dislocation", "lacerated": "laceration", "infected": "infection",
    "ruptured": "rupture", "ulcerated": "ulcer", "ulceration": "ulcer", "ulcerations": "ulcer", "painful": "pain", "swollen": "swelling",
    "stenotic": "stenosis", "torn": "tear", "enlarged": "enlargement", "perforated": "perforation",
    "strangulated": "strangulation", "incarcerated": "incarceration", "impacted": "impaction",
    "obstructed": "obstruction", "thrombosed": "thrombosis", "prolapsed": "prolapse", "retained": "retention",
    "arthritic": "arthritis", "edematous": "edema", "metastatic": "metastasis", "metastasized": "metastasis",
    "metastasizing": "metastasis", "metastasize": "metastasis",
    "aches": "ache", "headaches": "headache", "vomited": "vomiting", "psychoses": "psychosis",
    "overdoses": "overdose", "smoking": "smoke", "lenses": "lens", "gases": "gas", "irises": "iris", "pelvises": "pelvis",
    "mosquitoes": "mosquito", "i": "1", "ii": "2", "iii": "3", "iv": "4",
}  # fmt: skip

_BRITISH = (
    ("haem", "hem"), ("aemi", "emi"), ("aem", "em"), ("oedem", "edem"), ("oesoph", "esoph"), ("rrhoea", "rrhea"),
    ("pnoea", "pnea"), ("paed", "ped"), ("gynaec", "gynec"), ("tumour", "tumor"), ("caec", "cec"), ("faec", "fec"),
    ("foet", "fet"), ("coeliac", "celiac"), ("labour", "labor"), ("colour", "color"), ("fibre", "fiber"),
    ("anaes", "anes"), ("behaviour", "behavior"), ("oestr", "estr"), ("homoeo", "homeo"), ("aesthes", "esthes"), ("goitre", "goiter"),
    ("caesar", "cesar"), ("phaeo", "pheo"), ("rrhoei", "rrhei"), ("leucocyt", "leukocyt"), ("aetiol", "etiol"),
    ("naev", "nev"), ("centre", "center"), ("leucopen", "leukopen"), ("leucoplak", "leukoplak"), ("odour", "odor"),
)  # fmt: skip
_KEEP_S = ("ss", "us", "is")
# Plurals (and verbs) of words in -use, not of words in -us such as "sinus".
_KEEP_USE = ("auses", "ouses", "fuses", "abuses", "misuses", "overuses", "reuses", "excuses", "accuses")
_SINGULAR = frozenset(
    "biceps triceps quadriceps forceps pancreas gas diabetes herpes rabies scabies caries mumps measles shingles "
    "feces ascites lens psoas pubes pons menses tetraplegias series species dens pus atlas christmas bias".split()
)


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Fold one lower-case ASCII word: possessive, British spelling, plural, a few inflections.

    >>> [stem(w) for w in ("biopsies", "anaemia", "alzheimer's", "diabetes", "abscesses", "IV".lower())]
    ['biopsy', 'anemia', 'alzheimer', 'diabetes', 'abscess', '4']
    """
    word = word.removesuffix("'s")
    irregular = _IRREGULAR.get(word)
    if irregular is not None:
        return irregular
    if len(word) < 4 or not word.isalpha():
        return word
    if "ae" in word or "oe" in word or "ou" in word or "re" in word[-3:] or "leuc" in word:
        for british, american in _BRITISH:
            if british in word:
                word = word.replace(british, american)
    if word.endswith("s") and word not in _SINGULAR:
        if word.endswith("ies") and len(word) > 4:
            return word[:-3] + "y"
        if word.endswith("aches") and not word.endswith(("eaches", "oaches", "ttaches", "detaches")):
            return word[:-1]
        if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
            return word[:-2]
        if word.endswith("uses") and word != "uses" and not word.endswith(_KEEP_USE):
            return word[:-2]
        if word.endswith(("oses", "yses", "theses", "teses", "deses", "reses", "crises")):
            return word[:-2] + "is"
        if not word.endswith(_KEEP_S):
            return word[:-1]
    return word


def fold(text: str) -> str:
    """Lower-case and strip the marks of Latin letters; every code point keeps its place.

    >>> fold("Sjögren’s") == "sjogren's", len(fold("İ")) == 1
    (True, True)
    """
    return text.translate(_FOLD)


_BEFORE_LETTER_A = ("hepatitis ", "vitamin ", "type ", "group ", "influenza ", "hemophilia ", "hep ")


def words(text: str) -> list[Word]:
    """Cut a text into words with their offsets (half-open, code points).

    >>> [word.stem for word in words("Vitamin A, and a fever")]
    ['vitamin', 'letter-a', 'and', 'a', 'fever']
    """
    result: list[Word] = []
    folded = fold(text)
    # A note has hundreds of words and is cut twice: a tuple made directly costs a third of ``Word(...)``.
    make, append = tuple.__new__, result.append
    for match in (_WORD if folded.isascii() else _MARKED_WORD).finditer(folded):
        raw = match.group()
        start, end = match.span()
        if not raw.isascii():
            raw = raw.translate(_PLAIN)
        stemmed = _stem_of(raw)
        if raw == "a" and folded[max(0, start - 11) : start].endswith(_BEFORE_LETTER_A):
            stemmed = "letter-a"  # hepatitis A is not "a hepatitis"
        append(make(Word, (start, end, raw, stemmed)))
    return result


@lru_cache(maxsize=8)
def words_of_note(text: str) -> tuple[Word, ...]:
    """Return what ``words`` does; reading and proposing share it for the few notes of an encounter."""
    return tuple(words(text))


@lru_cache(maxsize=65536)
def _stem_of(raw: str) -> str:
    return _PHRASES.get(raw) or stem(raw)


@lru_cache(maxsize=65536)
def word_hash(stemmed: str) -> int:
    """Return the 64-bit number of a stem: the same in every process and on every machine."""
    return int.from_bytes(blake2b(stemmed.encode(), digest_size=8).digest(), "little")


def content_stems(text: str) -> list[str]:
    """Return the stems of a text without its stop words, in order."""
    return [word.stem for word in words(text) if word.stem not in STOPWORDS]


def key_of(stems: list[str]) -> int:
    """Sum stems into the order-free key of a term; 0 for no stems."""
    return sum(map(word_hash, stems)) & KEY_MASK


@lru_cache(maxsize=4096)
def key(text: str) -> int:
    """Return the order-free key of a term; 0 if nothing in it carries meaning."""
    return key_of(content_stems(text))
