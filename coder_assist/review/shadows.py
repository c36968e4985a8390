"""Runs in shadow: what a challenger would have shown for the encounters that people have decided.

A shadow run reads the very notes that the run read on which the people decided. It never comes to a desk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from coder_assist.errors import NotFound
from coder_assist.review import audit_log
from coder_assist.review.database import Database, now
from coder_assist.review.labels import FINAL, Judgement, judgement_of
from coder_assist.review.loading import encounter_row, latest_submission
from coder_assist.review.queue import as_read, record_bytes
from coder_assist.review.records import SERVICE
from coder_assist.review.states import RunState
from coder_assist.review.tables import EncounterRow, RunRow, ShadowRunRow
from coder_assist.types import Encounter, Run


@dataclass(frozen=True, slots=True)
class Decided:
    """A submitted encounter and the number of the run that its people saw."""

    encounter_id: str
    patient_id: str | None
    submitted_at: datetime
    run_id: int
    pack: str


@dataclass(frozen=True, slots=True)
class Pair:
    """What was shown of an encounter, what the challenger would have shown, and what the people made of it."""

    decided: Decided
    shown: Mapping[str, Any]
    shadow: Mapping[str, Any]
    judgement: Judgement


class Shadows:
    """The shadow runs of challengers."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def decided(self) -> tuple[Decided, ...]:
        """Return the submitted encounters, oldest first, each with the newest run before its submission."""
        with self._database.read() as session:
            ids = session.scalars(select(EncounterRow.id).where(EncounterRow.state.in_(FINAL))).all()
            found = [each for id in ids if (each := _decided(session, id)) is not None]
        return tuple(sorted(found, key=lambda each: (each.submitted_at, each.encounter_id)))

    def due(self, pack: str) -> tuple[Decided, ...]:
        """Return what a pack has not read in shadow yet; what it was shown by itself needs no shadow."""
        there = self._read_by(pack)
        return tuple(d for d in self.decided() if d.run_id not in there and d.pack != pack)

    def _read_by(self, pack: str) -> set[int]:
        with self._database.read() as session:
            return set(session.scalars(select(ShadowRunRow.run_id).where(ShadowRunRow.pack == pack)))

    def cast(self, run_id: int, pack: str, suggest: Callable[[Encounter], Run]) -> None:
        """Let a pack read the notes of a run, and keep what it proposes. Raises ``NotFound``."""
        with self._database.read() as session:
            row = session.get(RunRow, run_id)
            if row is None:
                raise NotFound("run", run_id)
            encounter = as_read(session, encounter_row(session, row.encounter_id), row)
        written = record_bytes(suggest(encounter))
        with self._database.write() as session:
            there = select(ShadowRunRow.id).where(ShadowRunRow.run_id == run_id, ShadowRunRow.pack == pack)
            if session.scalars(there).first() is not None:
                return  # another process was quicker
            digest = sha256(written).hexdigest()
            session.add(
                ShadowRunRow(run_id=run_id, pack=pack, record=written, record_hash=digest, at=self._clock())
            )
            details = {"run": run_id, "record": digest}
            audit_log.append(session, SERVICE, "run.shadow", f"pack/{pack}", details)

    def pairs(self, pack: str) -> Iterator[Pair]:
        """Yield the encounters that a pack has read in shadow, with what the people decided."""
        there = self._read_by(pack)
        for decided in self.decided():
            if decided.run_id not in there:
                continue
            with self._database.read() as session:
                shadow = session.scalars(
                    select(ShadowRunRow.record).where(
                        ShadowRunRow.run_id == decided.run_id, ShadowRunRow.pack == pack
                    )
                ).one()
                shown = session.scalars(select(RunRow.record).where(RunRow.id == decided.run_id)).one()
                judgement = judgement_of(session, decided.encounter_id)
            if shown is not None and judgement is not None:  # or it was taken into review again meanwhile
                yield Pair(decided, json.loads(shown), json.loads(shadow), judgement)


def _decided(session: Session, encounter_id: str) -> Decided | None:
    submission = latest_submission(session, encounter_id)
    if submission is None:
        return None
    run = session.scalars(
        select(RunRow)
        .where(
            RunRow.encounter_id == encounter_id,
            RunRow.state == RunState.DONE,
            RunRow.finished_at <= submission.at,
        )
        .order_by(RunRow.finished_at.desc(), RunRow.id.desc())
        .limit(1)
    ).first()
    if run is None:
        return None  # coded by hand: there is nothing to compare with
    patient = encounter_row(session, encounter_id).patient_id
    return Decided(encounter_id, patient, submission.at, run.id, run.pack)
