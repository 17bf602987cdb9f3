"""Shipping: what was acknowledged is in the database that the next start makes, whoever else ships late or at once."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from crypto_dt_source.store import (
    StoreError,
    StoreOpenError,
    Write,
    chain,
    open_store,
    shipping,
    tables,
)
from crypto_dt_source.store.errors import NotShipped
from crypto_dt_source.store.marker import mark
from crypto_dt_source.store.refill import replay
from crypto_dt_source.store.repos import pools, providers
from crypto_dt_source.store.sql import PROMISED, promised
from crypto_dt_source.store.takeup import take_up
from crypto_dt_source.store.targets import MISSING, Target, TargetError

from .hosts import CLOCK, Hosts, market, pool


async def test_what_was_acknowledged_is_in_the_next_start(hosts: Hosts) -> None:
    store, shipper = await hosts.start("a")
    await market(store, 1000)
    await pools.put(store, pool("one"))
    await market(store, 2000)
    await pools.put(store, pool("two"))
    assert shipper.state.copies == 1
    assert shipper.state.behind_ms is None
    expected = hosts.contents("a")
    assert expected["prices"].rows == 60
    assert await hosts.refilled("b") == expected


async def test_a_start_goes_on_where_another_ended(hosts: Hosts) -> None:
    for number, host in enumerate("abc"):
        store, shipper = await hosts.start(host)
        await market(store, number)
        await pools.put(store, pool(f"of-{host}"))
        # Only the first had to copy anything; the others name what is there.
        assert shipper.state.copies == (1 if host == "a" else 0)
    assert {row.id for row in await pools.all_pools(store)} == {"of-a", "of-b", "of-c"}
    assert await hosts.refilled("d") == hosts.contents("c")


async def test_a_clean_stop_loses_nothing(hosts: Hosts) -> None:
    store, shipper = await hosts.start("a")
    await pools.put(store, pool("one"))
    await market(store, 1000)
    await shipper.close()
    assert await hosts.refilled("b") == hosts.contents("a")


async def test_the_older_of_two_confirms_nothing_more(hosts: Hosts) -> None:
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))
    new, _ = await hosts.start("new")
    with pytest.raises(NotShipped) as refused:
        await pools.put(old, pool("after"))
    assert refused.value.kind == "superseded"
    assert shipper.state.superseded is not None
    with pytest.raises(NotShipped):
        await pools.put(old, pool("again"))
    await market(old, 5)
    await pools.put(new, pool("mine"))
    assert {row.id for row in await pools.all_pools(new)} == {"before", "mine"}
    assert (await hosts.refilled("next"))["pools"].rows == 2


class Overtaking(Target):
    """Shows a newer start's claim in the moment after a segment was looked for claims and before it is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.armed = False

    async def put(self, name: str, data: bytes) -> None:
        if self.armed and "segment" in name:
            epoch = chain.epoch_of(CLOCK.now_ms() + 9, "newer")
            await super().put(f"{chain.CLAIMS}/{epoch}", b"{}")
            await super().put(chain.name_of(epoch, "manifest", 0), b"{}")
        await super().put(name, data)


async def test_a_claim_seen_after_the_segment_is_in_time(hosts: Hosts) -> None:
    target = Overtaking(hosts.folder)
    store, shipper = await hosts.start("old", target=target)
    await pools.put(store, pool("before"))
    target.armed = True
    with pytest.raises(NotShipped) as refused:
        await pools.put(store, pool("after"))
    assert refused.value.kind == "superseded"
    assert shipper.state.superseded is not None


async def test_a_late_flush_of_the_older_is_never_taken_for_the_newer(hosts: Hosts) -> None:
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))
    await pools.put(old, pool("second"))
    epoch = shipper.state.epoch or ""
    last = (hosts.folder / chain.name_of(epoch, "segment", 2)).read_bytes()
    late = chain.pack(
        epoch, 3, 1, chain.digest(last), [[Write("DELETE FROM pools WHERE id = ?", [("before",)])]]
    )
    new, _ = await hosts.start("new")
    await pools.put(new, pool("mine"))
    (hosts.folder / chain.name_of(epoch, "segment", 3)).write_bytes(late)
    assert (await hosts.refilled("next"))["pools"].rows == 3


async def test_a_manifest_that_names_what_cannot_be_seen_is_not_used(hosts: Hosts) -> None:
    old, _ = await hosts.start("old")
    await pools.put(old, pool("before"))
    await pools.put(old, pool("second"))
    new, newer = await hosts.start("new")
    await pools.put(new, pool("mine"))
    manifest = hosts.folder / chain.name_of(newer.state.epoch or "", "manifest", 0)
    named = manifest.read_bytes()
    manifest.write_bytes(named.replace(b"segment-00000000000002", b"segment-00000000000077"))
    assert (await hosts.refilled("other"))["pools"].rows == 2
    manifest.write_bytes(named)
    assert (await hosts.refilled("next"))["pools"].rows == 3


@pytest.mark.parametrize("harm", ["cut", "flipped"])
async def test_a_damaged_segment_ends_what_counts(hosts: Hosts, harm: str) -> None:
    store, shipper = await hosts.start("a")
    for name in ("one", "two", "three"):
        await pools.put(store, pool(name))
    path = hosts.folder / chain.name_of(shipper.state.epoch or "", "segment", 3)
    data = path.read_bytes()
    path.write_bytes(data[:-3] if harm == "cut" else data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    assert (await hosts.refilled("b"))["pools"].rows == 2


async def test_what_another_process_wrote_is_shipped_as_a_copy(hosts: Hosts) -> None:
    store, shipper = await hosts.start("a")
    await pools.put(store, pool("one"))
    beside = await open_store(f"sqlite:///{hosts.database('a')}", beside=True)
    await pools.put(beside, pool("beside"))
    await beside.close()
    await pools.put(store, pool("two"))
    assert (shipper.state.copies, shipper.state.segments) == (2, 0)
    assert await hosts.refilled("b") == hosts.contents("a")


async def test_many_segments_become_a_copy_and_leave(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "SEGMENTS", 3)
    monkeypatch.setattr(shipping, "COPY_REST_S", 0.0)
    store, shipper = await hosts.start("a")
    for number in range(12):
        await pools.put(store, pool(f"pool{number}"))
        if shipper._copying is not None:
            await shipper._copying
    assert shipper.state.copies >= 3
    assert sum("snapshot" in name for name in hosts.objects()) == 2
    assert sum("segment" in name for name in hosts.objects()) <= 8
    assert await hosts.refilled("b") == hosts.contents("a")


async def test_more_than_may_wait_becomes_a_copy(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    store, shipper = await hosts.start("a")
    await pools.put(store, pool("one"))
    monkeypatch.setattr(shipping, "MOST_ROWS", 50)
    for number in range(4):
        await market(store, number)
    assert sum(len(batch) for batch in shipper._log) == 0
    await pools.put(store, pool("two"))
    assert shipper.state.copies >= 2
    assert await hosts.refilled("b") == hosts.contents("a")


class Late(Target):
    """Shows what was put only once it is released."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.holding = False
        self.held: dict[str, bytes] = {}
        self.looked = asyncio.Event()

    async def put(self, name: str, data: bytes) -> None:
        if self.holding:
            self.held[name] = data
        else:
            await super().put(name, data)

    async def get(self, name: str) -> bytes:
        if name in self.held:
            self.looked.set()
            raise TargetError("an object is not there", kind=MISSING)
        return await super().get(name)

    async def release(self) -> None:
        self.holding = False
        for name, data in reversed(list(self.held.items())):
            await super().put(name, data)
        self.held.clear()


async def test_nothing_is_acknowledged_before_it_can_be_seen(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "LOOK_S", 0.001)
    target = Late(hosts.folder)
    store, _ = await hosts.start("a", target=target)
    await pools.put(store, pool("one"))
    target.holding = True
    put = asyncio.create_task(pools.put(store, pool("two")))
    await target.looked.wait()
    assert not put.done()
    await target.release()
    await put
    assert (await hosts.refilled("b"))["pools"].rows == 2


async def test_a_target_that_fails_refuses_and_one_that_works_again_takes_all(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, shipper = await hosts.start("a", every_s=0.01)
    await pools.put(store, pool("one"))
    monkeypatch.setattr(shipping, "CONFIRM_S", 0.05)
    away = hosts.folder.rename(hosts.folder.with_name("away"))
    hosts.folder.write_text("no folder")
    with pytest.raises(NotShipped) as late:
        await pools.put(store, pool("two"))
    assert late.value.status == 503
    assert "made here" in late.value.public
    assert shipper.state.error is not None
    hosts.folder.unlink()
    away.rename(hosts.folder)
    monkeypatch.setattr(shipping, "CONFIRM_S", 15.0)
    await pools.put(store, pool("three"))
    # One that has lost everything may be a disk that is not mounted: nothing is safe there until somebody says so.
    shutil.rmtree(hosts.folder)
    hosts.folder.mkdir()
    monkeypatch.setattr(shipping, "CONFIRM_S", 0.05)
    with pytest.raises(NotShipped):
        await pools.put(store, pool("four"))
    await hosts.failing(shipper, "is its disk mounted")
    # One segment may have been on its way.
    assert [name for name in hosts.objects() if "segment" not in name] == []
    monkeypatch.setattr(shipping, "CONFIRM_S", 15.0)
    await mark(Target(str(hosts.folder)))
    await pools.put(store, pool("five"))
    assert (await hosts.refilled("b"))["pools"].rows == 5


async def test_a_file_that_was_overtaken_is_put_aside(hosts: Hosts) -> None:
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))
    await shipper.close()
    await old.close()
    new, _ = await hosts.start("new")
    await pools.put(new, pool("mine"))
    again, _ = await hosts.start("old")
    assert {row.id for row in await pools.all_pools(again)} == {"before", "mine"}
    assert len(list(hosts.database("old").parent.glob("cdts.db.overtaken-*"))) == 1


async def test_a_restart_on_the_same_disk_keeps_its_file(hosts: Hosts) -> None:
    first, shipper = await hosts.start("a")
    await pools.put(first, pool("one"))
    await shipper.close()
    await market(first, 7)
    await first.close()
    again, _ = await hosts.start("a")
    await pools.put(again, pool("two"))
    assert (await hosts.refilled("b"))["prices"].rows == 30


async def test_a_file_that_was_never_shipped_is_not_replaced(hosts: Hosts) -> None:
    store, _ = await hosts.start("a")
    await pools.put(store, pool("one"))
    other = await open_store(f"sqlite:///{hosts.database('b')}")
    await other.close()
    with pytest.raises(StoreOpenError, match="another database"):
        await hosts.start("b")


async def test_without_a_file_the_target_must_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreOpenError, match="SHIP_URL"):
        await take_up(Target(str(tmp_path / "file")), tmp_path / "a" / "cdts.db", CLOCK)


@pytest.mark.parametrize(
    "sql", ["ATTACH DATABASE '{}' AS x", "DROP TABLE t", "PRAGMA writable_schema=1", "CREATE TABLE u (a)"]
)
def test_a_segment_can_only_change_rows(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    bad = chain.Segment(1, 0, "", "", [[(sql.format(tmp_path / "y.db"), [[]])]])
    with pytest.raises(StoreError, match="cannot be replayed"):
        replay(path, [bad])
    assert not (tmp_path / "y.db").exists()


@pytest.mark.parametrize(
    ("sql", "flag", "expected"),
    [
        ("INSERT INTO api_keys (id) VALUES (?)", None, True),
        ("update own_entries SET removed = ?", None, True),
        ("DELETE FROM pool_members WHERE pool = ?", None, True),
        ("DELETE FROM prices WHERE timestamp < ?", None, False),
        ("UPDATE api_keys SET last_used_ms = ?", False, False),
        ("UPDATE providers SET enabled = ?", True, True),
    ],
)
def test_what_people_decided_is_promised(sql: str, flag: bool | None, expected: bool) -> None:
    assert tables.metadata.tables.keys() >= PROMISED
    assert promised([Write(sql, [(1,)], promised=flag)]) is expected
    assert not promised([Write(sql, [], promised=flag)])


async def test_a_providers_choice_is_promised(hosts: Hosts) -> None:
    store, shipper = await hosts.start("a")
    await providers.set_choice(store, "okx", enabled=False, priority=3, weight=None)
    assert shipper.state.behind_ms is None
    assert await hosts.refilled("b") == hosts.contents("a")
