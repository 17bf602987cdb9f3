"""Deleting what is older than it is kept, in pieces small enough that other writers do not wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...model.candle import DAY_MS, HOUR_MS, INTERVAL_MS
from ..engine import Store
from ..sql import Write
from . import identity

_PIECE = 100
_LOG_SPAN_MS = 6 * HOUR_MS

# Clustered by asset: a range per asset, found by the key. The list of providers lets the key's third column be used.
_PRICES = (
    "DELETE FROM prices WHERE asset = ? AND provider IN (SELECT number FROM providers) AND timestamp < ?"
)
_ASSETS = "SELECT number FROM assets ORDER BY number"
_CANDLES = "DELETE FROM ohlcv WHERE series = ? AND open_ms < ?"
_GAPS = "DELETE FROM ohlcv_gaps WHERE series = ? AND end_ms <= ?"

# A story that loses its head and keeps other articles is headed by the oldest of them, in the same transaction.
_ORPHANS = """SELECT n.number FROM news h JOIN news n ON n.head = h.number
    WHERE h.head = h.number AND h.published_ms < ? AND n.published_ms >= ?"""
_OLDEST_LEFT = "AND m.published_ms >= ? ORDER BY m.published_ms, m.id LIMIT 1"
_ASSET_HEADS = f"""UPDATE news_assets SET head = (SELECT m.number FROM news m
    WHERE m.story = (SELECT n.story FROM news n WHERE n.number = news_assets.news) {_OLDEST_LEFT})
    WHERE news IN ({_ORPHANS})"""  # noqa: S608 parts above
_HEADS = f"""UPDATE news SET head = (SELECT m.number FROM news m WHERE m.story = news.story {_OLDEST_LEFT})
    WHERE number IN ({_ORPHANS})"""  # noqa: S608 parts above


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept, in ms; None keeps them.

    Candles of a day and longer have a span of their own, unlimited by default: a year of them is 365 rows, and charts
    ask for all of it. TVL and fear and greed are kept for good, a row a day each.
    """

    prices_ms: int | None = 90 * DAY_MS
    quotes_ms: int | None = 48 * HOUR_MS
    candles_ms: int | None = 90 * DAY_MS
    daily_candles_ms: int | None = None
    market_ms: int | None = 90 * DAY_MS
    lists_ms: int | None = 90 * DAY_MS
    calls_ms: int | None = 90 * DAY_MS
    requests_ms: int | None = 90 * DAY_MS
    news_ms: int | None = 90 * DAY_MS


async def sweep(store: Store, keep: Retention, now_ms: int) -> dict[str, int]:
    """Delete what is older than `keep` says; returns rows deleted by table (tables without any left out)."""
    deleted: dict[str, int] = {}
    for table, column, span in (
        ("quotes", "timestamp", keep.quotes_ms),
        ("price_rates", "timestamp", keep.quotes_ms),
        ("market_snapshots", "timestamp", keep.market_ms),
        ("trending", "timestamp", keep.market_ms),
        ("api_calls", "timestamp", keep.calls_ms),
        ("user_requests", "timestamp", keep.requests_ms),
    ):
        if span is not None:
            deleted[table] = await _by_time(store, table, column, now_ms - span)
    if keep.news_ms is not None:
        deleted["news"] = await _by_time(
            store, "news", "published_ms", now_ms - keep.news_ms, (_ASSET_HEADS, _HEADS)
        )
    if keep.lists_ms is not None:
        deleted |= await _lists(store, now_ms - keep.lists_ms)
    if keep.prices_ms is not None:
        assets = [row[0] for row in await store.fetch(_ASSETS)]
        cut = now_ms - keep.prices_ms
        deleted["prices"] = await _pieces(store, _PRICES, [(asset, cut) for asset in assets])
    cuts = []
    for series, number in store.numbers.all_series().items():
        span = keep.daily_candles_ms if INTERVAL_MS[series.interval] >= DAY_MS else keep.candles_ms
        if span is not None:
            cuts.append((number, now_ms - span))
    deleted["ohlcv"] = await _pieces(store, _CANDLES, cuts)
    deleted["ohlcv_gaps"] = await _pieces(store, _GAPS, cuts)
    return {table: count for table, count in deleted.items() if count}


async def _pieces(store: Store, sql: str, rows: Sequence[tuple[int, int]]) -> int:
    """Run a delete for `rows`, some at a time, each piece its own commit."""
    deleted = 0
    for start in range(0, len(rows), _PIECE):
        deleted += await store.write([Write(sql, rows[start : start + _PIECE], counted=True)])
    return deleted


async def _by_time(store: Store, table: str, column: str, cut: int, before: Sequence[str] = ()) -> int:
    """Delete from the old end of a table that is ordered (or indexed) by time, six hours of rows a commit. The statements
    of `before` run ahead of each delete; all their placeholders are its cut."""
    delete = f"DELETE FROM {table} WHERE {column} < ?"  # noqa: S608 the names are this file's own
    deleted = 0
    while True:
        ((oldest,),) = await store.fetch(f"SELECT MIN({column}) FROM {table}")  # noqa: S608 as above
        if oldest is None or oldest >= cut:
            return deleted
        until = min(cut, oldest + _LOG_SPAN_MS)
        first = [Write(sql, [(until,) * sql.count("?")]) for sql in before]
        deleted += await store.write([*first, Write(delete, [(until,)], counted=True)])


async def _lists(store: Store, cut: int) -> dict[str, int]:
    """Coins, pairs, protocols and lists that no upstream has named since `cut`. Small tables, read whole."""
    deleted = {}
    for table, column in (
        ("coin_markets", "received_ms"),
        ("coin_details", "timestamp"),
        ("categories", "timestamp"),
        ("exchanges", "timestamp"),
        ("instruments", "timestamp"),
        ("asset_listings", "timestamp"),
        ("defi_protocols", "timestamp"),
        ("kept", "timestamp"),
    ):
        # The database's own id is given once: backups go by it for as long as there are any.
        but = f" AND key <> '{identity.KEY}'" if table == "kept" else ""
        delete = f"DELETE FROM {table} WHERE {column} < ?{but}"  # noqa: S608 the names are this file's own
        deleted[table] = await store.write([Write(delete, [(cut,)], counted=True)])
    return deleted
