"""What the store knows of the past."""

from __future__ import annotations

from ..model.asset import Asset
from ..model.candle import DAY_MS
from ..store import MarketRow, PricePoint
from ..store.repos import market as market_repo
from ..store.repos import prices as price_repo
from .runtime import Runtime


async def prices(rt: Runtime, asset: Asset, *, days: int, step_ms: int) -> list[PricePoint]:
    """Stored consensus prices of the last `days`, the last of each step, ascending; instants without agreement are
    left out."""
    now = rt.clock.now_ms()
    points = await price_repo.history(rt.store, asset.id, now - days * DAY_MS, now + 1, step_ms)
    return [point for point in points if point[1] is not None]


async def market(rt: Runtime, *, days: int) -> list[MarketRow]:
    """Stored snapshots of the last `days`, ascending."""
    now = rt.clock.now_ms()
    return await market_repo.history(rt.store, now - days * DAY_MS, now + 1)
