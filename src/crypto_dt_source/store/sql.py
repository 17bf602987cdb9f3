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


class Write(NamedTuple):
    """One statement and the rows it runs for. `counted`: report how many rows it changed (slower: row by row)."""

    sql: str
    rows: Sequence[Params]
    counted: bool = False


@lru_cache(maxsize=1024)
def dollars(sql: str) -> str:
    """The statement with PostgreSQL's `$1, $2 …`. No statement of the store holds a literal question mark."""
    parts = sql.split("?")
    return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))


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
