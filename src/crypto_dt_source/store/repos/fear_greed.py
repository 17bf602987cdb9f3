"""Fear and greed indices, a value a UTC day. Indices of different makers are different series."""

from __future__ import annotations

from collections.abc import Iterable

from ...model.sentiment import FearGreed
from .. import tables
from ..engine import Store
from ..sql import Write, storable, upsert

_PUT = upsert(tables.fear_greed)
_SELECT = """SELECT p.id, f.series, f.value, f.classification, f.day_ms, f.received_ms
    FROM fear_greed f JOIN providers p ON p.number = f.provider"""
_LATEST = f"{_SELECT} ORDER BY f.day_ms DESC, f.received_ms DESC, f.series LIMIT 1"
_DAYS = f"{_SELECT} WHERE f.series = ? AND f.day_ms >= ? AND f.day_ms < ? ORDER BY f.day_ms"
_ALWAYS = 2**62


async def write(store: Store, days: Iterable[FearGreed]) -> None:
    """Store days, replacing by (series, day)."""
    listed = list(days)
    providers = await store.numbers.providers(row.provider for row in listed)
    rows = [
        (
            row.day_ms,
            row.received_ms,
            providers[row.provider],
            row.value,
            storable(row.series),
            storable(row.classification),
        )
        for row in listed
    ]
    await store.write([Write(_PUT, rows)])


async def days(
    store: Store, start_ms: int, end_ms: int | None = None, series: str | None = None
) -> list[FearGreed]:
    """Days of one series in [start_ms, end_ms), ascending. Without `series`, the one `latest` is of."""
    if series is None:
        newest = await latest(store)
        if newest is None:
            return []
        series = newest.series
    rows = await store.fetch(_DAYS, (storable(series), start_ms, _ALWAYS if end_ms is None else end_ms))
    return list(map(FearGreed._make, rows))


async def latest(store: Store) -> FearGreed | None:
    """The newest day of any series, the one received last where there are several; None when there is none."""
    rows = await store.fetch(_LATEST)
    return FearGreed._make(rows[0]) if rows else None
