"""One line a request, where the operator wants them (ACCESS_LOG): who, what, how it ended, how long it took.

Without the query, which may hold a token, and without headers; a key is named by its id. A key typed into the path is
struck out like everywhere in the log (`telemetry.mask`).
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..clock import Clock
from ..security.tiers import Caller
from ..telemetry import logger
from .gate import CALLER

log = logger("http")
SHOWN_PATH = 200
"""Characters of a path that are logged."""
_SWITCHED, _REFUSED = 101, 403
"""What a WebSocket handshake ends with: accepted, or closed before that."""


class AccessLog:
    """Wraps the whole application; outermost, so that preflights are logged as well."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self.app = app
        self._now = clock.monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        started = self._now()
        line = _Line()

        async def watched(message: Message) -> None:
            line.see(message)
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            caller: Caller | None = scope.get(CALLER)
            log.info(
                "request",
                method=scope.get("method", "WEBSOCKET"),
                path=scope["path"][:SHOWN_PATH],
                status=line.status,
                bytes=line.size,
                ms=round((self._now() - started) * 1000, 2),
                address=caller.address if caller else None,
                key=caller.key if caller else None,
                request_id=line.request_id,
            )


class _Line:
    """What an answer tells about itself while it is sent."""

    __slots__ = ("request_id", "size", "status")

    def __init__(self) -> None:
        self.status = 0
        self.size = 0
        self.request_id: str | None = None

    def see(self, message: Message) -> None:
        kind: str = message["type"]
        if kind.endswith("http.response.start"):
            self.status = message["status"]
            headers: Any = message.get("headers", ())
            self.request_id = next((v.decode("latin-1") for n, v in headers if n == b"x-request-id"), None)
        elif kind.endswith("http.response.body"):
            self.size += len(message.get("body", b""))
        elif kind == "websocket.accept":
            self.status = _SWITCHED
        elif kind == "websocket.close":
            self.status = self.status or _REFUSED
