"""Pages of an export: every row of the range once, whatever the size of a page and whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from crypto_dt_source.model.candle import MINUTE_MS, Candle
from crypto_dt_source.model.sentiment import Score
from crypto_dt_source.store import FeedRow, MarketRow, NewsRow, PriceRow, SeriesKey, Store
from crypto_dt_source.store.repos import candles, export, market, news, prices
from crypto_dt_source.store.repos.retention import Retention, sweep

from .conftest import DAY, T0

BTC = SeriesKey("binance", "BTC", "USDT", "1m")
SIZES = (1, 2, 3, 7, 50)
FEED = FeedRow("alpha", "Alpha", None, None, T0, T0)


def candle(n: int, *, closed: bool = True) -> Candle:
    return Candle(T0 + n * MINUTE_MS, 1.5 + n, 3.0 + n, 0.5, 2.0, None, 7.25, n, closed)


async def pages(found: AsyncIterator[list[export.Row]]) -> list[list[export.Row]]:
    return [page async for page in found]


def joined(found: list[list[Any]]) -> list[Any]:
    return [row for page in found for row in page]


async def test_candles_come_whole_and_in_order(store: Store) -> None:
    await candles.write(store, BTC, [candle(n, closed=n < 9) for n in range(10) if n != 4])
    await candles.write(store, BTC, [candle(4)], source="kraken")
    await candles.write(store, SeriesKey("okx", "BTC", "USDT", "1m"), [candle(n) for n in range(20)])
    expected = [(*candle(n)[:8], "kraken" if n == 4 else "binance", n < 9) for n in range(1, 10)]
    for size in SIZES:
        found = await pages(export.candles(store, BTC, T0 + MINUTE_MS, T0 + 10 * MINUTE_MS, size))
        assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
        assert joined(found) == expected


async def test_a_range_without_rows_has_no_page(store: Store) -> None:
    assert await pages(export.candles(store, BTC, 0, 2**60, 5)) == []
    assert await pages(export.prices(store, "bitcoin", 0, 2**60, 5)) == []
    assert await pages(export.market(store, 0, 2**60, 5)) == []
    assert await pages(export.news(store, None, 0, 2**60, 5)) == []
    assert await pages(export.news(store, "bitcoin", 0, 2**60, 5)) == []
    await candles.write(store, BTC, [candle(0)])
    assert await pages(export.candles(store, BTC, T0 + 1, 2**60, 5)) == []
    assert await pages(export.candles(store, BTC, T0, T0, 5)) == []
    assert await pages(export.candles(store, BTC, T0 + 2, T0 + 1, 5)) == []


async def test_how_many_candles_there_are(store: Store) -> None:
    await candles.write(store, BTC, [candle(n) for n in range(5)])
    assert await export.count_candles(store, BTC, T0, T0 + 4 * MINUTE_MS) == 4
    assert await export.has_candles(store, BTC, T0 + 4 * MINUTE_MS, T0 + DAY)
    assert not await export.has_candles(store, BTC, T0 + 5 * MINUTE_MS, T0 + DAY)
    unknown = SeriesKey("binance", "BTC", "EUR", "1m")
    assert await export.count_candles(store, unknown, 0, 2**60) == 0
    assert not await export.has_candles(store, unknown, 0, 2**60)


async def test_prices_are_the_consensus_and_nobody_elses(store: Store) -> None:
    rows = [
        PriceRow("bitcoin", T0, 100.5, 0.5, 7, 0.01, "ok", "median/1"),
        PriceRow("bitcoin", T0 + 1, None, None, 2, 9.0, "no_consensus", "median/1"),
        PriceRow("bitcoin", T0 + 2, 101.0, None, 1, None, "single_source", None),
    ]
    other = [
        PriceRow("ethereum", T0 + 1, 5.0),
        PriceRow("bitcoin", T0 + 1, 99.0, provider="somebody"),
        PriceRow("bitcoin", T0 + 3, 1.0),
    ]
    await prices.write_prices(store, [*rows, *other])
    for size in SIZES:
        found = joined(await pages(export.prices(store, "bitcoin", T0, T0 + 3, size)))
        assert found == [
            (T0, 100.5, "ok", 0.5, 0.01, 7, "median/1"),
            (T0 + 1, None, "no_consensus", None, 9.0, 2, "median/1"),
            (T0 + 2, 101.0, "single_source", None, None, 1, None),
        ]


async def test_snapshots_of_one_moment_are_told_apart(store: Store) -> None:
    names = ("coingecko", "coinpaprika", "coinlore")
    rows = [
        MarketRow(T0 + at, name, 1.0, None, 3e12, 4.0, 5.0, None, 7, -8.5)
        for at in range(4)
        for name in names
    ]
    await market.write(store, rows)
    for size in SIZES:
        found = joined(await pages(export.market(store, T0 + 1, T0 + 4, size)))
        assert sorted(found) == sorted(tuple(row) for row in rows[3:])
        assert [row[0] for row in found] == sorted(row[0] for row in found)


def article(n: int, at: int, assets: tuple[str, ...] = ()) -> NewsRow:
    return NewsRow(
        f"id{n}", ("alpha", "beta")[n % 2], f"https://a.test/{n}", f"https://a.test/{n}?x", None, f"title {n}", "summary",
        None, None, (), T0 + at, True, T0 + at + 5, f"id{n}", assets,
    )  # fmt: skip


async def test_articles_of_one_moment_are_told_apart(store: Store) -> None:
    rows = [article(n, n // 4, ("bitcoin",) if n % 3 else ("ethereum", "bitcoin")) for n in range(12)]
    await news.take(store, FEED, [*rows, article(90, 1), article(91, 3)])
    score = Score("bullish", 0.7, 0.1, 0.2, 0.7, "positive", "embedded", "r1")
    await news.write_scores(store, [("id5", score, T0 + 9)])

    def seen(found: list[list[export.Row]]) -> list[Any]:
        return sorted((row[0], row[1]) for row in joined(found))

    expected = sorted([*((r.published_ms, r.id) for r in rows), (T0 + 1, "id90")])
    for size in SIZES:
        all_of_them = await pages(export.news(store, None, T0, T0 + 3, size))
        assert seen(all_of_them) == expected
        assert [row[0] for row in joined(all_of_them)] == sorted(row[0] for row in joined(all_of_them))
        named = await pages(export.news(store, "bitcoin", T0, T0 + 3, size))
        assert seen(named) == sorted((r.published_ms, r.id) for r in rows)
        of_ether = await pages(export.news(store, "ethereum", T0 + 1, T0 + 3, size))
        assert seen(of_ether) == [(T0 + 1, "id6"), (T0 + 2, "id9")]
    (scored,) = [row for row in joined(named) if row[1] == "id5"]
    assert scored == (
        T0 + 1, "id5", "title 5", "https://a.test/5?x", "beta", "bullish", 0.7, "embedded", '["bitcoin"]',
    )  # fmt: skip
    (bare,) = [row for row in joined(all_of_them) if row[1] == "id90"]
    assert bare[5:] == (None, None, None, None)


async def test_what_is_written_and_deleted_meanwhile_neither_doubles_nor_hides_a_row(store: Store) -> None:
    kept = range(10, 40)
    await candles.write(store, BTC, [candle(n) for n in (*range(10), *kept)])
    found: list[int] = []
    at = 0
    async for page in export.candles(store, BTC, T0, 2**60, 4):
        found += [(row[0] - T0) // MINUTE_MS for row in page]
        at += 1
        if at == 3:
            # Retention takes what was read, a repair fills in behind, and the series grows.
            await sweep(store, Retention(candles_ms=1), T0 + 10 * MINUTE_MS + 1)
            await candles.write(store, BTC, [candle(-5), candle(2)], source="kraken")
            await candles.write(store, BTC, [candle(n) for n in range(40, 45)])
    assert found == list(range(45))
    assert await export.count_candles(store, BTC, T0, T0 + 10 * MINUTE_MS) == 1


async def test_articles_that_come_meanwhile_move_no_other(store: Store) -> None:
    await news.take(store, FEED, [article(n, 5) for n in range(9)])
    found: list[str] = []
    async for page in export.news(store, None, T0, T0 + 10, 2):
        found += [row[1] for row in page]
        await news.take(store, FEED, [article(100 + len(found), 0), article(200 + len(found), 9)])
    assert [name for name in found if len(name) == 3] == [f"id{n}" for n in range(9)]
    assert len(found) == len(set(found))


async def test_a_page_is_found_by_its_key(sqlite_store: Store) -> None:
    """Neither a whole table nor a whole range is read, or sorted, for one page."""
    for sql in (export._CANDLES, export._PRICES, export._MARKET, export._NEWS, export._NEWS_OF):
        plan = [row[3] for row in await sqlite_store.fetch(f"EXPLAIN QUERY PLAN {sql}", [1] * sql.count("?"))]
        assert not [step for step in plan if step.startswith("SCAN") or "FOR ORDER BY" in step], plan
