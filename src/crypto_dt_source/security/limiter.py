"""How many requests a caller has left: a moving window and a quota of the UTC day.

A request is accepted when fewer than `amount` were accepted in the `per_s` seconds before it and fewer than `per_day`
since midnight UTC; a refused one counts for nothing. The window is exact: the time of every accepted request inside it
is held, eight bytes each. It runs on the monotonic clock, so that a corrected wall clock gives nothing out twice.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from math import ceil
from typing import Protocol

from ..clock import Clock
from ..model.access import Use
from .tiers import FREE, Tier
from .verdict import DAY_MS, Terms, Usage, Verdict

__all__ = ["Limiter", "MemoryLimiter", "Terms", "Usage", "Use", "Verdict"]

MAX_BUCKETS = 100_000
OVERFLOW = "overflow"
"""The bucket that newcomers of one tier share while the table is full."""
CELLS = 1024
"""A window with more requests than this is kept over a restart in so many cells, each as late as its last request."""
_DROPPED_KEPT = 10_000
_CLOCKS_MS = 2
"""Rounding up to a millisecond, and one for what two readings of the two clocks may differ by."""


class Limiter(Protocol):
    """Counts the requests of buckets. Nothing here raises for a store that is down: requests pass, `unchecked` of them
    until now, after `failures` of the store."""

    kind: str
    failures: int
    unchecked: int

    async def take(self, bucket: str, tier: Tier) -> Verdict:
        """Count one request, unless it is refused."""
        ...

    async def usage(self, bucket: str, tier: Tier) -> Usage | None:
        """What is used now, without counting; None where the store does not answer."""
        ...

    async def alive(self) -> bool:
        """Whether requests are counted now."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...


class _Bucket:
    """`times` from `head` on are the accepted requests of the window, by the monotonic clock in seconds."""

    __slots__ = ("day", "head", "last", "times", "used")

    def __init__(self, last: float, day: int, used: int) -> None:
        self.times = array("d")
        self.head = 0
        self.last = last
        self.day = day
        self.used = used

    def in_window(self, edge: float) -> int:
        """Requests later than `edge`; the others are forgotten."""
        times, head = self.times, self.head
        size = len(times)
        if head < size and times[head] <= edge:
            head = bisect_right(times, edge, head)
            if head * 2 >= size:
                del times[:head]
                size -= head
                head = 0
            self.head = head
        return size - head

    def today(self, day: int) -> int:
        """Used on the day. A wall clock set back over midnight does not give the new day out twice."""
        if not day <= self.day <= day + 1:
            self.day, self.used = day, 0
        return self.used


class _Table:
    """The buckets of one tier, the one that was accepted longest ago first, so that what may be dropped is in front."""

    __slots__ = ("buckets", "per_s", "tier")

    def __init__(self, tier: str) -> None:
        self.tier = tier
        self.buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self.per_s = 0

    def front(self) -> tuple[str, _Bucket] | None:
        return next(iter(self.buckets.items()), None)


class _DayCounts:
    """Day counts of buckets that were dropped, in a fixed megabyte: never too low; too high only for a bucket that shares
    all four of its places with busier ones. The places come from the process's own salted hash, which nobody outside
    can aim at. (A count-min sketch that keeps maxima: Cormode & Muthukrishnan, https://doi.org/10.1016/j.jalgor.2003.12.001)
    """

    ROWS, BITS, MOST = 4, 16, 2**32 - 1

    def __init__(self) -> None:
        self._day = 0
        self._counts: array[int] | None = None

    def _places(self, bucket: str) -> Iterator[int]:
        digest, mask = hash(bucket), (1 << self.BITS) - 1
        return ((row << self.BITS) + (digest >> (row * self.BITS) & mask) for row in range(self.ROWS))

    def count(self, bucket: str, day: int) -> int:
        if self._counts is None or not day <= self._day <= day + 1:
            return 0
        counts = self._counts
        return min(counts[place] for place in self._places(bucket))

    def put(self, bucket: str, day: int, used: int) -> None:
        if self._counts is None or not day <= self._day <= day + 1:
            self._day, self._counts = day, array("I", bytes(4 * self.ROWS << self.BITS))
        counts = self._counts
        for place in self._places(bucket):
            counts[place] = max(counts[place], min(used, self.MOST))


class MemoryLimiter:
    """The limiter of one process. Never more than `max_buckets` buckets, and one of overflow a tier, are held.

    A bucket is dropped only to make room, and only when its window is empty; its day's count goes into `_DayCounts`, so
    that nobody gets a quota back by pushing his bucket out. While every bucket has requests in its window, a newcomer is
    counted with all other newcomers of his tier in one bucket, and by himself for the day. The free tier, where anybody
    with many addresses can make buckets, leaves an eighth of the table to the others. What a newcomer used of his day in
    the shared bucket is not kept over a restart; the shared window is.
    """

    kind = "memory"
    failures = 0
    unchecked = 0

    def __init__(self, clock: Clock, max_buckets: int = MAX_BUCKETS) -> None:
        self._clock = clock
        self._max = max_buckets
        self._tables: dict[str, _Table] = {}
        self._plans: dict[str, tuple[Tier, Terms, _Table]] = {}
        self._past = _DayCounts()
        self._dropped: deque[Use] = deque(maxlen=_DROPPED_KEPT)

    def __len__(self) -> int:
        return sum(len(table.buckets) for table in self._tables.values())

    async def take(self, bucket: str, tier: Tier) -> Verdict:
        """`take_now`."""
        return self.take_now(bucket, tier)

    async def alive(self) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Nothing is held outside."""

    async def usage(self, bucket: str, tier: Tier) -> Usage:
        """What the bucket has used under the tier's limits, without counting."""
        now, wall_ms = self._clock.monotonic(), self._clock.now_ms()
        day = wall_ms // DAY_MS
        day_reset_s = ceil(((day + 1) * DAY_MS - wall_ms) / 1000)
        held = next((t.buckets[bucket] for t in self._tables.values() if bucket in t.buckets), None)
        if held is None:
            return Usage(0, self._past.count(bucket, day), 0, day_reset_s)
        if tier.rate is None:
            return Usage(0, held.today(day), 0, day_reset_s)
        per_s, times = tier.rate.per_s, held.times
        oldest = bisect_right(times, now - per_s, held.head)
        used = len(times) - oldest
        return Usage(used, held.today(day), ceil(times[oldest] + per_s - now) if used else 0, day_reset_s)

    def take_now(self, bucket: str, tier: Tier) -> Verdict:
        """Count one request of the bucket, unless the tier's limits refuse it. A few microseconds, no await."""
        now, wall_ms = self._clock.monotonic(), self._clock.now_ms()
        plan = self._plans.get(tier.name)
        if plan is None or plan[0] is not tier:
            plan = self._plan(tier)
        _, terms, table = plan
        held = table.buckets.get(bucket)
        if held is None:
            held = self._admitted(bucket, table, now, wall_ms)
            if held is None:
                return self._overflowing(bucket, table, terms, now, wall_ms)
        verdict = _counted(held, terms, now, wall_ms)
        if verdict.allowed:
            table.buckets.move_to_end(bucket)
        return verdict

    def _plan(self, tier: Tier) -> tuple[Tier, Terms, _Table]:
        terms, table = Terms(tier), self._tables.setdefault(tier.name, _Table(tier.name))
        table.per_s = terms.per_s
        plan = self._plans[tier.name] = (tier, terms, table)
        return plan

    def _admitted(self, bucket: str, table: _Table, now: float, wall_ms: int) -> _Bucket | None:
        """The newcomer's bucket, taken over from the tier he was in before; None when there is no room."""
        for other in self._tables.values():
            if bucket in other.buckets:
                held = table.buckets[bucket] = other.buckets.pop(bucket)
                held.last = now
                return held
        room = self._max - self._max // 8 if table.tier == FREE else self._max
        if len(self) >= room and not self._drop_one(table, now, wall_ms):
            return None
        day = wall_ms // DAY_MS
        held = table.buckets[bucket] = _Bucket(now, day, self._past.count(bucket, day))
        return held

    def _drop_one(self, first: _Table, now: float, wall_ms: int) -> bool:
        for table in (first, *(other for other in self._tables.values() if other is not first)):
            front = table.front()
            if front is not None and front[1].last + table.per_s <= now:
                bucket, held = front
                del table.buckets[bucket]
                if held.used and held.day >= wall_ms // DAY_MS:
                    self._past.put(bucket, held.day, held.used)
                    self._dropped.append(self._use(bucket, held, table, now, wall_ms))
                return True
        return False

    def _overflowing(self, bucket: str, table: _Table, terms: Terms, now: float, wall_ms: int) -> Verdict:
        shared = table.buckets.get(OVERFLOW)
        if shared is None:
            shared = table.buckets[OVERFLOW] = _Bucket(now, 0, 0)
        shared.day = wall_ms // DAY_MS
        shared.used = self._past.count(bucket, shared.day)
        verdict = _counted(shared, terms, now, wall_ms)
        if verdict.allowed:
            self._past.put(bucket, shared.day, shared.used)
            table.buckets.move_to_end(OVERFLOW)
        shared.used = 0
        return verdict

    def _use(self, bucket: str, held: _Bucket, table: _Table, now: float, wall_ms: int) -> Use:
        offset_s = wall_ms / 1000 - now
        held.in_window(now - table.per_s)
        times = [int((at + offset_s) * 1000) + _CLOCKS_MS for at in held.times[held.head :]]
        cell_ms = table.per_s * 1000 / CELLS if len(times) > CELLS else 1
        cells = []
        for _, inside in groupby(times, lambda at: at // cell_ms):
            group = list(inside)
            cells.append((group[-1], len(group)))
        at_ms = int((held.last + offset_s) * 1000) + _CLOCKS_MS
        return Use(bucket, table.tier, at_ms, held.day, held.used, table.per_s, tuple(cells))

    def kept(self) -> list[Use]:
        """Everything that a restart must not forget."""
        return self.changed_since(0)

    def changed_since(self, ms: int) -> list[Use]:
        """Of `kept`, the buckets that had a request accepted at or after `ms` (wall clock): the cost is that of these.
        Buckets that were dropped to make room are among them, up to 10 000; a save every few seconds misses none."""
        now, wall_ms = self._clock.monotonic(), self._clock.now_ms()
        day, edge = wall_ms // DAY_MS, (ms - wall_ms - _CLOCKS_MS) / 1000 + now
        found = {use.bucket: use for use in self._dropped if use.at_ms >= ms and use.day >= day}
        for table in self._tables.values():
            for bucket, held in reversed(table.buckets.items()):
                if held.last < edge:
                    break
                held.today(day)
                use = self._use(bucket, held, table, now, wall_ms)
                if use.cells or use.used:
                    found[bucket] = use
        return list(found.values())

    def restore(self, uses: Iterable[Use]) -> None:
        """Take up what `kept` gave, or what rows saved by `changed_since` add up to: once, before the first `take`. Of
        several for one bucket the last counts. What lies in the future counts as now."""
        now, wall_ms = self._clock.monotonic(), self._clock.now_ms()
        day, offset_s = wall_ms // DAY_MS, wall_ms / 1000 - now
        newest = sorted({use.bucket: use for use in uses}.values(), key=lambda use: use.at_ms)
        newest = [use for use in newest if use.day >= day or use.at_ms + use.per_s * 1000 > wall_ms]
        room = max(0, len(newest) + len(self) - self._max)
        for use in newest[:room]:
            self._past.put(use.bucket, use.day, use.used)
        for use in newest[room:]:
            table = self._tables.setdefault(use.tier, _Table(use.tier))
            table.per_s = max(table.per_s, use.per_s)
            # A day ahead is one of a clock set back since; further ahead, the clock was wrong then.
            kept_day = use.day if use.day <= day + 1 else day
            held = _Bucket(min(now, use.at_ms / 1000 - offset_s), kept_day, max(0, use.used))
            held.today(day)
            for at_ms, count in sorted(use.cells):
                held.times.extend([min(now, at_ms / 1000 - offset_s)] * count)
            held.last = max([held.last, *held.times[-1:]])
            table.buckets[use.bucket] = held


def _counted(held: _Bucket, terms: Terms, now: float, wall_ms: int) -> Verdict:
    amount, per_day, used, frees_s = terms.amount, terms.per_day, 0, 0.0
    today = held.today(wall_ms // DAY_MS)
    allowed = per_day is None or today < per_day
    if amount is not None:
        times = held.times
        used = held.in_window(now - terms.per_s)
        if used >= amount:
            # More than the amount after a move to a lower tier: several must leave before there is room.
            allowed, frees_s = False, times[held.head + used - amount] + terms.per_s - now
        else:
            if allowed:
                times.append(now)
                used += 1
            frees_s = times[held.head] + terms.per_s - now if used else 0.0
    if allowed:
        held.last = now
        held.used = today = today + 1
    return terms.verdict(allowed, used, frees_s, today, ((held.day + 1) * DAY_MS - wall_ms) / 1000)
