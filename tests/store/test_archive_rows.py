"""What the archive reads: every row of a span once, with names for numbers, on both databases."""

from __future__ import annotations

import pytest

from crypto_dt_source.model.candle import DAY_MS, Candle
from crypto_dt_source.store import MarketRow, PriceRow, QuoteRow, RateRow, SeriesKey, Store
from crypto_dt_source.store.repos import archives, candles, market, prices
from crypto_dt_source.store.repos.archives import SOURCES, ArchiveRow

from .conftest import T0


async def _read(store: Store, dataset: str, from_ms: int, to_ms: int) -> list[tuple[object, ...]]:
    return [row async for page in archives.pages(store, dataset, from_ms, to_ms) for row in page]


async def _fill(store: Store) -> None:
    for day in range(3):
        at = T0 + day * DAY_MS
        quotes = [
            QuoteRow("bitcoin", at + n, "okx", "okx", "venue", "B", "USD", n, None, None, None, None, at, at)
            for n in range(3)
        ]
        rows = [PriceRow("bitcoin", at + n, 1.5) for n in range(3)]
        await prices.write_prices(store, rows, quotes, [RateRow(at, "EUR", 1.1), RateRow(at, "JPY", 0.1)])
        await market.write(store, [MarketRow(at, "okx", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7, 8.0)])
        for interval in ("1h", "1d"):
            row = Candle(at, 1.0, 1.0, 1.0, 1.0, None, None, None, True)
            await candles.write(store, SeriesKey("okx", "BTC", "USDT", interval), [row])


async def test_every_row_of_a_span_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for dataset in SOURCES:
        assert await archives.oldest(store, dataset) is None
        assert await _read(store, dataset, T0, T0 + DAY_MS) == []
    await _fill(store)
    monkeypatch.setattr(archives, "PAGE", 2)
    expected = {"prices": 3, "quotes": 3, "price_rates": 2, "market": 1, "ohlcv": 1, "ohlcv_daily": 1}
    for dataset, count in expected.items():
        rows = await _read(store, dataset, T0 + DAY_MS, T0 + 2 * DAY_MS)
        assert len(set(rows)) == len(rows) == count, dataset
        assert {len(row) for row in rows} == {len(SOURCES[dataset].columns)}
        assert await archives.oldest(store, dataset) == T0
    assert (await _read(store, "ohlcv", T0, T0 + 1))[0][:5] == (T0, "okx", "BTC", "USDT", "1h")
    assert (await _read(store, "prices", T0, T0 + 1))[0][1:3] == ("bitcoin", "consensus")


async def test_a_second_file_of_a_day_does_not_hide_the_first(store: Store) -> None:
    row = ArchiveRow(1, T0, T0 + DAY_MS, 5, 6, "prices", "/a")
    await archives.put(store, row)
    second = await archives.put(store, row._replace(url="/b"))
    assert second.from_ms == T0 - 1
    assert [found.url for found in await archives.page(store, 9)] == ["/a", "/b"]
