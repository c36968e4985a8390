"""From decisions to a challenger, its shadow over the same encounters, and the gates before it is put to use.

train_from_store(database, actor, Path("models/mine"), until=moment)   learn from what was submitted before
cast_shadows(store.shadows, Coder.load(Path("models/mine")))           what would it have shown since?
gates_of(store.shadows, pack, library, until=moment)                   where does it err more?
store.promotions.record(actor, pack, gates.as_record(), reason, gates.failures)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coder_assist.codes import Library
from coder_assist.errors import InputError
from coder_assist.learn.evaluation import Evaluation, score_lines
from coder_assist.learn.gates import Gates, gates
from coder_assist.learn.packing import Corpus, Recipe, train_pack
from coder_assist.measure import Scores
from coder_assist.review.database import Database, now
from coder_assist.review.labels import export_lines
from coder_assist.review.records import Actor
from coder_assist.review.shadows import Pair, Shadows
from coder_assist.suggest import Coder
from coder_assist.types import Code

DECISIONS = "decisions"
_PLAIN = Recipe()
Progress = Callable[[str], None]


def train_from_store(
    database: Database,
    actor: Actor,
    target: Path,
    corpora: Sequence[Path | Corpus] = (),
    until: datetime | None = None,
    priors: Path | None = None,
    recipe: Recipe = _PLAIN,
    progress: Progress = lambda _: None,
) -> dict[str, Scores]:
    """Train on what was submitted before a moment (now), and on other corpora; see ``learn.packing.train_pack``.

    The labels follow the policy of ``review.labels``; that they were taken is in the audit chain. Raises
    ``InputError`` where nothing was submitted.
    """
    until = until or now()
    decisions = Corpus.of(DECISIONS, export_lines(database, actor, until), until)
    if not decisions.lines:
        raise InputError(f"expected submitted encounters before {until.isoformat()}; the review has none")
    return train_pack([decisions, *corpora], target, priors, recipe, progress)


def learnt_until(pack: Path) -> datetime | None:
    """Return the moment before which the decisions were submitted that a pack learnt from; ``None`` for none."""
    file = pack / "metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    moments = [source["until"] for source in metrics.get("trained_on", ()) if "until" in source]
    return max(map(datetime.fromisoformat, moments), default=None)


def cast_shadows(
    shadows: Shadows, challenger: Coder, until: datetime | None = None, progress: Progress = lambda _: None
) -> int:
    """Let a challenger read what it has not read yet of the encounters that may judge it; return how many.

    ``until`` is how far the decisions reach that it learnt from. Started again, it goes on where it ended.
    """
    pack = challenger.pack.version
    unseen = _unseen(shadows, until)
    due = [decided for decided in shadows.due(pack) if decided.encounter_id in unseen]
    for number, decided in enumerate(due, 1):
        progress(f"encounter {number} of {len(due)}")
        shadows.cast(decided.run_id, pack, challenger.suggest)
    return len(due)


def gates_of(shadows: Shadows, pack: str, library: Library, until: datetime | None = None) -> Gates:
    """Hold a challenger's shadow runs against what was shown and decided, on encounters that it never learnt from."""
    unseen = _unseen(shadows, until)
    pairs = [pair for pair in shadows.pairs(pack) if pair.decided.encounter_id in unseen]
    compared = [_compared(pair) for pair in pairs]
    lines = [each.line for each in compared]
    shown = " and ".join(sorted({pair.decided.pack for pair in pairs})) or "nothing"

    def scored(name: str, predictions: Sequence[dict[str, Any]]) -> Evaluation:
        by_id = {line["id"]: prediction for line, prediction in zip(lines, predictions, strict=True)}
        return score_lines(name, lines, by_id, {})

    preselected = sum(each.preselected for each in compared)
    unjudged = sum(each.unjudged for each in compared) / preselected if preselected else 0.0
    return gates(
        scored(shown, [each.shown for each in compared]),
        scored(pack, [each.shadow for each in compared]),
        library,
        unjudged,
    )


def _unseen(shadows: Shadows, until: datetime | None) -> set[str]:
    """Return the encounters after a moment of patients of whom there is none before it."""
    decided = shadows.decided()
    if until is None:
        return {each.encounter_id for each in decided}
    known = {each.patient_id for each in decided if each.submitted_at < until} - {None}
    return {
        each.encounter_id for each in decided if each.submitted_at >= until and each.patient_id not in known
    }


@dataclass(frozen=True, slots=True)
class _Compared:
    """An encounter as a coded line, and both packs' records of it.

    ``unjudged`` counts those of the challenger's ``preselected`` codes that nobody judged right or wrong.
    """

    line: dict[str, Any]
    shown: dict[str, Any]
    shadow: dict[str, Any]
    preselected: int
    unjudged: int


def _compared(pair: Pair) -> _Compared:
    """Return a pair ready to be scored: what nobody judged is neither right nor wrong, whoever proposes it."""
    labels = pair.judgement.labels
    codes: list[dict[str, Any]] = [
        {"system": code.system.value, "code": code.value, "status": "required"}
        | ({"primary": True} if label.first else {})
        for code, label in labels.items()
    ]
    mine, theirs = _preselected(pair.shown), _preselected(pair.shadow)
    open_codes = {code for code in mine | theirs if code not in labels and not pair.judgement.is_wrong(code)}
    codes += [
        {"system": code.system.value, "code": code.value, "status": "optional"} for code in sorted(open_codes)
    ]
    line = {"id": pair.decided.encounter_id, "codes": codes}
    return _Compared(line, dict(pair.shown), dict(pair.shadow), len(theirs), len(theirs & open_codes))


def _preselected(record: Any) -> set[Code]:
    return {Code.parse(s["system"], s["code"]) for s in record["suggestions"] if s["selected"]}
