"""Where shards are coded: processes of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from coder_assist.batch.coding import Part, Versions, code_shard
from coder_assist.batch.reading import Shard
from coder_assist.errors import BatchError, CoderAssistError
from coder_assist.settings import Settings

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Place:
    """How shards are given out, for a part each that comes as a future of ``concurrent.futures`` or of Dask."""

    submit: Callable[[Shard], Any]
    # Waits until one of the futures is done and returns those that are.
    first_done: Callable[[Collection[Any]], Collection[Any]]
    # As many shards as keep every worker busy while its last part is written.
    at_once: Callable[[], int]
    # What an error means that no code of ours raised, of the shard's part or of the place as a whole.
    explain: Callable[[Exception, Shard | None], str]


@contextmanager
def processes(workers: int, pack: Path | None, settings: Settings, versions: Versions) -> Iterator[Place]:
    """Yield the place that is this machine's processes."""

    def explain(error: Exception, _: Shard | None) -> str:
        if isinstance(error, BrokenProcessPool):
            return "a worker process was killed (take fewer workers if memory was short)"
        return f"a worker process failed with {type(error).__name__}"

    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield Place(
                lambda shard: pool.submit(code_shard, shard, pack, settings.model_dump_json(), versions),
                lambda given: wait(given, return_when=FIRST_COMPLETED).done,
                lambda: 2 * max(workers, 2),
                explain,
            )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _dask() -> Any:
    try:
        import distributed
    except ImportError:
        raise BatchError("--dask needs Dask.distributed; install coder-assist[dask]") from None
    return distributed


@contextmanager
def cluster(
    address: str, workers: int, pack: Path | None, settings: Settings, versions: Versions
) -> Iterator[Place]:
    """Yield the place that is a Dask cluster; a shard whose worker dies goes to another one.

    The address ``local`` starts one of that many processes here, and ends it.
    """
    dask = _dask()

    def explain(error: Exception, shard: Shard | None) -> str:
        kind = type(error).__name__
        if isinstance(error, CancelledError | dask.comm.core.CommClosedError) or shard is None:
            return f"the Dask scheduler at {address} was lost ({kind})"
        part = f"part {shard.index} (records {shard.first} to {shard.last})"
        if isinstance(error, dask.KilledWorker):
            return (
                f"one worker after another was killed over {part}, perhaps for want of memory: see their logs"
            )
        return (
            f"a worker failed over {part} with {kind}; every worker needs the coder-assist, the path of the pack and "
            "the settings that this command has"
        )

    with ExitStack() as stack:
        try:
            if address == LOCAL:
                # One thread each: coding holds the interpreter's lock.
                nearby = dask.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
                stack.enter_context(nearby)
            client = dask.Client(nearby.scheduler_address if address == LOCAL else address, timeout=20)
        except (OSError, ValueError, RuntimeError) as error:
            raise BatchError(
                f"expected a Dask scheduler at {address}; {type(error).__name__}. Start one with: dask scheduler"
            ) from None
        stack.enter_context(client)
        yield Place(
            # No retries: a worker that fails would fail again, or another would hide that it does.
            lambda shard: client.submit(
                code_shard, shard, pack, settings.model_dump_json(), versions, pure=False
            ),
            lambda given: dask.wait(list(given), return_when=FIRST_COMPLETED).done,
            # Asked again and again, for workers come and go.
            lambda: 2 * max(sum(client.nthreads().values()), 2),
            explain,
        )


@contextmanager
def _explained(place: Place, shard: Shard | None = None) -> Iterator[None]:
    try:
        yield
    except CoderAssistError:
        raise
    except Exception as error:
        what = place.explain(error, shard)
        raise BatchError(f"{what}; whole parts are kept. Start again to go on") from None


def results(place: Place, work: Iterable[Shard]) -> Iterator[Part]:
    """Yield the parts as they are done. Raises ``BatchError`` where a worker or the place itself fails."""
    given: dict[Any, Shard] = {}
    todo = iter(work)
    while True:
        with _explained(place):
            free = place.at_once() - len(given)
        for shard in islice(todo, max(free, 0)):
            with _explained(place):
                given[place.submit(shard)] = shard
        if not given:
            return
        with _explained(place):
            done = place.first_done(given)
        for future in done:
            shard = given.pop(future)
            with _explained(place, shard):
                part = future.result()
            yield part
