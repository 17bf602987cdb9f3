"""What was asked of the simulated providers: a bounded log, counters, and meters of the published limits."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from ..clock import rfc3339
from ..providers.catalog import Entry, Limit


class _Window:
    """A sliding window over one limit. Exact and bounded: of a full window only the newest requests that alone exceed
    the limit are kept, because older ones leave the window before them."""

    __slots__ = ("_amount", "_seen", "_sum", "_window_ms")

    def __init__(self, limit: Limit) -> None:
        self._amount = limit.amount
        self._window_ms = limit.per_s * 1000
        self._seen: deque[tuple[int, int]] = deque()
        self._sum = 0

    def add(self, now_ms: int, weight: int) -> bool:
        """Count a request; whether the limit is exceeded with it."""
        seen = self._seen
        while seen and seen[0][0] <= now_ms - self._window_ms:
            self._sum -= seen.popleft()[1]
        seen.append((now_ms, weight))
        self._sum += weight
        while self._sum - seen[0][1] > self._amount:
            self._sum -= seen.popleft()[1]
        return self._sum > self._amount


class RequestLog:
    """Every request to a provider. The log keeps the newest `KEPT`; counters keep everything since the last `clear`."""

    KEPT = 20_000

    def __init__(self) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=self.KEPT)
        self._windows: dict[tuple[str, Limit], _Window] = {}
        self.requests: Counter[str] = Counter()
        self.weights: Counter[str] = Counter()
        self.limit_breaches: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.unknown = 0
        self.total = 0

    def meter(self, entry: Entry, weight: int, now_ms: int) -> None:
        """Count `weight` towards the published limits of the entry's source, or of its key. One request exceeds at most once."""
        self.requests[entry.id] += 1
        self.weights[entry.source] += weight
        exceeded = False
        # By address, or by key where one is sent: a plan's month is not that of callers without a key.
        scope = f"{entry.source}:{entry.auth.env}" if entry.auth else entry.source
        for limit in entry.limits:
            window = self._windows.get((scope, limit))
            if window is None:
                window = self._windows[scope, limit] = _Window(limit)
            exceeded |= window.add(now_ms, weight)
        if exceeded:
            self.limit_breaches[entry.source] += 1

    def write(
        self, now_ms: int, provider: str, path: str, query: Iterable[tuple[str, str]], kinds: tuple[str, ...]
    ) -> dict[str, Any]:
        """Add a row; its `status` is null until the answer is on its way, and stays null when there is none."""
        self.total += 1
        self.faults.update(kinds)
        row: dict[str, Any] = {
            "id": self.total,
            "time": rfc3339(now_ms),
            "provider": provider,
            "path": path,
            "query": dict(query),
            "status": None,
            "fault": "+".join(kinds) or None,
        }
        self._rows.append(row)
        return row

    def since(self, row_id: int) -> list[dict[str, Any]]:
        """Rows with an id above `row_id`, oldest first, of those still kept."""
        newer = max(0, min(len(self._rows), self.total - row_id))
        return list(islice(self._rows, len(self._rows) - newer, None))

    def counters(self) -> dict[str, Any]:
        """Counts since the last `clear`. Fault kinds are those of single requests."""
        return {
            "requests": dict(self.requests),
            "weight": dict(self.weights),
            "limit_breaches": dict(self.limit_breaches),
            "faults": dict(self.faults),
            "unknown": self.unknown,
        }

    def clear(self) -> None:
        """Forget rows and counters. The limits' windows stay: what was spent is still spent."""
        self._rows.clear()
        for counter in (self.requests, self.weights, self.limit_breaches, self.faults):
            counter.clear()
        self.unknown = 0
