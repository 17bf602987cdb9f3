"""What pools make of the order of an ask: over the scripted gateway, time moved by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from gateway_rig import BOOK, HANG, Rig, Step, entry, open_breaker, toy

from crypto_dt_source.gateway import trace
from crypto_dt_source.gateway.pools import EVENTS_KEPT, TOLD_AGAIN_S
from crypto_dt_source.model.ask import Capability, QuotesAsk
from crypto_dt_source.model.errors import AllProvidersFailed, UpstreamBroken
from crypto_dt_source.model.pool import SHIPPED, STRATEGIES, Aside, Member, Pool, shipped_pool

BROKEN = Step(error=UpstreamBroken)
BOOKS = frozenset({Capability.BOOK})


def own(*members: Member, strategy: str = "priority", id: str = "own", **values: object) -> Pool:
    made = Pool(id, "Own", "exchange", strategy, BOOKS, members, created_ms=1)
    return replace(made, **values)  # type: ignore[arg-type]


def shipped(strategy: str = "priority", *members: Member, enabled: bool = True) -> Pool:
    return Pool("exchanges", "Exchanges", "exchanges", strategy, members=members, enabled=enabled)


def shown(rig: Rig) -> list[str]:
    """Whom the next ask would be tried with."""
    ordered, _ = rig.gateway.pools.arrange(Capability.BOOK, rig.gateway.ranked(Capability.BOOK))
    return [source.entry.id for source in ordered]


async def test_untouched_pools_keep_the_order_of_ranks() -> None:
    rig = Rig("a", "b", "c")
    answer = await rig.finish(rig.gateway.ask(Capability.BOOK, lambda source: BOOK))
    assert answer.route is not None
    assert answer.route == (type(answer.route))(("a", "b", "c"), "exchanges", "priority")
    assert await rig.books(5) == ["a"] * 5


def test_every_category_has_one_shipped_pool() -> None:
    gas, stats = Capability.GAS, Capability.CHAIN_STATS
    assert [shipped_pool(c, stats) for c in ("exchange", "market", "rpc", "no such", "explorer")] == [
        "exchanges", "market_data", "rpc", "analytics", "analytics",
    ]  # fmt: skip
    assert shipped_pool("explorer", gas) == "explorers"
    listed = [category for _, categories in SHIPPED.values() for category in categories]
    assert len(listed) == len(set(listed))


async def test_a_pool_of_ones_own_comes_first_and_everybody_else_by_rank() -> None:
    rig = Rig("a", "b", "c", "d")
    rig.gateway.pools.take_up([own(Member("d"), Member("c", priority=1), Member("a", enabled=False))], [])
    answer = await rig.finish(rig.gateway.ask(Capability.BOOK, lambda source: BOOK))
    assert answer.route is not None
    assert (answer.provider, answer.route.order, answer.route.pool) == ("c", ("c", "d", "a", "b"), "own")
    assert [s.entry.id for s in rig.gateway.offering(Capability.BOOK)] == ["c", "d", "a", "b"]
    assert [s.entry.id for s in rig.gateway.offering(Capability.CANDLES)] == ["a", "b", "c", "d"]


async def test_pools_follow_one_another_and_one_that_is_off_orders_nothing() -> None:
    rig = Rig("a", "b", "c", "d")
    second = own(Member("b"), Member("c"), id="second", created_ms=2)
    rig.gateway.pools.take_up([second, own(Member("d"), Member("c"))], [])
    assert shown(rig) == ["c", "d", "b", "a"]
    rig.gateway.pools.take_up([second, own(Member("d"), enabled=False)], [])
    assert shown(rig) == ["b", "c", "a", "d"]


async def test_members_of_a_shipped_pool_share_the_places_they_hold() -> None:
    rig = Rig("a", "x", "b", "y")
    for name in ("x", "y"):
        rig.gateway.sources[name].entry = replace(rig.source(name).entry, category="market")
    rig.gateway.pools.take_up([shipped("priority", Member("a", priority=9), Member("b", priority=1))], [])
    assert shown(rig) == ["b", "x", "a", "y"]
    rig.gateway.pools.take_up([shipped("priority", Member("a", removed=True))], [])
    assert shown(rig) == ["x", "b", "y", "a"]
    rig.gateway.pools.take_up([shipped("priority", Member("a", removed=True), enabled=False)], [])
    assert shown(rig) == ["a", "x", "b", "y"]


@pytest.mark.parametrize("strategy", ["round_robin", "weighted", "least_used"])
async def test_asks_are_shared_out_and_looking_takes_no_turn(strategy: str) -> None:
    rig = Rig("a", "b", "c")
    rig.gateway.pools.take_up([shipped(strategy)], [])
    for _ in range(7):
        assert shown(rig) == ["a", "b", "c"]
        assert rig.gateway.offering(Capability.BOOK)[0].entry.id == "a"
    assert [await rig.book() for _ in range(4)] == ["a", "b", "c", "a"]
    assert shown(rig)[0] == "b"
    assert rig.gateway.offering(Capability.BOOK)[0].entry.id == "a", (
        "whoever needs the same each time gets it"
    )
    assert Counter(await rig.books(30)) == {"a": 10, "b": 10, "c": 10}


async def test_turns_of_each_capability_are_its_own() -> None:
    rig = Rig("a", "b")
    rig.gateway.pools.take_up([shipped("round_robin")], [])
    await rig.book()
    ordered, _ = rig.gateway.pools.arrange(Capability.CANDLES, rig.gateway.ranked(Capability.CANDLES))
    assert [source.entry.id for source in ordered] == ["a", "b"]


async def test_whoever_rests_is_passed_over_and_owed_nothing() -> None:
    rig = Rig("a", "b", "c")
    rig.gateway.pools.take_up([shipped("round_robin")], [])
    await rig.books(3)
    await open_breaker(rig, "a")
    assert Counter(await rig.books(40)) == {"b": 20, "c": 20}
    rig.source("a").breaker._open_until = None
    assert Counter(await rig.books(30)) == {"a": 10, "b": 10, "c": 10}


async def test_the_fastest_is_asked_and_now_and_then_another() -> None:
    rig = Rig("slow", "quick")
    rig.script("slow", Step(delay_s=0.2))
    rig.script("quick", Step(delay_s=0.02))
    rig.gateway.pools.take_up([shipped("fastest")], [])
    await rig.warm(12)
    await rig.clock.advance(2)
    before = rig.transport.calls("slow")
    asked = Counter([await rig.book() for _ in range(40)])
    assert asked["quick"] >= 36
    assert rig.transport.calls("slow") == before + 2, "what is never asked is never measured again"


async def test_a_member_that_is_set_aside_goes_last_until_its_time_is_over() -> None:
    rig = Rig("a", "b", "c")
    now = rig.clock.now_ms()
    away = [("exchanges", Aside("a", now, now + 60_000)), ("exchanges", Aside("b", now - 5))]
    rig.gateway.pools.take_up([], away)
    answer = await rig.finish(rig.gateway.ask(Capability.BOOK, lambda source: BOOK))
    assert answer.route is not None
    assert (answer.route.order, answer.route.aside) == (("c", "b", "a"), ("b", "a"))
    rig.script("c", BROKEN)
    assert await rig.book() == "b", "it is still asked when nobody else could answer"
    await rig.clock.advance(60)
    assert shown(rig) == ["a", "c", "b"]


async def test_one_that_is_set_aside_has_no_turns_to_make_up_for() -> None:
    rig = Rig("a", "b", "c")
    rig.gateway.pools.take_up([shipped("round_robin")], [])
    await rig.books(3)
    rig.gateway.pools.take_up([shipped("round_robin")], [("exchanges", Aside("a", 0))])
    assert Counter(await rig.books(20)) == {"b": 10, "c": 10}
    rig.gateway.pools.take_up([shipped("round_robin")], [])
    assert Counter(await rig.books(30)) == {"a": 10, "b": 10, "c": 10}


async def test_failing_over_and_coming_back_are_told_of_once() -> None:
    rig = Rig("a", "b")
    rig.script("a", BROKEN)
    for _ in range(6):
        assert await rig.book() == "b"
    events = rig.gateway.pools.events
    assert [e[1:] for e in events] == [("exchanges", "failed_over", "b", "a", "upstream_server_error")]
    assert rig.source("a").breaker.state == "open"
    rig.script("a", Step())
    await rig.clock.advance(TOLD_AGAIN_S / 2)
    while await rig.book() != "a":
        await rig.clock.advance(1)
    assert [(e.kind, e.provider) for e in events][1:] == [("returned", "a")]
    rig.script("a", BROKEN)
    await rig.clock.advance(TOLD_AGAIN_S)
    await rig.book()
    assert [(e.kind, e.other) for e in events][2:] == [("failed_over", "a")]
    assert events.maxlen == EVENTS_KEPT


async def test_one_that_fails_and_answers_in_turn_is_told_of_once_a_minute() -> None:
    rig = Rig("a", "b")
    rig.script("a", *[BROKEN, Step()] * 20)
    for _ in range(20):
        await rig.book()
    assert [e.kind for e in rig.gateway.pools.events] == ["failed_over", "returned"]


async def test_a_breaker_that_others_opened_is_a_failover_too() -> None:
    rig = Rig("a", "b", "c")
    await open_breaker(rig, "a")
    await open_breaker(rig, "c")
    assert await rig.book() == "b"
    found = [(e.provider, e.other, e.reason) for e in rig.gateway.pools.events]
    assert found == [("b", "a", "circuit_open")], "who comes after the one that answered was not stood in for"


@pytest.mark.parametrize("body", [b"unlisted", b"empty"])
async def test_an_ask_the_first_has_nothing_on_is_no_failover(body: bytes) -> None:
    rig = Rig("a", "b")
    rig.script("a", Step(body=body))
    assert await rig.book() == "b"
    assert not rig.gateway.pools.events


async def test_when_nobody_answers_the_error_names_the_pool() -> None:
    rig = Rig("a", "b")
    rig.script("a", BROKEN)
    rig.script("b", HANG)
    rig.gateway.pools.take_up([own(Member("b"))], [])
    with pytest.raises(AllProvidersFailed) as caught:
        await rig.book()
    assert caught.value.details["pool"] == "own"
    assert {row["provider"] for row in caught.value.details["tried"]} == {"a", "b"}


async def test_a_request_knows_what_was_asked_for_it() -> None:
    rig = Rig("a", "b")
    rig.script("a", BROKEN)

    async def request() -> list[trace.Asked]:
        trace.begin()
        # As the cache loads: in a task that the request starts and waits for.
        await asyncio.create_task(rig.gateway.ask(Capability.BOOK, lambda source: BOOK))
        await rig.gateway.ask(Capability.BOOK, lambda source: BOOK, providers=["b"])
        return trace.asked()

    first, second = await rig.finish(asyncio.create_task(request()))
    assert first.route is not None
    assert (first.provider, first.route.order, first.route.pool) == ("b", ("a", "b"), "exchanges")
    assert [(t.provider, t.failure) for t in first.tried] == [("a", "upstream_server_error"), ("b", None)]
    assert (second.provider, second.route) == ("b", None)
    assert trace.asked() == [], "what one request asked is none of another's business"


async def test_what_a_request_asked_is_noted_up_to_a_bound() -> None:
    rig = Rig("a")

    async def request() -> int:
        trace.begin()
        for _ in range(trace.MOST + 3):
            await rig.gateway.ask(Capability.BOOK, lambda source: BOOK)
        return len(trace.asked())

    assert await rig.finish(asyncio.create_task(request())) == trace.MOST


async def test_many_keys_are_gathered_in_the_order_of_the_pool() -> None:
    rig = Rig("a", "b")
    rig.gateway.pools.take_up([replace(own(Member("b")), capabilities=frozenset({Capability.QUOTES}))], [])
    rig.script("b", Step(body=b"X"))
    rig.script("a", Step(body=b"X,Y"))
    found, answers = await rig.finish(
        rig.gateway.gather_missing(
            Capability.QUOTES,
            ["X", "Y"],
            lambda source, missing: QuotesAsk(ids=tuple(sorted(map(str, missing)))),
            lambda record: record.symbol,  # type: ignore[union-attr]
        )
    )
    assert [answer.provider for answer in answers] == ["b", "a"]
    assert rig.transport.calls("b") == 1
    assert set(found) == {"X", "Y"}


async def test_a_source_that_comes_or_goes_changes_the_order_at_once() -> None:
    rig = Rig("a", "b")
    rig.gateway.pools.take_up([shipped("round_robin")], [])
    await rig.books(20)
    rig.add(entry("new", 5), toy())
    assert Counter(await rig.books(30)) == {"a": 10, "b": 10, "new": 10}
    del rig.gateway.sources["a"]
    assert Counter(await rig.books(30)) == {"b": 15, "new": 15}


def test_each_strategy_is_described() -> None:
    assert all(words and words == words.strip() for words in STRATEGIES.values())


async def test_a_failing_member_that_left_is_forgotten() -> None:
    rig = Rig("a", "b")
    pools, sources = rig.gateway.pools, rig.gateway.sources
    rig.script("a", *[BROKEN] * 10)
    await rig.book()
    pools.let_go(sources)
    assert set(pools.failing) == {("exchanges", "a")}
    pools.let_go({"b": sources["b"]})
    assert not pools.failing
    pools.failing["exchanges", "a"] = 1
    # A pool of the operator's own places it now: what it answers would never be counted in the one it was in.
    pools.take_up([own(Member("a"), capabilities=frozenset(sources["a"].entry.offers))], [])
    pools.let_go(sources)
    assert not pools.failing
