"""Assets, and what upstreams list: their coins and their pairs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ...model.asset import Asset, AssetListing, Instrument
from .. import tables
from ..engine import Store
from ..sql import Write, storable, upsert

_FILL = "UPDATE assets SET ticker = ?, name = ?, kind = ?, rank = ?, aliases = ? WHERE number = ?"
_ALL = "SELECT id, ticker, name, kind, rank, aliases FROM assets WHERE ticker IS NOT NULL ORDER BY number"
_PUT_LISTING = upsert(tables.asset_listings)
_LISTINGS = """SELECT p.id, l.native_id, l.ticker, l.name, l.rank, l.active
    FROM asset_listings l JOIN providers p ON p.number = l.provider WHERE p.id = ? ORDER BY l.native_id"""
_ALL_LISTINGS = """SELECT p.id, l.native_id, l.ticker, l.name, l.rank, l.active
    FROM asset_listings l JOIN providers p ON p.number = l.provider WHERE l.active ORDER BY l.timestamp DESC LIMIT ?"""
_LISTED = """SELECT MAX(l.timestamp) FROM asset_listings l JOIN providers p ON p.number = l.provider WHERE p.id = ?"""
_PUT_INSTRUMENT = upsert(tables.instruments)
_INSTRUMENTS = """SELECT p.id, i.symbol, i.base, i.quote, i.active
    FROM instruments i JOIN providers p ON p.number = i.provider WHERE p.id = ? ORDER BY i.symbol"""


async def put(store: Store, assets: Sequence[Asset]) -> None:
    """Store or replace assets by id. Renames are not stored: they ship with the registry."""
    numbers = await store.numbers.assets(asset.id for asset in assets)
    rows = [
        (
            storable(asset.ticker),
            storable(asset.name),
            asset.kind,
            asset.rank,
            json.dumps(asset.aliases) if asset.aliases else None,
            numbers[asset.id],
        )
        for asset in assets
    ]
    await store.write([Write(_FILL, rows)])


async def all_assets(store: Store) -> list[Asset]:
    """Every asset that was described, the first stored first."""
    return [
        Asset(row[0], row[1], row[2], row[3], row[4], tuple(json.loads(row[5])) if row[5] else ())
        for row in await store.fetch(_ALL)
    ]


async def put_listings(store: Store, listings: Iterable[AssetListing], timestamp: int) -> None:
    """Store upstreams' lists of coins as seen at `timestamp`, replacing by (provider, native id)."""
    listed = list(listings)
    providers = await store.numbers.providers(row.provider for row in listed)
    rows = [
        (
            timestamp,
            row.rank,
            providers[row.provider],
            row.active,
            storable(row.native_id),
            storable(row.ticker),
            storable(row.name),
        )
        for row in listed
    ]
    await store.write([Write(_PUT_LISTING, rows)])


async def listings(store: Store, provider: str) -> list[AssetListing]:
    """One upstream's list of coins, by its own id; those that left it stay until retention takes them."""
    return [AssetListing._make((*row[:5], bool(row[5]))) for row in await store.fetch(_LISTINGS, (provider,))]


async def all_listings(store: Store, limit: int) -> list[AssetListing]:
    """Every upstream's coins in use, those seen last first, at most `limit`."""
    return [
        AssetListing._make((*row[:5], bool(row[5]))) for row in await store.fetch(_ALL_LISTINGS, (limit,))
    ]


async def listed_ms(store: Store, provider: str) -> int | None:
    """When one upstream's list of coins was stored last, None for never."""
    rows = await store.fetch(_LISTED, (provider,))
    return rows[0][0] if rows else None


async def put_instruments(store: Store, instruments: Iterable[Instrument], timestamp: int) -> None:
    """Store venues' pairs as seen at `timestamp`, replacing by (provider, symbol)."""
    listed = list(instruments)
    providers = await store.numbers.providers(row.provider for row in listed)
    rows = [
        (
            timestamp,
            providers[row.provider],
            row.active,
            storable(row.symbol),
            storable(row.base),
            storable(row.quote),
        )
        for row in listed
    ]
    await store.write([Write(_PUT_INSTRUMENT, rows)])


async def instruments(store: Store, provider: str) -> list[Instrument]:
    """One venue's pairs, by its own symbol."""
    return [
        Instrument._make((*row[:4], bool(row[4]))) for row in await store.fetch(_INSTRUMENTS, (provider,))
    ]
