"""What health and the providers say of the venues' streams, and how quotes of a topic that fell silent grow old."""

from __future__ import annotations

from pathlib import Path

import harness
from crypto_dt_source.clock import ManualClock, rfc3339
from crypto_dt_source.jobs.timetable import STREAMED_POLL_S, polls
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.services import collect, health, providers
from crypto_dt_source.services.live import LiveMarket
from crypto_dt_source.services.live_feeds import LiveFeeds
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp
from sim_connector import SimConnector


def streams(rt: Runtime, sim: SimApp, clock: ManualClock) -> LiveFeeds:
    """Every stream, started, on the simulator's sockets."""
    live = LiveMarket(rt.board, rt.pricer, rt.resolver, rt.bus, clock, rt.hub.listened)
    urls = {entry.id: f"ws://sim/{entry.id}" for entry in rt.entries.values() if entry.stream}
    rt.feeds = LiveFeeds(rt, live, rt.hub, SimConnector(sim), top=2, urls=urls)
    rt.feeds.start()
    return rt.feeds


async def all_live(feeds: LiveFeeds, clock: ManualClock) -> None:
    while not all(status.state == "live" for status in feeds.status()):
        await clock.sleep(0.1)


async def test_without_streams_health_says_so(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        found = (await health.report(rt))["components"]["streams"]
        since = found.pop("since")
        assert found == {"status": "ok", "reason": "no stream is read", "venues": {}}
        assert since == rfc3339(rt.started_ms)
        assert providers.one(rt, "kraken")["stream"] is None


async def test_a_stalled_stream_degrades_and_is_named(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        feeds = streams(rt, sim, clock)
        await harness.drive(clock, all_live(feeds, clock))
        component = (await health.report(rt))["components"]["streams"]
        assert (component["status"], component["reason"]) == ("ok", None)
        row = component["venues"]["kraken"]
        assert row == providers.one(rt, "kraken")["stream"]
        assert (row["state"], row["connections"], row["reason"]) == ("live", 1, None)
        assert row["wanted"] == row["subscribed"] == 4
        assert row["last_data"] is not None
        sim.faults.add("kraken", "ws_close")
        sim.faults.add("kraken", "ws_refuse")
        await clock.advance(2)
        component = (await health.report(rt))["components"]["streams"]
        assert component["status"] == "degraded"
        assert component["reason"] == "no data now, polled instead: kraken"
        row = component["venues"]["kraken"]
        assert (row["state"], row["connections"], row["subscribed"]) == ("stalled", 0, 0)
        assert row["reconnects"] >= 1
        assert row["reason"]
        assert providers.one(rt, "coingecko")["stream"] is None
        await feeds.stop()


async def test_a_topic_that_fell_silent_is_renewed_by_the_next_poll_and_else_grows_too_old(
    tmp_path: Path,
) -> None:
    """The connection lives and other topics deliver: the quote of the silent one stays until the venue is polled, which is
    well before it would be too old for a price; where the poll does not have it either it leaves the price by its age."""
    async with harness.running(tmp_path) as (rt, sim, clock):
        await harness.drive(clock, collect.venue_quotes(rt, "kraken"))
        held = next(h for h in rt.board.pairs("kraken", "bitcoin") if h.quote.currency == "USD")
        pair, symbol = Pair(held.base, "USD"), held.quote.symbol
        live = LiveMarket(rt.board, rt.pricer, rt.resolver, rt.bus, clock, rt.hub.listened)
        now = clock.now_ms()
        live.take(
            Quote(
                "kraken", symbol, *pair, held.quote.price, None, None, None, None, None, None, None, now, now
            )
        )
        assert rt.board.streamed["kraken", symbol] == "bitcoin"
        assert rt.freshness.prices > STREAMED_POLL_S
        await clock.advance(STREAMED_POLL_S)
        await harness.drive(clock, collect.venue_quotes(rt, "kraken"))
        renewed = rt.board.quotes["bitcoin"]["kraken", symbol]
        assert renewed.quote.received_ms >= now + STREAMED_POLL_S * 1000
        assert ("kraken", symbol) not in rt.board.streamed
        sim.faults.add("kraken", "missing_symbols", params={"symbols": ["BTC"]})
        await clock.advance(rt.freshness.prices + 1)
        await harness.drive(clock, collect.venue_quotes(rt, "kraken"))
        point = rt.pricer.point("bitcoin")
        assert point is None or point.stale or "kraken" not in point.providers


async def test_a_healthy_stream_is_polled_beside_less_often_than_usual(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        job = next(job for job in polls(rt) if job.id == "quotes:kraken")
        feeds = streams(rt, sim, clock)
        await harness.drive(clock, all_live(feeds, clock))
        assert await harness.drive(clock, job.run(rt)) > 0
        await clock.advance(60)
        assert await harness.drive(clock, job.run(rt)) == 0
        sim.faults.add("kraken", "ws_close")
        await clock.advance(1)
        assert await harness.drive(clock, job.run(rt)) > 0
        await feeds.stop()


async def test_a_stream_and_a_poll_of_a_pair_are_one_quote(tmp_path: Path) -> None:
    """Else a stalled stream's quote would go and the other name of the same pair stay."""
    async with harness.running(tmp_path) as (rt, sim, clock):
        feeds = streams(rt, sim, clock)
        await harness.drive(clock, all_live(feeds, clock))
        await clock.advance(3)
        for provider in feeds.feeds:
            await harness.drive(clock, collect.venue_quotes(rt, provider))
            pairs = [(h.base, h.quote.currency) for h in rt.board.pairs(provider, "bitcoin")]
            assert len(pairs) == len(set(pairs)), provider
        await feeds.stop()
