"""Throughput, latency, memory and start-up on one core: ``make bench``.

The notes are those of ``corpora/encounters.jsonl``, or of any JSONL file (also gzipped) given as argument.
Prints a table and, with ``--json FILE``, writes the figures.
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
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPO = Path(__file__).parents[1]
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
    for note in notes[:warm]:
        coder.suggest(Note(note["id"], note["text"]))
    coder.settle()
    times = []
    processor = time.process_time()
    for note in notes:
        began = time.perf_counter()
        coder.suggest(Note(note["id"], note["text"]))
        times.append((time.perf_counter() - began) * 1000)
    processor = time.process_time() - processor
    started = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    imports, first = map(float, started.stdout.split())
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one process",
        "notes": len(notes),
        "characters_a_note": round(statistics.mean(len(note["text"]) for note in notes)),
        "notes_a_second": round(1000 * len(times) / sum(times), 1),
        "notes_a_second_of_processor": round(len(times) / processor, 1),
        "milliseconds_median": round(statistics.median(times), 1),
        "milliseconds_p95": round(percentile(times, 0.95), 1),
        "milliseconds_p99": round(percentile(times, 0.99), 1),
        "resident_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "seconds_imports": round(imports, 2),
        "seconds_first_suggestion_after_imports": round(first, 2),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notes", nargs="?", type=Path, default=REPO / "corpora" / "encounters.jsonl")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--most", type=int, default=1500, help="read at most this many notes")
    arguments = parser.parse_args()
    figures = measure(read_notes(arguments.notes)[: arguments.most], warm=50)
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):<42} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
