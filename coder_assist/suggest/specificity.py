"""Walk from what a phrase names to the billable code that the note supports, and no further.

A lexicon term gives the deepest node its own words support; side, episode, weeks and the words around
the mention decide the rest. Where the note is silent the unspecified code is taken, and the more
specific siblings become alternatives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from coder_assist.codes import CodeBook, Lexicon
from coder_assist.codes.terms import content_stems, words

_SIDES = frozenset({"left", "right", "bilateral"})
_TRIMESTERS = frozenset({"first", "second", "third"})
_ORDINARY = frozenset("with without other specified not elsewhere classified type initial encounter".split())
MOST_ALTERNATIVES = 9
CLEARLY_NAMED = 1.8


@dataclass(frozen=True, slots=True)
class Facet:
    """What sets one child apart from its siblings."""

    code: str
    sides: frozenset[str]
    trimester: str
    words: frozenset[str]
    unspecified: bool
    other: bool
    without: bool
    uncomplicated: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """A billable code, what was assumed on the way, and what a coder might take instead (best first)."""

    code: str
    assumed: tuple[str, ...]
    alternatives: tuple[str, ...]


def _sides(own: set[str]) -> frozenset[str]:
    return frozenset({"left", "right"}) if "unilateral" in own else frozenset(own & _SIDES)


def trimester_of(weeks: int) -> str:
    """Return first (under 14 weeks 0 days), second (to under 28 weeks) or third (chapter 15 note)."""
    return "first" if weeks < 14 else "second" if weeks < 28 else "third"


class SpecificityWalk:
    """Walks one ICD-10-CM book. Safe to use from several threads."""

    def __init__(self, book: CodeBook, lexicon: Lexicon) -> None:
        self._book = book
        self._lexicon = lexicon
        self._facets = lru_cache(maxsize=16384)(self._read_facets)
        self.lift = lru_cache(maxsize=16384)(self._lift)

    def _read_facets(self, value: str) -> tuple[Facet, ...]:
        children = self._book.children(value)
        titles = {child: self._book.title(child).lower() for child in children}
        stems = {child: set(content_stems(title)) for child, title in titles.items()}
        shared = set.intersection(*stems.values()) if stems else set()
        # What the parent already says is known; the child adds the rest.
        known = shared | (set(content_stems(self._book.title(value))) if len(children) > 1 else set())
        facets = []
        # A lone "left" among the children (left ventricular failure) is a word like others, not a side to choose.
        all_sides = frozenset[str]().union(*(_sides(own - known) for own in stems.values()))
        sided = {"left", "right"} <= all_sides
        vague = {child: title.count("unspecified") for child, title in titles.items()}
        least = min(vague.values(), default=0)
        for child in children:
            title = titles[child]
            raw = {word.raw for word in words(title)}
            own = stems[child] - known
            unspecified = vague[child] > least or len(children) == 1
            facets.append(
                Facet(
                    child,
                    _sides(own) if sided and "trimester" not in title else frozenset(),
                    next(iter(own & _TRIMESTERS), "") if "trimester" in title else "",
                    frozenset(
                        own
                        - (_SIDES if sided else frozenset())
                        - _TRIMESTERS
                        - _ORDINARY
                        - {"trimester", "unilateral"}
                    ),
                    unspecified,
                    title.startswith("other ") or ", other" in title or "other specified" in title,
                    "without" in raw or "not intractable" in title,
                    "without complication" in title or "uncomplicated" in raw,
                )
            )
        return tuple(facets)

    def _lift(self, value: str) -> str:
        """Return the node above a code that only adds "unspecified side" or the like, else the code itself."""
        entry = self._book.get(value)
        if entry is None or entry.parent is None or "unspecified" not in entry.title.lower():
            return value
        if len(value) <= 3 or "-" in entry.parent:
            return value
        siblings = self._facets(entry.parent)
        if any(facet.sides or facet.trimester for facet in siblings):
            return entry.parent
        return value

    def resolve_sides(
        self, value: str, near: Collection[str], around: Collection[str], attributes: Mapping[str, str]
    ) -> list[Resolution]:
        """Walk as ``resolve`` does; "bilateral" where the book has no bilateral code gives both sides."""
        resolution = self.resolve(value, near, around, attributes)
        if attributes.get("laterality") != "bilateral" or "side not stated" not in resolution.assumed:
            return [resolution]
        return [
            self.resolve(value, near, around, {**attributes, "laterality": side})
            for side in ("right", "left")
        ]

    def resolve(
        self, value: str, near: Collection[str], around: Collection[str], attributes: Mapping[str, str]
    ) -> Resolution:
        """Walk from a node to a billable code.

        ``near`` are the stems of the mention and its sentence, ``around`` those of the note's diagnosis
        lines; ``attributes`` those of the mention. Raises ``UnknownCode`` for an unknown node.
        """
        assumed: list[str] = []
        alternatives: list[str] = []
        node = self._refine(self.lift(value), near, attributes)
        if attributes.get("laterality") == "bilateral" and "unilateral" in self._book.title(node).lower():
            node = self._book.entry(node).parent or node
        while not self._book.entry(node).billable:
            sevenths = self._book.seventh_characters(node)
            if sevenths:
                node = self._seventh(sevenths, near, attributes, assumed)
                break
            ranked = self._rank(node, near, around, attributes)
            chosen, reason = ranked[0][1], ranked[0][2]
            if reason:
                assumed.append(reason)
            alternatives = [code for _, code, _ in ranked[1:]] + alternatives
            node = chosen
        return Resolution(
            node, tuple(assumed), self._billable_alternatives(node, alternatives, near, around, attributes)
        )

    def _refine(self, value: str, near: Collection[str], attributes: Mapping[str, str]) -> str:
        """Return the sibling that the words around a mention name, where a term says no more than "unspecified".

        "Smokes two packs of cigarettes" is nicotine dependence; "cigarettes" makes it F17.21 instead of F17.20.
        """
        entry = self._book.entry(value)
        node = value
        while entry.parent is not None and len(node) > 4 and "unspecified" in entry.title.lower():
            score, best, _ = self._rank(entry.parent, near, (), attributes)[0]
            if best != node and score >= CLEARLY_NAMED:
                return best
            node, entry = entry.parent, self._book.entry(entry.parent)
        return value

    def _billable_alternatives(
        self,
        chosen: str,
        ranked: list[str],
        near: Collection[str],
        around: Collection[str],
        attributes: Mapping[str, str],
    ) -> tuple[str, ...]:
        if not ranked and len(chosen) > 3:
            parent = self._book.entry(chosen).parent or chosen
            if len(chosen.replace(".", "")) == 7:
                parent = self._book.entry(parent).parent or parent
            if "-" not in parent and not parent.startswith("chapter"):
                ranked = [code for _, code, _ in self._rank(parent, near, around, attributes)]
        found: list[str] = []
        for code in ranked:
            billable = self._first_billable(code, near, attributes)
            if billable != chosen and billable not in found:
                found.append(billable)
            if len(found) == MOST_ALTERNATIVES:
                break
        return tuple(found)

    def _first_billable(self, node: str, near: Collection[str], attributes: Mapping[str, str]) -> str:
        while not self._book.entry(node).billable:
            sevenths = self._book.seventh_characters(node)
            node = (
                self._seventh(sevenths, near, attributes, [])
                if sevenths
                else self._rank(node, near, (), attributes)[0][1]
            )
        return node

    def _rank(
        self, node: str, near: Collection[str], around: Collection[str], attributes: Mapping[str, str]
    ) -> list[tuple[float, str, str]]:
        """Return the children as ``(score, code, what is assumed)``, best first."""
        side = attributes.get("laterality")
        weeks = attributes.get("weeks")
        trimester = trimester_of(int(weeks)) if weeks else ""
        ranked = []
        facets = self._facets(node)
        sided = any(facet.sides for facet in facets)
        for place, facet in enumerate(facets):
            score, assumed = self._score(facet, near, around, side, trimester, sided)
            ranked.append((score - 0.001 * place, facet.code, assumed))
        ranked.sort(key=lambda row: -row[0])
        return ranked

    def _score(
        self,
        facet: Facet,
        near: Collection[str],
        around: Collection[str],
        side: str | None,
        trimester: str,
        sided: bool,
    ) -> tuple[float, str]:
        score, assumed = 0.0, ""
        if facet.sides:
            if side is None:
                score -= 8.0
            elif side in facet.sides:
                score += 8.0
            else:
                score -= 10.0
        if facet.trimester:
            score += 8.0 if facet.trimester == trimester else -8.0
        for word in facet.words:
            weight = min(self._lexicon.idf(word), 9.0) / 3
            if word in near:
                score += weight
            elif word in around:
                score += 0.5 * weight
            else:
                score -= weight
        if "displaced" in facet.words:
            score += 4.0  # chapter 19 note: not indicated as displaced or nondisplaced is coded to displaced
        if facet.uncomplicated:
            score += 1.4
        elif facet.unspecified:
            score += 1.2
            assumed = "unspecified" if not sided or facet.sides else "side not stated"
        elif facet.without:
            score += 0.8
        elif facet.other:
            score -= 0.6
        return score, assumed

    @staticmethod
    def _seventh(
        sevenths: Mapping[str, str], near: Collection[str], attributes: Mapping[str, str], assumed: list[str]
    ) -> str:
        """Choose a 7th character: episode (guideline I.C.19.a), fetus, side or stage of eye disease."""
        if "A" in sevenths:
            if attributes.get("episode") == "subsequent" and "D" in sevenths:
                assumed.append("subsequent encounter")
                return sevenths["D"]
            if "B" in sevenths and "open" in near and "reduction" not in near:
                return sevenths["B"]
            assumed.append("initial encounter")
            return sevenths["A"]
        sides = {"right": "1", "left": "2", "bilateral": "3"}
        wanted = sides.get(attributes.get("laterality", ""))
        if "9" in sevenths and "0" not in sevenths:
            return sevenths.get(wanted or "9", sevenths["9"])
        return sevenths.get("0") or next(iter(sevenths.values()))
