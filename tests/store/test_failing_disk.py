"""A disk that fails: the writer survives, says why, and goes on by itself once the disk does."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest

from crypto_dt_source.api.errors import error_body
from crypto_dt_source.store import Store, StoreError, Write
from crypto_dt_source.store.sqlite import SqliteDatabase
from crypto_dt_source.store.writer import Writer

ADD = "INSERT INTO assets (id) VALUES (?)"


def _database(store: Store) -> SqliteDatabase:
    found = store._database
    assert isinstance(found, SqliteDatabase)
    return found


async def test_a_full_disk_refuses_and_a_freed_one_takes_again(sqlite_store: Store) -> None:
    driver = await _database(sqlite_store)._writing()
    ((pages,),) = await driver.execute_fetchall("PRAGMA page_count")
    await driver.execute_fetchall(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError) as caught:
        await sqlite_store.write([Write(ADD, [(f"{n}" * 3000,) for n in range(50)])])
    assert caught.value.kind == "SQLITE_FULL"
    assert sqlite_store.write_error is not None
    assert sqlite_store.writable
    assert await sqlite_store.fetch("SELECT COUNT(*) FROM assets") == [(0,)]
    await driver.execute_fetchall("PRAGMA max_page_count=1000000")
    await sqlite_store.write([Write(ADD, [("a",)])])
    assert sqlite_store.write_error is None


async def test_a_rollback_that_fails_costs_one_batch(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = _database(sqlite_store)
    broken = await database._writing()

    async def refuse() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(broken, "rollback", refuse)
    with pytest.raises(StoreError):
        await sqlite_store.write([Write(ADD, [("lost",), (None,)])])
    assert sqlite_store.write_error is not None
    await sqlite_store.write([Write(ADD, [("kept",)])])
    assert await database._writing() is not broken
    assert sqlite_store.write_error is None
    assert await sqlite_store.fetch("SELECT id FROM assets") == [("kept",)]


async def test_the_writer_survives_what_is_no_store_error() -> None:
    class Scripted:
        def __init__(self) -> None:
            self.script: list[Exception] = [sqlite3_like(), OSError("gone")]

        async def apply(self, writes: Sequence[Write]) -> list[int]:
            if self.script:
                raise self.script.pop(0)
            return [0 for _ in writes]

    def sqlite3_like() -> Exception:
        return RuntimeError("the driver's thread is gone")

    writer = Writer(Scripted())
    writer.start()
    for _ in range(2):
        with pytest.raises(StoreError):
            await writer.write([Write(ADD, [("a",)])])
        assert writer.alive
    assert await writer.write([Write(ADD, [("a",)])]) == 0
    assert writer.last_error is None
    await writer.close()
    assert not writer.alive


def test_a_client_never_reads_the_drivers_words() -> None:
    error = StoreError("the database refused a write: /secret/path is full", kind="SQLITE_FULL")
    body, _ = error_body(error, "r")
    assert b"secret" not in body
    assert b'"code":"store_unavailable"' in body
    assert error.status == 503
