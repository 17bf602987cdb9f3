"""After a restart with every upstream dead: what was fetched before is answered, with its own time, marked stale."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import harness
from crypto_dt_source.api.views import sources_of
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import AllProvidersFailed, NoDataYet
from crypto_dt_source.pricing.source import SourceQuote
from crypto_dt_source.services import asking, candles, collect, health, market, restore
from crypto_dt_source.services.prices import METHOD
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.store import PriceRow, QuoteRow, RateRow
from crypto_dt_source.store.repos import prices as price_repo
from crypto_dt_source.store.sql import Write

DOWN_S = 7200


async def filled(tmp_path: Path) -> tuple[SimApp, ManualClock, dict[str, Any]]:
    """A service that collected once and answered a few requests; gives what it answered."""
    clock = ManualClock(harness.START_MS)
    async with harness.running(tmp_path, clock=clock) as (rt, sim, _):
        for provider in ("binance", "okx", "bitstamp", "gate", "bybit", "kraken"):
            await collect.venue_quotes(rt, provider)
        await collect.aggregator_coins(rt, "coinpaprika")
        await collect.aggregator_coins(rt, "coingecko")
        await collect.global_market(rt)
        await collect.trending(rt)
        await clock.advance(60)
        await collect.store_prices(rt)
        btc = rt.resolver.resolve("BTC").asset
        seen = {
            "price": (await asking.prices(rt, ["BTC"], "USD")).found[0].point,
            "global": (await market.global_market(rt)).value,
            "coins": await market.coin_list(rt),
            "trending": await market.trending(rt),
            "categories": await harness.drive(clock, market.categories(rt)),
            "exchanges": await harness.drive(clock, market.exchanges(rt)),
            "coin": await harness.drive(clock, market.coin(rt, btc)),
            "candles": await candles.candles(
                rt, btc, None, "1h", limit=48, start_ms=None, end_ms=None, provider=None
            ),
        }
    return sim, clock, seen


async def test_everything_that_was_here_is_answered_stale(tmp_path: Path) -> None:
    sim, clock, seen = await filled(tmp_path)
    await clock.advance(DOWN_S)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        btc = rt.resolver.resolve("BTC").asset

        price = (await harness.drive(clock, asking.prices(rt, ["BTC"], "USD"))).found[0].point
        assert (price.price, price.stale) == (seen["price"].price, True)
        assert price.as_of_ms <= clock.now_ms() - DOWN_S * 1000
        # Decided again from the stored quotes: who it came from and when, not when it was stored.
        assert price._replace(stale=False, change_24h_pct=None) == seen["price"]._replace(change_24h_pct=None)
        assert price.as_of_ms < clock.now_ms() - DOWN_S * 1000 - 59_000
        assert len(price.providers) >= 6

        figures = await market.global_market(rt)
        assert (figures.state, figures.value.market_cap) == ("stale", seen["global"].market_cap)
        assert figures.fetched_ms <= clock.now_ms() - DOWN_S * 1000
        for name, ask in {
            "trending": market.trending(rt),
            "categories": market.categories(rt),
            "exchanges": market.exchanges(rt),
            "coin": market.coin(rt, btc),
        }.items():
            kept = await harness.drive(clock, ask)
            assert kept.state == "stale", name
            assert (kept.fetched_ms, kept.source) == (seen[name].fetched_ms, seen[name].source), name
            assert kept.value == seen[name].value, name
        coins = await market.coin_list(rt)
        assert coins.state == "stale"
        assert [c.row for c in coins.value.coins] == [c.row for c in seen["coins"].value.coins]
        rising = await market.movers(rt, rising=True, limit=5)
        assert (rising.state, len(rising.value)) == ("stale", 5)

        bars = await harness.drive(
            clock,
            candles.candles(rt, btc, None, "1h", limit=48, start_ms=None, end_ms=None, provider=None),
        )
        assert bars.state == "stale"
        assert bars.candles == seen["candles"].candles[2:]
        assert bars.fetched_ms is None  # rows do not say when they came, and nothing is guessed
        assert health.ready(rt) > 50
        with pytest.raises(AllProvidersFailed):
            await harness.drive(clock, market.coin(rt, rt.resolver.resolve("ETH").asset))


async def test_when_the_upstreams_are_back_the_stale_is_renewed(tmp_path: Path) -> None:
    sim, clock, seen = await filled(tmp_path)
    await clock.advance(DOWN_S)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        assert (await market.global_market(rt)).state == "stale"
        await harness.settled(rt)
        fresh = await market.global_market(rt)
        assert fresh.state == "hit"
        assert fresh.fetched_ms == clock.now_ms()
        assert fresh.value != seen["global"]


async def test_a_first_start_with_everything_dead_says_so(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        harness.transport_of(rt).dead = True
        for ask in (market.global_market(rt), market.coin_list(rt), market.trending(rt)):
            with pytest.raises(AllProvidersFailed):
                await harness.drive(clock, ask)
        with pytest.raises(NoDataYet):
            health.ready(rt)
        answer = await harness.drive(clock, asking.prices(rt, ["BTC"], "USD"))
        assert answer.found == []
        assert len(answer.errors) == 1


async def test_candles_of_a_series_that_is_not_the_first_choice_are_found_again(tmp_path: Path) -> None:
    clock = ManualClock(harness.START_MS)
    fields: dict[str, Any] = {"limit": 24, "start_ms": None, "end_ms": None, "provider": None}
    async with harness.running(tmp_path, clock=clock) as (rt, sim, _):
        await collect.venue_quotes(rt, "kraken")
        await clock.advance(3)
        btc = rt.resolver.resolve("BTC").asset
        before = await candles.candles(rt, btc, "USD", "1h", **{**fields, "provider": "kraken"})
        assert before.series.provider == "kraken"
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        btc = rt.resolver.resolve("BTC").asset
        after = await harness.drive(clock, candles.candles(rt, btc, None, "1h", **fields))
        assert (after.series, after.candles, after.state) == (before.series, before.candles, "stale")


async def test_a_price_whose_quotes_are_gone_keeps_its_own_time_and_no_provider(tmp_path: Path) -> None:
    sim, clock, seen = await filled(tmp_path)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        await rt.store.write([Write("DELETE FROM quotes WHERE asset IN (SELECT number FROM assets)", [()])])
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        point = rt.pricer.point("bitcoin")
        stored = (await price_repo.latest_all(rt.store))["bitcoin"]
    assert point is not None
    assert (point.price, point.providers, point.as_of_ms) == (seen["price"].price, (), stored.timestamp)
    assert sources_of(point) == ("consensus",)


async def test_restoring_the_providers_of_every_price_is_quick(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        rates = {"USD": 1.0, "USDT": 1.0}
        rows: list[PriceRow] = []
        quotes: list[QuoteRow] = []
        now = clock.now_ms()
        for number in range(250):
            behind = [
                SourceQuote(
                    f"venue{i}",
                    f"venue{i}",
                    "venue",
                    "XUSDT",
                    "USDT",
                    1 + i / 1e5,
                    None,
                    None,
                    9.0,
                    None,
                    now - i,
                    now,
                )
                for i in range(20)
            ]
            result = rt.pricer.decide(f"asset{number}", behind, rates, now)
            rows.append(
                PriceRow(f"asset{number}", now, result.price, result.half_width, 20, 0.1, "ok", METHOD)
            )
            quotes.extend(QuoteRow(f"asset{number}", now, *quote) for quote in behind)
        await price_repo.write_prices(
            rt.store, rows, quotes, [RateRow(now, c, usd) for c, usd in rates.items()]
        )
        rt.pricer.last.clear()
        took = []
        for _ in range(3):
            start = time.perf_counter()
            assert await restore.prices(rt) == 250
            took.append(time.perf_counter() - start)
        assert {len(point.providers) for point in rt.pricer.last.values()} == {20}
        assert {point.as_of_ms for point in rt.pricer.last.values()} == {now}
        assert min(took) < 0.5, took
