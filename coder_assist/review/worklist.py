"""The worklist's queries: which encounters, in which order, from where on; and the lead's numbers."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from coder_assist.errors import InputError
from coder_assist.review.loading import hold_of, summaries_of
from coder_assist.review.records import CoderDay, Overview, Sort, WorklistFilter, WorklistPage
from coder_assist.review.states import EncounterState, RunState
from coder_assist.review.tables import DecisionRow, EncounterRow, HoldRow, RunRow, SubmissionRow
from coder_assist.types import Verdict, Via

MOST_ITEMS = 200
UNFINISHED = (EncounterState.NEW, EncounterState.IN_REVIEW, EncounterState.ON_HOLD, EncounterState.RETURNED)

# The columns of each order, and whether they count down. The id makes every order total.
_ORDERS: dict[Sort, tuple[tuple[InstrumentedAttribute[Any], bool], ...]] = {
    Sort.AGE: ((EncounterRow.waiting_since, False), (EncounterRow.id, False)),
    Sort.AGE_NEWEST: ((EncounterRow.waiting_since, True), (EncounterRow.id, True)),
    Sort.IMPORTED: ((EncounterRow.imported_at, True), (EncounterRow.id, True)),
    Sort.PRIORITY: (
        (EncounterRow.priority, True),
        (EncounterRow.waiting_since, False),
        (EncounterRow.id, False),
    ),
}


def filtered(filter: WorklistFilter) -> Select[EncounterRow]:
    """Return the query of the encounters that a filter lets through."""
    query = select(EncounterRow)
    if filter.states is not None:
        query = query.where(EncounterRow.state.in_(filter.states))
    if filter.assigned == "none":
        query = query.where(EncounterRow.assigned_to.is_(None))
    elif filter.assigned is not None:
        query = query.where(EncounterRow.assigned_to == filter.assigned)
    if filter.setting is not None:
        query = query.where(EncounterRow.setting == filter.setting)
    if filter.specialty is not None:
        query = query.where(EncounterRow.specialty == filter.specialty)
    if filter.id_prefix:
        query = query.where(EncounterRow.id.startswith(filter.id_prefix, autoescape=True))
    return query


def ordered(query: Select[EncounterRow], sort: Sort) -> Select[EncounterRow]:
    """Return a query in an order of the worklist."""
    return query.order_by(*(column.desc() if down else column.asc() for column, down in _ORDERS[sort]))


def page(
    session: Session, filter: WorklistFilter, sort: Sort, cursor: str | None, limit: int
) -> WorklistPage:
    """Return a page. It starts behind the cursor's encounter, wherever that one is by now."""
    if not 1 <= limit <= MOST_ITEMS:
        raise InputError(f"limit must be 1 to {MOST_ITEMS}; got {limit}")
    query = ordered(filtered(filter), sort)
    if cursor is not None:
        query = query.where(_behind(sort, cursor))
    rows = session.scalars(query.limit(limit + 1)).all()
    more = len(rows) > limit
    return WorklistPage(summaries_of(session, rows[:limit]), _cursor(sort, rows[limit - 1]) if more else None)


def _cursor(sort: Sort, row: EncounterRow) -> str:
    values = [getattr(row, column.key) for column, _ in _ORDERS[sort]]
    written = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps([sort.value, *written]).encode()).decode().rstrip("=")


def _behind(sort: Sort, cursor: str) -> ColumnElement[bool]:
    """Return the condition of standing behind a cursor: greater in the first column that differs."""
    wrong = InputError("cursor must be the 'next' of a page in the same order")
    columns = _ORDERS[sort]
    try:
        written = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(written, list) or len(written) != 1 + len(columns) or written[0] != sort.value:
            raise wrong
        values = [_value(value, column) for value, (column, _) in zip(written[1:], columns, strict=True)]
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise wrong from None
    behind: list[ColumnElement[bool]] = []
    for place, (column, down) in enumerate(columns):
        equal = [earlier == values[n] for n, (earlier, _) in enumerate(columns[:place])]
        further = column < values[place] if down else column > values[place]
        behind.append(and_(*equal, further))
    return or_(*behind)


def _value(written: object, column: InstrumentedAttribute[Any]) -> object:
    kind = column.type.python_type
    if kind is datetime:
        if not isinstance(written, str):
            raise TypeError
        moment = datetime.fromisoformat(written)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if type(written) is not kind or (isinstance(written, int) and abs(written) >= 2**31):
        raise TypeError
    if isinstance(written, str):
        written.encode()  # half of a surrogate pair is a ValueError here, not an error of the driver
        if "\0" in written:
            raise ValueError
    return written


def overview(session: Session, since: datetime, until: datetime, now: datetime) -> Overview:
    """Return the present state, and the throughput between two moments."""
    states = dict.fromkeys(EncounterState, 0)
    states.update(
        (state, count)
        for state, count in session.execute(
            select(EncounterRow.state, func.count()).group_by(EncounterRow.state)
        )
    )
    assigned = {
        person: count
        for person, count in session.execute(
            select(EncounterRow.assigned_to, func.count())
            .where(EncounterRow.state.in_(UNFINISHED), EncounterRow.assigned_to.is_not(None))
            .group_by(EncounterRow.assigned_to)
        )
        if person is not None
    }
    ages = dict.fromkeys(("0", "1", "2-3", "4-7", "8+"), 0)
    for (waiting,) in session.execute(
        select(EncounterRow.waiting_since).where(EncounterRow.state.in_(UNFINISHED))
    ):
        ages[_age_group((now - waiting).days)] += 1
    holds = session.scalars(select(HoldRow).where(HoldRow.released_at.is_(None)).order_by(HoldRow.at))
    runs = dict.fromkeys(RunState, 0)
    runs.update(
        (state, count)
        for state, count in session.execute(select(RunRow.state, func.count()).group_by(RunRow.state))
    )
    return Overview(
        states=states,
        ages=ages,
        assigned=assigned,
        days=_days(session, since, until),
        holds=tuple((hold.encounter_id, hold_of(hold)) for hold in holds),
        runs=runs,
    )


def _age_group(days: int) -> str:
    return "0" if days < 1 else "1" if days < 2 else "2-3" if days < 4 else "4-7" if days < 8 else "8+"


def _days(session: Session, since: datetime, until: datetime) -> tuple[CoderDay, ...]:
    began = (
        select(DecisionRow.encounter_id, DecisionRow.reviewer, func.min(DecisionRow.at).label("at"))
        .group_by(DecisionRow.encounter_id, DecisionRow.reviewer)
        .subquery()
    )
    submitted: Counter[tuple[date, str]] = Counter()
    minutes: defaultdict[tuple[date, str], list[float]] = defaultdict(list)
    for at, by, first in session.execute(
        select(SubmissionRow.at, SubmissionRow.by, began.c.at)
        .outerjoin(
            began,
            and_(began.c.encounter_id == SubmissionRow.encounter_id, began.c.reviewer == SubmissionRow.by),
        )
        .where(SubmissionRow.at >= since, SubmissionRow.at < until)
    ):
        submitted[at.date(), by] += 1
        if first is not None and first.date() == at.date():
            minutes[at.date(), by].append((at - first).total_seconds() / 60)
    decisions: Counter[tuple[date, str]] = Counter()
    bulk: Counter[tuple[date, str]] = Counter()
    for at, by, via in session.execute(
        select(DecisionRow.at, DecisionRow.reviewer, DecisionRow.via).where(
            DecisionRow.at >= since, DecisionRow.at < until, DecisionRow.verdict != Verdict.UNDO
        )
    ):
        decisions[at.date(), by] += 1
        bulk[at.date(), by] += via is Via.BULK
    return tuple(
        CoderDay(
            day=day,
            person=person,
            submitted=submitted[day, person],
            decisions=decisions[day, person],
            bulk_decisions=bulk[day, person],
            median_minutes=round(median(minutes[day, person]), 1) if minutes[day, person] else None,
        )
        for day, person in sorted(set(submitted) | set(decisions))
    )
