"""From coded corpora to a pack: train, measure out of fold, write the card."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coder_assist.errors import DataError, InputError
from coder_assist.learn.corpus import read_corpus
from coder_assist.learn.examples import make_examples
from coder_assist.learn.operating import curve_record
from coder_assist.learn.remember import build_memory, note_phrases
from coder_assist.learn.resampling import intervals
from coder_assist.learn.training import FOLDS, Progress, Scored, fit, out_of_fold, thresholds, to_scorer
from coder_assist.measure import NoteScore, Scores, score_notes, summarize
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.packs import save_pack
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.suggest.wire import run_record
from coder_assist.types import System

QUOTED = ("f1", "recall_at_20", "map", "reach", "first_listed", "evidence", "ece")


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
        lines[judged.example.line["id"]] = run_record(run)
    return lines


def transparent_pack(target: Path, priors: Path | None) -> None:
    """Write a pack that needs no training: the hand-set weights and prior counts, to compare others with."""
    card = (
        f"# Model pack `{target.name}`\n\nHand-set weights over named features (`coder_assist/suggest/scoring.py`) and "
        "prior counts of codes; nothing is learnt from notes. The floor that trained packs are compared with.\n"
    )
    save_pack(target, WeightedScorer(), read_priors(priors), card)


def train_pack(
    corpora: Sequence[Path], target: Path, priors: Path | None, seed: int, progress: Progress
) -> dict[str, Scores]:
    """Train on coded corpora, write the pack to ``target`` and return its out-of-fold scores by system.

    Raises ``InputError`` for a corpus that cannot be read, ``PackError`` if ``target`` holds something else.
    """
    # A corpus may keep notes for measuring: its "split" says so.
    lines: list[dict[str, Any]] = [
        line for path in corpora for line in read_corpus(path) if line.get("split") != "test"
    ]
    if not lines:
        raise InputError("expected at least one coded note to train on; the corpora hold none")
    counts = read_priors(priors)
    settings = Settings()
    progress(f"reading {len(lines)} notes")
    with TemporaryDirectory() as scratch:
        # The notes are read once, with every phrase that any fold may remember pointed out.
        build_memory(map(note_phrases, lines)).save(Path(scratch))
        learned = Path(scratch) / "memory.npy"
        coder = Coder.load_with(Pack("untrained", WeightedScorer(), counts, memory_file=learned), settings)
        examples = make_examples(coder, lines)
    scored = out_of_fold(coder, examples, FOLDS, seed, progress=progress)
    cuts = thresholds(scored)
    predicted = predictions_of(coder, scored, cuts)
    by_system: dict[str, list[NoteScore]] = {
        system.value: score_notes(system.value, lines, predicted) for system in System if system.value in cuts
    }
    progress("fitting the ranker on all notes")
    ranker = fit(coder, examples, seed)
    metrics: dict[str, Any] = {name: _figures(name, notes) for name, notes in by_system.items()}
    sources = [
        {
            "file": path.name,
            "sha256": sha256(path.read_bytes()).hexdigest(),
            "notes": sum(1 for _ in read_corpus(path)),
        }
        for path in corpora
    ]
    card = _card(target.name, sources, metrics, cuts)
    record = {
        "folds": FOLDS,
        "seed": seed,
        "trained_on": sources,
        "thresholds": cuts,
        "out_of_fold": metrics,
        "precision_curve": curve_record(by_system),
    }
    save_pack(
        target,
        to_scorer(ranker, cuts),
        counts,
        card,
        ranker.experience,
        ranker.memory,
        ranker.estimators,
        record,
    )
    return {name: summarize(name, notes) for name, notes in by_system.items()}


def _figures(system: str, notes: list[NoteScore]) -> dict[str, object]:
    return {**summarize(system, notes).as_dict(), "intervals": intervals(system, notes)}


def _card(name: str, sources: list[dict[str, Any]], metrics: dict[str, Any], cuts: dict[str, float]) -> str:
    rows = []
    for metric in QUOTED:
        cells = []
        for figures in metrics.values():
            value, interval = figures[metric], figures["intervals"][metric]
            cells.append(
                "-"
                if value is None or interval is None
                else f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
            )
        rows.append(f"| {metric} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            f"# Model pack `{name}`",
            "",
            "## Intended use",
            "",
            "Orders and preselects code suggestions for a medical coder, who decides. Not for coding without review.",
            "",
            "## Trained on",
            "",
            *(f"- `{s['file']}`: {s['notes']} notes, SHA-256 {s['sha256'][:16]}" for s in sources),
            "",
            "The pack holds weights, thresholds and counts. Words of notes are kept only as 64-bit hashes.",
            "",
            f"## Figures, {FOLDS}-fold out of fold (95 % bootstrap interval over notes)",
            "",
            "| | " + " | ".join(metrics) + " |",
            "|---|" + "---|" * len(metrics),
            *rows,
            "",
            "Preselected from: " + ", ".join(f"{system} {cut:.2f}" for system, cut in cuts.items()) + ".",
            "",
            "## Limits",
            "",
            "- The authored lexicon was written with the first training corpus in view, so figures on it are somewhat high;",
            "  figures on notes that nobody read are in the README.",
            "- Codes were assigned by one careful coder; E/M levels, anesthesia and drug supply codes are left out.",
            "- ICD-10-CM edition April 2026. Known failure groups: obstetric combinations, spine levels, external causes,",
            "  procedures whose neighbours differ by number or size.",
            "",
        ]
    )
