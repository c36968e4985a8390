"""What the benchmarks of speed share: the pinned notes, the clock, and what stands beside every figure.

Imports nothing but the standard library, for peers in environments of their own read the same notes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import re
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coder_assist import Coder

REPO = Path(__file__).parents[1]
PINNED = REPO / "corpora" / "encounters.jsonl"
TYPICAL = 2_800  # characters of a dictated report; the encounters of the repository are shorter


@dataclass(frozen=True, slots=True)
class Notes:
    """Texts to be read, and which file they are of; ``joined`` is the length they were joined to, 0 if not."""

    texts: tuple[str, ...]
    file: str
    sha256: str
    joined: int

    @classmethod
    def of(cls, path: Path, *, joined: int = 0, most: int | None = None) -> Notes:
        """Return the notes of a JSONL file, joined in file order to about so many characters."""
        texts = [record["text"] for record in read_notes(path)]
        if joined:
            texts = join(texts, joined)
        name = str(path.resolve().relative_to(REPO)) if path.resolve().is_relative_to(REPO) else path.name
        return cls(tuple(texts[:most]), name, sha256_of(path), joined)

    @classmethod
    def options(cls, parser: argparse.ArgumentParser, most: int) -> None:
        """Add the options by which a benchmark's notes are chosen."""
        parser.add_argument("notes", nargs="?", type=Path, default=PINNED)
        parser.add_argument(
            "--join",
            type=int,
            help=f"join notes to so many characters; {TYPICAL} for the pinned ones, else 0",
        )
        parser.add_argument("--most", type=int, default=most, help="read at most this many notes")

    @classmethod
    def chosen(cls, wanted: argparse.Namespace) -> Notes:
        """Return the notes that were chosen by these options."""
        joined = wanted.join
        if joined is None:
            joined = TYPICAL if wanted.notes.resolve() == PINNED.resolve() else 0
        return cls.of(wanted.notes, joined=joined, most=wanted.most)

    def about(self) -> dict[str, Any]:
        """Return how they can be found again, and how many and how long they are."""
        characters = sum(map(len, self.texts))
        return {
            "file": self.file,
            "sha256": self.sha256,
            "joined_to_characters": self.joined,
            "count": len(self.texts),
            "mean_characters": round(characters / len(self.texts)),
        }


def read_notes(path: Path) -> list[dict[str, Any]]:
    """Return the records of a JSONL file, gzipped or not."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as lines
    ):
        return [json.loads(line) for line in lines if line.strip()]


def join(texts: list[str], characters: int) -> list[str]:
    """Return the texts one after another, each new one as near to so many characters as whole texts allow.

    >>> join(["aaaa", "bb", "cc", "dddddddd", "e"], 6)
    ['aaaa\\nbb', 'cc', 'dddddddd', 'e']
    """
    joined: list[str] = []
    for text in texts:
        if joined and abs(len(joined[-1]) + len(text) - characters) < abs(len(joined[-1]) - characters):
            joined[-1] += "\n" + text
        else:
            joined.append(text)
    return joined


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def machine() -> dict[str, Any]:
    """Return the processor and how busy the machine is; ask before anything is measured."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the model as Linux names it, elsewhere what Python knows."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def paced(read: Callable[[Any], object], works: Sequence[Any]) -> dict[str, Any]:
    """Return throughput, latency by wall and by processor, and memory, of reading one work after another."""
    wall, processor = [], []
    for work in works:
        began, began_processor = time.perf_counter(), time.process_time()
        read(work)
        processor.append((time.process_time() - began_processor) * 1000)
        wall.append((time.perf_counter() - began) * 1000)
    return {
        "notes_a_second": round(1000 * len(wall) / sum(wall), 1),
        "notes_a_second_of_processor": round(1000 * len(processor) / sum(processor), 1),
        **_latency("milliseconds", wall),
        **_latency("milliseconds_of_processor", processor),
        "resident_megabytes": round(most_memory(), 1),
    }


def _latency(name: str, values: list[float]) -> dict[str, float]:
    return {
        f"{name}_median": round(statistics.median(values), 1),
        f"{name}_p95": round(percentile(values, 0.95), 1),
        f"{name}_p99": round(percentile(values, 0.99), 1),
    }


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def most_memory() -> float:
    """Return the most memory that this program has held so far, in MB.

    Linux counts what the parent held at the start towards a child's ``ru_maxrss``, but not towards ``VmHWM``.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))):
        return int(found.group(1)) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def versions(coder: Coder) -> dict[str, Any]:
    """Return what decides the coder's answers: pack, code books, lexicon, rules, software."""
    from coder_assist.batch import Versions

    return asdict(Versions.of(coder))


def show(figures: dict[str, Any]) -> None:
    """Print figures as a table: first what stands alone, then a group after another."""
    for name, value in figures.items():
        if not isinstance(value, dict):
            print(f"{_words(name):<42} {value:>8}")
    for name, group in figures.items():
        if isinstance(group, dict):
            print(f"\n{_words(name)}")
            for row, value in group.items():
                if isinstance(value, dict):
                    value = ", ".join(f"{key} {of}" for key, of in value.items())
                print(f"  {_words(row):<40} {value:{'<' if isinstance(value, str) else '>8'}}")


def _words(name: str) -> str:
    return name.replace("_", " ")


def write(figures: dict[str, Any], path: Path) -> None:
    """Write figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
