"""Keys, the limiter's counts and the audit log on both databases; and a command that writes beside the owner of a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.access import ApiKey, Use
from crypto_dt_source.store import AuditRow, Store, StoreError, StoreOpenError, open_store
from crypto_dt_source.store.repos import audit, integrity, keys, limiter

from .conftest import DAY, T0


def key(number: int, **changes: object) -> ApiKey:
    made = ApiKey(
        id=f"key_{number:012d}",
        name=f"desk {number}",
        prefix="cdts_live_0Ab1Cd…",
        fingerprint=f"{number:064x}",
        tier="pro",
        scopes=frozenset({"read", "admin"}),
        created_ms=T0,
        origins=("https://a.example", "http://b.example:8080"),
    )
    return made._replace(**changes)  # type: ignore[arg-type]


async def held(store: Store) -> dict[str, ApiKey]:
    return {found.id: found for found in (await keys.since(store))[0]}


async def test_a_key_is_read_as_it_was_stored(store: Store) -> None:
    assert await keys.since(store) == ([], 0)
    full = key(
        2, last_used_ms=T0, expires_ms=T0 + 9, origins=(), scopes=frozenset({"read"}), name="dé\x00sk\ud800"
    )
    await keys.put(store, key(1), full)
    found, changed = await keys.since(store)
    assert found == [key(1), full._replace(name="dé\ufffdsk\ufffd")]
    assert changed == 2
    for twin in (key(1, fingerprint="f" * 64), key(3, fingerprint=key(1).fingerprint)):
        with pytest.raises(StoreError):
            await keys.put(store, twin)


async def test_changes_are_found_by_their_number(store: Store) -> None:
    await keys.put(store, *(key(n) for n in range(1, 4)))
    _, changed = await keys.since(store)
    assert [found.id for found in (await keys.since(store, changed))[0]] == [key(3).id]
    assert await keys.revoke(store, key(1).id, T0 + 5)
    await keys.used(store, {key(2).id: T0 + 6})
    found, changed = await keys.since(store, changed + 1)
    assert (found, changed) == ([key(1, revoked_ms=T0 + 5)], 4)
    assert await keys.since(store, 5) == ([], 5)


async def test_a_revoked_key_stays_revoked_and_is_not_replaced(store: Store) -> None:
    await keys.put(store, key(1))
    assert await keys.revoke(store, key(1).id, T0 + 5)
    assert not await keys.revoke(store, key(1).id, T0 + 9)
    assert not await keys.revoke(store, "key_none", T0 + 9)
    assert not await keys.replace(store, key(1, expires_ms=T0 + 60), key(2))
    assert await held(store) == {key(1).id: key(1, revoked_ms=T0 + 5)}


async def test_a_key_is_replaced_once(store: Store) -> None:
    await keys.put(store, key(1))
    ending = key(1, expires_ms=T0 + 60)
    done = await asyncio.gather(*(keys.replace(store, ending, key(n)) for n in range(2, 8)))
    assert sum(done) == 1
    (new,) = (name for name in await held(store) if name != key(1).id)
    assert (await held(store))[key(1).id] == ending._replace(replaced_by=new)
    assert not await keys.replace(store, key(9), key(10))
    assert len(await held(store)) == 2


async def test_of_two_processes_one_replaces_a_key(postgres_url: str) -> None:
    stores = [await open_store(postgres_url, clock=ManualClock(T0)) for _ in range(3)]
    for first in range(0, 60, 10):
        await keys.put(stores[0], key(first))
        done = await asyncio.gather(
            *(keys.replace(s, key(first, revoked_ms=T0), key(first + n)) for n, s in enumerate(stores, 1))
        )
        assert sum(done) == 1
    assert len(await held(stores[1])) == 12
    for store in stores:
        await store.close()


async def test_the_latest_use_stays(store: Store) -> None:
    await keys.put(store, key(1), key(2))
    assert await keys.uses(store) == {}
    await keys.used(store, {key(1).id: T0 + 5, "key_none": T0})
    await keys.used(store, {key(1).id: T0 + 3})
    assert await keys.uses(store) == {key(1).id: T0 + 5}
    assert (await held(store))[key(1).id].last_used_ms == T0 + 5


async def test_counts_replace_each_other_by_bucket_and_are_forgotten(store: Store) -> None:
    day = T0 // DAY
    first = Use("key:a", "pro", T0, day, 7, 60, ((T0 - 9, 2), (T0, 5)))
    other = Use("2001:db8::/64", "free", T0 - DAY, day - 1, 3, 0, ())
    assert await limiter.put(store, [first, other]) == 2
    assert await limiter.put(store, []) == 0
    again = first._replace(used=8, at_ms=T0 + 1, cells=((T0 + 1, 8),))
    await limiter.put(store, [again])
    assert sorted(await limiter.every(store)) == sorted([again, other])
    assert await limiter.drop(store, day, T0 - DAY) == 0
    assert await limiter.drop(store, day, T0) == 1
    assert await limiter.every(store) == [again]


def action(at_ms: int, actor: str = "key_1", request: str = "r") -> AuditRow:
    return AuditRow(0, at_ms, actor, "127.0.0.1", "POST /x", "id=1", request, None)


async def test_an_action_gets_its_own_end(store: Store) -> None:
    """Also where clients choose the same request id."""
    rows = [action(T0), action(T0, "key_2"), action(T0 + 1), action(T0, request="é\x00")]
    for row in rows:
        await audit.begun(store, row)
    await audit.ended(store, rows[1]._replace(status=404))
    await audit.ended(store, rows[2]._replace(status=201, target="id=1, replaced_by=2"))
    await audit.ended(store, rows[3]._replace(status=200))
    await audit.ended(store, action(T0 + 9)._replace(status=500))
    found = await audit.page(store, 9)
    assert [(row.number, row.actor, row.target, row.status) for row in found] == [
        (4, "key_1", "id=1", 200),
        (3, "key_1", "id=1, replaced_by=2", 201),
        (2, "key_2", "id=1", 404),
        (1, "key_1", "id=1", None),
    ]
    assert found[0].request == "é\ufffd"
    assert [row.number for row in await audit.page(store, 2, before=3)] == [2, 1]
    assert await audit.drop(store, T0 + 1) == 3
    assert [row.number for row in await audit.page(store, 9)] == [3]


async def test_the_end_of_an_action_is_not_written_twice(store: Store) -> None:
    await audit.begun(store, action(T0))
    for status in (201, 500):
        await audit.ended(store, action(T0)._replace(status=status))
    assert [row.status for row in await audit.page(store, 9)] == [201]


async def test_beside_the_owner_of_a_file_writes_go_in_turns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cdts.db"
    owner = await open_store(url)
    with pytest.raises(StoreOpenError, match="open in another process"):
        await open_store(url)
    beside = [await open_store(url, beside=True) for _ in range(2)]

    async def write(store: Store, first: int) -> None:
        for n in range(first, first + 40):
            await keys.put(store, key(n))

    await asyncio.gather(*(write(store, n * 100) for n, store in enumerate([owner, *beside])))
    assert len(await held(owner)) == len(await held(beside[0])) == 120
    for store in beside:
        await store.close()
    assert await keys.revoke(owner, key(0).id, T0)
    assert (await integrity.check(owner)).problems == []
    await owner.close()
    again = await open_store(url)
    assert len(await held(again)) == 120
    await again.close()


async def test_a_file_nobody_has_open_is_owned_by_whoever_would_write_beside(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/cdts.db"
    alone = await open_store(url, beside=True)
    await keys.put(alone, key(1))
    with pytest.raises(StoreOpenError, match="open in another process"):
        await open_store(url)
    await alone.close()
    owner = await open_store(url)
    assert list(await held(owner)) == [key(1).id]
    await owner.close()


async def test_whoever_writes_beside_outlives_the_owner(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cdts.db"
    owner = await open_store(url)
    beside = await open_store(url, beside=True)
    await keys.put(beside, key(1))
    await owner.close()
    next_owner = await open_store(url)
    await asyncio.gather(keys.put(beside, key(2)), keys.put(next_owner, key(3)))
    await beside.close()
    assert len(await held(next_owner)) == 3
    await next_owner.close()
