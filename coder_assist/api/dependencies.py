"""What the operations share: the coder (loaded in the background), the bounded workers, the body."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Header, Request

from coder_assist.api.boundary import log_failure
from coder_assist.api.metrics import Figures
from coder_assist.api.problems import Problem, RefusalError
from coder_assist.api.rates import Rates
from coder_assist.api.review import Review
from coder_assist.errors import CoderAssistError
from coder_assist.review.judging import Readings
from coder_assist.review.queue import work
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.types import Note

logger = logging.getLogger("coder_assist.api")

LOADING = "the code books and the model pack are being loaded; try again in a moment"
WARM_UP = Note("warm-up", "Assessment: hypertension.")

_Result = TypeVar("_Result")


class Service:
    """The coder, the review and the threads that may use them. One per application.

    A coder given by hand is ready at once; otherwise ``start`` loads one in a thread, and until it
    stands ``coder`` refuses. ``open`` opens the review's database; until then ``review`` refuses.
    """

    def __init__(self, settings: Settings, coder: Coder | None = None) -> None:
        self.settings = settings
        self.rates = Rates(settings.requests_per_minute)
        self.figures = Figures()
        self.readings = Readings()
        self._coder = coder
        self._review: Review | None = None
        self._failure = ""
        self._loading: threading.Thread | None = None
        self._stop = threading.Event()
        self._queue: list[threading.Thread] = []
        self._workers = anyio.CapacityLimiter(settings.workers)
        self._talkers = anyio.CapacityLimiter(16)

    @property
    def review(self) -> Review:
        """The open review. Raises ``RefusalError`` (503) before ``open``."""
        if self._review is None:
            raise RefusalError(
                Problem("not-ready", "the database is being opened", headers={"Retry-After": "2"})
            )
        return self._review

    def open(self) -> Review:
        """Open the review's database, once. Raises ``SettingsError`` or ``SchemaError``."""
        if self._review is None:
            self._review = Review.open(self.settings)
            self.figures.watch(self._review.store)
        return self._review

    def close(self) -> None:
        """End the threads that compute ahead, and close the database."""
        self._stop.set()
        for thread in self._queue:
            thread.join(timeout=10)
        if self._review is not None:
            self._review.close()
            self._review = None

    @property
    def coder(self) -> Coder:
        """The loaded coder. Raises ``RefusalError`` (503) as long as there is none."""
        if self._coder is None:
            raise RefusalError(Problem("not-ready", self._failure or LOADING, headers={"Retry-After": "2"}))
        return self._coder

    def start(self) -> None:
        """Begin to load the coder, unless there is one or it is being loaded; then compute ahead."""
        if self._coder is not None:
            self._begin_queue(self._coder)
        elif self._loading is None:
            self._loading = threading.Thread(target=self._load, name="coder-assist-load", daemon=True)
            self._loading.start()

    def _begin_queue(self, coder: Coder) -> None:
        if self._review is None:
            return
        for number in range(self.settings.queue_workers):
            name = f"{socket.gethostname()}-{os.getpid()}-{number}"
            thread = threading.Thread(
                target=work,
                args=(self._review.store.queue, name, coder.pack.version, coder.suggest, self._stop),
                name=f"coder-assist-queue-{number}",
                daemon=True,
            )
            self._queue.append(thread)
            thread.start()

    def _load(self) -> None:
        try:
            coder = Coder.load(settings=self.settings)
            coder.suggest(WARM_UP)  # opens the code books, compiling them on first use
            coder.settle()
        except CoderAssistError as error:
            logger.error("loading failed: %s: %s", type(error).__name__, error)
            # The log names the file; the answer does not, for anyone may ask /readyz.
            self._failure = f"loading failed ({type(error).__name__}); the log says why"
        except Exception as error:
            log_failure(error, "loading")
            self._failure = f"loading failed ({type(error).__name__}); the log says where"
        else:
            self._coder = coder
            logger.info("ready: pack %s", coder.pack.version)
            self._begin_queue(coder)

    async def work(self, task: Callable[[], _Result]) -> _Result:
        """Return what a task gives, run in one of ``settings.workers`` threads, first come first served."""
        return await anyio.to_thread.run_sync(task, limiter=self._workers)

    async def talk(self, task: Callable[[], _Result]) -> _Result:
        """Return what a task gives that waits for the database rather than computes."""
        return await anyio.to_thread.run_sync(task, limiter=self._talkers)


async def get_service(request: Request) -> Service:
    """Return the application's service."""
    service: Service = request.app.state.service
    return service


async def get_coder(request: Request) -> Coder:
    """Return the loaded coder, or refuse the request with 503."""
    service = await get_service(request)
    return service.coder


async def idempotency_key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=200,
            pattern=r"^[!-~]+$",
            description="The same key with the same request gets the first answer, and does nothing again.",
        ),
    ] = None,
) -> str | None:
    """Return the request's idempotency key."""
    return key


_ETAG = re.compile(r'"([0-9]{1,9})(?:\.[0-9a-f]+)?"')


async def expected_version(
    if_match: Annotated[
        str | None, Header(max_length=100, description="The ETag of the encounter, instead of version.")
    ] = None,
) -> int | None:
    """Return the version that the request's If-Match names. Refuses another kind of tag."""
    if if_match is None:
        return None
    if (tag := _ETAG.fullmatch(if_match.strip())) is None:
        raise RefusalError(
            Problem(
                "invalid-request",
                "If-Match: expected the ETag that GET gave",
                ({"parameter": "if-match", "detail": "expected the ETag that GET gave"},),
            )
        )
    return int(tag[1])


def made_for(version: int | None, expected: int | None) -> int:
    """Return the version that a change was made for, from the body or the header. Refuses if neither says."""
    wanted = version if version is not None else expected
    if wanted is None:
        raise RefusalError(
            Problem(
                "version-required", "expected version in the body, or the ETag of the encounter in If-Match"
            )
        )
    return wanted


async def json_body(request: Request) -> object:
    """Return the decoded body. Refuses what is not declared as JSON (415) or is none (400).

    The service decodes for itself so that no value of a body reaches an error message, and a large
    body does not hold up other requests.
    """
    expect_json(request)
    body = await request.body()
    service = await get_service(request)
    return await service.work(partial(_decoded, body))


def expect_json(request: Request) -> None:
    """Refuse (415) a body that is not declared as JSON."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not (
        declared.startswith("application/") and declared.endswith("+json")
    ):
        raise RefusalError(
            Problem("unsupported-media-type", "expected the header Content-Type: application/json")
        )


def _decoded(body: bytes) -> object:
    try:
        decoded: object = json.loads(body)
    except json.JSONDecodeError as error:
        detail = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError as error:
        detail = f"expected UTF-8; byte {error.start} is none"
    except RecursionError:
        detail = "arrays or objects are nested too deeply"
    except ValueError:
        detail = "a number has too many digits"
    else:
        return decoded
    raise RefusalError(Problem("malformed-json", f"expected JSON; {detail}"))


async def get_review(request: Request) -> Review:
    """Return the open review, or refuse the request with 503."""
    service = await get_service(request)
    return service.review


TheReview = Annotated[Review, Depends(get_review)]
TheService = Annotated[Service, Depends(get_service)]
TheCoder = Annotated[Coder, Depends(get_coder)]
JsonBody = Annotated[object, Depends(json_body)]
TheKey = Annotated[str | None, Depends(idempotency_key)]
TheVersion = Annotated[int | None, Depends(expected_version)]
