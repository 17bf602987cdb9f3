"""A redeploy of a shipped service: when the newer start takes over, and when the older one goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from crypto_dt_source.store import StoreOpenError, chain, shipping
from crypto_dt_source.store.errors import NotShipped
from crypto_dt_source.store.repos import pools
from crypto_dt_source.store.takeup import give_back, take_up
from crypto_dt_source.store.targets import Target, TargetError

from .hosts import CLOCK, Hosts, market, pool


class Meeting(Target):
    """Calls each of `then` once, as names with `word` in them are read, put or listed."""

    def __init__(self, folder: Path, word: str, *then: Callable[[], Awaitable[object]]) -> None:
        super().__init__(str(folder))
        self._word, self._then = word, list(then)

    async def _meet(self, name: str) -> None:
        if self._word in name and self._then:
            await self._then.pop(0)()

    async def put(self, name: str, data: bytes) -> None:
        await super().put(name, data)
        await self._meet(name)

    async def get_file(self, name: str, path: Path, size: int) -> None:
        await self._meet(name)
        await super().get_file(name, path, size)

    async def sizes(self, folder: str) -> dict[str, int]:
        await self._meet(folder)
        return await super().sizes(folder)

    async def folders(self) -> list[str]:
        await self._meet("folders")
        return await super().folders()


async def _no_answer() -> None:
    raise TargetError("no answer")


@pytest.mark.parametrize("word", ["snapshot", f"{chain.CLAIMS}/"])
async def test_a_start_that_fails_leaves_the_older_as_it_was(hosts: Hosts, word: str) -> None:
    """Whether it cannot read before it has claimed the place, or after."""
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))
    with pytest.raises(StoreOpenError, match="no answer"):
        await hosts.start("new", target=Meeting(hosts.folder, word, _no_answer))
    await pools.put(old, pool("after"))
    assert (shipper.state.superseded, shipper.state.awaited) == (None, None)
    assert (await hosts.refilled("new"))["pools"].rows == 2


@pytest.mark.parametrize(("word", "copies"), [(chain.CLAIMS, 1), ("snapshot", 2)])
async def test_what_is_shipped_while_a_start_reads_is_in_it(hosts: Hosts, word: str, copies: int) -> None:
    """As segments that follow what it read, and as another copy."""
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))

    async def meanwhile() -> None:
        if copies == 2:
            shipper._break()
        await pools.put(old, pool("meanwhile"))

    new, _ = await hosts.start("new", target=Meeting(hosts.folder, word, meanwhile))
    assert shipper.state.copies == copies
    assert {row.id for row in await pools.all_pools(new)} == {"before", "meanwhile"}
    await pools.put(new, pool("mine"))
    assert (await hosts.refilled("next"))["pools"].rows == 3


async def test_the_older_waits_while_a_newer_start_has_not_shipped(hosts: Hosts) -> None:
    target = Target(str(hosts.folder))
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))
    taken = await take_up(target, hosts.database("new"), CLOCK)
    put = asyncio.create_task(pools.put(old, pool("after")))
    while shipper.state.awaited is None:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)
    await market(old, 5)
    with pytest.raises(NotShipped) as refused:
        await pools.put(old, pool("again"))
    assert (refused.value.kind, put.done()) == ("awaited", False)
    await give_back(target, taken)
    await put
    assert await hosts.refilled("other") == hosts.contents("old")
    # The file that was made is not of what the older went on with.
    again, _ = await hosts.start("new")
    assert {row.id for row in await pools.all_pools(again)} == {"before", "after"}
    assert len(list(hosts.database("new").parent.glob("*.overtaken-*"))) == 1


@pytest.mark.parametrize("word", ["manifest", "segment"])
async def test_a_claim_that_comes_and_goes_loses_nothing(hosts: Hosts, word: str) -> None:
    """During a copy, and as a segment is put a second time."""
    plain = Target(str(hosts.folder))
    claim = f"{chain.CLAIMS}/{chain.epoch_of(CLOCK.now_ms() + 9000, 'other')}"

    async def fails() -> None:
        await market(store, 5)
        raise TargetError("no answer")

    async def claims() -> None:
        await plain.put(claim, b"{}")

    then = [claims] if word == "manifest" else [fails, claims]
    store, shipper = await hosts.start("a", every_s=0.01, target=Meeting(hosts.folder, word, *then))
    put = asyncio.create_task(pools.put(store, pool("one")))
    if word == "segment":
        await put
        put = asyncio.create_task(pools.put(store, pool("two")))
    while shipper.state.awaited is None:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)
    await market(store, 7)
    assert not put.done()
    await plain.remove([claim])
    await put
    await pools.put(store, pool("three"))
    assert await hosts.refilled("b") == hosts.contents("a")


async def test_a_start_that_ships_nothing_is_outrun_and_finds_it_out(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))
    taken = await take_up(Target(str(hosts.folder)), hosts.database("slow"), CLOCK)
    monkeypatch.setattr(shipping, "AWAIT_S", 0.0)
    await pools.put(old, pool("after"))
    monkeypatch.setattr(shipping, "AWAIT_S", 600.0)
    slow, outrun = await hosts.start("slow", taken=taken)
    with pytest.raises(NotShipped) as refused:
        await pools.put(slow, pool("mine"))
    assert refused.value.kind == "superseded"
    assert outrun.state.superseded == shipper.state.epoch
    await pools.put(old, pool("more"))
    assert await hosts.refilled("next") == hosts.contents("old")


async def test_a_file_that_turns_out_overtaken_does_not_stop_the_newer(hosts: Hosts) -> None:
    old, shipper = await hosts.start("old")
    await pools.put(old, pool("before"))
    await shipper.close()
    await old.close()
    new, newer = await hosts.start("new")
    await pools.put(new, pool("mine"))
    # The target does not answer as it starts: it goes on with the file.
    again, shipper = await hosts.start("old", target=Meeting(hosts.folder, "folders", _no_answer))
    with pytest.raises(NotShipped):
        await pools.put(again, pool("late"))
    assert shipper.state.superseded == newer.state.epoch
    await pools.put(new, pool("more"))
    assert (await hosts.refilled("next"))["pools"].rows == 3


async def test_a_start_of_another_version_takes_over_before_its_copy_is_there(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = await hosts.start("old")
    await pools.put(old, pool("before"))
    monkeypatch.setattr(f"{Hosts.__module__}.SCHEMA", "later")
    new, newer = await hosts.start("new")
    await pools.put(new, pool("mine"))
    names = {name.partition("/")[2] for name in hosts.objects() if name.startswith(newer.state.epoch or "")}
    assert {"manifest-00000000000000", "manifest-00000000000001", "snapshot-00000000000001"} <= names
    with pytest.raises(NotShipped):
        await pools.put(old, pool("after"))
    assert (await hosts.refilled("next"))["pools"].rows == 2
