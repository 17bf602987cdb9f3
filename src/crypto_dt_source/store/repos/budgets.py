"""What was used of each upstream limit, so that a restart does not spend a quota twice."""

from __future__ import annotations

from collections.abc import Sequence

from .. import tables
from ..engine import Store
from ..rows import BudgetRow
from ..sql import Write, upsert

_PUT = upsert(tables.budgets)
_ALL = "SELECT scope, window_s, window_start_ms, used FROM budgets ORDER BY scope, window_s"


async def write(store: Store, rows: Sequence[BudgetRow]) -> None:
    """Store budgets, replacing by (scope, window length)."""
    await store.write([Write(_PUT, [(r.window_start_ms, r.used, r.window_s, r.scope) for r in rows])])


async def all_budgets(store: Store) -> list[BudgetRow]:
    """Every budget, those of windows long past included: the caller knows the time."""
    return list(map(BudgetRow._make, await store.fetch(_ALL)))
