"""Learn what the words around mentions tell of their codes (see ``suggest.vicinity``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from coder_assist.learn.examples import NEUTRAL, RIGHT, Judged
from coder_assist.learn.remember import Retention, patient_of
from coder_assist.suggest.features import affirmed
from coder_assist.suggest.vicinity import MARKS, Marks, Vicinity, marks_of

# Strong regularisation: most marks stand in few notes.
REGULARISATION = 0.05


@dataclass(frozen=True)
class Described:
    """The mentions of an example's judged proposals: their marks in a row, how many each has, labels, weights.

    ``patient`` is whose note it is, ``None`` for one whose words fall under no rule of privacy.
    """

    marks: Marks
    counts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.float64]
    patient: str | None

    @classmethod
    def of(cls, judged: Judged, retention: Retention) -> Described:
        """Describe the affirmed mentions of an example; of a code with many, each counts the less."""
        kept = [place for place, label in enumerate(judged.labels) if label != NEUTRAL]
        mentioned = [list(filter(affirmed, judged.proposals[place].candidates)) for place in kept]
        flat, begins, owners = marks_of(judged.context.encounter, mentioned)
        right = np.array([judged.labels[place] == RIGHT for place in kept], dtype=bool)
        weights = np.array([judged.weights[place] for place in kept], dtype=np.float64)
        of_each = np.bincount(owners, minlength=len(kept))
        line = judged.example.line
        return cls(
            flat,
            np.diff(np.append(begins, len(flat))),
            right[owners],
            (weights / np.sqrt(np.maximum(of_each, 1)))[owners],
            patient_of(line) if retention.binds(line) else None,
        )


def learn_vicinity(described: Sequence[Described], retention: Retention) -> Vicinity:
    """Return the weights that tell right codes from wrong ones by what stands around their mentions.

    Where words fall under rules of privacy, a mark keeps its weight only if enough patients share it. Without
    right and wrong mentions nothing is learnt: all weights are 0.
    """
    labels = np.concatenate([one.labels for one in described] or [np.zeros(0, dtype=bool)])
    if len(np.unique(labels)) < 2:
        return Vicinity(np.zeros(MARKS, dtype=np.float32), 0.0)
    marks = np.concatenate([one.marks for one in described])
    ends = np.cumsum(np.concatenate([[0], *(one.counts for one in described)]))
    table = csr_matrix((np.ones(len(marks), dtype=np.float32), marks, ends), shape=(len(labels), MARKS))
    table.sum_duplicates()
    model = LogisticRegression(C=REGULARISATION, solver="liblinear", random_state=0)
    with threadpool_limits(limits=1, user_api="blas"):  # sums in parts differ in the last digit
        model.fit(table, labels, sample_weight=np.concatenate([one.weights for one in described]))
    weights = model.coef_[0].astype(np.float32)
    weights[~_shared(described, retention)] = 0.0
    return Vicinity(weights, float(model.intercept_[0]))


def _shared(described: Sequence[Described], retention: Retention) -> npt.NDArray[np.bool_]:
    """Say for each mark whether enough patients share it, or a note that nobody owns has it."""
    shared = np.full(MARKS, retention.least_patients <= 1)
    patients: dict[str, list[Marks]] = {}
    for one in described:
        if one.patient is None:
            shared[one.marks] = True
        else:
            patients.setdefault(one.patient, []).append(one.marks)
    counts = np.zeros(MARKS, dtype=np.int64)
    for rows in patients.values():
        counts[np.unique(np.concatenate(rows))] += 1
    return np.asarray(shared | (counts >= retention.least_patients))
