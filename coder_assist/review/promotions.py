"""Which model pack was put to use when, instead of which, by whom and on what figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import select

from coder_assist.review import audit_log
from coder_assist.review.changing import checked_text
from coder_assist.review.database import Database, now
from coder_assist.review.records import Actor, Promotion
from coder_assist.review.tables import PromotionRow

LONGEST_PACK = 200
LONGEST_REASON = 10_000


class Promotions:
    """The packs that were put to use."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def record(self, actor: Actor, pack: str, metrics: Mapping[str, object], reason: str = "") -> Promotion:
        """Record that a pack was put to use; it replaces the one that was recorded last."""
        checked_text(pack, "pack", LONGEST_PACK)
        checked_text(reason, "reason", LONGEST_REASON, empty=True)
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
            audit_log.append(session, actor.id, "pack.promote", f"pack/{pack}", {"previous": row.previous})
            return _promotion(row)

    def all(self) -> tuple[Promotion, ...]:
        """Return all promotions, newest first."""
        with self._database.read() as session:
            return tuple(
                map(_promotion, session.scalars(select(PromotionRow).order_by(PromotionRow.id.desc())))
            )


def _promotion(row: PromotionRow) -> Promotion:
    return Promotion(row.id, row.pack, row.previous, row.metrics, row.reason, row.by, row.at)
