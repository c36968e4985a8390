"""How much faster two processes code a file than one: ``python -m benchmarks.scaling [NOTES.jsonl[.gz]]``.

The same notes are coded by ``coder-assist batch`` with one worker and with several. Notes a second are those of the
middle eight tenths, when all workers are loaded and none has run out of work; the whole time, with loading, stands
beside it. So does the load of the machine: two workers cannot be faster than one where other work holds the second core.
The processor time does not depend on that: what the parent takes once the workers are started (cutting, hashing,
writing) is what never runs side by side, and bounds the gain of any number of workers.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.pinned import PINNED, machine, read_notes
from coder_assist.batch import Progress, count_records, run_batch

SIZE = 25


@dataclass(frozen=True, slots=True)
class Pace:
    """How a batch went: notes a second in its middle, seconds in all, and seconds of processor by place."""

    workers: int
    notes_a_second: float
    seconds: float
    parent_seconds: float
    worker_seconds: float

    @property
    def alone(self) -> float:
        """The share of the processor time that no further worker shortens."""
        return self.parent_seconds / (self.parent_seconds + self.worker_seconds)


def pace(notes: Path, target: Path, workers: int, size: int = SIZE) -> Pace:
    """Code a file once and return how it went. Raises ``SystemExit`` for a file of too few parts."""
    count = count_records(notes)
    if count < 10 * size:
        raise SystemExit(f"expected at least ten parts of {size} notes; got {count} notes")
    seen: list[tuple[float, int]] = []
    children = _processor(resource.RUSAGE_CHILDREN)
    parent = 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal parent
        if not seen:  # the plan is made, the workers are about to be started
            parent = _processor(resource.RUSAGE_SELF)
        if not seen or progress.records > seen[-1][1]:
            seen.append((time.monotonic(), progress.records))

    run_batch(notes, target, workers=workers, size=size, on_progress=on_progress)
    parent = _processor(resource.RUSAGE_SELF) - parent
    middle = [(at, records) for at, records in seen if count <= 10 * records <= 9 * count]
    (began, first), (ended, last) = middle[0], middle[-1]
    return Pace(
        workers,
        (last - first) / (ended - began),
        seen[-1][0] - seen[0][0],
        parent,
        _processor(resource.RUSAGE_CHILDREN) - children,
    )


def _processor(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def table(paces: list[Pace], on: dict[str, Any]) -> str:
    """Return the result as Markdown; ``on`` is the machine before the first batch."""
    base = paces[0].notes_a_second / paces[0].workers
    rows = [
        f"| {p.workers} | {p.notes_a_second:.1f} | {p.notes_a_second / base:.2f} | {p.seconds:.1f} | "
        f"{p.parent_seconds:.1f} | {p.worker_seconds:.1f} | {p.alone:.1%} |"
        for p in paces
    ]
    free = on["load_at_start"] < 0.5
    return "\n".join(
        [
            "| workers | notes a second | times one | whole, s | processor of the parent, s | of the workers, s | never in parallel |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"{on['processor']}, load before: {on['load_at_start']} on {on['cores']} cores"
            + ("." if free else ": NOT FREE, notes a second say little."),
        ]
    )


def main() -> None:
    """Run by the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notes", nargs="?", type=Path, default=PINNED)
    parser.add_argument("--count", type=int, default=2000, help="repeat the notes up to so many")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    wanted = parser.parse_args()
    on = machine()
    with tempfile.TemporaryDirectory() as home:
        source = Path(home) / "notes.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for number, note in enumerate(islice(cycle(read_notes(wanted.notes)), wanted.count)):
                file.write(json.dumps({"id": f"n{number}", "text": note["text"]}) + "\n")
        paces = [pace(source, Path(home) / f"by-{workers}", workers) for workers in wanted.workers]
    print(table(paces, on))


if __name__ == "__main__":
    main()
