"""A breaker per host, rests per capability, and what is known of each source's speed and reliability."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..clock import Clock
from ..model.ask import Capability

OPEN_AFTER = 3
"""Consecutive failures that open a breaker."""
FIRST_REST_S = 5.0
LONGEST_REST_S = 300.0
LATENCIES = 64
"""Samples behind a percentile."""


class Breaker:
    """Closed, open, half-open with exactly one probe. Each new opening rests twice as long, up to five minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._open_until: float | None = None
        self._probing = False
        self.opened = 0

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        if self._open_until is None:
            return "closed"
        return "half_open" if self._probing or self._clock.monotonic() >= self._open_until else "open"

    @property
    def ready_at(self) -> float:
        """Monotonic second from which a call may be tried."""
        return self._open_until or 0.0

    def admit(self) -> bool:
        """Whether a call may go now. In half-open the first caller is the probe and the rest are refused."""
        if self._open_until is None:
            return True
        if self._probing or self._clock.monotonic() < self._open_until:
            return False
        self._probing = True
        return True

    def success(self) -> None:
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._open_until = None
        self._probing = False

    def failure(self) -> None:
        self._failures += 1
        if self._probing or self._failures >= OPEN_AFTER:
            if self._open_until is None or self._probing:
                self.opened += 1
                self._open_until = self._clock.monotonic() + self._rest_s
                self._rest_s = min(self._rest_s * 2, LONGEST_REST_S)
            self._probing = False

    def release(self) -> None:
        """A call that was admitted ended without a verdict (cancelled, or our own fault): a probe may go again."""
        self._probing = False


@dataclass(slots=True)
class Ejection:
    """A capability's rest after its payload changed."""

    until: float = 0.0
    rest_s: float = 0.0


@dataclass(slots=True)
class SourceHealth:
    """What one provider did since start. Latencies are milliseconds of successful calls."""

    calls: int = 0
    successes: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    last_success_ms: int | None = None
    last_failure_ms: int | None = None
    last_failure: str | None = None
    latencies: dict[Capability, deque[float]] = field(default_factory=dict)
    outcomes: deque[bool] = field(default_factory=lambda: deque(maxlen=100))
    ejections: dict[Capability, Ejection] = field(default_factory=dict)

    def succeeded(self, capability: Capability, elapsed_ms: float, now_ms: int) -> None:
        self.calls += 1
        self.successes += 1
        self.last_success_ms = now_ms
        self.outcomes.append(True)
        self.latencies.setdefault(capability, deque(maxlen=LATENCIES)).append(elapsed_ms)
        self.ejections.pop(capability, None)

    def failed(self, code: str, now_ms: int, *, counts: bool) -> None:
        """`counts` is False for what is not the source's fault (a symbol it does not list)."""
        self.calls += 1
        self.failures[code] = self.failures.get(code, 0) + 1
        if counts:
            self.last_failure_ms = now_ms
            self.last_failure = code
            self.outcomes.append(False)

    def eject(self, capability: Capability, seconds: float, now: float) -> None:
        """Rest of one capability; each one in a row is twice as long, up to an hour."""
        ejection = self.ejections.setdefault(capability, Ejection())
        ejection.rest_s = min(max(seconds, ejection.rest_s * 2), 3600.0)
        ejection.until = now + ejection.rest_s

    def ejected(self, capability: Capability, now: float) -> bool:
        ejection = self.ejections.get(capability)
        return ejection is not None and now < ejection.until

    def percentile(self, capability: Capability, share: float) -> float | None:
        """Milliseconds below which `share` of recent successful calls stayed; None with fewer than 5 samples."""
        samples = self.latencies.get(capability)
        if samples is None or len(samples) < 5:
            return None
        ordered = sorted(samples)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def overall_percentile(self, share: float) -> float | None:
        """The same over all capabilities."""
        ordered = sorted(value for samples in self.latencies.values() for value in samples)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

    @property
    def success_rate(self) -> float | None:
        """Share of the last 100 calls that answered; None before the first."""
        return sum(self.outcomes) / len(self.outcomes) if self.outcomes else None

    @property
    def score(self) -> float | None:
        """0..100: the success rate, less up to 20 points for a slow median (2 s and more)."""
        rate = self.success_rate
        if rate is None:
            return None
        median = self.overall_percentile(0.5) or 0.0
        return round(100 * rate - min(20.0, median / 100.0), 1) if rate else 0.0
