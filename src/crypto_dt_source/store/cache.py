"""The one cache: soft age (answer and refresh behind), hard age (do not answer), single flight per key.

In memory and bounded. What it holds is always something an upstream delivered, with its time and its source.
"""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..clock import Clock
from ..model.errors import CdtsError, NoDataYet
from ..telemetry import logger

log = logger("cache")
T = TypeVar("T")
RETRY_AFTER_FAILURE_S = 10.0
"""A key whose refresh failed is not asked again sooner: a dead upstream is not hammered by popular keys."""
COST = 120_000
"""Of all values together: 16 MB of order books and trades."""
SWEEP_S = 60.0
"""What is large and past its hard age is dropped this often."""
NOT_ADMITTED_S = 5
REFUSAL_S = 5.0
"""How long a failed first load is remembered for the same key."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """What a loader brings: the value, when the upstream's answer was complete, and whose it is."""

    value: T
    fetched_ms: int
    source: tuple[str, ...]
    cost: int = 1
    """How large it is: 1 for anything small, else in levels of an order book (about 130 bytes each)."""


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    """A value with its provenance. `state` is `hit`, `miss` or `stale`."""

    value: T
    fetched_ms: int
    source: tuple[str, ...]
    state: str


@dataclass(slots=True)
class _Slot:
    loaded: Loaded[Any] | None = None
    flight: asyncio.Task[Loaded[Any]] | None = None
    refusal: CdtsError | None = None
    not_before: float = 0.0
    hard_s: float | None = None
    """None for what only came by `put`: it has no age limit."""


class Cache:
    """Owns its refreshes: `close` ends them. At most `limit` keys of `cost_limit` together, the longest unused leaving
    first (for the cost: of the large ones); a key that is being loaded stays."""

    def __init__(self, clock: Clock, *, limit: int = 5000, cost_limit: int = COST) -> None:
        self._clock = clock
        self._limit = limit
        self._cost_limit = cost_limit
        self._swept = clock.monotonic()
        self.cost = 0
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._closed = False
        self.hits = 0
        self.misses = 0
        self.stale = 0

    def __len__(self) -> int:
        return len(self._slots)

    def _slot(self, key: Hashable) -> _Slot:
        slot = self._slots.get(key)
        if slot is None:
            self._sweep()
            slot = self._slots[key] = _Slot()
            while len(self._slots) > self._limit and self._drop_oldest(key, 0):
                pass
        else:
            self._slots.move_to_end(key)
        return slot

    def _drop(self, key: Hashable) -> None:
        loaded = self._slots.pop(key).loaded
        if loaded is not None:
            self.cost -= loaded.cost

    def _drop_oldest(self, but: Hashable, above: int) -> bool:
        """Drop the longest unused slot that costs more than `above`; gives whether there was one."""
        for key, slot in self._slots.items():
            cost = 0 if slot.loaded is None else slot.loaded.cost
            if slot.flight is None and key != but and cost >= above:
                self._drop(key)
                return True
        return False

    def _take(self, key: Hashable, slot: _Slot, loaded: Loaded[Any]) -> None:
        """Hold `loaded` unless something newer is held."""
        if slot.loaded is not None:
            if slot.loaded.fetched_ms > loaded.fetched_ms:
                return
            self.cost -= slot.loaded.cost
        slot.loaded = loaded
        self.cost += loaded.cost
        while self.cost > self._cost_limit and self._drop_oldest(key, 2):
            pass

    def _sweep(self) -> None:
        """Drop what is large and can no longer be answered, and refusals that are over."""
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        if now - self._swept < SWEEP_S:
            return
        self._swept = now
        for key, slot in list(self._slots.items()):
            if slot.flight is not None or slot.hard_s is None or now < slot.not_before:
                continue
            # Small values stay until their place is needed: `peek` still tells when something was fetched.
            loaded = slot.loaded
            if loaded is None or (loaded.cost > 1 and now_ms - loaded.fetched_ms >= slot.hard_s * 1000):
                self._drop(key)

    def peek(self, key: Hashable) -> Loaded[Any] | None:
        """What is held, whatever its age, without loading."""
        slot = self._slots.get(key)
        return slot.loaded if slot else None

    def held(self) -> list[tuple[Hashable, Loaded[Any]]]:
        """Every key with what is held of it, whatever its age."""
        return [(key, slot.loaded) for key, slot in self._slots.items() if slot.loaded is not None]

    def put(self, key: Hashable, loaded: Loaded[Any], *, hard_s: float | None = None) -> None:
        """Take in a value that came by another way (a scheduled job, the store at start). An older one is ignored.
        `hard_s`: age after which it may be dropped."""
        slot = self._slot(key)
        if hard_s is not None:
            slot.hard_s = hard_s
        self._take(key, slot, loaded)

    def forget(self, which: Callable[[Hashable], bool]) -> None:
        """Drop the keys that `which` names, because what they were made of has changed. What is being loaded stays."""
        for key in [key for key, slot in self._slots.items() if slot.flight is None and which(key)]:
            self._drop(key)

    async def get(
        self,
        key: Hashable,
        soft_s: float,
        hard_s: float,
        load: Callable[[], Awaitable[Loaded[T]]],
        *,
        renew_s: float | None = None,
        allow: Callable[[], bool] = lambda: True,
        admit: Callable[[], bool] = lambda: True,
        refuse: bool = True,
    ) -> Cached[T]:
        """The value under `key`: at once while younger than `soft_s`; at once and refreshed behind while younger than
        `hard_s`; else loaded now, by one caller for all. A caller that is cancelled does not stop the load. Raises what
        `load` raises, each caller its own copy, when there is nothing to answer.

        `renew_s`: age before which nothing is refreshed behind because a job renews it; `allow` is asked once before
        each refresh behind, `admit` before a load that somebody waits for: NoDataYet is raised when it says no.
        `refuse`: whether a failed first load is remembered for a while.
        """
        admitted = False
        if key not in self._slots:
            # Before there is a slot: keys that are refused must not push others out.
            _check(admit)
            admitted = True
        slot = self._slot(key)
        slot.hard_s = hard_s
        loaded: Loaded[T] | None = slot.loaded
        if loaded is not None:
            age = (self._clock.now_ms() - loaded.fetched_ms) / 1000
            if 0 <= age < soft_s:
                self.hits += 1
                return Cached(loaded.value, loaded.fetched_ms, loaded.source, "hit")
            # A value from the future (the clock was set back) is answered, and replaced as soon as can be.
            if age < hard_s:
                self.stale += 1
                rested = slot.flight is None and self._clock.monotonic() >= slot.not_before
                due = renew_s is None or not 0 <= age < renew_s
                if rested and due and not self._closed and allow():
                    self._launch(key, slot, load)
                return Cached(loaded.value, loaded.fetched_ms, loaded.source, "stale")
        if slot.flight is None:
            if refuse and slot.refusal is not None and self._clock.monotonic() < slot.not_before:
                raise copy.copy(slot.refusal)
            if not admitted:
                _check(admit)
            self._launch(key, slot, load)
        self.misses += 1
        flight = slot.flight
        assert flight is not None  # noqa: S101 - launched above or already under way
        # Waited for, not awaited: a cancelled caller leaves the load running, and one exception raised in many tasks
        # would gather all their tracebacks and keep their frames alive.
        await asyncio.wait({flight})
        error = None if flight.cancelled() else flight.exception()
        if isinstance(error, CdtsError):
            raise copy.copy(error)
        fresh: Loaded[T] = flight.result()
        return Cached(fresh.value, fresh.fetched_ms, fresh.source, "miss")

    def _launch(self, key: Hashable, slot: _Slot, load: Callable[[], Awaitable[Loaded[T]]]) -> None:
        async def fly() -> Loaded[T]:
            known = slot.loaded is not None
            slot.not_before = self._clock.monotonic() + (RETRY_AFTER_FAILURE_S if known else REFUSAL_S)
            try:
                loaded = await load()
            except CdtsError as error:
                wait = RETRY_AFTER_FAILURE_S if known else REFUSAL_S
                slot.refusal = copy.copy(error)
                slot.not_before = self._clock.monotonic() + wait
                raise
            finally:
                slot.flight = None
            self._take(key, slot, loaded)
            slot.refusal = None
            slot.not_before = 0.0
            return loaded

        def ended(task: asyncio.Task[Loaded[T]]) -> None:
            # A failure to expect is kept in the slot. A bug must be seen even when nobody waits for the refresh.
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, CdtsError):
                log.error("a refresh crashed", key=str(key)[:200], exc_info=error)

        slot.flight = asyncio.create_task(fly())
        slot.flight.add_done_callback(ended)

    async def close(self) -> None:
        """Cancel refreshes under way and wait for them."""
        self._closed = True
        flights = [slot.flight for slot in self._slots.values() if slot.flight is not None]
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)


def _check(admit: Callable[[], bool]) -> None:
    if not admit():
        raise NoDataYet(
            "Too many things are asked for here for the first time; try again in a few seconds.",
            retry_after=NOT_ADMITTED_S,
        )
