"""What tells one database from another, wherever it is moved or restored to."""

from __future__ import annotations

import re
import secrets

from ..engine import Store
from . import kept

KEY = "database"
_ID = re.compile(r"[0-9a-f]{8}")


async def known(store: Store) -> str | None:
    """Eight hexadecimal digits, None where the database has none yet. Raises StoreError."""
    row = await kept.get(store, KEY)
    found = row.payload.strip('"') if row is not None else ""
    return found if _ID.fullmatch(found) else None


async def of(store: Store) -> str:
    """The same, given where there is none. Raises StoreError."""
    found = await known(store)
    if found is None:
        given = secrets.token_hex(4)
        await kept.put(store, kept.Kept(KEY, store.clock.now_ms(), (), f'"{given}"'))
        # Of two that gave one at the same time the later counts, for both.
        found = await known(store) or given
    return found
