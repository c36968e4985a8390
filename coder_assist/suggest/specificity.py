"""Walk from what a phrase names to the billable code that the note supports, and no further.

A lexicon term gives the deepest node its own words support; side, episode, weeks and the words around
the mention decide the rest. Where the note is silent the unspecified code is taken, and the more
specific siblings become alternatives. Where the note contradicts the term (it says chronic, the term's
node acute) the node that the note names is taken if the category has one, and the contradiction is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial

from coder_assist.codes import CodeBook, Lexicon
from coder_assist.suggest.facets import TRIMESTERS, Facet, read_facets
from coder_assist.suggest.sevenths import choose_seventh
from coder_assist.suggest.spine import other_regions, with_nerve
from coder_assist.suggest.wording import BODY_PARTS, JOINED_PARTS, denied, plain_title, signed_stems
from coder_assist.text.attributes import PART_REGIONS, trimester_of

# Words of a title that says no more than that the site is not stated.
_NO_SITE = frozenset({"unspecified", "site", "joint"})
# What a title may add to another that only names the site.
_SITES = BODY_PARTS | {"other", "including", "part"}
_SIDES_OF = frozenset({"left", "right", "unilateral", "bilateral"})
_OPEN_SIDE = re.compile(r"(?:, unspecified|unspecified side|\b(?:in|,) unspecified \w+(?:\(s\))?)$")
_OF_SIDE = _SIDES_OF | {"unspecified", "side"}
MOST_ALTERNATIVES = 9
CLEARLY_NAMED = 1.8
PART_NAMED = 1.3
CONTRADICTED = 4.0

# Words of titles that an attribute of the mention decides.
_DECIDED_BY = {
    "acute": "acuity", "subacute": "acuity", "chronic": "acuity", "mild": "severity", "moderate": "severity",
    "severe": "severity", "displaced": "displacement", "nondisplaced": "displacement",
}  # fmt: skip
_STAGE_WORDS = {"1": "first", "2": "second", "3": "third"}
# A side or trimester chooses among the children of a node that is named otherwise; it names none.
_NEVER_ENOUGH = frozenset({"laterality", "weeks", "trimester"})
_LEVEL = re.compile(r"\bat (c\d-c\d) level\b")
_LEVEL_WORD = re.compile(r"c\d-c\d")
_STAGE = re.compile(r"\bstage (\d[ab]?|unstageable)\b|\b(first|second|third) degree\b")
# What a stroke leaves behind: with one of these, "following a stroke" is a sequela (guideline I.C.9.d).
_DEFICITS = frozenset(
    "hemiplegia hemiparesis aphasia dysphagia dysarthria weakness ataxia deficit cognitive paralysis".split()
)


@dataclass(frozen=True)
class Resolution:
    """A billable code, and what was assumed on the way.

    ``contradicted``: the note states an attribute that the code denies.
    """

    code: str
    assumed: tuple[str, ...]
    contradicted: bool
    _instead: Callable[[], tuple[str, ...]] = field(repr=False, compare=False)

    @cached_property
    def alternatives(self) -> tuple[str, ...]:
        """What a coder might take instead, best first; looked up when asked for, as most are of codes known already."""
        return self._instead()


class SpecificityWalk:
    """Walks one ICD-10-CM book. Safe to use from several threads."""

    def __init__(self, book: CodeBook, lexicon: Lexicon) -> None:
        self._book = book
        self._lexicon = lexicon
        self._facets = lru_cache(maxsize=16384)(partial(read_facets, book))
        self._weight = lru_cache(maxsize=65536)(self._weight_of)
        self._names = lru_cache(maxsize=16384)(self._words_below)
        self._titles = lru_cache(maxsize=256)(self._read_titles)
        self._stems_below = lru_cache(maxsize=256)(self._read_stems)
        self._sevenths = lru_cache(maxsize=16384)(book.seventh_characters)
        self.lift = lru_cache(maxsize=16384)(self._lift)
        self.regions = lru_cache(maxsize=16384)(self._regions)

    def _read_titles(self, category: str) -> dict[str, str]:
        """Return the nodes of a category by title; 7th characters are left out."""
        found: dict[str, str] = {}
        todo = [category]
        while todo:
            node = todo.pop()
            found.setdefault(self._book.title(node).lower(), node)
            if not self._sevenths(node):
                todo.extend(self._book.children(node))
        return found

    def _lift(self, value: str) -> str:
        """Return the node above a code that only adds "unspecified side" or the like, else the code itself."""
        entry = self._book.get(value)
        if entry is None or entry.parent is None or "unspecified" not in entry.title.lower():
            return value
        if len(value) <= 3 or "-" in entry.parent:
            return value
        if any(facet.sides for facet in self._facets(value)):
            return value  # its own children have the sides: I70.20 leaves the symptoms open, not the leg
        siblings = self._facets(entry.parent)
        if self._of_side(value, siblings):
            return value  # maxillary, not any fracture below S02.40: ``_at_side`` chooses the side
        if any(facet.sides or facet.trimester for facet in siblings):
            return entry.parent
        return value

    def _regions(self, value: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return the paired parts of the body that a node and its children name, and their regions."""
        titles = [self._book.title(value), *(child.title for child in self._book.entries_below(value))]
        stems = set(re.findall(r"[a-z]+", " ".join(titles).lower()))
        parts = frozenset(part for part in PART_REGIONS if part in stems or part + "s" in stems)
        return parts, frozenset(PART_REGIONS[part] for part in parts)

    def resolve_sides(
        self,
        value: str,
        near: Collection[str],
        around: Collection[str],
        attributes: Mapping[str, str],
        close: Collection[str] | None = None,
    ) -> list[Resolution]:
        """Walk as ``resolve`` does; "bilateral" where the book has no bilateral code gives both sides."""
        resolution = self.resolve(value, near, around, attributes, close)
        further = [
            replace(resolution, code=code, contradicted=False)
            for code in other_regions(resolution.code, near, self._titles)
        ]
        levels = _LEVEL.search(self._book.title(resolution.code).lower())
        if levels or further:
            others = self._other_levels(resolution, levels[1], near) if levels else []
            return [resolution, *others, *further]
        if attributes.get("laterality") != "bilateral" or "side not stated" not in resolution.assumed:
            return [resolution]
        return [
            self.resolve(value, near, around, {**attributes, "laterality": side}, close)
            for side in ("right", "left")
        ]

    def _other_levels(self, resolution: Resolution, level: str, near: Collection[str]) -> list[Resolution]:
        """Return the codes of the other levels of a sentence: "C5-6 and C6-7 disc herniation" is two."""
        title, category = self._book.title(resolution.code).lower(), resolution.code[:3]
        swapped = [
            self._titles(category).get(title.replace(level, other))
            for other in sorted(near)
            if other != level and _LEVEL_WORD.fullmatch(other)
        ]
        return [replace(resolution, code=code, contradicted=False) for code in swapped if code]

    def resolve(
        self,
        value: str,
        near: Collection[str],
        around: Collection[str],
        attributes: Mapping[str, str],
        close: Collection[str] | None = None,
    ) -> Resolution:
        """Walk from a node to a billable code.

        ``near`` are the stems of the mention and its sentence (denied ones marked, see ``signed_stems``),
        ``close`` those of the mention and the words next to it, ``around`` those of the note's diagnosis
        lines; ``attributes`` those of the mention. Raises ``UnknownCode`` for an unknown node.
        """
        close = near if close is None else close
        assumed: list[str] = []
        alternatives: list[str] = []
        node, contradicted = self._reconcile(self.lift(value), near, close, attributes)
        node = self._refine(self._at_side(self.lift(node), attributes, assumed), near, close, attributes)
        while attributes.get("laterality") == "bilateral" and "unilateral" in self._book.title(node).lower():
            parent = self._book.entry(node).parent
            if len(node) <= 3 or parent is None:
                break
            node = parent
        while not self._book.entry(node).billable:
            sevenths = self._sevenths(node)
            if sevenths:
                node = choose_seventh(node, sevenths, near, attributes, assumed)
                break
            ranked = self._rank(node, near, around, attributes)
            chosen, reason = ranked[0][1], ranked[0][2]
            if reason:
                assumed.append(reason)
            alternatives = [code for _, code, _ in ranked[1:]] + alternatives
            node = chosen
        node = self._not_one_sided(node, near, attributes)
        return Resolution(
            node,
            tuple(assumed),
            contradicted,
            partial(self._billable_alternatives, node, alternatives, near, around, attributes),
        )

    def _of_side(self, value: str, siblings: Sequence[Facet]) -> dict[str, str]:
        """Return the sides of a code that leaves the side open, where its siblings leave that of other kinds open.

        Of M79.603, pain in an arm, beside legs: right is M79.601, left M79.602.
        """
        kinds = {facet.code: _letters(self._book.title(facet.code).lower()) - _OF_SIDE for facet in siblings}
        open_side = {
            kinds[facet.code]
            for facet in siblings
            if facet.unspecified and not facet.sides and not facet.trimester
        }
        if len(open_side) < 2 or not _OPEN_SIDE.search(self._book.title(value).lower()):
            return {}
        sided = [
            facet for facet in siblings if kinds[facet.code] == kinds.get(value) and len(facet.sides) == 1
        ]
        return {next(iter(facet.sides)): facet.code for facet in sided}

    def _at_side(self, node: str, attributes: Mapping[str, str], assumed: list[str]) -> str:
        """Return the sibling of the stated side for a code among whose siblings are other kinds."""
        parent = self._book.entry(node).parent
        if (
            parent is None
            or len(node) <= 3
            or "-" in parent
            or "unspecified" not in self._book.title(node).lower()
        ):
            return node
        sides = self._of_side(node, self._facets(parent))
        found = sides.get(attributes.get("laterality", ""))
        if sides and found is None:
            assumed.append("side not stated")
        return found or node

    def _not_one_sided(self, node: str, near: Collection[str], attributes: Mapping[str, str]) -> str:
        """Leave "unilateral ..., unspecified" for the category's unspecified code where no side is stated."""
        title = self._book.title(node).lower()
        if "unilateral" not in title or "unspecified" not in title or "laterality" in attributes:
            return node
        if "unilateral" in near or "primary" in near:
            return node
        for facet in self._facets(node[:3]):
            if facet.unspecified and self._book.entry(facet.code).billable and not facet.words:
                return facet.code
        return node

    # --- what the note states against the term -------------------------------------------------------------

    def _reconcile(
        self, node: str, near: Collection[str], close: Collection[str], attributes: Mapping[str, str]
    ) -> tuple[str, bool]:
        """Return the node whose title agrees with the mention's attributes, and whether none does.

        "Chronic" before "DVT of the popliteal vein", a term of acute thrombosis (I82.43), leads to I82.53.
        """
        if (
            node.startswith("I63")
            and attributes.get("episode") == "sequela"
            and not _DEFICITS.isdisjoint(near)
        ):
            return "I69.30", False
        if node.startswith("S22.3") and attributes.get("count") == "multiple":
            return f"S22.4{node[5:]}", False  # S22.3 is the fracture of one rib
        node = with_nerve(self._retyped(node, attributes), near, self._book)
        contradicted = False
        title = self._book.title(node).lower()
        for wanted, unwanted in _conflicts(title, attributes):
            changed = title.replace(unwanted, wanted)
            swapped = self._titles(node[:3]).get(changed) if len(node) >= 3 and "-" not in node else None
            if swapped is None:
                contradicted = True
            else:
                node, title = swapped, changed
        return self._undenied(node, near, close, attributes), contradicted

    def _retyped(self, node: str, attributes: Mapping[str, str]) -> str:
        """Return the type 1 counterpart of a type 2 diabetes node, or the reverse, as the note states."""
        wanted = {("1", "E11"): "E10", ("2", "E10"): "E11"}.get((attributes.get("type", ""), node[:3]))
        if wanted is None:
            return node
        other = wanted + node[3:]
        return other if other in self._book else node

    def _undenied(
        self, node: str, near: Collection[str], close: Collection[str], attributes: Mapping[str, str]
    ) -> str:
        """Return the sibling that affirms what a node denies, where the words at the mention affirm it.

        "Graves disease with thyroid storm" is not E05.00, "without thyrotoxic crisis or storm".
        """
        at = node
        while len(at) > 3:
            parent = self._book.entry(at).parent
            if parent is None or "-" in parent or parent.startswith("chapter"):
                break
            facets = self._facets(parent)
            facet = next((facet for facet in facets if facet.code == at), None)
            if facet is not None and (
                any(word in close for word in facet.denies)
                or any(denied(word) in near for word in facet.words)
            ):
                score, best, _ = self._rank(parent, near, (), attributes)[0]
                if best != at and score > 0:
                    return best
            at = parent
        return node

    def _refine(
        self, value: str, near: Collection[str], close: Collection[str], attributes: Mapping[str, str]
    ) -> str:
        """Return the sibling that the words around a mention name, where a term says no more than "unspecified".

        "Smokes two packs of cigarettes" is nicotine dependence; "cigarettes" makes it F17.21 instead of F17.20.
        """
        entry = self._book.entry(value)
        node = value
        if "unspecified" not in entry.title.lower():
            return value
        sideless = {name: stated for name, stated in attributes.items() if name not in _NEVER_ENOUGH}
        while entry.parent is not None and len(node) > 4 and "unspecified" in entry.title.lower():
            ranked = self._rank(entry.parent, near, (), attributes)
            score, best, _ = ranked[0]
            named = score >= (PART_NAMED if self._names_part(best, close) else CLEARLY_NAMED)
            named = named and self._beyond_side(best, node, near)
            if best != node and named and self._may_head(best, node, near):
                return best
            # "C4-C5" names no child of M50.0, but one of M50.02's.
            deeper = [
                self._rank(code, close, (), sideless)[0]
                for _, code, _ in ranked
                if code != node and not self._names(code).isdisjoint(close)
            ]
            score, best, _ = max(deeper, default=(0.0, node, ""))
            if score >= CLEARLY_NAMED and not self._vague(best):
                known = {stem.lstrip("~") for stem in signed_stems(self._book.title(value))}
                added = (self._facet(best).words & frozenset(close)) - known
                if any(not word.isdigit() for word in added):
                    return best
            node, entry = entry.parent, self._book.entry(entry.parent)
        return self._at_site(value, close)

    def _may_head(self, best: str, node: str, near: Collection[str]) -> bool:
        """Say whether what a title is about is stated, not only where: "abscess of tendon sheath" is no synovitis."""
        head, of, _ = plain_title(self._book.title(best).lower()).partition(" of ")
        stems = frozenset(signed_stems(head)) if of else frozenset()
        own = signed_stems(self._book.title(node).lower())
        return not stems or not stems.isdisjoint(near) or not stems.isdisjoint(own)

    def _beyond_side(self, best: str, node: str, near: Collection[str]) -> bool:
        """Say whether more than its side speaks for a node: "left leg with ulceration" asks for an ulcer."""
        facet = self._facet(best)
        kind = facet.words - BODY_PARTS
        return not facet.sides or bool(self._facet(node).sides) or not kind or not kind.isdisjoint(near)

    def _at_site(self, value: str, close: Collection[str]) -> str:
        """Return the node of a category that says the same of a part of the body that the words at a mention name.

        "Primary osteoarthritis of the ankle" is not below M19.91, "unspecified site", but below M19.0.
        """
        title = self._book.title(value).lower()
        if len(value) < 4 or not (
            "site" in title or "unspecified joint" in title or title.endswith(", unspecified")
        ):
            return value
        own = frozenset(signed_stems(title)) - _NO_SITE
        parts = BODY_PARTS.intersection(close) - own
        named = [
            (len(stems - parts), code)
            for code, stems in (self._stems_below(value[:3]) if parts else ())
            if own <= stems and not parts.isdisjoint(stems) and stems - own <= _SITES
        ]
        return min(named)[1] if named else value

    def _read_stems(self, category: str) -> tuple[tuple[str, frozenset[str]], ...]:
        """Return the nodes of a category that name a part of the body, with the stems of their titles."""
        found = []
        for title, node in self._titles(category).items():
            stems = frozenset(signed_stems(plain_title(title)))
            if (
                "unspecified" not in stems
                and not BODY_PARTS.isdisjoint(stems)
                and stems.isdisjoint(_SIDES_OF)
            ):
                found.append((node, stems))
        return tuple(found)

    def _words_below(self, value: str) -> frozenset[str]:
        """Return the words that tell the children of a node apart; none where they are 7th characters."""
        if self._sevenths(value):
            return frozenset()
        facets = self._facets(value)
        return frozenset().union(*(facet.words for facet in facets)) if len(facets) > 1 else frozenset()

    def _facet(self, value: str) -> Facet:
        parent = self._book.entry(value).parent or value
        return next(facet for facet in self._facets(parent) if facet.code == value)

    def _names_part(self, value: str, close: Collection[str]) -> bool:
        """Say whether the words at a mention name the part of the body that sets a node apart."""
        own = self._facet(value).words
        return own <= BODY_PARTS and not own.isdisjoint(close)

    def _vague(self, value: str) -> bool:
        return "unspecified" in self._book.title(value).lower()

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
            sevenths = self._sevenths(node)
            node = (
                choose_seventh(node, sevenths, near, attributes, [])
                if sevenths
                else self._rank(node, near, (), attributes)[0][1]
            )
        return node

    def _rank(
        self, node: str, near: Collection[str], around: Collection[str], attributes: Mapping[str, str]
    ) -> list[tuple[float, str, str]]:
        """Return the children as ``(score, code, what is assumed)``, best first."""
        weeks = attributes.get("weeks")
        trimester = attributes.get("trimester", trimester_of(int(weeks)) if weeks else "")
        ranked = []
        facets = self._facets(node)
        sided = any(facet.sides for facet in facets)
        for place, facet in enumerate(facets):
            score, assumed = self._score(facet, near, around, attributes, trimester, sided)
            ranked.append((score - 0.001 * place, facet.code, assumed))
        ranked.sort(key=lambda row: -row[0])
        return ranked

    def _score(
        self,
        facet: Facet,
        near: Collection[str],
        around: Collection[str],
        attributes: Mapping[str, str],
        trimester: str,
        sided: bool,
    ) -> tuple[float, str]:
        score, assumed = 0.0, ""
        if facet.sides:
            side = attributes.get("laterality")
            if side is None:
                score -= 8.0
            elif side in facet.sides:
                score += 8.0
            else:
                score -= 10.0
        if facet.trimester:
            score += 8.0 if facet.trimester == trimester else -8.0
        joined = any(word in near for word in facet.joined) if facet.joined else False
        for word in facet.words:
            spared = word in facet.loose or (joined and word in JOINED_PARTS)
            score += self._weigh(word, near, around, attributes, spared)
        for word in facet.denies:
            if denied(word) in near:
                score += self._weight(word)
            elif word in near:
                score -= self._weight(word) + 1.0
        if (
            "displaced" in facet.words
            and attributes.get("displacement") is None
            and "nondisplaced" not in near
        ):
            score += 4.0  # chapter 19 note: not indicated as displaced or nondisplaced is coded to displaced
        if facet.dominance:
            score += _dominance(facet.words, attributes)
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

    def _weight_of(self, word: str) -> float:
        return min(self._lexicon.idf(word), 9.0) / 3

    def _weigh(
        self,
        word: str,
        near: Collection[str],
        around: Collection[str],
        attributes: Mapping[str, str],
        spared: bool,
    ) -> float:
        """Return what a word of a title adds: it is stated, contradicted, or not mentioned, which may be ``spared``."""
        weight = self._weight(word)
        if word in TRIMESTERS and "stage" in attributes:
            return 2.0 if _STAGE_WORDS.get(attributes["stage"]) == word else -CONTRADICTED
        if word in _DECIDED_BY and (stated := attributes.get(_DECIDED_BY[word])) is not None:
            return weight if word in stated.split() else -weight - CONTRADICTED
        if word in near:
            return weight
        if word in around:
            return 0.5 * weight
        if denied(word) in near:
            return -weight - CONTRADICTED
        return 0.0 if spared else -weight


@lru_cache(maxsize=16384)
def _letters(title: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", title))


def _conflicts(title: str, attributes: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield ``(wanted, unwanted)`` words where a title says other than the attributes."""
    named = _letters(title)
    side = attributes.get("laterality")
    if side in ("left", "right"):
        other = "left" if side == "right" else "right"
        if other in named and side not in named:
            yield side, other
    for attribute, choices in (
        ("acuity", ("acute", "chronic")),
        ("severity", ("mild", "moderate", "severe")),
        ("displacement", ("displaced", "nondisplaced")),
    ):
        stated = attributes.get(attribute)
        present = [word for word in choices if word in named]
        if stated and stated in choices and len(present) == 1 and present[0] != stated:
            yield stated, present[0]
    stage = attributes.get("stage", "")
    match = _STAGE.search(title)
    if match and stage:
        if match[1] and match[1] != stage and not match[1].startswith(stage):
            yield f"stage {stage}", match.group()
        elif match[2] and stage in _STAGE_WORDS and match[2] != _STAGE_WORDS[stage]:
            yield f"{_STAGE_WORDS[stage]} degree", match.group()


def _dominance(own: Collection[str], attributes: Mapping[str, str]) -> float:
    """Weigh a dominant or nondominant side: where the note is silent, the right is dominant (guideline I.C.6.a)."""
    side = attributes.get("laterality")
    if side not in ("left", "right"):
        return 0.0
    dominant = side == attributes.get("handedness", "right")
    return 6.0 if ("dominant" in own) == dominant else -6.0
