"""The input of a batch: a file of any size, cut into shards of consecutive records."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from coder_assist.errors import BatchError

SHARD = 200
PARQUET = (".parquet", ".pq")
NEEDS_PYARROW = "Parquet needs pyarrow; install coder-assist[batch]"


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive records: ``first`` is the number of the first one, from 1; ``lines`` are JSON, one a record."""

    index: int
    first: int
    lines: tuple[bytes, ...]


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def arrow() -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet. Raises ``BatchError`` where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BatchError(NEEDS_PYARROW) from None
    return pyarrow, pyarrow.parquet


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the records of a file as lines of JSON, a few at a time in memory."""
    if path.suffix in PARQUET:
        _, parquet = arrow()
        try:
            with parquet.ParquetFile(path) as file:
                for rows in file.iter_batches(batch_size=SHARD):
                    for row in rows.to_pylist():
                        yield json.dumps(row, default=str).encode()
        except (OSError, ValueError) as error:
            raise BatchError(f"{path}: expected a Parquet file; {type(error).__name__}") from None
        return
    try:
        with _open(path) as lines:
            yield from (line for line in lines if line.strip())
    except (OSError, EOFError) as error:
        raise BatchError(f"{path}: expected a JSONL file that can be read; {type(error).__name__}") from None


def shards(path: Path, size: int = SHARD) -> Iterator[Shard]:
    """Yield the records of a file, ``size`` at a time, in order. Raises ``BatchError``."""
    lines = _lines(path)
    index, first = 0, 1
    while taken := tuple(islice(lines, size)):
        yield Shard(index, first, taken)
        index, first = index + 1, first + len(taken)


def count_records(path: Path) -> int:
    """Return how many records a file holds, for a progress bar. Raises ``BatchError``."""
    if path.suffix in PARQUET:
        _, parquet = arrow()
        return int(parquet.ParquetFile(path).metadata.num_rows)
    return sum(1 for _ in _lines(path))


def size_of(source: Path) -> int:
    """Return how many bytes a file holds. Raises ``BatchError``."""
    try:
        return source.stat().st_size
    except OSError as error:
        raise BatchError(f"{source}: expected a file of notes; {error.strerror}") from None


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces. Raises ``BatchError``."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BatchError(f"{path}: expected a file of notes that can be read; {error.strerror}") from None
