"""Pools, their members, who of them is set aside, and what happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from ...model.pool import Aside, PoolEvent
from .. import tables
from ..engine import Store
from ..rows import PoolMemberRow, PoolRow
from ..sql import Write, insert, storable, upsert

_PUT = upsert(tables.pools)
_PUT_MEMBER = upsert(tables.pool_members)
_PUT_ASIDE = upsert(tables.pool_asides)
_PUT_EVENT = insert(tables.pool_events, without=("number",))
_DROP_MEMBERS = "DELETE FROM pool_members WHERE pool = ?"
_DROP_MEMBER = "DELETE FROM pool_members WHERE pool = ? AND provider = ?"
_DROP_ASIDE = "DELETE FROM pool_asides WHERE pool = ? AND provider = ?"
_DROP_ASIDES = "DELETE FROM pool_asides WHERE pool = ?"
_DROP = "DELETE FROM pools WHERE id = ?"
_POOLS = "SELECT id, name, category, strategy, created_ms, enabled, capabilities FROM pools ORDER BY id"
_MEMBERS = """SELECT m.pool, p.id, m.priority, m.weight, m.enabled, m.removed
    FROM pool_members m JOIN providers p ON p.number = m.provider
    ORDER BY m.pool, COALESCE(m.priority, 0), p.id"""
_ASIDES = """SELECT a.pool, p.id, a.since_ms, a.until_ms, a.reason, a.turned
    FROM pool_asides a JOIN providers p ON p.number = a.provider ORDER BY a.pool, a.since_ms, p.id"""
_EVENT = "number, at_ms, pool, kind, provider, other, reason"
_EVENTS = f"SELECT {_EVENT} FROM pool_events WHERE number < ? ORDER BY number DESC LIMIT ?"  # noqa: S608 parts above
_EVENTS_OF = f"""SELECT {_EVENT} FROM pool_events WHERE number < ? AND pool = ?
    ORDER BY number DESC LIMIT ?"""  # noqa: S608 parts above
_EVENTS_AFTER = f"SELECT {_EVENT} FROM pool_events WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608 parts above
_LAST = "SELECT COALESCE(MAX(number), 0) FROM pool_events"
_KNOWN = "SELECT 1 FROM pool_events WHERE pool = ? LIMIT 1"
_FORGET = "DELETE FROM pool_events WHERE at_ms < ?"
_ALWAYS = 2**62
Numbered = tuple[int, PoolEvent]


async def put(
    store: Store, pool: PoolRow, *, events: Sequence[PoolEvent] = (), returned: Collection[str] = ()
) -> None:
    """Store a pool with exactly its members, replacing the one of the same id; `returned` of them are set aside no more.
    With the events, in one transaction."""
    numbers = await store.numbers.providers([*(member.provider for member in pool.members), *returned])
    members = [
        (pool.id, numbers[m.provider], m.priority, m.weight, m.enabled, m.removed) for m in pool.members
    ]
    row = (
        pool.id,
        storable(pool.name),
        storable(pool.category),
        pool.strategy,
        pool.capabilities,
        pool.enabled,
        pool.created_ms,
    )
    await store.write(
        [
            Write(_PUT, [row]),
            Write(_DROP_MEMBERS, [(pool.id,)]),
            *([Write(_PUT_MEMBER, members)] if members else []),
            *([Write(_DROP_ASIDE, [(pool.id, numbers[name]) for name in returned])] if returned else []),
            *_noted(events),
        ]
    )


async def put_member(store: Store, pool: str, member: PoolMemberRow) -> None:
    """Add a member to an existing pool, or change it. Raises StoreError where there is no such pool."""
    number = (await store.numbers.providers([member.provider]))[member.provider]
    row = (pool, number, member.priority, member.weight, member.enabled, member.removed)
    await store.write([Write(_PUT_MEMBER, [row])])


async def remove_member(store: Store, pool: str, provider: str) -> bool:
    """Whether the provider was a member and now is not."""
    number = store.numbers.known_provider(provider)
    return number is not None and await store.write([Write(_DROP_MEMBER, [(pool, number)], counted=True)]) > 0


async def remove(store: Store, pool: str, *, events: Sequence[PoolEvent] = ()) -> bool:
    """Whether the pool was there and, with its members and whoever was set aside, now is not."""
    writes = [Write(_DROP, [(pool,)], counted=True), Write(_DROP_ASIDES, [(pool,)]), *_noted(events)]
    return await store.write(writes) > 0


async def all_pools(store: Store) -> list[PoolRow]:
    """Every pool by id, members by priority."""
    members: defaultdict[str, list[PoolMemberRow]] = defaultdict(list)
    for pool, provider, priority, weight, enabled, removed in await store.fetch(_MEMBERS):
        members[pool].append(PoolMemberRow(provider, priority, weight, bool(enabled), bool(removed)))
    return [
        PoolRow._make((*row[:5], bool(row[5]), tuple(members[row[0]]), row[6]))
        for row in await store.fetch(_POOLS)
    ]


async def get(store: Store, pool: str) -> PoolRow | None:
    """One pool, or None. There are tens of them, so all are read."""
    return next((row for row in await all_pools(store) if row.id == pool), None)


async def set_aside(
    store: Store, pool: str, asides: Sequence[Aside], back: Collection[str], events: Sequence[PoolEvent]
) -> None:
    """Set members of a pool aside, end that of those in `back`, and note what happened: all of it or nothing."""
    numbers = await store.numbers.providers([*(aside.provider for aside in asides), *back])
    rows = [(a.since_ms, a.until_ms, a.turned, pool, storable(a.reason), numbers[a.provider]) for a in asides]
    await store.write(
        [
            *([Write(_DROP_ASIDE, [(pool, numbers[name]) for name in back])] if back else []),
            *([Write(_PUT_ASIDE, rows)] if rows else []),
            *_noted(events),
        ]
    )


async def asides(store: Store) -> list[tuple[str, Aside]]:
    """Every member that is set aside, with its pool."""
    return [
        (row[0], Aside(row[1], row[2], row[3], row[4], bool(row[5]))) for row in await store.fetch(_ASIDES)
    ]


async def note(store: Store, events: Sequence[PoolEvent]) -> None:
    """Store what happened."""
    if events:
        await store.write(_noted(events))


async def history(
    store: Store, limit: int, *, before: int | None = None, pool: str | None = None
) -> list[Numbered]:
    """The newest events first, those with numbers under `before`, of all pools or one."""
    under = _ALWAYS if before is None else before
    if pool is None:
        rows = await store.fetch(_EVENTS, (under, limit))
    else:
        rows = await store.fetch(_EVENTS_OF, (under, pool, limit))
    return [(row[0], PoolEvent._make(row[1:])) for row in rows]


async def after(store: Store, number: int, limit: int) -> list[Numbered]:
    """Events with higher numbers, the oldest first."""
    rows = await store.fetch(_EVENTS_AFTER, (number, limit))
    return [(row[0], PoolEvent._make(row[1:])) for row in rows]


async def last_number(store: Store) -> int:
    """Number of the newest event; 0 without one."""
    return int((await store.fetch(_LAST))[0][0])


async def has_history(store: Store, pool: str) -> bool:
    """Whether anything is known of a pool that may be gone."""
    return bool(await store.fetch(_KNOWN, (pool,)))


async def forget(store: Store, before_ms: int) -> int:
    """Drop what happened before; gives the number of rows."""
    return await store.write([Write(_FORGET, [(before_ms,)], counted=True)])


def _noted(events: Sequence[PoolEvent]) -> list[Write]:
    rows = [(e.at_ms, storable(e.pool), e.kind, e.provider, e.other, storable(e.reason)) for e in events]
    return [Write(_PUT_EVENT, rows)] if rows else []
