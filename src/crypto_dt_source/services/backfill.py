"""Back-filling candles of the top assets: resumable, within the budgets, in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from ..model.asset import Asset
from ..model.candle import DAY_MS, INTERVAL_MS, floor_open
from ..model.errors import AllProvidersFailed, CdtsError, UnknownSymbol
from ..store import BackfillRow, SeriesKey
from ..store.repos import backfill as backfill_repo
from ..telemetry import logger
from . import ranges
from .runtime import Runtime
from .series import Option, by_quote, options, series_of

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
    """Bring the candles of the top assets up to the present, from `backfill_days` ago; gives how many were stored. A
    series is asked for only when a candle has closed since."""
    assets = top_assets(rt, rt.limits.backfill_top)
    return await run(rt, assets, rt.limits.backfill_intervals, rt.limits.backfill_days)


async def run(
    rt: Runtime,
    assets: Iterable[Asset],
    intervals: Iterable[str],
    days: int,
    progress: Progress = lambda step: None,
) -> int:
    """Back-fill each series in turn; gives how many candles were stored. A series no venue answers for is left for the
    next round; what was acknowledged is never asked for again. Raises AllProvidersFailed only when every series
    failed."""
    stored = done = 0
    last: AllProvidersFailed | None = None
    named = list(intervals)
    for asset in assets:
        for interval in named:
            try:
                stored += await series(rt, asset, interval, days, progress)
                done += 1
            except UnknownSymbol:
                continue
            except CdtsError as error:
                last = error if isinstance(error, AllProvidersFailed) else last
                log.info("series left for the next round", asset=asset.id, interval=interval, code=error.code)
    if last is not None and not done:
        raise last
    return stored


async def series(rt: Runtime, asset: Asset, interval: str, days: int, progress: Progress) -> int:
    """One asset's candles of one interval in acknowledged pieces: what came since the last time first, then what a
    longer range asks for before it. Raises UnknownSymbol or AllProvidersFailed."""
    step = INTERVAL_MS[interval]
    same = by_quote(rt, asset, options(rt, asset, None, interval, None))[0]
    key = series_of(same[0], interval)
    to_ms = floor_open(rt.clock.now_ms(), interval)
    from_ms = floor_open(to_ms - days * DAY_MS, interval)
    total = (to_ms - from_ms) // step
    row = await backfill_repo.get(rt.store, key)
    if row is None or not (row.from_ms <= row.done_to_ms and from_ms <= row.done_to_ms <= to_ms):
        row = BackfillRow(key, from_ms, to_ms, from_ms, rt.clock.now_ms())

    def tell(now: BackfillRow) -> None:
        progress(Step(asset, key, (now.done_to_ms - max(now.from_ms, from_ms)) // step, total))

    stored = 0
    tell(row)
    while row.done_to_ms < to_ms:
        until = min(to_ms, row.done_to_ms + CHUNK * step)
        stored += await _piece(rt, same, key, row.done_to_ms, until)
        row = row._replace(to_ms=to_ms, done_to_ms=until, updated_ms=rt.clock.now_ms())
        await backfill_repo.write(rt.store, row)
        tell(row)
    while row.from_ms > from_ms:
        at = max(from_ms, row.from_ms - CHUNK * step)
        stored += await _piece(rt, same, key, at, row.from_ms)
        row = row._replace(from_ms=at, updated_ms=rt.clock.now_ms())
        await backfill_repo.write(rt.store, row)
        tell(row)
    return stored


async def _piece(rt: Runtime, same: Sequence[Option], key: SeriesKey, at: int, until: int) -> int:
    """Fetch what the store lacks of [at, until); gives the number stored. Raises AllProvidersFailed when some of it is
    missing because the venue failed: the progress then stays before it."""
    missing = await ranges.holes(rt, key, at, until)
    if not missing:
        return 0
    fetched = await ranges.fetch(rt, same, key, missing, background=True)
    if fetched.left and not fetched.own:
        raise AllProvidersFailed(
            f"{key.provider} did not answer for all candles.",
            details={"tried": [{"provider": key.provider, "failure": "incomplete"}]},
        )
    return fetched.stored
