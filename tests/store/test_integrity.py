"""The integrity check says nothing of a database that is whole, whatever SQLite it runs on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Boolean, Column, Double, Text

from crypto_dt_source.store import open_store, tables

FILLED = sorted(tables.metadata.tables)


def _value(column: Column[object]) -> object:
    if isinstance(column.type, Text):
        return "x"
    return 1.5 if isinstance(column.type, Double) and not isinstance(column.type, Boolean) else 1


@pytest.mark.parametrize("table", FILLED)
async def test_a_row_in_any_table_is_no_problem(table: str, tmp_path: Path) -> None:
    """SQLite 3.40 calls a column NULL that is not, in clustered tables of a certain column order."""
    path = tmp_path / "whole.db"
    await (await open_store(f"sqlite:///{path}")).close()
    columns = list(tables.metadata.tables[table].columns)
    names, marks = ", ".join(c.name for c in columns), ", ".join("?" * len(columns))
    connection = sqlite3.connect(path)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [_value(c) for c in columns])
    connection.commit()
    found = connection.execute(f"PRAGMA integrity_check({table})").fetchall()
    connection.close()
    assert found == [("ok",)]
