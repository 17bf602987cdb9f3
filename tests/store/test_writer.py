"""The writer: grouping, isolation of failures, waiting, closing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from crypto_dt_source.store import PriceRow, Store, StoreClosed, StoreError, Write
from crypto_dt_source.store.repos import prices
from crypto_dt_source.store.writer import Writer

from .conftest import T0

ADD = "INSERT INTO assets (id) VALUES (?)"
DROP = "DELETE FROM assets WHERE id >= ?"


class Gate:
    """A database that commits when told, and refuses batches that hold `bad`."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.transactions: list[list[Write]] = []

    async def apply(self, writes: Sequence[Write]) -> list[int]:
        await self.open.wait()
        if any("bad" in row for write in writes for row in write.rows):
            raise StoreError("bad row")
        self.transactions.append(list(writes))
        return [len(write.rows) if write.counted else 0 for write in writes]


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_waits_shares_one_commit_and_one_statement() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.start()
    first = asyncio.create_task(writer.write([Write(ADD, [("a",)])]))
    await turns()
    rest = [
        asyncio.create_task(writer.write([Write(ADD, [(name,)]), Write(DROP, [(name,)], counted=name > "c")]))
        for name in "bcd"
    ]
    plain = [asyncio.create_task(writer.write([Write(ADD, [(name,)])])) for name in "ef"]
    await turns()
    assert writer.waiting == 5
    assert not first.done()
    gate.open.set()
    assert await asyncio.gather(first, *rest, *plain) == [0, 0, 0, 1, 0, 0]
    assert len(gate.transactions) == 2
    assert gate.transactions[1][-1] == Write(ADD, [("e",), ("f",)])
    await writer.close()


async def test_only_the_broken_batch_fails() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.start()
    tasks = [asyncio.create_task(writer.write([Write(ADD, [(name,)])])) for name in ("a", "bad", "c")]
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, StoreError, int]
    assert await writer.write([Write(ADD, [("d",)])]) == 0
    await writer.close()


async def test_a_full_queue_makes_callers_wait() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.start()
    tasks = [
        asyncio.create_task(writer.write([Write(ADD, [(str(n),)])])) for n in range(2 * Writer.QUEUE + 50)
    ]
    await turns()
    assert writer.waiting == Writer.QUEUE
    gate.open.set()
    await asyncio.gather(*tasks)
    assert sum(len(write.rows) for group in gate.transactions for write in group) == 2 * Writer.QUEUE + 50
    await writer.close()


async def test_close_commits_what_waits_and_refuses_what_comes() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.start()
    task = asyncio.create_task(writer.write([Write(ADD, [("a",)])]))
    await turns()
    closing = asyncio.create_task(writer.close())
    await turns()
    with pytest.raises(StoreClosed):
        await writer.write([Write(ADD, [("b",)])])
    gate.open.set()
    await closing
    assert await task == 0


async def test_callers_blocked_on_a_full_queue_are_told_at_close() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.start()
    tasks = [
        asyncio.create_task(writer.write([Write(ADD, [(str(n),)])])) for n in range(2 * Writer.QUEUE + 50)
    ]
    await turns()
    closing = asyncio.create_task(writer.close())
    await turns()
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await closing
    written = sum(len(write.rows) for group in gate.transactions for write in group)
    assert sum(result == 0 for result in results) == written
    assert all(result == 0 or isinstance(result, StoreClosed) for result in results)


async def test_a_killed_writer_leaves_nobody_waiting() -> None:
    writer = Writer(Gate())
    writer.start()
    tasks = [
        asyncio.create_task(writer.write([Write(ADD, [(str(n),)])])) for n in range(2 * Writer.QUEUE + 50)
    ]
    await turns()
    assert writer._task is not None
    writer._task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {StoreClosed}
    await writer.close()


async def test_a_cancelled_caller_does_not_disturb_the_others() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.start()
    tasks = [asyncio.create_task(writer.write([Write(ADD, [(name,)])])) for name in "abc"]
    await turns()
    tasks[1].cancel()
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, asyncio.CancelledError, int]
    await writer.close()


async def test_on_a_real_database_a_broken_batch_is_undone_alone(store: Store) -> None:
    tasks = [
        store.write([Write(ADD, [("a",)])]),
        store.write([Write(ADD, [("b",), ("b",)])]),
        store.write([Write(ADD, [("c",)]), Write(ADD, [(None,)])]),
        store.write([Write("INSERT INTO nothing VALUES (?)", [(1,)])]),
        store.write([Write(ADD, [(object(),)])]),
        store.write([Write(ADD, [("d",)])]),
    ]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, StoreError) for result in results] == [False, True, True, True, True, False]
    assert sorted(row[0] for row in await store.fetch("SELECT id FROM assets")) == ["a", "d"]
    assert await store.write([Write(DROP, [("b",)], counted=True), Write(ADD, [])]) == 1


async def test_readers_never_see_a_lock_nor_half_a_batch(store: Store) -> None:
    """Four readers against a writer that commits all the time; a batch is ten assets at one time."""
    names = [f"asset{n}" for n in range(10)]
    await store.numbers.assets(names)
    torn: list[object] = []
    reads = 0
    writing = True

    async def read() -> None:
        nonlocal reads
        while writing:
            rows = await store.fetch("SELECT timestamp, COUNT(*) FROM prices GROUP BY timestamp")
            torn.extend(row for row in rows if row[1] != 10)
            reads += 1

    readers = [asyncio.create_task(read()) for _ in range(4)]
    for n in range(60):
        batches = [[PriceRow(name, T0 + n * 4 + k, 1.0) for name in names] for k in range(4)]
        await asyncio.gather(*(prices.write_prices(store, batch) for batch in batches))
    writing = False
    await asyncio.gather(*readers)
    assert torn == []
    assert reads > 20
    assert await store.fetch("SELECT COUNT(*) FROM prices") == [(2400,)]


async def test_names_registered_at_once_get_one_number(store: Store) -> None:
    names = [f"asset{n}" for n in range(20)]
    maps = await asyncio.gather(*(store.numbers.assets(names) for _ in range(8)))
    assert all(found[name] == maps[0][name] for found in maps for name in names)
    assert len({maps[0][name] for name in names}) == 20
