"""The last week of each coin in a few points, out of the stored hourly candles: the small line beside a price."""

from __future__ import annotations

from ..model.candle import DAY_MS, INTERVAL_MS
from ..store.cache import Cached, Loaded
from ..store.repos import candles as candle_repo
from .runtime import Runtime

DAYS = 7
STEP_MS = INTERVAL_MS["4h"]
DOLLARS = {"USD": 0, "USDT": 1, "USDC": 2, "FDUSD": 3}
"""Quote currencies a price in dollars is drawn from, the best first."""
_SOFT_S, _HARD_S = 30.0, 3600.0


async def by_asset(rt: Runtime) -> Cached[dict[str, list[float]]]:
    """Closing prices of the last seven days, one each four hours, ascending, by asset id; of the series in dollars that
    has most of them. An asset without stored candles is not there; a hole in a series makes it shorter. Whose
    candles they are is the source. Raises StoreError."""

    async def load() -> Loaded[dict[str, list[float]]]:
        now_ms = rt.clock.now_ms()
        found = await candle_repo.closes(rt.store, "1h", now_ms - DAYS * DAY_MS, STEP_MS)
        best: dict[str, tuple[tuple[int, int], str, list[float]]] = {}
        for series, points in found.items():
            asset = rt.resolver.venue_asset(series.provider, series.base)
            if asset is None or series.quote not in DOLLARS:
                continue
            # More points first; of two equally long ones that in the better currency.
            standing = (len(points), -DOLLARS[series.quote])
            if asset.id not in best or standing > best[asset.id][0]:
                best[asset.id] = (standing, series.provider, points)
        lines = {asset: points for asset, (_, _, points) in best.items()}
        venues = tuple(sorted({venue for _, venue, _ in best.values()}))
        return Loaded(lines, now_ms, venues, cost=1 + len(lines))

    return await rt.cache.get(("sparklines",), _SOFT_S, _HARD_S, load)
