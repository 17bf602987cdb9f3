"""Who asked what, and what the upstreams answered: bounded buffers, written in batches, never in a request's way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..clock import Clock
from ..model.ask import Capability
from ..store.rows import ApiCallRow, UserRequestRow

BUFFER = 50_000
HOUR_MS = 3_600_000


@dataclass(slots=True)
class Accounts:
    """Counts at once, keeps rows until `drain`. A full buffer drops its oldest rows and counts them."""

    clock: Clock
    requests: deque[UserRequestRow] = field(default_factory=lambda: deque(maxlen=BUFFER))
    calls: deque[ApiCallRow] = field(default_factory=lambda: deque(maxlen=BUFFER))
    total_requests: int = 0
    total_calls: int = 0
    dropped: int = 0
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
        if len(self.requests) == BUFFER:
            self.dropped += 1
        self.requests.append(UserRequestRow(now, address, endpoint, status, elapsed_ms))

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
            self.dropped += 1
        self.calls.append(
            ApiCallRow(self.clock.now_ms(), provider, capability.value, elapsed_ms, failure or "ok", status)
        )

    def last_hour(self) -> tuple[int, float | None]:
        """Requests of the last 60 minutes and their mean milliseconds."""
        from_minute = self.clock.now_ms() // 60_000 - 60
        rows = [row for row in self.minutes if row[0] > from_minute]
        count = int(sum(row[1] for row in rows))
        return count, (sum(row[2] for row in rows) / count if count else None)

    def drain(self) -> tuple[list[UserRequestRow], list[ApiCallRow]]:
        """Everything buffered, handed over."""
        requests, calls = list(self.requests), list(self.calls)
        self.requests.clear()
        self.calls.clear()
        return requests, calls
