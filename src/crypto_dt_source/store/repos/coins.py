"""The aggregators' latest word on coins, categories and exchanges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from ...model.asset import AssetListing
from ...model.market import Category, CoinDetail, CoinMarket, ExchangeInfo
from .. import tables
from ..engine import Store
from ..sql import Write, storable, upsert

_PUT_MARKET = upsert(tables.coin_markets)
_MARKETS = """SELECT p.id, c.native_id, c.ticker, c.name, c.rank, c.price, c.market_cap, c.volume_24h, c.change_1h_pct,
        c.change_24h_pct, c.change_7d_pct, c.high_24h, c.low_24h, c.circulating_supply, c.total_supply, c.max_supply,
        c.event_ms, c.received_ms
    FROM coin_markets c JOIN providers p ON p.number = c.provider"""
_OF_PROVIDER = f"{_MARKETS} WHERE p.id = ? ORDER BY COALESCE(c.rank, 9000000000), COALESCE(c.market_cap, 0) DESC, c.native_id LIMIT ? OFFSET ?"
_ONE = f"{_MARKETS} WHERE p.id = ? AND c.native_id = ?"

_LISTED = "SELECT p.id, c.native_id, c.ticker, c.name, c.rank FROM coin_markets c JOIN providers p ON p.number = c.provider"

_PUT_DETAIL = upsert(tables.coin_details)
_DETAIL = """SELECT d.payload, d.timestamp FROM coin_details d JOIN providers p ON p.number = d.provider
    WHERE p.id = ? AND d.native_id = ?"""

_PUT_CATEGORY = upsert(tables.categories)
_CATEGORIES = """SELECT p.id, c.native_id, c.name, c.market_cap, c.change_24h_pct, c.volume_24h, c.coins, c.event_ms
    FROM categories c JOIN providers p ON p.number = c.provider
    WHERE p.id = ? ORDER BY COALESCE(c.market_cap, 0) DESC, c.native_id"""

_LATEST_CATEGORIES = """SELECT c.timestamp, p.id, c.native_id, c.name, c.market_cap, c.change_24h_pct, c.volume_24h,
        c.coins, c.event_ms
    FROM categories c JOIN providers p ON p.number = c.provider
    WHERE p.id = ? AND c.timestamp = (
        SELECT MAX(d.timestamp) FROM categories d JOIN providers o ON o.number = d.provider WHERE o.id = ?)
    ORDER BY COALESCE(c.market_cap, 0) DESC, c.native_id"""
_LATEST_EXCHANGES = """SELECT e.timestamp, p.id, e.native_id, e.name, e.country, e.year, e.url, e.trust_rank,
        e.volume_usd, e.volume_btc
    FROM exchanges e JOIN providers p ON p.number = e.provider
    WHERE p.id = ? AND e.timestamp = (
        SELECT MAX(d.timestamp) FROM exchanges d JOIN providers o ON o.number = d.provider WHERE o.id = ?)
    ORDER BY COALESCE(e.trust_rank, 9000000000), e.native_id"""

_PUT_EXCHANGE = upsert(tables.exchanges)
_EXCHANGES = """SELECT p.id, e.native_id, e.name, e.country, e.year, e.url, e.trust_rank, e.volume_usd, e.volume_btc
    FROM exchanges e JOIN providers p ON p.number = e.provider
    WHERE p.id = ? ORDER BY COALESCE(e.trust_rank, 9000000000), e.native_id"""

_decode = msgspec.json.Decoder(CoinDetail).decode


class StoredDetail(NamedTuple):
    """A coin's page and when it was stored."""

    detail: CoinDetail
    timestamp: int


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)


async def write_markets(store: Store, coins: Iterable[CoinMarket]) -> None:
    """Store market rows, replacing by (provider, native id)."""
    listed = list(coins)
    providers = await store.numbers.providers(coin.provider for coin in listed)
    rows = [
        (
            providers[coin.provider],
            storable(coin.native_id),
            storable(coin.ticker),
            storable(coin.name),
            *coin[4:],
        )
        for coin in listed
    ]
    await store.write([Write(_PUT_MARKET, rows)])


async def markets(store: Store, provider: str, limit: int = 10_000, offset: int = 0) -> list[CoinMarket]:
    """One aggregator's coins by rank, those without one last and by market cap."""
    return list(map(CoinMarket._make, await store.fetch(_OF_PROVIDER, (provider, limit, offset))))


async def listed(store: Store) -> list[AssetListing]:
    """The coins of every aggregator's market list, under its own ids."""
    return [AssetListing._make((*row, True)) for row in await store.fetch(_LISTED)]


async def market(store: Store, provider: str, native_id: str) -> CoinMarket | None:
    """One coin's row, or None."""
    rows = await store.fetch(_ONE, (provider, native_id))
    return CoinMarket(*rows[0]) if rows else None


async def write_detail(store: Store, detail: CoinDetail, timestamp: int) -> None:
    """Store a coin's page as fetched at `timestamp`, replacing the one before."""
    number = (await store.numbers.providers([detail.provider]))[detail.provider]
    # JSON escapes NUL, so the payload needs no cleaning beyond the key's.
    payload = msgspec.json.encode(detail).decode()
    await store.write([Write(_PUT_DETAIL, [(timestamp, number, storable(detail.native_id), payload)])])


async def detail(store: Store, provider: str, native_id: str) -> StoredDetail | None:
    """A coin's page, or None."""
    rows = await store.fetch(_DETAIL, (provider, native_id))
    return StoredDetail(_decode(rows[0][0]), rows[0][1]) if rows else None


async def write_categories(store: Store, categories: Iterable[Category], timestamp: int) -> None:
    """Store categories as fetched at `timestamp`, replacing by (provider, native id)."""
    listed = list(categories)
    providers = await store.numbers.providers(row.provider for row in listed)
    rows = [
        (timestamp, providers[row.provider], storable(row.native_id), storable(row.name), *row[3:])
        for row in listed
    ]
    await store.write([Write(_PUT_CATEGORY, rows)])


async def categories(store: Store, provider: str) -> list[Category]:
    """One aggregator's categories, the largest first."""
    return list(map(Category._make, await store.fetch(_CATEGORIES, (provider,))))


async def latest_categories(store: Store, provider: str) -> tuple[int, list[Category]] | None:
    """When an aggregator's newest list of categories was fetched, and the list, the largest first; None without one."""
    rows = await store.fetch(_LATEST_CATEGORIES, (provider, provider))
    return (rows[0][0], [Category._make(row[1:]) for row in rows]) if rows else None


async def write_exchanges(store: Store, exchanges: Iterable[ExchangeInfo], timestamp: int) -> None:
    """Store exchanges as fetched at `timestamp`, replacing by (provider, native id)."""
    listed = list(exchanges)
    providers = await store.numbers.providers(row.provider for row in listed)
    rows = [
        (
            timestamp,
            providers[row.provider],
            storable(row.native_id),
            storable(row.name),
            _text(row.country),
            row.year,
            _text(row.url),
            row.trust_rank,
            row.volume_usd,
            row.volume_btc,
        )
        for row in listed
    ]
    await store.write([Write(_PUT_EXCHANGE, rows)])


async def exchanges(store: Store, provider: str) -> list[ExchangeInfo]:
    """One aggregator's exchanges by its trust rank, those without one last."""
    return list(map(ExchangeInfo._make, await store.fetch(_EXCHANGES, (provider,))))


async def latest_exchanges(store: Store, provider: str) -> tuple[int, list[ExchangeInfo]] | None:
    """When an aggregator's newest list of exchanges was fetched, and the list by trust rank; None without one."""
    rows = await store.fetch(_LATEST_EXCHANGES, (provider, provider))
    return (rows[0][0], [ExchangeInfo._make(row[1:]) for row in rows]) if rows else None
