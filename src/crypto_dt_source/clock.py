"""Time, in one place. Everything that waits or reads the time takes a :class:`Clock`, so tests never sleep."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time in integer ms UTC, a monotonic clock in seconds, and sleep."""

    def now_ms(self) -> int: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves only when told, for tests and for simulated days in `bench/`.

    `advance` wakes sleepers in order of their time and lets the loop run between two of them.
    """

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = start_ms
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._start_ms + round(self._elapsed * 1000)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    async def settle(self, turns: int = 20) -> None:
        """Let tasks that are ready run, without moving time."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def advance(self, seconds: float, turns: int = 20) -> None:
        """Move `seconds` on, waking every sleeper whose time comes, in order."""
        target = self._elapsed + seconds
        await self.settle(turns)
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            if not future.done():
                future.set_result(None)
            await self.settle(turns)
        self._elapsed = target
        await self.settle(turns)


def rfc3339(ms: int) -> str:
    """`2026-11-22T06:00:00Z`; with milliseconds where there are any."""
    seconds, millis = divmod(ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{millis:03d}Z" if millis else f"{text}Z"


def parse_rfc3339(text: str) -> int:
    """Milliseconds UTC of an ISO 8601 time; one without an offset is UTC. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
