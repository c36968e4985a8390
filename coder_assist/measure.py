"""How good suggestions are: metrics, intervals, agreement and calibration, as pure functions.

``score`` takes gold and predicted lines of the machine interface and returns the metrics that the
README quotes. An optional gold code is neutral: proposing it is no error, missing it is none. Codes
that the gold leaves out on purpose (E/M, anesthesia, drug supply) are neutral too. Every gold note
counts, also one without codes; a note without predictions has proposed nothing.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

Line = Mapping[str, Any]
Item = TypeVar("Item")

LONGEST_EVIDENCE = 200
ALTERNATIVES = 9
LEAST_SCORE = 0.05
BINS = 10
RECALL_AT = (5, 10, 20)
Z = 1.959964  # 95 % of a normal distribution lie within so many standard deviations


class Part(StrEnum):
    """What a breakdown goes by."""

    CHAPTER = "chapter"
    SECTION = "section"
    SETTING = "setting"
    SPECIALTY = "specialty"
    CORPUS = "corpus"


@dataclass(frozen=True, slots=True)
class NoteScore:
    """The countable outcome of one note for one system; sums of these give the micro metrics."""

    note_id: str
    required: int
    selected: int
    hits: int
    reached: int
    in_top: Mapping[int, int]
    average_precision: float | None
    evidence_possible: int
    evidence_hits: int
    category_required: int
    category_selected: int
    category_hits: int
    has_primary: bool
    primary_first: bool
    points: tuple[tuple[float, float], ...] = field(default=())

    @property
    def f1(self) -> float:
        """The note's own F1; 1 where nothing was required and nothing proposed."""
        if not self.required and not self.selected:
            return 1.0
        return round(2 * self.hits / (self.selected + self.required), 4)


@dataclass(frozen=True, slots=True)
class Scores:
    """The metrics of a set of notes for one system; ``None`` where a metric has nothing to count."""

    system: str
    notes: int
    required: int
    selected: int
    precision: float | None
    recall: float | None
    f1: float | None
    f1_category: float | None
    f1_macro_notes: float | None
    map: float | None
    recall_at_5: float | None
    recall_at_10: float | None
    recall_at_20: float | None
    reach: float | None
    evidence: float | None
    first_listed: float | None
    ece: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics by name."""
        return asdict(self)


def left_out(system: str, code: str) -> bool:
    """Say whether the gold leaves a code out on purpose: E/M, anesthesia, drug supply."""
    if system == "CPT" and code.isdigit():
        return 100 <= int(code) <= 1999 or 99202 <= int(code) <= 99499
    return system == "HCPCS" and code.startswith("J")


def meets(system: str, gold: str, code: str) -> bool:
    """Say whether a code meets a gold code: equal, or below a four-character ICD-10-PCS table."""
    return gold == code or (system == "ICD-10-PCS" and len(gold) == 4 and code.startswith(gold))


def _pairs(system: str, golds: Sequence[str], ranked: Sequence[Line]) -> list[tuple[str, int]]:
    """Pair gold codes with ranked suggestions one to one: ``(gold, index of the suggestion)``."""
    open_golds = list(golds)
    pairs = []
    for index, suggestion in enumerate(ranked):
        code = suggestion["code"]
        gold = code if code in open_golds else next((g for g in open_golds if meets(system, g, code)), None)
        if gold is not None:
            open_golds.remove(gold)
            pairs.append((gold, index))
    return pairs


def score_note(system: str, gold: Line, prediction: Line | None) -> NoteScore:
    """Score one note for one system. ``prediction`` may be ``None``: nothing was proposed."""
    codes = [code for code in gold["codes"] if code["system"] == system]
    required = [code["code"] for code in codes if code["status"] == "required"]
    optional = [code["code"] for code in codes if code["status"] != "required"]
    proposed = [s for s in (prediction or {}).get("suggestions", ()) if s["system"] == system]
    ranked = sorted(proposed, key=lambda s: -s["score"])
    listed = [s for s in ranked if s.get("selected")]
    found = {index for _, index in _pairs(system, required, ranked)}
    neutral = [
        index not in found
        and (left_out(system, s["code"]) or any(meets(system, o, s["code"]) for o in optional))
        for index, s in enumerate(ranked)
    ]
    counted = [s for s, skip in zip(ranked, neutral, strict=True) if not skip]
    right = [index in found for index, skip in enumerate(neutral) if not skip]
    selected = [s for s in counted if s.get("selected")]
    hits = _pairs(system, required, selected)
    near = [code for s in listed for code in (s["code"], *s.get("alternatives", ())[:ALTERNATIVES])]
    possible = located = 0
    for code, index in hits:
        spans = [span for c in codes if c["code"] == code for span in c.get("evidence", ())]
        if spans:
            possible += 1
            located += any(
                _touches(mine, span) for mine in selected[index].get("evidence", ()) for span in spans
            )
    precisions = [
        (n + 1) / (rank + 1) for n, rank in enumerate(i for i, is_right in enumerate(right) if is_right)
    ]
    required_categories = {code[:3] for code in required}
    selected_categories = {s["code"][:3] for s in listed} - ({o[:3] for o in optional} - required_categories)
    primary = [code["code"] for code in codes if code.get("primary")]
    in_order = sorted((s for s in listed if s.get("sequence")), key=lambda s: s["sequence"]) or listed
    return NoteScore(
        note_id=gold["id"],
        required=len(required),
        selected=len(selected),
        hits=len(hits),
        reached=sum(any(meets(system, r, n) for n in near) for r in required),
        in_top={k: len(_pairs(system, required, counted[:k])) for k in RECALL_AT},
        average_precision=sum(precisions) / len(required) if required else None,
        evidence_possible=possible,
        evidence_hits=located,
        category_required=len(required_categories),
        category_selected=len(selected_categories),
        category_hits=len(required_categories & selected_categories),
        has_primary=bool(primary),
        primary_first=bool(primary) and [s["code"] for s in in_order[:1]] == primary[:1],
        points=tuple(
            (float(s["score"]), float(is_right))
            for s, is_right in zip(counted, right, strict=True)
            if s["score"] >= LEAST_SCORE
        ),
    )


def _touches(mine: Line, gold: Line) -> bool:
    short = mine["end"] - mine["start"] <= LONGEST_EVIDENCE
    return bool(short and mine["start"] < gold["end"] and gold["start"] < mine["end"])


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def summarize(system: str, notes: Sequence[NoteScore]) -> Scores:
    """Sum the scores of notes into the metrics of a set."""
    required, selected = sum(n.required for n in notes), sum(n.selected for n in notes)
    hits = sum(n.hits for n in notes)
    averages = [n.average_precision for n in notes if n.average_precision is not None]
    categories = sum(n.category_selected + n.category_required for n in notes)
    primaries = sum(n.has_primary for n in notes)
    at = {k: _ratio(sum(n.in_top[k] for n in notes), required) for k in RECALL_AT}
    return Scores(
        system=system,
        notes=len(notes),
        required=required,
        selected=selected,
        precision=_ratio(hits, selected),
        recall=_ratio(hits, required),
        f1=_ratio(2 * hits, selected + required),
        f1_category=_ratio(2 * sum(n.category_hits for n in notes), categories)
        if system == "ICD-10-CM"
        else None,
        f1_macro_notes=_ratio(sum(n.f1 for n in notes), len(notes)),
        map=_ratio(sum(averages), len(averages)),
        recall_at_5=at[5],
        recall_at_10=at[10],
        recall_at_20=at[20],
        reach=_ratio(sum(n.reached for n in notes), required),
        evidence=_ratio(sum(n.evidence_hits for n in notes), sum(n.evidence_possible for n in notes)),
        first_listed=_ratio(sum(n.primary_first for n in notes), primaries),
        ece=calibration_error([point for n in notes for point in n.points]),
    )


def score_notes(system: str, gold: Sequence[Line], predictions: Mapping[str, Line]) -> list[NoteScore]:
    """Score each gold note for one system; ``predictions`` maps note ids to prediction lines."""
    return [score_note(system, line, predictions.get(line["id"])) for line in gold]


def score(system: str, gold: Sequence[Line], predictions: Mapping[str, Line]) -> Scores:
    """Return the metrics of one system over gold lines; ``predictions`` maps note ids to lines."""
    return summarize(system, score_notes(system, gold, predictions))


def calibration_error(points: Sequence[tuple[float, float]], bins: int = BINS) -> float | None:
    """Return the expected calibration error of ``(probability, 0 or 1)`` points, bins of equal count."""
    ordered = sorted(points)
    if not ordered:
        return None
    total = 0.0
    for b in range(bins):
        part = ordered[b * len(ordered) // bins : (b + 1) * len(ordered) // bins]
        total += abs(sum(p for p, _ in part) - sum(y for _, y in part)) if part else 0.0
    return round(total / len(ordered), 4)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """A bin of a reliability table: how many points, their mean probability, the share that was right."""

    count: int
    mean_probability: float
    share_right: float


def reliability(points: Sequence[tuple[float, float]], bins: int = BINS) -> list[ReliabilityBin]:
    """Return the reliability table over bins of equal count, lowest probabilities first; empty bins left out."""
    ordered = sorted(points)
    table = []
    for b in range(bins):
        part = ordered[b * len(ordered) // bins : (b + 1) * len(ordered) // bins]
        if part:
            count = len(part)
            table.append(
                ReliabilityBin(count, sum(p for p, _ in part) / count, sum(y for _, y in part) / count)
            )
    return table


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What preselecting from a probability of ``cut`` on would give: so many selected, so many right."""

    cut: float
    selected: int
    hits: int

    @property
    def precision(self) -> float | None:
        """The share of the selected that is right; ``None`` if none is selected."""
        return _ratio(self.hits, self.selected)


def precision_curve(points: Sequence[tuple[float, float]], steps: int = 100) -> list[CurvePoint]:
    """Return what each cut would give over ``(probability, 0 or 1)`` points, lowest cut first.

    Cuts are the multiples of 1 / ``steps`` from ``LEAST_SCORE`` on up to, not including, 1.

    >>> [(p.selected, p.hits) for p in precision_curve([(0.2, 0), (0.6, 1), (0.9, 1)], steps=4)]
    [(2, 2), (2, 2), (1, 1)]
    """
    ordered = sorted(points, reverse=True)
    curve = []
    taken = hits = 0
    for step in range(steps - 1, 0, -1):
        cut = step / steps
        if cut < LEAST_SCORE:
            break
        while taken < len(ordered) and ordered[taken][0] >= cut:
            hits += int(ordered[taken][1])
            taken += 1
        curve.append(CurvePoint(cut, taken, hits))
    return curve[::-1]


def cut_for(curve: Sequence[CurvePoint], target: float) -> CurvePoint | None:
    """Return the lowest cut whose precision is at least ``target``, which keeps the most codes.

    ``None`` if no cut reaches it. Raises ``ValueError`` unless 0 < target <= 1.
    """
    if not 0 < target <= 1:
        raise ValueError(f"target must be above 0 and at most 1; got {target}")
    return next((p for p in curve if p.selected and p.hits >= target * p.selected), None)


def wilson(hits: float, total: float, z: float = Z) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (95 % unless ``z`` says otherwise); (0, 1) for none.

    Wilson, J Am Stat Assoc 1927. ``total`` may be an effective sample size, which is no whole number.
    Raises ``ValueError`` unless 0 <= hits <= total.
    """
    if not 0 <= hits <= total:
        raise ValueError(f"expected 0 <= hits <= total; got hits={hits}, total={total}")
    if total == 0:
        return 0.0, 1.0
    share = hits / total
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    middle, scale = share + z * z / (2 * total), 1 + z * z / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion of things that come in units (codes in encounters), with its interval.

    ``hits`` and ``total`` are plain counts; ``value`` is weighted where the units were. It is ``None``, and
    the interval (0, 1), where there is nothing to count.
    """

    hits: int
    total: int
    units: int
    value: float | None
    low: float
    high: float


def clustered_share(
    units: Sequence[tuple[int, int]], weights: Sequence[float] | None = None, z: float = Z
) -> Share:
    """Return the share of ``(hits, total)`` over units that were drawn as wholes.

    Codes of one encounter are right or wrong together, so they say less than as many independent ones. The
    ratio's variance is linearised over the units (Cochran, Sampling Techniques, 6.3), turned into an
    effective sample size, lessened for few units by Student's t, never above the count (Korn and Graubard,
    Survey Methodology 1998), and given to Wilson's interval. ``weights`` are inverse chances of having been
    drawn. Where all units agree the variance is unknown; then Kish's count of the weights stands in for it.

    >>> share = clustered_share([(3, 4), (4, 4), (2, 4)])
    >>> share.hits, share.total, share.value
    (9, 12, 0.75)
    """
    weights = [1.0] * len(units) if weights is None else weights
    drawn = [(hits, total, weight) for (hits, total), weight in zip(units, weights, strict=True) if total]
    if not drawn:
        return Share(0, 0, 0, None, 0.0, 1.0)
    hits, total = sum(h for h, _, _ in drawn), sum(t for _, t, _ in drawn)
    size = sum(w * t for _, t, w in drawn)
    value = min(1.0, sum(w * h for h, _, w in drawn) / size)
    count = len(drawn)
    effective = size * size / sum(w * w * t for _, t, w in drawn)
    spread = sum((w * (h - value * t)) ** 2 for h, t, w in drawn)
    if count > 1 and 0 < value < 1 and spread > 0:
        variance = count / (count - 1) * spread / (size * size)
        effective = min(effective, value * (1 - value) / variance * (z / student(z, count - 1)) ** 2)
    low, high = wilson(value * effective, effective, z)
    return Share(hits, total, count, value, low, high)


def student(z: float, freedom: int) -> float:
    """Return the quantile of Student's t that belongs to a normal one (Hill's expansion, good from 3 on)."""
    if freedom < 3:
        freedom = 3
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def bootstrap(
    notes: Sequence[Item],
    metric: Callable[[Sequence[Item]], float | None],
    rounds: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of a metric, notes (or other units) drawn with replacement.

    ``None`` where the metric is undefined for every draw. The same seed gives the same interval.
    """
    chance = random.Random(seed)  # noqa: S311 - statistics, not secrets
    drawn = (metric(chance.choices(notes, k=len(notes))) for _ in range(rounds if notes else 0))
    values = sorted(value for value in drawn if value is not None)
    if not values:
        return None
    tail = (1 - level) / 2
    return values[int(tail * len(values))], values[min(len(values) - 1, int((1 - tail) * len(values)))]


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Return Cohen's kappa of two raters' answers (yes or no, or names) over the same items; ``None`` without any.

    1 where both give one and the same answer throughout. Cohen, Educ Psychol Meas 1960. Raises ``ValueError``
    for unequal lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"expected as many answers of both raters; got {len(first)} and {len(second)}")
    if not first:
        return None
    total = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / total
    others = Counter(second)
    chance = sum(count * others[answer] for answer, count in Counter(first).items()) / total**2
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two coders' sets agree over the same encounters, counted over pairs of encounter and code.

    ``neither`` counts, for every encounter, the codes that somebody gave to another encounter of the set
    and nobody to this one.
    """

    encounters: int
    both: int
    only_first: int
    only_second: int
    neither: int
    identical: int

    @property
    def percent(self) -> float | None:
        """Of the codes that at least one gave, the share that both gave; ``None`` if nobody gave any."""
        given = self.both + self.only_first + self.only_second
        return self.both / given if given else None

    @property
    def same_sets(self) -> float | None:
        """The share of encounters where both gave exactly the same codes."""
        return self.identical / self.encounters if self.encounters else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of "this encounter has this code"; ``None`` without a code to ask about."""
        total = self.both + self.only_first + self.only_second + self.neither
        if not total:
            return None
        first, second = (self.both + self.only_first) / total, (self.both + self.only_second) / total
        chance = first * second + (1 - first) * (1 - second)
        return 1.0 if chance == 1 else ((self.both + self.neither) / total - chance) / (1 - chance)


def agreement(
    pairs: Iterable[tuple[Collection[str], Collection[str]]], codes: int | None = None
) -> Agreement:
    """Compare two coders' code sets, an encounter a pair.

    Cohen's kappa knows one answer per item, coding gives several codes to an encounter. Here the items are
    all pairs of an encounter and a code, of the codes that one of the two gave to any of the encounters, and
    the answer is whether the code was given. ``codes`` is that number of codes where it is known from a
    larger set than ``pairs`` (a bootstrap keeps it fixed).

    >>> agreement([({"E11.9", "I10"}, {"E11.9"}), ({"I10"}, {"I10"})]).both
    2
    """
    seen: set[str] = set()
    encounters = both = only_first = only_second = identical = 0
    for one, other in pairs:
        first, second = set(one), set(other)
        seen |= first | second
        encounters += 1
        both += len(first & second)
        only_first += len(first - second)
        only_second += len(second - first)
        identical += first == second
    neither = encounters * (len(seen) if codes is None else codes) - both - only_first - only_second
    return Agreement(encounters, both, only_first, only_second, neither, identical)
