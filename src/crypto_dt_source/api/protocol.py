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
"""Request line and headers together, and what comes of a body without being content: trailers, extensions of chunks. The
parser itself has no bound."""
HEAD_S = 10.0
"""How long a client may take from its connection, or from the first byte of a request, to the end of the headers. The
same holds for the rest of a body whose request is answered already."""
RETRY_AFTER_S = 1


class HeadersTooLarge(TooLarge):
    """Request line and headers beyond their bound."""

    status = 431

    def __init__(self) -> None:
        super().__init__(
            f"The headers are larger than {MAX_HEAD_BYTES} bytes.", details={"allowed_bytes": MAX_HEAD_BYTES}
        )


class _Whole(list[tuple[bytes, bytes]]):
    """The headers of a request that are complete: uvicorn adds trailers to them, which nobody reads, without an end."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        pass


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with our error answers and bounds. Pass it as `http=` of its configuration. A connection beyond
    `limit_concurrency` is refused; uvicorn itself would refuse every request while that many are open."""

    _head_bytes = 0
    _in_head = False
    _in_body = False
    _arriving = 0
    """Bytes that the parser is looking at."""
    _idle_bytes = 0
    """Of the body, since its last byte of content."""
    _had_content = False
    _head_refused = False
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
        head, self._head_bytes = self._head_bytes + self._arriving, 0
        if head > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            # Before there is a request; the parser turns it into its own error, which ends in `send_400_response`.
            self._head_refused = True
            raise HeadersTooLarge
        self._in_body = self._had_content = True
        if self._timer is not None:
            self._disarm()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[ABORT] = self.transport.abort
        super().on_headers_complete()
        self.headers = _Whole(self.headers)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._had_content = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Counts what arrives before the headers are complete, or without being content; answers 431 past the bound."""
        self._arriving = len(data)
        self._had_content = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_body:
            self._idle_bytes = 0 if self._had_content else self._idle_bytes + len(data)
            if self._idle_bytes > MAX_HEAD_BYTES:
                self._refuse_body()
            return
        if not self._in_head:
            return
        # A request that came whole, as most do, needs no timer.
        self._arm()
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge())

    def _refuse_body(self) -> None:
        if self.cycle.response_started or self.pipeline:
            # Another answer stands in this place.
            self.transport.close()
        else:
            self._refuse(HeadersTooLarge())

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this for everything its parser cannot read."""
        bad = BadRequest("The request is not HTTP/1.1 as this server reads it.")
        self._refuse(HeadersTooLarge() if self._head_refused else bad)

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
