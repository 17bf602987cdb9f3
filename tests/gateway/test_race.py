"""The pool: who is asked when, who answers, and what a failing source costs the others and itself."""

from __future__ import annotations

import asyncio

import pytest
from gateway_rig import BOOK, HANG, OK, Rig, Step, ask, open_breaker, refused

from crypto_dt_source.gateway.health import FIRST_REST_S, OPEN_AFTER
from crypto_dt_source.gateway.pool import HEDGE_BURST, HEDGE_FLOOR_S, HEDGE_SHARE, HedgeBudget
from crypto_dt_source.model import errors
from crypto_dt_source.model.ask import CandlesAsk, Capability
from crypto_dt_source.model.quote import Pair

C = Capability.BOOK
SLOW = Step(delay_s=0.1)


async def test_the_first_in_rank_answers_and_nobody_else_is_asked() -> None:
    rig = Rig("a", "b", "c")
    assert (await ask(rig))[:2] == ("a", [("a", None)])
    assert rig.transport.calls("b") == rig.transport.calls("c") == 0


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Step(error=errors.UpstreamUnreachable), "upstream_unreachable"),
        (Step(status=500), "upstream_server_error"),
        (Step(status=429), "upstream_rate_limited"),
        (Step(status=418), "upstream_banned"),
        (Step(status=451), "region_blocked"),
        (Step(status=403), "region_blocked"),
        (Step(b"limited"), "upstream_rate_limited"),
        (Step(b"truncated"), "payload_changed"),
        (Step(b"bug:key"), "payload_changed"),
        (Step(b"negative"), "payload_changed"),
        (Step(status=302), "payload_changed"),
        (Step(error=errors.BodyTooLarge), "body_too_large"),
        (Step(b"unlisted"), "symbol_not_listed"),
        (Step(b"empty"), "symbol_not_listed"),
    ],
)
async def test_an_immediate_error_goes_to_the_next_at_once(step: Step, code: str) -> None:
    rig = Rig("a", "b")
    rig.script("a", step)
    provider, tried, elapsed = await ask(rig)
    assert (provider, tried) == ("b", [("a", code), ("b", None)])
    assert elapsed <= 0.02


async def test_every_source_failing_names_each_and_why() -> None:
    rig = Rig("a", "b", "c")
    rig.script("a", Step(status=500))
    rig.script("b", Step(status=429, headers={"retry-after": "7"}))
    rig.script("c", Step(b"unlisted"))
    error = await refused(rig)
    assert error.details["tried"] == [
        {"provider": "a", "failure": "upstream_server_error"},
        {"provider": "b", "failure": "upstream_rate_limited"},
        {"provider": "c", "failure": "symbol_not_listed"},
    ]


async def test_an_empty_answer_is_given_when_nobody_has_more() -> None:
    rig = Rig("a", "b")
    rig.script("a", Step(b"empty"))
    rig.script("b", Step(status=500))
    answer = await rig.finish(rig.gateway.ask(C, lambda source: BOOK))
    assert (answer.provider, answer.records) == ("a", ())


async def test_a_late_source_is_hedged_at_its_own_p95_and_the_first_answer_wins() -> None:
    rig = Rig("a", "b")
    rig.script("a", SLOW)
    await rig.warm()
    rig.script("a", Step(delay_s=0.35))
    rig.transport.sent.clear()
    provider, tried, elapsed = await ask(rig)
    times = {name: at - rig.transport.sent[0][0] for at, name, _ in rig.transport.sent}
    assert times["b"] == pytest.approx(0.12, abs=0.011)
    assert (provider, tried) == ("b", [("b", None)])
    assert elapsed < 0.15
    assert rig.gateway.hedges.hedges == 1
    await rig.clock.settle()
    assert rig.transport.under_way["a"] == 0
    assert rig.source("a").health.failures == {}


async def test_a_source_within_its_p95_is_not_hedged() -> None:
    rig = Rig("a", "b")
    rig.script("a", SLOW)
    await rig.warm(50)
    assert rig.transport.calls("b") == 0
    assert (rig.gateway.hedges.hedges, rig.gateway.hedges.takeovers) == (0, 0)


async def test_hedges_are_a_twentieth_of_any_two_hundred_calls() -> None:
    rig = Rig("a", "b")
    await rig.warm()
    late = Step(delay_s=0.1)
    for _ in range(200):
        rig.script("a", late)
        await rig.book()
        # The source keeps its p95: the slow answers were cancelled or are too few.
    assert rig.gateway.hedges.hedges <= 10
    assert rig.transport.calls("b") <= 10
    assert rig.gateway.hedges.hedges >= 2


def test_the_hedge_budget_holds_over_any_window() -> None:
    budget = HedgeBudget()
    spent: list[int] = []
    for call in range(5000):
        budget.earn()
        # Bursts of lateness after long health: the worst order for a window.
        spent.append(int(budget.spend()) if call % 1000 > 500 else 0)
    worst = max(sum(spent[i : i + 200]) for i in range(len(spent) - 200))
    assert worst <= 0.05 * 200
    assert HEDGE_BURST + HEDGE_SHARE * 200 <= 0.05 * 200


async def test_a_hang_is_taken_over_and_blamed_until_the_breaker_opens() -> None:
    rig = Rig("a", "b")
    await rig.warm(20)
    rig.script("a", HANG)
    rig.gateway.hedges.tokens = 0.0
    for _ in range(OPEN_AFTER):
        provider, tried, elapsed = await ask(rig)
        assert (provider, tried) == ("b", [("b", None), ("a", "upstream_timeout")])
        assert 0.15 <= elapsed <= 0.2
        await rig.clock.settle()
    assert rig.source("a").breaker.state == "open"
    assert rig.gateway.hedges.takeovers == OPEN_AFTER
    provider, tried, elapsed = await ask(rig)
    assert (provider, tried) == ("b", [("a", "circuit_open"), ("b", None)])
    assert elapsed <= 0.02
    assert rig.transport.under_way["a"] == 0


async def test_a_source_never_seen_is_taken_over_after_a_second() -> None:
    rig = Rig("a", "b")
    rig.script("a", HANG)
    assert (await ask(rig))[2] == pytest.approx(1.0, abs=0.05)


async def test_a_capability_never_asked_borrows_the_p95_of_the_others() -> None:
    rig = Rig("a", "b")
    for _ in range(10):
        await rig.finish(
            rig.gateway.ask(Capability.INSTRUMENTS, lambda s: CandlesAsk(Pair("BTC", "USD"), "1h"))
        )
    rig.script("a", HANG)
    rig.gateway.hedges.tokens = 0.0
    assert (await ask(rig))[2] <= 0.2


async def test_a_second_hang_is_taken_over_too() -> None:
    rig = Rig("a", "b", "c")
    await rig.warm()
    rig.source("b").health.latencies = dict(rig.source("a").health.latencies)
    rig.script("a", HANG)
    rig.script("b", HANG)
    provider, _, elapsed = await ask(rig)
    assert provider == "c"
    assert elapsed <= 0.35


async def test_a_failed_takeover_is_replaced_at_once() -> None:
    rig = Rig("a", "b", "c")
    await rig.warm()
    rig.script("a", HANG)
    rig.script("b", Step(status=500))
    assert (await ask(rig))[0] == "c"
    assert rig.transport.sent[-1][0] - rig.transport.sent[-2][0] <= 0.011


async def test_a_failed_hedge_is_replaced_at_once() -> None:
    rig = Rig("a", "b", "c")
    await rig.warm()
    rig.script("a", Step(delay_s=0.12))
    rig.script("b", Step(status=500))
    rig.gateway.hedges.tokens = 1.0
    provider, tried, elapsed = await ask(rig)
    assert (provider, tried) == ("c", [("b", "upstream_server_error"), ("c", None)])
    assert elapsed <= 0.06


async def test_a_probe_is_given_no_more_than_a_moment() -> None:
    rig = Rig("a", "b")
    await rig.warm()
    await open_breaker(rig, "a")
    rig.script("a", HANG)
    rig.gateway.hedges.tokens = 0.0
    await rig.clock.advance(FIRST_REST_S)
    provider, _, elapsed = await ask(rig)
    assert (provider, elapsed <= HEDGE_FLOOR_S + 0.02) == ("b", True)
    assert rig.source("a").health.failures == {}


async def test_a_stall_of_our_own_is_not_held_against_the_source() -> None:
    rig = Rig("a", "b")
    await rig.warm()
    rig.script("a", Step(delay_s=0.4))
    task = asyncio.ensure_future(rig.gateway.ask(C, lambda source: BOOK))
    await rig.clock.settle()
    rig.clock._elapsed += 0.3  # the loop does not run meanwhile
    await rig.clock.advance(0.0)
    assert rig.transport.calls("b") == 0
    await rig.clock.advance(HEDGE_FLOOR_S)
    assert rig.transport.calls("b") == 1
    await rig.finish(task)


async def test_a_client_that_goes_away_blames_nobody_and_cancels_the_call() -> None:
    rig = Rig("a", "b")
    await rig.warm()
    rig.script("a", HANG)
    rig.script("b", HANG)
    task = asyncio.ensure_future(rig.gateway.ask(C, lambda source: BOOK))
    await rig.clock.advance(2.0)
    task.cancel()
    await asyncio.wait({task})
    await rig.clock.settle()
    assert rig.transport.under_way == {"a": 0, "b": 0}
    assert rig.source("a").health.failures == {}


async def test_fifty_callers_at_a_half_open_source_send_one_probe() -> None:
    rig = Rig("a", "b")
    await rig.warm()
    await open_breaker(rig, "a")
    rig.script("a", HANG)
    before = rig.transport.calls("a")
    await rig.clock.advance(FIRST_REST_S)
    assert await rig.books(50) == ["b"] * 50
    assert rig.transport.calls("a") == before + 1
    assert rig.transport.under_way["a"] == 1
    assert await rig.books(50) == ["b"] * 50
    assert rig.transport.calls("a") == before + 1
    await rig.clock.advance(8.0)
    assert (rig.source("a").breaker.state, rig.source("a").breaker.opened) == ("open", 2)


async def test_a_probe_that_lost_its_race_still_closes_the_breaker() -> None:
    rig = Rig("a", "b")
    await rig.warm()
    await open_breaker(rig, "a")
    rig.script("a", Step(delay_s=0.5))
    await rig.clock.advance(FIRST_REST_S)
    provider, _, elapsed = await ask(rig)
    assert (provider, elapsed <= 0.05) == ("b", True)
    await rig.clock.advance(0.6)
    assert rig.source("a").breaker.state == "closed"
    rig.script("a", OK)
    assert await rig.book() == "a"


async def test_a_probe_outlives_the_client_that_sent_it() -> None:
    rig = Rig("a")
    await open_breaker(rig, "a")
    await rig.clock.advance(FIRST_REST_S)
    rig.script("a", Step(delay_s=0.5))
    task = asyncio.ensure_future(rig.gateway.ask(C, lambda source: BOOK))
    await rig.clock.advance(0.1)
    task.cancel()
    await rig.clock.advance(1.0)
    assert rig.source("a").breaker.state == "closed"


async def test_closing_ends_what_outlived_its_ask() -> None:
    rig = Rig("a", "b")
    await open_breaker(rig, "a")
    await rig.clock.advance(FIRST_REST_S)
    rig.script("a", HANG)
    assert await rig.book() == "b"
    assert rig.transport.under_way["a"] == 1
    await rig.gateway.close()
    assert rig.transport.under_way["a"] == 0
    assert not rig.gateway._closing
