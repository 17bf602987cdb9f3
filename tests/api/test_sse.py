"""Server-sent events on a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from crypto_dt_source.security.tiers import READ
from crypto_dt_source.services import access
from socket_server import LIMIT_S, Live, live

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live(tmp_path_factory.mktemp("sse"), free_tier_connections=3) as running:
        yield running


class Events:
    """Reads as a browser's EventSource does: `id` is the last one seen, `retry` the last number of milliseconds."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self.reply = reply
        self.id = ""
        self.retry = 0
        self.comments = 0

    async def next(self) -> dict[str, Any] | None:
        """The next event's data; None at the end."""
        data = ""
        async with asyncio.timeout(LIMIT_S):
            while line := (await self.reply.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if name == "data":
                    data += value
                elif name == "id":
                    self.id = value
                elif name == "retry":
                    self.retry = int(value)
                elif line.startswith(":"):
                    self.comments += 1
                elif not line.strip() and data:
                    told: dict[str, Any] = json.loads(data)
                    return told
        return None

    async def some(self, count: int) -> list[dict[str, Any]]:
        found = [await self.next() for _ in range(count)]
        return [event for event in found if event is not None]


@asynccontextmanager
async def events(server: Live, query: str = "", **headers: str) -> AsyncIterator[Events]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.http}/api/stream{query}", headers=named) as reply,
    ):
        yield Events(reply)


async def gone(server: Live) -> None:
    async with asyncio.timeout(5):
        while server.rt.sessions.sessions:
            await server.clock.settle()
            await asyncio.sleep(0)


async def test_nothing_but_the_address(server: Live) -> None:
    async with events(server) as stream:
        assert stream.reply.status == 200
        assert stream.reply.headers["content-type"] == "text/event-stream"
        assert stream.reply.headers["cache-control"] == "no-store"
        assert stream.reply.headers["x-accel-buffering"] == "no"
        assert "content-length" not in stream.reply.headers
        welcome, first = await stream.some(2)
        assert stream.retry == 3000
        assert (welcome["type"], first["channel"]) == ("welcome", "market")
    await gone(server)


async def test_channels_and_symbols_of_the_address(server: Live) -> None:
    async with events(server, "?channels=trades,news&symbols=btc,ETH") as stream:
        told = await stream.some(4)
        assert [(f["channel"], f.get("symbol")) for f in told[1:]] == [
            ("trades", "BTC"), ("trades", "ETH"), ("news", None),
        ]  # fmt: skip
        server.publish("trades", "BTC", "line\nend")
        server.publish("prices", "BTC", 1)
        server.publish("news", None, {"n": 2})
        assert [f["data"] for f in await stream.some(2)] == ["line\nend", {"n": 2}]
    await gone(server)


async def test_the_last_id_goes_on_in_every_sequence(server: Live) -> None:
    query = "?channels=trades,news&symbols=BTC,ETH"
    async with events(server, query) as stream:
        await stream.some(4)
        server.publish("trades", "BTC", 1)
        server.publish("news", None, 2)
        await stream.some(2)
        place = stream.id
    await gone(server)
    for number, (channel, symbol) in enumerate(
        [("news", None), ("trades", "ETH"), ("trades", "BTC"), ("news", None)]
    ):
        server.publish(channel, symbol, 10 + number)
    async with events(server, query, Last_Event_ID=place) as stream:
        welcome, *missed = await stream.some(5)
        assert welcome["type"] == "welcome"
        assert [f["data"] for f in missed] == [10, 11, 12, 13]
        assert not any("gap" in f for f in missed)
        server.publish("trades", "ETH", 14)
        assert (await stream.some(1))[0]["data"] == 14
    await gone(server)


@pytest.mark.parametrize("place", ["00000000.5", "nonsense", "{epoch}.99999999"])
async def test_an_id_of_another_run_is_a_gap(server: Live, place: str) -> None:
    named = place.format(epoch=server.rt.hub.epoch)
    async with events(server, "?channels=news", Last_Event_ID=named) as stream:
        _, snapshot = await stream.some(2)
        assert (snapshot["type"], snapshot["gap"]) == ("snapshot", True)
    await gone(server)


LONG = 30
"""Symbols of a beginning that does not fit into a queue at once."""


@pytest.fixture
def large(server: Live, monkeypatch: pytest.MonkeyPatch) -> str:
    """A state of 16 KB each; gives the query that asks for all of them."""
    monkeypatch.setattr(server.rt.hub, "state", lambda channel, symbol: "x" * 16_384)
    symbols = [symbol for symbol in server.rt.sessions.state.symbols() if symbol.isalnum()][:LONG]
    return f"?channels=trades&symbols={','.join(symbols)}"


@pytest.mark.parametrize("place", ["", "00000000.5"])
async def test_a_beginning_larger_than_a_queue(server: Live, large: str, place: str) -> None:
    async with events(server, large, Last_Event_ID=place) as stream:
        _, *first = await stream.some(1 + LONG)
        assert len({frame["symbol"] for frame in first}) == LONG
        assert [frame.get("gap", False) for frame in first] == [bool(place)] * LONG
        server.publish("trades", first[-1]["symbol"], "live")
        assert (await stream.some(1))[0]["data"] == "live"
        assert stream.id == f"{server.rt.hub.epoch}.{server.rt.hub.serial}"
    await gone(server)


async def test_who_is_cut_off_while_it_begins_begins_again(server: Live, large: str) -> None:
    async with events(server, large) as stream:
        await stream.some(5)
        assert stream.id == ""
    await gone(server)
    place = f"{server.rt.hub.epoch}.0"
    for _ in range(300):
        server.publish("trades", "BTC", 1)
        server.publish("trades", "ETH", 1)
    async with events(server, large, Last_Event_ID=place) as stream:
        # One of the two that have lost frames has come: the other has to come again after the next break.
        assert (await stream.some(2))[1]["gap"] is True
        assert stream.id in ("", place)
    await gone(server)


async def test_every_symbol_goes_on_from_its_place(server: Live) -> None:
    query = "?channels=trades&symbols=*"
    async with events(server, query) as stream:
        await stream.some(1)
        while not server.rt.hub._wildcards.get("trades"):
            await server.clock.settle()
        server.publish("trades", "DOGE", 1)
        await stream.some(1)
        place = stream.id
    await gone(server)
    server.publish("trades", "DOGE", 2)
    server.publish("trades", "LTC", 3)
    async with events(server, query, Last_Event_ID=place) as stream:
        assert [frame.get("data") for frame in (await stream.some(3))[1:]] == [2, 3]
    await gone(server)


async def test_a_key_in_the_address(server: Live) -> None:
    secret, _ = await access.create(server.rt.access, "page", tier="pro", scopes=(READ,))
    async with events(server, f"?channels=news&token={secret}") as stream:
        assert (await stream.some(1))[0]["data"]["tier"] == "pro"
    async with events(server, "?channels=news&token=cdts_live_wrong") as stream:
        assert stream.reply.status == 401
    await gone(server)


async def test_it_outlives_the_deadline_of_requests_and_is_heard_of(server: Live) -> None:
    async with events(server, "?channels=news") as stream:
        await stream.some(2)
        for _ in range(12):
            await server.clock.advance(1)
        server.publish("news", None, "later")
        assert (await stream.some(1))[0]["data"] == "later"
        assert stream.comments >= 1
    await gone(server)
    mean = server.rt.accounts.last_hour()[1]
    assert mean is not None
    assert mean < 5000


async def test_it_counts_as_a_connection(server: Live) -> None:
    async with (
        events(server, "?channels=news") as a,
        events(server, "?channels=news") as b,
        events(server, "?channels=news") as c,
    ):
        for one in (a, b, c):
            await one.some(1)
        async with events(server, "?channels=news") as beyond:
            assert beyond.reply.status == 429
            assert (await beyond.reply.json())["details"]["policy"] == "connections"
    await gone(server)


@pytest.mark.parametrize(
    ("query", "status"),
    [("?channels=nothing", 422), ("?channels=market&symbols=BTC", 422), ("?symbols=NOPE0", 200)],
)
async def test_what_is_wrong_in_the_address(server: Live, query: str, status: int) -> None:
    async with events(server, query) as stream:
        assert stream.reply.status == status
        if status == 200:
            _, error = await stream.some(2)
            assert (error["type"], error["code"]) == ("error", "unknown_symbol")
    await gone(server)


async def test_head_ends(server: Live) -> None:
    async with aiohttp.ClientSession() as session, session.head(f"{server.http}/api/stream") as reply:
        assert reply.status == 200
        assert await reply.read() == b""
    assert not server.rt.sessions.sessions


async def test_a_stop_says_when_to_come_back(tmp_path: Path) -> None:
    async with live(tmp_path) as running, events(running, "?channels=news") as stream:
        await stream.some(2)
        running.server.should_exit = True
        notice = await stream.next()
        assert notice is not None
        assert notice["data"]["event"] == "stopping"
        assert await stream.next() is None
        assert 1000 <= stream.retry <= 5000
        assert stream.retry != 3000 or stream.reply.content.at_eof()
