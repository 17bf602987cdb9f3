"""The migrations and the tables say the same, on both databases, and run whole or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.store import FeedRow, PriceRow, Store, StoreOpenError, open_store, parse_url, tables
from crypto_dt_source.store.migrations import upgrade as migrations
from crypto_dt_source.store.repos import integrity, keys, news, prices

from .conftest import T0
from .test_news import article

FULL_TEXT = "news_text"
"""What the full-text index is named by: no comparison of metadata knows its kind. The two tests after compare its text."""


def test_the_constant_is_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(migrations.config()).get_heads() == [migrations.SCHEMA]


async def test_tables_equal_migrations(url: str) -> None:
    await asyncio.to_thread(_folder, url)
    await asyncio.to_thread(migrations.upgrade, parse_url(url))
    engine = create_async_engine(parse_url(url))

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, kind, _: FULL_TEXT not in (name or ""),
            },
        )
        return list(compare_metadata(context, tables.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []
    await engine.dispose()


def _folder(url: str) -> None:
    if url.startswith("sqlite"):
        Path(parse_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)


def test_sqlite_text_of_every_table_is_the_same(tmp_path: Path) -> None:
    """What a comparison of metadata does not see: clustering, the order of keys, names of constraints."""
    migrations.upgrade(parse_url(f"sqlite:///{tmp_path}/migrated.db"))
    made = create_engine(f"sqlite:///{tmp_path}/made.db")
    tables.metadata.create_all(made)
    made.dispose()

    def schema(name: str) -> dict[str, set[str]]:
        connection = sqlite3.connect(tmp_path / name)
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        connection.close()
        return {
            row[0]: {line.strip().rstrip(",") for line in row[1].splitlines()}
            for row in rows
            if row[0] != "alembic_version"
        }

    migrated = schema("migrated.db")
    assert migrated == schema("made.db")
    assert any("WITHOUT ROWID" in line for line in migrated["prices"])


async def test_postgres_text_of_every_index_is_the_same(postgres_url: str) -> None:
    """What a comparison of metadata does not see: conditions and expressions."""
    await asyncio.to_thread(migrations.upgrade, parse_url(postgres_url))
    engine = create_async_engine(parse_url(postgres_url))

    def schema(connection: Connection, name: str) -> set[str]:
        found = connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE schemaname = :name"), {"name": name}
        )
        return {row[0].replace(f" {name}.", " ") for row in found if "alembic" not in row[0]}

    async with engine.begin() as connection:
        migrated = await connection.run_sync(schema, "public")
        await connection.execute(text("CREATE SCHEMA made"))
        await connection.execute(text("SET search_path TO made"))
        await connection.run_sync(tables.metadata.create_all)
        assert await connection.run_sync(schema, "made") == migrated
        await connection.execute(text("DROP SCHEMA made CASCADE"))
    await engine.dispose()
    assert any("USING gin" in line for line in migrated)
    assert any("WHERE (head = number)" in line for line in migrated)


async def _first_schema(url: str) -> None:
    """A database of the first version, with rows in it."""
    await asyncio.to_thread(_folder, url)
    await asyncio.to_thread(migrations.upgrade, parse_url(url), "0001")
    engine = create_async_engine(parse_url(url))
    async with engine.begin() as connection:
        for statement in (
            "INSERT INTO assets (number, id, ticker) VALUES (7, 'bitcoin', 'BTC')",
            "INSERT INTO providers (number, id) VALUES (3, 'coindesk')",
            f"INSERT INTO prices (asset, provider, timestamp, price) VALUES (7, 0, {T0}, 37000.5)",
            f"INSERT INTO user_requests (timestamp, status, address, endpoint) VALUES ({T0}, 200, 'a', '/')",
        ):
            await connection.execute(text(statement))
    await engine.dispose()


async def test_from_the_first_schema_with_rows_in_it(url: str) -> None:
    await _first_schema(url)
    store = await open_store(url, clock=ManualClock(T0))
    assert await prices.latest_all(store) == {"bitcoin": PriceRow("bitcoin", T0, 37_000.5)}
    assert await store.fetch("SELECT COUNT(*) FROM user_requests") == [(1,)]
    taken = article("a", provider="coindesk", assets=("bitcoin",))
    assert await news.take(store, FeedRow("coindesk", None, None, None, T0, None), [taken]) == 1
    assert await store.fetch("SELECT asset, news, head FROM news_assets") == [(7, 1, 1)]
    assert (await news.page(store, news.NewsFilter(q="title", asset="bitcoin"), 0, 9))[0] == 1
    assert await keys.since(store) == ([], 0)
    assert (await integrity.check(store)).problems == []
    await store.close()


async def test_an_older_schema_can_be_checked_before_it_is_brought_up(url: str) -> None:
    await _first_schema(url)
    store: Store = await open_store(url, read_only=True)
    report = await integrity.check(store)
    await store.close()
    assert (report.schema, report.problems, report.rows["prices"]) == ("0001", [], 1)
    assert "news" not in report.rows


async def test_opening_twice_changes_nothing(url: str) -> None:
    for _ in range(2):
        store = await open_store(url)
        assert await store.fetch("SELECT number, id FROM providers") == [(0, "consensus")]
        await store.close()


async def test_down_and_up_again(url: str) -> None:
    store = await open_store(url)
    await store.close()
    engine = create_async_engine(parse_url(url))

    def down(connection: Connection) -> None:
        from alembic import command

        made = migrations.config()
        made.attributes["connection"] = connection
        command.downgrade(made, "base")

    async with engine.begin() as connection:
        await connection.run_sync(down)
    await engine.dispose()
    store = await open_store(url)
    assert await store.fetch("SELECT COUNT(*) FROM prices") == [(0,)]
    await store.close()


async def test_a_newer_schema_is_refused(url: str) -> None:
    await (await open_store(url)).close()
    engine = create_async_engine(parse_url(url))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(StoreOpenError, match=r"9999.*newer"):
        await open_store(url)


async def test_a_migration_that_breaks_leaves_nothing(url: str) -> None:
    """A table in the way of the last step: the earlier steps are undone, and the start works once it is gone."""
    await asyncio.to_thread(_folder, url)
    engine = create_async_engine(parse_url(url))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE budgets (x INTEGER)"))
    with pytest.raises(StoreOpenError, match="budgets"):
        await open_store(url)
    async with engine.begin() as connection:
        with pytest.raises(Exception, match="prices"):
            async with connection.begin_nested():
                await connection.execute(text("SELECT * FROM prices"))
        await connection.execute(text("DROP TABLE budgets"))
    await engine.dispose()
    await (await open_store(url)).close()


async def test_two_starts_at_once_on_one_server(postgres_url: str) -> None:
    stores = await asyncio.gather(*(open_store(postgres_url) for _ in range(3)))
    for store in stores:
        assert await store.fetch("SELECT COUNT(*) FROM providers") == [(1,)]
        await store.close()
