"""Whether the database is whole, and how large."""

from __future__ import annotations

from typing import NamedTuple

from .. import tables
from ..engine import Store

_REVISION = "SELECT version_num FROM alembic_version"
_THERE = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}


class StoreReport(NamedTuple):
    """`problems` is empty for a clean database; `rows` counts each table."""

    dialect: str
    schema: str
    size_bytes: int
    problems: list[str]
    rows: dict[str, int]


async def alive(store: Store) -> None:
    """One trivial read. Raises StoreError when the database does not answer."""
    await store.fetch("SELECT 1")


async def check(store: Store) -> StoreReport:
    """Check the whole database and count its rows: reads everything, seconds on a large one. A database that was opened
    for reading may have an older schema, and then lacks tables."""
    problems = await store.integrity()
    rows = {}
    there = {row[0] for row in await store.fetch(_THERE[store.dialect])}
    for name in filter(there.__contains__, tables.metadata.tables):
        ((rows[name],),) = await store.fetch(f"SELECT COUNT(*) FROM {name}")  # noqa: S608 the schema's own names
    ((schema,),) = await store.fetch(_REVISION)
    return StoreReport(store.dialect, schema, await store.size_bytes(), problems, rows)
