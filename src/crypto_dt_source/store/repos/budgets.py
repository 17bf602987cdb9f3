"""What was used of each upstream limit, so that a restart does not spend a quota twice."""

from __future__ import annotations

from collections.abc import Sequence

from .. import tables
from ..engine import Store
from ..rows import BudgetRow
from ..sql import Write, upsert

_PUT = upsert(tables.budgets)
# Postgres multiplies two integers in 32 bits, too few for a month in ms.
_PRUNE = "DELETE FROM budgets WHERE window_start_ms + 2000 * CAST(window_s AS BIGINT) < ?"
_ALL = "SELECT scope, window_s, window_start_ms, used FROM budgets ORDER BY scope, window_s, window_start_ms"


async def write(store: Store, rows: Sequence[BudgetRow], now_ms: int) -> None:
    """Store the use of parts of windows, replacing by (scope, window length, start of the part), and delete parts
    that began more than two window lengths before `now_ms`: they left their windows long ago."""
    batch = [Write(_PUT, [(r.window_start_ms, r.used, r.window_s, r.scope) for r in rows])] if rows else []
    await store.write([*batch, Write(_PRUNE, [(now_ms - 600_000,)])])


async def all_budgets(store: Store) -> list[BudgetRow]:
    """Every part kept, by scope, window length and start; what has left its window included: the caller knows the
    time."""
    return list(map(BudgetRow._make, await store.fetch(_ALL)))
