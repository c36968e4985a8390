"""From coded corpora to a pack: train, measure out of fold, write the card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    right. ``private``: keep no phrase of fewer than three patients, and none with digits or names; lines that
    say themselves that they are ``private`` are treated so in any case.
    ``estimator`` names, as ``module:factory``, what ranks instead of the boosted trees. ``alone`` is one of
    the corpora; the card then also shows what a pack of it alone, without prior counts, would do.
    """

    seed: int = 0
    any_assertion: bool = False
    private: bool = False
    estimator: str | None = None
    alone: Path | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """Coded lines to train on, with what a pack records of them: a name, a checksum, how far they reach.

    ``until`` is the moment before which their decisions were submitted, for lines out of a review.
    """

    name: str
    lines: tuple[dict[str, Any], ...]
    sha256: str
    until: datetime | None = None

    @classmethod
    def read(cls, path: Path) -> Corpus:
        """Read a file but what it keeps for measuring: the lines whose ``split`` is "test"."""
        lines = tuple(line for line in read_corpus(path) if line.get("split") != "test")
        return cls(path.name, lines, sha256(path.read_bytes()).hexdigest())

    @classmethod
    def of(cls, name: str, lines: Iterable[dict[str, Any]], until: datetime | None = None) -> Corpus:
        """Take lines that are in no file, in the form of ``read_corpus``."""
        kept = tuple(lines)
        written = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in kept)
        return cls(name, kept, sha256(written.encode()).hexdigest(), until)

    @property
    def source(self) -> dict[str, Any]:
        """What ``metrics.json`` says of it."""
        record: dict[str, Any] = {"file": self.name, "sha256": self.sha256, "notes": len(self.lines)}
        if self.until is not None:
            record["until"] = self.until.isoformat()
        return record


def train_pack(
    corpora: Sequence[Path | Corpus],
    target: Path,
    priors: Path | None = None,
    recipe: Recipe = Recipe(),
    progress: Progress = lambda _: None,
) -> dict[str, Scores]:
    """Train on coded corpora, write the pack to ``target`` and return its out-of-fold scores by system.

    Raises ``InputError`` for a corpus that cannot be read or a recipe that cannot be followed, ``PackError``
    if ``target`` holds something else or the estimator cannot be stored.
    """
    read = [each if isinstance(each, Corpus) else Corpus.read(each) for each in corpora]
    alone = next((one for one, path in zip(read, corpora, strict=True) if path == recipe.alone), None)
    lines = _marked(read, recipe)
    if not lines:
        raise InputError("expected at least one coded note to train on; the corpora hold none")
    if recipe.alone is not None and alone is None:
        raise InputError(f"{recipe.alone.name} must be one of the corpora to show figures of it alone")
    make = load_factory(recipe.estimator) if recipe.estimator else gradient_boosting
    counts = read_priors(priors)
    progress(f"reading {len(lines)} notes")
    retention = _retention(lines)
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
    record: dict[str, Any] = {
        "folds": FOLDS,
        "seed": recipe.seed,
        "trained_on": [corpus.source for corpus in read],
        "thresholds": cuts,
        "out_of_fold": metrics,
        "precision_curve": curve_record(by_system),
    }
    if recipe.estimator:
        record["estimator"] = recipe.estimator
    if alone is not None:
        others = [line for corpus in read if corpus is not alone for line in _marked([corpus], recipe)]
        mine = _marked([alone], recipe)
        record["alone"] = {"file": alone.name, **_alone(mine, others, recipe, make, retention, progress)}
    save_pack(
        target,
        to_scorer(ranker, cuts),
        counts,
        make_card(target.name, record, recipe, any(line["private"] for line in lines)),
        ranker.experience,
        ranker.memory,
        ranker.estimators,
        record,
        recipe.any_assertion,
        ranker.vicinity,
        ranker.second_look,
        [ranker.first],
    )
    return {name: summarize(name, notes) for name, notes in by_system.items()}


def _marked(corpora: Iterable[Corpus], recipe: Recipe) -> list[dict[str, Any]]:
    """Return all lines, each of which says whether it is private."""
    return [
        {**line, "private": recipe.private or bool(line.get("private"))}
        for corpus in corpora
        for line in corpus.lines
    ]


def _retention(lines: Iterable[Mapping[str, Any]]) -> Retention:
    if not any(line["private"] for line in lines):
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
    mine: Sequence[dict[str, Any]],
    others: Sequence[dict[str, Any]],
    recipe: Recipe,
    make: MakeEstimator,
    retention: Retention,
    progress: Progress,
) -> dict[str, Any]:
    """Return what one corpus alone would give: out of fold on itself, and on the notes of the other corpora."""
    progress("reading again, for one corpus alone")
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
