"""What a sentence says of a disc or a worn vertebra: the root or cord it presses on, and the level of the neck."""

from __future__ import annotations

import re
from collections.abc import Collection

from coder_assist.codes import CodeBook

# The digit of M50 and M51 that a disc's pressure on the cord or a root takes in place of displacement (2).
_NERVE = (("0", frozenset({"myelopathy"})), ("1", frozenset({"radiculopathy", "sciatica"})))
# The digit of M50 for the levels above and below the middle of the neck; what is told of the middle stands apart.
_CERVICAL = (("1", "high"), ("3", "cervicothoracic"))
_MID_CERVICAL = frozenset({"c4-c5", "c5-c6", "c6-c7"})
_SPONDYLOSIS = re.compile(r"M47\.81(\d)")
_SPONDYLOSIS_WITH = {"0": "1", "1": "2"}


def with_nerve(node: str, near: Collection[str], book: CodeBook) -> str:
    """Return the node of a disc disorder or spondylosis with the nerve and level that its sentence names.

    ``near`` are the stems of the sentence; other nodes come back as they are. "Herniated disc at C5-C6 with
    radiculopathy" is not displacement (M50.222) but M50.122.
    """
    digit = next((digit for digit, stems in _NERVE if not stems.isdisjoint(near)), None)
    if digit is not None and node.startswith(("M50.2", "M51.2")):
        other = f"{node[:4]}{digit}{node[5:]}"
        node = other if other in book else node
    if node.startswith("M50.") and node[5:] in ("", "0") and _MID_CERVICAL.isdisjoint(near):
        node = next((node[:5] + last for last, word in _CERVICAL if word in near), node)
    region = _SPONDYLOSIS.fullmatch(node)
    if region and digit is not None:
        return f"M47.{_SPONDYLOSIS_WITH[digit]}{region[1].replace('9', '0')}"
    return node
