"""Coded notes as training examples: the proposals of each note, and which of them the gold holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from coder_assist.suggest import Coder
from coder_assist.suggest.experience import Experience
from coder_assist.suggest.features import FEATURES, Context, Proposal, affirmed, features_of
from coder_assist.suggest.wire import read_record

RIGHT, WRONG, NEUTRAL = 1, 0, -1


@dataclass(frozen=True)
class Example:
    """A coded line with its proposals. ``labels``: 1 required, 0 not in the gold, -1 optional (neutral)."""

    line: dict[str, Any]
    proposals: list[Proposal]
    context: Context
    labels: list[int]

    @property
    def group(self) -> str:
        """What may never stand on both sides of a split: the patient, or else the note."""
        return str(self.line.get("patient_id") or self.line["id"])


def make_examples(coder: Coder, lines: Iterable[dict[str, Any]]) -> list[Example]:
    """Propose codes for each coded line and label the proposals. Gold codes are not seen by proposing."""
    examples = []
    for line in lines:
        encounter = read_record({key: value for key, value in line.items() if key != "codes"})
        proposals, context = coder.propose(encounter)
        proposals = [proposal for proposal in proposals if any(map(affirmed, proposal.candidates))]
        status = {(code["system"], code["code"]): code["status"] for code in line["codes"]}
        labels = []
        for proposal in proposals:
            found = status.get((proposal.code.system.value, proposal.code.value))
            labels.append(RIGHT if found == "required" else NEUTRAL if found else WRONG)
        examples.append(Example(line, proposals, replace(context, experience=None), labels))
    return examples


def fold_of(group: str, folds: int, salt: str = "") -> int:
    """Return the fold of a group, 0 to ``folds`` - 1: by hash, so that it never depends on the order of lines."""
    return int.from_bytes(sha256(f"{salt}{group}".encode()).digest()[:8], "big") % folds


def gather_experience(examples: Iterable[Example]) -> Experience:
    """Count what became of the proposals of examples; neutral ones are left out."""
    experience = Experience()
    for example in examples:
        for proposal, label in zip(example.proposals, example.labels, strict=True):
            if label != NEUTRAL:
                experience.add(proposal, label == RIGHT)
    return experience


def matrix(example: Example, experience: Experience, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the features of an example's proposals, one row each, columns as ``names``."""
    rows = features_of(example.proposals, replace(example.context, experience=experience))
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(
        len(rows), len(names)
    )


def feature_names() -> list[str]:
    """Return the names of all features that a ranker is trained on, in their order."""
    return list(FEATURES)
