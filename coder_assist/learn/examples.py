"""Coded notes as training examples: what was read of each note, and which proposals the gold holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from coder_assist.learn.remember import NotePhrases, forget_singletons, note_phrases
from coder_assist.suggest import Coder
from coder_assist.suggest.experience import Experience
from coder_assist.suggest.features import FEATURES, Context, Proposal, affirmed, features_of
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.wire import read_record
from coder_assist.types import Document, Encounter

RIGHT, WRONG, NEUTRAL = 1, 0, -1


@dataclass(frozen=True)
class Example:
    """A coded line, the encounter it describes, and what was read of its note."""

    line: dict[str, Any]
    encounter: Encounter
    documents: list[Document]
    phrases: NotePhrases

    @property
    def group(self) -> str:
        """What may never stand on both sides of a split: the patient, or else the encounter, or else the note."""
        return str(self.line.get("patient_id") or self.line.get("encounter") or self.line["id"])


@dataclass(frozen=True)
class Judged:
    """The proposals of an example. ``labels``: 1 required, 0 not in the gold, -1 optional (neutral)."""

    example: Example
    proposals: list[Proposal]
    context: Context
    labels: list[int]


def make_examples(coder: Coder, lines: Iterable[dict[str, Any]]) -> list[Example]:
    """Read each coded line. Gold codes are seen by nothing but labels and memory."""
    lines = list(lines)
    phrases = forget_singletons([note_phrases(line) for line in lines])
    examples = []
    for line, own in zip(lines, phrases, strict=True):
        encounter = read_record({key: value for key, value in line.items() if key != "codes"})
        examples.append(Example(line, encounter, coder.read_all(encounter), own))
    return examples


def judge(coder: Coder, example: Example, memory: PhraseMemory | None) -> Judged:
    """Propose codes for an example under a memory, and label the proposals that a mention supports."""
    proposals, context = coder.propose(example.encounter, example.documents, memory)
    proposals = [proposal for proposal in proposals if any(map(affirmed, proposal.candidates))]
    status = {(code["system"], code["code"]): code["status"] for code in example.line["codes"]}
    labels = []
    for proposal in proposals:
        found = status.get((proposal.code.system.value, proposal.code.value))
        labels.append(RIGHT if found == "required" else NEUTRAL if found else WRONG)
    return Judged(example, proposals, replace(context, experience=None), labels)


def fold_of(group: str, folds: int, salt: str = "") -> int:
    """Return the fold of a group, 0 to ``folds`` - 1: by hash, so it never depends on the order of lines."""
    return int.from_bytes(sha256(f"{salt}{group}".encode()).digest()[:8], "big") % folds


def gather_experience(judged: Iterable[Judged]) -> Experience:
    """Count what became of the proposals of examples; neutral ones are left out."""
    experience = Experience()
    for one in judged:
        for proposal, label in zip(one.proposals, one.labels, strict=True):
            if label != NEUTRAL:
                experience.add(proposal, label == RIGHT)
    return experience


def matrix(judged: Judged, experience: Experience, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the features of an example's proposals, one row each, columns as ``names``."""
    rows = features_of(judged.proposals, replace(judged.context, experience=experience))
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(
        len(rows), len(names)
    )


def feature_names() -> list[str]:
    """Return the names of all features that a ranker is trained on, in their order."""
    return list(FEATURES)
