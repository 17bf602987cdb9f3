"""What keeps upstream calls bounded whatever clients ask: allowances, batches of unknown assets, refreshes behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.asset import Asset
from crypto_dt_source.model.errors import AllProvidersFailed
from crypto_dt_source.services import on_demand
from crypto_dt_source.services.allowance import Allowance
from crypto_dt_source.services.on_demand import BATCH, BATCHES_AT_ONCE, FAILED_S, RETRY_S, OnDemand
from crypto_dt_source.store.cache import Cache, Loaded


def asset(name: str) -> Asset:
    return Asset(name, name.upper(), name, "coin")


class Aggregators:
    """Knows `known`; `down` makes every call fail."""

    def __init__(self, *known: str) -> None:
        self.known = frozenset(known)
        self.down = False
        self.batches: list[list[str]] = []

    async def __call__(self, assets: Sequence[Asset]) -> frozenset[str]:
        self.batches.append([a.id for a in assets])
        if self.down:
            raise AllProvidersFailed("No source could answer.", details={"tried": []})
        return self.known & {a.id for a in assets}


async def test_everyone_who_asks_at_once_shares_one_batch() -> None:
    clock, upstream = ManualClock(), Aggregators("a", "b")
    wants = OnDemand(upstream, clock)
    asks = [asyncio.create_task(wants.want([asset(n)])) for n in ("a", "b", "a", "c")]
    await clock.advance(1)
    assert [sorted(b) for b in upstream.batches] == [["a", "b", "c"]]
    assert [task.result() for task in asks] == [(None, True)] * 4
    assert await wants.want([asset("c")]) == (None, False)
    await wants.close()


async def test_subsets_of_the_same_unknown_assets_are_not_new_questions() -> None:
    clock, upstream = ManualClock(), Aggregators()
    wants = OnDemand(upstream, clock)
    names = [asset(n) for n in "abcdefgh"]
    task = asyncio.create_task(wants.want(names))
    await clock.advance(1)
    await task
    for mask in range(1, 256):
        assert await wants.want([a for i, a in enumerate(names) if mask >> i & 1]) == (None, False)
    assert len(upstream.batches) == 1
    await wants.close()


async def test_an_asset_nobody_knows_rests_longer_each_time() -> None:
    clock, upstream = ManualClock(), Aggregators()
    wants = OnDemand(upstream, clock)
    at: list[float] = []
    for _ in range(4 * 3600 // 30):
        task = asyncio.create_task(wants.want([asset("a")]))
        await clock.advance(30)
        if (await task)[1]:
            at.append(clock.monotonic())
    gaps = [b - a for a, b in pairwise(at)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= 2 * RETRY_S + 30
    assert gaps[-1] >= 3600
    assert len(at) < 12
    await wants.close()


async def test_a_stream_of_new_assets_is_refused_after_a_while() -> None:
    clock, upstream = ManualClock(), Aggregators()
    wants = OnDemand(upstream, clock)
    for n in range(600):
        task = asyncio.create_task(wants.want([asset(f"x{n}")]))
        await clock.advance(1)
        assert (await task)[0] is None
    assert len(upstream.batches) <= BATCHES_AT_ONCE + 600 * on_demand.BATCHES_PER_S + 1
    await wants.close()


async def test_a_failure_reaches_everyone_and_is_retried_soon() -> None:
    clock, upstream = ManualClock(), Aggregators("a")
    wants = OnDemand(upstream, clock)
    upstream.down = True
    task = asyncio.create_task(wants.want([asset("a")]))
    await clock.advance(1)
    failure, asked = await task
    assert isinstance(failure, AllProvidersFailed)
    assert asked
    assert (await wants.want([asset("a")]))[0] is failure
    upstream.down = False
    await clock.advance(FAILED_S)
    task = asyncio.create_task(wants.want([asset("a")]))
    await clock.advance(1)
    assert await task == (None, True)
    await wants.close()


async def test_stale_prices_are_renewed_together_and_without_waiting() -> None:
    clock, upstream = ManualClock(), Aggregators(*"abc")
    wants = OnDemand(upstream, clock)
    for _ in range(1200):
        wants.renew([asset(n) for n in "abc"])
        await clock.advance(1)
    assert 4 <= len(upstream.batches) <= 6
    assert all(sorted(batch) == ["a", "b", "c"] for batch in upstream.batches[1:])
    await wants.close()


async def test_more_than_a_batch_is_asked_in_pieces() -> None:
    clock, upstream = ManualClock(), Aggregators()
    wants = OnDemand(upstream, clock)
    task = asyncio.create_task(wants.want([asset(f"x{n}") for n in range(2 * BATCH + 1)]))
    await clock.advance(1)
    assert await task == (None, True)
    assert [len(batch) for batch in upstream.batches] == [BATCH, BATCH, 1]
    await wants.close()


async def test_closing_lets_those_who_wait_go() -> None:
    clock = ManualClock()
    never = asyncio.Event()

    async def hang(assets: Sequence[Asset]) -> frozenset[str]:
        await never.wait()
        return frozenset()

    wants = OnDemand(hang, clock)
    task = asyncio.create_task(wants.want([asset("a")]))
    await clock.advance(1)
    await wants.close()
    await asyncio.wait_for(task, 5)


async def test_an_allowance_lasts_and_comes_back() -> None:
    clock = ManualClock()
    allowance = Allowance(clock, 0.5, 3)
    assert [allowance.spend() for _ in range(4)] == [True, True, True, False]
    await clock.advance(2)
    assert [allowance.spend() for _ in range(2)] == [True, False]
    await clock.advance(3600)
    assert [allowance.spend() for _ in range(4)] == [True, True, True, False]


async def test_a_refresh_behind_asks_first_and_leaves_young_values_to_the_timetable() -> None:
    clock = ManualClock()
    cache = Cache(clock)
    loads: list[float] = []
    asked: list[bool] = []

    async def load() -> Loaded[int]:
        loads.append(clock.monotonic())
        return Loaded(len(loads), clock.now_ms(), ())

    def allow() -> bool:
        asked.append(len(asked) % 2 == 1)
        return asked[-1]

    async def get() -> str:
        found = await cache.get("k", 10, 1000, load, renew_s=100, allow=allow)
        await clock.settle()
        return found.state

    assert await get() == "miss"
    await clock.advance(50)
    assert await get() == "stale"
    assert asked == []
    await clock.advance(60)
    assert await get() == "stale"
    assert asked == [False]
    assert len(loads) == 1
    await get()
    assert asked == [False, True]
    assert len(loads) == 2
    assert await get() == "hit"
    await clock.advance(1001)
    assert await get() == "miss"
    assert len(asked) == 2
    await cache.close()
