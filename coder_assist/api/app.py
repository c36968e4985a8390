"""The application: operations, problems, boundary and description put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from coder_assist.api import problems
from coder_assist.api.boundary import Boundary
from coder_assist.api.dependencies import Service
from coder_assist.api.routers import codes, health, suggest
from coder_assist.api.schemas import DESCRIBED
from coder_assist.errors import InputError
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.coder import software_version

_DESCRIPTION = """
Reads clinical notes and proposes codes with the evidence that supports them; a coder decides.

Offsets count Unicode code points of the note's text. Everything other than 2xx is answered with problem
details (RFC 9457) that never repeat a value of the note. The same note, pack and code books give the same
bytes.
"""
_TAGS = [
    {"name": "suggest", "description": "Which codes notes support."},
    {"name": "codes", "description": "What stands in the code books."},
    {"name": "service", "description": "Is it alive, is it ready, and where is what."},
]
# FastAPI can report requests, exception messages included, to OpenTelemetry. Notes stay here.
_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)


def create_app(settings: Settings | None = None, coder: Coder | None = None) -> FastAPI:
    """Return the service as an ASGI application.

    Without a ``coder`` one is loaded by ``settings`` in a thread when the server starts (the lifespan);
    until it stands, ``/readyz`` and everything that needs it answer 503. ``settings`` default to
    the environment.
    """
    settings = settings or Settings()
    service = Service(settings, coder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield

    app = _Described(
        settings,
        title="coder_assist",
        version=software_version(),
        description=_DESCRIPTION.strip(),
        openapi_tags=_TAGS,
        lifespan=lifespan,
        # The bundled pages load their scripts from a CDN; this service works without a network.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    app.state.service = service
    app.add_middleware(Boundary, max_body_bytes=settings.max_body_bytes)
    app.add_exception_handler(HTTPException, problems.answer_http)
    app.add_exception_handler(RequestValidationError, problems.answer_validation)
    for known in (problems.RefusalError, InputError):
        app.add_exception_handler(known, problems.answer_known)
    for router in (suggest.router, codes.router, health.router):
        app.include_router(router)
    return app


class _Described(FastAPI):
    """FastAPI, with the bodies that ``suggest.wire`` reads and writes in its description."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description, made once."""
        if not self.openapi_schema:
            description = super().openapi()
            _, models = models_json_schema(
                [(model, "validation") for model in DESCRIBED], ref_template="#/components/schemas/{model}"
            )
            schemas = description.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(models["$defs"])
            schemas["NoteBatch"]["properties"]["notes"]["maxItems"] = self._settings.max_batch_notes
            schemas["NoteRecord"]["properties"]["text"]["maxLength"] = self._settings.max_note_characters
            self.openapi_schema = description
        return self.openapi_schema
