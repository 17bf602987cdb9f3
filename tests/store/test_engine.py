"""Opening: addresses, folders, what is refused and how it is said; closing; reading beside another process."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from crypto_dt_source.store import (
    PriceRow,
    Store,
    StoreClosed,
    StoreError,
    StoreOpenError,
    open_store,
    parse_url,
)
from crypto_dt_source.store.repos import prices

from .conftest import T0


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///data/cdts.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:////abs/cdts.db", "sqlite+aiosqlite"),
        ("postgres://u:p@h:5433/d", "postgresql+asyncpg"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg"),
    ],
)
def test_addresses(given: str, driver: str) -> None:
    assert parse_url(given).drivername == driver


def test_the_word_hosting_panels_print_is_understood() -> None:
    assert dict(parse_url("postgres://u:p@h/d?sslmode=require").query) == {"ssl": "require"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("data/cdts.db", "not an address"),
        ("", "not an address"),
        ("mysql://u:geheim@h/d", "mysql://"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("postgresql://u:geheim@h/d?channel_binding=require", "channel_binding"),
        ("postgresql://u:geheim@h:port/d", "not an address"),
    ],
)
async def test_wrong_addresses_are_told_without_the_password(given: str, said: str) -> None:
    with pytest.raises(StoreOpenError, match=said) as caught:
        await open_store(given)
    assert "geheim" not in caught.value.message


async def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(
        StoreOpenError, match=r"postgresql\+asyncpg://u:\*\*\*@127\.0\.0\.1:1/d cannot be opened"
    ):
        await open_store("postgresql://u:geheim@127.0.0.1:1/d")


async def test_a_database_that_is_not_there_is_named(postgres_server: str) -> None:
    with pytest.raises(StoreOpenError, match=r"nowhere.* does not exist"):
        await open_store(postgres_server.replace("/postgres?", "/nowhere?"))


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreOpenError, match="cannot be written"):
        await open_store(f"sqlite:///{tmp_path}/file/cdts.db")


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "cdts.db"
    path.write_text("something else entirely" * 100)
    with pytest.raises(StoreOpenError, match="not a database"):
        await open_store(f"sqlite:///{path}")
    assert path.read_text().startswith("something else")


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
async def test_one_process_at_a_time_but_readers_may_look(sqlite_store: Store, tmp_path: Path) -> None:
    await prices.write_prices(sqlite_store, [PriceRow("bitcoin", T0, 7.0)])
    with pytest.raises(StoreOpenError, match="open in another process"):
        await open_store(f"sqlite:///{tmp_path}/data/cdts.db")
    reader = await open_store(f"sqlite:///{tmp_path}/data/cdts.db", read_only=True)
    assert (await prices.latest_all(reader))["bitcoin"].price == 7.0
    with pytest.raises(StoreError, match="reading only"):
        await prices.write_prices(reader, [PriceRow("bitcoin", T0, 8.0)])
    await reader.close()


async def test_read_only_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreOpenError, match="no database"):
        await open_store(f"sqlite:///{tmp_path}/no/cdts.db", read_only=True)
    assert os.listdir(tmp_path) == []


async def test_closed_store_refuses_and_leaves_one_file(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/cdts.db")
    await prices.write_prices(store, [PriceRow("bitcoin", T0, 7.0)])
    await store.close()
    with pytest.raises(StoreClosed):
        await prices.write_prices(store, [PriceRow("bitcoin", T0, 8.0)])
    assert sorted(os.listdir(tmp_path)) == ["cdts.db", "cdts.db.lock", "cdts.db.turn"]


async def test_a_query_the_database_refuses_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError, match="could not be read"):
        await store.fetch("SELECT * FROM nothing")
    with pytest.raises(StoreError, match="could not be read"):
        await store.fetch("SELECT number FROM assets WHERE number = ?", (object(),))
    assert await store.fetch("SELECT number FROM assets") == []


async def test_readers_cannot_write_and_never_checkpoint(sqlite_store: Store) -> None:
    with pytest.raises(StoreError, match="readonly"):
        await sqlite_store.fetch("INSERT INTO assets (id) VALUES ('x')")
    assert await sqlite_store.fetch("PRAGMA wal_autocheckpoint") == [(0,)]
    assert await sqlite_store.fetch("PRAGMA query_only") == [(1,)]
    assert await sqlite_store.fetch("PRAGMA mmap_size") == [(0,)]
    assert await sqlite_store.fetch("PRAGMA journal_mode") == [("wal",)]


_CHEAP = ("providers", "SUBQUERY", "SCAN a ")
"""Steps of a plan that are not reads of a big table."""


async def test_ranges_are_read_by_key(sqlite_store: Store) -> None:
    """The plans of the hot reads and of retention: a search of the key, no scan and no sort."""
    for sql in (
        prices._HISTORY,
        prices._LATEST,
        prices._AT,
        "SELECT open_ms FROM ohlcv WHERE series = ? AND open_ms >= ? AND open_ms < ? ORDER BY open_ms DESC LIMIT ?",
        "DELETE FROM prices WHERE asset = ? AND provider IN (SELECT number FROM providers) AND timestamp < ?",
        "SELECT COUNT(*) FROM user_requests WHERE timestamp >= ?",
        "SELECT MIN(timestamp) FROM api_calls",
        "DELETE FROM quotes WHERE timestamp < ?",
    ):
        plan = await sqlite_store.fetch(f"EXPLAIN QUERY PLAN {sql}", [0] * sql.count("?"))
        steps = [row[3] for row in plan if not any(word in row[3] for word in _CHEAP)]
        assert steps
        assert all(step.startswith("SEARCH") for step in steps), (sql, steps)


async def test_a_torn_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "cdts.db"
    store = await open_store(f"sqlite:///{path}")
    await prices.write_prices(store, [PriceRow("bitcoin", T0 + n, 7.0) for n in range(20_000)])
    assert await store.integrity() == []
    await store.close()
    content = bytearray(path.read_bytes())
    # The first pages are the beginnings of tables, most of them empty; the middle is full of prices.
    page = len(content) // 4096 // 2
    content[page * 4096 + 100 : page * 4096 + 1100] = b"\xff" * 1000
    path.write_bytes(content)
    store = await open_store(f"sqlite:///{path}")
    try:
        problems = await store.integrity()
    except StoreError as error:
        problems = [error.message]
    assert problems
    await store.close()


async def test_a_server_that_does_not_answer_is_given_up(postgres_emptied: str) -> None:
    store = await open_store(postgres_emptied, pool_size=1)
    other = await asyncpg.connect(postgres_emptied)
    row = [PriceRow("bitcoin", T0, 1.0)]
    try:
        await prices.write_prices(store, row)
        async with other.transaction():
            await other.execute("LOCK TABLE prices IN ACCESS EXCLUSIVE MODE")
            held = [
                asyncio.ensure_future(prices.write_prices(store, row)),
                asyncio.ensure_future(store.fetch("SELECT * FROM prices")),
            ]
            done, _ = await asyncio.wait(held, timeout=0.3)
            assert not done
            store.end_within(0)
            assert [type(found) for found in await asyncio.gather(*held, return_exceptions=True)] == [
                StoreError
            ] * 2
            with pytest.raises(StoreError):
                await store.fetch("SELECT 1")
            await store.close()
    finally:
        await other.close()
        await store.close()
