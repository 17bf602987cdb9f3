"""The application on a real socket of this machine, over a runtime that collects nothing, with a clock that stands still."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

import harness
from crypto_dt_source.api.app import serve_app
from crypto_dt_source.api.protocol import Protocol
from crypto_dt_source.api.sockets import SocketProtocol
from crypto_dt_source.cli.running import Server, listen
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.services import collect
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.stream import Event

LIMIT_S = 10.0


@dataclass
class Live:
    """A server that answers. `origins` of CORS are https://app.example.org."""

    rt: Runtime
    clock: ManualClock
    server: Server
    port: int

    def url(self, path: str = "/ws") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def connected(self, path: str = "/ws", **headers: str) -> AsyncIterator[ClientConnection]:
        async with connect(
            self.url(path), additional_headers=headers, compression=None, proxy=None
        ) as socket:
            yield socket

    def publish(self, channel: str, symbol: str | None, data: Any) -> None:
        self.rt.bus.publish(Event(channel, symbol, data, self.clock.now_ms()))


@asynccontextmanager
async def live(folder: Path, *, collected: bool = False, **values: Any) -> AsyncIterator[Live]:
    """`values` are settings."""
    clock = ManualClock(harness.START_MS)
    values = {"free_tier_connections": 0, "free_tier_subscriptions": 0, **values}
    async with harness.running(folder, clock=clock, **values) as (rt, _, _):
        if collected:
            await harness.drive(clock, collect.one_round(rt))
        edge = serve_app(_never, clock, timeout_s=20, origins="https://app.example.org")
        edge.app.state.runtime = rt  # type: ignore[attr-defined]
        listener = listen("127.0.0.1", 0)
        ready = asyncio.Event()
        server = Server(
            edge,
            ready.set,
            graceful_s=1,
            lifespan="off",
            http=Protocol,
            ws=SocketProtocol,
            stopping=rt.sessions.stop,
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await ready.wait()
        try:
            yield Live(rt, clock, server, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await harness.drive(clock, serving)
            listener.close()


def _never() -> Any:
    raise AssertionError("the tests open the runtime themselves")


async def frames(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next frames."""
    async with asyncio.timeout(LIMIT_S):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of that type; those before it are passed over."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if frame["type"] == kind:
                return frame


async def ask(socket: ClientConnection, message: dict[str, Any], kind: str) -> dict[str, Any]:
    """Send a message; gives the next frame of that type."""
    await socket.send(json.dumps(message))
    return await until(socket, kind)


async def closed(socket: ClientConnection) -> tuple[int | None, list[dict[str, Any]]]:
    """Read to the end; gives the close code and what came before it."""
    seen = []
    try:
        async with asyncio.timeout(LIMIT_S):
            while True:
                seen.append(json.loads(await socket.recv()))
    except websockets.ConnectionClosed:
        return socket.close_code, seen
