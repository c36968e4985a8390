"""Where to cut: preselect only what is right often enough, and say what that costs.

A pack may store under ``precision_curve`` in its ``metrics.json`` what each cut gave out of fold:
``{system: {"required": codes, "points": [[cut, selected, hits], ...]}}``, as ``curve_record`` makes it.
From that ``operating_points`` takes, for each system, the lowest cut that reaches a precision.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from coder_assist.errors import PackError
from coder_assist.measure import CurvePoint, NoteScore, cut_for, precision_curve
from coder_assist.settings import Settings
from coder_assist.suggest import Pack
from coder_assist.suggest.packs import default_pack_dir
from coder_assist.suggest.scoring import Scorer
from coder_assist.types import System

# A cut that no probability reaches: where no cut is precise enough, nothing is preselected.
NEVER = 1.01


@dataclass(frozen=True, slots=True)
class Curve:
    """What each cut gives for one system, over notes with ``required`` codes."""

    required: int
    points: tuple[CurvePoint, ...]

    def at(self, cut: float) -> CurvePoint:
        """Return the point of the lowest stored cut not below ``cut``; nothing selected above the last."""
        return next((p for p in self.points if p.cut >= cut - 1e-9), CurvePoint(NEVER, 0, 0))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The cut that reaches a precision, and what it costs against the pack's usual cut.

    ``reached`` is false where no cut is precise enough. The shares are those of the curve it was read from.
    """

    target: float
    cut: float
    reached: bool
    precision: float | None
    recall: float | None
    usual_cut: float
    usual_precision: float | None
    usual_recall: float | None

    @property
    def recall_lost(self) -> float | None:
        """The share of required codes that the usual cut preselects and this one does not."""
        if self.recall is None or self.usual_recall is None:
            return None
        return round(self.usual_recall - self.recall, 4)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, with what is lost."""
        return {**asdict(self), "recall_lost": self.recall_lost}


def curve_of(notes: Sequence[NoteScore]) -> Curve:
    """Return the curve of scored notes of one system."""
    points = precision_curve([point for note in notes for point in note.points])
    return Curve(sum(note.required for note in notes), tuple(points))


def curve_record(by_system: Mapping[str, Sequence[NoteScore]]) -> dict[str, Any]:
    """Return the curves of scored notes by system, as ``metrics.json`` stores them."""
    curves = {system: curve_of(notes) for system, notes in by_system.items()}
    return {
        system: {"required": curve.required, "points": [[p.cut, p.selected, p.hits] for p in curve.points]}
        for system, curve in curves.items()
    }


def stored_curves(pack: Path | None) -> dict[str, Curve]:
    """Return the out-of-fold curves that a pack (the default one if ``None``) stores, by system; maybe none.

    The pack's files must be verified already, as ``load_pack`` does. Raises ``PackError`` for another form.
    """
    directory, metrics = _metrics(pack)
    try:
        stored = metrics.get("precision_curve") or {}
        return {
            System(system).value: Curve(
                int(curve["required"]),
                tuple(
                    CurvePoint(float(cut), int(chosen), int(hits)) for cut, chosen, hits in curve["points"]
                ),
            )
            for system, curve in stored.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PackError(
            f"pack {directory.name}: expected precision_curve of metrics.json by system; "
            f"got a {type(error).__name__} reading it"
        ) from None


def trained_on(corpora: Iterable[Path], pack: Path | None) -> list[str]:
    """Return the names of the corpora that a pack (the default one if ``None``) says it was trained on."""
    _, metrics = _metrics(pack)
    sources = metrics.get("trained_on")
    sums = {s.get("sha256") for s in sources if isinstance(s, dict)} if isinstance(sources, list) else set()
    return [path.name for path in corpora if sha256(path.read_bytes()).hexdigest() in sums]


def _metrics(pack: Path | None) -> tuple[Path, dict[str, Any]]:
    """Return a pack's directory and its ``metrics.json``, empty if there is none."""
    directory = pack or Settings().pack or default_pack_dir()
    file = directory / "metrics.json"
    try:
        metrics = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError:
        metrics = None
    if not isinstance(metrics, dict):
        raise PackError(f"pack {directory.name}: expected an object in metrics.json")
    return directory, metrics


def operating_points(curves: Mapping[str, Curve], scorer: Scorer, target: float) -> dict[str, OperatingPoint]:
    """Return for each system the lowest cut with a precision of ``target``, against the scorer's own cut."""
    return {
        system: _point(curve, scorer.threshold(System(system)), target) for system, curve in curves.items()
    }


def _point(curve: Curve, usual_cut: float, target: float) -> OperatingPoint:
    def recall(point: CurvePoint) -> float | None:
        return round(point.hits / curve.required, 4) if curve.required else None

    usual, chosen = curve.at(usual_cut), cut_for(curve.points, target)
    point = chosen or CurvePoint(NEVER, 0, 0)
    return OperatingPoint(
        target=target,
        cut=point.cut,
        reached=chosen is not None,
        precision=point.precision,
        recall=recall(point),
        usual_cut=usual_cut,
        usual_precision=usual.precision,
        usual_recall=recall(usual),
    )


class Recut:
    """A scorer with the probabilities of another and cuts of its own."""

    def __init__(self, scorer: Scorer, cuts: Mapping[str, float]) -> None:
        self.scorer = scorer
        self.cuts = dict(cuts)

    def threshold(self, system: System) -> float:
        """Return the system's cut, that of the other scorer if there is none."""
        return self.cuts.get(system.value, self.scorer.threshold(system))

    def probabilities(self, rows: Sequence[Mapping[str, float]]) -> list[float]:
        """Return the other scorer's probabilities."""
        return self.scorer.probabilities(rows)


def recut(pack: Pack, points: Mapping[str, OperatingPoint]) -> Pack:
    """Return the pack with the cuts of operating points; its version says so, since runs depend on it."""
    target = next((f"+precision{point.target:g}" for point in points.values()), "")
    cuts = {system: point.cut for system, point in points.items()}
    # Below a cut that was asked for nothing is preselected.
    return replace(pack, version=pack.version + target, scorer=Recut(pack.scorer, cuts), lone_share=1.0)
