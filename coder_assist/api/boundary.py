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

from coder_assist.api.problems import Problem, RefusalError, problem_for

logger = logging.getLogger("coder_assist.api")


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

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

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
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers["X-Request-ID"] = request_id
            await send(message)

        try:
            declared = Headers(scope=scope).get("content-length", "0")
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
            took = (perf_counter() - began) * 1000
            logger.info("%s %s %d %.1f ms request %s", scope["method"], route, status, took, request_id)
