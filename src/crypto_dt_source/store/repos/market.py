"""The whole market over time, and what is trending."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.market import TrendingCoin
from .. import tables
from ..engine import Store
from ..rows import MarketRow
from ..sql import Write, storable, upsert

_PUT = upsert(tables.market_snapshots)
_SELECT = """SELECT m.timestamp, p.id, m.btc_price, m.eth_price, m.market_cap, m.volume_24h, m.btc_dominance_pct,
        m.eth_dominance_pct, m.active_coins, m.change_24h_pct
    FROM market_snapshots m JOIN providers p ON p.number = m.provider"""
_HISTORY = f"{_SELECT} WHERE m.timestamp >= ? AND m.timestamp < ? ORDER BY m.timestamp, p.id"
_LATEST = f"{_SELECT} ORDER BY m.timestamp DESC, p.id LIMIT 1"

_DROP_TRENDING = "DELETE FROM trending WHERE timestamp = ? AND provider = ?"
_PUT_TRENDING = upsert(tables.trending)
_TRENDING = """SELECT t.timestamp, p.id, t.native_id, t.ticker, t.name, t.position, t.rank, t.price, t.change_24h_pct
    FROM trending t JOIN providers p ON p.number = t.provider
    WHERE t.timestamp = (SELECT MAX(timestamp) FROM trending) ORDER BY p.id, t.position"""


async def write(store: Store, snapshots: Sequence[MarketRow]) -> None:
    """Store snapshots; one of the same time and provider is replaced."""
    providers = await store.numbers.providers(row.provider for row in snapshots)
    rows = [(row.timestamp, providers[row.provider], *row[2:]) for row in snapshots]
    await store.write([Write(_PUT, rows)])


async def latest(store: Store) -> MarketRow | None:
    """The newest snapshot of any provider."""
    rows = await store.fetch(_LATEST)
    return MarketRow(*rows[0]) if rows else None


async def history(store: Store, start_ms: int, end_ms: int) -> list[MarketRow]:
    """Snapshots in [start_ms, end_ms), ascending by time."""
    return list(map(MarketRow._make, await store.fetch(_HISTORY, (start_ms, end_ms))))


async def write_trending(store: Store, timestamp: int, coins: Sequence[TrendingCoin]) -> None:
    """Store what was trending at `timestamp`, replacing the same provider's list of that time."""
    providers = await store.numbers.providers(coin.provider for coin in coins)
    rows = [
        (
            timestamp,
            providers[coin.provider],
            coin.position,
            storable(coin.native_id),
            storable(coin.ticker),
            storable(coin.name),
            coin.rank,
            coin.price,
            coin.change_24h_pct,
        )
        for coin in coins
    ]
    drops = [(timestamp, providers[name]) for name in sorted({coin.provider for coin in coins})]
    await store.write([Write(_DROP_TRENDING, drops), Write(_PUT_TRENDING, rows)])


async def latest_trending(store: Store) -> tuple[int, list[TrendingCoin]] | None:
    """When the newest list was stored, and the list by position; None when there is none."""
    rows = await store.fetch(_TRENDING)
    return (rows[0][0], [TrendingCoin(*row[1:]) for row in rows]) if rows else None
