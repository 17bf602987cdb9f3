"""Every symbol of a channel, `*`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from socket_server import Live, ask, frames, live, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live(tmp_path_factory.mktemp("every"), collected=True) as running:
        yield running


async def test_every_symbol_of_a_channel(server: Live) -> None:
    async with server.connected("/ws/trades?symbols=*") as socket:
        await until(socket, "welcome")
        await ask(socket, {"action": "ping"}, "pong")
        server.publish("trades", "XYZ", 1)
        server.publish("trades", "BTC", 2)
        assert [frame["symbol"] for frame in await frames(socket, 2)] == ["XYZ", "BTC"]
        server.publish("trades", "BTC", 3)
    # Who comes back says where each symbol was.
    async with server.connected("/ws/system") as socket:
        again = {"channel": "trades", "symbols": ["*"], "since": {"BTC": 1, "NOPE0": 5}}
        await ask(socket, {"action": "subscribe", **again, "epoch": server.rt.hub.epoch}, "subscribed")
        assert [(f["symbol"], f["data"]) for f in await frames(socket, 1)] == [("BTC", 3)]
        server.publish("trades", "BTC", 4)
        assert [frame["data"] for frame in await frames(socket, 1)] == [4]
        lost = {**again, "since": {"BTC": 99}}
        await ask(socket, {"action": "subscribe", **lost, "epoch": server.rt.hub.epoch}, "subscribed")
        (gap,) = await frames(socket, 1)
        assert (gap["type"], gap["symbol"], gap["gap"], gap["seq"]) == ("snapshot", "BTC", True, 3)
    assert ("trades", "NOPE0") not in server.rt.hub.keys_of("trades")


async def test_every_symbol_begins_with_what_is_known(server: Live) -> None:
    state = server.rt.sessions.state
    known = [symbol for symbol in state.symbols() if state.state("prices", symbol)]
    async with server.connected("/ws/prices?symbols=*") as socket:
        _, *told = await frames(socket, 1 + len(known))
        assert [frame["symbol"] for frame in told] == known
        assert all(frame["type"] == "snapshot" and "price" in frame["data"] for frame in told)
