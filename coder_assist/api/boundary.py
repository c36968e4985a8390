"""The edge of the service: what holds for every request, whatever answers it.

Plain ASGI. It bounds the body, turns what nobody caught into a problem, sets the headers that every answer
carries, and writes one log line, in which no part of a body, a query or an exception's message stands.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coder_assist.api.metrics import Figures
from coder_assist.api.problems import Problem, RefusalError, problem_for
from coder_assist.settings import Settings

logger = logging.getLogger("coder_assist.api")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# The page is its own files and nothing else: no inline script or style, no other host, no frame around it.
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def log_failure(error: BaseException, subject: str) -> None:
    """Log an unforeseen exception by its type and the lines it passed; its message may quote a note."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    passed = " < ".join(
        f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})" for frame in reversed(frames)
    )
    logger.error("%s failed: %s in %s", subject, type(error).__name__, passed)


def too_large(limit: int) -> RefusalError:
    """Return the refusal of a body of more than ``limit`` bytes."""
    return RefusalError(
        Problem("body-too-large", f"expected at most {limit:,} bytes; send fewer notes at a time")
    )


class Boundary:
    """Wraps the application. ``max_body_bytes`` also bounds bodies that come without a Content-Length."""

    def __init__(self, app: ASGIApp, settings: Settings, figures: Figures) -> None:
        self.app = app
        self.max_body_bytes = settings.max_body_bytes
        self.figures = figures
        self.hosts = frozenset(name.lower() for name in settings.allowed_hosts)
        if settings.is_demo:
            # Another site's name that is made to lead here (DNS rebinding) does not open the demo.
            self.hosts |= {"localhost", "127.0.0.1", "[::1]", settings.host.lower()}
        self.headers = dict(SECURITY)
        if settings.cookies_are_secure:
            self.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    def _see_host(self, headers: Headers) -> None:
        name = headers.get("host", "").lower()
        bare = name if name.endswith("]") else name.rpartition(":")[0] or name
        if self.hosts and bare not in self.hosts:
            raise RefusalError(Problem("misdirected", "expected the Host header to name this service"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, began, status = uuid4().hex, perf_counter(), 0
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self.max_body_bytes:
                    raise too_large(self.max_body_bytes)
            return message

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = request_id
            await send(message)

        try:
            received = Headers(scope=scope)
            self._see_host(received)
            declared = received.get("content-length", "0")
            # int() would also take "1_0" and other digits; a server refuses those, a test client may not.
            if declared.isascii() and declared.isdigit() and int(declared[:20]) > self.max_body_bytes:
                raise too_large(self.max_body_bytes)
            await self.app(scope, bounded, stamped)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:
            problem = problem_for(error)
            if problem.kind == "internal-error":
                log_failure(error, f"request {request_id}")
            if not status:
                await problem.response()(scope, receive, stamped)
        finally:
            # The route's template, not the address: what stands in an address is the client's choice.
            route = getattr(scope.get("route"), "path", "(no route)")
            took = perf_counter() - began
            # A method that is none is the client's words too.
            method = scope["method"] if scope["method"] in METHODS else "(other)"
            self.figures.count(method, route, status, took)
            logger.info("%s %s %d %.1f ms request %s", method, route, status, took * 1000, request_id)
