"""Candles: from the store; what is missing there is fetched, stored and answered; gaps are named, never filled in."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..model.asset import Asset
from ..model.bounds import FIRST_MS
from ..model.candle import INTERVAL_MS, Candle, floor_open
from ..model.errors import AllProvidersFailed, InvalidParameter, NotOffered
from ..store import Gap, SeriesKey
from ..store.cache import REFUSAL_S, Loaded
from . import fetches, ranges, tier_caps, unstored
from .listing import identify
from .runtime import Runtime
from .series import Option, by_quote, options, series_of, stored, unlisted
from .tier_caps import Cut

QUOTES_TRIED = 3
"""Quote currencies tried where a venue not seen yet turns out not to list the usual pair."""
TAIL_S = 120
"""How long a series may be answered without its newest candle while the allowance for renewals is used up."""
FILL_BLOCK = 1000
"""Candles; see `_block`."""
JOINED = 3
"""Fetches under way for others that a request waits for before it answers with what is there."""


@dataclass(frozen=True, slots=True)
class CandleAnswer:
    """Candles ascending. `repaired` maps open times to the venue they came from when it is not the series' own; `gaps`
    are open times without a candle, known gaps and failures alike. `fetched_ms` is when a venue last answered for the
    end of the series, of a part that is over when it was fetched; None when that was before the start of the service or
    there is no candle. `state` is `hit` (all of it was here),
    `miss` (fetched for this answer) or `stale` (the running candle is older than its age limit). `cut`: the caller's
    days of history end within what was asked for."""

    series: SeriesKey
    candles: list[Candle]
    repaired: dict[int, str]
    gaps: list[Gap]
    fetched_ms: int | None
    state: str
    cut: Cut | None = None


class _Window(NamedTuple):
    """Open times [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    cut: Cut | None


async def candles(
    rt: Runtime,
    asset: Asset,
    quote: str | None,
    interval: str,
    *,
    limit: int,
    start_ms: int | None,
    end_ms: int | None,
    provider: str | None,
    history_days: int | None = None,
) -> CandleAnswer:
    """At most `limit` candles of the best venue's series in [start_ms, end_ms). The newest ones are given whole; of what
    is asked for by time nothing that was over `history_days` ago (None: without a limit). Raises InvalidParameter,
    UnknownSymbol, or AllProvidersFailed when nothing is stored and nobody answers."""
    window = _window(rt.clock.now_ms(), interval, limit, start_ms, end_ms, history_days)
    answer = await _candles(rt, asset, quote, interval, provider, window.start_ms, window.end_ms)
    return replace(answer, cut=window.cut)


async def _candles(
    rt: Runtime, asset: Asset, quote: str | None, interval: str, provider: str | None, start: int, end: int
) -> CandleAnswer:
    await identify(rt, asset)
    chosen = options(rt, asset, quote, interval, provider)
    failure: AllProvidersFailed | None = None
    for same in by_quote(rt, asset, chosen)[:QUOTES_TRIED]:
        failure = None
        series = series_of(same[0], interval)
        try:
            state = await _bring(rt, same, series, start, end)
        except AllProvidersFailed as error:
            failure, state = error, "stale"
        answer = await _read(rt, series, start, end, state)
        if answer.candles or failure is None:
            return answer
        if not _unlisted(failure):
            break
    assert failure is not None  # noqa: S101 - options() gave at least one group
    kept = await _kept(rt, asset, quote, interval, provider, start, end)
    if kept is not None:
        return kept
    if _unlisted(failure):
        raise unlisted(asset, quote, interval, provider)
    raise failure


def _unlisted(failure: AllProvidersFailed) -> bool:
    failures = {t["failure"] for t in failure.details["tried"]}
    return failures <= ranges.NOT_LISTED | {NotOffered.code}


async def _kept(
    rt: Runtime,
    asset: Asset,
    quote: str | None,
    interval: str,
    provider: str | None,
    start: int,
    end: int,
) -> CandleAnswer | None:
    """With nobody answering: the stored series of the asset that has most of the range."""
    venue = None if provider is None else rt.gateway.source(provider).entry.source
    best: CandleAnswer | None = None
    for series in stored(rt, asset, quote, interval):
        if venue is not None and series.provider != venue:
            continue
        answer = await _read(rt, series, start, end, "stale")
        if answer.candles and (best is None or len(answer.candles) > len(best.candles)):
            best = answer
    return best


def _window(
    now: int, interval: str, limit: int, start_ms: int | None, end_ms: int | None, history_days: int | None
) -> _Window:
    """Open times that answer the request, at most `limit` of them."""
    step = INTERVAL_MS[interval]
    if start_ms is not None and start_ms > now:
        raise InvalidParameter(
            "start: lies in the future; candles exist only up to now.",
            details={"parameter": "start", "got": start_ms, "allowed": f"up to {now}"},
        )
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        raise InvalidParameter(
            "end: must be later than start.",
            details={"parameter": "end", "got": end_ms, "allowed": f"after {start_ms}"},
        )
    newest = floor_open(now, interval) + step
    end = newest if end_ms is None else min(newest, floor_open(end_ms + step - 1, interval))
    if start_ms is None:
        start = max(end - limit * step, floor_open(FIRST_MS, interval))
    else:
        start = floor_open(start_ms + step - 1, interval)
    cut = None
    first = tier_caps.first_open(now, interval, history_days)
    # Without a start, an end that lies ahead asks for the newest candles, as none at all does.
    by_time = start_ms is not None or end < newest
    if by_time and history_days is not None and first is not None and start < first:
        cut = Cut("history_days", tier_caps.days_back(now, start), history_days)
        start, end = first, max(end, first)
    return _Window(start, end if start_ms is None else min(end, start + limit * step), cut)


async def _bring(rt: Runtime, same: Sequence[Option], series: SeriesKey, start: int, end: int) -> str:
    """Fetch what [start, end) lacks, and the running candle when it is old. Gives `hit`, `miss` or `stale`; raises
    AllProvidersFailed when something is missing and nobody answers for it."""
    names = tuple(option.id for option in same)
    state = "hit"
    await unstored.flush(rt, series)
    for _ in range(JOINED):
        needed = ranges.unasked(rt, series, await ranges.holes(rt, series, start, end))
        if not needed:
            break
        if _tail(rt, series, needed) and not rt.renewals.spend():
            return "stale"
        mine = False
        failed = ("unfilled", series, names, _block(series, needed))
        held = rt.cache.peek(failed)
        if held is not None and 0 <= rt.clock.now_ms() - held.fetched_ms < REFUSAL_S * 1000:
            raise copy.copy(held.value)

        async def load(needed: Sequence[Gap] = needed, failed: tuple[object, ...] = failed) -> Loaded[None]:
            nonlocal mine
            mine = True
            try:
                await ranges.fetch(rt, same, series, needed)
            except AllProvidersFailed as error:
                rt.cache.put(failed, Loaded(copy.copy(error), rt.clock.now_ms(), (), 2), hard_s=REFUSAL_S)
                raise
            return Loaded(None, rt.clock.now_ms(), ())

        try:
            await rt.cache.get(("fill", series, names), 0, 0, load, refuse=False)
        except AllProvidersFailed:
            # Of a fetch joined for another part of the series it says nothing about this one.
            if mine:
                raise
        state = "miss"
        if mine:
            break
    open_at = floor_open(rt.clock.now_ms(), series.interval)
    if end <= open_at:
        return state
    step = INTERVAL_MS[series.interval]

    async def edge() -> Loaded[None]:
        # The one before it too: a venue may still correct it.
        await ranges.fetch(rt, same, series, [Gap(open_at - step, open_at + step)])
        return Loaded(None, rt.clock.now_ms(), ())

    fresh = await rt.cache.get(
        ("candles-at", series), rt.freshness.open_candle, rt.freshness.ohlcv, edge, allow=rt.renewals.spend
    )
    return fresh.state if state == "hit" else state


def _block(series: SeriesKey, needed: Sequence[Gap]) -> tuple[int, int]:
    """What is needed in whole blocks: all fetches of a series go one after the other, their failures apart."""
    size = FILL_BLOCK * INTERVAL_MS[series.interval]
    return needed[0].start_ms // size, (needed[-1].end_ms - 1) // size


def _tail(rt: Runtime, series: SeriesKey, needed: Sequence[Gap]) -> bool:
    """Whether all that is needed is a candle that opened a moment ago, and how the one before it ended."""
    step = INTERVAL_MS[series.interval]
    now = rt.clock.now_ms()
    fetched = rt.cache.peek(("candles-at", series))
    if fetched is None or now - fetched.fetched_ms >= TAIL_S * 1000:
        return False
    return needed[0].start_ms >= floor_open(now, series.interval) - step


async def _read(rt: Runtime, series: SeriesKey, start: int, end: int, state: str) -> CandleAnswer:
    """The stored part of [start, end), and the open times without a candle."""
    step = INTERVAL_MS[series.interval]
    now = rt.clock.now_ms()
    kept = await unstored.read(rt, series, start, end, max(1, (end - start) // step))
    gaps: list[Gap] = []
    at = start
    for candle in kept.candles:
        if candle.open_ms > at:
            gaps.append(Gap(at, candle.open_ms))
        at = candle.open_ms + step
    if at < min(end, now):
        gaps.append(Gap(at, end))
    fetched_ms = None
    if kept.candles:
        running = end > floor_open(now, series.interval)
        first, last = kept.candles[0].open_ms, kept.candles[-1].open_ms
        fetched_ms = (
            fetches.newest(rt, series) if running else fetches.oldest(rt, series, Gap(first, last + step))
        )
    return CandleAnswer(series, kept.candles, kept.repaired, gaps, fetched_ms, state)
