"""Which candles a request names, for APIs that differ in what start, end and limit mean."""

from __future__ import annotations

from ..model.candle import DAY_MS, WEEK_ORIGIN_MS
from ..model.quote import Pair
from .venue import SimCandle
from .wire import Call


def candles(
    call: Call,
    pair: Pair,
    step_ms: int,
    limit: int,
    start_ms: int | None = None,
    end_ms: int | None = None,
    *,
    oldest: bool = False,
    origin_ms: int | None = None,
) -> list[SimCandle]:
    """At most `limit` candles of a listed pair with open times in [start_ms, end_ms), ascending, none later than the
    provider's clock: the newest of the window, or with `oldest` the first after a given start. `origin_ms`: where the
    provider counts intervals from (the epoch, a Monday for weeks)."""
    origin = origin_ms
    if origin is None:
        origin = WEEK_ORIGIN_MS if step_ms == 7 * DAY_MS else 0
    end = call.now_ms + 1 if end_ms is None else min(end_ms, call.now_ms + 1)
    if oldest and start_ms is not None:
        first = origin - (origin - start_ms) // step_ms * step_ms
        end = min(end, first + limit * step_ms)
        start = start_ms
    else:
        last = (end - 1 - origin) // step_ms * step_ms + origin
        start = last - (limit - 1) * step_ms
        if start_ms is not None:
            start = max(start, start_ms)
    return call.view.candles(pair, step_ms, start, end, origin_ms=origin)
