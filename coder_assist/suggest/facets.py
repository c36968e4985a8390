"""What sets the children of a code book's node apart: sides, trimesters, words, and what they deny."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from coder_assist.codes import CodeBook
from coder_assist.codes.terms import words
from coder_assist.suggest.wording import BODY_PARTS, JOINED_PARTS, plain_title, sign

SIDES = frozenset({"left", "right", "bilateral"})
TRIMESTERS = frozenset({"first", "second", "third"})
_ORDINARY = frozenset("with without other specified not elsewhere classified type initial encounter".split())
_PARENTHESES = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Facet:
    """What sets one child apart from its siblings.

    ``joined`` are its words for parts of the body of which one is enough, ``loose`` those that a note need not
    say: parentheses enclose nonessential modifiers (guideline I.A.7). ``dominance`` says that it is about a
    dominant or nondominant side.
    """

    code: str
    sides: frozenset[str]
    trimester: str
    words: frozenset[str]
    joined: frozenset[str]
    loose: frozenset[str]
    dominance: bool
    denies: frozenset[str]
    unspecified: bool
    other: bool
    without: bool
    uncomplicated: bool


def _sides(own: Collection[str]) -> frozenset[str]:
    return frozenset({"left", "right"}) if "unilateral" in own else frozenset(own) & SIDES


def _without_parentheses(title: str) -> set[str]:
    outside = _PARENTHESES.sub(" ", title)
    return set(sign(outside, words(outside), title=True))


def read_facets(book: CodeBook, value: str) -> tuple[Facet, ...]:
    """Return what sets each child of a node apart, in book order."""
    titles = {child.code.value: plain_title(child.title) for child in book.entries_below(value)}
    stems = {child: set(sign(title, words(title), title=True)) for child, title in titles.items()}
    shared = set.intersection(*stems.values()) if stems else set()
    # What the parent already says is known; the child adds the rest.
    above = plain_title(book.title(value))
    known = shared | (set(sign(above, words(above), title=True)) if len(titles) > 1 else set())
    facets = []
    # A lone "left" among the children (left ventricular failure) is a word like others, not a side to choose.
    all_sides = frozenset[str]().union(*(_sides(own - known) for own in stems.values()))
    # "Unilateral" beside siblings without a side (emphysema) names a disease of its own, not either side.
    sided = {"left", "right"} <= all_sides and any(SIDES & (own - known) for own in stems.values())
    vague = {child: title.count("unspecified") for child, title in titles.items()}
    least = min(vague.values(), default=0)
    for child, title in titles.items():
        own = stems[child] - known
        parts = stems[child] & BODY_PARTS
        if own <= _ORDINARY and parts < known & BODY_PARTS and "unspecified" not in title:
            own |= parts  # "wrist" below "wrist and hand"
        of_trimester = "trimester" in title
        extra = _ORDINARY | {"trimester"} | (SIDES | {"unilateral"} if sided else frozenset())
        told = frozenset(
            stem for stem in own - extra - (TRIMESTERS if of_trimester else frozenset()) if stem[0] != "~"
        )
        facets.append(
            Facet(
                child,
                _sides(own) if sided and not of_trimester else frozenset(),
                # Of "second trimester with preterm delivery third trimester" the first says when labor began.
                next((word for word in title.split() if word in own & TRIMESTERS), "")
                if of_trimester
                else "",
                told,
                told & JOINED_PARTS,
                told - _without_parentheses(title) if "(" in title else frozenset(),
                not told.isdisjoint(("dominant", "nondominant")),
                # "Supracondylar fracture without intercondylar fracture" denies the other kind, not the fracture.
                frozenset(stem[1:] for stem in own if stem[0] == "~") - extra - stems[child],
                vague[child] > least or len(titles) == 1,
                title.startswith("other ") or ", other" in title or "other specified" in title,
                any(stem[0] == "~" for stem in stems[child]),
                "without complication" in title or "uncomplicated" in title,
            )
        )
    return tuple(facets)
