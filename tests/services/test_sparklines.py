"""The line of the week beside a price: whose candles it is made of, and what is left out."""

from __future__ import annotations

from pathlib import Path

import harness
from crypto_dt_source.model.candle import DAY_MS, INTERVAL_MS, Candle, floor_open
from crypto_dt_source.services import sparklines
from crypto_dt_source.store import SeriesKey
from crypto_dt_source.store.repos import candles as candle_repo

HOUR_MS = INTERVAL_MS["1h"]


async def test_the_longest_series_in_dollars_gives_the_line_and_is_named(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        now = floor_open(clock.now_ms(), "1h")

        async def stored(provider: str, quote: str, price: float, days: int) -> None:
            opens = range(now - days * DAY_MS, now, HOUR_MS)
            rows = [Candle(at, price, price, price, price, 1.0, None, None, True) for at in opens]
            await candle_repo.write(rt.store, SeriesKey(provider, "BTC", quote, "1h"), rows)

        await stored("kraken", "USD", 1.0, 3)
        await stored("binance", "USDT", 2.0, 9)
        await stored("bitstamp", "EUR", 3.0, 9)
        found = await sparklines.by_asset(rt)
        assert found.source == ("binance",)
        assert found.value == {"bitcoin": [2.0] * (sparklines.DAYS * DAY_MS // sparklines.STEP_MS)}
