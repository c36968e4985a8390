"""Coded notes as training examples: what was read of each note, and which proposals the gold holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from coder_assist.learn.remember import (
    KEEP_ALL,
    NotePhrases,
    Retention,
    forget_singletons,
    note_phrases,
    patient_of,
)
from coder_assist.suggest import Coder
from coder_assist.suggest.company import Company
from coder_assist.suggest.experience import Experience, keyed_words
from coder_assist.suggest.features import FEATURES, Context, Proposal, affirmed, features_of
from coder_assist.suggest.forest import table_of
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.second_look import SECOND_LOOK, SecondLook
from coder_assist.suggest.vicinity import Vicinity
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
        """What may never stand on both sides of a split: the patient, or else the encounter, or else the note.

        A line may also name its ``group`` itself.
        """
        named = (self.line.get(key) for key in ("group", "patient_id", "encounter"))
        return str(next(filter(None, named), self.line["id"]))


@dataclass(frozen=True)
class Judged:
    """The proposals of an example. ``labels``: 1 required, 0 not in the gold, -1 neutral: optional, or sought.

    A ``sought`` code was taken by somebody who judged no others like it: it fills the memory, but counting it
    as right beside no wrong ones would make all such codes look likely.

    ``weights`` say how much each label counts in fitting: 1 unless the gold's code brings a ``weight``.
    """

    example: Example
    proposals: list[Proposal]
    context: Context
    labels: list[int]
    weights: list[float]


def make_examples(
    coder: Coder, lines: Iterable[dict[str, Any]], retention: Retention = KEEP_ALL
) -> list[Example]:
    """Read each coded line. Gold codes are seen by nothing but labels and memory."""
    lines = list(lines)
    phrases = forget_singletons([note_phrases(line, retention) for line in lines])
    examples = []
    for line, own in zip(lines, phrases, strict=True):
        encounter = read_record({key: value for key, value in line.items() if key != "codes"})
        examples.append(Example(line, encounter, coder.read_all(encounter), own))
    return examples


def judge(coder: Coder, example: Example, memory: PhraseMemory | None) -> Judged:
    """Propose codes for an example under a memory, and label the proposals that a mention supports."""
    proposals, context = coder.propose(example.encounter, example.documents, memory)
    proposals = [proposal for proposal in proposals if any(map(affirmed, proposal.candidates))]
    gold = {(code["system"], code["code"]): code for code in example.line["codes"]}
    labels, weights = [], []
    for proposal in proposals:
        found = gold.get((proposal.code.system.value, proposal.code.value))
        required = found is not None and found["status"] == "required"
        judged = found is not None and required and not found.get("sought")
        labels.append(RIGHT if judged else NEUTRAL if found else WRONG)
        weights.append(float(found.get("weight", 1.0)) if found is not None and required else 1.0)
    return Judged(
        example,
        proposals,
        replace(context, experience=None, vicinity=None, second_look=None),
        labels,
        weights,
    )


def fold_of(group: str, folds: int, salt: str = "") -> int:
    """Return the fold of a group, 0 to ``folds`` - 1: by hash, so it never depends on the order of lines."""
    return int.from_bytes(sha256(f"{salt}{group}".encode()).digest()[:8], "big") % folds


def gather_experience(judged: Iterable[Judged], retention: Retention = KEEP_ALL) -> Experience:
    """Count what became of the proposals of examples; neutral ones are left out, and words not to be kept."""
    experience = Experience()
    sharing: dict[str, set[str]] = {}
    nobodys: set[str] = set()
    for one in judged:
        experience.carry(code["code"] for code in one.example.line["codes"] if code["status"] == "required")
        for proposal, label in zip(one.proposals, one.labels, strict=True):
            if label != NEUTRAL:
                experience.add(proposal, label == RIGHT)
                if retention != KEEP_ALL:
                    bound = retention.binds(one.example.line)
                    for key, text in keyed_words(proposal).items():
                        if not bound:
                            nobodys.add(key)
                        elif retention.allows(text):
                            sharing.setdefault(key, set()).add(patient_of(one.example.line))
    if retention != KEEP_ALL:
        shared = {key for key, patients in sharing.items() if len(patients) >= retention.least_patients}
        shared |= nobodys
        experience.words = {key: counts for key, counts in experience.words.items() if key in shared}
    return experience


def gather_company(judged: Iterable[Judged], retention: Retention = KEEP_ALL) -> Company:
    """Count which required codes stand together; under rules of privacy pairs that too few patients share are left out."""
    lines = [one.example.line for one in judged]
    carried = [[c["code"] for c in line["codes"] if c["status"] == "required"] for line in lines]
    company = Company.of(carried)
    if retention == KEEP_ALL:
        return company
    owners: dict[tuple[str, str], set[str | None]] = {}
    for line, codes in zip(lines, carried, strict=True):
        owner = patient_of(line) if retention.binds(line) else None
        for pair in combinations(sorted(set(codes)), 2):
            owners.setdefault(pair, set()).add(owner)
    pairs = [owners[company.codes[first], company.codes[second]] for first, second in company.pairs]
    shared = [None in some or len(some) >= retention.least_patients for some in pairs]
    return company.only(np.array(shared, dtype=bool))


def matrix(
    judged: Judged,
    experience: Experience,
    vicinity: Vicinity | None,
    second_look: SecondLook | None,
    names: Sequence[str],
) -> npt.NDArray[np.float64]:
    """Return the features of an example's proposals, one row each, columns as ``names``."""
    context = replace(judged.context, experience=experience, vicinity=vicinity, second_look=second_look)
    return table_of(features_of(judged.proposals, context), names)


# What helps where notes were coded whatever they say of a finding (F1 of CodiEsp out of fold .585 to .592), and
# brings nothing where they were not (MTSamples .674 to .669, which is chance).
_OF_ANY_ASSERTION = frozenset(
    "carried carried_category carried_share memory_lift memory_second title_match denied".split()
)


def feature_names(any_assertion: bool | None = None) -> list[str]:
    """Return the names of the features that a ranker is trained on, in their order.

    By default all of them; else those for notes that were coded whatever they say of a finding, or for others. A
    second look is for the others alone: MTSamples F1 .710 to .717 out of fold, CodiEsp .588 to .584.
    """
    if any_assertion is None:
        return list(FEATURES)
    left_out = frozenset(SECOND_LOOK) if any_assertion else _OF_ANY_ASSERTION
    return [name for name in FEATURES if name not in left_out]
