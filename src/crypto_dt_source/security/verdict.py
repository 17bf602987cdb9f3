"""What a caller is told about his limits, the same whichever limiter has counted.

Header fields: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from .tiers import Tier

DAY_S, DAY_MS = 86_400, 86_400_000
_NAMES = {1: "second", 60: "minute", 3600: "hour", DAY_S: "any-day"}


class Verdict(NamedTuple):
    """Whether a request may pass, and what its caller has left.

    `limit`, `remaining` and `reset_s` are of the policy named `closest`: of those the tier has, the one that refused, else
    the one with least left. `reset_s` is when it has more: seconds until its oldest request leaves the window, or until
    midnight UTC. `retry_after_s` is None for a request that passes; one that comes so many seconds later finds room.
    `limit` and `remaining` are None without a limit, `remaining` also where it is not known. `policy` is the value of
    `RateLimit-Policy`, empty without a limit.
    """

    allowed: bool
    limit: int | None
    remaining: int | None
    reset_s: int
    retry_after_s: int | None
    policy: str
    closest: str = ""

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Header names, in lower case, and values; none for a caller without a limit."""
        if self.limit is None:
            return []
        found = [(b"ratelimit-policy", self.policy.encode()), (b"x-ratelimit-limit", b"%d" % self.limit)]
        if self.remaining is not None:
            found += [
                (b"ratelimit", b'"%b";r=%d;t=%d' % (self.closest.encode(), self.remaining, self.reset_s)),
                (b"x-ratelimit-remaining", b"%d" % self.remaining),
                (b"x-ratelimit-reset", b"%d" % self.reset_s),
            ]
        if self.retry_after_s is not None:
            found.append((b"retry-after", b"%d" % self.retry_after_s))
        return found


class Usage(NamedTuple):
    """What a bucket has used: in the window now (0 without a rate), and since midnight UTC. `frees_s` is when the oldest
    request leaves the window, 0 when there is none in it; `day_reset_s` is when the day ends."""

    window: int
    today: int
    frees_s: int
    day_reset_s: int


class Terms:
    """A tier's limits, and how a count under them is told to the caller."""

    __slots__ = ("amount", "per_day", "per_s", "policy", "rate_name", "tier")

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.amount = tier.rate.amount if tier.rate else None
        self.per_s = tier.rate.per_s if tier.rate else 0
        self.per_day = tier.per_day
        self.rate_name = _NAMES.get(self.per_s, "window")
        policies = []
        if self.amount is not None:
            policies.append(f'"{self.rate_name}";q={self.amount};w={self.per_s}')
        if self.per_day is not None:
            policies.append(f'"day";q={self.per_day};w={DAY_S}')
        self.policy = ", ".join(policies)

    def verdict(self, allowed: bool, used: int, frees_s: float, today: int, day_left_s: float) -> Verdict:
        """`used` in the window and `today` include the request if it is allowed. `frees_s`: until the window has more
        room; `day_left_s`: until the day ends."""
        amount, per_day = self.amount, self.per_day
        if amount is None:
            if per_day is None:
                return Verdict(True, None, None, 0, None, "")
            by_day, left = True, 0
        else:
            left = amount - used
            if per_day is None:
                by_day = False
            elif allowed:
                by_day = per_day - today < left
            else:
                by_day = today >= per_day and (left > 0 or day_left_s > frees_s)
        if by_day:
            limit, left, reset_s, name = per_day, (per_day or 0) - today, ceil(day_left_s), "day"
        else:
            limit, reset_s, name = amount, ceil(frees_s), self.rate_name
        if allowed:
            return Verdict(True, limit, left, reset_s, None, self.policy, name)
        return Verdict(False, limit, 0, reset_s, max(1, reset_s), self.policy, name)

    def unchecked(self) -> Verdict:
        """For a request that passes although nobody could count it."""
        limit = self.amount if self.amount is not None else self.per_day
        return Verdict(True, limit, None, 0, None, self.policy)
