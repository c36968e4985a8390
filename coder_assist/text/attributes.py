"""What a note says of a mention that codes need: side, acuity, stage, episode, weeks, and the like.

Attributes are typed: ``Attribute`` names them, ``VALUES`` lists what each may hold (``None``: an open set of
numbers). A mention has an attribute only where the note says so of that mention: the words inside it, directly
before it, or after it ("heart failure, systolic, chronic"). What the whole note states once (weeks of gestation,
the dominant hand) stands on every mention.

>>> from coder_assist.types import Span
>>> text = "Stage 3 pressure ulcer of the left heel, acute on chronic renal failure"
>>> reader = AttributeReader(NoteWords.cut(text, [Span(0, len(text))]))
>>> reader.of((2, 3, 7)) == {"episode": "initial", "laterality": "left", "stage": "3"}
True
>>> reader.of((11, 12))["acuity"]
'acute on chronic'
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from coder_assist.codes.terms import STOPWORDS, Word
from coder_assist.text.matcher import NoteWords
from coder_assist.text.measurements import gestations


class Attribute(StrEnum):
    """What codes tell apart. The value is the key in ``Mention.attributes``."""

    LATERALITY = "laterality"
    ACUITY = "acuity"
    SEVERITY = "severity"
    STAGE = "stage"
    TYPE = "type"
    DISPLACEMENT = "displacement"
    OPENNESS = "openness"
    EPISODE = "episode"
    HEALING = "healing"
    WEEKS = "weeks"
    TRIMESTER = "trimester"
    HANDEDNESS = "handedness"
    COUNT = "count"
    SIZE = "size"
    CAUSE = "cause"
    WITHOUT = "without"


_NAMES: Mapping[str, str] = {attribute: attribute.value for attribute in Attribute}  # plain strings
VALUES: Mapping[Attribute, tuple[str, ...] | None] = {
    Attribute.LATERALITY: ("left", "right", "bilateral"),
    Attribute.ACUITY: ("acute", "subacute", "chronic", "acute on chronic"),
    Attribute.SEVERITY: ("mild", "moderate", "severe"),
    Attribute.STAGE: None,  # a stage, grade, degree or class: "1" to "5", "3a", "unstageable"
    Attribute.TYPE: ("1", "2"),
    Attribute.DISPLACEMENT: ("displaced", "nondisplaced"),
    Attribute.OPENNESS: ("open", "open III", "closed"),
    Attribute.EPISODE: ("initial", "subsequent", "sequela"),
    Attribute.HEALING: ("routine", "delayed", "nonunion", "malunion"),
    Attribute.WEEKS: None,  # completed weeks of gestation
    Attribute.TRIMESTER: ("first", "second", "third"),
    Attribute.HANDEDNESS: ("left", "right"),
    Attribute.COUNT: None,  # "multiple" or a number
    Attribute.SIZE: None,  # as written, with its unit
    Attribute.CAUSE: None,  # the words after "due to", "secondary to", "caused by"
    Attribute.WITHOUT: None,  # the words after "without"
}

_SIDES = {
    "left": "left", "lt": "left", "right": "right", "rt": "right", "bilateral": "bilateral", "bilaterally": "bilateral",
    "both": "bilateral", "od": "right", "os": "left", "ou": "bilateral",
    # Abbreviations that begin with their side: limbs, lobes of the lung, arteries of the neck and brain.
    **dict.fromkeys("rle rue rul rml rll rica rcca rmca raca rpca".split(), "right"),
    **dict.fromkeys("lle lue lul lll lica lcca lmca laca lpca".split(), "left"),
    **dict.fromkeys(("ble", "bue"), "bilateral"),
}  # fmt: skip
_NOT_A_SIDE = re.compile(
    r"right(?:[\s-]+(?:hand(?:ed| dominant)|away|now|lower quadrant|upper quadrant|lateral decubitus|side up))|"
    r"left(?:[\s-]+(?:hand(?:ed| dominant)|the hospital|lateral decubitus|lower quadrant|upper quadrant|shift|ventric\w+|atri\w+))|"
    r"both[\s-]+bones?\b|right\s+(?:ventric\w+|atri\w+|bundle)|left\s+(?:bundle|main|anterior descending|circumflex)",
    re.IGNORECASE,
)
REACH = 7
# "Osteoarthritis of the knees": the plural of a paired part, without a side, means both.
_PAIRED = frozenset(
    "knees hips shoulders elbows wrists ankles eyes ears hands feet lungs kidneys breasts ovaries buttocks thighs calves "
    "heels legs arms forearms thumbs testicles groins eyelids ureters".split()
)
_PARTS = frozenset(
    "knee hip shoulder elbow wrist ankle eye ear hand foot heel finger toe thumb arm forearm leg thigh calf breast "
    "lung kidney ovary testicle femur tibia fibula radius ulna humerus clavicle buttock groin".split()
)

# Paired parts by region: a side that a note gives to an arm says nothing of a leg.
PART_REGIONS: Mapping[str, str] = {
    part: region
    for region, parts in {
        "arm": "shoulder arm elbow forearm wrist hand finger thumb humerus radius ulna carpal clavicle scapula palm",
        "leg": "hip thigh knee leg calf ankle foot heel toe femur tibia fibula patella meniscus malleolus popliteal femoral",
        "eye": "eye eyelid lid cornea retina",
        "ear": "ear tympanic helix antihelix earlobe",
        "breast": "breast",
        "lung": "lung bronchus",
        "kidney": "kidney ureter",
        "ovary": "ovary",
        "carotid": "carotid",
        "groin": "inguinal groin",
        "testis": "testis testicle",
    }.items()
    for part in parts.split()
}

_WORDS: Mapping[str, tuple[Attribute, str]] = {
    "acute": (Attribute.ACUITY, "acute"),
    "acutely": (Attribute.ACUITY, "acute"),
    "subacute": (Attribute.ACUITY, "subacute"),
    "chronic": (Attribute.ACUITY, "chronic"),
    "chronically": (Attribute.ACUITY, "chronic"),
    "mild": (Attribute.SEVERITY, "mild"),
    "mildly": (Attribute.SEVERITY, "mild"),
    "moderate": (Attribute.SEVERITY, "moderate"),
    "moderately": (Attribute.SEVERITY, "moderate"),
    "severe": (Attribute.SEVERITY, "severe"),
    "severely": (Attribute.SEVERITY, "severe"),
    "displaced": (Attribute.DISPLACEMENT, "displaced"),
    "nondisplaced": (Attribute.DISPLACEMENT, "nondisplaced"),
    "undisplaced": (Attribute.DISPLACEMENT, "nondisplaced"),
    "open": (Attribute.OPENNESS, "open"),
    "compound": (Attribute.OPENNESS, "open"),
    "closed": (Attribute.OPENNESS, "closed"),
    "multiple": (Attribute.COUNT, "multiple"),
    "several": (Attribute.COUNT, "multiple"),
    "ribs": (Attribute.COUNT, "multiple"),  # its stem is that of one rib
    "unstageable": (Attribute.STAGE, "unstageable"),
}
# "Open" and "closed" speak of operations, too.
_OF_AN_OPERATION = frozenset(
    "reduction repair procedure approach cholecystectomy appendectomy treatment biopsy heart angle wound drainage "
    "surgery incision fashion technique head loop".split()
)
_STAGES = frozenset("stage stages grade degree class".split())
_NUMBERS = {
    "1": "1", "2": "2", "3": "3", "4": "4", "5": "5", "i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5",
    "3a": "3a", "3b": "3b", "iiia": "3a", "iiib": "3b", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "first": "1", "second": "2", "third": "3", "fourth": "4",
}  # fmt: skip
_COUNTS = {"two": "2", "three": "3", "four": "4", "five": "5", "2": "2", "3": "3", "4": "4", "5": "5"}
# Words that join a mention to what is said of it.
_COPULAS = frozenset(
    "is was are were has have had been which that be remains appears now of the a its".split()
)
_UNITS = frozenset("cm mm centimeter centimeters millimeter millimeters".split())
_GUSTILO = frozenset("iii iiia iiib iiic 3a 3b 3c 3".split())
# The words that tell of an attribute, alone or with the words next to them; most words of a note do not.
_TELLING = frozenset({*_WORDS, *_STAGES, "degree", "thickness", "type", *_GUSTILO, *_UNITS, *_COUNTS})
BEFORE, AFTER = 5, 6

_SUBSEQUENT = re.compile(
    r"\b(?:routine healing|cast (?:removal|was removed)|(?:suture|staple|hardware) removal|removal of (?:sutures|staples|hardware)|"
    r"aftercare|healing well|has healed|(?:was|been) referred to (?:outpatient |skilled )?(?:physical|occupational) therapy|"
    r"allowed conditions?|treatment sessions|(?:weeks|months) (?:out|post|status post|after) (?:from )?(?:his|her|the|surgery|injury|orif))\b",
    re.IGNORECASE,
)
_PLANNED = re.compile(
    r"\b(?:will|should|return|returns?|follow[- ]?up|to be|need(?:s|ed)?|in|for|risks?)\b[^.\n]{0,30}$"
)
_PLANNED_FOR = re.compile(r"^\s*(?:in|within|at|after) (?:\d|one|two|a |about|approximately)", re.IGNORECASE)
# What a note must hold for any of these to match: a few literals are found faster than one pattern.
_OF_CARE = ("heal", "remov", "aftercare", "weeks", "months", "therapy", "allowed condition", "sessions")
_EPISODES: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    ("sequela", ("sequela", "late effect", "residual"), re.compile(r"\b(?:sequelae?|late effects?|residuals?) (?:of|from)\b|, sequelae?\b", re.IGNORECASE)),
    ("initial", ("initial encounter",), re.compile(r"\binitial encounter\b", re.IGNORECASE)),
    (
        "subsequent",
        ("subsequent encounter", "follow", "recheck", "evaluation"),
        re.compile(
            r"\bsubsequent encounter\b|\bfollow[- ]?up (?:visit |appointment |evaluation |care )?(?:for|of|on)\b|"
            r"\b(?:seen|here|returns|presents|back) (?:today )?(?:in|for|in for) (?:a )?(?:follow[- ]?up|recheck|re-?evaluation)\b",
            re.IGNORECASE,
        ),
    ),
)  # fmt: skip
_HEALING: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    ("nonunion", ("union",), re.compile(r"\bnon-?\s?union\b", re.IGNORECASE)),
    ("malunion", ("union", "malunited"), re.compile(r"\bmal-?\s?union\b|\bmalunited\b", re.IGNORECASE)),
    ("delayed", ("delayed ",), re.compile(r"\bdelayed (?:healing|union)\b", re.IGNORECASE)),
    ("routine", ("healing",), re.compile(r"\broutine healing\b|\bhealing well\b", re.IGNORECASE)),
)
_TRIMESTER = re.compile(r"\b(?P<which>first|second|third|1st|2nd|3rd)[- ]trimester\b", re.IGNORECASE)
_ORDINALS = {"1st": "first", "2nd": "second", "3rd": "third"}
_HANDED = re.compile(r"\b(?P<side>left|right)[- ]hand(?:ed|[- ]dominant)\b", re.IGNORECASE)
_HEAD_SIDE = re.compile(r"\b(?:left|right|bilateral|both|rt|lt)\b", re.IGNORECASE)


def trimester_of(weeks: int) -> str:
    """Return first (under 14 weeks 0 days), second (to under 28 weeks) or third (chapter 15 note)."""
    return "first" if weeks < 14 else "second" if weeks < 28 else "third"


def side_of(note: NoteWords, places: tuple[int, ...], sides: Sequence[int]) -> str | None:
    """Return the side that the sentence gives to a mention: within it, before it, or just after it.

    ``sides`` are the places of all words of the note that name a side. The nearest one within seven words wins;
    both sides named next to each other are bilateral. A mention in pieces ("left hip and right knee pain") takes
    the side before its body part.
    """
    sentence = note.sentence_of[places[0]]
    first, last = note.ranges[sentence]
    low, high = max(first, places[0] - REACH), min(last, places[-1] + REACH + 1)
    near = sides[bisect_left(sides, low) : bisect_left(sides, high)]
    inside = {_SIDES[note.raws[place]] for place in near if places[0] <= place <= places[-1]}
    if len(places) > 1 and places[-1] - places[0] >= len(places):
        side = _before_part(note, places, first)
        if side:
            return side
    if len(inside) == 1:
        return inside.pop()
    if inside or any(note.raws[place] in _PAIRED for place in places):
        return "bilateral"
    best: tuple[float, str] | None = None
    for place in near:
        before = place < places[0]
        # "Syndrome on the left" is nearer than "syndrome, left".
        factor = 1.5 if note.raws[place - 1] in ("the", "on", "in", "of", "her", "his") else 2.0
        distance = float(places[0] - place) if before else (place - places[-1]) * factor
        gap = note.text[note.words[min(place, places[0])].end : note.words[max(place, places[-1])].start]
        if ("," in gap and distance > 2) or ";" in gap:
            # ", left shoulder." and ", left." still speak of what stands before the comma.
            named = place + 1 >= last or "," in note.between(place) or note.stems[place + 1] in _PARTS
            distance += 1 if named and not before and gap.count(",") == 1 and ";" not in gap else 4
        if distance <= REACH and (best is None or distance < best[0]):
            best = (distance, _SIDES[note.raws[place]])
    return best[1] if best else None


def _before_part(note: NoteWords, places: tuple[int, ...], first: int) -> str | None:
    """Return the side word before a mention's body part: "left hip and knee" gives both parts the left."""
    part = next((p for p in reversed(places) if note.words[p].stem in _PARTS), None)
    if part is None:
        return None
    for place in range(part - 1, max(first, part - REACH) - 1, -1):
        if _is_side(note, place):
            return _SIDES[note.words[place].raw]
        word = note.words[place]
        if word.stem not in _PARTS and word.stem not in STOPWORDS and place not in places:
            return None
    return None


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


def sides_of_parts(cut: Sequence[Word], text: str) -> dict[str, set[str]]:
    """Return the sides that a text, ``cut`` into words, gives to parts of the body.

    >>> from coder_assist.codes.terms import words
    >>> sides_of_parts(words("MRI RIGHT ANKLE"), "MRI RIGHT ANKLE")
    {'ankle': {'right'}}
    """
    found: dict[str, set[str]] = {}
    for at, word in enumerate(cut):
        side = _SIDES.get(word.raw)
        if side is None or len(word.raw) == 2 or _NOT_A_SIDE.match(text, word.start):
            continue
        for following in cut[at + 1 : at + 4]:
            if following.stem in PART_REGIONS:
                found.setdefault(following.stem, set()).add(side)
                break
            if following.raw in _SIDES:
                break
    return found


def side_in_heading(title: str) -> str | None:
    """Return the one side that a heading names ("LEFT KNEE"), ``None`` for none or two."""
    found = {_SIDES[match.group().lower()] for match in _HEAD_SIDE.finditer(title)}
    return found.pop() if len(found) == 1 else None


def episode_of(text: str) -> str:
    """Return ``subsequent`` where the words of a note say aftercare of an injury, else ``initial``.

    Active treatment is initial, routine care during healing is subsequent (guideline I.C.19.a). Aftercare that is
    only planned ("follow up for suture removal in 8 days") does not count.
    """
    for match in _SUBSEQUENT.finditer(text):
        before = text[max(0, match.start() - 40) : match.start()].lower()
        if "removal" in match.group().lower() and (
            _PLANNED.search(before) or _PLANNED_FOR.match(text[match.end() : match.end() + 30])
        ):
            continue
        return "subsequent"
    return "initial"


def _told(
    rows: Iterable[tuple[str, tuple[str, ...], re.Pattern[str]]], text: str, lowered: str
) -> list[tuple[str, re.Pattern[str]]]:
    """Return the values and patterns of which a note tells anywhere; most notes tell of none."""
    return [
        (value, pattern)
        for value, literals, pattern in rows
        if any(literal in lowered for literal in literals) and pattern.search(text)
    ]


class AttributeReader:
    """Reads the attributes of a note's mentions; what concerns the note as a whole is read once."""

    def __init__(self, note: NoteWords) -> None:
        self._note = note
        self._hits = self._find(note)
        self._marked = {place for place, _, _ in self._hits}
        self._places = [place for place, _, _ in self._hits]
        self._sides = [
            place for place, raw in enumerate(note.raws) if raw in _SIDES and _is_side(note, place)
        ]
        self._of_sentence: dict[int, dict[str, str]] = {}
        lowered = note.text.lower()
        self._healing = _told(_HEALING, note.text, lowered)
        self._episodes = _told(_EPISODES, note.text, lowered)
        self._note_wide = self._read_note(note.text, lowered)

    @staticmethod
    def _read_note(text: str, lowered: str) -> dict[str, str]:
        cared = any(literal in lowered for literal in _OF_CARE)
        found = {Attribute.EPISODE.value: episode_of(text) if cared else "initial"}
        weeks = max((number for _, number in gestations(text)), default=None)
        if weeks is not None:
            found[Attribute.WEEKS] = str(weeks)
        named = (
            {match["which"].lower() for match in _TRIMESTER.finditer(text)}
            if "trimester" in lowered
            else frozenset()
        )
        trimesters = {_ORDINALS.get(which, which) for which in named}
        if weeks is not None:
            found[Attribute.TRIMESTER] = trimester_of(weeks)
        elif len(trimesters) == 1:
            found[Attribute.TRIMESTER] = next(iter(trimesters))
        hands = (
            {match["side"].lower() for match in _HANDED.finditer(text)} if "hand" in lowered else frozenset()
        )
        if len(hands) == 1:
            found[Attribute.HANDEDNESS] = next(iter(hands))
        return found

    @staticmethod
    def _find(note: NoteWords) -> list[tuple[int, Attribute, str]]:
        """Return the attribute words of a note: place, attribute, value, in order."""
        hits: list[tuple[int, Attribute, str]] = []
        raws = note.raws
        for place in [place for place, raw in enumerate(raws) if raw in _TELLING]:
            raw = raws[place]
            following = raws[place + 1] if place + 1 < len(raws) else ""
            previous = raws[place - 1] if place else ""
            if raw in _WORDS:
                attribute, value = _WORDS[raw]
                if attribute is Attribute.OPENNESS and following in _OF_AN_OPERATION:
                    continue
                if value == "displaced" and previous in ("non", "not", "un"):
                    value = "nondisplaced"
                hits.append((place, attribute, value))
            elif raw in _STAGES and following in _NUMBERS:
                if previous != "gustilo":
                    hits.append((place, Attribute.STAGE, _NUMBERS[following]))
                    hits.append((place + 1, Attribute.STAGE, _NUMBERS[following]))
            elif raw == "degree" and previous in _NUMBERS:
                hits.append((place - 1, Attribute.STAGE, _NUMBERS[previous]))
                hits.append((place, Attribute.STAGE, _NUMBERS[previous]))
            elif raw == "thickness" and previous in ("full", "partial"):
                hits.append((place, Attribute.STAGE, "3" if previous == "full" else "2"))  # of a burn
            elif raw == "type" and _NUMBERS.get(following) in ("1", "2"):
                hits.append((place, Attribute.TYPE, _NUMBERS[following]))
                hits.append((place + 1, Attribute.TYPE, _NUMBERS[following]))
            elif raw in _GUSTILO and previous in ("type", "grade", "gustilo"):
                if "open" in raws[place + 1 : place + 3]:
                    hits.append((place, Attribute.OPENNESS, "open III"))
            elif raw in _UNITS and previous[:1].isdigit():
                hits.append((place, Attribute.SIZE, f"{previous} {raw}"))
            elif raw in _COUNTS and following.endswith("s"):
                hits.append((place, Attribute.COUNT, _COUNTS[raw]))
        hits.sort(key=lambda hit: hit[0])
        return hits

    def of(self, places: tuple[int, ...]) -> dict[str, str]:
        """Return the attributes of the mention at ``places``."""
        sentence = self._note.sentence_of[places[0]]
        of_sentence = self._of_sentence.get(sentence)
        if of_sentence is None:
            of_sentence = self._of_sentence[sentence] = self._read_sentence(sentence)
        found = {**self._note_wide, **of_sentence}
        side = side_of(self._note, places, self._sides)
        if side:
            found[Attribute.LATERALITY] = side
        first, last = (
            bisect_left(self._places, places[0] - BEFORE),
            bisect_left(self._places, places[-1] + AFTER + 1),
        )
        if first < last:
            self._read_adjacent(places, self._hits[first:last], found)
        self._read_relations(places, found)
        return {_NAMES[name]: value for name, value in found.items()}

    def _read_sentence(self, sentence: int) -> dict[str, str]:
        found: dict[str, str] = {}
        if not self._healing and not self._episodes:
            return found
        text = self._note.sentences[sentence].slice(self._note.text)
        for value, pattern in self._healing:
            if pattern.search(text):
                found[Attribute.HEALING] = value
                found[Attribute.EPISODE] = "subsequent"
                break
        for value, pattern in self._episodes:
            if pattern.search(text):
                found[Attribute.EPISODE] = value
                break
        return found

    def _read_adjacent(
        self, places: tuple[int, ...], hits: list[tuple[int, Attribute, str]], found: dict[str, str]
    ) -> None:
        reached = self._reached(places)
        values: dict[Attribute, list[str]] = {}
        for place, attribute, value in hits:
            if place in reached:
                known = values.setdefault(attribute, [])
                if value not in known:
                    known.append(value)
        for attribute, stated in values.items():
            if attribute is Attribute.ACUITY and {"acute", "chronic"} <= set(stated):
                found[attribute] = "acute on chronic"
            elif attribute is Attribute.OPENNESS and "open III" in stated:
                found[attribute] = "open III"
            elif attribute in (Attribute.ACUITY, Attribute.SEVERITY) or len(stated) == 1:
                found[attribute] = stated[-1]

    def _reached(self, places: tuple[int, ...]) -> set[int]:
        """Return the places whose attribute words speak of a mention: inside, before, or after it."""
        note, marked = self._note, self._marked
        first, last = note.ranges[note.sentence_of[places[0]]]
        reached = set(range(places[0], places[-1] + 1))
        strangers = 0
        for place in range(places[0] - 1, max(first, places[0] - BEFORE) - 1, -1):
            raw, gap = note.raws[place], note.between(place)
            joined = place in marked and place + 1 in marked
            if ("," in gap or ";" in gap or ":" in gap or "(" in gap) and not joined:
                break
            if place in marked:
                reached.add(place)
            elif raw in ("and", "or", "on"):
                if place + 1 not in marked or place - 1 not in marked:
                    break
            elif raw in ("with", "without", "due", "from", "but"):
                break
            elif raw not in STOPWORDS and raw not in _SIDES:
                strangers += 1
                if strangers > 2:
                    break
        chain: set[int] = set()
        comma = False
        for place in range(places[-1] + 1, min(last, places[-1] + AFTER + 1)):
            raw, gap = note.raws[place], note.between(place - 1)
            if any(mark in gap for mark in ";:.") or raw in ("with", "without", "due", "but"):
                break
            comma = comma or "," in gap
            if place in marked:
                chain.add(place)
            elif (
                chain
                and "," not in gap
                and raw not in ("and", "for", "since", "in", "on", "to", "persistent")
            ):
                # "hypertension, chronic kidney disease": the word belongs to what follows it.
                chain.clear()
                break
            elif (raw in ("and", "or") and not chain and not comma) or (
                raw not in STOPWORDS
                and raw not in _COPULAS
                and raw not in _SIDES
                and note.words[place].stem not in _PARTS
                and not comma
            ):
                break
        return reached | chain

    def _read_relations(self, places: tuple[int, ...], found: dict[str, str]) -> None:
        """Read what stands after "due to" or "without", directly behind the mention."""
        note = self._note
        first, last = note.ranges[note.sentence_of[places[0]]]
        before = note.raws[max(first, places[0] - 4) : places[0]]
        while before and (before[-1] in STOPWORDS or before[-1] in ("old", "prior", "previous", "remote")):
            before.pop()
        if before and before[-1] in ("following", "after", "sequela", "sequelae"):
            found[Attribute.EPISODE] = (
                "sequela" if found[Attribute.EPISODE] == "initial" else found[Attribute.EPISODE]
            )
        at = places[-1] + 1
        if at >= last:
            return
        relation = {"due": Attribute.CAUSE, "without": Attribute.WITHOUT}.get(note.stems[at])
        if relation is None:
            return
        end = at
        while end + 1 < min(last, at + 6) and not re.search(r"[,;:.]", note.between(end)):
            end += 1
        if end > at:
            found[relation] = note.text[note.words[at + 1].start : note.words[end].end].lower()
