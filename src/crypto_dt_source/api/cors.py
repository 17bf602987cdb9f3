"""Pages of other origins, where the operator names any (CORS_ORIGINS): https://fetch.spec.whatwg.org/#http-cors-protocol

Around the edge, so that errors, 429s and 304s are readable too. A preflight is answered here: it reaches no route and
counts for nobody. Cookies play no part, so credentials are never allowed. Starlette's middleware is not used: it leaves
`Vary` out where a request names no origin or a foreign one, and a cache between then gives that answer to everybody.
"""

from __future__ import annotations

import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..model.errors import Forbidden
from .errors import METHODS, error_body
from .headers import Header, secured

MAX_AGE_S = 600
"""How long a browser remembers a preflight."""
SENT = ("X-API-Key", "Authorization", "Content-Type", "If-None-Match", "X-Request-ID", "Last-Event-ID")
"""Headers that pages may send."""
SHOWN = (
    *("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    *("Retry-After", "X-Request-ID", "ETag", "Age", "X-Tier-Limit", "X-Mode", "X-Pair", "X-Source"),
    "Content-Disposition",
)
"""Headers of answers that pages may read."""
_VARY: Header = (b"vary", b"Origin")
_PREFLIGHT_VARY: Header = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
_EXPOSE: Header = (b"access-control-expose-headers", ", ".join(SHOWN).encode())
_ALLOWED: list[Header] = [
    (b"access-control-allow-methods", ", ".join(["HEAD", *METHODS]).encode()),
    (b"access-control-allow-headers", ", ".join(SENT).encode()),
    (b"access-control-max-age", str(MAX_AGE_S).encode()),
]


class Cors:
    """Wraps an application. `origins`: as a browser sends them, comma separated, or `*`."""

    def __init__(self, app: ASGIApp, origins: str) -> None:
        self.app = app
        named = {part.strip().encode() for part in origins.split(",") if part.strip()}
        self._any = b"*" in named
        self._origins = named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin, preflight = b"", False
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
            elif name == b"access-control-request-method":
                preflight = True
        if preflight and origin and scope["method"] == "OPTIONS":
            await self._preflight(origin, send)
            return
        fields = self._fields(origin)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *fields]}
            await send(message)

        await self.app(scope, receive, told)

    def _allow(self, origin: bytes) -> list[Header]:
        if self._any:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origin)] if origin in self._origins else []

    def _fields(self, origin: bytes) -> list[Header]:
        """Of an answer: the same for everybody where everybody may read it, else told apart by origin."""
        allow = self._allow(origin)
        return [*allow, *([_EXPOSE] if allow else []), *([] if self._any else [_VARY])]

    async def _preflight(self, origin: bytes, send: Send) -> None:
        request_id = secrets.token_hex(8)
        allow = self._allow(origin)
        status, body, headers = 204, b"", [*allow, *_ALLOWED]
        if not allow:
            refusal = Forbidden(
                "Pages of this origin may not ask this server; its operator can add the origin."
            )
            status = refusal.status
            body, headers = error_body(refusal, request_id)
        shown = [*secured(headers), _PREFLIGHT_VARY, (b"x-request-id", request_id.encode())]
        await send({"type": "http.response.start", "status": status, "headers": shown})
        await send({"type": "http.response.body", "body": body})
