"""The one cache: soft age (answer and refresh behind), hard age (do not answer), single flight per key.

In memory and bounded. What it holds is always something an upstream delivered, with its time and its source.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..clock import Clock
from ..model.errors import CdtsError

T = TypeVar("T")
RETRY_AFTER_FAILURE_S = 10.0
"""A key whose refresh failed is not asked again sooner: a dead upstream is not hammered by popular keys."""
REFUSAL_S = 5.0
"""How long a failed first load is remembered for the same key."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """What a loader brings: the value, when the upstream's answer was complete, and whose it is."""

    value: T
    fetched_ms: int
    source: tuple[str, ...]


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


class Cache:
    """Owns its refreshes: `close` ends them."""

    def __init__(self, clock: Clock, *, limit: int = 5000) -> None:
        self._clock = clock
        self._limit = limit
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self.hits = 0
        self.misses = 0
        self.stale = 0

    def __len__(self) -> int:
        return len(self._slots)

    def _slot(self, key: Hashable) -> _Slot:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Slot()
            while len(self._slots) > self._limit:
                oldest = next((k for k, s in self._slots.items() if s.flight is None and k != key), None)
                if oldest is None:
                    break
                del self._slots[oldest]
        else:
            self._slots.move_to_end(key)
        return slot

    def peek(self, key: Hashable) -> Loaded[Any] | None:
        """What is held, whatever its age, without loading."""
        slot = self._slots.get(key)
        return slot.loaded if slot else None

    def put(self, key: Hashable, loaded: Loaded[Any]) -> None:
        """Take in a value that came by another way (a scheduled job, the store at start)."""
        slot = self._slot(key)
        if slot.loaded is None or slot.loaded.fetched_ms <= loaded.fetched_ms:
            slot.loaded = loaded

    async def get(
        self, key: Hashable, soft_s: float, hard_s: float, load: Callable[[], Awaitable[Loaded[T]]]
    ) -> Cached[T]:
        """The value under `key`: at once while younger than `soft_s`; at once and refreshed behind while younger than
        `hard_s`; else loaded now, by one caller for all. Raises what `load` raises when there is nothing to answer."""
        slot = self._slot(key)
        now_ms = self._clock.now_ms()
        loaded: Loaded[T] | None = slot.loaded
        if loaded is not None:
            age = (now_ms - loaded.fetched_ms) / 1000
            if age < soft_s:
                self.hits += 1
                return Cached(loaded.value, loaded.fetched_ms, loaded.source, "hit")
            if age < hard_s:
                self.stale += 1
                if slot.flight is None and self._clock.monotonic() >= slot.not_before:
                    self._launch(slot, load)
                return Cached(loaded.value, loaded.fetched_ms, loaded.source, "stale")
        if slot.flight is None:
            if slot.refusal is not None and self._clock.monotonic() < slot.not_before:
                raise slot.refusal.with_traceback(None)
            self._launch(slot, load)
        self.misses += 1
        flight = slot.flight
        assert flight is not None  # noqa: S101 - launched above or already under way
        fresh: Loaded[T] = await asyncio.shield(flight)
        return Cached(fresh.value, fresh.fetched_ms, fresh.source, "miss")

    def _launch(self, slot: _Slot, load: Callable[[], Awaitable[Loaded[T]]]) -> None:
        async def fly() -> Loaded[T]:
            try:
                loaded = await load()
            except CdtsError as error:
                wait = REFUSAL_S if slot.loaded is None else RETRY_AFTER_FAILURE_S
                slot.refusal = error
                slot.not_before = self._clock.monotonic() + wait
                raise
            finally:
                slot.flight = None
            slot.loaded = loaded
            slot.refusal = None
            return loaded

        slot.flight = asyncio.create_task(fly())
        # A refresh nobody awaits must not complain: its failure is kept in the slot.
        slot.flight.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def close(self) -> None:
        """Cancel refreshes under way and wait for them."""
        flights = [slot.flight for slot in self._slots.values() if slot.flight is not None]
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)
