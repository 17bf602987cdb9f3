"""What is known of a database as such, and what is done to it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.store import Store, StoreError, Write, open_store
from crypto_dt_source.store.repos import upkeep

KEPT = "INSERT INTO kept (timestamp, key, source, payload) VALUES (?, ?, ?, ?)"


async def opened(url: str) -> Store:
    return await open_store(url, clock=ManualClock())


async def test_a_new_database_lacks_nothing_and_a_dropped_index_comes_back(url: str) -> None:
    store = await opened(url)
    try:
        there = await upkeep.schema(store)
        assert (there.revision, there.tables, there.indexes) == (there.wanted, [], [])
        for name in ("ix_news_heads", "ux_job_runs_under_way"):
            await store.tend(f"DROP INDEX {name}")
        assert (await upkeep.schema(store)).indexes == ["ix_news_heads", "ux_job_runs_under_way"]
        for name in ("ix_news_heads", "ux_job_runs_under_way"):
            await upkeep.make_index(store, name)
        assert (await upkeep.schema(store)).indexes == []
        # It is the same index: unique, and of runs under way alone.
        run = "INSERT INTO job_runs (started_ms, due_ms, job, cause) VALUES (1, 1, 'a', 'person')"
        await store.write([Write(run, [()])])
        with pytest.raises(StoreError):
            await store.write([Write(run, [()])])
        assert await upkeep.problems(store, thorough=True) == []
        await upkeep.write_nothing(store)
    finally:
        await store.close()


async def test_a_missing_table_is_named_without_its_indexes(url: str) -> None:
    store = await opened(url)
    try:
        await store.tend("DROP TABLE candidates")
        there = await upkeep.schema(store)
        assert (there.tables, there.indexes) == (["candidates"], [])
    finally:
        await store.close()


async def test_the_log_is_cut_and_unused_pages_go_back(tmp_path: Path) -> None:
    store = await opened(f"sqlite:///{tmp_path / 'a.db'}")
    try:
        rows = [(n, f"large:{n}", "", "x" * 1_000_000) for n in range(6)]
        await store.write([Write(KEPT, rows)])
        assert (await upkeep.room(store)).log > 6_000_000
        assert await upkeep.checkpoint(store)
        assert (await upkeep.room(store)).log == 0
        await upkeep.drop_kept(store, "large:0")
        await store.write([Write("DELETE FROM kept", [()])])
        full = await upkeep.room(store)
        assert full.free > 5_000_000
        await upkeep.vacuum(store)
        after = await upkeep.room(store)
        assert (after.free, after.file < full.file - 5_000_000) == (0, True)
        assert await upkeep.problems(store, thorough=True) == []
    finally:
        await store.close()


async def test_a_log_somebody_reads_cannot_be_cut(tmp_path: Path) -> None:
    store = await opened(f"sqlite:///{tmp_path / 'a.db'}")
    reader = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    try:
        await store.tend("PRAGMA busy_timeout=0")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM kept").fetchall()
        await store.write([Write(KEPT, [(1, "a", "", "x")])])
        assert not await upkeep.checkpoint(store)
        reader.execute("COMMIT")
        assert await upkeep.checkpoint(store)
    finally:
        reader.close()
        await store.close()


async def test_a_statement_waits_for_the_transaction_before_it(tmp_path: Path) -> None:
    """A checkpoint inside a transaction fails; writes and looking after the database go one after the other."""
    store = await opened(f"sqlite:///{tmp_path / 'a.db'}")
    try:
        rows = [(n, f"row:{n}", "", "x" * 1000) for n in range(500)]
        works = [store.write([Write(KEPT.replace("INSERT", "INSERT OR REPLACE"), rows)]) for _ in range(4)]
        tends = [upkeep.checkpoint(store) for _ in range(4)]
        done = await asyncio.gather(*[w for pair in zip(works, tends, strict=True) for w in pair])
        assert done[1::2] == [True] * 4
    finally:
        await store.close()
    read_only = await open_store(f"sqlite:///{tmp_path / 'a.db'}", read_only=True)
    try:
        with pytest.raises(StoreError):
            await read_only.tend("VACUUM")
    finally:
        await read_only.close()


async def test_a_statement_nobody_waits_for_is_interrupted(sqlite_store: Store) -> None:
    """As VACUUM is when its fix runs out of time: the one thread that writes is free again."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    for limit_s in (0.0, 0.05):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(limit_s):
                await sqlite_store.tend(endless)
        async with asyncio.timeout(5):
            await sqlite_store.write(
                [Write(KEPT.replace("INSERT", "INSERT OR REPLACE"), [(1, "a", "", "x")])]
            )
    await sqlite_store.tend("VACUUM")
