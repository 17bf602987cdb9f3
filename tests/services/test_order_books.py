"""Order books and trades: one venue's, with failover, and nothing that is no market."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import AllProvidersFailed, NotFound, UnknownSymbol
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import books, collect
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp

Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        await collect.venue_quotes(rt, "binance")
        yield rt, sim, clock


async def book(rig: Rig, symbol: str = "BTC", quote: str | None = None, **more: Any) -> Any:
    rt, _, clock = rig
    asset = rt.resolver.resolve(symbol).asset
    fields = {"depth": 20, "provider": None, **more}
    return await harness.drive(clock, books.order_book(rt, asset, quote, **fields))


def bending(change: Any, *providers: str) -> Any:
    """Binance's depth with something changed."""

    def bend(name: str, request: Request, reply: Reply) -> Reply:
        if name in providers and "depth" in request.path:
            body = msgspec.json.decode(reply.body)
            change(body)
            return Reply(name, 200, msgspec.json.encode(body), reply.received_ms, reply.headers)
        return reply

    return bend


def crossed(body: Any) -> None:
    body["bids"][0][0] = str(float(body["asks"][0][0]) * 1.01)


def empty(body: Any) -> None:
    body["bids"] = body["asks"] = []


def one_sided(body: Any) -> None:
    body["asks"] = []


async def test_the_best_venue_answers_and_the_answer_is_kept_for_two_seconds(rig: Rig) -> None:
    rt, _, clock = rig
    first = await book(rig)
    assert (first.source, first.state) == (("binance",), "miss")
    assert first.value.bids[0].price < first.value.asks[0].price
    assert len(first.value.bids) >= 20
    calls = len(harness.transport_of(rt).calls)
    await clock.advance(0.5)
    assert (await book(rig)).state == "hit"
    assert len(harness.transport_of(rt).calls) == calls


@pytest.mark.parametrize("change", [crossed, empty, one_sided])
async def test_a_book_that_is_no_market_is_not_served(rig: Rig, change: Any) -> None:
    rt, _, _ = rig
    harness.transport_of(rt).bend = bending(change, "binance", "binance_main")
    found = await book(rig)
    assert found.source[0] not in ("binance", "binance_main")
    assert found.value.bids[0].price < found.value.asks[0].price
    with pytest.raises(AllProvidersFailed):
        await book(rig, provider="binance")


async def test_failover_keeps_the_quote_currency_that_was_asked_for(rig: Rig) -> None:
    _, sim, _ = rig
    for provider in ("binance", "binance_main"):
        sim.faults.add(provider, "5xx", capability="book")
    found = await book(rig, quote="USDT")
    assert (found.value.base, found.value.quote) == ("BTC", "USDT")
    assert found.source[0] not in ("binance", "binance_main")


async def test_what_nobody_lists_is_unknown(rig: Rig) -> None:
    with pytest.raises(UnknownSymbol):
        await book(rig, provider="binance", quote="JPY")
    with pytest.raises(UnknownSymbol):
        await book(rig, provider="coingecko")
    with pytest.raises(NotFound):
        await book(rig, provider="nobody")


async def test_all_dead_names_who_was_asked(rig: Rig) -> None:
    rt, _, _ = rig
    harness.transport_of(rt).dead = True
    with pytest.raises(AllProvidersFailed) as failed:
        await book(rig)
    assert len({t["provider"] for t in failed.value.details["tried"]}) >= 8


async def test_trades_are_newest_first(rig: Rig) -> None:
    rt, _, clock = rig
    asset = rt.resolver.resolve("BTC").asset
    found = await harness.drive(clock, books.recent_trades(rt, asset, None, limit=50))
    times = [trade.event_ms for trade in found.value]
    assert len(times) >= 50
    assert times == sorted(times, reverse=True)


async def test_a_venue_without_trades_is_passed_over_and_alone_answers_with_none(rig: Rig) -> None:
    rt, _, clock = rig

    def bend(name: str, request: Request, reply: Reply) -> Reply:
        if name.startswith("binance") and "trades" in request.path:
            return Reply(name, 200, b"[]", reply.received_ms, reply.headers)
        return reply

    harness.transport_of(rt).bend = bend
    asset = rt.resolver.resolve("BTC").asset
    found = await harness.drive(clock, books.recent_trades(rt, asset, None, limit=50))
    assert found.source[0] not in ("binance", "binance_main")
    alone = await harness.drive(clock, books.recent_trades(rt, asset, None, limit=50, provider="binance"))
    assert (alone.value, alone.source) == ([], ("binance",))


async def test_what_a_venue_dates_ahead_has_not_happened(rig: Rig) -> None:
    rt, _, clock = rig
    ahead = clock.now_ms() + 3_600_000

    def bend(name: str, request: Request, reply: Reply) -> Reply:
        if name.startswith("binance") and "trades" in request.path:
            rows = msgspec.json.decode(reply.body)
            for row in rows[::2]:
                row["time"] = ahead
            return Reply(name, 200, msgspec.json.encode(rows), reply.received_ms, reply.headers)
        return reply

    harness.transport_of(rt).bend = bend
    asset = rt.resolver.resolve("BTC").asset
    found = await harness.drive(clock, books.recent_trades(rt, asset, None, limit=100, provider="binance"))
    assert 0 < len(found.value) <= 60
    assert max(trade.event_ms for trade in found.value) <= clock.now_ms()


async def test_a_book_of_a_time_ahead_is_not_served(rig: Rig) -> None:
    rt, _, clock = rig
    bent: list[str] = []

    def bend(name: str, request: Request, reply: Reply) -> Reply:
        if name != "okx" or "books" not in request.path:
            return reply
        bent.append(name)
        body = msgspec.json.decode(reply.body)
        body["data"][0]["ts"] = str(clock.now_ms() + 3_600_000)
        return Reply(name, 200, msgspec.json.encode(body), reply.received_ms, reply.headers)

    assert (await book(rig, provider="okx")).value.bids
    await clock.advance(100)
    harness.transport_of(rt).bend = bend
    with pytest.raises(AllProvidersFailed):
        await book(rig, provider="okx")
    assert bent
