"""A half-open TCP connection: the other machine is gone and nobody says so. The real connector over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web
from feed_rig import BTC, RigSession, price, topic

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway import sockets
from crypto_dt_source.gateway.feed import Feed, FeedEvent, Live, Stalled
from crypto_dt_source.gateway.sockets import WebSocketConnector
from crypto_dt_source.model.errors import UpstreamUnreachable
from crypto_dt_source.providers.streaming import Opening, Stream


class Proxy:
    """Between a client and a server: what is said passes, until `swallow` lets nothing pass on connections open then."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._passes: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        gone = asyncio.Event()
        self._passes.append(gone)
        self._writers += [writer, far_writer]
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.ensure_future(self._pass(source, target, gone))
            self._tasks.add(task)

    @staticmethod
    async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not gone.is_set():
                    target.write(data)
                    await target.drain()
            if not gone.is_set():
                target.close()

    def swallow(self) -> None:
        for gone in self._passes:
            gone.set()

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for writer in self._writers:
            writer.close()


async def venue(request: web.Request) -> web.WebSocketResponse:
    """Confirms, and delivers twenty times a second."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)

    async def deliver() -> None:
        number = 0
        clock = SystemClock()
        while True:
            number += 1
            await socket.send_str(price(BTC, 100.0, number))
            await clock.sleep(0.05)

    task = asyncio.ensure_future(deliver())
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            await socket.send_str('{"ok": [["BTC", "USD"]]}')
    finally:
        task.cancel()
        await asyncio.wait({task})
    return socket


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[tuple[Proxy, str]]:
    app = web.Application()
    app.router.add_get("/", venue)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made = Proxy(runner.addresses[0][1])
    port = await made.start()
    yield made, f"ws://127.0.0.1:{port}/"
    await made.close()
    await runner.cleanup()


async def until(what: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await what.wait()


async def test_a_feed_notices_by_silence_and_connects_anew(proxy: tuple[Proxy, str]) -> None:
    between, url = proxy
    clock = SystemClock()
    live, stalled = asyncio.Event(), asyncio.Event()
    times: list[float] = []

    def sink(event: FeedEvent) -> None:
        if isinstance(event, Stalled):
            times.append(clock.monotonic())
            stalled.set()
        elif isinstance(event, Live):
            live.set()

    async def opening() -> Opening:
        return Opening(url)

    stream = Stream(RigSession, ("ticker",), topics_a_connection=5, frames_a_second=50.0, silent_s=0.6)
    connector = WebSocketConnector(clock)
    feed = Feed("v", stream, opening, connector, clock, sink, seed=1)
    feed.want([topic(BTC)])
    await until(live)
    live.clear()
    begun = clock.monotonic()
    between.swallow()
    await until(stalled)
    # The bound is silent_s and a step of the watcher, a quarter of it; the rest is for a busy machine.
    assert 0.5 <= times[0] - begun < 0.6 + 0.15 + 1.0
    await until(live)
    assert clock.monotonic() - times[0] < 2
    await feed.close()
    await connector.close()


async def test_the_connector_notices_by_a_ping_without_an_answer(
    proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    between, url = proxy
    monkeypatch.setattr(sockets, "PING_S", 0.4)
    clock = SystemClock()
    connector = WebSocketConnector(clock)
    socket = await connector.connect(url)
    await socket.receive()
    between.swallow()
    begun = clock.monotonic()

    async def listen() -> None:
        while True:
            await socket.receive()

    with pytest.raises(UpstreamUnreachable):
        await asyncio.wait_for(listen(), 10)
    # A ping after PING_S of quiet at most, its answer within half of that.
    assert clock.monotonic() - begun < 0.4 * 1.5 + 1.0
    await socket.close()
    await connector.close()
