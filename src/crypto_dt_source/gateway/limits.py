"""One meter per metering scope (the upstream's address-wide or key-wide limit), exact over any window.

A published limit is "at most `amount` in any `per_s` seconds". Requests are metered when they leave, the upstream
meters when they arrive, so every window is kept a little longer and a little smaller than published.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..clock import Clock
from ..providers.catalog import Limit

MARGIN = 0.9
"""Share of a published amount that is ever used; amounts below 10 keep their number and rely on STRETCH."""
STRETCH_S = 0.3
"""Seconds added to every window for requests that travel at different speeds."""
BACKGROUND_SHARE = 0.7
"""Share of a window that scheduled work may use; the rest is for people who ask."""
LONG_WINDOW_S = 3600
"""Windows from here on are counted in 60 buckets instead of one entry a request, and survive a restart."""
BUCKETS = 60
PACED_FROM_S = 86_400
"""Windows from here on are also spent evenly by scheduled work."""
SHRINK_FLOOR = 1 / 8
RECOVER_EVERY_S = 600.0


class BudgetLine(NamedTuple):
    """One published limit and what is used of it now. `bucket_ms` is None for what need not be kept over a restart."""

    scope: str
    per_s: int
    amount: int
    used: int
    reset_ms: int


class KeptUse(NamedTuple):
    """Use of one bucket of one long window, as stored."""

    scope: str
    per_s: int
    bucket_ms: int
    used: int


class _Window:
    """At most `amount` in any `per_s` seconds, exact below an hour, in buckets above (never less than exact)."""

    def __init__(self, limit: Limit, clock: Clock) -> None:
        self.limit = limit
        self._clock = clock
        self.amount = max(1, int(limit.amount * MARGIN)) if limit.amount >= 10 else limit.amount
        self.long = limit.per_s >= LONG_WINDOW_S
        self._bucket_ms = limit.per_s * 1000 // BUCKETS if self.long else 1
        self._span_ms = int((limit.per_s + STRETCH_S) * 1000) + (self._bucket_ms if self.long else 0)
        self._log: deque[list[int]] = deque()
        self.used = 0
        self._paced_until = 0.0

    def _forget(self, now_ms: int) -> None:
        log = self._log
        while log and log[0][0] + self._span_ms <= now_ms:
            self.used -= log.popleft()[1]

    def wait_s(self, weight: int, share: float, factor: float, now_ms: int) -> float:
        """Seconds until `weight` fits under `share` of the window; infinite when it never can."""
        self._forget(now_ms)
        room = max(1, int(self.amount * share * factor)) if self.amount * share >= 1 else 1
        if weight > room:
            # A single call heavier than the share (Binance's 80 of 6000 is not) may run alone in the window.
            if weight > self.amount:
                return float("inf")
            room = weight
        wait = 0.0
        if self.used + weight > room:
            excess = self.used + weight - room
            for at_ms, count in self._log:
                excess -= count
                if excess <= 0:
                    wait = (at_ms + self._span_ms - now_ms) / 1000
                    break
        if share < 1 and self.limit.per_s >= PACED_FROM_S:
            wait = max(wait, self._paced_until - self._clock.monotonic())
        return wait

    def take(self, weight: int, share: float, now_ms: int) -> None:
        stamp = now_ms // self._bucket_ms * self._bucket_ms
        if self._log and self._log[-1][0] == stamp:
            self._log[-1][1] += weight
        else:
            self._log.append([stamp, weight])
        self.used += weight
        if share < 1 and self.limit.per_s >= PACED_FROM_S:
            spacing = weight * self.limit.per_s / (self.amount * share)
            self._paced_until = max(self._paced_until, self._clock.monotonic()) + spacing

    def kept(self) -> list[tuple[int, int]]:
        return [(entry[0], entry[1]) for entry in self._log] if self.long else []

    def restore(self, bucket_ms: int, used: int) -> None:
        if self.long and used > 0:
            self._log.append([bucket_ms, used])
            self._log = deque(sorted(self._log))
            self.used += used

    def line(self, scope: str, now_ms: int) -> BudgetLine:
        self._forget(now_ms)
        reset = self._log[0][0] + self._span_ms if self._log else now_ms
        return BudgetLine(scope, self.limit.per_s, self.limit.amount, self.used, reset)


class Meter:
    """All limits of one scope. Not awaited: the caller is told how long to wait and decides."""

    def __init__(self, scope: str, limits: Sequence[Limit], clock: Clock) -> None:
        self.scope = scope
        self._clock = clock
        self._windows = [_Window(limit, clock) for limit in limits]
        self._factor = 1.0
        self._factor_at = clock.monotonic()
        self.blocked_until = 0.0

    @property
    def factor(self) -> float:
        """Share of the published amounts in use: 1, halved by each 429, a tenth more each ten minutes without one."""
        passed = self._clock.monotonic() - self._factor_at
        steps = int(passed // RECOVER_EVERY_S)
        if steps and self._factor < 1:
            self._factor = min(1.0, self._factor + 0.1 * steps)
            self._factor_at += steps * RECOVER_EVERY_S
        return self._factor

    def take(self, weight: int, *, background: bool = False) -> float:
        """0 when `weight` is granted and counted; else seconds until it would be (inf: never)."""
        now = self._clock.monotonic()
        if now < self.blocked_until:
            return self.blocked_until - now
        now_ms = self._clock.now_ms()
        share = BACKGROUND_SHARE if background else 1.0
        factor = self.factor
        wait = max((w.wait_s(weight, share, factor, now_ms) for w in self._windows), default=0.0)
        if wait > 0:
            return wait
        for window in self._windows:
            window.take(weight, share, now_ms)
        return 0.0

    def cool_down(self, seconds: float, *, shrink: bool) -> None:
        """No call until `seconds` have passed; with `shrink` the amounts are halved down to an eighth."""
        self.blocked_until = max(self.blocked_until, self._clock.monotonic() + seconds)
        if shrink:
            self._factor = max(SHRINK_FLOOR, self.factor / 2)
            self._factor_at = self._clock.monotonic()

    def lines(self) -> list[BudgetLine]:
        now_ms = self._clock.now_ms()
        return [window.line(self.scope, now_ms) for window in self._windows]

    def kept(self) -> list[KeptUse]:
        """What must survive a restart."""
        return [
            KeptUse(self.scope, window.limit.per_s, bucket_ms, used)
            for window in self._windows
            for bucket_ms, used in window.kept()
        ]

    def restore(self, uses: Iterable[KeptUse]) -> None:
        for use in uses:
            for window in self._windows:
                if window.limit.per_s == use.per_s:
                    window.restore(use.bucket_ms, use.used)
