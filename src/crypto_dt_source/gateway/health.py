"""A breaker per host, rests per capability, and what is known of each source's speed and reliability."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from ..clock import Clock
from ..model.ask import Capability

OPEN_AFTER = 3
"""Consecutive failures that open a breaker."""
FIRST_REST_S = 5.0
LONGEST_REST_S = 300.0
LONGEST_EJECTION_S = 3600.0
LATENCIES = 64
"""Samples behind a percentile."""
FEWEST = 5
"""Samples below which a percentile is no percentile."""
DATES = 8
DATE_CHARS = 64
REJECTED_NEWEST = 20
"""Names of rejected records that are kept."""


def _percentile(samples: Collection[float], share: float) -> float | None:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Breaker:
    """Closed, open, half-open with exactly one probe. Each new opening rests twice as long, up to five minutes.

    Every call that goes has a ticket, and its outcome is reported with it: a call sent before the last change of state
    says nothing about now, and only the probe itself can end the half-open state.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._open_until: float | None = None
        self._probe: int | None = None
        self._ticket = 0
        self._valid_from = 0
        self.opened = 0

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        if self._open_until is None:
            return "closed"
        return "half_open" if self.probing or self._clock.monotonic() >= self._open_until else "open"

    @property
    def probing(self) -> bool:
        """Whether the probe is under way."""
        return self._probe is not None

    @property
    def ready_at(self) -> float:
        """Monotonic second from which a call may be tried."""
        return self._open_until or 0.0

    def admits(self) -> bool:
        """Whether a call may go now."""
        return self._open_until is None or (not self.probing and self._clock.monotonic() >= self._open_until)

    def admit(self, *, force: bool = False) -> int | None:
        """The ticket of a call that may go now, None for one that may not. In half-open the first caller is the probe
        and the rest are refused; `force` lets a call go all the same, beside the probe."""
        probe = self._open_until is not None and self.admits()
        if self._open_until is not None and not probe and not force:
            return None
        self._ticket += 1
        if probe:
            self._probe = self._ticket
        return self._ticket

    def is_probe(self, ticket: int) -> bool:
        return ticket == self._probe

    def success(self, ticket: int) -> None:
        """The host answered. What a probe ends keeps its rest until a later call confirms it, so that a host that
        answers one call in many is asked ever more seldom."""
        if ticket < self._valid_from:
            return
        self._failures = 0
        if self._open_until is None:
            self._rest_s = FIRST_REST_S
            return
        self._open_until = self._probe = None
        self._valid_from = self._ticket + 1

    def failure(self, ticket: int) -> None:
        """The host did not answer."""
        if ticket < self._valid_from or (self._open_until is not None and not self.is_probe(ticket)):
            return
        self._failures += 1
        if self._failures >= OPEN_AFTER or self.is_probe(ticket):
            self.opened += 1
            self._failures = 0
            self._open_until = self._clock.monotonic() + self._rest_s
            self._rest_s = min(self._rest_s * 2, LONGEST_REST_S)
            self._probe = None
            self._valid_from = self._ticket + 1

    def release(self, ticket: int) -> None:
        """The call ended without a verdict on the host (cancelled, or our own fault): the next may be the probe."""
        if self.is_probe(ticket):
            self._probe = None


@dataclass(slots=True)
class Ejection:
    """Rest of one capability, or of the whole entry, and the code of the error that began it."""

    code: str
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
    ejections: dict[Capability | None, Ejection] = field(default_factory=dict)
    dated: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=DATES))
    """What the newest replies said the time was, and when they came: read only when this clock is judged."""
    rejected: int = 0
    rejected_newest: deque[str] = field(default_factory=lambda: deque(maxlen=REJECTED_NEWEST))

    def told_time(self, date: str, received_ms: int) -> None:
        """The Date header of a reply, '' where it had none, and this clock's time when it was complete."""
        if date:
            self.dated.append((date[:DATE_CHARS], received_ms))

    def quarantined(self, count: int, names: Collection[str]) -> None:
        """`count` records of one reply were kept out for not being in normal form; `names` says which and why, of as
        many as were noted."""
        self.rejected += count
        self.rejected_newest.extend(names)

    def succeeded(self, capability: Capability, elapsed_ms: float | None, now_ms: int) -> None:
        """`elapsed_ms` is None for a call whose time says nothing of the usual (a probe)."""
        self.calls += 1
        self.successes += 1
        self.last_success_ms = now_ms
        self.outcomes.append(True)
        if elapsed_ms is not None:
            self.latencies.setdefault(capability, deque(maxlen=LATENCIES)).append(elapsed_ms)
        self.ejections.pop(capability, None)
        self.ejections.pop(None, None)

    def failed(self, code: str, now_ms: int, *, counts: bool) -> None:
        """`counts` is False for what is not the source's fault (a symbol it does not list)."""
        self.calls += 1
        self.failures[code] = self.failures.get(code, 0) + 1
        if counts:
            self.last_failure_ms = now_ms
            self.last_failure = code
            self.outcomes.append(False)

    def eject(self, capability: Capability | None, code: str, seconds: float, now: float) -> bool:
        """Rest of one capability (None: of all); each one in a row is twice as long, up to an hour. False, and nothing
        changed, while it rests already: what was under way then is not another failure in a row."""
        ejection = self.ejections.setdefault(capability, Ejection(code))
        if now < ejection.until:
            return False
        ejection.code = code
        ejection.rest_s = min(max(seconds, ejection.rest_s * 2), max(seconds, LONGEST_EJECTION_S))
        ejection.until = now + ejection.rest_s
        return True

    def ejection(self, capability: Capability, now: float) -> Ejection | None:
        """The rest that keeps `capability` from being asked now."""
        for key in (None, capability):
            ejection = self.ejections.get(key)
            if ejection is not None and now < ejection.until:
                return ejection
        return None

    def percentile(self, capability: Capability, share: float) -> float | None:
        """Milliseconds below which `share` of recent successful calls stayed; None with fewer than 5 samples."""
        samples = self.latencies.get(capability)
        return None if samples is None or len(samples) < FEWEST else _percentile(samples, share)

    def overall_percentile(self, share: float) -> float | None:
        """The same over all capabilities, from the first sample on."""
        return _percentile([value for samples in self.latencies.values() for value in samples], share)

    def usual(self, capability: Capability, share: float) -> float | None:
        """The capability's percentile; while it has too few samples, that of all of them; None when they too are few."""
        own = self.percentile(capability, share)
        if own is None and sum(map(len, self.latencies.values())) >= FEWEST:
            return self.overall_percentile(share)
        return own

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
