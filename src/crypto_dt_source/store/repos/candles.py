"""Candles: upserts, range reads, coverage, and the gaps between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...model.candle import INTERVAL_MS, Candle, floor_open
from .. import tables
from ..engine import Store
from ..rows import CandleRange, ConfirmedGap, Coverage, Gap, SeriesKey
from ..sql import Write, upsert

# The newest wins, with two exceptions: a candle that was still running never replaces its finished self, and a candle
# another venue supplied never replaces the venue's own.
_PUT = upsert(
    tables.ohlcv,
    where="(excluded.closed OR NOT ohlcv.closed) AND (excluded.source IS NULL OR ohlcv.source IS NOT NULL)",
)
_COLUMNS = "open_ms, open, high, low, close, volume, quote_volume, trades, closed, source"
_RANGE = "FROM ohlcv WHERE series = ? AND open_ms >= ? AND open_ms < ?"
_OLDEST = f"SELECT {_COLUMNS} {_RANGE} ORDER BY open_ms LIMIT ?"
_NEWEST = f"SELECT {_COLUMNS} {_RANGE} ORDER BY open_ms DESC LIMIT ?"
_COVERAGE = f"SELECT MIN(open_ms), MAX(open_ms), COUNT(*) {_RANGE}"
_PAIRS = f"SELECT open_ms, LEAD(open_ms) OVER (ORDER BY open_ms) AS following {_RANGE}"
_HOLES = f"SELECT open_ms, following FROM ({_PAIRS}) AS pairs WHERE following - open_ms > ? ORDER BY open_ms"  # noqa: S608 parts above
# A candle of the hour that ends a step closes where the step does.
_CLOSES = """SELECT close FROM ohlcv
    WHERE series = ? AND open_ms >= ? AND open_ms % ? = ? ORDER BY open_ms"""
_PUT_GAP = upsert(tables.ohlcv_gaps)
_GAPS = """SELECT start_ms, end_ms, reason FROM ohlcv_gaps
    WHERE series = ? AND start_ms < ? AND end_ms > ? ORDER BY start_ms"""
_ALWAYS = 2**62


async def write(
    store: Store, series: SeriesKey, candles: Iterable[Candle], *, source: str | None = None
) -> None:
    """Store candles of one series, one transaction. The newest wins, but an open candle never replaces a closed one.

    `source` names the venue that supplied them when it is not the series' own; such candles fill holes and replace each
    other, never the venue's own.
    """
    number = await store.numbers.series(series)
    origin = None if source is None else (await store.numbers.providers([source]))[source]
    rows = [
        (
            c.open_ms,
            c.open,
            c.high,
            c.low,
            c.close,
            c.volume,
            c.quote_volume,
            c.trades,
            number,
            origin,
            c.closed,
        )
        for c in candles
    ]
    await store.write([Write(_PUT, rows)])


async def read(
    store: Store,
    series: SeriesKey,
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int = 1000,
) -> CandleRange:
    """At most `limit` candles with open times in [start_ms, end_ms), ascending: the oldest from `start_ms` when it is
    given, else the newest. Empty for a series that was never stored."""
    number = store.numbers.known_series(series)
    if number is None:
        return CandleRange([], {})
    sql = _NEWEST if start_ms is None else _OLDEST
    first = 0 if start_ms is None else start_ms
    rows = await store.fetch(sql, (number, first, _ALWAYS if end_ms is None else end_ms, limit))
    if start_ms is None:
        rows.reverse()
    repaired = {row[0]: row[9] for row in rows if row[9] is not None}
    if repaired:
        ids = await store.numbers.provider_ids(set(repaired.values()))
        repaired = {open_ms: ids[source] for open_ms, source in repaired.items()}
    candles = [Candle(t, o, h, lo, c, v, q, n, closed == 1) for t, o, h, lo, c, v, q, n, closed, _ in rows]
    return CandleRange(candles, repaired)


async def closes(store: Store, interval: str, start_ms: int, step_ms: int) -> dict[SeriesKey, list[float]]:
    """The close of the last candle of each step since `start_ms`, ascending, of every series in `interval` that has any."""
    last = step_ms - INTERVAL_MS[interval]
    found: dict[SeriesKey, list[float]] = {}
    for key, number in store.numbers.all_series().items():
        if key.interval != interval:
            continue
        rows = await store.fetch(_CLOSES, (number, start_ms, step_ms, last))
        if rows:
            found[key] = [row[0] for row in rows]
    return found


async def coverage(store: Store, series: SeriesKey) -> Coverage | None:
    """First and last stored open time and the number of candles, or None when there is none."""
    number = store.numbers.known_series(series)
    if number is None:
        return None
    ((first, last, count),) = await store.fetch(_COVERAGE, (number, 0, _ALWAYS))
    return Coverage(first, last, count) if count else None


async def gaps(store: Store, series: SeriesKey, start_ms: int, end_ms: int) -> list[Gap]:
    """Missing open times in [start_ms, end_ms), as ranges, without those the venue confirmed to have no candle.

    Before the first and after the last stored candle counts as missing too: give the range that should be there.
    """
    step = INTERVAL_MS[series.interval]
    start = floor_open(start_ms + step - 1, series.interval)
    end = floor_open(end_ms + step - 1, series.interval)
    if start >= end:
        return []
    number = store.numbers.known_series(series)
    if number is None:
        return [Gap(start, end)]
    ((first, last, count),) = await store.fetch(_COVERAGE, (number, start, end))
    if not count:
        missing = [Gap(start, end)]
    else:
        holes = []
        if count < (last - first) // step + 1:
            holes = await store.fetch(_HOLES, (number, start, end, step))
        missing = [Gap(before + step, after) for before, after in holes]
        missing = [Gap(start, first), *missing, Gap(last + step, end)]
    confirmed = await confirmed_gaps(store, series, start, end)
    return subtract([gap for gap in missing if gap.start_ms < gap.end_ms], confirmed)


def subtract(missing: Sequence[Gap], confirmed: Sequence[ConfirmedGap]) -> list[Gap]:
    """`missing` without what `confirmed` covers. Both ascending; the confirmed ones may overlap each other."""
    left: list[Gap] = []
    for start, end in missing:
        for known in confirmed:
            if known.end_ms <= start or known.start_ms >= end:
                continue
            if known.start_ms > start:
                left.append(Gap(start, known.start_ms))
            start = max(start, known.end_ms)
            if start >= end:
                break
        if start < end:
            left.append(Gap(start, end))
    return left


async def confirm_gaps(store: Store, series: SeriesKey, found: Iterable[ConfirmedGap]) -> None:
    """Remember ranges for which the venue answered and had no candle, so that nobody asks again."""
    number = await store.numbers.series(series)
    await store.write([Write(_PUT_GAP, [(gap.start_ms, gap.end_ms, number, gap.reason) for gap in found])])


async def confirmed_gaps(
    store: Store, series: SeriesKey, start_ms: int = 0, end_ms: int = _ALWAYS
) -> list[ConfirmedGap]:
    """Confirmed gaps that touch [start_ms, end_ms), ascending."""
    number = store.numbers.known_series(series)
    if number is None:
        return []
    return list(map(ConfirmedGap._make, await store.fetch(_GAPS, (number, end_ms, start_ms))))


def stored_series(store: Store) -> list[SeriesKey]:
    """Every series something was ever stored for, sorted."""
    return sorted(store.numbers.all_series())
