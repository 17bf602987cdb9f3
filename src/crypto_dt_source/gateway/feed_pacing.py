"""When a feed may try to connect: one connection after the other, with rests that grow while it fails."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..clock import Clock
from ..model.errors import (
    AddressRefused,
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    RegionBlocked,
    UpstreamBanned,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)

FIRST_REST_S, LONGEST_REST_S = 0.25, 4.35
"""From one attempt to the next, doubling: a venue that comes back is noticed within five seconds, and one that is down is
asked no more than the strictest of them allow: 20 times a minute (Bitfinex, https://docs.bitfinex.com/docs/ws-general) and
150 times in ten (Kraken, https://docs.kraken.com/api/docs/guides/spot-ws-intro)."""
REFUSED_REST_S = 3600.0
"""What the rests grow to while the answer is a refusal (blocked, banned, no such place): it says that the venue is up."""
REFUSALS = (
    AddressRefused,
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    RegionBlocked,
    UpstreamBanned,
    UpstreamRateLimited,
    UpstreamRejected,
)
ATTEMPTS, WINDOW_S = 20, 60.0
"""Attempts in any minute, those that succeed included: a venue that lets every connection in and then drops it is not
connected to faster than one that lets none in."""
JITTER = (0.97, 1.05)
STEADY_S = 30.0
"""After a connection that lived for so long the rests begin with the first."""


class Pacing:
    """Shared by all connections of one venue: its limits count them together."""

    def __init__(self, clock: Clock, draw: random.Random) -> None:
        self._clock = clock
        self._random = draw
        self._door = asyncio.Lock()
        self._rest_s = FIRST_REST_S
        self._free_at = self._begun = clock.monotonic()
        self._attempts: deque[float] = deque(maxlen=ATTEMPTS)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Wait for the turn; nobody else connects inside. An UpstreamError inside is an attempt that failed."""
        async with self._door:
            while (wait := max(self._free_at, self._room_at()) - self._clock.monotonic()) > 0:
                await self._clock.sleep(wait)
            self._begun = self._clock.monotonic()
            self._attempts.append(self._begun)
            try:
                yield
            except UpstreamError as error:
                self._rest(error)
                raise

    def _room_at(self) -> float:
        """When another attempt fits into the minute."""
        return self._attempts[0] + WINDOW_S if len(self._attempts) == ATTEMPTS else 0.0

    def ended(self, opened: float) -> None:
        """A connection ended that had been opened at that time on the monotonic clock."""
        now = self._clock.monotonic()
        if now - opened > STEADY_S:
            self._rest_s = FIRST_REST_S
        # Others that end with it are one failure.
        if self._free_at <= now:
            self._rest()

    def _rest(self, error: UpstreamError | None = None) -> None:
        now, spread = self._clock.monotonic(), self._random.uniform(*JITTER)
        refused = isinstance(error, REFUSALS)
        longest = REFUSED_REST_S if refused else LONGEST_REST_S
        rest_s = min(self._rest_s, longest)
        # What an attempt took counts as rest: one that hung was slow enough.
        self._free_at = now + max(FIRST_REST_S * spread, rest_s * spread - (now - self._begun))
        if error is not None and refused and error.retry_after_s is not None:
            self._free_at = max(self._free_at, now + min(error.retry_after_s, REFUSED_REST_S))
        self._rest_s = min(longest, rest_s * 2)

    def crashed(self) -> None:
        """A bug: not before the longest rest."""
        self._free_at = self._clock.monotonic() + LONGEST_REST_S
