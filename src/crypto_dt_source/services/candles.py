"""Candles: from the store; what is missing there is fetched, stored and answered; gaps are named, never filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ..gateway.source import Source
from ..model.ask import CandlesAsk, Capability
from ..model.asset import Asset
from ..model.candle import INTERVAL_MS, Candle, floor_open
from ..model.errors import AllProvidersFailed, InvalidParameter, UnknownSymbol, UpstreamError
from ..model.quote import Pair
from ..store import ConfirmedGap, Gap, SeriesKey
from ..store.cache import Loaded
from ..store.repos import candles as candle_repo
from .listing import pair_at
from .runtime import Runtime

MAX_PAGES = 12
"""Upstream calls one request may cause for one series."""
REPAIR_SOURCES = 2
"""Other venues asked for what the first did not have."""


@dataclass(frozen=True, slots=True)
class CandleAnswer:
    """Candles ascending. `repaired` maps open times to the venue they came from when it is not the series' own; `gaps`
    are open times nobody has a candle for. `fetched_ms` is when the newest candle's venue last answered."""

    series: SeriesKey
    candles: list[Candle]
    repaired: dict[int, str]
    gaps: list[Gap]
    fetched_ms: int
    state: str


@dataclass(frozen=True, slots=True)
class _Option:
    source: Source
    pair: Pair

    @property
    def endpoint_rows(self) -> int:
        return self.source.adapter.endpoints[Capability.CANDLES].max_rows


def options(
    rt: Runtime, asset: Asset, quote: str | None, interval: str, provider: str | None
) -> list[_Option]:
    """Venues that can have this series, best first. Raises NotFound for an unknown provider and UnknownSymbol when
    nobody lists the pair in that interval."""
    if provider is not None:
        rt.gateway.source(provider)
    found: list[_Option] = []
    for source in rt.gateway.offering(Capability.CANDLES):
        if provider is not None and source.entry.id != provider:
            continue
        if interval not in source.adapter.endpoints[Capability.CANDLES].intervals:
            continue
        pair = pair_at(rt, source, asset, quote)
        if pair is not None:
            found.append(_Option(source, pair))
    if not found:
        pair_text = f"{asset.ticker}/{quote}" if quote else asset.ticker
        where = f"at {provider}" if provider else "at any venue in use"
        raise UnknownSymbol(
            f"There are no {interval} candles of {pair_text} {where}.",
            details={"symbol": pair_text, "interval": interval, "did_you_mean": []},
        )
    return found


def series_of(option: _Option, interval: str) -> SeriesKey:
    """The stored series of an option: both hosts of a venue share one."""
    return SeriesKey(option.source.entry.source, option.pair.base, option.pair.quote, interval)


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
) -> CandleAnswer:
    """At most `limit` candles of the best venue's series in [start_ms, end_ms). Raises InvalidParameter,
    UnknownSymbol, or AllProvidersFailed when nothing is stored and nobody answers."""
    now = rt.clock.now_ms()
    start, end = _window(now, interval, limit, start_ms, end_ms)
    chosen = options(rt, asset, quote, interval, provider)
    own = chosen[0]
    series = series_of(own, interval)
    same = [o for o in chosen if o.pair == own.pair]
    failure = await _fill(rt, same, series, start, end, now)
    stored = await candle_repo.read(rt.store, series, start, end, limit)
    if not stored.candles and failure is not None:
        raise failure
    left = [g for g in await candle_repo.gaps(rt.store, series, start, end) if g.start_ms < now]
    confirmed = await candle_repo.confirmed_gaps(rt.store, series, start, end)
    missing = sorted([*left, *(Gap(max(c.start_ms, start), min(c.end_ms, end)) for c in confirmed)])
    fetched = rt.cache.peek(("candles-at", series))
    return CandleAnswer(
        series,
        stored.candles,
        stored.repaired,
        missing,
        fetched.fetched_ms if fetched else (stored.candles[-1].open_ms if stored.candles else now),
        "stale" if failure is not None else "hit",
    )


def _window(now: int, interval: str, limit: int, start_ms: int | None, end_ms: int | None) -> tuple[int, int]:
    """Open times [start, end) that answer the request, at most `limit` of them."""
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
        return end - limit * step, end
    start = floor_open(start_ms + step - 1, interval)
    return start, min(end, start + limit * step)


async def _fill(
    rt: Runtime, same: Sequence[_Option], series: SeriesKey, start: int, end: int, now: int
) -> AllProvidersFailed | None:
    """Fetch what [start, end) lacks in the store; gives the failure when something is missing and nobody answered."""
    step = INTERVAL_MS[series.interval]
    missing = [g for g in await candle_repo.gaps(rt.store, series, start, end) if g.start_ms < now]
    open_at = floor_open(now, series.interval)
    if end > open_at and not any(g.end_ms > open_at for g in missing) and _open_is_old(rt, series, now):
        # The candle that runs, and the one before it in case it was last seen while still open.
        missing.append(Gap(open_at - step, open_at + step))
    if not missing:
        return None

    async def load() -> Loaded[None]:
        await fetch_ranges(rt, same, series, missing)
        return Loaded(None, rt.clock.now_ms(), ())

    try:
        age = rt.freshness.open_candle
        await rt.cache.get(("fill", series, tuple(missing)), age, age, load)
    except AllProvidersFailed as error:
        return error
    return None


def _open_is_old(rt: Runtime, series: SeriesKey, now: int) -> bool:
    fetched = rt.cache.peek(("candles-at", series))
    return fetched is None or now - fetched.fetched_ms >= rt.freshness.open_candle * 1000


async def fetch_ranges(
    rt: Runtime,
    same: Sequence[_Option],
    series: SeriesKey,
    missing: Sequence[Gap],
    *,
    background: bool = False,
) -> int:
    """Fetch ranges from the series' own venue, then what it does not have from others of the same pair, marked with
    their source. What nobody has is remembered as a confirmed gap. Gives the number of candles stored; raises
    AllProvidersFailed when nobody answered at all."""
    stored, answered = 0, 0
    left = list(missing)
    tried: list[dict[str, object]] = []
    sources: list[str] = []
    for option in same:
        source = option.source.entry.source
        if not left or (source not in sources and len(sources) > REPAIR_SOURCES):
            break
        own = source == series.provider
        try:
            count, confirmed = await _fetch(rt, option, series, left, own, background=background)
        except UpstreamError as error:
            tried.append({"provider": option.source.entry.id, "failure": error.code})
            continue
        stored += count
        answered += 1
        if source not in sources:
            sources.append(source)
        closed_until = floor_open(rt.clock.now_ms(), series.interval)
        left = [
            gap
            for rng in left
            for gap in await candle_repo.gaps(rt.store, series, rng.start_ms, min(rng.end_ms, closed_until))
        ]
        if own and confirmed:
            rt.cache.put(("candles-at", series), Loaded(None, rt.clock.now_ms(), (option.source.entry.id,)))
    if not answered:
        raise AllProvidersFailed("No venue could answer for these candles.", details={"tried": tried})
    if left:
        gone = [ConfirmedGap(g.start_ms, g.end_ms, "no venue has it") for g in left]
        await candle_repo.confirm_gaps(rt.store, series, gone)
    return stored


async def _fetch(
    rt: Runtime,
    option: _Option,
    series: SeriesKey,
    ranges: Sequence[Gap],
    own: bool,
    *,
    background: bool,
) -> tuple[int, bool]:
    """Page through each range, oldest first. Gives the number stored and whether the venue answered for all of it."""
    step = INTERVAL_MS[series.interval]
    rows = option.endpoint_rows
    windowed = option.source.adapter.endpoints[Capability.CANDLES].window
    stored = pages = 0
    for rng in ranges:
        at = rng.start_ms
        while at < rng.end_ms:
            if pages >= MAX_PAGES and not background:
                return stored, False
            until = min(rng.end_ms, at + rows * step)
            ask = CandlesAsk(option.pair, series.interval, at, until, rows)
            answer = await rt.gateway.ask_one(option.source.entry.id, ask, background=background)
            found = [c for c in cast("tuple[Candle, ...]", answer.records) if at <= c.open_ms < until]
            pages += 1
            if found:
                await candle_repo.write(
                    rt.store, series, found, source=None if own else option.source.entry.source
                )
                stored += len(found)
            at = until if windowed else rng.end_ms
    return stored, True
