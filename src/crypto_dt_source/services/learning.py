"""Taking in upstreams' lists of coins without holding up whoever is being answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..model.asset import AssetListing
from ..providers.resolver import ranking
from .runtime import Runtime

PIECE = 500
"""Listings taken in before the loop gets a turn: about two milliseconds."""


async def learn(rt: Runtime, listings: Sequence[AssetListing]) -> int:
    """Grow the registry; gives how many assets are new."""
    added = 0
    for at in range(0, len(listings), PIECE):
        added += rt.resolver.absorb(listings[at : at + PIECE]).added
        await rt.clock.sleep(0)
    rt.resolver.adopt(await asyncio.to_thread(ranking, rt.resolver.snapshot()))
    return added
