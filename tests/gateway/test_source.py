"""One source: what a call costs, what its outcome is counted as, and what it leaves behind."""

from __future__ import annotations

import asyncio

import pytest
from gateway_rig import BOOK, BUGS, HANG, OK, Rig, Step, entry, toy

from crypto_dt_source.gateway.health import FIRST_REST_S, OPEN_AFTER
from crypto_dt_source.gateway.reading import REJECTED_KEPT, REJECTED_NAME
from crypto_dt_source.gateway.source import Source, Terms
from crypto_dt_source.model import errors
from crypto_dt_source.model.answer import Answer, Record
from crypto_dt_source.model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.catalog import Auth, Limit

TERMS = Terms(timeout_s=8.0)
C = Capability.BOOK


def used(source: Source) -> int:
    return source.meter.lines()[0].used


async def fetch(rig: Rig, name: str = "a", terms: Terms = TERMS) -> Answer[Record]:
    return await rig.finish(rig.source(name).fetch(BOOK, terms))


async def fail(rig: Rig, expected: type[errors.UpstreamError], name: str = "a") -> errors.UpstreamError:
    with pytest.raises(expected) as caught:
        await fetch(rig, name)
    assert type(caught.value) is expected
    return caught.value


async def test_a_success_is_counted_once() -> None:
    rig = Rig("a")
    await fetch(rig)
    health = rig.source("a").health
    assert (health.calls, health.successes, health.failures, list(health.outcomes)) == (1, 1, {}, [True])
    assert rig.observed == [("a", None, 200)]
    assert used(rig.source("a")) == 1


async def test_a_body_that_cannot_be_read_is_one_failed_call_and_no_latency() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"truncated"))
    await fail(rig, errors.PayloadChanged)
    health = rig.source("a").health
    assert (health.calls, health.successes, list(health.outcomes)) == (1, 0, [False])
    assert health.latencies == {}
    assert rig.observed == [("a", "payload_changed", 200)]


@pytest.mark.parametrize("bug", BUGS)
async def test_an_adapter_bug_is_a_changed_payload(bug: str) -> None:
    rig = Rig("a")
    rig.script("a", Step(f"bug:{bug}".encode()))
    error = await fail(rig, errors.PayloadChanged)
    assert type(BUGS[bug]).__name__ in error.message
    assert rig.source("a").breaker.state == "closed"


async def test_a_bug_in_reading_an_error_page_is_a_changed_payload() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"explain-bug", status=400))
    await fail(rig, errors.PayloadChanged)


async def test_a_bug_in_building_a_request_is_our_fault_and_nothing_is_sent() -> None:
    rig = Rig("a")
    with pytest.raises(errors.UpstreamRejected):
        await rig.finish(rig.source("a").fetch(BookAsk(Pair("BUG", "USD")), TERMS))
    assert rig.transport.sent == []
    assert used(rig.source("a")) == 0


async def test_a_bug_in_paging_is_a_changed_payload() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"page-bug"))
    with pytest.raises(errors.PayloadChanged):
        await rig.finish(rig.source("a").fetch(InstrumentsAsk(), TERMS))


async def test_what_is_kept_out_is_counted_and_named() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"odd:3"), Step(b"odd:50"), OK)
    answers = [await fetch(rig) for _ in range(3)]
    health = rig.source("a").health
    assert [len(answer.records) for answer in answers] == [1, 1, 1]
    assert [len(answer.rejected) for answer in answers] == [3, REJECTED_KEPT, 0]
    assert health.rejected == 53
    assert [name.partition(":")[0] for name in health.rejected_newest] == [f"row {n}" for n in range(20)]
    assert {len(name) for name in health.rejected_newest} == {REJECTED_NAME}
    assert health.success_rate == 1.0


async def test_nothing_in_normal_form_is_a_changed_payload() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"negative"))
    error = await fail(rig, errors.PayloadChanged)
    assert "not sorted positive" in error.message
    assert rig.source("a").health.rejected == 1


@pytest.mark.parametrize(
    ("body", "cls"), [(b"unlisted", errors.SymbolNotListed), (b"old", errors.NotOffered)]
)
async def test_what_the_ask_is_to_blame_for_leaves_the_source_alone(
    body: bytes, cls: type[errors.UpstreamError]
) -> None:
    rig = Rig("a")
    rig.script("a", Step(body))
    for _ in range(OPEN_AFTER + 1):
        await fail(rig, cls)
    source = rig.source("a")
    assert source.resting(C) is None
    assert (source.health.calls, source.health.success_rate) == (OPEN_AFTER + 1, None)
    assert source.health.failures == {cls.code: OPEN_AFTER + 1}


async def test_the_meter_is_not_charged_for_a_call_the_breaker_refuses() -> None:
    rig = Rig("a")
    rig.script("a", Step(status=500))
    for _ in range(OPEN_AFTER):
        await fail(rig, errors.UpstreamBroken)
    before = used(rig.source("a"))
    await fail(rig, errors.CircuitOpen)
    assert (used(rig.source("a")), rig.transport.calls("a")) == (before, OPEN_AFTER)


async def test_a_cut_connection_is_tried_once_more_and_each_try_is_charged() -> None:
    rig = Rig("a")
    rig.script("a", Step(error=errors.UpstreamUnreachable), OK)
    await fetch(rig)
    assert (rig.transport.calls("a"), used(rig.source("a"))) == (2, 2)
    rig.script("a", Step(error=errors.UpstreamUnreachable))
    await fail(rig, errors.UpstreamUnreachable)
    assert (rig.transport.calls("a"), used(rig.source("a"))) == (4, 4)


async def test_a_retry_that_may_not_go_tells_the_first_error() -> None:
    rig = Rig("a", limits={"a": (Limit(1, 60),)})
    rig.script("a", Step(error=errors.UpstreamUnreachable))
    await fail(rig, errors.UpstreamUnreachable)
    assert rig.transport.calls("a") == 1


async def test_timeouts_are_not_tried_again() -> None:
    rig = Rig("a")
    rig.script("a", HANG)
    await fail(rig, errors.UpstreamTimeout)
    assert rig.transport.calls("a") == 1
    assert rig.clock.monotonic() == pytest.approx(8.0, abs=0.05)


async def test_a_budget_that_is_used_up_is_waited_for_within_patience() -> None:
    rig = Rig("a", limits={"a": (Limit(1, 2),)})
    await fetch(rig)
    error = await fail(rig, errors.BudgetExhausted)
    assert error.retry_after_s == pytest.approx(2.3, abs=0.2)
    await fetch(rig, terms=Terms(8.0, patience_s=3.0))
    assert 2.0 < rig.transport.sent[1][0] < 2.6
    error = await fail(rig, errors.BudgetExhausted)
    with pytest.raises(errors.BudgetExhausted):
        await fetch(rig, terms=Terms(8.0, patience_s=3.0, at_once=True))
    assert used(rig.source("a")) == 1


async def test_a_breaker_that_opens_while_the_budget_is_waited_for_is_obeyed() -> None:
    rig = Rig("a", limits={"a": (Limit(1, 2),)})
    await fetch(rig)
    source = rig.source("a")
    waiting = asyncio.ensure_future(source.fetch(BOOK, Terms(8.0, patience_s=5.0)))
    await rig.clock.settle()
    for _ in range(OPEN_AFTER):
        source.breaker.failure(source.breaker.admit() or 0)
    with pytest.raises(errors.CircuitOpen):
        await rig.finish(waiting)
    assert (rig.transport.calls("a"), used(source)) == (1, 0)


async def test_payloads_that_changed_rest_a_minute_then_two() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"truncated"))
    source = rig.source("a")
    await fail(rig, errors.PayloadChanged)
    rest = source.resting(C)
    assert rest is not None
    assert (rest.code, rest.forbidden, round(rest.wait_s)) == ("payload_changed", False, 60)
    assert source.resting(Capability.QUOTES) is None
    await rig.clock.advance(60.0)
    assert source.resting(C) is None
    await fail(rig, errors.PayloadChanged)
    rest = source.resting(C)
    assert rest is not None
    assert round(rest.wait_s) == 120
    await rig.clock.advance(120.0)
    rig.script("a", OK)
    await fetch(rig)
    rig.script("a", Step(b"truncated"))
    await fail(rig, errors.PayloadChanged)
    rest = source.resting(C)
    assert rest is not None
    assert round(rest.wait_s) == 60


async def test_calls_that_fail_together_are_one_failure_in_a_row() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"truncated"))
    source = rig.source("a")
    asks = (source.fetch(BOOK, Terms(8.0)) for _ in range(20))
    await rig.finish(asyncio.gather(*asks, return_exceptions=True))
    rest = source.resting(C)
    assert rest is not None
    assert rest.wait_s <= 60.0


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (Step(status=429), 10.0),
        (Step(status=429, headers={"retry-after": "3"}), 4.0),
        (Step(status=429, headers={"retry-after": "30"}), 31.0),
        (Step(status=418), 300.0),
        (Step(status=418, headers={"retry-after": "120"}), 121.0),
        (Step(b"limited"), 10.0),
    ],
)
async def test_a_rate_limit_stops_the_whole_scope_and_halves_it_once(step: Step, seconds: float) -> None:
    rig = Rig("a")
    twin = rig.twin("b", of="a", rank=1)
    rig.script("a", step)
    source = rig.source("a")
    await rig.finish(
        asyncio.gather(*(source.fetch(BOOK, Terms(8.0)) for _ in range(8)), return_exceptions=True)
    )
    assert source.meter.factor == 0.5
    for each in (source, twin):
        rest = each.resting(C)
        assert rest is not None
        assert rest.forbidden
        assert rest.wait_s == pytest.approx(seconds, abs=0.05)
    assert source.breaker.state == "closed"


@pytest.mark.parametrize(("status", "hours"), [(451, 6), (403, 6), (401, 1)])
async def test_a_region_block_rests_one_host_not_its_twin(status: int, hours: int) -> None:
    rig = Rig("a")
    twin = rig.twin("b", of="a", rank=1)
    rig.script("a", Step(status=status))
    with pytest.raises(errors.UpstreamError):
        await fetch(rig)
    rest = rig.source("a").resting(Capability.QUOTES)
    assert rest is not None
    assert (rest.forbidden, round(rest.wait_s / 3600)) == (False, hours)
    assert twin.resting(C) is None
    await fetch(rig, "b")


async def test_a_503_that_names_a_time_is_left_alone_until_then() -> None:
    rig = Rig("a")
    rig.script("a", Step(status=503, headers={"retry-after": "20"}))
    await fail(rig, errors.UpstreamBroken)
    rest = rig.source("a").resting(C)
    assert rest is not None
    assert round(rest.wait_s) == 20


@pytest.mark.parametrize("body", [b"truncated", b"limited", b"unlisted"])
async def test_a_probe_that_is_answered_at_all_closes_the_breaker(body: bytes) -> None:
    rig = Rig("a")
    rig.script("a", Step(status=500))
    for _ in range(OPEN_AFTER):
        await fail(rig, errors.UpstreamBroken)
    await rig.clock.advance(FIRST_REST_S)
    rig.script("a", Step(body))
    with pytest.raises(errors.UpstreamError):
        await fetch(rig)
    assert rig.source("a").breaker.state == "closed"


async def test_a_cancelled_probe_leaves_its_place_to_the_next() -> None:
    rig = Rig("a")
    rig.script("a", Step(status=500))
    for _ in range(OPEN_AFTER):
        await fail(rig, errors.UpstreamBroken)
    await rig.clock.advance(FIRST_REST_S)
    rig.script("a", HANG)
    source = rig.source("a")
    probe = asyncio.ensure_future(source.fetch(BOOK, Terms(8.0)))
    await rig.clock.advance(0.1)
    await fail(rig, errors.CircuitOpen)
    probe.cancel()
    await asyncio.wait({probe})
    assert (source.breaker.state, source.health.calls) == ("half_open", OPEN_AFTER)
    rig.script("a", OK)
    await fetch(rig)
    assert source.breaker.state == "closed"


async def test_a_probes_time_is_not_the_usual_time() -> None:
    rig = Rig("a")
    rig.script("a", Step(status=500))
    for _ in range(OPEN_AFTER):
        await fail(rig, errors.UpstreamBroken)
    await rig.clock.advance(FIRST_REST_S)
    rig.script("a", Step(delay_s=3.0))
    await fetch(rig)
    assert rig.source("a").health.latencies == {}


async def test_only_an_overtaken_call_is_blamed_when_cancelled() -> None:
    rig = Rig("a")
    rig.script("a", HANG)
    source = rig.source("a")
    for overtaken, calls in ((False, 0), (True, 1)):
        terms = Terms(8.0)
        task = asyncio.ensure_future(source.fetch(BOOK, terms))
        await rig.clock.advance(0.5)
        terms.overtaken = overtaken
        task.cancel()
        await asyncio.wait({task})
        assert source.health.calls == calls
    assert source.health.failures == {"upstream_timeout": 1}
    assert rig.observed == [("a", "upstream_timeout", None)]


async def test_waiting_for_the_own_budget_is_never_blamed_on_the_source() -> None:
    rig = Rig("a", limits={"a": (Limit(1, 60),)})
    await fetch(rig)
    terms = Terms(8.0, patience_s=100.0)
    task = asyncio.ensure_future(rig.source("a").fetch(BOOK, terms))
    await rig.clock.advance(1.0)
    terms.overtaken = True
    task.cancel()
    await asyncio.wait({task})
    assert rig.source("a").health.failures == {}


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        (Auth("TOY_API_KEY", "header", "X-Key"), {"X-Key": "s3cret"}, False),
        (Auth("TOY_API_KEY", "bearer", ""), {"Authorization": "Bearer s3cret"}, False),
        (
            Auth("TOY_API_KEY", "header", "Authorization", "Apikey "),
            {"Authorization": "Apikey s3cret"},
            False,
        ),
        (Auth("TOY_API_KEY", "query", "key"), {}, True),
    ],
)
async def test_the_key_goes_where_its_upstream_wants_it_and_nowhere_else(
    auth: Auth, header: dict[str, str], query: bool
) -> None:
    rig = Rig("plain")
    rig.add(entry("keyed", 1, auth=auth), toy(), key="s3cret")
    await fetch(rig, "keyed")
    await fetch(rig, "plain")
    assert rig.transport.headers == [header, {}]
    targets = [target for _, _, target in rig.transport.sent]
    assert ("key=s3cret" in targets[0]) is query
    assert "s3cret" not in targets[1]
    rig.script("keyed", Step(status=500))
    error = await fail(rig, errors.UpstreamBroken, "keyed")
    assert "s3cret" not in error.message + str(error.details) + repr(rig.observed)


async def test_an_interval_or_capability_that_is_not_there_is_not_asked_for() -> None:
    rig = Rig("a")
    source = rig.source("a")
    with pytest.raises(errors.NotOffered):
        source.endpoint(CandlesAsk(Pair("BTC", "USD"), "3m"))
    assert source.endpoint(CandlesAsk(Pair("BTC", "USD"), "1h")) is not None
