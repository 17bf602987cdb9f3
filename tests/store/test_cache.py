"""The cache: soft and hard age, one flight a key, backoff, bounds."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import AllProvidersFailed, NoDataYet
from crypto_dt_source.store.cache import REFUSAL_S, RETRY_AFTER_FAILURE_S, Cache, Cached, Loaded


class Upstream:
    """A loader that counts, can be held back, and can fail."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: BaseException | None = None

    async def __call__(self) -> Loaded[int]:
        self.calls += 1
        value = self.calls
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Loaded(value, self.clock.now_ms(), ("venue",))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def cache(clock: ManualClock) -> AsyncIterator[Cache]:
    made = Cache(clock, limit=4)
    yield made
    await made.close()


async def get(cache: Cache, load: Any, key: str = "k", **more: Any) -> Cached[int]:
    return await cache.get(key, 10, 100, load, **more)


async def test_miss_hit_stale_and_reload(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    started = clock.now_ms()
    assert await get(cache, load) == Cached(1, started, ("venue",), "miss")
    await clock.advance(9.9)
    assert await get(cache, load) == Cached(1, started, ("venue",), "hit")
    await clock.advance(0.1)
    assert await get(cache, load) == Cached(1, started, ("venue",), "stale")
    await clock.settle()
    assert (await get(cache, load)).value == 2
    await clock.advance(100)
    assert await get(cache, load) == Cached(3, clock.now_ms(), ("venue",), "miss")
    assert (cache.hits, cache.misses, cache.stale) == (2, 2, 1)


async def test_one_flight_for_all_callers(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    load.gate.clear()
    callers = [asyncio.create_task(get(cache, load)) for _ in range(50)]
    await clock.settle()
    load.gate.set()
    assert {c.value for c in await asyncio.gather(*callers)} == {1}
    assert load.calls == 1


async def test_a_cancelled_caller_leaves_the_load_to_the_others(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    load.gate.clear()
    first, second = (asyncio.create_task(get(cache, load)) for _ in range(2))
    await clock.settle()
    first.cancel()
    await clock.settle()
    assert first.cancelled()
    load.gate.set()
    assert (await second).value == 1
    second_wave = asyncio.create_task(get(cache, load))
    assert (await second_wave).state == "hit"


async def test_the_load_survives_its_only_caller(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    load.gate.clear()
    only = asyncio.create_task(get(cache, load))
    await clock.settle()
    only.cancel()
    load.gate.set()
    await clock.settle()
    assert (await get(cache, load)).state == "hit"
    assert load.calls == 1


async def test_a_failed_load_is_not_repeated_at_once(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    load.error = AllProvidersFailed("nobody", details={"tried": []})
    for _ in range(5):
        with pytest.raises(AllProvidersFailed):
            await get(cache, load)
    assert load.calls == 1
    await clock.advance(REFUSAL_S)
    load.error = None
    assert (await get(cache, load)).state == "miss"


async def test_a_failed_refresh_keeps_answering_and_rests(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    await get(cache, load)
    load.error = AllProvidersFailed("nobody")
    await clock.advance(20)
    for _ in range(5):
        assert (await get(cache, load)).state == "stale"
        await clock.settle()
    assert load.calls == 2
    await clock.advance(RETRY_AFTER_FAILURE_S)
    await get(cache, load)
    await clock.settle()
    assert load.calls == 3


async def test_every_caller_gets_an_exception_of_its_own(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    load.error = AllProvidersFailed("nobody", details={"tried": [1]}, retry_after=7)
    load.gate.clear()
    callers = [asyncio.create_task(get(cache, load)) for _ in range(20)]
    await clock.settle()
    load.gate.set()
    errors = await asyncio.gather(*callers, return_exceptions=True)
    errors += await asyncio.gather(*(get(cache, load) for _ in range(200)), return_exceptions=True)
    assert len({id(error) for error in errors}) == 220
    for error in errors:
        assert isinstance(error, AllProvidersFailed)
        assert (error.message, error.details, error.retry_after) == ("nobody", {"tried": [1]}, 7)
        assert len(traceback.extract_tb(error.__traceback__)) <= 4
        assert error.__context__ is None


async def test_a_bug_in_a_refresh_is_logged_and_not_kept_as_an_answer(
    cache: Cache, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Upstream(clock)
    await get(cache, load)
    await clock.advance(20)
    load.error = ZeroDivisionError("oops")
    assert (await get(cache, load)).state == "stale"
    await clock.settle()
    told = capsys.readouterr()
    assert "a refresh crashed" in told.out + told.err
    assert "oops" in told.out + told.err
    await clock.advance(200)
    with pytest.raises(ZeroDivisionError):
        await get(cache, load)


async def test_the_longest_unused_leave_first(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    for key in "abcd":
        await get(cache, load, key)
    await get(cache, load, "a")
    await get(cache, load, "e")
    assert len(cache) == 4
    assert cache.peek("b") is None
    assert cache.peek("a") is not None


async def test_a_key_under_way_is_not_dropped(cache: Cache, clock: ManualClock) -> None:
    slow, quick = Upstream(clock), Upstream(clock)
    slow.gate.clear()
    under_way = [asyncio.create_task(get(cache, slow, f"slow {i}")) for i in range(6)]
    await clock.settle()
    for i in range(20):
        await get(cache, quick, f"quick {i}")
    again = asyncio.create_task(get(cache, slow, "slow 0"))
    await clock.settle()
    assert slow.calls == 6
    slow.gate.set()
    await asyncio.gather(*under_way, again)
    await get(cache, quick, "last")
    assert len(cache) == 4


async def test_put_takes_the_newer(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    now = clock.now_ms()
    cache.put("k", Loaded(7, now - 50_000, ("store",)))
    assert await get(cache, load) == Cached(7, now - 50_000, ("store",), "stale")
    cache.put("k", Loaded(6, now - 60_000, ("store",)))
    assert cache.peek("k") == Loaded(7, now - 50_000, ("store",))
    load.gate.clear()
    cache.put("k", Loaded(8, now + 1, ("job",)))
    load.gate.set()
    await clock.settle()
    assert cache.peek("k") == Loaded(8, now + 1, ("job",))  # the slower refresh brought something older


async def test_a_value_from_the_future_is_renewed(cache: Cache, clock: ManualClock) -> None:
    load = Upstream(clock)
    cache.put("k", Loaded(7, clock.now_ms() + 86_400_000, ("store",)))
    assert (await get(cache, load)).state == "stale"
    await clock.settle()
    assert load.calls == 1


async def test_close_ends_what_is_under_way(clock: ManualClock) -> None:
    cache = Cache(clock)
    load = Upstream(clock)
    load.gate.clear()
    caller = asyncio.create_task(get(cache, load))
    await clock.settle()
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
    cache.put("k", Loaded(1, clock.now_ms() - 50_000, ()))
    await get(cache, load)
    await clock.settle()
    assert load.calls == 1
    gc.collect()


async def test_large_values_leave_by_their_cost_and_small_ones_stay(clock: ManualClock) -> None:
    cache = Cache(clock, limit=100, cost_limit=50)

    def load(cost: int) -> Any:
        async def bring() -> Loaded[int]:
            return Loaded(1, clock.now_ms(), ("venue",), cost)

        return bring

    await cache.get("small", 10, 100, load(1))
    for n in range(5):
        await cache.get(n, 10, 100, load(20))
    assert [key for key in ("small", *range(5)) if cache.peek(key)] == ["small", 3, 4]
    assert cache.cost == 41
    await clock.advance(100)
    await cache.get("other", 10, 100, load(1))
    assert [key for key in ("small", 3, 4) if cache.peek(key)] == ["small"]
    assert cache.cost == 2
    await cache.close()


async def test_what_is_not_admitted_is_not_loaded_and_pushes_nothing_out(
    cache: Cache, clock: ManualClock
) -> None:
    load = Upstream(clock)
    await get(cache, load, key="held")
    for n in range(10):
        with pytest.raises(NoDataYet) as caught:
            await get(cache, load, key=f"new-{n}", admit=lambda: False)
        assert caught.value.retry_after
    assert load.calls == 1
    assert len(cache) == 1
    assert (await get(cache, load, key="held", admit=lambda: False)).state == "hit"
    await clock.advance(100)
    with pytest.raises(NoDataYet):
        await get(cache, load, key="held", admit=lambda: False)
    assert (await get(cache, load, key="held", admit=lambda: True)).value == 2
