"""Sources beside the packaged catalogue, and packaged ones that were taken away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .. import tables
from ..engine import Store
from ..sql import Write, columns, storable, upsert

_PUT = upsert(tables.own_entries)
_COLUMNS = columns(tables.own_entries)
_DROP = "DELETE FROM own_entries WHERE id = ?"
_ALL = "SELECT changed_ms, removed, id, category, origin, payload FROM own_entries ORDER BY id"


class OwnEntryRow(NamedTuple):
    """`payload` holds the entry's fields as JSON, empty where `removed`."""

    changed_ms: int
    removed: bool
    id: str
    category: str
    origin: str
    payload: str


async def put(store: Store, rows: Iterable[OwnEntryRow], drop: Iterable[str] = ()) -> None:
    """Store these and forget those named in `drop`, all or none."""
    kept = [(r.changed_ms, r.removed, *map(storable, (r.id, r.category, r.origin, r.payload))) for r in rows]
    writes = [Write(_PUT, kept)] if kept else []
    if dropped := [(name,) for name in drop]:
        writes.append(Write(_DROP, dropped))
    if writes:
        await store.write(writes)


async def everything(store: Store) -> list[OwnEntryRow]:
    """All of them, by id."""
    return [OwnEntryRow(row[0], bool(row[1]), *row[2:]) for row in await store.fetch(_ALL)]
