"""Which model pack was put to use when, instead of which, by whom and on what figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from coder_assist.errors import PromotionRefused
from coder_assist.review import audit_log
from coder_assist.review.changing import checked_text
from coder_assist.review.database import Database, now
from coder_assist.review.records import Actor, Promotion
from coder_assist.review.tables import PromotionRow

LONGEST_PACK = 200
LONGEST_REASON = 1_000


class Promotions:
    """The packs that were put to use."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def record(
        self,
        actor: Actor,
        pack: str,
        metrics: Mapping[str, object],
        reason: str = "",
        failures: Sequence[str] = (),
    ) -> Promotion:
        """Record that a pack was put to use; it replaces the one that was recorded last.

        ``failures`` are the gates that it does not pass. Without a reason it is refused then, by
        ``PromotionRefused``; the attempt is in the audit chain either way, with the gates and the reason.
        """
        checked_text(pack, "pack", LONGEST_PACK)
        checked_text(reason, "reason", LONGEST_REASON, empty=True)
        gates = {"failures": list(failures), "reason": reason}
        if failures and not reason.strip():
            with self._database.write() as session:
                audit_log.append(session, actor.id, "pack.refuse", f"pack/{pack}", gates)
            raise PromotionRefused(pack, tuple(failures))
        with self._database.write() as session:
            newest = session.scalars(select(PromotionRow).order_by(PromotionRow.id.desc()).limit(1)).first()
            row = PromotionRow(
                pack=pack,
                previous=newest.pack if newest is not None else None,
                metrics=dict(metrics),
                reason=reason,
                by=actor.id,
                at=self._clock(),
            )
            session.add(row)
            session.flush()
            details = {"previous": row.previous, **gates}
            audit_log.append(session, actor.id, "pack.promote", f"pack/{pack}", details)
            return _promotion(row)

    def all(self) -> tuple[Promotion, ...]:
        """Return all promotions, newest first."""
        with self._database.read() as session:
            return tuple(
                map(_promotion, session.scalars(select(PromotionRow).order_by(PromotionRow.id.desc())))
            )


def _promotion(row: PromotionRow) -> Promotion:
    return Promotion(row.id, row.pack, row.previous, row.metrics, row.reason, row.by, row.at)
