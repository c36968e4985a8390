"""A simulated year of coding with known rates, to see whether the accuracy report finds them again.

    python -m benchmarks.simulate --seeds 200            coverage of the intervals, alarms with and without drift
    python -m benchmarks.simulate --store DIR            play a small year through the store, into DIR

Everything follows from the seed. Codes that are right are drawn first, with the tool's (calibrated)
probabilities; then coders miss, mistake and add codes at known rates; auditors find every error. Encounters
differ in how hard they are, so that errors come in clusters as in life.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from coder_assist.review.accuracy import Ledger
from coder_assist.review.drift import Kind, compare, halves
from coder_assist.review.facts import CodeFact, EncounterFact, Facts, category
from coder_assist.review.measures import CODERS, SUGGESTIONS_AUDITED
from coder_assist.review.sampling import Case, draw, inclusion, risk_of
from coder_assist.review.states import SampleKind
from coder_assist.types import Code, System

START = datetime(2026, 1, 1, tzinfo=UTC)
PACK, SECTION = "simulated@1", "assessment"
# A code, and the sibling that a coder mistakes it for.
PAIRS = tuple(
    (Code(System.ICD10CM, code), Code(System.ICD10CM, sibling))
    for code, sibling in (
        pair.split("/")
        for pair in (
            "E11.9/E11.65 I10/I11.9 J45.909/J45.901 N18.30/N18.31 M54.50/M54.59 K21.9/K21.00 E78.5/E78.2 "
            "F41.1/F41.9 F32.A/F32.9 J44.9/J44.1 I48.91/I48.0 I25.10/I25.119 N39.0/N30.00 R07.9/R07.89 "
            "M17.11/M17.12 M25.561/M25.562 S52.501A/S52.502A J06.9/J02.9 G43.909/G43.901 E03.9/E03.8 "
            "D50.9/D50.0 Z79.4/Z79.84 Z87.891/F17.210 E66.9/E66.01 G47.33/G47.30 L03.115/L03.116 "
            "H10.9/H10.31 K59.00/K59.09 M10.9/M10.072 I50.9/I50.22 J18.9/J15.9 A41.9/A41.51 N17.9/N17.0"
        ).split()
    )
)
SIBLING = dict(PAIRS)
WAVE = Code(System.ICD10CM, "J18.9")


@dataclass(frozen=True)
class Rates:
    """A coder's chances, per code that is right: to miss it, to mistake it, to add a wrong one beside it."""

    missed: float = 0.03
    mistaken: float = 0.02
    unsupported: float = 0.025

    @property
    def planted(self) -> dict[str, float]:
        """What the report should find, by measure."""
        right, submitted = 1 - self.missed - self.mistaken, 1 - self.missed + self.unsupported
        return {
            "code_accuracy": right / (1 + self.unsupported),
            "coder_precision": right / submitted,
            "coder_recall": right,
            "coder_f1": 2 * right / (submitted + 1),
            "over_coding": self.unsupported / submitted,
            "under_coding": self.missed,
        }


@dataclass(frozen=True)
class Plan:
    """What a simulated year is made of. From ``drift_at`` on (a share of the year) the drifts work."""

    encounters: int = 1200
    audited: int = 200
    sample: SampleKind = SampleKind.RANDOM
    second: int = 0
    coders: tuple[tuple[str, Rates], ...] = (("ana", Rates()), ("ben", Rates()))
    drift_at: float = 0.5
    wave: float = 1.0
    score_shift: float = 0.0
    new_words: int = 0
    # Codes that the tool does not propose, by proposed candidate; half of the candidates are likely ones.
    unproposed: float = 0.03

    @property
    def planted_suggestions(self) -> dict[str, float]:
        """What the report should find of the tool, where nothing shifts its scores."""
        likely, unlikely = 0.5 * 0.85, 0.5 * 0.175
        return {
            "audited_suggestion_precision": 0.85,
            "audited_suggestion_recall": likely / (likely + unlikely + self.unproposed),
        }


@dataclass
class Simulated:
    """A simulated encounter: what is right, what the tool proposed, what the coder and others made of it."""

    id: str
    at: datetime
    coder: str
    truth: list[Code]
    suggested: list[tuple[Code, float]]
    submitted: list[Code]
    errors: dict[Code, tuple[str, Code | None]]
    words: frozenset[str]
    second: list[Code] | None = None
    weight: float | None = None

    def case(self) -> Case:
        """Return the encounter as a sample sees it."""
        scores = dict(self.suggested)
        accepted = [scores[code] for code in self.submitted if code in scores]
        added = sum(code not in scores for code in self.submitted)
        overruled = [p for code, p in self.suggested if p >= 0.5 and code not in self.submitted]
        return Case(self.id, 0, (self.coder,), risk_of(accepted, 0, 0, added, overruled))


@dataclass
class Year:
    """A simulated year."""

    plan: Plan
    seed: int
    cases: list[Simulated] = field(default_factory=list)

    @property
    def words(self) -> dict[str, frozenset[str]]:
        """The words of each encounter's notes."""
        return {case.id: case.words for case in self.cases}


def simulate(plan: Plan, seed: int) -> Year:
    """Return the year of a plan; the same seed gives the same year."""
    chance = random.Random(seed)
    year = Year(plan, seed)
    for number in range(plan.encounters):
        moment = number / plan.encounters
        year.cases.append(_encounter(plan, chance, number, moment, drifted=moment >= plan.drift_at))
    drawn_from = [case.case() for case in year.cases]
    chances = inclusion(drawn_from, plan.sample, plan.audited)
    by_id = {case.id: case for case in year.cases}
    for place, drawn in enumerate(draw(drawn_from, plan.sample, plan.audited, seed)):
        case = by_id[drawn.encounter_id]
        case.weight = 1 / chances[case.id]
        if place < plan.second:
            case.second = _coded(chance, case.truth, Rates(0.05, 0.05, 0.03), 1.0)[0]
    return year


def _encounter(plan: Plan, chance: random.Random, number: int, moment: float, drifted: bool) -> Simulated:
    weights = [
        1 / (rank + 2) * (plan.wave if drifted and code == WAVE else 1)
        for rank, (code, _) in enumerate(PAIRS)
    ]
    pool = [code for code, _ in PAIRS]
    # Efraimidis and Spirakis' draw without replacement.
    keyed = sorted(pool, key=lambda code: -(chance.random() ** (1 / weights[pool.index(code)])))
    count = chance.randint(2, 9)
    truth, suggested = [], []
    for code in keyed[:count]:
        likely = chance.random() < 0.5
        p = chance.uniform(0.7, 1.0) if likely else chance.uniform(0.05, 0.3)
        if chance.random() < p:
            truth.append(code)
        if drifted and plan.score_shift and p >= 0.5:
            p = max(0.5, p - plan.score_shift)
        suggested.append((code, round(p, 4)))
        if chance.random() < plan.unproposed:
            truth.append(keyed[len(pool) - 1 - len(truth)])
    truth = list(dict.fromkeys(truth))
    suggested.sort(key=lambda pair: -pair[1])
    coder, rates = plan.coders[number % len(plan.coders)]
    hardness = chance.choice((0.4, 0.4, 1.0, 2.2))  # mean 1
    submitted, errors = _coded(chance, truth, rates, hardness)
    words = {f"w{chance.randint(1, 400)}" for _ in range(40)}
    if drifted and plan.new_words:
        words |= {f"new{chance.randint(1, plan.new_words)}" for _ in range(2)}
    at = START + timedelta(days=364 * moment, minutes=number % 60)
    return Simulated(f"s{number:05d}", at, coder, truth, suggested, submitted, errors, frozenset(words))


def _coded(
    chance: random.Random, truth: Sequence[Code], rates: Rates, hardness: float
) -> tuple[list[Code], dict[Code, tuple[str, Code | None]]]:
    """Return what somebody codes who should code ``truth``, and the errors: the kind, and the right code."""
    submitted: list[Code] = []
    errors: dict[Code, tuple[str, Code | None]] = {}
    free = [s for code, s in PAIRS if code not in truth]
    for code in truth:
        luck = chance.random()
        if luck < rates.missed * hardness:
            errors[code] = ("missed", None)
        elif luck < (rates.missed + rates.mistaken) * hardness:
            submitted.append(SIBLING[code])
            errors[SIBLING[code]] = ("wrong_specificity", code)
        else:
            submitted.append(code)
        if chance.random() < rates.unsupported * hardness:
            wrong = free.pop(chance.randrange(len(free)))
            submitted.append(wrong)
            errors[wrong] = ("unsupported", None)
    return submitted, errors


def facts_of(year: Year) -> Facts:
    """Return the facts that the store would give of a year, without the detour."""
    encounters, codes = [], []
    for case in year.cases:
        encounter, own = _facts(case)
        encounters.append(encounter)
        codes += own
    until = START + timedelta(days=365)
    return Facts(START, until, tuple(encounters), tuple(codes), (), ())


def _facts(case: Simulated) -> tuple[EncounterFact, list[CodeFact]]:
    audited = case.weight is not None
    scores = dict(case.suggested)
    final = set(case.truth) if audited else set(case.submitted)
    first = next(iter(case.submitted), None)
    wrong_first = audited and (first in case.errors or (first is None and bool(case.truth)))
    final_first = case.errors[first][1] if first is not None and wrong_first else first
    tool_first = next((code for code, p in case.suggested if p >= 0.5), None)
    facts = []
    for code in sorted({*scores, *case.submitted, *final, *(case.second or ())}):
        p = scores.get(code)
        selected = p is not None and p >= 0.5
        if code in case.submitted:
            verdict = "accept" if p is not None else "add"
        else:
            verdict = "reject" if selected else ""
        right: bool | None = False if audited or verdict == "reject" else None
        if code in final:
            right = True
        elif code in case.submitted:
            right = False
        facts.append(
            CodeFact(
                encounter=case.id,
                system=code.system.value,
                code=code.value,
                category=category(code.system, code.value),
                chapter=code.value[0],
                section=SECTION if p is not None else "",
                probability=p,
                selected=selected,
                verdict=verdict,
                reason="not_supported" if verdict == "reject" else "",
                via={"accept": "single", "reject": "single", "add": "search", "": ""}[verdict],
                submitted=code in case.submitted,
                submitted_first=code == first,
                final=code in final,
                right=right,
                error=case.errors[code][0] if audited and code in case.errors else "",
                second=code in case.second if case.second is not None else None,
                second_first=code == next(iter(case.second), None) if case.second is not None else None,
            )
        )
    return EncounterFact(
        encounter=case.id,
        submission=0,
        coder=case.coder,
        at=case.at,
        month=case.at.strftime("%Y-%m"),
        setting="outpatient",
        specialty="not stated",
        pack=PACK,
        code_books='{"ICD-10-CM": "2026"}',
        lexicon="simulated",
        rules="simulated",
        software="simulated",
        audit=1 if audited else None,
        audit_kind="random" if audited else None,
        auditor="aud" if audited else None,
        weight=case.weight or 1.0,
        second_coder="aud" if case.second is not None else None,
        second_role="auditor" if case.second is not None else None,
        codes=len(case.submitted),
        errors=len(case.errors) if audited else None,
        fully_correct=not case.errors if audited else None,
        first_right=not wrong_first if audited and (case.submitted or case.truth) else None,
        suggested_first_right=tool_first == final_first if final_first is not None else None,
        seconds=None,
    ), facts


# --- through the store --------------------------------------------------------------------------------


def note_of(case: Simulated) -> str:
    """Return a note in which every proposed code has its words."""
    lines = [f"finding {code.value} is discussed." for code, _ in case.suggested]
    return "ASSESSMENT:\n" + "\n".join(lines) + "\n" + " ".join(sorted(case.words)) + f"\nEnd of {case.id}."


def play(year: Year, directory: Path) -> Path:
    """Let people live a year through the store; return the database's file."""
    from coder_assist.review.database import Database
    from coder_assist.review.importing import from_records
    from coder_assist.review.records import Actor, NewAuditFinding, NewDecision, Sample
    from coder_assist.review.states import AuditError, AuditVerdict, Role
    from coder_assist.review.store import Store
    from coder_assist.review.tables import UserRow
    from coder_assist.types import Evidence, Run, SectionKind, Span, Suggestion, Verdict, Via

    directory.mkdir(parents=True, exist_ok=True)
    database = Database.connect(f"sqlite:///{directory / 'review.sqlite'}")
    database.upgrade()
    moment = START
    store = Store(database, clock=lambda: moment)
    auditor, admin = Actor("aud", Role.AUDITOR), Actor("ada", Role.ADMIN)
    people = [auditor, admin, *(Actor(name, Role.CODER) for name, _ in year.plan.coders)]
    with database.write() as session:
        for person in people:
            session.add(UserRow(id=person.id, name=person.id, role=person.role, created_at=START))
    for case in year.cases:
        moment = case.at
        text = note_of(case)
        day = date(case.at.year, case.at.month, case.at.day).isoformat()
        store.import_encounters(admin, from_records([{"id": case.id, "text": text, "service_date": day}]))
        store.queue.want(case.id, PACK)
        claimed = store.queue.claim("simulator", PACK)
        assert claimed is not None
        suggestions, sequence = [], 0
        for code, p in case.suggested:
            words = f"finding {code.value}"
            at = text.index(words + " ")
            sequence += p >= 0.5
            suggestions.append(
                Suggestion(
                    code, words, p, p >= 0.5, sequence if p >= 0.5 else None,
                    (Evidence(case.id, Span(at, at + len(words)), words, SectionKind.ASSESSMENT),),
                )
            )  # fmt: skip
        versions = dict.fromkeys(claimed[0].note_versions, 1)
        run = Run(
            case.id, versions, tuple(suggestions), (), PACK, {"ICD-10-CM": "2026"}, "simulated", "simulated",
            "simulated",
        )  # fmt: skip
        store.queue.finish(claimed[0].id, "simulator", run)
        numbers = {code: n for n, (code, _) in enumerate(case.suggested)}
        shown = moment - timedelta(seconds=4 + 7 * len(case.submitted))
        decisions = [
            NewDecision(Verdict.ACCEPT, code, shown, suggestion=numbers[code])
            if code in numbers
            else NewDecision(Verdict.ADD, code, shown, via=Via.SEARCH)
            for code in case.submitted
        ]
        decisions += [
            NewDecision(Verdict.REJECT, code, shown, suggestion=numbers[code], reason="not_supported")
            for code, p in case.suggested
            if p >= 0.5 and code not in case.submitted
        ]
        coder = Actor(case.coder, Role.CODER)
        if decisions:
            store.decide(coder, case.id, store.summary(case.id).version, decisions)
        if case.submitted:
            store.order(coder, case.id, store.summary(case.id).version, case.submitted)
        store.submit(coder, case.id, store.summary(case.id).version)
    moment = START + timedelta(days=364, hours=12)
    cases = {case.id: case for case in year.cases}
    blinded = bool(year.plan.second)
    audit = store.audits.create(
        auditor, Sample(year.plan.sample, year.plan.audited, year.seed, blinded=blinded)
    )
    for item in audit.items:
        case = cases[item.encounter_id]
        if blinded:
            store.audits.second_code(auditor, audit.id, case.id, case.second or ())
        for code, (error, correct) in case.errors.items():
            store.audits.find(
                auditor,
                audit.id,
                case.id,
                NewAuditFinding(code, AuditVerdict.OVERTURN, correct, AuditError(error), "as simulated"),
            )
        done = store.audits.finish(auditor, audit.id, case.id)
        if done.finished_at is None:
            store.audits.finish(auditor, audit.id, case.id)
    database.close()
    return directory / "review.sqlite"


# --- what the numbers are measured with -----------------------------------------------------------------


def coverage(plan: Plan, seeds: Sequence[int]) -> dict[str, float]:
    """Return, by measure, in what share of the years the interval holds the planted rate."""
    rates = plan.coders[0][1]
    planted = {**rates.planted, **plan.planted_suggestions}
    measures = [m for m in (*CODERS, *SUGGESTIONS_AUDITED) if m.name in planted]
    held = dict.fromkeys((measure.name for measure in measures), 0)
    for seed in seeds:
        ledger = Ledger.of(facts_of(simulate(plan, seed)))
        for measure in measures:
            share = ledger.number(measure).share
            held[measure.name] += share.low <= planted[measure.name] <= share.high
    return {name: count / len(seeds) for name, count in held.items()}


def alarms(plan: Plan, seeds: Sequence[int]) -> list[set[Kind]]:
    """Return which kinds of drift alarm in each simulated year, its halves compared."""
    found = []
    for seed in seeds:
        year = simulate(plan, seed)
        drift = compare(*halves(facts_of(year)), words=year.words)
        found.append({change.kind for change in drift.alarms})
    return found


DRIFTS = {
    "none": Plan(),
    "a wave of pneumonia": Plan(wave=6.0),
    "scores fall": Plan(score_shift=0.08),
    "new words": Plan(new_words=20),
}


def main() -> None:
    """Print the coverage of the intervals, and how often each drift alarms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--store", type=Path, help="Play a small year (120 encounters) into this directory.")
    options = parser.parse_args()
    if options.store is not None:
        print(play(simulate(Plan(encounters=120, audited=30, second=30), 1), options.store))
        return
    seeds = range(options.seeds)
    for kind in SampleKind:
        print(f"coverage of 95 % intervals, {kind} sample of 200 in 1200:")
        for name, share in coverage(replace(Plan(), sample=kind), seeds).items():
            print(f"  {name:32} {share:6.1%}")
    for name, plan in DRIFTS.items():
        found = alarms(plan, range(max(1, options.seeds // 4)))
        kinds = sorted({kind for one in found for kind in one})
        told = ", ".join(f"{kind} {sum(kind in one for one in found) / len(found):.0%}" for kind in kinds)
        print(f"alarms, {name}: {told or 'none'}")


if __name__ == "__main__":
    main()
