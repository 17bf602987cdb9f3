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

from crypto_dt_source.store import StoreOpenError, open_store, parse_url, tables
from crypto_dt_source.store.migrations import upgrade as migrations


def test_the_constant_is_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(migrations.config()).get_heads() == [migrations.SCHEMA]


async def test_tables_equal_migrations(url: str) -> None:
    await asyncio.to_thread(_folder, url)
    await asyncio.to_thread(migrations.upgrade, parse_url(url))
    engine = create_async_engine(parse_url(url))

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
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
