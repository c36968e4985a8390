"""How well two codings of the same notes agree: the ceiling for anything that learns from one of them.

The second coding is scored as if it were suggestions for the first, with the metrics of a pack: its required codes
are what it preselects, and codes that the first calls optional count neither way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coder_assist.errors import InputError
from coder_assist.learn.evaluation import Evaluation, read_gold, score_lines

Record = dict[str, Any]


def agreement(first: Path, second: Path) -> Evaluation:
    """Score the second coding by the first, on the notes that both have; both are coded corpora.

    Raises ``CorpusError`` for a bad line, ``InputError`` for a file that cannot be read, where no note is in both,
    and where a note has another text in each.
    """
    own, other = ({line["id"]: line for line in read_gold([path])} for path in (first, second))
    shared = sorted(own.keys() & other.keys())
    if not shared:
        raise InputError(f"{first.name} and {second.name} must have notes in common; no id is in both")
    for id in shared:
        if own[id]["text"] != other[id]["text"]:
            raise InputError(f"note {id!r}: both codings must be of one text; they differ")
    predictions = {id: {"id": id, "suggestions": _as_suggestions(other[id]["codes"])} for id in shared}
    return score_lines(second.stem, [own[id] for id in shared], predictions, {})


def _as_suggestions(codes: Sequence[Record]) -> list[Record]:
    return [
        {
            "system": code["system"],
            "code": code["code"],
            "score": 1.0 if code["status"] == "required" else 0.0,
            "selected": code["status"] == "required",
            "sequence": 1 if code.get("primary") else None,
            "evidence": code.get("evidence", []),
            "alternatives": [],
        }
        for code in codes
    ]
