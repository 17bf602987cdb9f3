"""What an upstream gives whole (yields, gas, funding rates, a protocol's page): cached, kept in the store as it came, and
taken up again after a restart, so that dead upstreams leave the last known answer and its age."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from ..model.answer import Answer, Record
from ..model.ask import CAPABILITY_OF, Ask
from ..store.cache import Cached, Loaded
from ..store.repos import kept as kept_repo
from ..telemetry import logger
from . import persist
from .runtime import Freshness, Runtime

log = logger("whole")
T = TypeVar("T")
LATE = 1.25
"""Times its soft age after which what a job renews counts as overdue: a request then has it renewed."""


@dataclass(frozen=True, slots=True)
class Whole(Generic[T]):
    """One kind of such an answer. `shape` is the type it is stored and read back as; `soft_s` gives its soft age out of
    the settings; `every_s` is how often a job renews it, None where none does. What has a table of its own is read
    back by `stored`, and written by whoever loads it. `cost_of` is how large a value is in the cache's measure."""

    name: str
    shape: Any
    soft_s: Callable[[Freshness], int]
    every_s: int | None = None
    stored: Callable[[Runtime], Awaitable[Loaded[T] | None]] | None = None
    cost_of: Callable[[T], int] = lambda value: 1

    def key(self, part: str = "") -> str:
        """Of the cache and the store: the name, and which one of several."""
        return f"{self.name}:{part}" if part else self.name


async def get(
    rt: Runtime,
    kind: Whole[T],
    load: Callable[[], Awaitable[Loaded[T]]],
    *,
    part: str = "",
    allow: Callable[[], bool] = lambda: True,
    admit: Callable[[], bool] = lambda: True,
) -> Cached[T]:
    """The held answer, renewed behind past its soft age; loaded now where none is held and none stored. Raises what
    `load` raises."""
    key = kind.key(part)
    if rt.cache.peek(key) is None:
        await _take_up(rt, kind, key)
    soft_s: float = kind.soft_s(rt.freshness)
    renewed = rt.first_round is not None and kind.every_s is not None and kind.every_s <= soft_s

    async def keep() -> Loaded[T]:
        loaded = await load()
        await _store(rt, kind, key, loaded)
        return loaded

    return await rt.cache.get(
        key,
        # What a job renews as often as it may be old is not stale for the minutes the job takes.
        LATE * soft_s if renewed else soft_s,
        rt.freshness.max_stale_market,
        keep,
        allow=allow,
        admit=admit,
    )


async def renew(rt: Runtime, kind: Whole[T], loaded: Loaded[T], *, part: str = "") -> None:
    """Take in what a job fetched."""
    key = kind.key(part)
    rt.cache.put(key, loaded, hard_s=rt.freshness.max_stale_market)
    await _store(rt, kind, key, loaded)


async def first(
    rt: Runtime, ask: Ask, *, providers: Sequence[str] | None = None, background: bool = False
) -> Answer[Record]:
    """The first answer of the pool to an ask that is the same for every source. Raises AllProvidersFailed."""
    return await rt.gateway.ask(
        CAPABILITY_OF[type(ask)], lambda source: ask, providers=providers, background=background
    )


async def _store(rt: Runtime, kind: Whole[Any], key: str, loaded: Loaded[Any]) -> None:
    if kind.stored is not None:
        return
    payload = msgspec.json.encode(loaded.value).decode()
    with persist.best_effort():
        await kept_repo.put(rt.store, kept_repo.Kept(key, loaded.fetched_ms, loaded.source, payload))


async def _take_up(rt: Runtime, kind: Whole[Any], key: str) -> None:
    with persist.best_effort():
        if kind.stored is not None:
            found = await kind.stored(rt)
            if found is not None:
                rt.cache.put(key, found, hard_s=rt.freshness.max_stale_market)
            return
        row = await kept_repo.get(rt.store, key)
        if row is None:
            return
        try:
            value = msgspec.json.decode(row.payload, type=kind.shape)
        except msgspec.MsgspecError as error:
            # Stored by a version whose records had other fields: as if it had never been.
            log.warning("a stored answer cannot be read", key=key, reason=str(error)[:200])
            return
        loaded = Loaded(value, row.timestamp, row.source, kind.cost_of(value))
        rt.cache.put(key, loaded, hard_s=rt.freshness.max_stale_market)
