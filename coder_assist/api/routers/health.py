"""Is it alive, is it ready, and where is what."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from coder_assist.api.dependencies import TheCoder
from coder_assist.api.guard import Guarded
from coder_assist.api.page import page_file, page_response
from coder_assist.api.problems import documented
from coder_assist.api.schemas import Alive, Links, Ready, gives
from coder_assist.suggest.coder import software_version
from coder_assist.types import System

router = APIRouter(tags=["service"], route_class=Guarded)

LINKS = {
    "openapi": "/openapi.json",
    "alive": "/healthz",
    "ready": "/readyz",
    "suggest": "/v1/suggest",
    "suggest_batch": "/v1/suggest:batch",
    "code": "/v1/codes/{system}/{code}",
    "search": "/v1/codes/search?q={words}&system={system}&limit={limit}",
    "session": "/v1/session",
    "encounters": "/v1/encounters",
    "audits": "/v1/audits",
    "overview": "/v1/overview",
    "metrics": "/metrics",
}
_READY_EXAMPLE = {
    "status": "ready",
    "pack": "clinical-us@0123456789ab",
    "code_books": {"ICD-10-CM": "2026-04", "CPT": "catalogue"},
    "lexicon": "0123456789ab",
    "software": "0.1.0",
}
_LINKS_EXAMPLE = {"service": "coder_assist", "software": "0.1.0", "links": LINKS}


@router.get(
    "/",
    operation_id="index",
    response_model=Links,
    responses=documented("too-many-requests")
    | {
        200: {
            "description": "The review page to browsers, links to programs.",
            "content": {
                "application/json": {"example": _LINKS_EXAMPLE},
                "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>"},
            },
        }
    },
)
async def index(request: Request) -> Response:
    """Return the review page to a browser, and where the operations are to everything else."""
    if "text/html" in request.headers.get("accept", "") and (page := page_file("index.html")) is not None:
        return page_response(page)
    links = Links(service="coder_assist", software=software_version(), links=LINKS)
    return JSONResponse(links.model_dump(), headers={"Vary": "Accept"})


@router.get(
    "/healthz", operation_id="health", responses=gives({"status": "alive"}) | documented("too-many-requests")
)
async def health() -> Alive:
    """Say that the process answers; it may still be loading."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="readiness",
    responses=gives(_READY_EXAMPLE) | documented("not-ready", "too-many-requests"),
)
def readiness(coder: TheCoder) -> Ready:
    """Say that notes can be read, and with which data; 503 before."""
    library = coder.library
    return Ready(
        pack=coder.pack.version,
        code_books={System(system): edition for system, edition in library.versions().items()},
        lexicon=library.lexicon.version,
        software=software_version(),
    )
