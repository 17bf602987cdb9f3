"""What the limiter of one process has counted, so that a restart gives nobody his quota back."""

from __future__ import annotations

from collections.abc import Iterable

from ...model.access import Use
from .. import tables
from ..engine import Store
from ..sql import Write, columns, storable, upsert

_PUT = upsert(tables.limiter_uses)
_ALL = f"SELECT {', '.join(columns(tables.limiter_uses))} FROM limiter_uses"  # noqa: S608 the schema's names
_DROP = "DELETE FROM limiter_uses WHERE day < ? AND at_ms < ?"


async def put(store: Store, uses: Iterable[Use]) -> int:
    """Store buckets, replacing by name; gives their number."""
    rows = [
        (
            use.at_ms,
            use.day,
            use.used,
            use.per_s,
            storable(use.bucket),
            use.tier,
            " ".join(f"{at}:{count}" for at, count in use.cells),
        )
        for use in uses
    ]
    if rows:
        await store.write([Write(_PUT, rows)])
    return len(rows)


async def every(store: Store) -> list[Use]:
    """All that is kept."""
    return [
        Use(bucket, tier, at_ms, day, used, per_s, _cells(cells))
        for at_ms, day, used, per_s, bucket, tier, cells in await store.fetch(_ALL)
    ]


async def drop(store: Store, day: int, before_ms: int) -> int:
    """Forget buckets of days before `day` (days since 1970) without a request since `before_ms`; gives their number."""
    return await store.write([Write(_DROP, [(day, before_ms)], counted=True)])


def _cells(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (part.partition(":") for part in text.split())
    return tuple((int(at), int(count)) for at, _, count in pairs)
