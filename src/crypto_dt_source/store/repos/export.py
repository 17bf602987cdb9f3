"""Whole ranges in pages of plain rows, ascending, for exports: each page begins after the last key of the one before.

Nothing is held open between two pages, so a range may be read for an hour. A row that is there throughout and does not
change comes exactly once; what is written meanwhile comes when it lies ahead. Rows are tuples in the order of the
columns named at each function; a flag is 0 or 1 on SQLite and a bool on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from ..engine import Store
from ..rows import SeriesKey
from ..tables import CONSENSUS

Row = tuple[Any, ...]
Pages = AsyncGenerator[list[Row]]

_CANDLES = """SELECT o.open_ms, o.open, o.high, o.low, o.close, o.volume, o.quote_volume, o.trades, COALESCE(p.id, ?),
        o.closed
    FROM ohlcv o LEFT JOIN providers p ON p.number = o.source
    WHERE o.series = ? AND o.open_ms >= ? AND o.open_ms < ? ORDER BY o.open_ms LIMIT ?"""
_HOW_MANY = "SELECT COUNT(*) FROM ohlcv WHERE series = ? AND open_ms >= ? AND open_ms < ?"
_ANY = "SELECT 1 FROM ohlcv WHERE series = ? AND open_ms >= ? AND open_ms < ? LIMIT 1"
_PRICES = """SELECT p.timestamp, p.price, COALESCE(p.status, 'ok'), p.half_width, p.dispersion_pct, p.sources, m.id
    FROM prices p LEFT JOIN methods m ON m.number = p.method
    WHERE p.asset = ? AND p.provider = ? AND p.timestamp >= ? AND p.timestamp < ? ORDER BY p.timestamp LIMIT ?"""
# The last column is the second half of the key and is cut off. Comparing pairs lets both databases seek to the place.
_MARKET = """SELECT m.timestamp, p.id, m.btc_price, m.eth_price, m.market_cap, m.volume_24h, m.btc_dominance_pct,
        m.eth_dominance_pct, m.active_coins, m.change_24h_pct, m.provider
    FROM market_snapshots m LEFT JOIN providers p ON p.number = m.provider
    WHERE (m.timestamp, m.provider) > (?, ?) AND m.timestamp < ? ORDER BY m.timestamp, m.provider LIMIT ?"""
_ARTICLE = (
    "n.published_ms, n.id, n.title, n.link, p.id, n.sentiment, n.confidence, n.model, n.assets, n.number"
)
_NEWS = f"""SELECT {_ARTICLE} FROM news n LEFT JOIN providers p ON p.number = n.provider
    WHERE (n.published_ms, n.number) > (?, ?) AND n.published_ms < ? ORDER BY n.published_ms, n.number LIMIT ?"""  # noqa: S608 the columns above
_NEWS_OF = f"""SELECT {_ARTICLE} FROM news_assets a JOIN news n ON n.number = a.news
        LEFT JOIN providers p ON p.number = n.provider
    WHERE a.asset = ? AND (a.published_ms, a.news) > (?, ?) AND a.published_ms < ?
    ORDER BY a.published_ms, a.news LIMIT ?"""  # noqa: S608 the columns above
_BEFORE_ALL = -1
"""Less than any number of a row."""


async def candles(store: Store, series: SeriesKey, start_ms: int, end_ms: int, size: int) -> Pages:
    """Candles with open times in [start_ms, end_ms): open_ms, open, high, low, close, volume, quote_volume, trades, the
    venue that supplied it, closed. Raises StoreError."""
    number = store.numbers.known_series(series)
    if number is None:
        return

    def page_from(at: int) -> tuple[Any, ...]:
        return (series.provider, number, at, end_ms, size)

    async for page in _by_time(store, _CANDLES, page_from, start_ms, size):
        yield page


async def has_candles(store: Store, series: SeriesKey, start_ms: int, end_ms: int) -> bool:
    """Whether a candle of the series opens in [start_ms, end_ms)."""
    number = store.numbers.known_series(series)
    return number is not None and bool(await store.fetch(_ANY, (number, start_ms, end_ms)))


async def count_candles(store: Store, series: SeriesKey, start_ms: int, end_ms: int) -> int:
    """How many candles of the series open in [start_ms, end_ms)."""
    number = store.numbers.known_series(series)
    if number is None:
        return 0
    ((count,),) = await store.fetch(_HOW_MANY, (number, start_ms, end_ms))
    return int(count)


async def prices(store: Store, asset: str, start_ms: int, end_ms: int, size: int) -> Pages:
    """Consensus prices decided in [start_ms, end_ms): timestamp, price, status, half_width, dispersion_pct, sources,
    method. Raises StoreError."""
    asset_number, provider = store.numbers.known_asset(asset), store.numbers.known_provider(CONSENSUS)
    if asset_number is None or provider is None:
        return

    def page_from(at: int) -> tuple[Any, ...]:
        return (asset_number, provider, at, end_ms, size)

    async for page in _by_time(store, _PRICES, page_from, start_ms, size):
        yield page


async def market(store: Store, start_ms: int, end_ms: int, size: int) -> Pages:
    """Snapshots of [start_ms, end_ms): timestamp, provider, btc_price, eth_price, market_cap, volume_24h,
    btc_dominance_pct, eth_dominance_pct, active_coins, change_24h_pct. Raises StoreError."""

    def page_after(at: int, number: int) -> tuple[Any, ...]:
        return (at, number, end_ms, size)

    async for page in _by_time_and_number(store, _MARKET, page_after, start_ms, size):
        yield page


async def news(store: Store, asset: str | None, start_ms: int, end_ms: int, size: int) -> Pages:
    """Articles published in [start_ms, end_ms), of `asset` where that is given: published_ms, id, title, link, feed,
    sentiment, confidence, model, assets (JSON text of their ids, NULL for none). Raises StoreError."""
    filters: tuple[int, ...] = ()
    if asset is not None:
        number = store.numbers.known_asset(asset)
        if number is None:
            return
        filters = (number,)

    def page_after(at: int, number: int) -> tuple[Any, ...]:
        return (*filters, at, number, end_ms, size)

    async for page in _by_time_and_number(store, _NEWS_OF if filters else _NEWS, page_after, start_ms, size):
        yield page


async def _by_time(
    store: Store, sql: str, page_from: Callable[[int], tuple[Any, ...]], start_ms: int, size: int
) -> Pages:
    """Pages of rows whose first column is their key."""
    at = start_ms
    while True:
        rows: list[Row] = await store.fetch(sql, page_from(at))
        if rows:
            at = rows[-1][0] + 1
            yield rows
        if len(rows) < size:
            return


async def _by_time_and_number(
    store: Store, sql: str, page_after: Callable[[int, int], tuple[Any, ...]], start_ms: int, size: int
) -> Pages:
    """Pages of rows whose first and last columns are their key; the last one is cut off."""
    key = (start_ms, _BEFORE_ALL)
    while True:
        rows: list[Row] = await store.fetch(sql, page_after(*key))
        if rows:
            key = (rows[-1][0], rows[-1][-1])
            yield [row[:-1] for row in rows]
        if len(rows) < size:
            return
