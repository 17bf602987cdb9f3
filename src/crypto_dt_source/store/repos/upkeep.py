"""The database as such: whether it has what this version expects, how it does, and looking after it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Index
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex

from .. import tables
from ..engine import SCHEMA, Store, open_store, parse_url
from ..sql import Write

_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}
_INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()",
}
_REVISION = "SELECT version_num FROM alembic_version"
_DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
}
_MOST_PROBLEMS = 20
_PAGES = "SELECT page_count, page_size, freelist_count FROM pragma_page_count, pragma_page_size, pragma_freelist_count"
# Takes the lock that writes need, as any write does, and changes nothing: numbers begin with 1.
_NOTHING = "DELETE FROM diagnoses WHERE number < 0"
_LAST_BACKUP = (
    "SELECT kind, started_ms, ended_ms, outcome, detail FROM backups ORDER BY started_ms DESC LIMIT 20"
)
_DROP_KEPT = "DELETE FROM kept WHERE key = ?"


class Schema(NamedTuple):
    """`revision` is the database's, None where it names none; `wanted` is this version's. `tables` and `indexes` are the
    missing ones."""

    revision: str | None
    wanted: str
    tables: list[str]
    indexes: list[str]


class Room(NamedTuple):
    """Bytes: of the file, of its pages that hold nothing, of the log beside it (0 on PostgreSQL)."""

    file: int
    free: int
    log: int


class BackupRun(NamedTuple):
    """A backup as it was recorded: `outcome` is 'ok', an error code, or None while it runs."""

    kind: str
    started_ms: int
    ended_ms: int | None
    outcome: str | None
    detail: str | None


def sqlite_version() -> tuple[int, ...]:
    """Of the library this process has, whatever the database is."""
    return sqlite3.sqlite_version_info


async def schema(store: Store) -> Schema:
    """What the database lacks of this version's tables and indexes. Raises StoreError."""
    there = {row[0] for row in await store.fetch(_TABLES[store.dialect])}
    revision = None
    if "alembic_version" in there:
        revision = next((row[0] for row in await store.fetch(_REVISION)), None)
    named = {row[0] for row in await store.fetch(_INDEXES[store.dialect])}
    gone = sorted(set(tables.metadata.tables) - there)
    missing = [
        name for name, index in _indexes().items() if name not in named and str(index.table) not in gone
    ]
    return Schema(revision, SCHEMA, gone, sorted(missing))


def _indexes() -> dict[str, Index]:
    return {str(index.name): index for table in tables.metadata.tables.values() for index in table.indexes}


async def make_index(store: Store, name: str) -> None:
    """Create an index of this version again. Raises StoreError, and KeyError for a name that is none of them."""
    statement = CreateIndex(_indexes()[name], if_not_exists=True)
    await store.tend(str(statement.compile(dialect=_DIALECTS[store.dialect])))


async def problems(store: Store, *, thorough: bool) -> list[str]:
    """What a check of the database's pages finds, '' never among it. On SQLite through a connection of its own, which
    has read nothing before: what is wrong on the disk may be right in memory. Raises StoreError, StoreOpenError where
    the file is gone."""
    if store.dialect != "sqlite":
        return await store.integrity() if thorough else []
    beside = await open_store(store.address, pool_size=1, clock=store.clock, read_only=True)
    pragma = "integrity_check" if thorough else "quick_check"
    try:
        found = [str(row[0]) for row in await beside.fetch(f"PRAGMA {pragma}({_MOST_PROBLEMS})")]
    finally:
        await beside.close()
    return [] if found == ["ok"] else found


async def room(store: Store) -> Room:
    """How much room it takes. Raises StoreError."""
    if store.dialect != "sqlite":
        return Room(await store.size_bytes(), 0, 0)
    ((count, size, free),) = await store.fetch(_PAGES)
    return Room(count * size, free * size, await asyncio.to_thread(log_bytes, store))


def log_bytes(store: Store) -> int:
    """Of the log beside a SQLite file; 0 where there is none. One look at the disk."""
    path = Path(parse_url(store.address).database or "")
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


async def checkpoint(store: Store) -> bool:
    """Take the log into the file and cut it; whether all of it could be. Does nothing on PostgreSQL. Raises StoreError."""
    if store.dialect != "sqlite":
        return True
    ((busy, _, _),) = await store.tend("PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy


async def vacuum(store: Store) -> None:
    """Give free pages back to the disk: needs as much room again as the rows take. Raises StoreError."""
    await store.tend("VACUUM")


async def write_nothing(store: Store) -> None:
    """A write that changes nothing, all the way to the commit. Raises StoreError."""
    await store.write([Write(_NOTHING, [()])])


async def last_backups(store: Store) -> list[BackupRun]:
    """The newest backups that were begun, the newest first. Raises StoreError."""
    return list(map(BackupRun._make, await store.fetch(_LAST_BACKUP)))


async def drop_kept(store: Store, key: str) -> None:
    """Forget the last answer of a list. Raises StoreError."""
    await store.write([Write(_DROP_KEPT, [(key,)])])
