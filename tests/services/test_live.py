"""Streamed quotes on the board, prices published when they move, and what a stall takes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.feed import Live, Missed, Stalled
from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.resolver import Resolver
from crypto_dt_source.providers.streaming import Topic
from crypto_dt_source.services.live import PUBLISH_S, LiveMarket
from crypto_dt_source.services.prices import PricePoint, Pricer
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.stream import Bus, Event

VENUES = ("binance", "coinbase_exchange", "kraken", "okx", "bybit", "gate")
BTC = Pair("BTC", "USD")


@dataclass
class Stage:
    rt: Runtime
    clock: ManualClock
    live: LiveMarket
    said: list[Event] = field(default_factory=list)

    def quote(self, provider: str, price: float, pair: Pair = BTC) -> Quote:
        now = self.clock.now_ms()
        return Quote(provider, "".join(pair), *pair, price, None, None, 10.0, None, 1.0, None, None, now, now)

    def prices(self, symbol: str = "BTC") -> list[float | None]:
        return [e.data["price"] for e in self.said if (e.channel, e.symbol) == ("prices", symbol)]


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with harness.running(tmp_path) as (rt, _, clock):
        bus = Bus()
        made = Stage(rt, clock, LiveMarket(rt.board, rt.pricer, rt.resolver, bus, clock, lambda *_: True))
        bus.add(made.said.append)
        task = asyncio.create_task(made.live.run())
        yield made
        task.cancel()
        await asyncio.wait({task})


async def test_a_moved_quote_is_a_published_price(stage: Stage) -> None:
    for place, venue in enumerate(VENUES):
        stage.live.take(stage.quote(venue, 100.0 + place / 10))
    await stage.clock.advance(PUBLISH_S)
    assert len(stage.prices()) == 1
    (event,) = [e for e in stage.said if e.channel == "prices"]
    assert event.data["id"] == "bitcoin"
    assert event.data["sources"] == len(VENUES)
    assert 100.0 <= event.data["price"] <= 100.5


async def test_an_asset_is_published_at_most_four_times_a_second(stage: Stage) -> None:
    for step in range(100):
        for venue in VENUES:
            stage.live.take(stage.quote(venue, 100.0 + step))
        await stage.clock.advance(0.01)
    assert 3 <= len(stage.prices()) <= 5
    await stage.clock.advance(1)
    assert stage.prices()[-1] == 199.0


async def test_an_asset_is_decided_no_more_often_where_nothing_new_comes_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that counts for nothing, or an asset without a price, may send as much as it likes."""
    for venue in VENUES:
        stage.live.take(stage.quote(venue, 100.0))
    await stage.clock.advance(1)
    decided: list[float] = []
    newest = stage.rt.pricer.newest

    def counted(asset: str, vs: str = "USD") -> PricePoint | None:
        decided.append(stage.clock.monotonic())
        return newest(asset, vs)

    monkeypatch.setattr(Pricer, "newest", lambda _, asset, vs="USD": counted(asset, vs))
    published = len(stage.prices())
    for step in range(500):
        stage.live.take(stage.quote("kraken", 5000.0 + step))
        await stage.clock.advance(0.005)
    assert sum(at <= decided[0] + 1 for at in decided) <= 9
    assert sum(at > decided[-1] - 1 for at in decided) <= 4
    assert len(stage.prices()) - published <= len(decided)
    assert stage.prices()[-1] == 100.0


async def test_an_asset_that_moved_does_not_wait_for_one_that_is_due_later(stage: Stage) -> None:
    for venue in VENUES:
        stage.live.take(stage.quote(venue, 100.0))
    await stage.clock.advance(0.1)
    stage.live.take(stage.quote("kraken", 100.1))
    await stage.clock.advance(0.01)
    assert len(stage.prices()) == 1
    for venue in VENUES:
        stage.live.take(stage.quote(venue, 10.0, Pair("ETH", "USD")))
    await stage.clock.advance(0.01)
    assert stage.prices("ETH") == [10.0]
    assert len(stage.prices()) == 1
    await stage.clock.advance(PUBLISH_S)
    assert len(stage.prices()) == 2


async def test_a_stall_takes_what_is_not_proven_yet_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Resolver, "counts", lambda *_: False)
    stage.live.take(stage.quote("kraken", 100.0))
    assert stage.rt.board.unproven["bitcoin"]
    stage.live.take(Stalled("kraken", (Topic("ticker", BTC),), "stream_silent", "no data"))
    assert stage.rt.board.unproven == {}


async def test_a_gap_of_tickers_leaves_the_candle_whole(stage: Stage) -> None:
    stage.live.take(trade(stage, 1, 100.0))
    await stage.clock.advance(60)
    stage.live.take(trade(stage, 2, 100.0))
    stage.live.take(Missed("kraken", Topic("ticker", BTC), 3))
    stage.live.take(trade(stage, 3, 100.0))
    assert [e.data for e in stage.said if e.channel == "candles"][-1]["incomplete"] is False


async def test_a_stalled_stream_counts_no_more_at_once_and_again_when_it_is_back(stage: Stage) -> None:
    for venue in VENUES:
        stage.live.take(stage.quote(venue, 100.0))
    await stage.clock.advance(1)
    stage.live.take(Stalled("kraken", (Topic("ticker", BTC),), "stream_silent", "no data"))
    await stage.clock.advance(1)
    point = stage.rt.pricer.point("bitcoin")
    assert point is not None
    assert "kraken" not in point.providers
    assert point.sources == len(VENUES) - 1
    assert stage.live.stalled == {"kraken": "no data"}
    stage.live.take(Live("kraken", (Topic("ticker", BTC),)))
    stage.live.take(stage.quote("kraken", 100.0))
    await stage.clock.advance(1)
    point = stage.rt.pricer.point("bitcoin")
    assert point is not None
    assert "kraken" in point.providers
    assert stage.live.stalled == {}


async def test_what_was_polled_since_stays_through_a_stall(stage: Stage) -> None:
    for venue in VENUES:
        stage.live.take(stage.quote(venue, 100.0))
    stage.rt.board.update("kraken", [stage.quote("kraken", 100.0)])
    stage.live.take(Stalled("kraken", (Topic("ticker", BTC),), "stream_silent", "no data"))
    await stage.clock.advance(1)
    point = stage.rt.pricer.point("bitcoin")
    assert point is not None
    assert "kraken" in point.providers


async def test_the_days_figures_stay_where_a_stream_sends_none(stage: Stage) -> None:
    stage.rt.board.update("kraken", [stage.quote("kraken", 100.0)])
    bare = stage.quote("kraken", 101.0)._replace(base_volume=None, change_pct=None)
    stage.live.take(bare)
    (held,) = stage.rt.board.pairs("kraken", "bitcoin")
    assert held.quote.price == 101.0
    assert held.quote.volume == 1000.0
    assert held.change_pct == 1.0


async def test_what_is_not_in_normal_form_goes_nowhere(stage: Stage) -> None:
    stage.live.take(stage.quote("kraken", float("nan")))
    stage.live.take(stage.quote("kraken", -5.0))
    assert stage.rt.board.pairs("kraken", "bitcoin") == []
    assert stage.live.rejected == {"kraken": 2}


def trade(stage: Stage, number: int, price: float, provider: str = "kraken", size: float = 1.0) -> Trade:
    return Trade(provider, "BTCUSD", "BTC", "USD", str(number), price, size, "buy", stage.clock.now_ms())


async def test_trades_are_published_one_by_one_and_make_a_candle(stage: Stage) -> None:
    for number, price in enumerate((100.0, 103.0, 99.0, 101.0)):
        stage.live.take(trade(stage, number, price))
    trades = [e.data for e in stage.said if e.channel == "trades"]
    assert [t["id"] for t in trades] == ["0", "1", "2", "3"]
    candle = [e.data for e in stage.said if e.channel == "candles"][-1]
    assert (candle["open"], candle["high"], candle["low"], candle["close"]) == (100.0, 103.0, 99.0, 101.0)
    assert (candle["volume"], candle["trades"], candle["live"], candle["incomplete"]) == (4.0, 4, True, True)
    await stage.clock.advance(60)
    stage.live.take(trade(stage, 5, 104.0))
    candle = [e.data for e in stage.said if e.channel == "candles"][-1]
    assert (candle["open"], candle["trades"], candle["incomplete"]) == (104.0, 1, False)
    assert len(stage.live.candles.closed) == 1


async def test_a_gap_is_told_and_marks_the_candle(stage: Stage) -> None:
    stage.live.take(trade(stage, 1, 100.0))
    await stage.clock.advance(60)
    stage.live.take(trade(stage, 2, 100.0))
    stage.live.take(Missed("kraken", Topic("trades", BTC), 3))
    stage.live.take(trade(stage, 6, 100.0))
    gap = [e.data for e in stage.said if e.channel == "trades" and e.data.get("gap")]
    assert gap == [{"gap": True, "provider": "kraken", "symbol": "BTC/USD", "missing": 3}]
    assert [e.data for e in stage.said if e.channel == "candles"][-1]["incomplete"] is True


async def test_candles_are_of_one_venue_the_first_by_rank(stage: Stage) -> None:
    stage.live.take(trade(stage, 1, 100.0, "gate"))
    stage.live.take(trade(stage, 2, 100.0, "kraken"))
    stage.live.take(trade(stage, 3, 100.0, "gate"))
    candles = [e.data["provider"] for e in stage.said if e.channel == "candles"]
    assert len(set(candles[1:])) == 1
    stage.live.take(Stalled(candles[-1], (Topic("trades", BTC),), "stream_silent", "no data"))
    other = "gate" if candles[-1] == "kraken" else "kraken"
    stage.live.take(trade(stage, 4, 100.0, other))
    assert [e.data["provider"] for e in stage.said if e.channel == "candles"][-1] == other


async def test_a_stall_is_a_gap_of_the_trades_and_a_price_without_a_source_is_stale(stage: Stage) -> None:
    for venue in VENUES:
        stage.live.take(stage.quote(venue, 100.0))
    await stage.clock.advance(1)
    for venue in VENUES:
        topics = (Topic("ticker", BTC), Topic("trades", BTC))
        stage.live.take(Stalled(venue, topics, "stream_silent", "no data"))
    gaps = [e.data for e in stage.said if e.channel == "trades"]
    assert [(g["provider"], g["gap"], g["missing"]) for g in gaps] == [
        (venue, True, None) for venue in VENUES
    ]
    await stage.clock.advance(1)
    last = [e.data for e in stage.said if e.channel == "prices"][-1]
    assert (last["price"], last["stale"]) == (100.0, True)


async def test_a_price_decided_a_moment_before_a_stall_is_not_published_after_it(stage: Stage) -> None:
    for venue in VENUES:
        stage.live.take(stage.quote(venue, 100.0))
    await stage.clock.advance(1)
    stage.live.take(stage.quote("okx", 100.1))
    assert stage.rt.pricer.point("bitcoin") is not None  # somebody asks: remembered for a while
    stage.live.take(Stalled("kraken", (Topic("ticker", BTC),), "stream_silent", "no data"))
    point = stage.rt.pricer.point("bitcoin")
    assert point is not None
    assert "kraken" not in point.providers
