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
from coder_assist.api.page import page_routes
from coder_assist.api.review import check_settings
from coder_assist.api.routers import (
    audits,
    codes,
    decisions,
    encounters,
    health,
    overview,
    people,
    practice,
    session,
    suggest,
)
from coder_assist.api.schemas import DESCRIBED
from coder_assist.errors import InputError, ReviewError
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.coder import software_version

_DESCRIPTION = """
Reads clinical notes and proposes codes with the evidence that supports them; a coder decides.

Offsets count Unicode code points of the note's text. Everything other than 2xx is answered with problem
details (RFC 9457) that never repeat a value of the note. The same note, pack and code books give the same
bytes.
"""
PARTS = (health, session, encounters, decisions, audits, overview, people, practice, suggest, codes)
_TAGS = [
    {"name": "suggest", "description": "Which codes notes support."},
    {"name": "codes", "description": "What stands in the code books."},
    {"name": "session", "description": "Signing in and out."},
    {"name": "encounters", "description": "The worklist, and an encounter on the desk."},
    {"name": "decisions", "description": "What coders decide."},
    {"name": "audits", "description": "Reading samples again."},
    {"name": "overview", "description": "How the work stands."},
    {"name": "practice", "description": "Coding by oneself, and comparing."},
    {"name": "people", "description": "Accounts, tokens and the audit log."},
    {"name": "service", "description": "Is it alive, is it ready, and where is what."},
]
# FastAPI can report requests, exception messages included, to OpenTelemetry. Notes stay here.
_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)


def create_app(settings: Settings | None = None, coder: Coder | None = None) -> FastAPI:
    """Return the service as an ASGI application.

    Without a ``coder`` one is loaded by ``settings`` in a thread when the server starts (the lifespan);
    until it stands, ``/readyz`` and everything that needs it answer 503. ``settings`` default to
    the environment. The review's database is opened when the server starts.

    Raises ``SettingsError`` for settings that must not be served: a demo for other machines, a missing key.
    """
    settings = settings or Settings()
    check_settings(settings)
    service = Service(settings, coder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.open()
        service.start()
        try:
            yield
        finally:
            service.close()

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
    app.add_middleware(Boundary, settings=settings, figures=service.figures)
    app.add_exception_handler(HTTPException, problems.answer_http)
    app.add_exception_handler(RequestValidationError, problems.answer_validation)
    for known in (problems.RefusalError, InputError, ReviewError):
        app.add_exception_handler(known, problems.answer_known)
    for part in PARTS:
        app.include_router(part.router)
    app.router.routes.extend(page_routes())
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
