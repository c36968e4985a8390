"""How often one caller may ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from coder_assist.api.problems import Problem, RefusalError

_MOST_KNOWN = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """How often each caller may ask: ``per_minute`` on average, a quarter of that at once.

    Counted in this process; several processes allow as many times more.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, per_minute / 4)
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Count a request. Raises ``RefusalError`` (429) if there were too many."""
        moment = self._clock()
        with self._lock:
            bucket = self._buckets.pop(who, None) or _Bucket(self._most, moment)
            bucket.left = min(self._most, bucket.left + (moment - bucket.at) * self._per_second)
            bucket.at = moment
            self._buckets[who] = bucket  # the dictionary's order is that of the last request
            while len(self._buckets) > _MOST_KNOWN:
                del self._buckets[next(iter(self._buckets))]
            if bucket.left >= 1:
                bucket.left -= 1
                return
            wait = max(1, round((1 - bucket.left) / self._per_second))
        raise RefusalError(
            Problem("too-many-requests", f"try again in {wait} s", headers={"Retry-After": str(wait)})
        )
