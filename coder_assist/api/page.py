"""The files of the review page, served as they are from ``coder_assist/web``."""

from __future__ import annotations

from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.routing import Route

import coder_assist

FOLDER = Path(coder_assist.__file__).parent / "web"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}


def page_file(name: str) -> Path | None:
    """Return a file of the page, if it is there."""
    path = FOLDER / name
    return path if path.is_file() else None


def page_response(path: Path) -> Response:
    """Return a file as an answer; browsers ask again each time, and get 304 while it is the same."""
    return FileResponse(
        path,
        media_type=MEDIA_TYPES[path.suffix],
        headers={"Cache-Control": "no-cache", "Vary": "Accept"},
        stat_result=path.stat(),
    )


def page_routes() -> list[Route]:
    """Return a route for each file of the page. There is no path to take apart, so none leads elsewhere."""
    files = (
        sorted(path for path in FOLDER.rglob("*") if path.suffix in MEDIA_TYPES) if FOLDER.is_dir() else []
    )
    return [_route(path, "/" + path.relative_to(FOLDER).as_posix()) for path in files]


def _route(path: Path, address: str) -> Route:
    async def give(request: Request) -> Response:
        answer = page_response(path)
        etag = answer.headers.get("etag")
        if etag is not None and etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": etag, "Cache-Control": "no-cache"})
        return answer

    return Route(address, give, methods=["GET"], include_in_schema=False)
