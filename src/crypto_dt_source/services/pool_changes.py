"""What operators do with pools: checked whole, stored, taken up by the gateway, told of. Nothing is ever half done."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from ..clock import rfc3339
from ..gateway.pools import over
from ..model.ask import Capability
from ..model.errors import Conflict, InvalidParameter, NotFound
from ..model.pool import PRIORITY, STRATEGIES, Aside, Member, Pool, PoolEvent
from ..store.repos import pools as pool_repo
from .pools import belongs, capabilities_of, front, members_of, pool_of, reload, row_of, tell
from .runtime import Runtime

MOST_POOLS = 100
MOST_MEMBERS = 500
MOST_PRIORITY = 10_000
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 1000.0
LONGEST_ASIDE_MS = 366 * 86_400_000
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
RESERVED = frozenset({"history"})
"""Ids that are paths."""


async def create(
    rt: Runtime,
    id: str,
    *,
    name: str,
    category: str,
    capabilities: Collection[str],
    strategy: str = PRIORITY,
    members: Iterable[Member] = (),
    enabled: bool = True,
) -> Pool:
    """A new pool, stored and in use. Raises InvalidParameter, Conflict for an id that is taken, StoreError."""
    if not _ID.fullmatch(id) or id in RESERVED:
        raise _wrong("id", id, "1 to 40 of a-z, 0-9, - and _, and not `history`")
    pools = rt.gateway.pools
    async with pools.changing:
        await reload(rt)
        if pools.get(id) is not None:
            raise Conflict(f"There is a pool {id!r} already; PUT changes it.", details={"pool": id})
        if sum(not pool.shipped for pool in pools.stored) >= MOST_POOLS:
            raise Conflict(
                f"There are {MOST_POOLS} pools already; delete one.", details={"allowed": MOST_POOLS}
            )
        now = rt.clock.now_ms()
        pool = Pool(
            id, text("name", name), text("category", category), _strategy(strategy), _served(capabilities),
            tuple(members), enabled, now,
        )  # fmt: skip
        _check_members(rt, pool, ())
        await _store(rt, pool, PoolEvent(now, id, "created", None, None, f"{pool.strategy}, by hand"))
    await tell(rt)
    return pool


async def change(
    rt: Runtime,
    id: str,
    *,
    name: str | None = None,
    category: str | None = None,
    capabilities: Collection[str] | None = None,
    strategy: str | None = None,
    members: Iterable[Member] | None = None,
    enabled: bool | None = None,
) -> Pool:
    """What is given takes the place of what was. Raises NotFound, InvalidParameter, Conflict for what a shipped pool takes
    from the catalogue, StoreError."""
    pools = rt.gateway.pools
    async with pools.changing:
        await reload(rt)
        old = pool_of(rt, id)
        if old.shipped and (category, capabilities) != (None, None):
            raise Conflict(
                "A shipped pool's category and capabilities come from the catalogue; make a pool of your own.",
                details={"pool": id},
            )
        new = Pool(
            id,
            old.name if name is None else text("name", name),
            old.category if category is None else text("category", category),
            old.strategy if strategy is None else _strategy(strategy),
            old.capabilities if capabilities is None else _served(capabilities),
            old.members if members is None else tuple(members),
            old.enabled if enabled is None else enabled,
            old.created_ms or rt.clock.now_ms(),
        )
        _check_members(rt, new, old.members)
        left = {m.provider for m in old.members} - {m.provider for m in new.members}
        await _store(rt, new, _changed(rt, new, _differences(old, new)), back=() if old.shipped else left)
    await tell(rt)
    return new


async def delete(rt: Runtime, id: str) -> bool:
    """Whether it was a shipped pool, which is then as it comes; another is gone. Raises NotFound, StoreError."""
    pools = rt.gateway.pools
    async with pools.changing:
        await reload(rt)
        pool = pool_of(rt, id)
        if not pool.shipped or pool in pools.stored or id in pools.asides:
            kind = "restored" if pool.shipped else "deleted"
            event = PoolEvent(rt.clock.now_ms(), id, kind, None, None, "by hand")
            await pool_repo.remove(rt.store, id, events=[event])
            await reload(rt)
    await tell(rt)
    return pool.shipped


async def put_member(rt: Runtime, id: str, member: Member, *, new: bool) -> Pool:
    """Add a member (`new`) or change one. Raises NotFound, InvalidParameter, Conflict for one that is there already,
    StoreError."""
    async with rt.gateway.pools.changing:
        await reload(rt)
        pool = pool_of(rt, id)
        there = any(m.provider == member.provider for m in members_of(rt, pool))
        if new and there:
            raise Conflict(
                f"{member.provider!r} is in the pool already; PUT changes it.",
                details={"pool": id, "provider": member.provider},
            )
        if not new and not there:
            raise _no_member(id, member.provider)
        others = tuple(m for m in pool.members if m.provider != member.provider)
        changed = _with(rt, pool, (*others, member))
        _check_members(rt, changed, pool.members)
        what = f"{member.provider}: {'added' if new else 'changed'}, {_said(member)}"
        await _store(rt, changed, _changed(rt, pool, what, member.provider))
    await tell(rt)
    return changed


async def remove_member(rt: Runtime, id: str, provider: str) -> Pool:
    """Take a member out; a shipped pool remembers to do without it. Raises NotFound, StoreError."""
    async with rt.gateway.pools.changing:
        await reload(rt)
        pool = pool_of(rt, id)
        if not any(m.provider == provider for m in members_of(rt, pool)):
            raise _no_member(id, provider)
        others = tuple(m for m in pool.members if m.provider != provider)
        gone = (Member(provider, removed=True),) if pool.shipped else ()
        changed = _with(rt, pool, (*others, *gone))
        await _store(
            rt, changed, _changed(rt, pool, f"{provider}: taken out", None, provider), back=[provider]
        )
    await tell(rt)
    return changed


async def rotate(rt: Runtime, id: str) -> Pool:
    """The first member goes behind the others, who move up; once each was first it begins anew. Of a pool that shares out
    asks whoever is next loses a turn. Raises NotFound, Conflict where nobody could take over, StoreError."""
    pools = rt.gateway.pools
    async with pools.changing:
        await reload(rt)
        pool = _on(rt, id)
        now = rt.clock.now_ms()
        standing = front(rt, pool)
        away = pools.asides.get(id, {})
        turned = [name for name, aside in away.items() if aside.turned]
        if len(standing) + len(turned) < 2:
            raise _alone(id)
        if pool.strategy != PRIORITY:
            for capability in capabilities_of(rt, pool):
                pools.turn(pool, capability, rt.gateway.ranked(capability))
            await pool_repo.note(rt.store, [PoolEvent(now, id, "rotated", None, None, "a turn, by hand")])
        else:
            asides = [Aside(standing[0], now, None, "rotated by hand", True)] if len(standing) > 1 else []
            back = [] if asides else turned
            first = standing[1] if asides else front(rt, pool, back)[0]
            event = PoolEvent(now, id, "rotated", first, next(iter(standing), None), "by hand")
            await pool_repo.set_aside(rt.store, id, asides, back, [event])
            await reload(rt)
    await tell(rt)
    return pool


async def fail_over(
    rt: Runtime, id: str, *, provider: str | None = None, until_ms: int | None = None, reason: str = ""
) -> Pool:
    """Set a member aside (the first, where none is named) until a time, or until it is brought back. Raises NotFound,
    InvalidParameter, Conflict where it is aside already or nobody could take over, StoreError."""
    pools = rt.gateway.pools
    why = text("reason", reason, 200) if reason else "by hand"
    async with pools.changing:
        await reload(rt)
        pool = _on(rt, id)
        now = rt.clock.now_ms()
        if until_ms is not None and not now < until_ms <= now + LONGEST_ASIDE_MS:
            raise _wrong("until", rfc3339(until_ms), "a time from now to a year ahead")
        standing = front(rt, pool)
        name = provider if provider is not None else next(iter(standing), None)
        if name is not None and not any(m.provider == name for m in members_of(rt, pool)):
            raise _no_member(id, name)
        held = pools.asides.get(id, {}).get(name or "")
        if held is not None and not held.turned and not over(held, now):
            raise Conflict(f"{name!r} is set aside already.", details={"pool": id, "provider": name})
        left = [other for other in standing if other != name]
        if name is None or not left:
            raise _alone(id)
        event = PoolEvent(now, id, "failed_over", left[0], name, why)
        await pool_repo.set_aside(rt.store, id, [Aside(name, now, until_ms, why)], (), [event])
        await reload(rt)
    await tell(rt)
    return pool


async def bring_back(rt: Runtime, id: str, provider: str) -> Pool:
    """End a time aside. Raises NotFound, Conflict for a member that is not set aside, StoreError."""
    pools = rt.gateway.pools
    async with pools.changing:
        await reload(rt)
        pool = pool_of(rt, id)
        if not any(m.provider == provider for m in members_of(rt, pool)):
            raise _no_member(id, provider)
        if provider not in pools.asides.get(id, {}):
            raise Conflict(f"{provider!r} is not set aside.", details={"pool": id, "provider": provider})
        event = PoolEvent(rt.clock.now_ms(), id, "returned", provider, None, "brought back by hand")
        await pool_repo.set_aside(rt.store, id, (), [provider], [event])
        await reload(rt)
    await tell(rt)
    return pool


def text(name: str, given: str, most: int = 80) -> str:
    """A text that people read: printable, not empty, not too long. Raises InvalidParameter."""
    kept = given.strip()
    if not kept or len(kept) > most or not kept.isprintable():
        raise _wrong(name, given[:100], f"a printable text of 1 to {most} characters")
    return kept


def _on(rt: Runtime, id: str) -> Pool:
    """Raises NotFound, Conflict."""
    pool = pool_of(rt, id)
    if not pool.enabled:
        raise Conflict("The pool is off and orders nothing; enable it first.", details={"pool": id})
    return pool


def _with(rt: Runtime, pool: Pool, members: tuple[Member, ...]) -> Pool:
    return replace(pool, members=members, created_ms=pool.created_ms or rt.clock.now_ms())


async def _store(rt: Runtime, pool: Pool, event: PoolEvent, back: Collection[str] = ()) -> None:
    await pool_repo.put(rt.store, row_of(pool), events=[event], returned=sorted(back))
    await reload(rt)


def _changed(
    rt: Runtime, pool: Pool, what: str, provider: str | None = None, other: str | None = None
) -> PoolEvent:
    return PoolEvent(rt.clock.now_ms(), pool.id, "changed", provider, other, what[:300])


def _differences(old: Pool, new: Pool) -> str:
    names = ("name", "category", "strategy", "enabled", "capabilities", "members")
    found = [name for name in names if getattr(old, name) != getattr(new, name)]
    words = [
        f"{name}: {getattr(new, name)}" if name in ("strategy", "enabled", "name") else name for name in found
    ]
    return ", ".join(words) or "nothing"


def _said(member: Member) -> str:
    priority = "rank" if member.priority is None else member.priority
    return f"priority {priority}, weight {member.weight:g}" + ("" if member.enabled else ", off")


def _strategy(given: str) -> str:
    if given not in STRATEGIES:
        raise _wrong("strategy", given[:100], ", ".join(STRATEGIES))
    return given


def _served(given: Collection[str]) -> frozenset[Capability]:
    known = {capability.value for capability in Capability}
    unknown = sorted(set(given) - known)
    if unknown or not given:
        raise _wrong("capabilities", unknown[0][:100] if unknown else None, ", ".join(sorted(known)))
    return frozenset(map(Capability, given))


def _check_members(rt: Runtime, pool: Pool, before: Collection[Member]) -> None:
    """Raises InvalidParameter for members that cannot be, Conflict for one named twice or of another shipped pool. Of those
    `before` one may be of a source that another process has added."""
    known = {member.provider for member in before}
    if len(pool.members) > MOST_MEMBERS:
        raise _wrong("members", len(pool.members), f"at most {MOST_MEMBERS}")
    names = [member.provider for member in pool.members]
    for member in pool.members:
        name = member.provider
        entry = rt.entries.get(name)
        if names.count(name) > 1:
            raise Conflict(f"{name!r} is named twice.", details={"pool": pool.id, "provider": name})
        if entry is None and name in known:
            continue
        if entry is None:
            raise _wrong("provider", name[:100], "an id of GET /api/providers")
        if pool.shipped and not belongs(entry, pool):
            raise Conflict(
                f"{name!r} is no {pool.name} source of the catalogue; make a pool of your own for a mix.",
                details={"pool": pool.id, "provider": name, "category": entry.category},
            )
        if not pool.shipped and not pool.capabilities & entry.offers.keys():
            served = ", ".join(sorted(c.value for c in pool.capabilities))
            raise _wrong(
                "provider", name, f"a provider that offers something of what the pool serves: {served}"
            )
        if member.priority is not None and not 1 <= member.priority <= MOST_PRIORITY:
            raise _wrong("priority", member.priority, f"null or a whole number from 1 to {MOST_PRIORITY}")
        if not LEAST_WEIGHT <= member.weight <= MOST_WEIGHT:
            raise _wrong("weight", member.weight, f"a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}")


def _wrong(name: str, got: object, allowed: str) -> InvalidParameter:
    return InvalidParameter(
        f"{name}: must be {allowed}.", details={"parameter": name, "got": got, "allowed": allowed}
    )


def _no_member(id: str, provider: str) -> NotFound:
    return NotFound(
        f"{provider!r} is not a member of the pool; GET /api/pools/{id} names them.",
        details={"pool": id, "provider": provider},
    )


def _alone(id: str) -> Conflict:
    return Conflict(
        "There is no other member in use that could take over; a pool keeps its last one.",
        details={"pool": id},
    )
