"""Pools as they stand: taken up from the store, followed there, told of to whoever listens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..clock import rfc3339
from ..gateway.pools import over
from ..model.ask import Capability
from ..model.errors import NotFound
from ..model.pool import Member, Pool, PoolEvent, shipped_pool
from ..providers import catalog
from ..providers.catalog import Entry
from ..store import InDoubt, PoolMemberRow, PoolRow, StoreError
from ..store.repos import own_entries
from ..store.repos import pools as pool_repo
from ..stream.bus import Event
from .persist import to_its_end
from .runtime import Runtime

EVERY_S = 5.0
"""How often what happened is stored, what other processes changed is taken up, and who was set aside comes back."""
TOLD_AT_ONCE = 500
IN_USE = ("live", "keyed")


async def restore(rt: Runtime) -> None:
    """Take up what is stored. Raises StoreError."""
    await reload(rt)
    rt.gateway.pools.told = await pool_repo.last_number(rt.store)


async def follow(rt: Runtime) -> int:
    """Store what happened by itself, take up what changed, let go of providers that are gone, bring back whoever's time
    aside is over; gives the number of events told. Raises StoreError; what could not be stored is kept."""
    pools = rt.gateway.pools
    async with pools.changing:
        await to_its_end(_note(rt))
        await reload(rt)
        # One process tidies up, or each would tell of it.
        if rt.schedule.may_run(fenced=False) and await _tidied(rt):
            await reload(rt)
        pools.let_go(rt.gateway.sources)
    return await tell(rt)


async def _note(rt: Runtime) -> None:
    pools = rt.gateway.pools
    events = [*pools.events]
    pools.events.clear()
    try:
        await pool_repo.note(rt.store, events)
    except InDoubt:
        # They may be there: put back, they would be told of a second time.
        raise
    except StoreError:
        pools.events.extendleft(reversed(events))
        raise


async def forget(rt: Runtime) -> int:
    """Drop the history that is past its retention; gives the number of rows."""
    keep_ms = rt.limits.retention_days * 86_400_000
    return await pool_repo.forget(rt.store, rt.clock.now_ms() - keep_ms)


async def tell(rt: Runtime) -> int:
    """Publish what was stored since the last time, by any process; gives how many events."""
    pools = rt.gateway.pools
    if pools.told is None:
        pools.told = await pool_repo.last_number(rt.store)
    found = await pool_repo.after(rt.store, pools.told, TOLD_AT_ONCE)
    for number, event in found:
        # Another call may have told of it while this one read.
        if number > pools.told:
            pools.told = number
            rt.bus.publish(Event("pools", None, event_row(event), event.at_ms))
    return len(found)


def event_row(event: PoolEvent) -> dict[str, str | None]:
    """An event on the wire and on the stream."""
    return {
        "at": rfc3339(event.at_ms),
        "pool": event.pool,
        "kind": event.kind,
        "provider": event.provider,
        "other": event.other,
        "reason": event.reason,
    }


async def reload(rt: Runtime) -> None:
    """Take up what is stored now. Raises StoreError."""
    rows = await pool_repo.all_pools(rt.store)
    asides = await pool_repo.asides(rt.store)
    rt.gateway.pools.take_up(map(_of_row, rows), asides)


async def _tidied(rt: Runtime) -> bool:
    """Whether something stored had to go: providers that left the catalogue, and times that are over."""
    pools, now = rt.gateway.pools, rt.clock.now_ms()
    left = await _left(rt)
    changed = False
    for pool in pools.stored:
        gone = [m.provider for m in pool.members if m.provider in left]
        if gone:
            kept = tuple(m for m in pool.members if m.provider not in left)
            events = [PoolEvent(now, pool.id, "changed", None, name, "left the catalogue") for name in gone]
            await pool_repo.put(rt.store, row_of(replace(pool, members=kept)), events=events, returned=gone)
            changed = True
    for name, away in pools.asides.items():
        back = [a for a in away.values() if over(a, now) or a.provider in left]
        if back:
            events = [
                PoolEvent(now, name, "returned", a.provider, None, "its time aside is over")
                for a in back
                if a.provider not in left
            ]
            await pool_repo.set_aside(rt.store, name, (), [a.provider for a in back], events)
            changed = True
    return changed


async def _left(rt: Runtime) -> set[str]:
    """Providers named by pools that are in no catalogue any more. What is stored decides: another process may have added
    one that this one does not know yet, and one that is replaced is away for a moment."""
    pools = rt.gateway.pools
    named = {member.provider for pool in pools.stored for member in pool.members}
    absent = named.union(*pools.asides.values()) - rt.entries.keys()
    if not absent:
        return absent
    rows = {row.id: row.removed for row in await own_entries.everything(rt.store)}
    packaged = catalog.load()
    return {name for name in absent if rows.get(name, name not in packaged)}


def pool_of(rt: Runtime, id: str) -> Pool:
    """Raises NotFound."""
    pool = rt.gateway.pools.get(id)
    if pool is None:
        raise NotFound(f"There is no pool {id!r}; GET /api/pools lists them.", details={"pool": id})
    return pool


def members_of(rt: Runtime, pool: Pool) -> list[Member]:
    """Who is in a pool, those it has switched off among them, by id; of a shipped one what the catalogue has, with the
    changes."""
    if not pool.shipped:
        return sorted(pool.members)
    own = {member.provider: member for member in pool.members}
    found = (own.get(entry.id, Member(entry.id)) for entry in rt.entries.values() if belongs(entry, pool))
    return sorted(member for member in found if not member.removed)


def belongs(entry: Entry, pool: Pool) -> bool:
    """Whether a shipped pool holds an entry of the catalogue."""
    return entry.status in IN_USE and any(shipped_pool(entry.category, c) == pool.id for c in entry.offers)


def capabilities_of(rt: Runtime, pool: Pool, members: Collection[Member] | None = None) -> list[Capability]:
    """What a pool serves, by name; a shipped one what its `members` (those it has, unless given) offer."""
    if not pool.shipped:
        return sorted(pool.capabilities, key=lambda c: c.value)
    named = members_of(rt, pool) if members is None else members
    entries = [rt.entries[member.provider] for member in named]
    offered = {c for entry in entries for c in entry.offers if shipped_pool(entry.category, c) == pool.id}
    return sorted(offered, key=lambda c: c.value)


def front(rt: Runtime, pool: Pool, back: Collection[str] = ()) -> list[str]:
    """Members that can be first, the first one first: in use, not switched off, not set aside (but for those in `back`).
    By their priority in the pool, else by the best rank of what they offer of it."""
    now = rt.clock.now_ms()
    served = set(capabilities_of(rt, pool))
    away = rt.gateway.pools.asides.get(pool.id, {})
    found: list[tuple[int, str]] = []
    for member in members_of(rt, pool):
        source = rt.gateway.sources.get(member.provider)
        aside = away.get(member.provider)
        if source is None or not source.enabled or not member.counts:
            continue
        if aside is not None and not over(aside, now) and member.provider not in back:
            continue
        ranks = [source.rank(c) for c in source.entry.offers if c in served]
        if ranks:
            found.append((member.priority if member.priority is not None else min(ranks), member.provider))
    return [name for _, name in sorted(found)]


async def history(
    rt: Runtime, limit: int, *, before: int | None = None, pool: str | None = None
) -> list[pool_repo.Numbered]:
    """What happened, the newest first, with numbers under `before`, in all pools or one, which may be gone. Raises
    NotFound for a pool nobody ever heard of, StoreError."""
    if pool is not None and not await pool_repo.has_history(rt.store, pool):
        pool_of(rt, pool)
    return await pool_repo.history(rt.store, limit, before=before, pool=pool)


def row_of(pool: Pool) -> PoolRow:
    """A pool as it is stored."""
    return PoolRow(
        pool.id,
        pool.name,
        pool.category,
        pool.strategy,
        pool.created_ms,
        pool.enabled,
        tuple(PoolMemberRow(*member) for member in pool.members),
        " ".join(sorted(c.value for c in pool.capabilities)),
    )


def _of_row(row: PoolRow) -> Pool:
    known = {c.value for c in Capability}
    return Pool(
        row.id,
        row.name,
        row.category,
        row.strategy,
        # What a newer version knew is no reason not to start.
        frozenset(Capability(word) for word in row.capabilities.split() if word in known),
        tuple(Member(*member) for member in row.members),
        row.enabled,
        row.created_ms,
    )
