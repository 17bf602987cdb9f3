"""Outgoing WebSockets: what a feed needs of one, and the real one on aiohttp."""

from __future__ import annotations

import asyncio
from typing import Protocol

import aiohttp

from ..clock import Clock
from ..model.errors import BodyTooLarge, UpstreamTimeout, UpstreamUnreachable
from .transport import USER_AGENT

MAX_FRAME_BYTES = 8 * 1024 * 1024
CONNECT_S = 3.5
"""Longer than any handshake that is worth having, and short enough that a venue is back within five seconds of its network."""
PING_S = 20.0
"""How often a WebSocket ping is sent; without an answer in half of that the connection is given up."""
CLOSE_S = 1.0


class Socket(Protocol):
    """An open connection."""

    async def receive(self) -> str | bytes:
        """The next message. Raises UpstreamUnreachable when the connection has ended, BodyTooLarge for a message beyond its
        bound."""
        ...

    async def send(self, frame: str) -> None:
        """Send a text message. Raises UpstreamUnreachable."""
        ...

    async def close(self) -> None:
        """End the connection; never raises."""
        ...


class Connector(Protocol):
    """Opens connections. Raises UpstreamUnreachable and UpstreamTimeout."""

    async def connect(self, url: str) -> Socket: ...

    async def close(self) -> None: ...


class WebSocketConnector:
    """The real one. `close` must be called."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def connect(self, url: str) -> Socket:
        """See :class:`Connector`. `url` is ws:// or wss://; redirects are not followed."""
        if self._closed:
            raise UpstreamUnreachable("the service is stopping")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT},
            )
        try:
            async with asyncio.timeout(CONNECT_S):
                opened = await self._session.ws_connect(
                    url,
                    max_msg_size=MAX_FRAME_BYTES,
                    heartbeat=PING_S,
                    compress=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                )
        except TimeoutError:
            raise UpstreamTimeout(f"no connection within {CONNECT_S:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The text of a client error can hold the address, and the address a token.
            raise UpstreamUnreachable(f"the connection failed: {type(error).__name__}") from None
        return _Opened(opened)

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None
            for _ in range(3):
                # aiohttp closes its sockets on the next turns of the loop.
                await self._clock.sleep(0)


class _Opened:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes:
        try:
            message = await self._socket.receive()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamUnreachable(f"the connection broke: {type(error).__name__}") from None
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        if self._socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            raise BodyTooLarge(f"a message is larger than {MAX_FRAME_BYTES} bytes")
        raise UpstreamUnreachable(f"the connection was closed with {self._socket.close_code}")

    async def send(self, frame: str) -> None:
        try:
            await self._socket.send_str(frame)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise UpstreamUnreachable(f"the connection broke: {type(error).__name__}") from None

    async def close(self) -> None:
        try:
            async with asyncio.timeout(2 * CLOSE_S):
                await self._socket.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            # It is gone either way.
            return
