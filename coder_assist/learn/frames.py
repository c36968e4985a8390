"""Features as a table, for data scientists who want to look at them or to try an estimator of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coder_assist.errors import InputError, SettingsError
from coder_assist.learn.examples import feature_names
from coder_assist.learn.preparing import prepare
from coder_assist.learn.training import training_rows
from coder_assist.suggest.features import FEATURES

if TYPE_CHECKING:
    import pandas

# The columns besides the features, in their order.
COLUMNS: dict[str, str] = {
    "note": "id of the coded line",
    "group": "what may never stand on both sides of a split: patient, else encounter, else note",
    "system": "code system of the proposed code",
    "code": "the proposed code",
    "title": "its title",
    "label": "1 if the gold requires the code, 0 if it does not hold it, -1 if it is optional (leave those out)",
    "weight": "how much the label counts: the gold's weight, else 1",
}


def feature_frame(
    corpus: Path | Sequence[Mapping[str, Any]],
    *,
    priors: Mapping[str, int] | None = None,
    any_assertion: bool = False,
) -> pandas.DataFrame:
    """Return what a ranker is trained on as a table, a row for each proposed code of each coded note.

    Columns are those of ``COLUMNS`` and of ``FEATURES``; what each means stands in ``attrs["columns"]``. What
    phrase memory and experience tell of a note comes from other groups, as in training. Lines with
    ``"split": "test"`` are left out. Split by ``group``, never by row::

        frame = feature_frame(Path("corpora/encounters.jsonl"))
        known = frame[frame.label >= 0]
        cross_val_score(model, known[feature_names()], known.label, groups=known.group, cv=GroupKFold(5))

    Raises ``SettingsError`` without pandas, ``CorpusError`` or ``InputError`` for a corpus that cannot be read.
    """
    try:
        import pandas
    except ModuleNotFoundError:
        raise SettingsError("feature_frame needs pandas; install coder-assist[workbench]") from None
    from coder_assist.learn.evaluation import read_gold

    lines = read_gold([corpus]) if isinstance(corpus, Path) else [dict(line) for line in corpus]
    lines = [line for line in lines if line.get("split") != "test"]
    if not lines:
        raise InputError("expected at least one coded note to make features of; got none")
    coder, examples = prepare(lines, priors or {}, any_assertion)
    place = {example.line["id"]: number for number, example in enumerate(examples)}
    found = sorted(
        training_rows(coder, examples, feature_names()), key=lambda one: place[one[0].example.line["id"]]
    )
    identity: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for judged, _ in found:
        for proposal, label, weight in zip(judged.proposals, judged.labels, judged.weights, strict=True):
            row = (
                judged.example.line["id"],
                judged.example.group,
                proposal.code.system.value,
                proposal.code.value,
                proposal.title,
                label,
                weight,
            )
            for name, value in zip(COLUMNS, row, strict=True):
                identity[name].append(value)
    table = np.concatenate([rows for _, rows in found])
    frame = pandas.concat(
        [pandas.DataFrame(identity), pandas.DataFrame(table, columns=feature_names())], axis=1
    )
    frame.attrs["columns"] = {**COLUMNS, **FEATURES}
    return frame
