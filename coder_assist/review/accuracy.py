"""How accurate the tool and the coders are, out of facts: every number with its interval and its encounters.

Intervals are for encounters drawn as wholes (``measure.clustered_share``); where encounters were drawn with
unequal chances, each counts by the inverse of its chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from coder_assist.measure import (
    BINS,
    LEAST_SCORE,
    Agreement,
    Share,
    agreement,
    bootstrap,
    calibration_error,
    clustered_share,
    kappa,
)
from coder_assist.review.facts import CodeFact, DecisionFact, EncounterFact, Facts
from coder_assist.review.measures import Codes, Measure, Scope, code_key
from coder_assist.review.states import AuditVerdict
from coder_assist.types import System, Verdict, Via

# What numbers are broken down by: columns of encounters, and columns of codes.
BY_ENCOUNTER = ("setting", "specialty", "coder", "pack", "month")
BY_CODE = ("chapter", "section", "code")


@dataclass(frozen=True, slots=True)
class Number:
    """A measure over some encounters: its share, the encounters behind it, and those where something is wrong."""

    measure: Measure
    share: Share
    encounters: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Facts by encounter, ready to be counted."""

    encounters: tuple[EncounterFact, ...]
    codes: Mapping[str, Codes]

    @classmethod
    def of(cls, facts: Facts) -> Ledger:
        """Sort the codes by encounter."""
        codes: defaultdict[str, list[CodeFact]] = defaultdict(list)
        for code in facts.codes:
            codes[code.encounter].append(code)
        return cls(facts.encounters, codes)

    def within(self, scope: Scope) -> list[EncounterFact]:
        """Return the encounters that a scope counts."""
        return [
            encounter
            for encounter in self.encounters
            if scope is Scope.ALL
            or (scope is Scope.AUDITED and encounter.audit is not None)
            or (scope is Scope.SECOND and encounter.second_coder is not None)
        ]

    def number(self, measure: Measure, only: Callable[[EncounterFact], bool] | None = None) -> Number:
        """Return a measure over all encounters of its scope, or some of them."""
        counted = [e for e in self.within(measure.scope) if only is None or only(e)]
        return _number(measure, [(e, self.codes.get(e.encounter, ())) for e in counted])

    def parts(self, measure: Measure, by: str) -> dict[str, Number]:
        """Return a measure by a column of encounters or of codes; parts without anything to count are left out.

        By a column of codes only measures of codes can be taken.
        """
        gathered: defaultdict[str, dict[str, tuple[EncounterFact, list[CodeFact]]]] = defaultdict(dict)
        for encounter in self.within(measure.scope):
            codes = self.codes.get(encounter.encounter, ())
            if by in BY_ENCOUNTER:
                gathered[getattr(encounter, by)][encounter.encounter] = (encounter, list(codes))
                continue
            for code in codes:
                part = gathered[getattr(code, by)]
                part.setdefault(encounter.encounter, (encounter, []))[1].append(code)
        numbers = {name: _number(measure, list(part.values())) for name, part in sorted(gathered.items())}
        return {name: number for name, number in numbers.items() if number.share.total}


def _number(measure: Measure, counted: Sequence[tuple[EncounterFact, Codes]]) -> Number:
    counts = [measure.count(encounter, codes) for encounter, codes in counted]
    weights = [e.weight for e, _ in counted] if measure.scope is Scope.AUDITED else None
    behind = [
        (encounter.encounter, hits > 0 if measure.faults else hits < total)
        for (encounter, _), (hits, total) in zip(counted, counts, strict=True)
        if total
    ]
    return Number(
        measure,
        clustered_share(counts, weights),
        tuple(id for id, _ in behind),
        tuple(id for id, is_wrong in behind if is_wrong),
    )


# --- other numbers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something was, and in which encounters."""

    count: int
    encounters: tuple[str, ...]


def tallies(rows: Sequence[tuple[str, str]]) -> dict[str, Tally]:
    """Count ``(what, encounter)`` pairs, most frequent first."""
    counts = Counter(what for what, _ in rows)
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for what, encounter in rows:
        ids[what].add(encounter)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {what: Tally(count, tuple(sorted(ids[what]))) for what, count in ordered}


def errors_by_kind(facts: Facts) -> dict[str, Tally]:
    """Count the errors that audits settled, by the taxonomy."""
    return tallies([(code.error, code.encounter) for code in facts.codes if code.error])


def rebuttals(facts: Facts) -> dict[str, Tally]:
    """Count what became of overturns: not answered, answered and upheld, answered and taken back."""
    rows = []
    for finding in facts.findings:
        if finding.verdict == AuditVerdict.OVERTURN:
            held = "upheld" if finding.final == AuditVerdict.OVERTURN else "taken back"
            rows.append(
                (f"rebutted, {held}" if finding.rebutted else f"not rebutted, {held}", finding.encounter)
            )
    return tallies(rows)


def verdicts(facts: Facts) -> dict[str, Tally]:
    """Count the coders' standing answers to suggestions; ``not reviewed`` where there is none."""
    return tallies(
        [(c.verdict or "not reviewed", c.encounter) for c in facts.codes if c.probability is not None]
    )


def reasons(facts: Facts) -> dict[str, Tally]:
    """Count why suggestions were rejected."""
    return tallies([(c.reason, c.encounter) for c in facts.codes if c.probability is not None and c.reason])


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from a code shown to the decision about it: how many decisions, quartiles, 90th percentile."""

    count: int
    lower: float
    median: float
    upper: float
    ninetieth: float
    encounters: tuple[str, ...]


def counted_for_time(decision: DecisionFact) -> bool:
    """Say whether a decision's time says how long a decision takes: not in bulk, not taken back."""
    return decision.via != Via.BULK and decision.verdict != Verdict.UNDO and not decision.undone


def times(facts: Facts, by: str) -> dict[str, Times]:
    """Return the times of decisions by a column of decisions (``verdict``, ``reviewer``, ``month`` ...)."""
    gathered: defaultdict[str, list[DecisionFact]] = defaultdict(list)
    for decision in facts.decisions:
        if counted_for_time(decision):
            gathered[getattr(decision, by)].append(decision)
    result = {}
    for part, some in sorted(gathered.items()):
        seconds = [decision.seconds for decision in some]
        cuts = quantiles(seconds, n=20, method="inclusive") if len(seconds) > 1 else seconds * 19
        ids = tuple(sorted({decision.encounter for decision in some}))
        result[part] = Times(len(seconds), cuts[4], cuts[9], cuts[14], cuts[17], ids)
    return result


TIMES_QUERY = (
    "SELECT {by} AS part, count(*) AS count, quantile_cont(seconds, [0.25, 0.5, 0.75, 0.9]) AS seconds "
    "FROM decision_rows WHERE via <> 'bulk' AND verdict <> 'undo' AND NOT undone GROUP BY part ORDER BY part"
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probabilities against what became of them: the points, their expected calibration error, encounters.

    ``by_bin`` are the encounters of each bin of ``measure.reliability``.
    """

    points: tuple[tuple[float, float], ...]
    error: float | None
    encounters: tuple[str, ...]
    by_bin: tuple[tuple[str, ...], ...]


def calibration(ledger: Ledger, scope: Scope) -> Calibration:
    """Return how calibrated the suggestions of at least ``LEAST_SCORE`` are that the review judged."""
    owned = [
        (code.probability, float(code.right), encounter.encounter)
        for encounter in ledger.within(scope)
        for code in ledger.codes.get(encounter.encounter, ())
        if code.probability is not None and code.probability >= LEAST_SCORE and code.right is not None
    ]
    ordered = sorted(owned)
    bins = [ordered[b * len(ordered) // BINS : (b + 1) * len(ordered) // BINS] for b in range(BINS)]
    points = tuple((p, y) for p, y, _ in owned)
    return Calibration(
        points,
        calibration_error(points),
        tuple(dict.fromkeys(id for _, _, id in owned)),
        tuple(tuple(sorted({id for _, _, id in part})) for part in bins if part),
    )


@dataclass(frozen=True, slots=True)
class AgreementOf:
    """How a coder and a blinded second reader agree, for a level (exact codes or categories).

    ``kappa_interval`` is the bootstrap's over encounters. ``first`` is Cohen's kappa of the first-listed
    diagnosis, ``first_percent`` how often it is the same.
    """

    level: str
    counts: Agreement
    kappa_interval: tuple[float, float] | None
    first: float | None
    first_percent: float | None
    encounters: tuple[str, ...]


def agreements(ledger: Ledger) -> dict[str, tuple[AgreementOf, AgreementOf]]:
    """Return the agreement of coders with second readers, over all and by the second reader's role."""
    compared = ledger.within(Scope.SECOND)
    groups: dict[str, list[EncounterFact]] = {"all": compared} if compared else {}
    for role in sorted({encounter.second_role or "unknown" for encounter in compared}):
        groups[f"coder and {role}"] = [e for e in compared if (e.second_role or "unknown") == role]
    return {
        name: (_agreement(ledger, some, False), _agreement(ledger, some, True))
        for name, some in groups.items()
    }


def _agreement(ledger: Ledger, some: Sequence[EncounterFact], category: bool) -> AgreementOf:
    pairs, firsts = [], []
    for encounter in some:
        codes = ledger.codes.get(encounter.encounter, ())
        named = ["/".join(code_key(code, category)) for code in codes]
        pairs.append(
            (
                frozenset(n for n, c in zip(named, codes, strict=True) if c.submitted),
                frozenset(n for n, c in zip(named, codes, strict=True) if c.second),
            )
        )
        first = [
            n for n, c in zip(named, codes, strict=True) if c.submitted_first and c.system == System.ICD10CM
        ]
        second = [n for n, c in zip(named, codes, strict=True) if c.second_first]
        if first or second:
            firsts.append((first[0] if first else "", second[0] if second else ""))
    known = len({name for one, other in pairs for name in one | other})
    return AgreementOf(
        "category" if category else "code",
        agreement(pairs),
        bootstrap(pairs, lambda drawn: agreement(drawn, known).kappa, rounds=500),
        kappa([one for one, _ in firsts], [other for _, other in firsts]),
        sum(a == b for a, b in firsts) / len(firsts) if firsts else None,
        tuple(encounter.encounter for encounter in some),
    )
