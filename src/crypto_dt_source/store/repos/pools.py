"""Pools and their members."""

from __future__ import annotations

from collections import defaultdict

from .. import tables
from ..engine import Store
from ..rows import PoolMemberRow, PoolRow
from ..sql import Write, upsert

_PUT = upsert(tables.pools)
_PUT_MEMBER = upsert(tables.pool_members)
_DROP_MEMBERS = "DELETE FROM pool_members WHERE pool = ?"
_DROP_MEMBER = "DELETE FROM pool_members WHERE pool = ? AND provider = ?"
_DROP = "DELETE FROM pools WHERE id = ?"
_POOLS = "SELECT id, name, category, strategy, created_ms, enabled FROM pools ORDER BY id"
_MEMBERS = """SELECT m.pool, p.id, m.priority, m.weight, m.enabled
    FROM pool_members m JOIN providers p ON p.number = m.provider ORDER BY m.pool, m.priority, p.id"""


async def put(store: Store, pool: PoolRow) -> None:
    """Store a pool with exactly its members, replacing the one of the same id."""
    numbers = await store.numbers.providers(member.provider for member in pool.members)
    members = [(pool.id, numbers[m.provider], m.priority, m.weight, m.enabled) for m in pool.members]
    await store.write(
        [
            Write(_PUT, [(pool.id, pool.name, pool.category, pool.strategy, pool.enabled, pool.created_ms)]),
            Write(_DROP_MEMBERS, [(pool.id,)]),
            Write(_PUT_MEMBER, members),
        ]
    )


async def put_member(store: Store, pool: str, member: PoolMemberRow) -> None:
    """Add a member to an existing pool, or change it. Raises StoreError where there is no such pool."""
    number = (await store.numbers.providers([member.provider]))[member.provider]
    row = (pool, number, member.priority, member.weight, member.enabled)
    await store.write([Write(_PUT_MEMBER, [row])])


async def remove_member(store: Store, pool: str, provider: str) -> bool:
    """Whether the provider was a member and now is not."""
    number = store.numbers.known_provider(provider)
    return number is not None and await store.write([Write(_DROP_MEMBER, [(pool, number)], counted=True)]) > 0


async def remove(store: Store, pool: str) -> bool:
    """Whether the pool was there and, with its members, now is not."""
    return await store.write([Write(_DROP, [(pool,)], counted=True)]) > 0


async def all_pools(store: Store) -> list[PoolRow]:
    """Every pool by id, members by priority."""
    members: defaultdict[str, list[PoolMemberRow]] = defaultdict(list)
    for pool, provider, priority, weight, enabled in await store.fetch(_MEMBERS):
        members[pool].append(PoolMemberRow(provider, priority, weight, bool(enabled)))
    return [
        PoolRow._make((*row[:5], bool(row[5]), tuple(members[row[0]]))) for row in await store.fetch(_POOLS)
    ]


async def get(store: Store, pool: str) -> PoolRow | None:
    """One pool, or None. There are tens of them, so all are read."""
    return next((row for row in await all_pools(store) if row.id == pool), None)
