"""Many notes: a file of any size in, a directory of parts out, resumable at any moment.

The input (JSONL, JSONL compressed by gzip, or Parquet with the same columns) is cut into shards of consecutive
records. Each shard becomes one part: predictions, rejects and a receipt, which is written last and by renaming, so
that a part is either whole or not there. A second start with the same input and the same versions goes on where the
first one ended; with others it is refused.

    OUT/plan.json                 what is being coded, by which versions
    OUT/part-00000.jsonl          predictions, in the order of the input (part-00000.parquet for Parquet)
    OUT/part-00000.rejects.jsonl  records that could not be coded: {"record", "reason"}; never their text
    OUT/part-00000.json           the receipt: counts and SHA-256 of both
    OUT/manifest.json             written at the end: the plan, all receipts, the totals
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

from coder_assist.errors import BatchError, InputError, RecordError
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_line, run_record

SHARD = 200
PARQUET = (".parquet", ".pq")
NEEDS_PYARROW = "Parquet needs pyarrow; install coder-assist[batch]"


@dataclass(frozen=True, slots=True)
class Versions:
    """What decides a prediction, beside the note."""

    pack: str
    code_books: dict[str, str]
    lexicon: str
    rules: str
    software: str

    @classmethod
    def of(cls, coder: Coder) -> Versions:
        """Return the versions that a loaded coder works with."""
        library = coder.library
        return cls(
            coder.pack.version,
            library.versions(),
            library.lexicon.version,
            coder.rules_version,
            coder.software,
        )


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive records: ``first`` is the number of the first one, from 1; ``lines`` are JSON, one a record."""

    index: int
    first: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A shard's predictions and rejects as JSON lines, and how many they are."""

    index: int
    predictions: bytes
    rejects: bytes
    coded: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. ``resumed`` records were coded by an earlier start."""

    records: int
    coded: int
    rejected: int
    resumed: int


# ---- workers -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _coder(pack: Path | None, settings: str) -> Coder:
    """Load the coder of this process, once."""
    coder = Coder.load(pack, Settings.model_validate_json(settings))
    coder.settle()
    return coder


def code_shard(shard: Shard, pack: Path | None, settings: str, expected: Versions | None = None) -> Part:
    """Return the part of a shard. ``settings`` are JSON, so that any process can be asked.

    A record that cannot be coded becomes a reject. Raises ``BatchError`` where this process would work with
    other versions than the ones ``expected``.
    """
    coder = _coder(pack, settings)
    mine = Versions.of(coder)
    if expected is not None and mine != expected:
        raise BatchError(f"a worker has other versions: {_difference(asdict(expected), asdict(mine))}")
    predictions, rejects = [], []
    for number, line in enumerate(shard.lines, shard.first):
        try:
            run = coder.suggest(read_line(number, line))
        except InputError as error:
            reason = str(error) if isinstance(error, RecordError) else f"line {number}: {error}"
            rejects.append(json.dumps({"record": number, "reason": reason}, ensure_ascii=False))
        else:
            predictions.append(json.dumps(run_record(run), ensure_ascii=False))
    return Part(shard.index, _joined(predictions), _joined(rejects), len(predictions), len(rejects))


def _joined(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def _difference(expected: dict[str, Any], got: dict[str, Any]) -> str:
    names = [name for name in expected if expected[name] != got.get(name)]
    return "; ".join(f"{name} must be {expected[name]}, got {got.get(name)}" for name in names)


# ---- the input -----------------------------------------------------------------------------------------------


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BatchError(NEEDS_PYARROW) from None
    return pyarrow, pyarrow.parquet


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the records of a file as lines of JSON, a few at a time in memory."""
    if path.suffix in PARQUET:
        _, parquet = _arrow()
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


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces. Raises ``BatchError``."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BatchError(f"{path}: expected a file of notes that can be read; {error.strerror}") from None


# ---- the output ----------------------------------------------------------------------------------------------


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there, even after a crash. Raises ``BatchError``."""
    draft = path.with_name(path.name + ".draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BatchError(
            f"{path.name}: expected room to write; {error.strerror}. What is written stays; start again to go on"
        ) from None


class _Output:
    """The directory of a batch's parts."""

    def __init__(self, directory: Path, parquet: bool) -> None:
        self.directory = directory
        self.parquet = parquet

    def begin(self, plan: dict[str, Any]) -> None:
        """Write the plan, or see that the one that is there is the same. Raises ``BatchError``."""
        path = self.directory / "plan.json"
        if path.exists():
            try:
                earlier = json.loads(path.read_bytes())
            except ValueError:
                raise BatchError(f"{path}: expected the plan of a batch; choose another directory") from None
            if earlier != plan:
                raise BatchError(
                    f"{self.directory} holds a batch of another input or other versions: "
                    f"{_difference(plan, earlier)}. Choose another directory, or remove this one"
                )
            return
        if self.directory.exists() and any(self.directory.iterdir()):
            raise BatchError(f"{self.directory}: expected an empty directory or one that a batch began")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BatchError(
                f"{self.directory}: expected a directory to write to; {error.strerror}"
            ) from None
        _write(path, json.dumps(plan, indent=2).encode())

    def _stem(self, index: int) -> Path:
        return self.directory / f"part-{index:05d}"

    def receipt(self, index: int) -> dict[str, Any] | None:
        """Return the receipt of a part that is whole, ``None`` where it has to be made."""
        path = self._stem(index).with_suffix(".json")
        if not path.exists():
            return None
        receipt: dict[str, Any] = json.loads(path.read_bytes())
        for name, digest in receipt["sha256"].items():
            if not (self.directory / name).exists() or fingerprint(self.directory / name) != digest:
                return None  # changed or removed since: it is made again
        return receipt

    def keep(self, part: Part) -> dict[str, Any]:
        """Write a part, its receipt last. Raises ``BatchError``."""
        stem = self._stem(part.index)
        predictions = stem.with_suffix(".parquet" if self.parquet else ".jsonl")
        rejects = stem.with_suffix(".rejects.jsonl")
        _write(predictions, _as_parquet(part.predictions) if self.parquet else part.predictions)
        _write(rejects, part.rejects)
        receipt = {
            "part": part.index,
            "coded": part.coded,
            "rejected": part.rejected,
            "sha256": {path.name: fingerprint(path) for path in (predictions, rejects)},
        }
        _write(stem.with_suffix(".json"), json.dumps(receipt).encode())
        return receipt


def _as_parquet(lines: bytes) -> bytes:
    """Return predictions as Parquet: ``id`` and the whole record as JSON in ``prediction``."""
    pyarrow, parquet = _arrow()
    records = lines.decode().splitlines()
    table = pyarrow.table(
        {"id": [json.loads(record)["id"] for record in records], "prediction": records},
        schema=pyarrow.schema([("id", pyarrow.string()), ("prediction", pyarrow.string())]),
    )
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


# ---- the run -------------------------------------------------------------------------------------------------

Submit = Callable[[Shard], Any]  # a future of a Part: of concurrent.futures or of Dask


@contextmanager
def _local(workers: int, pack: Path | None, settings: Settings, versions: Versions) -> Iterator[Submit]:
    """Yield how to give a shard to one of this machine's processes."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield lambda shard: pool.submit(code_shard, shard, pack, settings.model_dump_json(), versions)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _cluster(address: str, pack: Path | None, settings: Settings, versions: Versions) -> Iterator[Submit]:
    """Yield how to give a shard to a Dask cluster; a shard whose worker dies goes to another one."""
    try:
        from distributed import Client
    except ImportError:
        raise BatchError("--dask needs Dask.distributed; install coder-assist[dask]") from None
    try:
        client = Client(address, timeout=20)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise BatchError(
            f"expected a Dask scheduler at {address}; {type(error).__name__}. Start one with: dask scheduler"
        ) from None
    with client:
        yield lambda shard: client.submit(
            code_shard, shard, pack, settings.model_dump_json(), versions, pure=False, retries=3
        )


def _results(submit: Submit, work: Iterable[Shard], at_once: int, dask: bool) -> Iterator[Part]:
    """Yield the parts as they are done, with at most ``at_once`` shards given out."""
    if dask:
        from distributed import wait as wait_dask

        def some(given: set[Any]) -> tuple[set[Any], set[Any]]:
            done = wait_dask(list(given), return_when="FIRST_COMPLETED")  # type: ignore[no-untyped-call]
            return set(done.done), set(done.not_done)
    else:

        def some(given: set[Any]) -> tuple[set[Any], set[Any]]:
            return wait(given, return_when=FIRST_COMPLETED)

    given: set[Any] = set()
    todo = iter(work)
    while True:
        given.update(submit(shard) for shard in islice(todo, at_once - len(given)))
        if not given:
            return
        done, given = some(given)
        for future in done:
            try:
                yield future.result()
            except BrokenProcessPool:
                raise BatchError(
                    "a worker process was killed; whole parts are kept. Start again to go on, with fewer workers "
                    "if memory was short"
                ) from None


def run_batch(
    source: Path,
    target: Path,
    *,
    pack: Path | None = None,
    settings: Settings | None = None,
    workers: int = 1,
    dask: str | None = None,
    size: int = SHARD,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> dict[str, Any]:
    """Code every record of a file into a directory of parts, and return the manifest.

    Call it again after a crash: whole parts are kept, the others are made. ``on_progress`` is called after every
    part. Raises ``BatchError`` for an input or directory that cannot be used, or a worker of other versions.
    """
    settings = settings or Settings()
    parquet = source.suffix in PARQUET
    if parquet:
        _arrow()
    versions = Versions.of(Coder.load(pack, settings))
    plan = {
        "input": {"name": source.name, "bytes": _size(source), "sha256": fingerprint(source)},
        "shard": size,
        "versions": asdict(versions),
    }
    output = _Output(target, parquet)
    output.begin(plan)
    receipts: dict[int, dict[str, Any]] = {}
    resumed = 0

    def progress() -> None:
        coded = sum(receipt["coded"] for receipt in receipts.values())
        rejected = sum(receipt["rejected"] for receipt in receipts.values())
        on_progress(Progress(coded + rejected, coded, rejected, resumed))

    def missing() -> Iterator[Shard]:
        nonlocal resumed
        for shard in shards(source, size):
            receipt = output.receipt(shard.index)
            if receipt is None:
                yield shard
            else:
                receipts[shard.index] = receipt
                resumed += len(shard.lines)

    progress()
    place = _cluster(dask, pack, settings, versions) if dask else _local(workers, pack, settings, versions)
    with place as submit:
        for part in _results(submit, missing(), 2 * max(workers, 2), dask is not None):
            receipts[part.index] = output.keep(part)
            progress()
    progress()
    manifest = {
        **plan,
        "coded": sum(receipt["coded"] for receipt in receipts.values()),
        "rejected": sum(receipt["rejected"] for receipt in receipts.values()),
        "parts": [receipts[index] for index in sorted(receipts)],
    }
    _write(target / "manifest.json", json.dumps(manifest, indent=2).encode())
    return manifest


def _size(source: Path) -> int:
    try:
        return source.stat().st_size
    except OSError as error:
        raise BatchError(f"{source}: expected a file of notes; {error.strerror}") from None


def count_records(path: Path) -> int:
    """Return how many records a file holds, for a progress bar. Raises ``BatchError``."""
    if path.suffix in PARQUET:
        _, parquet = _arrow()
        return int(parquet.ParquetFile(path).metadata.num_rows)
    return sum(1 for _ in _lines(path))
