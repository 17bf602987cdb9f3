"""The limiter of several processes: the same window and the same day as `MemoryLimiter`, counted in one Redis (5 or later).

One script a request does everything at once, by the time of the Redis server, so that processes whose clocks differ agree.
A bucket is a sorted set of the times of its accepted requests and a hash of the day's count; both expire by themselves.
Scripts and atomicity: https://redis.io/docs/latest/develop/programmability/eval-intro/
"""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Any, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ..clock import Clock
from ..telemetry import logger
from .tiers import Tier
from .verdict import Terms, Usage, Verdict

TIMEOUT_S = 0.5
"""Only what a Redis that hangs costs the first who ask; one that is gone says so at once. Much shorter, and a moment in
which this process itself does not get on would be taken for an outage, in which nobody is counted."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""Between two tries while Redis does not answer; each failed one doubles it."""
QUIET_S = 10.0
"""An outage that begins sooner after another is the same one to the log."""
CONNECTIONS = 32

log = logger("limiter")
_NO_LIMIT = Terms(Tier("", None, None, None, None, None, None))

_SCRIPT = """
local window, days = KEYS[1], KEYS[2]
local amount, span, per_day = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local wall = time[1] * 1000000 + time[2]
local now, used, frees = wall, 0, 0
if amount >= 0 then
  local newest = redis.call('ZRANGE', window, -1, -1, 'WITHSCORES')[2]
  newest = newest and tonumber(newest) or 0
  -- The server's clock was set back: by less than the window it stands still, by more the window is void.
  if newest > now + span then
    redis.call('DEL', window)
  elseif newest > now then
    now = newest
  end
  redis.call('ZREMRANGEBYSCORE', window, '-inf', string.format('%.0f', now - span))
  used = redis.call('ZCARD', window)
end
local today = math.floor(wall / 86400000000)
local kept = redis.call('HMGET', days, 'day', 'used')
local day, spent = tonumber(kept[1] or -1), tonumber(kept[2] or 0)
if day ~= today and day ~= today + 1 then
  day, spent = today, 0
end
local over = amount >= 0 and used >= amount
local open = not over and (per_day < 0 or spent < per_day)
if open and ARGV[4] == '1' then
  if amount >= 0 then
    redis.call('ZADD', window, string.format('%.0f', now), string.format('%.0f-%d', now, used))
    redis.call('PEXPIRE', window, string.format('%.0f', span / 1000 + 1000))
    used = used + 1
  end
  spent = spent + 1
  redis.call('HSET', days, 'day', day, 'used', spent)
  redis.call('EXPIREAT', days, string.format('%.0f', (day + 2) * 86400))
end
if amount >= 0 and used > 0 then
  local first = over and used - amount or 0
  local oldest = redis.call('ZRANGE', window, first, first, 'WITHSCORES')[2]
  frees = tonumber(oldest) + span - now
end
return {open and 1 or 0, wall, used, frees, spent, (day + 1) * 86400000000 - wall}
"""


class Reply(NamedTuple):
    """What the script says of one request, in microseconds: when it came by the clock of Redis, when the window has more
    room, when the day ends. `used` and `today` include the request if it is allowed."""

    allowed: bool
    at_us: int
    used: int
    frees_us: int
    today: int
    day_left_us: int


class RedisLimiter:
    """A `Limiter` on Redis. While Redis is down, or takes longer than `timeout_s`, requests pass: one line in the log an
    outage, and one request at a time tries again, after 0.1 s, then twice as long each time up to 2 s.

    `failures` counts requests to Redis that failed, `unchecked` those of callers that passed uncounted.
    """

    kind = "redis"

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
        prefix: str = "cdts:limit:",
        connections: int = CONNECTIONS,
    ) -> None:
        """`url` as of redis-py (`redis://`, `rediss://`, `unix://`); nothing connects yet. Raises ValueError for another."""
        self._clock = clock
        self._timeout_s = timeout_s
        self._prefix = prefix
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis(connection_pool=pool)
        self._pool = pool
        self._script = self._redis.register_script(_SCRIPT)
        self._terms: dict[str, Terms] = {}
        self._down_since: float | None = None
        self._try_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._quiet_until = 0.0
        self.failures = 0
        self.unchecked = 0

    @property
    def down(self) -> bool:
        """Whether the last that was heard of Redis is that it did not answer."""
        return self._down_since is not None

    async def alive(self) -> bool:
        """Whether Redis answers now; while it does not, it is asked as seldom as for anybody."""
        return await self._guarded("", _NO_LIMIT, False) is not None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._pool.aclose()

    async def take(self, bucket: str, tier: Tier) -> Verdict:
        """Count one request of the bucket, unless the tier's limits refuse it or Redis does not answer."""
        terms = self._of(tier)
        reply = await self._guarded(bucket, terms, True)
        if reply is None:
            self.unchecked += 1
            return terms.unchecked()
        return terms.verdict(
            reply.allowed, reply.used, reply.frees_us / 1e6, reply.today, reply.day_left_us / 1e6
        )

    async def usage(self, bucket: str, tier: Tier) -> Usage | None:
        """What the bucket has used, without counting; None while Redis does not answer."""
        reply = await self._guarded(bucket, self._of(tier), False)
        if reply is None:
            return None
        return Usage(reply.used, reply.today, ceil(reply.frees_us / 1e6), ceil(reply.day_left_us / 1e6))

    async def ask(self, bucket: str, terms: Terms, count: bool = True) -> Reply:
        """Run the script once. Raises RedisError or OSError (TimeoutError among them)."""
        # In braces: the part of a key that decides where a cluster keeps it, so that both keys lie together.
        key = f"{self._prefix}{{{bucket}}}"
        amount = -1 if terms.amount is None else terms.amount
        per_day = -1 if terms.per_day is None else terms.per_day
        async with asyncio.timeout(self._timeout_s):
            found: Any = await self._script(
                keys=[f"{key}:w", f"{key}:d"], args=[amount, terms.per_s * 1_000_000, per_day, int(count)]
            )
        allowed, *rest = found
        return Reply(bool(allowed), *rest)

    def _of(self, tier: Tier) -> Terms:
        terms = self._terms.get(tier.name)
        if terms is None or terms.tier is not tier:
            terms = self._terms[tier.name] = Terms(tier)
        return terms

    async def _guarded(self, bucket: str, terms: Terms, count: bool) -> Reply | None:
        began = self._clock.monotonic()
        if self._down_since is not None:
            if began < self._try_at:
                return None
            # Whoever comes next passes until this try has its answer, also when it is cancelled.
            self._try_at = began + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        try:
            reply = await self.ask(bucket, terms, count)
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        if self._down_since is not None and began > self._down_since:
            # An answer to a request from before the outage says nothing of now.
            log.info("redis answers again", unchecked=self.unchecked)
            self._down_since = None
            self._pause_s = FIRST_PAUSE_S
        return reply

    def _failed(self, error: Exception) -> None:
        now = self._clock.monotonic()
        self.failures += 1
        if self._down_since is None:
            self._down_since = now
            self._try_at = now + self._pause_s
            if now >= self._quiet_until:
                # The kind alone: a message may carry the address, and a URL its password.
                log.warning("redis does not answer, requests pass uncounted", error=type(error).__name__)
        self._quiet_until = now + QUIET_S
