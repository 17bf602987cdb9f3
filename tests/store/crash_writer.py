"""Run by test_crash.py: writes batches without end and prints each acknowledged one."""

from __future__ import annotations

import asyncio
import sys

from crash_layout import ROWS, START

from crypto_dt_source.model.candle import MINUTE_MS, Candle
from crypto_dt_source.store import PriceRow, QuoteRow, SeriesKey, Store, open_store
from crypto_dt_source.store.repos import candles, prices


async def price_batches(store: Store, n: int) -> None:
    while True:
        at = START + n * 1000
        quotes = [
            QuoteRow(
                f"asset{k}", at, "okx", "okx", "venue", "A", "USD", n + k, None, None, None, None, at, at
            )
            for k in range(ROWS)
        ]
        await prices.write_prices(store, [PriceRow(f"asset{k}", at, n + k) for k in range(ROWS)], quotes)
        print("price", n, flush=True)  # noqa: T201
        n += 1


async def candle_batches(store: Store, n: int) -> None:
    series = SeriesKey("binance", "BTC", "USDT", "1m")
    while True:
        rows = [
            Candle(START + (n * ROWS + k) * MINUTE_MS, 1.0, 1.0, 1.0, n, 1.0, None, None, True)
            for k in range(ROWS)
        ]
        await candles.write(store, series, rows)
        print("candle", n, flush=True)  # noqa: T201
        n += 1


async def main(path: str, first: int) -> None:
    store = await open_store(f"sqlite:///{path}", pool_size=1)
    await asyncio.gather(price_batches(store, first), candle_batches(store, first))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
