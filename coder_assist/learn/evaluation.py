"""Score a pack on coded corpora, by the pack itself or out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coder_assist.errors import CorpusError, InputError
from coder_assist.learn.corpus import read_corpus
from coder_assist.learn.coverage import Ranked, by_score, held_back
from coder_assist.learn.packing import predictions_of
from coder_assist.learn.preparing import prepare
from coder_assist.learn.training import Scored, out_of_fold, thresholds
from coder_assist.measure import NoteScore, Scores, score_notes, summarize
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.wire import read_record, run_record
from coder_assist.types import System

Record = dict[str, Any]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """A pack's predictions for coded lines, and the scores of each note by system.

    Systems are those of the gold and of the predictions. ``cuts`` says from which probability was preselected.
    """

    pack: str
    lines: list[Record]
    predictions: dict[str, Record]
    notes: dict[str, list[NoteScore]]
    cuts: dict[str, float]

    @property
    def scores(self) -> dict[str, Scores]:
        """The metrics by system."""
        return {system: summarize(system, notes) for system, notes in self.notes.items()}


def read_gold(corpora: Sequence[Path]) -> list[Record]:
    """Return the lines of coded corpora, each with the name of its file as ``corpus``.

    Raises ``CorpusError`` for a bad line, ``InputError`` for a bad file.
    """
    lines: list[Record] = []
    origin: dict[str, Path] = {}
    for path in corpora:
        for line in _read_one(path):
            if line["id"] in origin:
                raise InputError(f"id {line['id']!r} is in {origin[line['id']].name} and in {path.name}")
            origin[line["id"]] = path
            lines.append({**line, "corpus": path.name})
    return lines


def _read_one(path: Path) -> list[Record]:
    try:
        return list(read_corpus(path))
    except OSError as error:
        raise InputError(f"{path}: expected a coded corpus that can be read; {error.strerror}") from None
    except UnicodeDecodeError:
        raise CorpusError(path.name, _first_undecodable(path), "expected UTF-8") from None
    except RecursionError:
        raise InputError(
            f"{path.name}: expected JSON objects of little depth; one line is nested too deeply"
        ) from None


def _first_undecodable(path: Path) -> int:
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return number
    return 1


def _unlabelled(line: Record) -> Record:
    return {key: value for key, value in line.items() if key != "codes"}


def predict(coder: Coder, lines: Sequence[Record]) -> dict[str, Record]:
    """Return the prediction line of each coded line, by note id. Gold codes are never read."""
    return {line["id"]: run_record(coder.suggest(read_record(_unlabelled(line)))) for line in lines}


def score_lines(
    pack: str, lines: list[Record], predictions: dict[str, Record], cuts: Mapping[str, float]
) -> Evaluation:
    """Score predictions for coded lines, for every system of either."""
    present = {code["system"] for line in lines for code in line["codes"]}
    present |= {s["system"] for prediction in predictions.values() for s in prediction["suggestions"]}
    notes = {
        system.value: score_notes(system.value, lines, predictions)
        for system in System
        if system.value in present
    }
    return Evaluation(pack, lines, predictions, notes, {s: cuts[s] for s in notes if s in cuts})


def evaluate(coder: Coder, lines: list[Record]) -> Evaluation:
    """Score a pack on coded lines."""
    cuts = {system.value: coder.pack.scorer.threshold(system) for system in System}
    return score_lines(coder.pack.version, lines, predict(coder, lines), cuts)


@dataclass(frozen=True)
class OutOfFold:
    """Lines scored by rankers that never saw their group, with the coder that makes runs of them."""

    coder: Coder
    lines: list[Record]
    scored: list[Scored]
    cuts: dict[str, float]
    name: str

    def evaluation(self, cuts: Mapping[str, float] | None = None) -> Evaluation:
        """Score the lines, under the best cuts over all folds, or under others for some systems."""
        chosen = {**self.cuts, **(cuts or {})}
        predictions = dict(predictions_of(self.coder, self.scored, chosen))
        return score_lines(self.name, self.lines, predictions, chosen)

    def ranked(self) -> Iterator[Ranked]:
        """Yield the proposals of each line, ranked by what never saw it; those held back are the lexicon's."""
        for judged, values in self.scored:
            example = judged.example
            proposals, _ = self.coder.propose(example.encounter, example.documents, None)
            yield Ranked(example.line, by_score(judged.proposals, map(float, values)), held_back(proposals))


def score_out_of_fold(
    pack: Pack, lines: list[Record], folds: int, seed: int = 0, progress: Progress = lambda _: None
) -> OutOfFold:
    """Score lines by rankers trained on the other folds of the lines themselves, as training does for its figures.

    Of the pack only the prior counts are used, and whether it codes findings whatever is said of them. Raises ``InputError`` if there is too little to train on.
    """
    progress(f"reading {len(lines)} notes")
    coder, examples = prepare(lines, pack.priors, pack.any_assertion)
    try:
        scored = out_of_fold(coder, examples, folds, seed, progress=progress)
    except ValueError as error:
        raise InputError(f"{len(lines)} notes are too few to train on in {folds} folds; {error}") from None
    return OutOfFold(coder, lines, scored, thresholds(scored), f"out of {folds} folds of {len(lines)} notes")
