"""Score a pack on a coded corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coder_assist.learn.corpus import read_corpus
from coder_assist.measure import Scores, score
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_record, run_record
from coder_assist.types import System


def predict(coder: Coder, lines: list[dict[str, Any]]) -> dict[str, dict[str, object]]:
    """Return the prediction line of each coded line, by note id. Gold codes are never read."""
    predictions = {}
    for line in lines:
        unlabelled = {key: value for key, value in line.items() if key != "codes"}
        predictions[line["id"]] = run_record(coder.suggest(read_record(unlabelled)))
    return predictions


def evaluate(corpus: Path, pack: Path | None = None) -> dict[str, Scores]:
    """Return the metrics of a pack (the default one if ``None``) on a coded corpus, by system.

    Systems are those of the gold and of the predictions. Raises ``RecordError`` for a bad line.
    """
    lines = list(read_corpus(corpus))
    predictions = predict(Coder.load(pack), lines)
    present = {code["system"] for line in lines for code in line["codes"]}
    present |= {s["system"] for p in predictions.values() for s in p["suggestions"]}  # type: ignore[attr-defined]
    return {
        system.value: score(system.value, lines, predictions) for system in System if system.value in present
    }
