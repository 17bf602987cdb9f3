"""Protocols of decentralised finance as they were listed last, and TVL (total value locked, US dollars) by day."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ...model.candle import DAY_MS
from ...model.defi import DefiProtocol, TvlPoint
from .. import tables
from ..engine import Store
from ..rows import TvlSeries
from ..sql import Write, storable, upsert

__all__ = ["TvlSeries", "protocols", "tvl", "tvl_span", "write_protocols", "write_tvl"]

_PUT_PROTOCOL = upsert(tables.defi_protocols, where="excluded.timestamp >= defi_protocols.timestamp")
_PROTOCOLS = """SELECT p.id, d.slug, d.name, d.symbol, d.category, d.chain, d.chains, d.tvl, d.change_1h_pct,
        d.change_1d_pct, d.change_7d_pct, d.market_cap, d.url, d.timestamp
    FROM defi_protocols d JOIN providers p ON p.number = d.provider
    WHERE d.timestamp = (SELECT MAX(timestamp) FROM defi_protocols)
        AND d.provider = (SELECT provider FROM defi_protocols ORDER BY timestamp DESC, provider LIMIT 1)
    ORDER BY d.tvl DESC, d.slug LIMIT ?"""

_PUT_TVL = upsert(tables.tvl_history)
# Two that are equally new: the one that knows more.
_TELLING = """SELECT provider, MIN(day_ms), MAX(day_ms), COUNT(*) FROM tvl_history
    WHERE subject = ? AND day_ms >= ? AND day_ms < ?
    GROUP BY provider ORDER BY MAX(day_ms) DESC, COUNT(*) DESC, provider LIMIT 1"""
_TVL = """SELECT day_ms, tvl FROM tvl_history
    WHERE subject = ? AND provider = ? AND day_ms >= ? AND day_ms < ? ORDER BY day_ms"""
_ALWAYS = 2**62

_chains = msgspec.json.Decoder(tuple[str, ...]).decode


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)


async def write_protocols(store: Store, protocols: Iterable[DefiProtocol]) -> None:
    """Store one list of protocols, replacing by (provider, slug). Its rows have one `received_ms`: what an earlier list
    named and this one does not is no longer served."""
    listed = list(protocols)
    providers = await store.numbers.providers(row.provider for row in listed)
    rows = [
        (
            row.received_ms,
            row.tvl,
            row.change_1h_pct,
            row.change_1d_pct,
            row.change_7d_pct,
            row.market_cap,
            providers[row.provider],
            storable(row.slug),
            storable(row.name),
            _text(row.symbol),
            _text(row.category),
            _text(row.chain),
            msgspec.json.encode([storable(chain) for chain in row.chains]).decode(),
            _text(row.url),
        )
        for row in listed
    ]
    await store.write([Write(_PUT_PROTOCOL, rows)])


async def protocols(store: Store, limit: int) -> list[DefiProtocol]:
    """The newest list of any provider, the largest TVL first, at most `limit`; empty when there is none."""
    return [
        DefiProtocol._make((*row[:6], _chains(row[6]), *row[7:]))
        for row in await store.fetch(_PROTOCOLS, (limit,))
    ]


async def write_tvl(store: Store, provider: str, subject: str, points: Iterable[TvlPoint]) -> None:
    """Store what `provider` says of `subject` (`all`, `chain:Ethereum`, `protocol:aave`), a value a UTC day: the last of
    the day. Days that are there are replaced."""
    number = (await store.numbers.providers([provider]))[provider]
    days = {point.at_ms - point.at_ms % DAY_MS: point.tvl for point in sorted(points)}
    rows = [(day, number, storable(subject), value) for day, value in days.items()]
    await store.write([Write(_PUT_TVL, rows)])


async def tvl(store: Store, subject: str, start_ms: int, end_ms: int | None = None) -> TvlSeries | None:
    """The history of `subject` in [start_ms, end_ms) as the provider with the newest point in it tells it, ascending;
    None when there is none."""
    subject = storable(subject)
    span = (start_ms, _ALWAYS if end_ms is None else end_ms)
    told = await store.fetch(_TELLING, (subject, *span))
    if not told:
        return None
    number = told[0][0]
    points = list(map(TvlPoint._make, await store.fetch(_TVL, (subject, number, *span))))
    return TvlSeries((await store.numbers.provider_ids([number]))[number], points)


async def tvl_span(store: Store, subject: str) -> tuple[int, int, int] | None:
    """First day, last day and number of days of what `tvl` gives for all time; None when there is nothing."""
    told = await store.fetch(_TELLING, (storable(subject), 0, _ALWAYS))
    return (told[0][1], told[0][2], told[0][3]) if told else None
