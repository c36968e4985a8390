"""Throughput, latency, memory, start-up, cost by stage and by length on one core: ``make bench``.

The notes are those of ``corpora/encounters.jsonl``, or of any JSONL file (also gzipped) given as argument.
Prints tables and, with ``--json FILE``, writes the figures. Processor time is what a note costs; on a machine that
others use too, wall time says more of them than of this.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stages import timed

if TYPE_CHECKING:
    from coder_assist import Coder, Note

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPO = Path(__file__).parents[1]
LENGTHS = (2_000, 10_000, 50_000, 200_000)
START = """
import time; began = time.perf_counter()
import coder_assist.suggest, coder_assist.text
imported = time.perf_counter()
from coder_assist import Coder, Note
Coder.load().suggest(Note("n", "ASSESSMENT: Type 2 diabetes mellitus, hypertension."))
print(imported - began, time.perf_counter() - imported)
"""


def read_notes(path: Path) -> list[dict[str, Any]]:
    """Return the records of a JSONL file, gzipped or not."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as lines
    ):
        return [json.loads(line) for line in lines if line.strip()]


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(notes: list[dict[str, Any]], warm: int) -> dict[str, Any]:
    """Return the figures of reading notes one by one in this process."""
    from coder_assist import Coder, Note

    coder = Coder.load()
    works = [Note(note["id"], note["text"]) for note in notes]
    for work in works[:warm]:
        coder.suggest(work)
    coder.settle()
    wall, processor = [], []
    for work in works:
        began, began_processor = time.perf_counter(), time.process_time()
        coder.suggest(work)
        processor.append((time.process_time() - began_processor) * 1000)
        wall.append((time.perf_counter() - began) * 1000)
    resident = _resident()
    by_stage = _by_stage(coder, works)  # reads them all again: what is held then and not before, leaks
    again = _resident()
    started = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    imports, first = map(float, started.stdout.split())
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one process",
        "notes": len(works),
        "characters_a_note": round(statistics.mean(len(work.text) for work in works)),
        "notes_a_second": round(1000 * len(wall) / sum(wall), 1),
        "notes_a_second_of_processor": round(1000 * len(processor) / sum(processor), 1),
        **_latency("milliseconds", wall),
        **_latency("milliseconds_of_processor", processor),
        "resident_megabytes": round(resident),
        "megabytes_more_when_read_again": round(again - resident, 1),
        "seconds_imports": round(imports, 2),
        "seconds_first_suggestion_after_imports": round(first, 2),
        "milliseconds_by_stage": by_stage,
        "milliseconds_by_characters": _by_length(coder, "\n".join(work.text for work in works)),
    }


def _resident() -> float:
    """Return the most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _latency(name: str, values: list[float]) -> dict[str, float]:
    return {
        f"{name}_median": round(statistics.median(values), 1),
        f"{name}_p95": round(percentile(values, 0.95), 1),
        f"{name}_p99": round(percentile(values, 0.99), 1),
    }


def _by_stage(coder: Coder, works: list[Note]) -> dict[str, float]:
    """Return what each stage takes of a note's processor time; the clock itself costs some of it."""
    with timed() as seconds:
        began = time.process_time()
        for work in works:
            coder.suggest(work)
        seconds["everything else"] = time.process_time() - began - sum(seconds.values())
    return {stage: round(1000 * spent / len(works), 2) for stage, spent in seconds.items()}


def _by_length(coder: Coder, text: str) -> dict[str, float]:
    """Return the processor time of one note of each length, made of the notes one after another."""
    from coder_assist import Note

    while len(text) < max(LENGTHS):
        text += "\n" + text
    found = {}
    for length in LENGTHS:
        note = Note(str(length), text[:length])
        coder.suggest(note)
        began = time.process_time()
        coder.suggest(note)
        found[f"{length:,}"] = round((time.process_time() - began) * 1000, 1)
    return found


def _print(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        if not isinstance(value, dict):
            print(f"{name.replace('_', ' '):<42} {value}")
            continue
        print(f"\n{name.replace('_', ' ')}")
        for row, number in value.items():
            print(f"  {row:<40} {number:>8}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notes", nargs="?", type=Path, default=REPO / "corpora" / "encounters.jsonl")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--most", type=int, default=1500, help="read at most this many notes")
    arguments = parser.parse_args()
    figures = measure(read_notes(arguments.notes)[: arguments.most], warm=50)
    _print(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
