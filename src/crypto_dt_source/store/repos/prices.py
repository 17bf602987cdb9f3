"""Prices, the quotes behind them, the currency rates they were computed with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import tables
from ..engine import Store
from ..rows import PricePoint, PriceRow, QuoteRow, RateRow
from ..sql import Write, upsert
from ..tables import CONSENSUS

_PUT_PRICE = upsert(tables.prices)
_PUT_QUOTE = upsert(tables.quotes)
_DROP_QUOTES = "DELETE FROM quotes WHERE timestamp = ? AND asset = ?"
_PUT_RATE = upsert(tables.price_rates)

_HISTORY = """SELECT timestamp, price FROM prices
    WHERE asset = ? AND provider = ? AND timestamp >= ? AND timestamp < ? ORDER BY timestamp"""
_ROWS = """SELECT p.timestamp, p.price, p.half_width, p.sources, p.dispersion_pct, p.status, m.id
    FROM prices p LEFT JOIN methods m ON m.number = p.method
    WHERE asset = ? AND provider = ? AND timestamp >= ? AND timestamp < ? ORDER BY timestamp"""
# LEFT JOIN makes both databases go through the assets and look one row up for each, instead of reading every price.
_LATEST = """SELECT a.id, p.timestamp, p.price, p.half_width, p.sources, p.dispersion_pct, p.status, m.id
    FROM assets a LEFT JOIN prices p ON p.asset = a.number AND p.provider = ? AND p.timestamp = (
        SELECT q.timestamp FROM prices q WHERE q.asset = a.number AND q.provider = ? AND q.price IS NOT NULL
        ORDER BY q.timestamp DESC LIMIT 1)
    LEFT JOIN methods m ON m.number = p.method"""
_AT = """SELECT a.id, p.price
    FROM assets a LEFT JOIN prices p ON p.asset = a.number AND p.provider = ? AND p.timestamp = (
        SELECT q.timestamp FROM prices q WHERE q.asset = a.number AND q.provider = ? AND q.price IS NOT NULL
            AND q.timestamp <= ? AND q.timestamp > ?
        ORDER BY q.timestamp DESC LIMIT 1)"""
_QUOTES = """SELECT a.id, q.timestamp, p.id, COALESCE(q.source, p.id), COALESCE(q.kind, ?), q.symbol, q.currency, q.price, q.bid, q.ask, q.volume, q.event_ms,
        q.received_ms, q.unchanged_since_ms
    FROM quotes q JOIN assets a ON a.number = q.asset JOIN providers p ON p.number = q.provider
    WHERE q.timestamp = ? AND q.asset = ? ORDER BY q.position"""
# The same LEFT JOIN, and the quotes' key is (time, asset): one look-up an asset.
_BEHIND = """SELECT a.id, q.timestamp, p.id, COALESCE(q.source, p.id), COALESCE(q.kind, ?), q.symbol, q.currency, q.price, q.bid, q.ask, q.volume, q.event_ms,
        q.received_ms, q.unchanged_since_ms
    FROM assets a LEFT JOIN quotes q ON q.asset = a.number AND q.timestamp = (
        SELECT r.timestamp FROM prices r WHERE r.asset = a.number AND r.provider = ? AND r.price IS NOT NULL
        ORDER BY r.timestamp DESC LIMIT 1)
    LEFT JOIN providers p ON p.number = q.provider
    ORDER BY a.number, q.position"""
_VENUE = "venue"
_RATES = "SELECT currency, usd FROM price_rates WHERE timestamp = ?"


async def write_prices(
    store: Store,
    prices: Sequence[PriceRow],
    quotes: Sequence[QuoteRow] = (),
    rates: Sequence[RateRow] = (),
) -> None:
    """Store prices with the quotes and rates behind them, in one transaction.

    A price replaces one of the same asset, provider and timestamp; the quotes given for an (asset, timestamp) replace
    all that were there, and are read back in the order given.
    """
    assets = await store.numbers.assets({*(p.asset for p in prices), *(q.asset for q in quotes)})
    providers = await store.numbers.providers({*(p.provider for p in prices), *(q.provider for q in quotes)})
    methods = await store.numbers.methods({p.method for p in prices if p.method is not None})
    price_rows = [
        (
            p.timestamp,
            p.price,
            p.half_width,
            p.dispersion_pct,
            assets[p.asset],
            providers[p.provider],
            p.sources,
            None if p.method is None else methods[p.method],
            None if p.status == "ok" else p.status,
        )
        for p in prices
    ]
    quote_rows, moments = _quote_rows(quotes, assets, providers)
    rate_rows = [(r.timestamp, r.currency, r.usd) for r in rates]
    await store.write(
        [
            Write(_PUT_PRICE, price_rows),
            Write(_DROP_QUOTES, moments),
            Write(_PUT_QUOTE, quote_rows),
            Write(_PUT_RATE, rate_rows),
        ]
    )


def _quote_rows(
    quotes: Sequence[QuoteRow], assets: Mapping[str, int], providers: Mapping[str, int]
) -> tuple[list[tuple[Any, ...]], list[tuple[int, int]]]:
    """Rows of the quotes table, and the (timestamp, asset) each belongs to, once."""
    positions: defaultdict[tuple[int, int], int] = defaultdict(int)
    quote_rows: list[tuple[Any, ...]] = []
    for q in quotes:
        key = (q.timestamp, assets[q.asset])
        quote_rows.append(
            (
                q.timestamp,
                q.price,
                q.bid,
                q.ask,
                q.volume,
                q.event_ms,
                q.received_ms,
                q.unchanged_since_ms,
                key[1],
                positions[key],
                providers[q.provider],
                None if q.source == q.provider else q.source,
                None if q.kind == _VENUE else q.kind,
                q.symbol,
                q.currency,
            )
        )
        positions[key] += 1
    return quote_rows, list(positions)


async def history(
    store: Store,
    asset: str,
    start_ms: int,
    end_ms: int,
    step_ms: int | None = None,
    provider: str = CONSENSUS,
) -> list[PricePoint]:
    """(timestamp, price) of `asset` in [start_ms, end_ms), ascending; a price of None is a time without consensus.
    Empty for an asset that was never stored.

    With `step_ms`, the last price of each step (steps are counted from 1970), under its own time.
    """
    numbers = (store.numbers.known_asset(asset), store.numbers.known_provider(provider))
    if None in numbers:
        return []
    rows = await store.fetch(_HISTORY, (*numbers, start_ms, end_ms))
    if step_ms is not None:
        # Thinning here costs less than a GROUP BY, whose expression the key's order cannot serve.
        rows = list({row[0] // step_ms: row for row in rows}.values())
    return rows


async def rows(
    store: Store, asset: str, start_ms: int, end_ms: int, provider: str = CONSENSUS
) -> list[PriceRow]:
    """Like `history`, each row whole."""
    numbers = (store.numbers.known_asset(asset), store.numbers.known_provider(provider))
    if None in numbers:
        return []
    return [
        PriceRow._make((asset, *row[:5], row[5] or "ok", row[6], provider))
        for row in await store.fetch(_ROWS, (*numbers, start_ms, end_ms))
    ]


async def latest_all(store: Store, provider: str = CONSENSUS) -> dict[str, PriceRow]:
    """The newest row of each asset that has a price, by asset id: what a restart serves first, marked stale."""
    number = store.numbers.known_provider(provider)
    if number is None:
        return {}
    return {
        row[0]: PriceRow._make((*row[:6], row[6] or "ok", row[7], provider))
        for row in await store.fetch(_LATEST, (number, number))
        if row[1] is not None
    }


async def at(store: Store, timestamp: int, tolerance_ms: int, provider: str = CONSENSUS) -> dict[str, float]:
    """Every asset's price as of `timestamp`: the last one not newer and less than `tolerance_ms` older."""
    number = store.numbers.known_provider(provider)
    if number is None:
        return {}
    found = await store.fetch(_AT, (number, number, timestamp, timestamp - tolerance_ms))
    return {row[0]: row[1] for row in found if row[1] is not None}


async def quotes_at(store: Store, asset: str, timestamp: int) -> list[QuoteRow]:
    """The quotes behind the price of `timestamp`, in the order they were given; empty once retention took them."""
    number = store.numbers.known_asset(asset)
    if number is None:
        return []
    return list(map(QuoteRow._make, await store.fetch(_QUOTES, (_VENUE, timestamp, number))))


async def behind_latest(store: Store, provider: str = CONSENSUS) -> dict[str, list[QuoteRow]]:
    """The quotes behind each price of `latest_all`, by asset id, in the order they were given; an asset whose quotes
    retention took is left out."""
    number = store.numbers.known_provider(provider)
    found: dict[str, list[QuoteRow]] = {}
    if number is not None:
        for row in await store.fetch(_BEHIND, (_VENUE, number)):
            if row[1] is not None:
                found.setdefault(row[0], []).append(QuoteRow._make(row))
    return found


async def rates_at(store: Store, timestamp: int) -> dict[str, float]:
    """US dollars for one unit of each currency, as used for the prices of `timestamp`."""
    return {row[0]: row[1] for row in await store.fetch(_RATES, (timestamp,))}


async def write_rates(store: Store, rates: Iterable[RateRow]) -> None:
    """Store rates by themselves."""
    await store.write([Write(_PUT_RATE, [(r.timestamp, r.currency, r.usd) for r in rates])])
