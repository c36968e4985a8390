"""Where shards are coded: processes of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from coder_assist.batch.coding import Part, Versions, code_shard
from coder_assist.batch.reading import Shard
from coder_assist.errors import BatchError
from coder_assist.settings import Settings

Submit = Callable[[Shard], Any]  # a future of a Part: of concurrent.futures or of Dask


@contextmanager
def processes(workers: int, pack: Path | None, settings: Settings, versions: Versions) -> Iterator[Submit]:
    """Yield how to give a shard to one of this machine's processes."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield lambda shard: pool.submit(code_shard, shard, pack, settings.model_dump_json(), versions)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def cluster(address: str, pack: Path | None, settings: Settings, versions: Versions) -> Iterator[Submit]:
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


def results(submit: Submit, work: Iterable[Shard], at_once: int, dask: bool) -> Iterator[Part]:
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
