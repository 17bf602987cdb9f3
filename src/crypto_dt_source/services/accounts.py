"""Who asked what, and what the upstreams answered: bounded buffers, written in batches, never in a request's way."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..clock import Clock
from ..model.ask import Capability
from ..store.rows import ApiCallRow, UserRequestRow
from ..telemetry import logger

log = logger("accounts")
BUFFER = 50_000
DISTINCT = 1000
"""Rows of client requests a minute; what differs beyond is counted under the address EVERYBODY_ELSE."""
EVERYBODY_ELSE = "*"
BUCKETS_MS = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0)
"""Upper bounds of the latencies that are counted by route; above the last there is one more."""
MOST_ROUTES = 500
"""Routes that are counted by themselves. There are fewer; this holds whatever is passed here."""
Alike = tuple[int, str, str, int]
"""Minute, address, endpoint, status."""
HOUR_MS = 3_600_000


@dataclass(slots=True)
class _Batch:
    first_ms: int
    count: int
    sum_ms: float


class RouteTimes:
    """Answers of one route since the start: by status, and by the bucket of BUCKETS_MS their time is in."""

    __slots__ = ("buckets", "statuses", "sum_ms")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * (len(BUCKETS_MS) + 1)
        self.sum_ms = 0.0

    def add(self, status: int, elapsed_ms: float) -> None:
        """Count one answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.buckets[bisect_left(BUCKETS_MS, elapsed_ms)] += 1
        self.sum_ms += elapsed_ms


@dataclass(slots=True)
class Accounts:
    """Counts at once, keeps rows until `drain`: one for all requests of a minute that are alike, so that a flood does not
    fill the disk. A full buffer drops its oldest rows and counts what they stood for in `dropped`, which health shows."""

    clock: Clock
    calls: deque[ApiCallRow] = field(default_factory=lambda: deque(maxlen=BUFFER))
    total_requests: int = 0
    total_calls: int = 0
    dropped: int = 0
    routes: dict[str, RouteTimes] = field(default_factory=dict)
    _alike: dict[Alike, _Batch] = field(default_factory=dict)
    _minute: int = 0
    _distinct: int = 0
    minutes: deque[list[float]] = field(default_factory=lambda: deque(maxlen=60))

    def request(self, address: str, endpoint: str, status: int, elapsed_ms: float) -> None:
        """One answered client request."""
        now = self.clock.now_ms()
        self.total_requests += 1
        minute = now // 60_000
        if not self.minutes or self.minutes[-1][0] != minute:
            self.minutes.append([minute, 0, 0.0])
        self.minutes[-1][1] += 1
        self.minutes[-1][2] += elapsed_ms
        (self.routes.get(endpoint) or self._route(endpoint)).add(status, elapsed_ms)
        if minute != self._minute:
            self._minute, self._distinct = minute, 0
        key = (minute, address, endpoint, status)
        batch = self._alike.get(key)
        if batch is None:
            if self._distinct >= DISTINCT:
                key = (minute, EVERYBODY_ELSE, endpoint, status)
                batch = self._alike.get(key)
            else:
                self._distinct += 1
        if batch is None:
            self._alike[key] = _Batch(now, 1, elapsed_ms)
            self._trim()
        else:
            batch.count += 1
            batch.sum_ms += elapsed_ms

    def _route(self, endpoint: str) -> RouteTimes:
        name = endpoint if len(self.routes) < MOST_ROUTES else EVERYBODY_ELSE
        return self.routes.setdefault(name, RouteTimes())

    @property
    def requests(self) -> list[UserRequestRow]:
        """The rows `drain` would give now, the oldest first."""
        return [
            UserRequestRow(b.first_ms, address, endpoint, status, b.sum_ms / b.count, b.count)
            for (_, address, endpoint, status), b in self._alike.items()
        ]

    def _trim(self) -> None:
        while len(self._alike) > BUFFER:
            self._lose(self._alike.pop(next(iter(self._alike))).count)

    def _lose(self, count: int) -> None:
        if not self.dropped:
            log.warning("accounts are dropped: the store does not take them", buffered=BUFFER)
        self.dropped += count

    def call(
        self,
        provider: str,
        capability: Capability,
        elapsed_ms: float,
        failure: str | None,
        status: int | None,
    ) -> None:
        """One upstream call (the gateway's observer)."""
        self.total_calls += 1
        if len(self.calls) == BUFFER:
            self._lose(1)
        self.calls.append(
            ApiCallRow(self.clock.now_ms(), provider, capability.value, elapsed_ms, failure or "ok", status)
        )

    def last_hour(self) -> tuple[int, float | None]:
        """Requests of the last 60 minutes and their mean milliseconds."""
        from_minute = self.clock.now_ms() // 60_000 - 60
        rows = [row for row in self.minutes if row[0] > from_minute]
        count = int(sum(row[1] for row in rows))
        return count, (sum(row[2] for row in rows) / count if count else None)

    def put_back(self, requests: Sequence[UserRequestRow], calls: Sequence[ApiCallRow]) -> None:
        """Rows of `drain` that could not be written: before everything newer, the oldest dropped where there is no room."""
        newer, self._alike = self._alike, {}
        for row in requests:
            key = (row.timestamp // 60_000, row.address, row.endpoint, row.status)
            mean_ms = row.response_time_ms or 0.0
            self._alike[key] = _Batch(row.timestamp, row.batched, mean_ms * row.batched)
        for key, batch in newer.items():
            before = self._alike.setdefault(key, batch)
            if before is not batch:
                before.count += batch.count
                before.sum_ms += batch.sum_ms
        self._trim()
        room = BUFFER - len(self.calls)
        kept = calls[max(0, len(calls) - room) :]
        if len(kept) < len(calls):
            self._lose(len(calls) - len(kept))
        self.calls.extendleft(reversed(kept))

    def drain(self) -> tuple[list[UserRequestRow], list[ApiCallRow]]:
        """Everything buffered, handed over."""
        requests, calls = self.requests, list(self.calls)
        self._alike.clear()
        self.calls.clear()
        return requests, calls
