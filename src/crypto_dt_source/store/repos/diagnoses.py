"""What the service found when it examined itself: the newest runs, as they were answered."""

from __future__ import annotations

from .. import tables
from ..engine import Store
from ..sql import Write, insert, storable

KEPT = 200
"""Runs kept: eight days of one an hour."""
_PUT = insert(tables.diagnoses, without=("number",))
_TRIM = """DELETE FROM diagnoses WHERE number <= (SELECT number FROM diagnoses ORDER BY number DESC LIMIT 1 OFFSET ?)"""
_LAST = "SELECT payload FROM diagnoses ORDER BY number DESC LIMIT 1"


async def put(store: Store, at_ms: int, payload: str) -> None:
    """Store a run, and forget the oldest beyond KEPT. Raises StoreError."""
    await store.write([Write(_PUT, [(at_ms, storable(payload))]), Write(_TRIM, [(KEPT,)])])


async def last(store: Store) -> str | None:
    """The newest run, None where there was none. Raises StoreError."""
    rows = await store.fetch(_LAST)
    return rows[0][0] if rows else None
