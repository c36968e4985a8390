"""A batch from its plan to its manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coder_assist.batch.coding import Versions
from coder_assist.batch.parts import Output, write
from coder_assist.batch.places import cluster, processes, results
from coder_assist.batch.reading import PARQUET, SHARD, Shard, arrow, fingerprint, shards, size_of
from coder_assist.settings import Settings
from coder_assist.suggest import Coder


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. ``resumed`` records were coded by an earlier start."""

    records: int
    coded: int
    rejected: int
    resumed: int


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
        arrow()
    versions = Versions.of(Coder.load(pack, settings))
    plan = {
        "input": {"name": source.name, "bytes": size_of(source), "sha256": fingerprint(source)},
        "shard": size,
        "versions": asdict(versions),
    }
    output = Output(target, parquet)
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
    place = cluster(dask, pack, settings, versions) if dask else processes(workers, pack, settings, versions)
    with place as submit:
        for part in results(submit, missing(), 2 * max(workers, 2), dask is not None):
            receipts[part.index] = output.keep(part)
            progress()
    progress()
    manifest = {
        **plan,
        "coded": sum(receipt["coded"] for receipt in receipts.values()),
        "rejected": sum(receipt["rejected"] for receipt in receipts.values()),
        "parts": [receipts[index] for index in sorted(receipts)],
    }
    write(target / "manifest.json", json.dumps(manifest, indent=2).encode())
    return manifest
