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

    Call it again after a crash: whole parts are kept, the others are made. ``workers`` are processes of this
    machine; ``dask`` is the address of a scheduler instead, or ``local`` for a cluster of that many processes here.
    ``on_progress`` is called after every part. Raises ``BatchError`` for an input or directory that cannot be used,
    a worker of other versions, and where workers or the scheduler are lost.
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
    coded = rejected = resumed = 0

    def count(receipt: dict[str, Any]) -> None:
        nonlocal coded, rejected
        receipts[receipt["part"]] = receipt
        coded += receipt["coded"]
        rejected += receipt["rejected"]

    def progress() -> None:
        on_progress(Progress(coded + rejected, coded, rejected, resumed))

    def missing() -> Iterator[Shard]:
        nonlocal resumed
        for shard in shards(source, size):
            receipt = output.receipt(shard.index)
            if receipt is None:
                yield shard
            else:
                count(receipt)
                resumed += len(shard.lines)

    progress()
    with (
        cluster(dask, workers, pack, settings, versions)
        if dask
        else processes(workers, pack, settings, versions)
    ) as place:
        for part in results(place, missing()):
            count(output.keep(part))
            progress()
    progress()
    manifest = {
        **plan,
        "coded": coded,
        "rejected": rejected,
        "parts": [receipts[index] for index in sorted(receipts)],
    }
    write(target / "manifest.json", json.dumps(manifest, indent=2).encode())
    return manifest
