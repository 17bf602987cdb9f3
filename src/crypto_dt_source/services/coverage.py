"""What is stored of an asset's candles."""

from __future__ import annotations

from typing import NamedTuple

from ..model.asset import Asset
from ..model.candle import INTERVAL_MS
from ..store import Coverage, Gap, SeriesKey
from ..store.repos import candles as candle_repo
from .runtime import Runtime
from .series import stored as series_list


class SeriesState(NamedTuple):
    """A stored series: its range, and every open time missing inside it, confirmed or not."""

    series: SeriesKey
    coverage: Coverage
    gaps: list[Gap]


async def stored(rt: Runtime, asset: Asset, quote: str | None, interval: str) -> list[SeriesState]:
    """Every stored series of the asset in that interval, by venue and quote currency."""
    found: list[SeriesState] = []
    for series in series_list(rt, asset, quote, interval):
        known = await candle_repo.coverage(rt.store, series)
        if known is None:
            continue
        end = known.last_ms + INTERVAL_MS[interval]
        open_gaps = await candle_repo.gaps(rt.store, series, known.first_ms, end)
        confirmed = await candle_repo.confirmed_gaps(rt.store, series, known.first_ms, end)
        inside = [Gap(max(g.start_ms, known.first_ms), min(g.end_ms, end)) for g in confirmed]
        found.append(SeriesState(series, known, sorted([*open_gaps, *inside])))
    return found
