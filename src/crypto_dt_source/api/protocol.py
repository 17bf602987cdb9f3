"""What a client is told that does not speak HTTP: uvicorn's own refusals in the one error shape, and bounded headers."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ..model.errors import BadRequest, CdtsError, Overloaded, TooLarge
from .errors import error_body
from .headers import secured
from .sockets import ABORT

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together. The parser itself has no bound."""


HEAD_S = 10.0
"""How long a client may take from its connection, or from the first byte of a request, to the end of the headers. The
same holds for the rest of a body whose request is answered already."""
RETRY_AFTER_S = 1


class HeadersTooLarge(TooLarge):
    """Request line and headers beyond their bound."""

    status = 431


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with our error answers and bounds. Pass it as `http=` of its configuration. A connection beyond
    `limit_concurrency` is refused; uvicorn itself would refuse every request while that many are open."""

    _head_bytes = 0
    _in_head = False
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._most, self.limit_concurrency = self.limit_concurrency, None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > self._most:
            self._refuse(
                Overloaded(
                    f"More than {self._most} connections are open; try again in a moment.",
                    details={"allowed": self._most},
                    retry_after=RETRY_AFTER_S,
                )
            )
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._arm()

    def _arm(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEAD_S, self.transport.close)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        if self._timer is not None:
            self._disarm()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[ABORT] = self.transport.abort
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Counts what arrives before the headers are complete; answers 431 past the bound."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        # A request that came whole, as most do, needs no timer.
        self._arm()
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(
                HeadersTooLarge(
                    f"The headers are larger than {MAX_HEAD_BYTES} bytes.",
                    details={"allowed_bytes": MAX_HEAD_BYTES},
                )
            )

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this for everything its parser cannot read."""
        self._refuse(BadRequest("The request is not HTTP/1.1 as this server reads it."))

    def _refuse(self, error: CdtsError) -> None:
        request_id = secrets.token_hex(8)
        body, headers = error_body(error, request_id)
        shown = [
            *self.server_state.default_headers,
            *secured(headers),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in shown)
        self.transport.write(STATUS_LINE[error.status] + lines + b"\r\n" + body)
        self.transport.close()
