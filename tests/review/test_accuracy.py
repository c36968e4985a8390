"""Numbers out of the store: against a simulator that knows the truth, SQL over Parquet, and by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from benchmarks.simulate import START, Plan, Year, coverage, facts_of, play, simulate
from coder_assist.errors import InputError
from coder_assist.measure import Share, reliability
from coder_assist.review import queries
from coder_assist.review.accuracy import (
    BY_CODE,
    BY_ENCOUNTER,
    TIMES_QUERY,
    Ledger,
    agreements,
    calibration,
    errors_by_kind,
    reasons,
    rebuttals,
    times,
    verdicts,
)
from coder_assist.review.database import Database
from coder_assist.review.drift import Kind, compare, halves, stability
from coder_assist.review.facts import Facts, write_parquet
from coder_assist.review.gathering import collect
from coder_assist.review.measures import ANSWERS, CODERS, MEASURES, VIEWS, Rows, Scope
from coder_assist.review.records import NewAuditFinding, Sample
from coder_assist.review.states import AuditError, AuditVerdict, SampleKind
from coder_assist.review.store import Store
from coder_assist.types import Code, Via
from tests.review.building import (
    ANA,
    ASTHMA,
    AUD,
    DIABETES,
    HYPERGLYCEMIA,
    HYPERTENSION,
    SCI,
    accept,
    add,
    bring,
    decide,
    reject,
    replace_by,
)

END = START + timedelta(days=365)


def first_character(code: Code) -> str:
    return code.value[0]


@pytest.fixture(scope="module")
def year() -> Year:
    return simulate(Plan(encounters=80, audited=30, second=30), seed=11)


@pytest.fixture(scope="module")
def facts(year: Year, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """The year, lived through the store and read from it."""
    file = play(year, tmp_path_factory.mktemp("year"))
    database = Database.connect(f"sqlite:///{file}")
    yield collect(database, AUD, START, END, first_character)
    database.close()


def test_store_gives_the_facts_that_were_simulated(facts: Facts, year: Year) -> None:
    """What is gathered from decisions, submissions and audits is what happened, row by row."""
    known = facts_of(year)
    by_place = {(fact.encounter, fact.code): fact for fact in facts.codes}
    assert by_place == {(fact.encounter, fact.code): fact for fact in known.codes}
    for found, expected in zip(facts.encounters, known.encounters, strict=True):
        assert replace(found, submission=0, seconds=None) == expected
    assert {fact.error for fact in facts.codes} == {"", "missed", "unsupported", "wrong_specificity"}
    assert facts.head_sequence > 80 and len(facts.head_hash) == 64


def views(directory: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(VIEWS.format(directory=directory))
    return connection


def told(share: Share) -> tuple[object, ...]:
    """Return what a query should give for a share, intervals included."""
    return (
        share.hits,
        share.total,
        pytest.approx(share.value),
        pytest.approx([share.low, share.high], abs=1e-4),
    )


def test_every_number_is_recomputed_from_parquet(facts: Facts, tmp_path: Path) -> None:
    """The documented query of every measure, whole and by every part, gives the report's numbers."""
    files = write_parquet(facts, tmp_path)
    assert [file.name for file in files] == [f"{name}.parquet" for name in facts.tables()]
    connection, ledger, compared = views(tmp_path), Ledger.of(facts), 0
    for measure in MEASURES:
        share = ledger.number(measure).share
        found = connection.execute(measure.query()).fetchall()
        assert found == [told(share)], measure.name
        assert share.total, measure.name
        for by in (*BY_ENCOUNTER, *(BY_CODE if measure.rows is Rows.CODES else ())):
            rows = connection.execute(measure.query(by)).fetchall()
            mine = [(part, *told(n.share)) for part, n in ledger.parts(measure, by).items()]
            assert rows == mine, (measure.name, by)
            compared += len(mine)
    assert compared > 300
    for by in ("verdict", "reviewer", "month"):
        rows = connection.execute(TIMES_QUERY.format(by=by)).fetchall()
        assert rows == [
            (part, t.count, pytest.approx([t.lower, t.median, t.upper, t.ninetieth]))
            for part, t in times(facts, by).items()
        ]


def test_other_numbers_are_recomputed_from_parquet(facts: Facts, tmp_path: Path) -> None:
    """Calibration, agreement, tallies and the rates of drift follow from the queries that stand beside them."""
    write_parquet(facts, tmp_path)
    connection, ledger = views(tmp_path), Ledger.of(facts)

    def ask(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query).fetchall()

    for scope in (Scope.ALL, Scope.AUDITED):
        found = calibration(ledger, scope)
        bins, error = queries.calibration(scope)
        assert [row[1:] for row in ask(bins)] == [
            (pytest.approx(b.mean_probability), pytest.approx(b.share_right), b.count)
            for b in reliability(found.points)
        ]
        assert ask(error) == [(pytest.approx(found.error, abs=1e-4),)]
        assert sum(map(len, found.by_bin)) >= len(found.encounters) > 0
    for level, category in zip(agreements(ledger)["all"], (False, True), strict=True):
        every, first = queries.agreement(category)
        counts = level.counts
        assert ask(every) == [
            (counts.encounters, *map(pytest.approx, (counts.kappa, counts.percent, counts.same_sets)))
        ]
        assert ask(first) == [(pytest.approx(level.first_percent), pytest.approx(level.first))]
    for query, tallies in (
        (queries.ERRORS, errors_by_kind(facts)),
        (queries.REASONS, reasons(facts)),
        (queries.ANSWERED, verdicts(facts)),
    ):
        assert {name or "not reviewed": count for name, count in ask(query)} == {
            name: tally.count for name, tally in tallies.items()
        }
    assert sum(count for *_, count in ask(queries.OVERTURNS)) == sum(
        t.count for t in rebuttals(facts).values()
    )
    audited = [e for e in facts.encounters if e.audit is not None]
    assert ask(queries.COUNTS[0]) == [(len(facts.encounters), len(audited), len(audited))]
    assert ask(queries.COUNTS[1]) == [(len(facts.decisions),)]


def test_rates_of_drift_are_recomputed_from_both_periods(facts: Facts, tmp_path: Path) -> None:
    """Asked in the export of each period, the queries give what the report calls before and after."""
    pair = halves(facts)
    drift = compare(*pair)
    before, after = (views(tmp_path / name) for name in ("before", "after") if _written(pair, name, tmp_path))
    for change in drift.changes:
        values = []
        for connection in (before, after):
            if change.kind is Kind.CODES:
                shares = dict(connection.execute(queries.CATEGORIES).fetchall())
                values.append(shares.get(change.what, 0.0))
            elif change.kind is Kind.SCORES:
                values.append(connection.execute(queries.SCORES).fetchall()[0][0])
            else:
                measure = next(m for m in (*ANSWERS, CODERS[0]) if m.title == change.what)
                values.append(connection.execute(measure.query()).fetchall()[0][2])
        assert values == pytest.approx([change.before, change.after]), change.what
    assert {change.kind for change in drift.changes} >= {Kind.CODES, Kind.SCORES, Kind.ANSWERS, Kind.ACCURACY}
    counts = [dict(connection.execute(queries.CHAPTERS).fetchall()) for connection in (before, after)]
    assert stability(*counts) == pytest.approx(drift.stability)


def _written(pair: tuple[Facts, Facts], name: str, directory: Path) -> bool:
    return bool(write_parquet(pair[name == "after"], directory / name))


def test_queries_of_the_page_run_as_they_are_documented(facts: Facts, tmp_path: Path) -> None:
    """Every SQL block of docs/audit.md runs on an export, in their order."""
    write_parquet(facts, tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for block in blocks:
        connection.execute(block.replace("{directory}", str(tmp_path)))
    by_coder = Ledger.of(facts).parts(CODERS[0], "coder")
    assert connection.fetchall() == [(part, *told(number.share)) for part, number in by_coder.items()]


def test_documented_views_are_these() -> None:
    """The page that documents the queries shows the views and a query as they are."""
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    assert VIEWS.strip() in page and CODERS[0].query("coder") in page


def test_numbers_agree_with_scikit_learn(facts: Facts) -> None:
    """Precision, recall and F1 of an unweighted sample are those of scikit-learn over encounter and code."""
    ledger = Ledger.of(facts)
    audited = {encounter.encounter for encounter in ledger.within(Scope.AUDITED)}
    rows = [code for code in facts.codes if code.encounter in audited]
    gold, coded = [code.final for code in rows], [code.submitted for code in rows]
    named = {measure.name: ledger.number(measure).share.value for measure in CODERS}
    assert named["coder_precision"] == pytest.approx(precision_score(gold, coded))
    assert named["coder_recall"] == pytest.approx(recall_score(gold, coded))
    assert named["coder_f1"] == pytest.approx(f1_score(gold, coded))


def test_tallies(facts: Facts, year: Year) -> None:
    """Errors, reasons, verdicts and agreement are those of the simulated people."""
    audited = [case for case in year.cases if case.weight is not None]
    errors = [kind for case in audited for kind, _ in case.errors.values()]
    assert {kind: tally.count for kind, tally in errors_by_kind(facts).items()} == {
        kind: errors.count(kind) for kind in set(errors)
    }
    assert list(reasons(facts)) == ["not_supported"]
    proposed = sum(len(case.suggested) for case in year.cases)
    assert sum(tally.count for tally in verdicts(facts).values()) == proposed
    assert rebuttals(facts)["not rebutted, upheld"].count == len(errors)
    exact, by_category = agreements(Ledger.of(facts))["all"]
    both = sum(len(set(case.second or ()) & set(case.submitted)) for case in audited)
    assert exact.counts.both == both
    assert exact.kappa_interval is not None and exact.counts.kappa is not None
    assert exact.kappa_interval[0] < exact.counts.kappa < exact.kappa_interval[1]
    assert (by_category.counts.percent or 0) > (exact.counts.percent or 0) > 0.5
    assert set(agreements(Ledger.of(facts))) == {"all", "coder and auditor"}
    found = calibration(Ledger.of(facts), Scope.AUDITED)
    assert found.error is not None and found.error < 0.15 and len(found.encounters) > 20


@pytest.mark.endurance
@pytest.mark.parametrize("kind", list(SampleKind))
def test_intervals_hold_the_planted_rates(kind: SampleKind) -> None:
    """Over many years 95 % intervals hold what was planted about as often as promised, however drawn."""
    held = coverage(Plan(encounters=700, audited=150, sample=kind), range(60))
    assert len(held) == 8
    # 60 years: of intervals that hold 95 times in 100, 49 or fewer hold in 1 of 2000 such tests.
    assert min(held.values()) >= 50 / 60, held
    assert sum(held.values()) / len(held) >= 0.92, held


# --- by hand ------------------------------------------------------------------------------------------


def gathered(store: Store) -> Facts:
    moment = store.audits._clock()
    return collect(
        store.database, SCI, moment - timedelta(days=1), moment + timedelta(days=1), first_character
    )


def number(facts: Facts, name: str) -> tuple[int, int]:
    measure = next(measure for measure in MEASURES if measure.name == name)
    share = Ledger.of(facts).number(measure).share
    return share.hits, share.total


def test_nothing_decided(store: Store) -> None:
    """Without submissions every number is there, and says that there is nothing to count."""
    bring(store)
    facts = gathered(store)
    assert (facts.encounters, facts.codes, facts.decisions) == ((), (), ())
    ledger = Ledger.of(facts)
    for measure in MEASURES:
        share = ledger.number(measure).share
        assert (share.value, share.low, share.high, share.total) == (None, 0.0, 1.0, 0)
        assert ledger.parts(measure, "coder") == {}
    assert agreements(ledger) == {} and times(facts, "verdict") == {}
    assert calibration(ledger, Scope.ALL).error is None
    with pytest.raises(InputError, match="end after it begins"):
        collect(store.database, SCI, START, START, first_character)


def test_one_coder_who_accepts_everything(store: Store) -> None:
    """All accepted by one coder: acceptance 1 with an interval that admits doubt, no override, no audit."""
    bring(store)
    decide(store, accept(0), accept(1), accept(2, Via.BULK))
    store.submit(ANA, "e1", store.summary("e1").version)
    facts = gathered(store)
    measure = next(measure for measure in MEASURES if measure.name == "acceptance")
    by_coder = Ledger.of(facts).parts(measure, "coder")
    assert list(by_coder) == ["ana"]
    share = by_coder["ana"].share
    assert (share.value, share.total) == (1.0, 3) and share.low < 0.5
    assert number(facts, "override") == (0, 2)
    assert number(facts, "code_accuracy") == (0, 0)
    assert times(facts, "reviewer")["ana"].count == 2


def test_no_code_is_right(store: Store) -> None:
    """Zero prevalence: where nothing stands, recall counts nothing and precision is 0."""
    bring(store)
    decide(store, accept(0), accept(1))
    store.submit(ANA, "e1", store.summary("e1").version)
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 1, 1))
    for code in (DIABETES, HYPERTENSION):
        finding = NewAuditFinding(
            code, AuditVerdict.OVERTURN, None, AuditError.UNSUPPORTED, "not in the note"
        )
        store.audits.find(AUD, audit.id, "e1", finding)
    for _ in range(2):
        store.audits.finish(AUD, audit.id, "e1")
    facts = gathered(store)
    assert number(facts, "coder_recall") == (0, 0)
    assert number(facts, "coder_precision") == number(facts, "code_accuracy") == (0, 2)
    assert number(facts, "over_coding") == (2, 2)
    assert number(facts, "fully_correct") == (0, 1)
    assert number(facts, "coder_first") == (0, 1)
    assert number(facts, "suggestion_recall") == (0, 0)


def test_what_counts_as_what(store: Store) -> None:
    """Replaced, rejected for its reason, deferred to nobody, overturned and rebutted, by hand."""
    bring(store)
    decide(store, replace_by(0, HYPERGLYCEMIA), reject(1, "integral"), add(ASTHMA))
    store.submit(ANA, "e1", store.summary("e1").version)
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 1, 1))
    missed = NewAuditFinding(HYPERTENSION, AuditVerdict.OVERTURN, None, AuditError.MISSED, "it is treated")
    wrong = NewAuditFinding(
        HYPERGLYCEMIA, AuditVerdict.OVERTURN, DIABETES, AuditError.WRONG_SPECIFICITY, "no"
    )
    taken_back = NewAuditFinding(ASTHMA, AuditVerdict.OVERTURN, None, AuditError.UNSUPPORTED, "where?")
    for finding in (missed, wrong, taken_back):
        store.audits.find(AUD, audit.id, "e1", finding)
    store.audits.finish(AUD, audit.id, "e1")
    store.audits.rebut(ANA, audit.id, "e1", 3, "in the plan")
    store.audits.settle(AUD, audit.id, "e1", 3, AuditVerdict.AGREE, "true")
    store.audits.finish(AUD, audit.id, "e1")
    # What the coder corrects afterwards does not count: the audited submission does.
    decide(store, accept(0), accept(1))
    store.submit(ANA, "e1", store.summary("e1").version)
    facts = gathered(store)
    codes = {code.code: code for code in facts.codes}
    assert {code: (c.submitted, c.final, c.right, c.error, c.verdict) for code, c in codes.items()} == {
        "E11.9": (False, True, True, "", "replace"),
        "E11.65": (True, False, False, "wrong_specificity", "replacement"),
        "I10": (False, True, True, "missed", "reject"),
        "J45.909": (True, True, True, "", "add"),
        "M10.072": (False, False, False, "", ""),
    }
    assert number(facts, "code_accuracy") == (1, 3)
    assert number(facts, "coder_precision") == (1, 2)
    assert number(facts, "coder_recall") == (1, 3)
    assert number(facts, "coder_f1_category") == (4, 5)
    assert number(facts, "coder_first") == (0, 1)
    assert number(facts, "suggestion_first") == (1, 1)
    assert number(facts, "override") == (2, 2)
    assert {what: tally.count for what, tally in rebuttals(facts).items()} == {
        "not rebutted, upheld": 2,
        "rebutted, taken back": 1,
    }
    assert codes["E11.9"].section == "assessment" and codes["J45.909"].section == ""


def test_withdrawn_submissions_do_not_count(store: Store) -> None:
    """What a coder took back into review says nothing before it is submitted again."""
    bring(store)
    decide(store, accept(0))
    store.submit(ANA, "e1", store.summary("e1").version)
    store.reopen(ANA, "e1")
    assert gathered(store).encounters == ()
