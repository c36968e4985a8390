"""How much faster two processes code a file than one: ``python -m benchmarks.scaling [NOTES.jsonl[.gz]]``.

The same notes are coded by ``coder-assist batch`` with one worker and with several, from the first part written to
the last, so that loading does not count. The load of the machine stands beside the result: two workers cannot be
faster than one where other work holds the second core. The processor time does not depend on that: what the parent
takes (cutting, hashing, writing) is what never runs side by side, and bounds the gain of any number of workers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.pinned import PINNED, read_notes
from coder_assist.batch import Progress, run_batch

SIZE = 25


@dataclass(frozen=True, slots=True)
class Pace:
    """How a batch went: notes a second between its first and last part, and seconds of processor by place."""

    workers: int
    notes_a_second: float
    parent_seconds: float
    worker_seconds: float

    @property
    def alone(self) -> float:
        """The share of the processor time that no further worker shortens."""
        return self.parent_seconds / (self.parent_seconds + self.worker_seconds)


def pace(notes: Path, target: Path, workers: int) -> Pace:
    """Code a file once and return how it went."""
    seen: list[tuple[float, int]] = []
    parent, children = _processor(resource.RUSAGE_SELF), _processor(resource.RUSAGE_CHILDREN)

    def on_progress(progress: Progress) -> None:
        if progress.records and (not seen or progress.records > seen[-1][1]):
            seen.append((time.monotonic(), progress.records))

    run_batch(notes, target, workers=workers, size=SIZE, on_progress=on_progress)
    (began, first), (ended, last) = seen[0], seen[-1]
    return Pace(
        workers,
        (last - first) / (ended - began),
        _processor(resource.RUSAGE_SELF) - parent,
        _processor(resource.RUSAGE_CHILDREN) - children,
    )


def _processor(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def table(paces: list[Pace], load: float) -> str:
    """Return the result as Markdown."""
    base = paces[0].notes_a_second / paces[0].workers
    rows = [
        f"| {p.workers} | {p.notes_a_second:.1f} | {p.notes_a_second / base:.2f} | {p.parent_seconds:.1f} | "
        f"{p.worker_seconds:.1f} | {p.alone:.1%} |"
        for p in paces
    ]
    return "\n".join(
        [
            "| workers | notes a second | times one | processor of the parent, s | of the workers, s | never in parallel |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Load of the machine before: {load:.1f} on {os.cpu_count()} cores"
            + ("." if load < 0.5 else ": NOT FREE, the second column says little."),
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
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as home:
        source = Path(home) / "notes.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for number, note in enumerate(islice(cycle(read_notes(wanted.notes)), wanted.count)):
                file.write(json.dumps({"id": f"n{number}", "text": note["text"]}) + "\n")
        paces = [pace(source, Path(home) / f"by-{workers}", workers) for workers in wanted.workers]
    print(table(paces, load))


if __name__ == "__main__":
    main()
