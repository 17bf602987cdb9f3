"""uvicorn's WebSocket protocol with bounds it lacks, and a way to write a frame that is encoded once for all clients.

https://www.rfc-editor.org/rfc/rfc6455
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

WIRE = "cdts.wire"
"""In a handshake's scope: the SocketProtocol itself, which takes bytes that are WebSocket frames already."""
ABORT = "cdts.abort"
"""In a scope: a function that breaks the connection off, without waiting for what the other side does not take."""
FRAGMENTS = 256
"""Parts a message may come in: empty ones have no size, and would be collected without an end."""
CLOSE_S = 12.0
"""How long a closed connection may take to send what is left. uvicorn waits for ever."""


def framed(text: bytes) -> bytes:
    """A server's text message as its bytes on the wire: one frame, not masked."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class SocketProtocol(WebSocketsSansIOProtocol):
    """Pass it as `ws=` of uvicorn's configuration."""

    _end: asyncio.TimerHandle | None = None
    on_writable: Callable[[], None] | None = None

    async def run_asgi(self) -> None:
        scope: dict[str, object] = self.scope  # type: ignore[assignment]
        scope[WIRE] = self
        scope[ABORT] = self.transport.abort
        try:
            await super().run_asgi()
        finally:
            self._abort_later()

    async def send(self, message: ASGISendEvent) -> None:
        if self.conn.eof_sent:
            # The server has broken off while the application was at it.
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # A handshake that was refused in words is over too; uvicorn would log an error.
            self.handshake_complete = True

    def push(self, frames: bytes) -> bool:
        """Send whole frames; gives whether the client takes more now. Where not, `on_writable` is called once it does.
        Raises ClientDisconnected."""
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        self.transport.write(frames)
        return self.writable.is_set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def _abort_later(self) -> None:
        if self._end is None and not self.disconnected:
            self._end = self.loop.call_later(CLOSE_S, self.transport.abort)

    def pause_writing(self) -> None:
        """Every ping is answered: who does not take the answers is not read either."""
        super().pause_writing()
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        if self.on_writable is not None:
            self.on_writable()

    async def receive(self):  # type: ignore[no-untyped-def]
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if self.writable.is_set() and not self.transport.is_closing():
                self.transport.resume_reading()
        return message

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            self.frames = [b"".join(self.frames)]
            try:
                self.frames[0].decode()
            except UnicodeDecodeError:
                # uvicorn would log a traceback for every such message.
                self._fail(CloseCode.INVALID_DATA, "not UTF-8")
                return
        super().send_receive_event_to_app()

    def _fail(self, code: int, reason: str) -> None:
        if self.close_sent:
            return
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()
        self._abort_later()
