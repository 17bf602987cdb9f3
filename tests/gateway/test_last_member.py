"""Who cannot be asked now: passed over when others can answer, waited for or asked slowly when nobody else does."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from gateway_rig import OK, Rig, Step, ask, open_breaker, refused

from crypto_dt_source.gateway import GatewayPolicy
from crypto_dt_source.gateway.health import FIRST_REST_S, OPEN_AFTER
from crypto_dt_source.gateway.outage import UNHEARD
from crypto_dt_source.gateway.pool import SlowLane
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import UpstreamTimeout, UpstreamUnreachable
from crypto_dt_source.providers.catalog import Limit

C = Capability.BOOK


async def test_an_exhausted_source_is_passed_over_at_once() -> None:
    rig = Rig("a", "b", limits={"a": (Limit(1, 60),)})
    assert await rig.book() == "a"
    provider, tried, elapsed = await ask(rig)
    assert (provider, tried) == ("b", [("a", "budget_exhausted"), ("b", None)])
    assert elapsed <= 0.011
    assert (await ask(rig, background=True))[2] <= 0.011


async def test_the_last_source_is_waited_for_within_patience() -> None:
    rig = Rig("a", "b", limits={"a": (Limit(1, 1),)})
    rig.script("b", Step(status=500))
    assert await rig.book() == "a"
    begun = rig.clock.monotonic()
    rig.gateway.policy = GatewayPolicy(patience_s=2.0)
    assert await rig.book() == "a"
    assert 0.9 <= rig.clock.monotonic() - begun <= 1.6
    rig.gateway.policy = GatewayPolicy(patience_s=0.1)
    error = await refused(rig)
    assert error.retry_after == 2
    assert rig.source("a").health.failures == {}


async def test_a_source_told_to_wait_is_never_asked_before() -> None:
    rig = Rig("a")
    rig.script("a", Step(status=429, headers={"retry-after": "30"}), OK)
    await refused(rig)
    for _ in range(20):
        error = await refused(rig)
        await rig.clock.advance(1.0)
    assert rig.transport.calls("a") == 1
    assert error.retry_after in (11, 12)
    await rig.clock.advance(12.0)
    assert await rig.book() == "a"


async def test_a_short_cool_down_is_waited_out_when_nobody_else_answers() -> None:
    rig = Rig("a", policy=GatewayPolicy(patience_s=5.0))
    rig.script("a", Step(status=429, headers={"retry-after": "2"}), OK)
    await refused(rig)
    assert await rig.book() == "a"
    assert rig.transport.sent[1][0] - rig.transport.sent[0][0] >= 2.0


@pytest.mark.parametrize("step", [Step(b"truncated"), Step(status=302), Step(status=451), Step(status=403)])
async def test_one_bad_answer_never_removes_the_last_source(step: Step) -> None:
    rig = Rig("a")
    rig.script("a", step, OK)
    await refused(rig)
    assert rig.source("a").resting(C) is not None
    provider, _, elapsed = await ask(rig)
    assert (provider, elapsed <= 0.02) == ("a", True)
    assert rig.source("a").resting(C) is None


async def test_many_callers_of_a_last_source_that_rests_wait_for_the_one_that_asks() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"truncated"), OK)
    await refused(rig)
    assert await rig.books(50) == ["a"] * 50


async def test_many_callers_of_a_last_source_wait_for_its_probe() -> None:
    rig = Rig("a")
    await open_breaker(rig, "a")
    await rig.clock.advance(FIRST_REST_S)
    rig.script("a", Step(delay_s=0.3), OK)
    begun = len(rig.transport.sent)
    work = asyncio.ensure_future(rig.books(50))
    await rig.clock.advance(0.2)
    assert len(rig.transport.sent) - begun == 1
    assert await rig.finish(work) == ["a"] * 50


async def test_the_last_member_is_slowed_not_shut_out() -> None:
    rig = Rig("a")
    rig.script("a", Step(status=500))
    for _ in range(OPEN_AFTER):
        await refused(rig)
    assert rig.source("a").breaker.state == "open"
    before = rig.transport.calls("a")
    for _ in range(400):
        await rig.books(5)
        await rig.clock.advance(0.1)
    seconds = rig.clock.monotonic()
    calls = rig.transport.calls("a") - before
    assert 5 <= calls <= 10 + seconds / 4
    rig.script("a", OK)
    for _ in range(12):
        if (await rig.books(1)) == ["a"]:
            break
        await rig.clock.advance(0.5)
    assert rig.source("a").breaker.state == "closed"


async def test_a_resting_member_is_the_last_hope_when_the_others_fail() -> None:
    rig = Rig("a", "b")
    await open_breaker(rig, "a")
    rig.script("b", Step(status=500))
    assert await rig.book() == "a"


async def test_nobody_waits_for_what_rests_while_nothing_can_be_reached() -> None:
    names = "abcdef"[: UNHEARD + 1]
    rig = Rig(*names, policy=GatewayPolicy(patience_s=1.0, background_patience_s=30.0))
    for name in names:
        rig.script(name, Step(error=UpstreamUnreachable))
    for _ in range(OPEN_AFTER):
        await refused(rig)
    assert rig.gateway.outage.total
    begun = rig.clock.monotonic()
    error = await refused(rig)
    assert rig.clock.monotonic() - begun < 0.1
    assert {t["failure"] for t in error.details["tried"]} <= {"circuit_open", "upstream_unreachable"}
    assert error.retry_after == 1
    # The timetable has the time to wait, and anybody's reply ends it for all.
    rig.script("b", OK)
    await refused(rig)
    provider, _, elapsed = await ask(rig, background=True)
    assert provider == "b"
    assert elapsed > 0.05
    assert not rig.gateway.outage.total


async def test_an_ask_without_a_network_ends_within_patience_and_its_calls_find_out_when_there_is_one() -> (
    None
):
    names = "abcdefg"
    rig = Rig(*names, policy=GatewayPolicy(timeout_s=8.0, patience_s=1.0))
    for number in range(UNHEARD):
        rig.gateway.outage.failed(f"upstream {number}", UpstreamTimeout("no name server"))
    for name in names:
        rig.script(name, Step(delay_s=3.0))
    begun = rig.clock.monotonic()
    error = await refused(rig)
    assert 1.0 <= rig.clock.monotonic() - begun < 1.1
    assert [t["provider"] for t in error.details["tried"]] == list(names), "one beside the other"
    await rig.clock.advance(3.0, turns=6)
    assert not rig.gateway.outage.total
    assert rig.source("a").health.failures == {}
    assert await rig.book() == "a"


def test_the_slow_lane_doubles_its_distances() -> None:
    lane = SlowLane()
    key = ("a", C)
    now, turns = 0.0, []
    for _ in range(10):
        now += lane.wait_s(key, now)
        turns.append(now)
        lane.take(key, now)
    gaps = [round(b - a, 3) for a, b in pairwise(turns)]
    assert gaps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    lane.leave(key)
    assert lane.wait_s(key, now) == 0.0
