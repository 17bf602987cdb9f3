"""The limiter in memory: exact windows, days, restarts, bounds, header fields."""

from __future__ import annotations

import asyncio
import random

import pytest
from bench.limiter import callers, judge, tier
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.security.limiter import OVERFLOW, MemoryLimiter, Use
from crypto_dt_source.security.tiers import FREE, PRO, Rate
from crypto_dt_source.security.verdict import DAY_MS

MIDNIGHT_MS = 1_790_035_200_000  # 2026-09-22T00:00:00Z
MINUTE = Rate(30, 60)


@pytest.mark.parametrize("rate", [MINUTE, Rate(300, 60)])
async def test_exact_with_200_callers_over_three_windows_and_a_restart(rate: Rate) -> None:
    log = await callers(rate, ManualClock(), seed=rate.amount, every_s=4)
    over, wrong, ideal = judge(log, rate.amount, rate.per_s)
    assert len(log) > 5000
    assert over == 0
    assert wrong < 0.01 * len(log)
    assert sum(allowed for _, allowed in log) >= 0.99 * ideal


@given(
    steps=st.lists(st.tuples(st.integers(0, 600), st.booleans()), min_size=1, max_size=200),
    amount=st.integers(1, 20),
    per_s=st.sampled_from([1, 5, 60]),
)
def test_agrees_with_brute_force_whatever_comes_when(
    steps: list[tuple[int, bool]], amount: int, per_s: int
) -> None:
    clock, limit, accepted = ManualClock(), tier(Rate(amount, per_s)), []
    limiter = MemoryLimiter(clock)
    for sixteenths, looks in steps:
        clock._elapsed += sixteenths / 16
        now = clock.monotonic()
        if looks:
            asyncio.run(limiter.usage("k", limit))
        inside = [at for at in accepted if at > now - per_s]
        verdict = limiter.take_now("k", limit)
        assert verdict.allowed == (len(inside) < amount)
        accepted += [now] * verdict.allowed
        assert verdict.remaining == amount - len([at for at in accepted if at > now - per_s])


async def test_the_retry_after_of_a_refusal_finds_room() -> None:
    clock = ManualClock()
    limiter = MemoryLimiter(clock)
    limit = tier(Rate(3, 60))
    for _ in range(3):
        await clock.advance(0.7)
        assert limiter.take_now("k", limit).allowed
    await clock.advance(5)
    refused = limiter.take_now("k", limit)
    assert (refused.allowed, refused.remaining, refused.retry_after_s) == (False, 0, 54)
    await clock.advance(53)
    assert not limiter.take_now("k", limit).allowed
    await clock.advance(1)
    assert limiter.take_now("k", limit).allowed


async def test_refused_requests_do_not_count() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, limit = MemoryLimiter(clock), tier(Rate(2, 60), 5)
    for _ in range(50):
        limiter.take_now("k", limit)
    usage = await limiter.usage("k", limit)
    assert (usage.window, usage.today, usage.frees_s, usage.day_reset_s) == (2, 2, 60, 86_400)
    await clock.advance(60)
    assert limiter.take_now("k", limit).allowed


async def test_the_day_ends_at_midnight_utc_and_not_before() -> None:
    clock = ManualClock(MIDNIGHT_MS - 100_000)
    limiter, limit = MemoryLimiter(clock), tier(Rate(30, 60), 3)
    for _ in range(3):
        assert limiter.take_now("k", limit).allowed
    refused = limiter.take_now("k", limit)
    assert refused[:5] == (False, 3, 0, 100, 100)
    assert refused.closest == "day"
    await clock.advance(99.99)
    assert not limiter.take_now("k", limit).allowed
    await clock.advance(0.01)
    assert limiter.take_now("k", limit).allowed


async def test_a_clock_set_back_over_midnight_gives_the_new_day_out_once() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, limit = MemoryLimiter(clock), tier(None, 2)
    assert [limiter.take_now("k", limit).allowed for _ in range(3)] == [True, True, False]
    clock._start_ms -= 5000
    assert not limiter.take_now("k", limit).allowed
    clock._start_ms += 5000
    assert not limiter.take_now("k", limit).allowed


async def test_a_wall_clock_set_forward_does_not_empty_the_window() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, limit = MemoryLimiter(clock), tier(Rate(1, 60))
    limiter.take_now("k", limit)
    clock._start_ms += 3_600_000
    assert not limiter.take_now("k", limit).allowed


@pytest.mark.parametrize("ahead_ms", [0, 400, -90_000, -3 * DAY_MS])
async def test_a_restart_neither_forgives_nor_counts_twice(ahead_ms: int) -> None:
    clock = ManualClock(MIDNIGHT_MS + 1000)
    before, limit = MemoryLimiter(clock), tier(Rate(100, 60), 150)
    for _ in range(100):
        assert before.take_now("k", limit).allowed
        await clock.advance(0.1, turns=0)
    # Another process has a monotonic clock of its own, and a wall clock that may have been corrected.
    later = ManualClock(clock.now_ms() + ahead_ms)
    after = MemoryLimiter(later)
    after.restore(before.kept())
    assert (await after.usage("k", limit)).today == 100
    assert (await after.usage("k", limit)).window == 100
    assert not after.take_now("k", limit).allowed
    await later.advance(61.1)
    assert [after.take_now("k", limit).allowed for _ in range(60)] == [True] * 50 + [False] * 10


def test_what_is_kept_is_at_most_a_cell_late_and_never_early() -> None:
    clock = ManualClock(MIDNIGHT_MS + 500)
    limiter, limit, at = MemoryLimiter(clock), tier(Rate(4000, 60)), []
    rng = random.Random(4)
    for _ in range(4000):
        clock._elapsed += rng.random() * 0.025
        limiter.take_now("k", limit)
        at.append(clock._start_ms + clock.monotonic() * 1000)
    (use,) = limiter.kept()
    assert len(use.cells) <= 1025
    late = [ms - real for real, ms in zip(at, [ms for ms, n in use.cells for _ in range(n)], strict=True)]
    assert min(late) >= 0
    assert max(late) <= 60_000 / 1024 + 2
    again = MemoryLimiter(clock)
    again.restore([use])
    (twice,) = again.kept()
    twice_ms = [ms for ms, n in twice.cells for _ in range(n)]
    again_late = [ms - before for before, ms in zip(at, twice_ms, strict=True)]
    assert min(again_late) >= 0
    assert max(again_late) <= 2 * 60_000 / 1024 + 4


def test_few_requests_are_kept_to_the_millisecond() -> None:
    clock = ManualClock(MIDNIGHT_MS + 500)
    limiter, limit = MemoryLimiter(clock), tier(Rate(30, 60))
    for _ in range(30):
        clock._elapsed += 0.25
        limiter.take_now("k", limit)
    (use,) = limiter.kept()
    assert [ms - MIDNIGHT_MS for ms, _ in use.cells] == [502 + 250 * n for n in range(1, 31)]


async def test_saving_costs_what_has_changed() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, limit = MemoryLimiter(clock), tier(MINUTE, 1000)
    for n in range(500):
        limiter.take_now(f"k{n}", limit)
    await clock.advance(100)
    saved_ms = clock.now_ms()
    limiter.take_now("k7", limit)
    limiter.take_now("k400", limit)
    assert {use.bucket: use.used for use in limiter.changed_since(saved_ms)} == {"k7": 2, "k400": 2}
    assert len(limiter.kept()) == 500
    await clock.advance(DAY_MS / 1000)
    assert limiter.kept() == []


async def test_rows_saved_by_and_by_restore_as_the_whole_does() -> None:
    clock, rows, rng = ManualClock(MIDNIGHT_MS), {}, random.Random(1)
    limiter, limit = MemoryLimiter(clock, max_buckets=64), tier(Rate(5, 10), 30)
    taken: dict[str, int] = {}
    for _ in range(60):
        saved_ms = clock.now_ms()
        for _ in range(20):
            bucket = f"k{min(int(rng.expovariate(1 / 20)), 99)}"
            taken[bucket] = taken.get(bucket, 0) + limiter.take_now(bucket, limit).allowed
            await clock.advance(0.1, turns=0)
        rows.update({use.bucket: use for use in limiter.changed_since(saved_ms)})
    assert len(taken) > 64
    assert OVERFLOW not in rows
    for bucket, count in taken.items():
        assert rows[bucket].used >= count
    after = MemoryLimiter(clock, max_buckets=64)
    after.restore(rows.values())
    assert len(after) <= 64
    for bucket, count in taken.items():
        assert (await after.usage(bucket, limit)).today >= count


async def test_what_was_dropped_between_two_saves_is_saved() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, limit = MemoryLimiter(clock, max_buckets=8), tier(Rate(5, 10), 30)
    saved_ms = clock.now_ms()
    limiter.take_now("k", limit)
    await clock.advance(11)
    for n in range(7):
        limiter.take_now(f"a{n}", limit)
    found = {use.bucket: (use.used, use.cells) for use in limiter.changed_since(saved_ms)}
    assert found["k"] == (1, ())
    assert len(found) == 8
    assert "k" not in {use.bucket for use in limiter.changed_since(clock.now_ms())}


async def test_the_later_of_two_rows_of_a_bucket_counts() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter = MemoryLimiter(clock)
    row = Use("k", FREE, MIDNIGHT_MS, MIDNIGHT_MS // DAY_MS, 3, 60, ((MIDNIGHT_MS, 3),))
    limiter.restore([row, row._replace(used=4, cells=((MIDNIGHT_MS, 4),))])
    assert (await limiter.usage("k", tier(MINUTE)))[:2] == (4, 4)


async def test_a_row_of_another_day_leaves_only_its_window() -> None:
    clock = ManualClock(MIDNIGHT_MS + 10_000)
    limiter = MemoryLimiter(clock)
    limiter.restore(
        [Use("k", FREE, MIDNIGHT_MS - 1, MIDNIGHT_MS // DAY_MS - 1, 999, 60, ((MIDNIGHT_MS - 1, 30),))]
    )
    assert (await limiter.usage("k", tier(MINUTE, 1000)))[:2] == (30, 0)
    refused = limiter.take_now("k", tier(MINUTE, 1000))
    assert (refused.allowed, refused.retry_after_s) == (False, 50)


async def test_nobody_escapes_by_making_buckets() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, limit = MemoryLimiter(clock, max_buckets=80), tier(Rate(3, 60), 5)
    for _ in range(3):
        assert limiter.take_now("k", limit).allowed
    # The table is full of requests of this minute: the newcomers have one window between them.
    accepted = sum(limiter.take_now(f"a{n}", limit).allowed for n in range(1000))
    assert accepted == 69 + 3
    assert len(limiter) == 71
    assert not limiter.take_now("k", limit).allowed
    # A minute later they may push him out, and his day is remembered.
    await clock.advance(61)
    for n in range(70):
        assert limiter.take_now(f"b{n}", limit).allowed
    assert (await limiter.usage("k", limit)).window == 0
    assert (await limiter.usage("k", limit)).today == 3
    await clock.advance(61)
    assert [limiter.take_now("k", limit).allowed for _ in range(3)] == [True, True, False]
    assert len(limiter) <= 81


async def test_newcomers_who_share_a_bucket_keep_a_day_of_their_own() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, limit = MemoryLimiter(clock, max_buckets=8), tier(Rate(10, 60), 4)
    for n in range(7):
        limiter.take_now(f"a{n}", limit)
    assert [limiter.take_now("k", limit).allowed for _ in range(5)] == [True] * 4 + [False]
    assert [limiter.take_now("m", limit).allowed for _ in range(5)] == [True] * 4 + [False]
    assert limiter.take_now("n", limit).remaining == 1
    kept = {use.bucket: use for use in limiter.kept()}
    assert kept["overflow"].cells[-1][1] + sum(n for _, n in kept["overflow"].cells[:-1]) == 9


async def test_the_free_tier_leaves_room_for_the_others() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, free, pro = MemoryLimiter(clock, max_buckets=80), tier(Rate(1, 60)), tier(Rate(2, 60), None, PRO)
    for n in range(1000):
        limiter.take_now(f"a{n}", free)
    for n in range(9):
        assert [limiter.take_now(f"k{n}", pro).remaining for _ in range(2)] == [1, 0]


async def test_a_change_of_tier_takes_the_count_along() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, free, pro = (
        MemoryLimiter(clock),
        tier(Rate(3, 60), 5),
        tier(Rate(9, 60), 9, PRO),
    )
    for _ in range(3):
        limiter.take_now("k", free)
    assert [limiter.take_now("k", pro).remaining for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    await clock.advance(30)
    refused = limiter.take_now("k", free)
    assert (refused.allowed, refused.closest) == (False, "day")
    assert len(limiter) == 1


async def test_back_in_a_lower_tier_one_waits_until_enough_has_left() -> None:
    clock = ManualClock(MIDNIGHT_MS)
    limiter, free, pro = MemoryLimiter(clock), tier(Rate(2, 60)), tier(Rate(9, 60), None, PRO)
    for _ in range(5):
        limiter.take_now("k", pro)
        await clock.advance(1)
    refused = limiter.take_now("k", free)
    assert (refused.allowed, refused.retry_after_s) == (False, 58)
    await clock.advance(58)
    assert limiter.take_now("k", free).allowed


def test_header_fields() -> None:
    clock = ManualClock(MIDNIGHT_MS + 40_000_000)
    limiter, limit = MemoryLimiter(clock), tier(Rate(2, 60), 1000)
    assert dict(limiter.take_now("k", limit).fields()) == {
        b"ratelimit-policy": b'"minute";q=2;w=60, "day";q=1000;w=86400',
        b"ratelimit": b'"minute";r=1;t=60',
        b"x-ratelimit-limit": b"2",
        b"x-ratelimit-remaining": b"1",
        b"x-ratelimit-reset": b"60",
    }
    limiter.take_now("k", limit)
    assert dict(limiter.take_now("k", limit).fields())[b"retry-after"] == b"60"
    day = limiter.take_now("m", tier(Rate(30, 3600), 4)).fields()
    assert dict(day)[b"ratelimit"] == b'"day";r=3;t=46400'
    assert dict(day)[b"ratelimit-policy"].startswith(b'"hour";q=30;w=3600')


def test_no_limit_no_fields_but_the_day_is_counted() -> None:
    limiter, limit = MemoryLimiter(ManualClock()), tier(None, None, "enterprise")
    verdicts = [limiter.take_now("k", limit) for _ in range(500)]
    assert all(v.allowed and v.limit is None and v.fields() == [] for v in verdicts)
    assert [(use.used, use.cells) for use in limiter.kept()] == [(500, ())]


async def test_a_window_of_many_requests_holds_only_those_inside() -> None:
    clock = ManualClock()
    limiter, limit = MemoryLimiter(clock), tier(Rate(50, 1))
    for _ in range(3000):
        limiter.take_now("k", limit)
        clock._elapsed += 0.019
    (table,) = limiter._tables.values()
    assert len(table.buckets["k"].times) <= 2 * 53
