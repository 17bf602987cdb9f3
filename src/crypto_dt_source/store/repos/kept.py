"""The last answer of lists that are kept as a whole, so that a restart while the upstreams are down still answers."""

from __future__ import annotations

from .. import tables
from ..defi_tables import WRITER
from ..engine import Store
from ..rows import Kept
from ..sql import Write, storable, upsert

__all__ = ["Kept", "all_kept", "get", "put", "times"]

_PUT = upsert(tables.kept, where="excluded.timestamp >= kept.timestamp")
_SELECT = "SELECT key, timestamp, source, payload FROM kept"
_LISTS = f"key NOT LIKE '{WRITER}%'"
_TIMES = f"SELECT key, timestamp FROM kept WHERE {_LISTS}"  # noqa: S608 parts above
_ONE = f"{_SELECT} WHERE key = ?"
_ALL = f"{_SELECT} WHERE {_LISTS} ORDER BY key"


def _kept(key: str, timestamp: int, source: str, payload: str) -> Kept:
    return Kept(key, timestamp, tuple(source.split(",")) if source else (), payload)


async def put(store: Store, kept: Kept) -> None:
    """Store a list under its key. One that is newer stays."""
    row = (kept.timestamp, storable(kept.key), ",".join(kept.source), storable(kept.payload))
    await store.write([Write(_PUT, [row])])


async def get(store: Store, key: str) -> Kept | None:
    """The list of that key, or None."""
    rows = await store.fetch(_ONE, (storable(key),))
    return _kept(*rows[0]) if rows else None


async def times(store: Store) -> dict[str, int]:
    """When each list was fetched, ms, by key."""
    return dict(await store.fetch(_TIMES))


async def all_kept(store: Store) -> list[Kept]:
    """Every list, by key."""
    return [_kept(*row) for row in await store.fetch(_ALL)]
