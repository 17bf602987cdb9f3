"""What a process beside the one that collects answers from: prices, rates and lists that the other one left in the store.

Prices come with everything that was known of them, every EVERY_S, so that they are no older here by more than that.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..pricing.rates import BASE, Rate
from ..store.repos import kept as kept_repo
from ..store.repos.kept import Kept
from ..stream import Event
from ..telemetry import logger
from . import collect, defi, fear_greed, restore
from .live import price_row, symbol_of
from .prices import PricePoint
from .runtime import Runtime

log = logger("following")
EVERY_S = 10
LISTS_EVERY_S = 60
PRICES = "shared_prices"
_YIELD_EVERY = 20


class Shared(msgspec.Struct):
    """What is left for the others. `at_ms`: when it was."""

    at_ms: int
    points: list[PricePoint]
    rates: list[Rate]


async def share(rt: Runtime) -> int:
    """Leave the price of every asset that is collected to the other processes; gives how many. Raises StoreError."""
    points: list[PricePoint] = []
    for done, asset in enumerate(collect.wanted_assets(rt)):
        if done % _YIELD_EVERY == 0:
            await rt.clock.sleep(0)
        point = rt.pricer.point(asset) if asset in rt.board.quotes else None
        if point is not None and not point.stale:
            points.append(point)
    now = rt.clock.now_ms()
    payload = msgspec.json.encode(Shared(now, points, list(rt.pricer.rates.values()))).decode()
    await kept_repo.put(rt.store, Kept(PRICES, now, (), payload))
    return len(points)


async def prices(rt: Runtime) -> int:
    """Take up what `share` left, and publish what moved; gives how many prices. Raises StoreError."""
    row = await kept_repo.get(rt.store, PRICES)
    if row is None or row.timestamp <= rt.pricer.followed_ms:
        return 0
    try:
        shared = msgspec.json.decode(row.payload, type=Shared)
    except msgspec.MsgspecError as error:
        # Left by a process of another version.
        log.warning("shared prices cannot be read", reason=str(error)[:200])
        return 0
    for done, point in enumerate(rt.pricer.follow(shared.points, shared.rates, shared.at_ms)):
        if done % _YIELD_EVERY == 0:
            await rt.clock.sleep(0)
        _publish(rt, point)
    return len(shared.points)


def _publish(rt: Runtime, point: PricePoint) -> None:
    asset = rt.resolver.by_id(point.asset)
    if asset is None or point.vs != BASE:
        return
    symbol = symbol_of(rt.resolver, asset)
    if rt.hub.listened("prices", symbol):
        row = price_row(symbol, asset.name, point)
        rt.bus.publish(Event("prices", symbol, row, rt.clock.now_ms()))


async def lists(rt: Runtime) -> int:
    """Take up the lists that are newer in the store than here, and what the store knows by number; gives how many. Raises
    StoreError."""
    await rt.store.numbers.load()
    taken = sum(found for _, found in await restore.lists(rt))
    newer = await kept_repo.times(rt.store)
    own = (defi.PROTOCOLS.key(), fear_greed.NOW.key())

    def outdated(key: Any) -> bool:
        held = rt.cache.peek(key)
        return key in own or (held is not None and held.fetched_ms < newer.get(key, 0))

    # The next request reads it from the store: most are asked for by nobody.
    rt.cache.forget(outdated)
    return taken
