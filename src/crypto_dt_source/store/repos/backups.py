"""What was backed up, and how it ended."""

from __future__ import annotations

from typing import NamedTuple

from .. import tables
from ..engine import Store
from ..sql import Write, columns, insert, storable

_COLUMNS = ", ".join(columns(tables.backups, without=("number",)))
_PUT = insert(tables.backups, without=("number",))
_PAGE = f"SELECT {_COLUMNS} FROM backups ORDER BY started_ms DESC, number DESC LIMIT ?"  # noqa: S608 the table's own columns
_WENT_TO = "SELECT 1 FROM backups WHERE target = ? AND outcome = 'ok' LIMIT 1"
_FORGET = "DELETE FROM backups WHERE started_ms < ?"


class BackupRow(NamedTuple):
    """One attempt. `outcome` is 'ok' or an error code; `detail` the backup's name or what was wrong; `target` is shown
    without its secrets."""

    started_ms: int
    ended_ms: int | None
    size_bytes: int | None
    kind: str
    target: str
    outcome: str | None
    detail: str | None


async def put(store: Store, row: BackupRow) -> None:
    """Store how an attempt ended."""
    detail = None if row.detail is None else storable(row.detail)
    await store.write([Write(_PUT, [(*row[:4], storable(row.target), row.outcome, detail)])])


async def page(store: Store, limit: int) -> list[BackupRow]:
    """The newest first."""
    return [BackupRow._make(row) for row in await store.fetch(_PAGE, (limit,))]


async def went_to(store: Store, target: str) -> bool:
    """Whether a backup is remembered that was made there. Raises StoreError."""
    return bool(await store.fetch(_WENT_TO, (storable(target),)))


async def forget(store: Store, before_ms: int) -> int:
    """Drop what began before; gives how many rows."""
    return await store.write([Write(_FORGET, [(before_ms,)], counted=True)])
