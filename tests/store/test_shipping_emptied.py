"""Shipping to a target that is empty now, or that nothing of can be used: nothing is begun anew there by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crypto_dt_source.clock import Clock
from crypto_dt_source.store import StoreError, StoreOpenError, chain, shipping, snapshots
from crypto_dt_source.store.errors import NotShipped
from crypto_dt_source.store.repos import pools
from crypto_dt_source.store.targets import Target

from .hosts import Hosts, pool


async def test_a_start_beside_a_target_that_is_empty_now_ships_nothing_there(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, shipper = await hosts.start("a")
    await pools.put(first, pool("one"))
    await shipper.close()
    await first.close()
    shutil.rmtree(hosts.folder)
    # What was on its way when the disk went.
    stray = "00000000000001-aa/segment-00000000000001"
    await Target(str(hosts.folder)).put(stray, b"")
    monkeypatch.setattr(shipping, "CONFIRM_S", 0.05)
    again, shipper = await hosts.start("a", every_s=0.01)
    with pytest.raises(NotShipped):
        await pools.put(again, pool("two"))
    await hosts.failing(shipper, "is its disk mounted")
    assert [name for name in hosts.objects() if name != stray] == []
    await shipper.close()
    await again.close()
    # Another target than before is a new one.
    monkeypatch.setattr(shipping, "CONFIRM_S", 15.0)
    hosts.folder = hosts.folder.with_name("elsewhere")
    moved, _ = await hosts.start("a")
    await pools.put(moved, pool("three"))
    assert (await hosts.refilled("b"))["pools"].rows == 3


async def test_a_start_that_can_use_nothing_does_not_begin_with_nothing(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = await hosts.start("a")
    await pools.put(store, pool("one"))
    room = snapshots.room
    monkeypatch.setattr(snapshots, "room", lambda _: 100)
    with pytest.raises(StoreOpenError, match="free"):
        await hosts.start("b")
    monkeypatch.setattr(snapshots, "room", room)
    (copy,) = hosts.folder.glob("*/snapshot-*")
    data = copy.read_bytes()
    copy.write_bytes(data[:-9] + bytes(9))
    with pytest.raises(StoreOpenError, match="nothing of what was shipped can be used"):
        await hosts.start("b")
    assert not hosts.database("b").exists()
    # Nor where what its manifest names is not there, or is cut short.
    copy.unlink()
    with pytest.raises(StoreOpenError, match="what they name is not there"):
        await hosts.start("b")
    copy.write_bytes(data)
    assert (await hosts.refilled("b"))["pools"].rows == 1


async def test_a_segment_on_top_of_what_is_gone_makes_nothing_safe(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy beside it finds that the target was emptied, and puts the claim back, while the segment is on its way."""
    store, shipper = await hosts.start("a")
    await pools.put(store, pool("one"))
    put, gone = chain.put_seen, False

    async def emptied(target: Target, clock: Clock, name: str, data: bytes) -> None:
        nonlocal gone
        if "/segment-" in name and not gone:
            gone = True
            for folder in filter(Path.is_dir, hosts.folder.iterdir()):
                shutil.rmtree(folder)
            with pytest.raises(StoreError, match="a whole copy follows"):
                await shipper._outrun()
        await put(target, clock, name, data)

    monkeypatch.setattr(chain, "put_seen", emptied)
    await pools.put(store, pool("two"))
    assert gone
    assert (await hosts.refilled("b"))["pools"].rows == 2
