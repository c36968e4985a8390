"""The input of a batch: a file of any size, cut into shards of consecutive records."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from coder_assist.errors import BatchError

SHARD = 200
# A record of that many bytes is set aside: hundreds of the longest notes that are read fit below it. A shard ends
# where it gets as heavy, so that the notes in memory stay few however long they are.
LONGEST = HEAVIEST = 64 * 2**20
PARQUET = (".parquet", ".pq")
NEEDS_PYARROW = "Parquet needs pyarrow; install coder-assist[batch]"


@dataclass(frozen=True, slots=True)
class Unread:
    """A record that could not be taken in: ``problem`` says why, without a word of it."""

    problem: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive records: ``first`` is the number of the first one, from 1; ``lines`` are JSON, one a record."""

    index: int
    first: int
    # Not shown: a cluster's workers log the arguments of what failed, and these are notes.
    lines: tuple[bytes | Unread, ...] = field(repr=False)

    @property
    def last(self) -> int:
        """The number of the last record."""
        return self.first + len(self.lines) - 1


def _records(path: Path) -> Iterator[bytes | Unread]:
    """Yield the records of a file as JSON, a few at a time in memory."""
    return _parquet_rows(path) if path.suffix in PARQUET else _json_lines(path)


# ---- JSONL ---------------------------------------------------------------------------------------------------


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def _json_lines(path: Path) -> Iterator[bytes | Unread]:
    try:
        with _open(path) as file:
            while line := file.readline(LONGEST):
                if len(line) == LONGEST and not line.endswith(b"\n"):
                    yield _too_long(LONGEST + _pass_over_line(file))
                elif not line.isspace():
                    yield line
    except (OSError, EOFError, zlib.error) as error:
        raise BatchError(f"{path}: expected a JSONL file that can be read; {type(error).__name__}") from None


def _pass_over_line(file: IO[bytes]) -> int:
    """Read to the end of the line, a piece at a time, and return how many bytes that was."""
    passed = 0
    while piece := file.readline(2**20):
        passed += len(piece)
        if piece.endswith(b"\n"):
            break
    return passed


def _too_long(size: int) -> Unread:
    return Unread(f"expected a record of less than {LONGEST:,} bytes; got {size:,}")


# ---- Parquet -------------------------------------------------------------------------------------------------


def arrow() -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet. Raises ``BatchError`` where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BatchError(NEEDS_PYARROW) from None
    return pyarrow, pyarrow.parquet


def _parquet_rows(path: Path) -> Iterator[bytes | Unread]:
    pyarrow, parquet = arrow()
    try:
        # As pyarrow reads by itself it holds a whole row group, which may be the whole file.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
            for rows in file.iter_batches(batch_size=SHARD):
                yield from _as_json(rows)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise _not_parquet(path, error) from None


def _not_parquet(path: Path, error: Exception) -> BatchError:
    return BatchError(f"{path}: expected a Parquet file that can be read; {type(error).__name__}")


def _as_json(rows: Any) -> Iterable[bytes | Unread]:
    """Return the rows of a record batch; one that Python cannot hold is unread, and the others are as they are."""
    try:
        return [_row(row) for row in rows.to_pylist()]
    except Exception:
        return [_row_alone(rows.slice(at, 1)) for at in range(rows.num_rows)]


def _row(row: dict[str, Any]) -> bytes | Unread:
    line = json.dumps(row, default=_plain).encode()
    return line if len(line) < LONGEST else _too_long(len(line))


def _plain(value: object) -> str:
    """Return what JSON does not know as text: dates as they are written, binary columns as the UTF-8 they hold."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _row_alone(row: Any) -> bytes | Unread:
    try:
        return _row(row.to_pylist()[0])
    except Exception as error:
        # By its number, for a column's name may be anything.
        bad = next((f" in column {n}" for n, column in enumerate(row.columns, 1) if not _fits(column)), "")
        return Unread(f"expected values that Python can hold; got another one{bad} ({type(error).__name__})")


def _fits(column: Any) -> bool:
    try:
        _row({"": column[0].as_py()})
    except Exception:
        return False
    return True


# ---- shards --------------------------------------------------------------------------------------------------


def shards(path: Path, size: int = SHARD) -> Iterator[Shard]:
    """Yield the records of a file, ``size`` at a time (fewer if they are heavy), in order. Raises ``BatchError``."""
    index, first = 0, 1
    taken: list[bytes | Unread] = []
    weight = 0
    for record in _records(path):
        taken.append(record)
        weight += len(record) if isinstance(record, bytes) else 0
        if len(taken) == size or weight >= HEAVIEST:
            yield Shard(index, first, tuple(taken))
            index, first, weight = index + 1, first + len(taken), 0
            taken = []
    if taken:
        yield Shard(index, first, tuple(taken))


def count_records(path: Path) -> int:
    """Return how many records a file holds, for a progress bar. Raises ``BatchError``."""
    if path.suffix not in PARQUET:
        return sum(1 for _ in _records(path))
    pyarrow, parquet = arrow()
    try:
        with parquet.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise _not_parquet(path, error) from None


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
