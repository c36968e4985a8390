"""Seventh characters: the episode of an injury, a fracture's openness and healing, the side or stage of an eye."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

# 7th characters of a fracture by openness and healing (the note above each category of fractures).
_FRACTURE = {
    "closed": {"initial": "A", "routine": "D", "delayed": "G", "nonunion": "K", "malunion": "P"},
    "open": {"initial": "B", "routine": "E", "delayed": "H", "nonunion": "M", "malunion": "Q"},
    "open III": {"initial": "C", "routine": "F", "delayed": "J", "nonunion": "N", "malunion": "R"},
}
# 7th characters that are stages: glaucoma (H40), macular degeneration (H35.31, H35.32), tophi (M1A).
_STAGE_CHARACTERS: tuple[tuple[str, tuple[tuple[str, frozenset[str]], ...]], ...] = (
    ("H40", (("1", frozenset({"mild"})), ("2", frozenset({"moderate"})), ("3", frozenset({"severe"})),
             ("4", frozenset({"indeterminate"})))),
    ("H35.31", (("1", frozenset({"early"})), ("2", frozenset({"intermediate"})), ("3", frozenset({"advanced"})))),
    ("H35.32", (("2", frozenset({"inactive"})), ("1", frozenset({"active"})))),
    ("M1A", (("1", frozenset({"tophus"})),)),
)  # fmt: skip

# Poisoning by drugs, their adverse effects, and attempts at suicide.
_OF_DRUGS = re.compile(r"T3[6-9]|T4|T50|T14\.91")


def choose_seventh(
    node: str,
    sevenths: Mapping[str, str],
    near: Collection[str],
    attributes: Mapping[str, str],
    assumed: list[str],
) -> str:
    """Choose a 7th character: episode (guideline I.C.19.a), fetus, side or stage of eye disease."""
    if "A" in sevenths:
        episode = attributes.get("episode", "initial")
        if episode == "sequela" and "S" in sevenths:
            # "After an overdose" says when, "sequela of an overdose" that it is over.
            if not _OF_DRUGS.match(node) or not {"sequela", "sequelae", "late"}.isdisjoint(near):
                return sevenths["S"]
            episode = "initial"
        openness = attributes.get("openness", "closed")
        healing = attributes.get("healing", "routine" if episode == "subsequent" else "initial")
        assumed.append("initial encounter" if healing == "initial" else "subsequent encounter")
        for kind in (openness, "open", "closed") if openness != "closed" else ("closed",):
            character = _FRACTURE[kind][healing]
            if character in sevenths:
                return sevenths[character]
        fallback = "A" if healing == "initial" else "D"
        return sevenths.get(fallback, sevenths["A"])
    for prefix, stages in _STAGE_CHARACTERS:
        if node.startswith(prefix):
            for character, cues in stages:
                stated = {attributes.get("severity")} if prefix == "H40" else set()
                if character in sevenths and (cues & (stated | set(near))):
                    return sevenths[character]
            return sevenths.get("0") or next(iter(sevenths.values()))
    sides = {"right": "1", "left": "2", "bilateral": "3"}
    wanted = sides.get(attributes.get("laterality", ""))
    if "9" in sevenths and "0" not in sevenths:
        return sevenths.get(wanted or "9", sevenths["9"])
    return sevenths.get("0") or next(iter(sevenths.values()))
