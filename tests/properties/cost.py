"""What work costs, told apart from what else a machine does: a property of the code, not of the hour."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def least_cost(work: Callable[[], object], tries: int, enough: float = 0.0) -> float:
    """Return the least processor time of some tries, in seconds; none more is made once one took ``enough``.

    A busy machine or a cold cache adds to a try and never takes away: what costs too much does so
    every time, and what does not shows it once.
    """
    best = float("inf")
    for _ in range(tries):
        gc.disable()
        began = time.process_time()
        try:
            work()
        finally:
            best = min(best, time.process_time() - began)
            gc.enable()
        if best <= enough:
            break
    return best


def assert_linear(
    short: Callable[[], object],
    long: Callable[[], object],
    *,
    times: float,
    slack: float = 0.0,
    what: str = "the work",
) -> None:
    """Assert that the long work costs at most so many times what the short does, and ``slack`` seconds.

    A limit between the ratio of their lengths and its square tells a line from a square. The long
    work is tried until it keeps within the limit, a dozen times at most.
    """
    first = least_cost(short, tries=3)
    limit = times * first + slack
    cost = least_cost(long, tries=12, enough=limit)
    assert cost <= limit, f"{what}: {first:.4f} s for the short one, {cost:.4f} s for the long"
