"""From coded corpora to a pack: train, measure out of fold, write the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from coder_assist.codes import Shelf
from coder_assist.errors import DataError, InputError
from coder_assist.learn.card import make_card
from coder_assist.learn.corpus import read_corpus
from coder_assist.learn.operating import curve_record
from coder_assist.learn.preparing import prepare
from coder_assist.learn.remember import KEEP_ALL, Retention
from coder_assist.learn.resampling import intervals
from coder_assist.learn.training import (
    FOLDS,
    MakeEstimator,
    Progress,
    Scored,
    fit,
    gradient_boosting,
    load_factory,
    out_of_fold,
    thresholds,
    to_scorer,
)
from coder_assist.measure import NoteScore, Scores, score_notes, summarize
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.packs import save_pack
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.suggest.wire import run_record
from coder_assist.types import System


def read_priors(path: Path | None) -> dict[str, int]:
    """Return charts by code from a TSV with the columns ``code`` and ``charts``, summed over its rows.

    Raises ``DataError`` for a file of another form. Without a file there are no priors.
    """
    counts: dict[str, int] = {}
    if path is None:
        return counts
    lines = path.read_text(encoding="utf-8").splitlines()
    columns = lines[0].split("\t") if lines else []
    if not {"code", "charts"} <= set(columns):
        raise DataError(f"{path.name}: expected a header with the columns code and charts; got {columns}")
    code_at, charts_at = columns.index("code"), columns.index("charts")
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        try:
            counts[cells[code_at]] = counts.get(cells[code_at], 0) + int(cells[charts_at])
        except (IndexError, ValueError):
            raise DataError(f"{path.name}:{number}: expected a code and a whole number of charts") from None
    return counts


def predictions_of(
    coder: Coder, scored: Sequence[Scored], cuts: dict[str, float]
) -> dict[str, dict[str, object]]:
    """Return the prediction line of each scored example under the given cuts, by note id."""
    lines = {}
    for judged, values in scored:
        rows = [
            (proposal, float(value), ()) for proposal, value in zip(judged.proposals, values, strict=True)
        ]
        run = coder.assemble(
            judged.example.encounter, judged.proposals, rows, lambda system: cuts.get(system.value, 0.5)
        )
        run = coder.settled(run, judged.example.encounter, judged.example.documents)
        lines[judged.example.line["id"]] = run_record(run)
    return lines


def transparent_pack(target: Path, priors: Path | None) -> None:
    """Write a pack that needs no training: the hand-set weights and prior counts, to compare others with."""
    card = (
        f"# Model pack `{target.name}`\n\nHand-set weights over named features (`coder_assist/suggest/scoring.py`) and "
        "prior counts of codes; nothing is learnt from notes. The floor that trained packs are compared with.\n"
    )
    save_pack(target, WeightedScorer(), read_priors(priors), card)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a pack is made of coded notes.

    ``any_assertion``: the notes were coded whatever they say of a finding (CodiEsp), so a denied one may be
    right. ``private``: keep no phrase of fewer than three patients, and none with digits or names.
    ``estimator`` names, as ``module:factory``, what ranks instead of the boosted trees. ``alone`` is one of
    the corpora; the card then also shows what a pack of it alone, without prior counts, would do.
    """

    seed: int = 0
    any_assertion: bool = False
    private: bool = False
    estimator: str | None = None
    alone: Path | None = None


def train_pack(
    corpora: Sequence[Path],
    target: Path,
    priors: Path | None = None,
    recipe: Recipe = Recipe(),
    progress: Progress = lambda _: None,
) -> dict[str, Scores]:
    """Train on coded corpora, write the pack to ``target`` and return its out-of-fold scores by system.

    Raises ``InputError`` for a corpus that cannot be read or a recipe that cannot be followed, ``PackError``
    if ``target`` holds something else or the estimator cannot be stored.
    """
    by_file = {path: _training_lines(path) for path in corpora}
    lines = [line for found in by_file.values() for line in found]
    if not lines:
        raise InputError("expected at least one coded note to train on; the corpora hold none")
    if recipe.alone is not None and recipe.alone not in by_file:
        raise InputError(f"{recipe.alone.name} must be one of the corpora to show figures of it alone")
    make = load_factory(recipe.estimator) if recipe.estimator else gradient_boosting
    counts = read_priors(priors)
    progress(f"reading {len(lines)} notes")
    retention = _retention(recipe)
    coder, examples = prepare(lines, counts, recipe.any_assertion, retention)
    try:
        scored = out_of_fold(coder, examples, FOLDS, recipe.seed, make, progress, retention)
        cuts = thresholds(scored)
        progress("fitting the ranker on all notes")
        ranker = fit(coder, examples, recipe.seed, make, retention)
    except ValueError as error:
        raise InputError(f"{len(lines)} notes cannot be trained on in {FOLDS} folds; {error}") from None
    by_system = _score_by_system(coder, scored, cuts)
    metrics: dict[str, Any] = {name: _figures(name, notes) for name, notes in by_system.items()}
    sources = [
        {"file": path.name, "sha256": sha256(path.read_bytes()).hexdigest(), "notes": len(found)}
        for path, found in by_file.items()
    ]
    record: dict[str, Any] = {
        "folds": FOLDS,
        "seed": recipe.seed,
        "trained_on": sources,
        "thresholds": cuts,
        "out_of_fold": metrics,
        "precision_curve": curve_record(by_system),
    }
    if recipe.estimator:
        record["estimator"] = recipe.estimator
    if recipe.alone is not None:
        record["alone"] = {"file": recipe.alone.name, **_alone(by_file, recipe, make, retention, progress)}
    save_pack(
        target,
        to_scorer(ranker, cuts),
        counts,
        make_card(target.name, record, recipe),
        ranker.experience,
        ranker.memory,
        ranker.estimators,
        record,
        recipe.any_assertion,
    )
    return {name: summarize(name, notes) for name, notes in by_system.items()}


def _training_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a corpus but those that it keeps for measuring: its "split" says so."""
    return [line for line in read_corpus(path) if line.get("split") != "test"]


def _retention(recipe: Recipe) -> Retention:
    if not recipe.private:
        return KEEP_ALL
    return Retention.private(Shelf.of(Settings()).library_for(None)[0].lexicon.knows)


def _score_by_system(
    coder: Coder, scored: Sequence[Scored], cuts: dict[str, float]
) -> dict[str, list[NoteScore]]:
    predicted = predictions_of(coder, scored, cuts)
    lines = [judged.example.line for judged, _ in scored]
    return {
        system.value: score_notes(system.value, lines, predicted) for system in System if system.value in cuts
    }


def _alone(
    by_file: Mapping[Path, Sequence[dict[str, Any]]],
    recipe: Recipe,
    make: MakeEstimator,
    retention: Retention,
    progress: Progress,
) -> dict[str, Any]:
    """Return what one corpus alone would give: out of fold on itself, and on the notes of the other corpora."""
    assert recipe.alone is not None
    mine = by_file[recipe.alone]
    others = [line for path, found in by_file.items() if path != recipe.alone for line in found]
    progress(f"reading again, for {recipe.alone.name} alone")
    coder, examples = prepare([*mine, *others], {}, recipe.any_assertion, retention)
    known, new = examples[: len(mine)], examples[len(mine) :]
    scored = out_of_fold(coder, known, FOLDS, recipe.seed, make, progress, retention)
    cuts = thresholds(scored)
    found = {"out_of_fold": _score_by_system(coder, scored, cuts)}
    if new:
        progress("scoring the other corpora")
        ranker = fit(coder, known, recipe.seed, make, retention)
        applied = [ranker.score(coder, example) for example in new]
        found["other_corpora"] = _score_by_system(coder, applied, cuts)
    return {
        part: {name: _figures(name, notes) for name, notes in by_system.items()}
        for part, by_system in found.items()
    }


def _figures(system: str, notes: list[NoteScore]) -> dict[str, object]:
    return {**summarize(system, notes).as_dict(), "intervals": intervals(system, notes)}
