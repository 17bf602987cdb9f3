"""What one client asks for does not use up what everybody else may ask."""

from __future__ import annotations

from collections.abc import Sequence

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.asset import Asset
from crypto_dt_source.services.on_demand import BATCHES_AT_ONCE, OnDemand


async def test_strangers_leave_half_of_the_batches_to_assets_everybody_knows() -> None:
    clock = ManualClock()
    asked: list[str] = []

    async def fetch(assets: Sequence[Asset]) -> frozenset[str]:
        asked.extend(asset.id for asset in assets)
        return frozenset()

    known = Asset("known", "KNW", "Known")
    on_demand = OnDemand(fetch, clock, lambda asset_id: asset_id == known.id)
    for n in range(int(BATCHES_AT_ONCE) + 5):
        await harness.drive(clock, on_demand.want([Asset(f"stranger-{n}", f"S{n}", f"Stranger {n}")]))
    assert BATCHES_AT_ONCE / 2 <= len(asked) <= BATCHES_AT_ONCE / 2 + 2
    await harness.drive(clock, on_demand.want([known]))
    assert asked[-1] == known.id
    await on_demand.close()
