"""SQL that SQLite and PostgreSQL read alike: `?` placeholders, `ON CONFLICT`, window functions.

Queries are text in `repos/`, one statement each, sent to the driver without a layer that would build objects per row.
The statements that name every column of a table are made here from `tables.py`, so a new column cannot be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Table

Params = Sequence[Any]
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CHANGED = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)", re.IGNORECASE)
PROMISED = frozenset({"api_keys", "pools", "pool_members", "pool_asides", "own_entries"})
"""Tables of what people decided: a row of theirs that was acknowledged is not lost with the disk."""


class Write(NamedTuple):
    """One statement and the rows it runs for. `counted`: report how many rows it changed (slower: row by row).
    `promised`: its batch is acknowledged only once it is also where the database is shipped to, if it is; None: where its
    table is one of PROMISED."""

    sql: str
    rows: Sequence[Params]
    counted: bool = False
    promised: bool | None = None


@lru_cache(maxsize=1024)
def dollars(sql: str) -> str:
    """The statement with PostgreSQL's `$1, $2 …`. No statement of the store holds a literal question mark."""
    parts = sql.split("?")
    return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))


@lru_cache(maxsize=1024)
def _in_promised(sql: str) -> bool:
    found = _CHANGED.match(sql)
    return found is not None and found[1].lower() in PROMISED


def promised(batch: Sequence[Write]) -> bool:
    """Whether a batch holds something of what people decided."""
    return any(
        bool(write.rows) and (_in_promised(write.sql) if write.promised is None else write.promised)
        for write in batch
    )


def columns(table: Table, *, without: Sequence[str] = ()) -> list[str]:
    """Column names in the table's order."""
    return [column.name for column in table.columns if column.name not in without]


def insert(table: Table, *, without: Sequence[str] = ()) -> str:
    """`INSERT`; a row gives every column but `without`, in the table's order."""
    names = columns(table, without=without)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 names are the schema's


def upsert(table: Table, *, where: str = "") -> str:
    """`INSERT` that replaces the row of the same primary key, where `where` holds (`excluded` is the new row)."""
    key = [column.name for column in table.primary_key.columns]
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns(table, without=key))
    condition = f" WHERE {where}" if where else ""
    return f"{insert(table)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}{condition}"


def storable(text: str) -> str:
    """Upstream or client text without what PostgreSQL's text cannot hold: NUL and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", text)
