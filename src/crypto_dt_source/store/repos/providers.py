"""Providers: the last known state of each, and what an operator set."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import Store
from ..rows import ProviderRow
from ..sql import Write
from ..tables import CONSENSUS

_STATUS = "UPDATE providers SET status = ?, health_score = ?, last_check = ?, detail = ? WHERE number = ?"
_CHOICE = "UPDATE providers SET enabled = ?, priority = ?, weight = ? WHERE number = ?"
_ALL = """SELECT id, status, health_score, last_check, detail, enabled, priority, weight FROM providers
    WHERE id <> ? ORDER BY id"""


async def write_status(store: Store, rows: Sequence[ProviderRow]) -> None:
    """Store status, health score, last check and detail. What an operator set stays as it is."""
    numbers = await store.numbers.providers(row.id for row in rows)
    await store.write(
        [Write(_STATUS, [(r.status, r.health_score, r.last_check, r.detail, numbers[r.id]) for r in rows])]
    )


async def set_choice(
    store: Store, provider: str, *, enabled: bool, priority: int | None, weight: float | None
) -> None:
    """Store an operator's choice for one provider; None gives the catalogue's value back."""
    number = (await store.numbers.providers([provider]))[provider]
    await store.write([Write(_CHOICE, [(enabled, priority, weight, number)], promised=True)])


async def all_providers(store: Store) -> list[ProviderRow]:
    """Every provider ever stored, by id, the service's own consensus left out."""
    return [
        ProviderRow._make((*row[:5], bool(row[5]), row[6], row[7]))
        for row in await store.fetch(_ALL, (CONSENSUS,))
    ]
