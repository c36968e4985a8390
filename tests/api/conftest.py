"""One real coder for all tests of the service; a fresh application for each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from coder_assist.api import create_app
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.scoring import WeightedScorer

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def coder(tmp_path_factory: pytest.TempPathFactory) -> Coder:
    """A real coder with the hand-set weights: what the service does is not a question of training."""
    chosen = os.environ.get("CODER_ASSIST_CACHE_DIR")
    cache = Path(chosen).absolute() if chosen else tmp_path_factory.mktemp("cache")
    return Coder.load_with(Pack("hand-set@0", WeightedScorer()), Settings(cache_dir=cache))


@pytest.fixture
def connect() -> Connect:
    """Return what opens a client on a new application: ``async with connect(coder, **settings)``."""

    @asynccontextmanager
    async def opened(coder: Any = None, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(Settings(**settings), coder)
        # The transport hands on what the application raises: nothing may escape to the server's own log.
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            yield client

    return opened


@pytest.fixture
async def client(connect: Connect, coder: Coder) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(coder) as client:
        yield client
