"""Candles the store refused: answered from memory until it takes them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..model.candle import Candle
from ..store import SeriesKey, StoreError
from ..store.cache import Loaded
from ..store.repos import candles as candle_repo
from ..store.rows import CandleRange
from .runtime import Runtime

KEPT = 5000
"""Candles of one series, the newest."""
COST = 2
"""Of one candle, in the cache's measure."""


class Refused(NamedTuple):
    """A candle and the venue that supplied it where that is not the series' own."""

    candle: Candle
    source: str | None


def _held(rt: Runtime, series: SeriesKey) -> dict[int, Refused]:
    found = rt.cache.peek(("unstored", series))
    return dict(found.value) if found is not None else {}


def _hold(rt: Runtime, series: SeriesKey, held: dict[int, Refused]) -> None:
    newest = {at: held[at] for at in sorted(held)[-KEPT:]}
    rt.cache.put(("unstored", series), Loaded(newest, rt.clock.now_ms(), (), 1 + COST * len(newest)))


async def write(
    rt: Runtime, series: SeriesKey, candles: Sequence[Candle], *, source: str | None, background: bool
) -> None:
    """Store candles; what the store refuses is held in memory for whoever waits. Raises StoreError in the background,
    where nobody does."""
    held = _held(rt, series)
    try:
        await candle_repo.write(rt.store, series, candles, source=source)
    except StoreError:
        if background:
            raise
        for candle in candles:
            before = held.get(candle.open_ms)
            # The same order as in the store: finished before running, the venue's own before another's.
            if before is not None and (
                before.candle.closed > candle.closed or (before.source is None and source is not None)
            ):
                continue
            held[candle.open_ms] = Refused(candle, source)
        _hold(rt, series, held)
    else:
        stored = [candle.open_ms for candle in candles if candle.open_ms in held]
        if stored:
            for at in stored:
                del held[at]
            _hold(rt, series, held)


async def flush(rt: Runtime, series: SeriesKey) -> None:
    """Store what is held of a series, once the store takes writes again."""
    held = _held(rt, series)
    if not held or rt.store.write_error is not None:
        return
    for source in {kept.source for kept in held.values()}:
        candles = [kept.candle for kept in held.values() if kept.source == source]
        await write(rt, series, candles, source=source, background=False)


async def read(rt: Runtime, series: SeriesKey, start_ms: int, end_ms: int, limit: int) -> CandleRange:
    """`candle_repo.read` from a given start, with what is held beside the store. Raises StoreError when the store cannot
    be read and nothing is held."""
    held = {at: kept for at, kept in _held(rt, series).items() if start_ms <= at < end_ms}
    try:
        stored = await candle_repo.read(rt.store, series, start_ms, end_ms, limit)
    except StoreError:
        if not held:
            raise
        stored = CandleRange([], {})
    if not held:
        return stored
    candles = {candle.open_ms: candle for candle in stored.candles}
    repaired = dict(stored.repaired)
    for at, kept in held.items():
        before = candles.get(at)
        if before is not None and (
            before.closed > kept.candle.closed or (at not in repaired and kept.source is not None)
        ):
            continue
        candles[at] = kept.candle
        repaired.pop(at, None)
        if kept.source is not None:
            repaired[at] = kept.source
    first = sorted(candles)[:limit]
    return CandleRange([candles[at] for at in first], {at: repaired[at] for at in first if at in repaired})
