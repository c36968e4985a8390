"""The words that notes and code titles share: what is denied, what says the same, which name a part of the body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from coder_assist.codes.terms import STOPWORDS, Word, words

_DENIALS = frozenset({"without", "not", "no"})
_ENDS_OF_DENIAL = frozenset({"with", "but"})
_GOES_ON = frozenset(" -/'\n")
# Words of notes and titles that say the same; both sides are read through this.
_SAME = {
    "bleeding": "hemorrhage", "bleed": "hemorrhage", "hemorrhagic": "hemorrhage", "embolic": "embolism",
    "embolus": "embolism", "cardioembolic": "embolism", "thrombotic": "thrombosis", "hypoxic": "hypoxia",
    "hypoxemia": "hypoxia", "hypoxemic": "hypoxia", "hypercapnic": "hypercapnia", "hypercarbic": "hypercapnia",
    "hypercarbia": "hypercapnia", "undisplaced": "nondisplaced", "obstructive": "obstruction",
    "obstructing": "obstruction", "gangrenous": "gangrene", "suppurative": "suppuration", "infarct": "infarction",
    "tophi": "tophus", "tophaceous": "tophus", "calculous": "calculus", "bleeds": "hemorrhage", "aneurysmal": "aneurysm",
    "perforating": "perforation", "symptomatic": "symptom", "lumbosacral": "lumbosacral", "sacral": "sacrum",
    "thyrotoxic": "thyroid", "radicular": "radiculopathy", "exposed": "exposure",
    "lid": "eyelid", "helix": "ear", "antihelix": "ear", "earlobe": "ear",
    "herniated": "displacement", "herniation": "displacement", "bulging": "displacement", "protrusion": "displacement",
}  # fmt: skip
# Titles join parts of the body that go together ("ankle and foot"); one of them is enough.
JOINED_PARTS = frozenset(
    "ankle foot toe hand finger wrist forearm elbow shoulder arm hip thigh pelvic knee leg neck head trunk "
    "scalp face eyelid canthus ear sacrum sacrococcygeal vertebra fibula tibia auricular auditory canal external".split()
)
# Parts of the body that a heading may name for what stands below it ("LEFT KNEE:"), or words near a mention.
BODY_PARTS = JOINED_PARTS | frozenset(
    "eye nose lip cheek forehead heel thumb palm femur humerus radius ulna buttock back breast chest abdomen groin "
    "calf lumbar cervical thoracic lumbosacral thoracolumbar sacral spine hemisphere carpometacarpal".split()
)


def canonical(stems: Iterable[str]) -> frozenset[str]:
    """Return stems with words that say the same made one.

    >>> sorted(canonical(["embolic", "stroke"]))
    ['embolism', 'stroke']
    """
    return frozenset(_SAME.get(stem, stem) for stem in stems)


def denied(stem: str) -> str:
    """Return the mark of a stem that stands behind "without" or "not"."""
    return "~" + stem


def signed_stems(text: str) -> list[str]:
    """Return the content stems of a text, those behind "without" or "not" marked as denied.

    >>> signed_stems("hernia without obstruction or gangrene, with bleeding")
    ['hernia', '~obstruction', '~gangrene', 'hemorrhage']
    """
    return sign(text, words(text))


def sign(text: str, cut: Sequence[Word], title: bool = False) -> list[str]:
    """Return what ``signed_stems`` does for the words ``cut`` from a text, whose offsets are into ``text``.

    In a title, "of" ends what is denied: "without foreign body of scalp" is of the scalp.
    """
    found: list[str] = []
    denying = False
    end = 0
    last = ""
    for word in cut:
        raw, stem = word.raw, word.stem
        if raw in _DENIALS or stem == "without":
            denying = True
        elif denying and (
            raw in _ENDS_OF_DENIAL
            or (title and raw == "of" and last not in ("loss", "mention"))
            or not _GOES_ON.issuperset(text[end : word.start])
        ):
            denying = False
        end, last = word.end, raw
        if stem not in STOPWORDS and stem not in _DENIALS:
            stem = _SAME.get(stem, stem)
            found.append("~" + stem if denying else stem)
    return found


def plain_title(title: str) -> str:
    """Return a title in lower case without optional endings: "vertebra(e)" is "vertebra"."""
    return re.sub(r"\((?:e|s|es)\)", "", title.lower()).replace("non-dominant", "nondominant")
