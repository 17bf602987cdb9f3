"""Back-filling candles of the top assets: resumable, within the budgets, in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

from ..model.asset import Asset
from ..model.candle import DAY_MS, INTERVAL_MS, floor_open
from ..model.errors import AllProvidersFailed, CdtsError, UnknownSymbol
from ..store import BackfillRow, Gap, SeriesKey
from ..store.repos import backfill as backfill_repo
from ..telemetry import logger
from .candles import fetch_ranges, options, series_of
from .runtime import Runtime

log = logger("backfill")
CHUNK = 1000
"""Candles fetched and acknowledged before the progress is written."""


class Step(NamedTuple):
    """Progress of one series: how much of the range is done, in candles."""

    asset: Asset
    series: SeriesKey
    done: int
    total: int


Progress = Callable[[Step], None]


def top_assets(rt: Runtime, count: int) -> list[Asset]:
    """The largest assets with a quote on the board, or the largest known ones before any quote came."""
    coins = [a for a in islice(rt.resolver.ranked(), 4 * count + 50) if a.kind == "coin"]
    quoted = [a for a in coins if a.id in rt.board.quotes]
    return (quoted or coins)[:count]


async def round_of_top(rt: Runtime) -> int:
    """Bring the candles of the top assets up to the present, from `backfill_days` ago; gives how many were stored."""
    assets = top_assets(rt, rt.limits.backfill_top)
    return await run(rt, assets, rt.limits.backfill_intervals, rt.limits.backfill_days)


async def run(
    rt: Runtime,
    assets: Iterable[Asset],
    intervals: Iterable[str],
    days: int,
    progress: Progress = lambda step: None,
) -> int:
    """Back-fill each series in turn. A series no venue answers for is left for the next round; what was acknowledged is
    never asked for again. Raises AllProvidersFailed only when every series failed."""
    stored = failed = 0
    last: AllProvidersFailed | None = None
    named = list(intervals)
    for asset in assets:
        for interval in named:
            try:
                stored += await series(rt, asset, interval, days, progress)
            except UnknownSymbol:
                continue
            except CdtsError as error:
                failed += 1
                last = error if isinstance(error, AllProvidersFailed) else last
                log.info("series left for the next round", asset=asset.id, interval=interval, code=error.code)
    if last is not None and not stored and failed:
        raise last
    return stored


async def series(rt: Runtime, asset: Asset, interval: str, days: int, progress: Progress) -> int:
    """One asset's candles of one interval, oldest first, in acknowledged pieces. Raises UnknownSymbol or
    AllProvidersFailed."""
    step = INTERVAL_MS[interval]
    chosen = options(rt, asset, None, interval, None)
    own = chosen[0]
    same = [o for o in chosen if o.pair == own.pair]
    key = series_of(own, interval)
    to_ms = floor_open(rt.clock.now_ms(), interval)
    from_ms = floor_open(to_ms - days * DAY_MS, interval)
    before = await backfill_repo.get(rt.store, key)
    at = from_ms
    if before is not None and before.from_ms <= from_ms <= before.done_to_ms:
        at, from_ms = before.done_to_ms, before.from_ms
    total = (to_ms - from_ms) // step
    stored = 0
    while at < to_ms:
        until = min(to_ms, at + CHUNK * step)
        stored += await fetch_ranges(rt, same, key, [Gap(at, until)], background=True)
        at = until
        await backfill_repo.write(rt.store, BackfillRow(key, from_ms, to_ms, at, rt.clock.now_ms()))
        progress(Step(asset, key, (at - from_ms) // step, total))
    return stored
