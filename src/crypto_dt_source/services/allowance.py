"""How often people's requests may make the service ask an upstream for what it could also answer from memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ..clock import Clock

STRANGERS = 0.5
"""Share of an allowance that names outside the packaged registry may use up: anybody can list thousands of them."""


@dataclass(slots=True)
class Allowance:
    """A call every `1 / per_s` seconds on average, `burst` at once after a quiet time. Whoever is refused answers what
    is held, marked stale, or that there is nothing yet."""

    clock: Clock
    per_s: float
    burst: float
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left = self.burst
        self._at = self.clock.monotonic()

    def spend(self, share: float = 1.0) -> bool:
        """Whether one more call may be made now; it is counted then. `share` of the burst at most: the rest is kept for
        others."""
        now = self.clock.monotonic()
        self._left = min(self.burst, self._left + (now - self._at) * self.per_s)
        self._at = now
        if self._left < 1 + self.burst * (1 - share):
            return False
        self._left -= 1
        return True


def first_call(allowance: Allowance, *, packaged: bool) -> Callable[[], bool]:
    """What `Cache.get` asks before it loads what it does not hold."""
    return partial(allowance.spend, 1.0 if packaged else STRANGERS)
