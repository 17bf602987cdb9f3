"""Rows that are about to leave the database, with the names behind their numbers, and where they were written to.

Each dataset is read for a span of time [from_ms, to_ms), some rows at a time. The lists that upstreams renew whole, and
the logs of calls and requests, are not archived: the first hold no history, the second hold addresses of people.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...model.candle import DAY_MS, INTERVAL_MS
from .. import tables
from ..engine import Store
from ..sql import Write, storable, upsert

Row = tuple[Any, ...]
PAGE = 5000
_PUT = upsert(tables.archives)
_TAKEN = "SELECT from_ms FROM archives WHERE dataset = ? AND from_ms >= ? AND from_ms < ?"
_PAGE = """SELECT at_ms, from_ms, to_ms, rows, size_bytes, dataset, url FROM archives
    ORDER BY from_ms DESC, dataset LIMIT ?"""
_WENT_TO = "SELECT 1 FROM archives WHERE substr(url, 1, length(?)) = ? LIMIT 1"
_SHORT = ", ".join(f"'{name}'" for name, span in INTERVAL_MS.items() if span < DAY_MS)


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset: `columns` by name and kind (`exports_columns.Kind`), `oldest` a query for its oldest time from one on, `span` the
    field of `retention.Retention` that says how long it is kept. `sql` reads a page; without `owners` it goes on after the
    last key, the `key` last columns; with them it reads one owner (an asset, a series) whole."""

    columns: tuple[tuple[str, str], ...]
    oldest: str
    span: str
    sql: str
    key: int = 0
    owners: str = ""


class ArchiveRow(NamedTuple):
    """A file: rows of a dataset with times in [from_ms, to_ms)."""

    at_ms: int
    from_ms: int
    to_ms: int
    rows: int
    size_bytes: int
    dataset: str
    url: str


_CANDLE_COLUMNS = (
    ("open_time", "time"),
    ("venue", "text"),
    ("base", "text"),
    ("quote", "text"),
    ("interval", "text"),
    ("open", "number"),
    ("high", "number"),
    ("low", "number"),
    ("close", "number"),
    ("volume", "number"),
    ("quote_volume", "number"),
    ("trades", "count"),
    ("source", "text"),
    ("closed", "flag"),
)
_CANDLES = """SELECT o.open_ms, v.id, s.base, s.quote, s.interval, o.open, o.high, o.low, o.close, o.volume, o.quote_volume,
        o.trades, COALESCE(p.id, v.id), o.closed
    FROM ohlcv o JOIN series s ON s.number = o.series JOIN providers v ON v.number = s.provider
        LEFT JOIN providers p ON p.number = o.source
    WHERE o.series = ? AND o.open_ms >= ? AND o.open_ms < ? ORDER BY o.open_ms"""


def _candles(which: str, span: str) -> Source:
    return Source(
        _CANDLE_COLUMNS,
        f"""SELECT MIN(x.first) FROM (SELECT (SELECT MIN(o.open_ms) FROM ohlcv o
        WHERE o.series = s.number AND o.open_ms >= ?) AS first FROM series s WHERE s.interval {which} ({_SHORT})) AS x""",  # noqa: S608 the intervals' own names
        span,
        _CANDLES,
        owners=f"SELECT number FROM series WHERE interval {which} ({_SHORT}) ORDER BY number",  # noqa: S608 as above
    )


SOURCES: dict[str, Source] = {
    "prices": Source(
        (
            ("timestamp", "time"),
            ("asset", "text"),
            ("provider", "text"),
            ("price", "number"),
            ("status", "text"),
            ("confidence", "number"),
            ("dispersion_pct", "number"),
            ("sources", "count"),
            ("method", "text"),
        ),
        "SELECT MIN(timestamp) FROM prices WHERE timestamp >= ?",
        "prices_ms",
        """SELECT x.timestamp, a.id, p.id, x.price, COALESCE(x.status, 'ok'), x.half_width, x.dispersion_pct, x.sources, m.id
    FROM prices x JOIN assets a ON a.number = x.asset JOIN providers p ON p.number = x.provider
        LEFT JOIN methods m ON m.number = x.method
    WHERE x.asset = ? AND x.provider IN (SELECT number FROM providers) AND x.timestamp >= ? AND x.timestamp < ?
    ORDER BY x.provider, x.timestamp""",
        owners="SELECT number FROM assets ORDER BY number",
    ),
    "quotes": Source(
        (
            ("timestamp", "time"),
            ("asset", "text"),
            ("provider", "text"),
            ("source", "text"),
            ("kind", "text"),
            ("symbol", "text"),
            ("currency", "text"),
            ("price", "number"),
            ("bid", "number"),
            ("ask", "number"),
            ("volume", "number"),
            ("event_time", "time"),
            ("received_time", "time"),
        ),
        "SELECT MIN(timestamp) FROM quotes WHERE timestamp >= ?",
        "quotes_ms",
        """SELECT q.timestamp, a.id, p.id, COALESCE(q.source, p.id), COALESCE(q.kind, 'venue'), q.symbol, q.currency,
        q.price, q.bid, q.ask, q.volume, q.event_ms, q.received_ms, q.timestamp, q.asset, q.position
    FROM quotes q JOIN assets a ON a.number = q.asset JOIN providers p ON p.number = q.provider
    WHERE (q.timestamp, q.asset, q.position) > (?, ?, ?) AND q.timestamp < ?
    ORDER BY q.timestamp, q.asset, q.position LIMIT ?""",
        key=3,
    ),
    "price_rates": Source(
        (("timestamp", "time"), ("currency", "text"), ("usd", "number")),
        "SELECT MIN(timestamp) FROM price_rates WHERE timestamp >= ?",
        "quotes_ms",
        """SELECT timestamp, currency, usd, timestamp, currency FROM price_rates
    WHERE (timestamp, currency) > (?, ?) AND timestamp < ? ORDER BY timestamp, currency LIMIT ?""",
        key=2,
    ),
    "market": Source(
        (
            ("timestamp", "time"),
            ("provider", "text"),
            ("btc_price", "number"),
            ("eth_price", "number"),
            ("market_cap", "number"),
            ("volume_24h", "number"),
            ("btc_dominance_pct", "number"),
            ("eth_dominance_pct", "number"),
            ("active_coins", "count"),
            ("change_24h_pct", "number"),
        ),
        "SELECT MIN(timestamp) FROM market_snapshots WHERE timestamp >= ?",
        "market_ms",
        """SELECT m.timestamp, p.id, m.btc_price, m.eth_price, m.market_cap, m.volume_24h, m.btc_dominance_pct,
        m.eth_dominance_pct, m.active_coins, m.change_24h_pct, m.timestamp, m.provider
    FROM market_snapshots m JOIN providers p ON p.number = m.provider
    WHERE (m.timestamp, m.provider) > (?, ?) AND m.timestamp < ? ORDER BY m.timestamp, m.provider LIMIT ?""",
        key=2,
    ),
    "trending": Source(
        (
            ("timestamp", "time"),
            ("provider", "text"),
            ("place", "count"),
            ("native_id", "text"),
            ("ticker", "text"),
            ("name", "text"),
            ("rank", "count"),
            ("price", "number"),
            ("change_24h_pct", "number"),
        ),
        "SELECT MIN(timestamp) FROM trending WHERE timestamp >= ?",
        "market_ms",
        """SELECT t.timestamp, p.id, t.position, t.native_id, t.ticker, t.name, t.rank, t.price, t.change_24h_pct,
        t.timestamp, t.provider, t.position
    FROM trending t JOIN providers p ON p.number = t.provider
    WHERE (t.timestamp, t.provider, t.position) > (?, ?, ?) AND t.timestamp < ?
    ORDER BY t.timestamp, t.provider, t.position LIMIT ?""",
        key=3,
    ),
    "news": Source(
        (
            ("published", "time"),
            ("id", "text"),
            ("title", "text"),
            ("summary", "text"),
            ("link", "text"),
            ("feed", "text"),
            ("assets", "text"),
            ("sentiment", "text"),
            ("confidence", "number"),
            ("model", "text"),
        ),
        "SELECT MIN(published_ms) FROM news WHERE published_ms >= ?",
        "news_ms",
        """SELECT n.published_ms, n.id, n.title, n.summary, n.link, p.id, n.assets, n.sentiment, n.confidence, n.model,
        n.published_ms, n.number
    FROM news n JOIN providers p ON p.number = n.provider
    WHERE (n.published_ms, n.number) > (?, ?) AND n.published_ms < ? ORDER BY n.published_ms, n.number LIMIT ?""",
        key=2,
    ),
    "ohlcv": _candles("IN", "candles_ms"),
    "ohlcv_daily": _candles("NOT IN", "daily_candles_ms"),
}
"""Every dataset that is archived, by its name."""


async def oldest(store: Store, dataset: str, from_ms: int = 0) -> int | None:
    """The oldest time of a dataset that is not before `from_ms`; None where there is none. May read the table once."""
    ((found,),) = await store.fetch(SOURCES[dataset].oldest, (from_ms,))
    return None if found is None else int(found)


async def pages(store: Store, dataset: str, from_ms: int, to_ms: int) -> AsyncGenerator[list[Row]]:
    """Rows of a dataset with times in [from_ms, to_ms), each in the order of its columns. Raises StoreError."""
    source = SOURCES[dataset]
    if source.owners:
        for (owner,) in await store.fetch(source.owners):
            rows = await store.fetch(source.sql, (owner, from_ms, to_ms))
            if rows:
                yield rows
        return
    # Less than any key of the first moment: numbers are never negative, words never empty.
    before: Row = ("",) if dataset == "price_rates" else (-1,) * (source.key - 1)
    key: Row = (from_ms, *before)
    while True:
        rows = await store.fetch(source.sql, (*key, to_ms, PAGE))
        if rows:
            key = tuple(rows[-1][-source.key :])
            yield [row[: -source.key] for row in rows]
        if len(rows) < PAGE:
            return


async def put(store: Store, row: ArchiveRow) -> ArchiveRow:
    """Store where rows were written to. A file of the same dataset and beginning stays: the new one's `from_ms` is then
    made earlier by as many ms as it takes; gives what was stored."""
    taken = {at for (at,) in await store.fetch(_TAKEN, (row.dataset, row.from_ms - 1000, row.from_ms + 1))}
    from_ms = row.from_ms
    while from_ms in taken:
        from_ms -= 1
    row = row._replace(from_ms=from_ms)
    values = (row.at_ms, row.from_ms, row.to_ms, row.rows, row.size_bytes, row.dataset, storable(row.url))
    await store.write([Write(_PUT, [values])])
    return row


async def went_to(store: Store, target: str) -> bool:
    """Whether a file is remembered that was written there. Raises StoreError."""
    within = storable(f"{target}/")
    return bool(await store.fetch(_WENT_TO, (within, within)))


async def page(store: Store, limit: int) -> list[ArchiveRow]:
    """Files by the time of their rows, the newest first."""
    return [ArchiveRow._make(row) for row in await store.fetch(_PAGE, (limit,))]
