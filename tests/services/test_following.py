"""A process beside the one that collects: it answers what the other one left, as fresh as that is, and asks nobody."""

from __future__ import annotations

from pathlib import Path

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.services import asking, collect, following, health
from crypto_dt_source.services.prices import PricePoint
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.store.repos import kept
from crypto_dt_source.store.repos.kept import Kept


async def shared(tmp_path: Path) -> tuple[ManualClock, SimApp, PricePoint]:
    """What a process that collects leaves, and the price it answers."""
    clock = ManualClock(harness.START_MS)
    async with harness.running(tmp_path, clock=clock) as (rt, sim, _):
        for provider in ("binance", "okx", "bitstamp", "kraken"):
            await collect.venue_quotes(rt, provider)
        assert await following.share(rt) > 50
        return clock, sim, await price(rt)


async def price(rt: Runtime, vs: str = "USD") -> PricePoint:
    return (await asking.prices(rt, ["BTC"], vs)).found[0].point


async def test_the_others_prices_are_answered_with_all_that_is_known_of_them(tmp_path: Path) -> None:
    clock, sim, told = await shared(tmp_path)
    await clock.advance(20)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        published: list[str | None] = []
        rt.bus.add(lambda event: published.append(event.symbol))
        rt.hub.listened = lambda channel, symbol: symbol in ("BTC", "ETH")  # type: ignore[method-assign]
        assert await following.prices(rt) > 50
        assert await price(rt) == told
        assert not told.stale
        assert len(told.providers) >= 3
        assert (await price(rt, "EUR")).price is not None
        assert sorted(filter(None, published)) == ["BTC", "ETH"]
        # The same again is nothing new; and what nobody renews grows old.
        assert await following.prices(rt) == 0
        await clock.advance(rt.freshness.prices)
        assert (await price(rt)).stale
        assert not harness.transport_of(rt).calls


async def test_what_another_version_left_is_not_read(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        await kept.put(rt.store, Kept(following.PRICES, clock.now_ms(), (), '{"points": 3}'))
        assert await following.prices(rt) == 0


async def test_lists_are_read_anew_from_the_store(tmp_path: Path) -> None:
    clock = ManualClock(harness.START_MS)
    async with harness.running(tmp_path, clock=clock) as (rt, _, _):
        await collect.global_market(rt)
        older = rt.cache.peek("global")
        assert older is not None
        await clock.advance(120)
        await collect.global_market(rt)
        newer = rt.cache.peek("global")
        rt.cache.forget(lambda key: key == "global")
        rt.cache.put("global", older)
        await kept.put(rt.store, Kept("yields", clock.now_ms(), ("defillama",), "[]"))
        rt.cache.put("yields", older)
        assert await following.lists(rt) >= 1
        held = rt.cache.peek("global")
        assert held is not None
        assert newer is not None
        assert held.fetched_ms == newer.fetched_ms > older.fetched_ms
        assert rt.cache.peek("yields") is None


async def test_health_of_a_follower_is_well_while_it_has_prices(tmp_path: Path) -> None:
    clock, sim, _ = await shared(tmp_path)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        rt.schedule.leader.standing = "follows"
        await following.prices(rt)
        assert (await health.report(rt))["components"]["providers"]["status"] == "ok"
        await clock.advance(2 * rt.freshness.prices)
        assert (await health.report(rt))["components"]["providers"]["status"] == "degraded"


async def test_health_tells_when_nobody_is_known_to_lead(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        rt.tasks["news"] = "ok"
        rt.schedule.leader.standing = "unknown"
        # One venue that refuses this region makes nothing unwell but itself.
        rt.tasks["quotes:binance"] = "region_blocked"
        assert (await health.report(rt))["components"]["scheduler"]["status"] == "ok"
        rt.tasks["quotes:binance"] = "crashed"
        assert "quotes:binance" in (await health.report(rt))["components"]["scheduler"]["reason"]
        rt.schedule.watched = True
        scheduler = (await health.report(rt))["components"]["scheduler"]
        assert (scheduler["status"], scheduler["leadership"]["standing"]) == ("degraded", "unknown")
