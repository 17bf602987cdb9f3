"""Whether a WebSocket handshake may pass, and the answer to one that may not."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import Scope, Send

from ..model.errors import CdtsError, Forbidden
from ..stream.protocol import Close
from .errors import error_body
from .headers import Header, secured

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


async def refuse(scope: Scope, send: Send, error: CdtsError, fields: list[Header] | None = None) -> None:
    """Answer a handshake with an error. A server that cannot answer with more than a 403 does that."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": Close.POLICY, "reason": error.code})
        return
    request_id: str = scope.get("cdts.request_id", "")
    body, headers = error_body(error, request_id)
    waits = any(name == b"retry-after" for name, _ in headers)
    more = [field for field in fields or () if not (waits and field[0] == b"retry-after")]
    shown = [*secured(headers), *more, (b"x-request-id", request_id.encode())]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": shown})
    await send({"type": "websocket.http.response.body", "body": body})


def check_page(scope: Scope, allowed: Collection[str], of_key: Collection[str]) -> str:
    """The Origin of the handshake, empty where there is none: then it comes from no page. Browsers let any page open a
    WebSocket anywhere, so the server has to look (https://www.rfc-editor.org/rfc/rfc6455#section-10.2): a page of this
    server, of `allowed` (`*`: of any) or of those the key is for may. Raises Forbidden."""
    origin = host = ""
    for name, value in scope["headers"]:
        if name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"host":
            host = value.decode("latin-1")
    if not origin or "*" in allowed or origin in allowed or origin in of_key:
        return origin
    own = _place(f"{scope.get('scheme', 'ws')}://{host}")
    asked = _place(origin)
    # TLS may end in front of this server: a page of the same host is its own whatever the scheme.
    if own is None or asked is None or own[0] != asked[0] or not _same_port(own[1], asked[1]):
        raise Forbidden(
            "Pages of this origin may not connect; the operator can add it to CORS_ORIGINS.",
            details={"origin": origin[:200]},
        )
    return origin


def _place(url: str) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            return None
        return parts.hostname.lower(), parts.port
    except ValueError:
        return None


def _same_port(own: int | None, asked: int | None) -> bool:
    usual = set(_PORTS.values())
    return own == asked or {own, asked} <= {None, *usual}
