"""Minutes built from trades: their edges, clocks that are wrong, venues that leave, and the venue's own candle at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.candle import MINUTE_MS, Candle
from crypto_dt_source.model.errors import UpstreamTimeout
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.services.live_candles import AHEAD_MS, LATE_MS, OVER_MS, QUIET_MS, CandleBuilder, Series
from crypto_dt_source.services.live_closing import WAITS_S, CandleCloser
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store import SeriesKey
from crypto_dt_source.store.repos import candles as candle_repo
from crypto_dt_source.stream import Event

BTC = Pair("BTC", "USD")
OPEN_MS = harness.START_MS // MINUTE_MS * MINUTE_MS


@pytest_asyncio.fixture
async def market(tmp_path: Path) -> AsyncIterator[tuple[Runtime, ManualClock]]:
    async with harness.running(tmp_path) as (rt, _, clock):
        yield rt, clock


@pytest.fixture
def built() -> CandleBuilder:
    return CandleBuilder(catalog.load())


def add(
    built: CandleBuilder,
    at_s: float,
    price: float = 100.0,
    provider: str = "kraken",
    *,
    late_s: float = 0.0,
) -> dict[str, Any] | None:
    """A trade so many seconds after OPEN_MS by the venue's clock, that comes `late_s` later by ours."""
    event_ms = OPEN_MS + round(at_s * 1000)
    trade = Trade(provider, "BTCUSD", *BTC, str(event_ms), price, 1.0, "buy", event_ms)
    return built.add(trade, "BTC", event_ms + round(late_s * 1000))


def test_a_trade_of_a_time_to_come_does_not_end_the_minutes_until_then(built: CandleBuilder) -> None:
    add(built, 1)
    assert add(built, 3600, late_s=-3598) is None
    assert add(built, 3, 101.0) is not None
    ahead_s = AHEAD_MS / 1000
    assert add(built, 70, late_s=-ahead_s - 0.001) is None
    candle = add(built, 70, late_s=-ahead_s)
    assert candle is not None
    assert candle["open_time_ms"] == OPEN_MS + MINUTE_MS


def test_late_trades_are_the_venues_candles_to_count(built: CandleBuilder) -> None:
    add(built, 30)
    candle = add(built, 59, 105.0, late_s=1 + LATE_MS / 1000)
    assert candle is not None
    assert candle["high"] == 105.0
    assert add(built, 59, 110.0, late_s=2 + LATE_MS / 1000) is None
    shown = built.shown("BTC")
    assert shown is not None
    assert (shown["high"], shown["incomplete"]) == (105.0, True)
    add(built, 61)
    assert add(built, 59, 120.0, late_s=3) is None
    assert built.closed == [("BTC", Series("kraken", BTC), OPEN_MS)]


def test_a_minute_ends_by_the_clock_where_nothing_is_traded_after_it(built: CandleBuilder) -> None:
    add(built, 30)
    built.end_minutes(OPEN_MS + MINUTE_MS + OVER_MS - 1)
    assert built.closed == []
    for _ in range(2):
        built.end_minutes(OPEN_MS + MINUTE_MS + OVER_MS)
        assert built.closed == [("BTC", Series("kraken", BTC), OPEN_MS)]
    assert add(built, 59.9, late_s=3) is None
    candle = add(built, 200)
    assert candle is not None
    # The stream went on in between: nothing of the new minute was missed.
    assert (candle["trades"], candle["incomplete"]) == (1, False)
    assert len(built.closed) == 1


def test_a_gap_before_the_first_trade_of_a_minute_marks_that_one(built: CandleBuilder) -> None:
    add(built, 10)
    add(built, 61)
    built.missed("kraken", BTC, OPEN_MS + 135_000)
    candle = add(built, 136)
    assert candle is not None
    assert candle["incomplete"] is True
    candle = add(built, 190)
    assert candle is not None
    assert candle["incomplete"] is False


def test_a_pair_that_is_left_is_begun_anew_and_its_minute_is_still_closed(built: CandleBuilder) -> None:
    add(built, 10)
    candle = add(built, 61)
    assert candle is not None
    assert candle["incomplete"] is False
    built.left("kraken", {BTC})
    assert built.shown("BTC") is None
    assert [at for _, _, at in built.closed] == [OPEN_MS, OPEN_MS + MINUTE_MS]
    candle = add(built, 7200)
    assert candle is not None
    assert candle["incomplete"] is True


def test_a_venue_without_trades_is_followed_by_another(built: CandleBuilder) -> None:
    ranked = sorted(("kraken", "gate"), key=lambda p: built._rank(Series(p, BTC)))
    add(built, 1, provider=ranked[0])
    assert add(built, 10, provider=ranked[1]) is None
    later = 1 + QUIET_MS / 1000
    assert add(built, later, provider=ranked[1]) is not None
    candle = add(built, later + 1, provider=ranked[0])
    assert candle is not None
    assert candle["provider"] == ranked[0]


def own(open_ms: int, *, closed: bool) -> Candle:
    return Candle(open_ms, 99.0, 106.0, 98.0, 103.0, 12.0, 1236.0, 40, closed)


@pytest.mark.parametrize("first", ["fails", "still open"])
async def test_the_venues_own_candle_takes_its_place_once_it_is_there(
    market: tuple[Runtime, ManualClock], built: CandleBuilder, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, clock = market
    said: list[Event] = []
    rt.bus.add(said.append)
    asked: list[int] = []

    async def ask_one(provider: str, ask: Any, **_: Any) -> SimpleNamespace:
        asked.append(clock.now_ms())
        if len(asked) == 1 and first == "fails":
            raise UpstreamTimeout("not now")
        return SimpleNamespace(records=(own(OPEN_MS, closed=len(asked) > 1),))

    monkeypatch.setattr(rt.gateway, "ask_one", ask_one)
    monkeypatch.setattr(rt.hub, "listened", lambda *_: True)
    at_s = (clock.now_ms() - OPEN_MS) / 1000
    add(built, at_s)
    closer = CandleCloser(rt, built, rt.hub)
    task = asyncio.create_task(closer.run())
    await clock.advance(60 - at_s + OVER_MS / 1000 + 1 + sum(WAITS_S[:2]) + 2)
    await harness.drive(clock, clock.sleep(1))
    assert len(asked) == 2
    assert asked[0] >= OPEN_MS + MINUTE_MS + WAITS_S[0] * 1000
    (event,) = [e for e in said if e.channel == "candles"]
    assert (event.symbol, event.data["closed"], event.data["live"]) == ("BTC", True, False)
    assert event.data["close"] == 103.0
    assert built.shown("BTC") == event.data
    key = SeriesKey("kraken", *BTC, "1m")
    kept = await candle_repo.read(rt.store, key, OPEN_MS, OPEN_MS + MINUTE_MS)
    assert list(kept.candles) == [own(OPEN_MS, closed=True)]
    assert closer._waiting == {}
    task.cancel()
    await asyncio.wait({task})
