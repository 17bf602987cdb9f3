"""Sockets of the simulator without a network: a feed's connector whose other end is the app's WebSocket scope."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from crypto_dt_source.model.errors import UpstreamUnreachable
from crypto_dt_source.sim.app import SimApp

Message = dict[str, Any]


class SimSocket:
    """One connection. `lost` is a half-open TCP connection: nothing arrives any more on either side, and neither is told."""

    def __init__(self, app: SimApp, path: str) -> None:
        self.path = path
        self.lost = False
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._to_feed: asyncio.Queue[Message] = asyncio.Queue()
        self._to_app.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "path": path, "query_string": b"", "headers": []}
        self._task = asyncio.ensure_future(app(scope, self._to_app.get, self._send))
        self._task.add_done_callback(self._over)

    async def _send(self, message: Any) -> None:
        if not self.lost:
            self._to_feed.put_nowait(message)

    def _over(self, task: asyncio.Future[None]) -> None:
        """The app's side ended: the peer sees the connection closed."""
        if not self.lost:
            self._to_feed.put_nowait({"type": "websocket.close", "code": 1006})
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def opened(self) -> bool:
        """Whether the handshake succeeded."""
        return bool((await self._to_feed.get())["type"] == "websocket.accept")

    async def receive(self) -> str | bytes:
        message = await self._to_feed.get()
        if message["type"] != "websocket.send":
            raise UpstreamUnreachable(f"the connection was closed with {message['code']}")
        frame: str | bytes | None = message.get("text")
        return message["bytes"] if frame is None else frame

    async def send(self, frame: str) -> None:
        if not self.lost:
            self._to_app.put_nowait({"type": "websocket.receive", "text": frame})

    async def close(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait({self._task})


class SimConnector:
    """Opens connections to `ws://sim/{provider}`. `sockets` are all that were opened, by provider."""

    def __init__(self, app: SimApp) -> None:
        self._app = app
        self.sockets: dict[str, list[SimSocket]] = {}

    async def connect(self, url: str) -> SimSocket:
        path = urlsplit(url).path
        socket = SimSocket(self._app, path)
        if not await socket.opened():
            raise UpstreamUnreachable("the handshake was refused")
        self.sockets.setdefault(path.strip("/"), []).append(socket)
        return socket

    def lose(self, provider: str) -> None:
        """Every connection that is open to this provider now is half-open from now on."""
        for socket in self.sockets.get(provider, ()):
            socket.lost = True

    async def close(self) -> None:
        """The sockets end with their feeds."""
