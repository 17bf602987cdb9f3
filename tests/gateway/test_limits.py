"""Meters: never more than published in any window, whatever is asked, also over a restart; shares, pace, cool-downs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.limits import (
    CLASS_SHARE,
    PEOPLE_SHARE_SPREAD,
    REST,
    SAVE_LAG_MS,
    STRETCH_S,
    KeptUse,
    Meter,
)
from crypto_dt_source.providers.catalog import Limit

MONTH_S, DAY_S, HOUR_S = 2_592_000, 86_400, 3_600
SECOND, MINUTE, MONTH = Limit(1, 1), Limit(100, 60), Limit(9_000, MONTH_S)


class Steps(ManualClock):
    """A clock moved without a loop."""

    def move(self, seconds: float) -> None:
        self._elapsed += seconds


def meter(*limits: Limit) -> tuple[Meter, Steps]:
    clock = Steps()
    return Meter("here", limits, clock), clock


def spend(of: Meter, weight: int = 1, *, background: bool = False) -> int:
    """Takes until one is refused; gives how many were granted."""
    granted = 0
    while of.take(weight, background=background) == 0:
        granted += 1
    return granted


def busiest(grants: Sequence[tuple[float, int]], per_s: float) -> int:
    """The most weight granted in any half-open window of `per_s` seconds."""
    return max((sum(w for t, w in grants if at <= t < at + per_s) for at, _ in grants), default=0)


LIMITS = st.lists(
    st.builds(
        Limit,
        amount=st.integers(1, 60),
        per_s=st.sampled_from([1, 2, 5, 10, 30, 60, 600, HOUR_S, DAY_S, MONTH_S]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda limit: limit.per_s,
)
TAKES = st.lists(
    st.tuples(
        st.one_of(
            st.floats(0, 2), st.floats(0, 90), st.sampled_from([0.0, 1.0, 30.0, 600.0, 4000.0, 90_000.0])
        ),
        st.integers(1, 5),
        st.booleans(),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(LIMITS, TAKES, st.booleans())
def test_no_window_ever_holds_more_than_published(
    limits: list[Limit], takes: list[tuple[float, int, bool]], patient: bool
) -> None:
    of, clock = meter(*limits)
    grants: list[tuple[float, int]] = []
    for pause, weight, background in takes:
        clock.move(pause)
        wait = of.take(weight, background=background)
        if 0 < wait < 1e6 and patient:
            clock.move(wait)
            wait = of.take(weight, background=background)
        if wait == 0:
            grants.append((clock.monotonic(), weight))
    for limit in limits:
        # 1 ms: times are counted in whole ms.
        assert busiest(grants, limit.per_s + STRETCH_S - 0.001) <= limit.amount


@settings(max_examples=150, deadline=None)
@given(LIMITS, TAKES, st.lists(st.integers(0, 119), max_size=4), st.floats(0, 100))
def test_restarts_never_give_more_than_published(
    limits: list[Limit], takes: list[tuple[float, int, bool]], restarts: list[int], down_s: float
) -> None:
    """Everything granted before a stop was saved, as a clean stop does."""
    of, clock = meter(*limits)
    grants: list[tuple[float, int]] = []
    rows: dict[tuple[int, int], KeptUse] = {}
    for n, (pause, weight, background) in enumerate(takes):
        clock.move(pause)
        if n in restarts:
            rows.update({(use.per_s, use.bucket_ms): use for use in of.kept()})
            clock.move(down_s)
            of = Meter("here", limits, clock)
            of.restore(rows.values())
        if of.take(weight, background=background) == 0:
            grants.append((clock.monotonic(), weight))
    for limit in limits:
        assert busiest(grants, limit.per_s) <= limit.amount


@pytest.mark.parametrize("limit", [Limit(6000, 60), Limit(2000, 30), Limit(10, 1), Limit(5, 60), Limit(1, 1)])
def test_calls_after_the_last_save_are_covered_too(limit: Limit) -> None:
    """kill -9 loses what was granted since the last save; windows up to a minute then count as used up to the margin."""
    of, clock = meter(limit)
    assert of.take(1) == 0
    saved = of.kept()
    lost = spend(of)
    clock.move(SAVE_LAG_MS / 1000 / 2 if limit.per_s > 10 else 0.1)
    after = Meter("here", [limit], clock)
    after.restore(saved)
    assert 1 + lost + spend(after) <= limit.amount
    clock.move(limit.per_s + STRETCH_S + 0.001)
    assert after.take(1) == 0


def test_a_first_start_is_not_held_back() -> None:
    of, _ = meter(MINUTE)
    of.restore([])
    assert spend(of) == int(90 * CLASS_SHARE)


def test_saved_since_gives_only_what_changed() -> None:
    of, clock = meter(MONTH)
    of.take(1)
    clock.move(100_000)
    since = clock.now_ms()
    of.take(2)
    every, late = of.kept(), of.kept(since)
    assert sum(use.used for use in late if use.per_s == MONTH_S) == 2
    assert sum(use.used for use in every if use.per_s == MONTH_S) == 3
    assert set(late) < set(every)


def test_use_partly_elapsed_leaves_bucket_by_bucket() -> None:
    clock = Steps()
    limit = Limit(1000, 600)
    of = Meter("here", [limit], clock)
    of.take(300)
    clock.move(300)
    of.take(200)
    rows = of.kept()
    clock.move(250)
    after = Meter("here", [limit], clock)
    after.restore(rows)
    (line,) = after.lines()
    assert line.used == 500
    clock.move(65)
    assert after.lines()[0].used == 200
    clock.move(310)
    assert after.lines()[0].used == 0


def test_use_from_the_future_counts_as_just_used() -> None:
    """The wall clock was set back between two runs."""
    of, clock = meter(Limit(1000, 600))
    of.restore([KeptUse("here", 600, clock.now_ms() + 10**9, 400)])
    assert of.lines()[0].used == 400
    clock.move(611)
    assert of.lines()[0].used == 0


def test_a_rest_survives_a_restart() -> None:
    of, clock = meter(MINUTE)
    of.cool_down(3600, shrink=True)
    rows = of.kept()
    assert [row.per_s for row in rows] == [REST]
    clock.move(600)
    after = Meter("here", [MINUTE], clock)
    after.restore(rows)
    assert after.take(1) == pytest.approx(3000, abs=1)


def test_neither_people_nor_the_timetable_take_all() -> None:
    for background in (False, True):
        of, _ = meter(Limit(100, 60))
        assert spend(of, background=background) == int(90 * CLASS_SHARE)
        assert spend(of, background=not background) == 90 - int(90 * CLASS_SHARE)


def test_one_call_a_second_goes_to_both_in_turn() -> None:
    """A person asking without pause leaves every other call to the timetable."""
    of, clock = meter(SECOND)
    granted = {False: 0, True: 0}
    for _ in range(2600):
        for background in (False, True):
            granted[background] += of.take(1, background=background) == 0
        clock.move(0.05)
    assert sum(granted.values()) == 100
    assert abs(granted[True] - granted[False]) <= 2


def test_a_weight_no_window_holds_is_never_granted() -> None:
    of, _ = meter(Limit(50, 60))
    assert of.take(51) == math.inf
    assert of.take(46) == math.inf
    assert of.take(45) == 0  # all that is used of it: alone


def test_a_month_is_spread_over_its_days() -> None:
    """Someone who takes all there is gets an even part of each day and an eighth of that each hour."""
    of, clock = meter(MONTH)
    hourly = [0] * 48
    for minute in range(48 * 60):
        hourly[minute // 60] += spend(of)
        clock.move(60)
    day = 9_000 * 0.9 / 30
    assert max(hourly) <= day / 8
    assert sum(hourly[:24]) <= day * PEOPLE_SHARE_SPREAD
    assert sum(hourly[24:]) > 0
    assert spend(of, background=True) > 0


def test_scheduled_work_is_spread_evenly() -> None:
    of, clock = meter(MONTH)
    first = spend(of, background=True)
    at: list[float] = []
    for _ in range(24 * 60):
        if of.take(1, background=True) == 0:
            at.append(clock.monotonic())
        clock.move(60)
    even = MONTH_S / (8_100 * CLASS_SHARE)
    assert first == int(HOUR_S / even) or first == int(HOUR_S / even) + 1
    assert len(at) == pytest.approx(DAY_S / even, rel=0.1)
    assert min(b - a for a, b in pairwise(at)) >= even - 60


def test_the_pace_is_not_won_back_by_a_restart() -> None:
    of, clock = meter(MONTH)
    spend(of, background=True)
    after = Meter("here", [MONTH], clock)
    after.restore(of.kept())
    assert spend(after, background=True) <= 1


def test_a_refusal_halves_and_ten_quiet_minutes_give_a_tenth_back() -> None:
    of, clock = meter(MINUTE)
    for expected in (0.5, 0.25, 0.125, 0.125):
        of.cool_down(10, shrink=True)
        assert of.factor == expected
    assert of.take(1) == 10
    clock.move(10)
    assert spend(of) == int(90 * CLASS_SHARE * 0.125)
    clock.move(600)
    assert of.factor == pytest.approx(0.225)
    clock.move(600 * 8)
    assert of.factor == 1.0


def test_entries_on_one_key_share_the_smaller_limit() -> None:
    of, _ = meter(Limit(100, 60), Limit(1000, HOUR_S))
    of.add_limits([Limit(50, 60), Limit(2000, MONTH_S)])
    assert [(line.per_s, line.amount) for line in of.lines()] == [(60, 50), (HOUR_S, 1000), (MONTH_S, 2000)]
    assert spend(of) + spend(of, background=True) <= 45


def test_waiting_as_long_as_told_is_enough() -> None:
    of, clock = meter(Limit(5, 60), Limit(3, 2))
    for _ in range(50):
        wait = of.take(1)
        if wait:
            clock.move(wait)
            assert of.take(1) == 0


def test_asking_how_long_counts_nothing() -> None:
    of, _ = meter(SECOND)
    assert of.wait(1) == 0
    assert of.wait(1) == 0
    assert of.take(1) == 0
    assert of.wait(1) == pytest.approx(1 + STRETCH_S)
