"""Is it alive, is it ready, and where is what."""

from __future__ import annotations

from fastapi import APIRouter

from coder_assist.api.dependencies import TheCoder
from coder_assist.api.problems import documented
from coder_assist.api.schemas import Alive, Links, Ready, gives
from coder_assist.suggest.coder import software_version
from coder_assist.types import System

router = APIRouter(tags=["service"])

LINKS = {
    "openapi": "/openapi.json",
    "alive": "/healthz",
    "ready": "/readyz",
    "suggest": "/v1/suggest",
    "suggest_batch": "/v1/suggest:batch",
    "code": "/v1/codes/{system}/{code}",
    "search": "/v1/codes/search?q={words}&system={system}&limit={limit}",
}
_READY_EXAMPLE = {
    "status": "ready",
    "pack": "clinical-us@0123456789ab",
    "code_books": {"ICD-10-CM": "2026-04", "CPT": "catalogue"},
    "lexicon": "0123456789ab",
    "software": "0.1.0",
}
_LINKS_EXAMPLE = {"service": "coder_assist", "software": "0.1.0", "links": LINKS}


@router.get("/", operation_id="index", responses=gives(_LINKS_EXAMPLE) | documented())
async def index() -> Links:
    """Return where the operations and their description are."""
    return Links(service="coder_assist", software=software_version(), links=LINKS)


@router.get("/healthz", operation_id="health", responses=gives({"status": "alive"}) | documented())
async def health() -> Alive:
    """Say that the process answers; it may still be loading."""
    return Alive()


@router.get("/readyz", operation_id="readiness", responses=gives(_READY_EXAMPLE) | documented("not-ready"))
def readiness(coder: TheCoder) -> Ready:
    """Say that notes can be read, and with which data; 503 before."""
    library = coder.library
    return Ready(
        pack=coder.pack.version,
        code_books={System(system): edition for system, edition in library.versions().items()},
        lexicon=library.lexicon.version,
        software=software_version(),
    )
