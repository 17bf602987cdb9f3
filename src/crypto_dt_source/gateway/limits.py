"""One meter per metering scope (the upstream's address-wide or key-wide limit), exact over any window.

A published limit is "at most `amount` in any `per_s` seconds". Requests are metered when they leave, the upstream
meters when they arrive, so every window is kept a little longer and a little smaller than published. People who ask
and the timetable share a window so that neither can take all of it from the other; a quota by the day or longer is
spread evenly over its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from ..clock import Clock
from ..providers.catalog import Limit
from .window import CLASS_SHARE, DETAIL_S, MARGIN, PEOPLE_SHARE_SPREAD, STRETCH_S, Window

__all__ = [
    "CLASS_SHARE",
    "DETAIL_S",
    "MARGIN",
    "PEOPLE_SHARE_SPREAD",
    "SAVE_LAG_MS",
    "STRETCH_S",
    "BudgetLine",
    "KeptUse",
    "Meter",
]

PACED_FROM_S = 86_400
"""Limits from here on are spread: each day gets its even part, and each hour at most an eighth of that."""
DAY_S, HOUR_S = 86_400, 3_600
HOURS_OF_A_DAY = 8
SHRINK_FLOOR = 1 / 8
RECOVER_EVERY_S = 600.0
SAVE_LAG_MS = 10_000
"""Calls made this long before a kill may be missing from what was saved."""
PROMISE_WAIT_S = 5.0
"""Scheduled work that is told to wait no longer than this finds its room kept when it comes back."""
PROMISE_GRACE_S = 0.5
REST = 0
"""`per_s` of a kept rest: the scope must not be called before `bucket_ms`."""


class BudgetLine(NamedTuple):
    """One published limit and what is used of it now. `reset_ms` is when the oldest use leaves the window."""

    scope: str
    per_s: int
    amount: int
    used: int
    reset_ms: int


class KeptUse(NamedTuple):
    """Use of one bucket of one window, as stored; with `per_s` 0 the end of a rest the upstream asked for."""

    scope: str
    per_s: int
    bucket_ms: int
    used: int


class _Promise(NamedTuple):
    weight: int
    until: float


def _spread(limits: Iterable[Limit]) -> dict[int, tuple[Limit, int, bool]]:
    """By window length: the limit, the share of it in use, and whether it is published or derived to spread one."""
    found: dict[int, tuple[Limit, int, bool]] = {}

    def add(limit: Limit, amount: int, published: bool) -> None:
        held = found.get(limit.per_s)
        if held is not None:
            limit = min(limit, held[0], key=lambda x: x.amount) if published and held[2] else held[0]
            amount, published = min(amount, held[1]), published or held[2]
        found[limit.per_s] = (limit, amount, published)

    every = list(limits)
    for limit in every:
        usable = max(1, int(limit.amount * MARGIN)) if limit.amount >= 10 else limit.amount
        add(limit, usable, True)
    for limit in every:
        if limit.per_s < PACED_FROM_S:
            continue
        day = max(1, found[limit.per_s][1] * DAY_S // limit.per_s)
        if limit.per_s > DAY_S:
            add(Limit(day, DAY_S), day, False)
        hour = max(1, day // HOURS_OF_A_DAY)
        add(Limit(hour, HOUR_S), hour, False)
    return found


class Meter:
    """All limits of one scope. Not awaited: the caller is told how long to wait and decides."""

    def __init__(self, scope: str, limits: Sequence[Limit], clock: Clock) -> None:
        self.scope = scope
        self._clock = clock
        self._limits: tuple[Limit, ...] = ()
        self._windows: list[Window] = []
        self._offset_ms = clock.now_ms() - self._mono_ms()
        self._factor = 1.0
        self._factor_at = clock.monotonic()
        self._promise: _Promise | None = None
        self._people_last = False
        self.blocked_until = 0.0
        self.add_limits(limits)

    def _mono_ms(self) -> int:
        # Windows run on the monotonic clock: a corrected wall clock must not give out a quota twice.
        return round(self._clock.monotonic() * 1000)

    def add_limits(self, limits: Sequence[Limit]) -> None:
        """Another entry of the same scope brings its published limits: of two for one window the smaller counts.
        Before the first call only."""
        self._limits = (*self._limits, *limits)
        self._windows = [
            Window(limit, amount, published, self._offset_ms, spread=not published or per_s >= PACED_FROM_S)
            for per_s, (limit, amount, published) in sorted(_spread(self._limits).items())
        ]

    @property
    def factor(self) -> float:
        """Share of the published amounts in use: 1, halved by each 429, a tenth more each ten minutes without one."""
        passed = self._clock.monotonic() - self._factor_at
        steps = int(passed // RECOVER_EVERY_S)
        if steps and self._factor < 1:
            self._factor = min(1.0, self._factor + 0.1 * steps)
            self._factor_at += steps * RECOVER_EVERY_S
        return self._factor

    def wait(self, weight: int, *, background: bool = False) -> float:
        """Seconds until `weight` would be granted, 0 for now, inf for never; nothing is counted."""
        now = self._clock.monotonic()
        now_ms, factor = self._mono_ms(), self.factor
        wait = max((w.wait_s(weight, background, factor, now_ms) for w in self._windows), default=0.0)
        promise = self._promise
        if promise is not None and not background and now < promise.until:
            both = weight + promise.weight
            if any(not window.holds(both, factor) for window in self._windows):
                wait = max(wait, promise.until - now)
        return max(wait, self.blocked_until - now, 0.0)

    def take(self, weight: int, *, background: bool = False) -> float:
        """0 when `weight` is granted and counted; else seconds until it would be (inf: never)."""
        wait = self.wait(weight, background=background)
        if wait > 0:
            if background and self._people_last and wait <= PROMISE_WAIT_S:
                self._promise = _Promise(weight, self._clock.monotonic() + wait + PROMISE_GRACE_S)
            return wait
        now_ms, factor = self._mono_ms(), self.factor
        for window in self._windows:
            window.take(weight, background, factor, now_ms)
        self._people_last = not background
        if background:
            self._promise = None
        return 0.0

    def cool_down(self, seconds: float, *, shrink: bool) -> None:
        """No call until `seconds` have passed; with `shrink` the amounts are halved down to an eighth."""
        self.blocked_until = max(self.blocked_until, self._clock.monotonic() + seconds)
        if shrink:
            self._factor = max(SHRINK_FLOOR, self.factor / 2)
            self._factor_at = self._clock.monotonic()

    def lines(self) -> list[BudgetLine]:
        """Every published limit, the shortest window first."""
        now_ms = self._mono_ms()
        found = []
        for window in self._windows:
            if window.published:
                used, reset = window.state(now_ms)
                limit = window.limit
                found.append(BudgetLine(self.scope, limit.per_s, limit.amount, used, reset + self._offset_ms))
        return found

    def kept(self, since_ms: int = 0) -> list[KeptUse]:
        """What must survive a restart, of it what changed at or after `since_ms` (wall clock)."""
        now_ms = self._mono_ms()
        found = [
            KeptUse(self.scope, window.limit.per_s, at_ms, used)
            for window in self._windows
            for at_ms, used in window.kept(since_ms, now_ms)
        ]
        rest = int(self.blocked_until * 1000)
        if rest > now_ms:
            found.append(KeptUse(self.scope, REST, rest + self._offset_ms, 1))
        return found

    def restore(self, uses: Iterable[KeptUse]) -> None:
        """Take up use from before a restart. A window of a minute or less, whose newest calls may not have been saved,
        counts as used up to the margin if the scope was in use within it: the margin is what is granted meanwhile."""
        now_ms = self._mono_ms()
        newest = -inf
        for use in uses:
            if use.per_s == REST:
                self.blocked_until = max(self.blocked_until, (use.bucket_ms - self._offset_ms) / 1000)
                continue
            newest = max(newest, use.bucket_ms - self._offset_ms)
            for window in self._windows:
                if window.limit.per_s == use.per_s and use.per_s > DETAIL_S:
                    window.restore(use.bucket_ms, use.used, now_ms)
        for window in self._windows:
            # A bucket of a window this short is kept by the minute.
            if (
                window.limit.per_s <= DETAIL_S
                and newest + DETAIL_S * 1000 + SAVE_LAG_MS > now_ms - window.span_ms
            ):
                window.fill(now_ms)
        spent = next((w.state(now_ms)[0] for w in self._windows if w.limit.per_s == HOUR_S), 0)
        for window in self._windows:
            window.resume_pace(spent, now_ms)
