"""Candles, books and trades are the asked asset's own: of the right coin, in its unit, final when over, dated when known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.asset import AssetListing
from crypto_dt_source.model.candle import INTERVAL_MS, floor_open
from crypto_dt_source.model.errors import AllProvidersFailed
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import candles, collect, coverage, fetches
from crypto_dt_source.services.candles import CandleAnswer
from crypto_dt_source.services.listing import pair_at
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.services.series import Option, by_quote
from crypto_dt_source.sim.app import SimApp

HOUR = INTERVAL_MS["1h"]
Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        await collect.venue_quotes(rt, "binance")
        yield rt, sim, clock


async def ask(rig: Rig, **fields: Any) -> CandleAnswer:
    rt, _, clock = rig
    given: dict[str, Any] = {"limit": 100, "start_ms": None, "end_ms": None, "provider": None, **fields}
    btc = rt.resolver.resolve("BTC").asset
    return await harness.drive(clock, candles.candles(rt, btc, None, "1h", **given))


def bending(change: Callable[[str, list[list[Any]]], list[list[Any]]]) -> Callable[..., Reply]:
    """Binance's format of candles with something changed."""

    def bend(name: str, request: Request, reply: Reply) -> Reply:
        if "klines" in request.path and reply.status == 200:
            rows = change(name, msgspec.json.decode(reply.body))
            return Reply(name, 200, msgspec.json.encode(rows), reply.received_ms, reply.headers)
        return reply

    return bend


async def test_a_venue_not_polled_yet_is_asked_for_what_the_asset_is_called_there(rig: Rig) -> None:
    rt, _, _ = rig
    kraken, bitfinex = rt.gateway.source("kraken"), rt.gateway.source("bitfinex")
    for asset_id, base in (("terra-luna", "LUNA"), ("terra-luna-2", "LUNA2"), ("bitcoin", "BTC")):
        asset = rt.resolver.by_id(asset_id)
        assert asset is not None
        assert pair_at(rt, kraken, asset, "USD") == Pair(base, "USD")
    tether = rt.resolver.by_id("tether")
    assert tether is not None
    assert pair_at(rt, bitfinex, tether, None) == Pair("UST", "USD")


async def test_a_coin_that_shares_a_larger_ones_ticker_does_not_get_its_pair(rig: Rig) -> None:
    rt, _, _ = rig
    rt.resolver.learn([AssetListing("coingecko", "btc-clone", "BTC", "BTC Clone", 4000, True)])
    clone = rt.resolver.by_id("btc-clone")
    assert clone is not None
    for name in ("kraken", "okx", "bitstamp"):
        assert pair_at(rt, rt.gateway.source(name), clone, None) is None


async def test_options_join_only_for_one_asset_in_one_unit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rt, _, _ = rig
    btc = rt.resolver.resolve("BTC").asset
    own, gate = (Option(rt.gateway.source(name), Pair("BTC", "USDT")) for name in ("binance", "gate"))
    assert by_quote(rt, btc, [own, gate]) == [[own, gate]]

    held = next(h for h in rt.board.of(btc.id) if h.quote.currency == "USDT")
    for factor, groups in ((1.01, [[own, gate]]), (1.5, [[own]]), (0.001, [[own]])):
        quote = held.quote._replace(provider="gate", symbol="BTC_USDT", price=held.quote.price * factor)
        rt.board.quotes[btc.id]["gate", "BTC_USDT"] = replace(held, quote=quote)
        assert by_quote(rt, btc, [own, gate]) == groups, factor

    del rt.board.quotes[btc.id]["gate", "BTC_USDT"]
    meant = rt.resolver.venue_asset
    other = rt.resolver.by_id("ethereum")
    monkeypatch.setattr(
        rt.resolver, "venue_asset", lambda venue, ticker: other if venue == "gate" else meant(venue, ticker)
    )
    assert by_quote(rt, btc, [own, gate]) == [[own]]


@pytest.mark.parametrize(("factor", "repaired"), [(1.1, 3), (1.5, 0), (0.001, 0)])
async def test_a_repair_that_does_not_meet_the_own_candles_is_left_out(
    rig: Rig, factor: float, repaired: int
) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    hole = range(now - 60 * HOUR, now - 57 * HOUR, HOUR)

    def change(name: str, rows: list[list[Any]]) -> list[list[Any]]:
        if name.startswith("binance"):
            return [row for row in rows if row[0] not in hole]
        return [[row[0], *(str(float(value) * factor) for value in row[1:5]), *row[5:]] for row in rows]

    harness.transport_of(rt).bend = bending(change)
    rt.gateway.sources = {
        name: source
        for name, source in rt.gateway.sources.items()
        if source.entry.source in ("binance", "mexc")
    }
    answer = await ask(rig)
    assert answer.series.provider == "binance"
    assert len(answer.candles) == 97 + repaired
    assert list(answer.repaired.values()) == ["mexc"] * repaired
    assert sum((g.end_ms - g.start_ms) // HOUR for g in answer.gaps) == 3 - repaired


async def test_a_candle_is_final_only_once_its_interval_is_over(rig: Rig) -> None:
    rt, _, clock = rig
    flagged: list[str] = []

    def all_confirmed(name: str, request: Request, reply: Reply) -> Reply:
        if name != "okx" or "candles" not in request.path:
            return reply
        body = msgspec.json.decode(reply.body)
        flagged.extend(row[8] for row in body["data"])
        body["data"] = [[*row[:8], "1"] for row in body["data"]]
        return Reply(name, 200, msgspec.json.encode(body), reply.received_ms, reply.headers)

    harness.transport_of(rt).bend = all_confirmed
    rows = (await ask(rig, provider="okx", limit=5)).candles
    assert "0" in flagged
    assert [c.closed for c in rows] == [True] * 4 + [False]
    await clock.advance(3600)
    assert (await ask(rig, provider="okx", limit=5)).candles[-2].closed


async def test_the_time_of_a_fetch_is_told_only_for_what_it_fetched(rig: Rig) -> None:
    rt, _, clock = rig
    btc = rt.resolver.resolve("BTC").asset
    now = floor_open(clock.now_ms(), "1h")
    old = {"start_ms": now - 50 * HOUR, "end_ms": now - 40 * HOUR}
    before_ms = clock.now_ms()
    first_ms = (await ask(rig, **old)).fetched_ms
    assert first_ms is not None
    assert before_ms <= first_ms <= clock.now_ms()
    (state,) = await coverage.stored(rt, btc, None, "1h")
    assert fetches.newest(rt, state.series) is None  # nobody answered for its end yet
    await clock.advance(600)
    before_ms = clock.now_ms()
    later_ms = (await ask(rig, limit=20)).fetched_ms
    assert later_ms is not None
    assert before_ms <= later_ms <= clock.now_ms()
    assert (await ask(rig, **old)).fetched_ms == first_ms
    both = await ask(rig, start_ms=now - 45 * HOUR, end_ms=now - 10 * HOUR)
    assert (both.fetched_ms, len(both.candles)) == (first_ms, 35)


async def test_no_candle_has_no_time_of_a_fetch(rig: Rig) -> None:
    rt, _, clock = rig
    harness.transport_of(rt).bend = bending(lambda name, rows: [])
    empty = await ask(rig, provider="binance", end_ms=clock.now_ms() - 10 * HOUR)
    assert (empty.candles, empty.fetched_ms) == ([], None)


async def test_a_range_from_before_the_start_has_no_known_time(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        now = floor_open(clock.now_ms(), "1h")
        old = {"start_ms": now - 50 * HOUR, "end_ms": now - 40 * HOUR}
        before = await ask((rt, sim, clock), provider="binance", **old)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (again, _, _):
        after = await ask((again, sim, clock), provider="binance", **old)
    assert (after.candles, after.state, after.fetched_ms) == (before.candles, "hit", None)


async def test_venues_that_failed_together_are_not_asked_again_one_by_one(rig: Rig) -> None:
    rt, sim, _ = rig
    for source in rt.gateway.sources.values():
        sim.faults.add(source.entry.id, "5xx", capability="candles")
    with pytest.raises(AllProvidersFailed) as failed:
        await ask(rig)
    asked = [t["provider"] for t in failed.value.details["tried"] if t["failure"] != "not_offered"]
    assert len(asked) > 2
    assert sorted(asked) == sorted(set(asked))
