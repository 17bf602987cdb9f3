"""The package's own client against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from crypto_dt_source.client import ApiError, Client, Ended, Frame, Stream, Unreachable, Wanted
from crypto_dt_source.client import stream as stream_module
from crypto_dt_source.security.tiers import READ
from crypto_dt_source.services import access
from socket_server import LIMIT_S, Live, live

pytestmark = pytest.mark.asyncio(loop_scope="module")


class NoWait:
    """Nobody waits before coming back; `slept` is for how long it would have been."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live(tmp_path_factory.mktemp("client"), collected=True) as running:
        yield running


async def some(stream: Stream, count: int) -> list[Frame]:
    async with asyncio.timeout(LIMIT_S):
        return [await anext(stream.__aiter__()) for _ in range(count)]


def cut(server: Live) -> None:
    """Every connection breaks, as a network does it."""
    for session in list(server.rt.sessions.sessions):
        session.abort()


async def test_prices(server: Live) -> None:
    async with Client(server.http) as client:
        answer = await client.prices("BTC", "eth-usd", "NOPE0")
        assert [row.symbol for row in answer.rows] == ["BTC", "ETH"]
        point = server.rt.pricer.point("bitcoin")
        assert point is not None
        assert answer.rows[0].price == point.price
        assert [error["symbol"] for error in answer.errors] == ["NOPE0"]
        assert (await client.price("bitcoin")).id == "bitcoin"
        assert (await client.get("/api/coins/search", q="bitc", limit=None))["data"]
        with pytest.raises(ApiError) as unknown:
            await client.price("NOPE0")
        assert (unknown.value.status, unknown.value.code) == (404, "unknown_symbol")
        with pytest.raises(ApiError) as wrong:
            await client.get("/api/ohlcv", symbol="BTC", limit=0)
        assert (wrong.value.status, wrong.value.code) == (422, "invalid_parameter")


async def test_nobody_there() -> None:
    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(Unreachable):
            await client.price("BTC")


async def test_a_stream_of_several_channels(server: Live) -> None:
    async with Client(server.http).stream(["news"], prices=["BTC", "ETH"]) as stream:
        first = await some(stream, 3)
        assert {(f.type, f.channel, f.symbol) for f in first} == {
            ("snapshot", "news", None), ("snapshot", "prices", "BTC"), ("snapshot", "prices", "ETH"),
        }  # fmt: skip
        assert stream.connected
        server.publish("prices", "ETH", {"price": 3})
        (update,) = await some(stream, 1)
        assert (update.type, update.symbol, update.data) == ("update", "ETH", {"price": 3})


async def test_it_comes_back_and_goes_on_where_it_was(server: Live) -> None:
    stream = Stream(server.http, [Wanted("trades", ("BTC", "ETH")), Wanted("news")], clock=NoWait())
    async with stream:
        await some(stream, 3)
        sent: list[int] = []
        seen: list[int] = []
        for number in range(30):
            server.publish("trades", "BTC" if number % 2 else "ETH", number)
            sent.append(number)
            if number % 3 == 0:
                cut(server)
                server.publish("news", None, 1000 + number)
                sent.append(1000 + number)
            if number % 2:
                frames = await some(stream, len(sent) - len(seen))
                assert not any(frame.gap for frame in frames)
                seen += [frame.data for frame in frames]
        assert sorted(seen) == sorted(sent)
        assert stream.reconnects >= 5


async def test_every_symbol_goes_on_after_a_break_too(server: Live) -> None:
    async with Stream(server.http, [Wanted("trades", ("*",))], clock=NoWait()) as stream:
        reading = asyncio.ensure_future(some(stream, 1))
        while not server.rt.sessions.stats()["by_channel"].get("trades"):  # type: ignore[attr-defined]
            await server.clock.settle()
            await asyncio.sleep(0)
        server.publish("trades", "DOGE", 1)
        await reading
        for number in range(2, 12):
            cut(server)
            while server.rt.sessions.sessions:
                await server.clock.settle()
            server.publish("trades", "DOGE", number)
            (frame,) = await some(stream, 1)
            assert (frame.type, frame.data, frame.gap) == ("update", number, False)
        assert stream.reconnects >= 10


async def test_what_the_server_no_longer_has_is_marked(server: Live) -> None:
    async with Stream(server.http, [Wanted("trades", ("SOL",))], clock=NoWait()) as stream:
        await some(stream, 1)
        server.publish("trades", "SOL", 1)
        await some(stream, 1)
        cut(server)
        while server.rt.sessions.sessions:
            await server.clock.settle()
        for number in range(300):
            server.publish("trades", "SOL", number)
        (frame,) = await some(stream, 1)
        assert (frame.type, frame.gap) == ("snapshot", True)


async def test_another_run_of_the_server(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stream(server.http, [Wanted("trades", ("XRP",))], clock=NoWait()) as stream:
        await some(stream, 1)
        server.publish("trades", "XRP", 1)
        await some(stream, 1)
        monkeypatch.setattr(server.rt.hub, "epoch", "0badcafe")
        cut(server)
        (frame,) = await some(stream, 1)
        assert (frame.type, frame.gap, frame.epoch) == ("snapshot", True, "0badcafe")


async def test_an_error_is_given_and_not_raised(server: Live) -> None:
    async with Client(server.http).stream(prices=["NOPE0"]) as stream:
        (frame,) = await some(stream, 1)
        assert (frame.type, frame.code) == ("error", "unknown_symbol")


async def test_a_key_that_ends_ends_the_stream(server: Live) -> None:
    secret, key = await access.create(server.rt.access, "short", tier="pro", scopes=(READ,))
    stream = Stream(server.http, [Wanted("news")], secret, clock=NoWait())
    await some(stream, 1)
    await access.revoke(server.rt.access, key.id)
    with pytest.raises(Ended) as ended:
        # What the server says last is an error frame.
        await some(stream, 2)
    assert ended.value.code == 4401
    with pytest.raises(Ended) as refused:
        await some(Stream(server.http, [Wanted("news")], secret, clock=NoWait()), 1)
    assert refused.value.code == 401


async def test_waits_grow_while_nobody_is_there() -> None:
    clock = NoWait()
    stream = Stream("http://127.0.0.1:9", [Wanted("news")], clock=clock)
    reading = asyncio.ensure_future(some(stream, 1))
    for _ in range(5000):
        if len(clock.slept) >= 12:
            break
        await asyncio.sleep(0.001)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert clock.slept[0] <= stream_module.FIRST_WAIT_S * 1.5
    assert max(clock.slept) <= stream_module.LONGEST_WAIT_S * 1.5
    assert clock.slept[9] > 10
