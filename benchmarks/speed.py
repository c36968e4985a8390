"""Throughput, latency, memory, start-up, cost by stage and by length on one core: ``make bench``.

The notes are those of ``corpora/encounters.jsonl``. They are shorter than what hospitals dictate, so they are joined
in the order of the file until a text has about 2,800 characters (``--join 0`` leaves them apart): such a text holds two
or three encounters, and more diagnoses than a report of its length. Any other JSONL file (also gzipped) can be given as
argument and is read as it is. Prints tables and, with ``--json FILE``, writes the figures; printed last is the sentence
that README quotes. Processor time is what a note costs; on a machine that others use too, wall time says more of them
than of this.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pinned import Notes, machine, most_memory, paced, show, versions, write
from benchmarks.stages import timed

if TYPE_CHECKING:
    from coder_assist import Coder, Note

os.environ.setdefault("OMP_NUM_THREADS", "1")
LENGTHS = (2_000, 10_000, 50_000, 200_000)
START = """
import time; began = time.perf_counter()
import coder_assist.suggest, coder_assist.text
imported = time.perf_counter()
from coder_assist import Coder, Note
Coder.load().suggest(Note("n", "ASSESSMENT: Type 2 diabetes mellitus, hypertension."))
print(imported - began, time.perf_counter() - imported)
"""


def measure(notes: Notes, warm: int, lengths: tuple[int, ...] = LENGTHS) -> dict[str, Any]:
    """Return the figures of reading notes one by one in this process."""
    from coder_assist import Coder, Note

    measured_on = machine()
    coder = Coder.load()
    works = [Note(str(number), text) for number, text in enumerate(notes.texts)]
    for work in works[:warm]:
        coder.suggest(work)
    coder.settle()
    pace = paced(coder.suggest, works)
    by_stage = _by_stage(coder, works)  # reads them all again: what is held then and not before, leaks
    again = most_memory() - pace["resident_megabytes"]
    started = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    imports, first = map(float, started.stdout.split())
    return {
        "machine": measured_on,
        "notes": notes.about(),
        "versions": versions(coder),
        **pace,
        "megabytes_more_when_read_again": round(again, 1),
        "seconds_imports": round(imports, 2),
        "seconds_first_suggestion_after_imports": round(first, 2),
        "milliseconds_by_stage": by_stage,
        "milliseconds_by_characters": _by_length(coder, "\n".join(notes.texts), lengths),
    }


def sentence(figures: dict[str, Any]) -> str:
    """Return the figures as README quotes them."""
    on, notes = figures["machine"], figures["notes"]
    joined = (
        f" (encounters joined to about {notes['joined_to_characters']:,})"
        if notes["joined_to_characters"]
        else ""
    )
    return (
        f"Speed, one process on {on['processor']} with {on['cores']} cores at a load of {on['load_at_start']}, all "
        f"stages with rules, {notes['count']} notes of {notes['mean_characters']:,} characters on average{joined}: "
        f"{figures['notes_a_second']} notes a second, median {figures['milliseconds_median']} ms, 95 % within "
        f"{figures['milliseconds_p95']} ms, 99 % within {figures['milliseconds_p99']} ms, "
        f"{figures['resident_megabytes']:.0f} MB resident, first suggestion "
        f"{figures['seconds_first_suggestion_after_imports']} s after imports of {figures['seconds_imports']} s."
    )


def _by_stage(coder: Coder, works: list[Note]) -> dict[str, float]:
    """Return what each stage takes of a note's processor time; the clock itself costs some of it."""
    with timed() as seconds:
        began = time.process_time()
        for work in works:
            coder.suggest(work)
        seconds["everything else"] = time.process_time() - began - sum(seconds.values())
    return {stage: round(1000 * spent / len(works), 2) for stage, spent in seconds.items()}


def _by_length(coder: Coder, text: str, lengths: tuple[int, ...]) -> dict[str, float]:
    """Return the processor time of one note of each length, made of the notes one after another."""
    from coder_assist import Note

    while len(text) < max(lengths):
        text += "\n" + text
    found = {}
    for length in lengths:
        note = Note(str(length), text[:length])
        coder.suggest(note)
        began = time.process_time()
        coder.suggest(note)
        found[f"{length:,}"] = round((time.process_time() - began) * 1000, 1)
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    Notes.options(parser, most=1500)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    wanted = parser.parse_args()
    figures = measure(Notes.chosen(wanted), warm=50)
    show(figures)
    print("\n" + sentence(figures))
    if wanted.json:
        write(figures, wanted.json)


if __name__ == "__main__":
    main()
