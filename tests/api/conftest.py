"""One real coder for all tests of the service; a fresh application for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from coder_assist.api import create_app
from coder_assist.api.access import Scope
from coder_assist.api.dependencies import Service
from coder_assist.api.review import Review
from coder_assist.review.queue import work_once
from coder_assist.review.states import Role
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


@dataclass(frozen=True)
class Furnished:
    """A data directory with a person of each role, to be copied: quicker than making them anew."""

    home: Path
    secrets: dict[str, str]


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    home = tmp_path_factory.mktemp("furnished")
    review = Review.open(Settings(data_dir=home))
    secrets = {}
    for role in Role:
        review.people.add(role.value, role)
        secrets[role.value], _ = review.people.add_token(role.value, "test", tuple(Scope))
    review.close()
    return Furnished(home, secrets)


@pytest.fixture
def connect(tmp_path: Path, furnished: Furnished) -> Connect:
    """Return what opens a client on a new application: ``async with connect(coder, **settings)``.

    Each has a database of its own, with a person of each role; nothing is computed ahead.
    """

    @asynccontextmanager
    async def opened(coder: Any = None, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        if not (tmp_path / "data").exists():
            shutil.copytree(furnished.home, tmp_path / "data")
        usual = {"data_dir": tmp_path / "data", "queue_workers": 0, "requests_per_minute": 1_000_000}
        app = create_app(Settings(**(usual | settings)), coder)
        # The transport hands on what the application raises: nothing may escape to the server's own log.
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            client.app = app  # type: ignore[attr-defined]
            yield client

    return opened


@pytest.fixture
async def client(connect: Connect, coder: Coder) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(coder) as client:
        yield client


class Office:
    """A running service with a person for each role, and a client for each."""

    def __init__(self, client: httpx.AsyncClient, coder: Coder, secrets: Mapping[str, str]) -> None:
        self.stranger = client
        self.coder = coder
        self.service: Service = client.app.state.service  # type: ignore[attr-defined]
        self.review = self.service.review
        self._secrets = dict(secrets)

    def hire(self, name: str, role: Role, scopes: Iterable[str] = tuple(Scope)) -> None:
        """Make a person and a token for them."""
        self.review.people.add(name, role)
        self._secrets[name], _ = self.review.people.add_token(name, "test", scopes)

    def as_(self, name: str) -> dict[str, str]:
        """Return the headers of a person's requests."""
        return {"Authorization": f"Bearer {self._secrets[name]}"}

    async def ask(self, name: str, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """Return the answer to a person's request."""
        headers = self.as_(name) | more.pop("headers", {})
        return await self.stranger.request(method, path, json=body, headers=headers, **more)

    async def bring(self, *records: dict[str, Any], read: bool = True) -> None:
        """Import encounters, and read them unless told otherwise."""
        answer = await self.ask("lead", "POST", "/v1/encounters", {"items": list(records)})
        assert answer.json()["failed"] == []
        if read:
            self.read()

    def read(self) -> None:
        """Compute what is due, as a queue's thread does."""
        queue, pack = self.review.store.queue, self.coder.pack.version
        queue.want_missing(pack)
        while work_once(queue, "test", pack, self.coder.suggest):
            pass


@pytest.fixture
async def office(connect: Connect, coder: Coder, furnished: Furnished) -> AsyncIterator[Office]:
    async with connect(coder) as client:
        yield Office(client, coder, furnished.secrets)
