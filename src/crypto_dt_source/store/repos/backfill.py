"""How far each backfill has come, so that a stopped one resumes where it was."""

from __future__ import annotations

from .. import tables
from ..engine import Store
from ..rows import BackfillRow, SeriesKey
from ..sql import Write, upsert

_PUT = upsert(tables.backfill_progress)
_SELECT = """SELECT p.id, s.base, s.quote, s.interval, b.from_ms, b.to_ms, b.done_to_ms, b.updated_ms
    FROM backfill_progress b JOIN series s ON s.number = b.series JOIN providers p ON p.number = s.provider"""
_ALL = f"{_SELECT} ORDER BY p.id, s.base, s.quote, s.interval"
_ONE = f"{_SELECT} WHERE b.series = ?"


async def write(store: Store, row: BackfillRow) -> None:
    """Store the progress of one series. Write it after the candles it speaks of are acknowledged."""
    number = await store.numbers.series(row.series)
    await store.write([Write(_PUT, [(number, row.from_ms, row.to_ms, row.done_to_ms, row.updated_ms)])])


async def get(store: Store, series: SeriesKey) -> BackfillRow | None:
    """The progress of one series, or None where none was begun."""
    number = store.numbers.known_series(series)
    rows = [] if number is None else await store.fetch(_ONE, (number,))
    return _row(rows[0]) if rows else None


async def all_backfills(store: Store) -> list[BackfillRow]:
    """The progress of every series."""
    return [_row(row) for row in await store.fetch(_ALL)]


def _row(row: tuple[str, str, str, str, int, int, int, int]) -> BackfillRow:
    return BackfillRow(SeriesKey(*row[:4]), row[4], row[5], row[6], row[7])
