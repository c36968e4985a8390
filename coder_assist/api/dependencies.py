"""What the operations share: the coder (loaded in the background), the bounded workers, the body."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from coder_assist.api.boundary import log_failure
from coder_assist.api.problems import Problem, RefusalError
from coder_assist.errors import CoderAssistError
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.types import Note

logger = logging.getLogger("coder_assist.api")

LOADING = "the code books and the model pack are being loaded; try again in a moment"
WARM_UP = Note("warm-up", "Assessment: hypertension.")

_Result = TypeVar("_Result")


class Service:
    """The coder and the threads that may use it. One per application.

    A coder given by hand is ready at once; otherwise ``start`` loads one in a thread, and until it
    stands ``coder`` refuses.
    """

    def __init__(self, settings: Settings, coder: Coder | None = None) -> None:
        self.settings = settings
        self._coder = coder
        self._failure = ""
        self._loading: threading.Thread | None = None
        self._workers = anyio.CapacityLimiter(settings.workers)

    @property
    def coder(self) -> Coder:
        """The loaded coder. Raises ``RefusalError`` (503) as long as there is none."""
        if self._coder is None:
            raise RefusalError(Problem("not-ready", self._failure or LOADING, headers={"Retry-After": "2"}))
        return self._coder

    def start(self) -> None:
        """Begin to load the coder, unless there is one or it is being loaded."""
        if self._coder is None and self._loading is None:
            self._loading = threading.Thread(target=self._load, name="coder-assist-load", daemon=True)
            self._loading.start()

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

    async def work(self, task: Callable[[], _Result]) -> _Result:
        """Return what a task gives, run in one of ``settings.workers`` threads, first come first served."""
        return await anyio.to_thread.run_sync(task, limiter=self._workers)


async def get_service(request: Request) -> Service:
    """Return the application's service."""
    service: Service = request.app.state.service
    return service


async def get_coder(request: Request) -> Coder:
    """Return the loaded coder, or refuse the request with 503."""
    service = await get_service(request)
    return service.coder


async def json_body(request: Request) -> object:
    """Return the decoded body. Refuses what is not declared as JSON (415) or is none (400).

    The service decodes for itself so that no value of a body reaches an error message, and a large
    body does not hold up other requests.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not (
        declared.startswith("application/") and declared.endswith("+json")
    ):
        raise RefusalError(
            Problem("unsupported-media-type", "expected the header Content-Type: application/json")
        )
    body = await request.body()
    service = await get_service(request)
    return await service.work(partial(_decoded, body))


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


TheService = Annotated[Service, Depends(get_service)]
TheCoder = Annotated[Coder, Depends(get_coder)]
JsonBody = Annotated[object, Depends(json_body)]
