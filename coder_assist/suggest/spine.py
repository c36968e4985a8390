"""What a sentence says of a disc or a worn vertebra: the root or cord it presses on, and the level of the neck."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from coder_assist.codes import CodeBook

# The digit of M50 and M51 that a disc's pressure on the cord or a root takes in place of displacement (2).
_NERVE = (("0", frozenset({"myelopathy"})), ("1", frozenset({"radiculopathy", "sciatica"})))
# The digit of M50 for the levels above and below the middle of the neck; what is told of the middle stands apart.
_CERVICAL = (("1", "high"), ("3", "cervicothoracic"))
_MID_CERVICAL = {"c4-c5": "1", "c5-c6": "2", "c6-c7": "3"}
# How a sentence says that a disc presses on the cord, which codes as myelopathy (index: Compression, spinal, by disc).
_PRESSING = frozenset({"compression", "compressing", "compressed"})
_DISC = re.compile(r"M51\.([1238])\d*|M51\.9")
_DEGENERATION = frozenset({"degeneration", "degenerative", "desiccation", "desiccated"})
_DIGITS = {"thoracic": "4", "thoracolumbar": "5", "lumbar": "6", "lumbosacral": "7"}
_HIGH, _LOW = frozenset({"c2-c3", "c3-c4"}), frozenset({"c7-t1"})
_LUMBAR = re.compile(r"l[1-4]-l[2-5]")
_SPONDYLOSIS = re.compile(r"M47\.81(\d)")
_SPONDYLOSIS_WITH = {"0": "1", "1": "2"}


def with_nerve(node: str, near: Collection[str], book: CodeBook) -> str:
    """Return the node of a disc disorder or spondylosis with the nerve and level that its sentence names.

    ``near`` are the stems of the sentence; other nodes come back as they are. "Herniated disc at C5-C6 with
    radiculopathy" is not displacement (M50.222) but M50.122.
    """
    node = _in_region(node, near)
    digit = next((digit for digit, stems in _NERVE if not stems.isdisjoint(near)), None)
    if "cord" in near and not _PRESSING.isdisjoint(near) and node.startswith(("M50.2", "M51.2")):
        digit = "0"
    if digit is not None and node.startswith(("M50.2", "M51.2")):
        other = f"{node[:4]}{digit}{node[5:]}"
        node = other if other in book else node
    if node.startswith("M50.") and node[5:] in ("", "0") and not _MID_CERVICAL.keys() & near:
        node = next((node[:5] + last for last, word in _CERVICAL if word in near), node)
    region = _SPONDYLOSIS.fullmatch(node)
    if region and digit is not None:
        return f"M47.{_SPONDYLOSIS_WITH[digit]}{region[1].replace('9', '0')}"
    return node


def _in_region(node: str, near: Collection[str]) -> str:
    """Return the node of a disc disorder in the one region of the spine that its sentence names.

    "C3-4 posterior central disc herniation" is no displaced lumbar disc (M51.26), as "disc herniation" alone is.
    """
    disc = _DISC.fullmatch(node)
    regions = {"cervical", *_DIGITS}.intersection(near)
    if disc is None or len(regions) != 1:
        return node
    region = regions.pop()
    kind = disc[1] or ("3" if not _DEGENERATION.isdisjoint(near) else "")
    if region == "cervical":
        level = min(_MID_CERVICAL.keys() & near, default=None)
        return f"M50.{kind or '9'}" + (f"2{_MID_CERVICAL[level]}" if kind and level else "")
    return f"M51.{kind}{_DIGITS[region]}" if kind else node


def other_regions(
    code: str, near: Collection[str], titles_of: Callable[[str], Mapping[str, str]]
) -> list[str]:
    """Return the codes of the further regions that the levels of a sentence lie in, by the titles of its category.

    "Stenosis at L4-5 and L5-S1" is lumbar and lumbosacral, "discs at C3-4 and C6-7" high and middle cervical.
    """
    if code.startswith("M50.") and code[5:6] == "2":
        return [code[:5] + end for end, levels in (("1", _HIGH), ("3", _LOW)) if not levels.isdisjoint(near)]
    if "l5-s1" not in near or not any(map(_LUMBAR.fullmatch, near)):
        return []
    titles = titles_of(code[:3])
    title = next((title for title, known in titles.items() if known == code), "")
    if ", lumbar region" not in title:
        return []
    wanted = title.replace(", lumbar region", ", lumbosacral region")
    further = [
        known
        for other, known in titles.items()
        if ", lumbosacral region" in other and wanted.startswith(other)
    ]
    return [max(further)] if further else []
