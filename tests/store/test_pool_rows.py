"""Who of a pool is set aside, and what happened: all of a change is stored, or nothing."""

from __future__ import annotations

import pytest

from crypto_dt_source.model.pool import Aside, PoolEvent
from crypto_dt_source.store import PoolMemberRow, PoolRow, Store, StoreError
from crypto_dt_source.store.repos import pools

from .conftest import T0

POOL = PoolRow("own", "Own", "x", "weighted", T0, capabilities="book trades")
MADE = PoolEvent(T0, "own", "created", None, None, "by hand")


async def test_asides_are_kept_until_they_end_or_their_pool_does(store: Store) -> None:
    members = (PoolMemberRow("okx", None, 2.0, removed=True), PoolMemberRow("kraken", 3, 1.0))
    await pools.put(store, POOL._replace(members=members), events=[MADE])
    assert await pools.get(store, "own") == POOL._replace(members=members)
    until, always = Aside("okx", T0, T0 + 5, "maintenance"), Aside("kraken", T0 + 1, None, "", True)
    gone = PoolEvent(T0 + 1, "own", "failed_over", "kraken", "okx", "maintenance")
    await pools.set_aside(store, "own", [until, always], (), [gone])
    await pools.set_aside(store, "rpc", [until], (), [])
    assert await pools.asides(store) == [("own", until), ("own", always), ("rpc", until)]
    await pools.set_aside(store, "own", [until._replace(until_ms=None)], ["kraken"], [])
    assert await pools.asides(store) == [("own", until._replace(until_ms=None)), ("rpc", until)]
    await pools.put(store, POOL, returned=["okx"])
    assert await pools.asides(store) == [("rpc", until)]
    await pools.set_aside(store, "own", [until], (), [])
    assert await pools.remove(store, "own", events=[gone])
    assert await pools.asides(store) == [("rpc", until)]
    assert not await pools.remove(store, "rpc"), "a shipped pool nobody changed has no row"
    assert await pools.asides(store) == []


async def test_history_is_paged_by_number(store: Store) -> None:
    events = [PoolEvent(T0 + n, "own" if n % 2 else "rpc", "rotated", "a", None, "x") for n in range(6)]
    await pools.note(store, events[:4])
    await pools.note(store, events[4:])
    await pools.note(store, [])
    whole = await pools.history(store, 10)
    assert [event for _, event in whole] == events[::-1]
    assert await pools.history(store, 2, before=whole[1][0]) == whole[2:4]
    assert await pools.history(store, 10, pool="own") == whole[0::2]
    last = whole[0][0]
    assert await pools.last_number(store) == last
    assert await pools.after(store, whole[2][0], 10) == whole[1::-1]
    assert await pools.after(store, last, 10) == []
    assert await pools.has_history(store, "own")
    assert not await pools.has_history(store, "nowhere")
    assert await pools.forget(store, T0 + 5) == 5
    assert [event for _, event in await pools.history(store, 10)] == events[5:]


async def test_an_event_is_there_only_with_its_change(store: Store) -> None:
    wrong = PoolMemberRow("okx", 1, None)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        await pools.put(store, POOL._replace(members=(wrong,)), events=[MADE])
    assert await pools.all_pools(store) == []
    assert await pools.history(store, 10) == []
