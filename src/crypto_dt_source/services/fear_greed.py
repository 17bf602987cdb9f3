"""The fear and greed index: now and by day."""

from __future__ import annotations

from typing import cast

from ..model.ask import FearGreedAsk
from ..model.candle import DAY_MS
from ..model.errors import AllProvidersFailed, NoDataYet
from ..model.sentiment import FearGreed
from ..store.cache import Cached, Loaded
from ..store.repos import fear_greed as repo
from . import persist, whole
from .runtime import Runtime
from .whole import Whole

EVERY_S = 3600
LATEST_DAYS = 10
"""Asked for hourly: the newest day, and those before it that a few days without the upstream left out."""


async def _stored(rt: Runtime) -> Loaded[FearGreed] | None:
    day = await repo.latest(rt.store)
    return Loaded(day, day.received_ms, (day.provider,)) if day is not None else None


NOW: Whole[FearGreed] = Whole("fear_greed", FearGreed, lambda f: f.fear_greed, EVERY_S, _stored)


async def now(rt: Runtime) -> Cached[FearGreed]:
    """The newest day of the index. Raises AllProvidersFailed."""
    return await whole.get(rt, NOW, lambda: load(rt))


async def load(rt: Runtime, *, background: bool = False) -> Loaded[FearGreed]:
    """Fetch the newest days (all of history when none is stored), store them, give the newest. Raises
    AllProvidersFailed, StoreError never."""
    stored: FearGreed | None = None
    with persist.best_effort():
        stored = await repo.latest(rt.store)
    missed = LATEST_DAYS if stored is None else (rt.clock.now_ms() - stored.day_ms) // DAY_MS + 2
    answer = await whole.first(
        rt, FearGreedAsk(0 if stored is None else max(LATEST_DAYS, missed)), background=background
    )
    days = cast("tuple[FearGreed, ...]", answer.records)
    if not days:
        raise NoDataYet("The fear and greed index has no day yet.", retry_after=60)
    with persist.best_effort():
        await repo.write(rt.store, days)
    newest = max(days, key=lambda day: day.day_ms)
    return Loaded(newest, answer.received_ms, (answer.provider,))


async def history(rt: Runtime, *, days: int) -> list[FearGreed]:
    """Days of one index, ascending, the newest last; from the store. Raises StoreError."""
    start = rt.clock.now_ms() // DAY_MS * DAY_MS - (days - 1) * DAY_MS
    return await repo.days(rt.store, start)


async def collect(rt: Runtime) -> int:
    """Renew the index. Raises AllProvidersFailed."""
    await whole.renew(rt, NOW, await load(rt, background=True))
    return 1


async def known(rt: Runtime) -> Cached[FearGreed] | None:
    """The newest day, or None while nobody has answered."""
    try:
        return await now(rt)
    except (AllProvidersFailed, NoDataYet):
        return None
