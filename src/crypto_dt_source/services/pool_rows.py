"""Pools, and the way an ask took through them, as they are shown. To look takes nobody's turn."""

from __future__ import annotations

from typing import Any

from ..clock import rfc3339
from ..gateway.pools import over
from ..gateway.trace import Asked
from ..model.ask import Capability
from ..model.pool import PRIORITY, STRATEGIES, Member, Pool, Route
from . import providers
from .pools import capabilities_of, members_of, pool_of
from .runtime import Runtime

SHOWN = 12
"""Sources of an order that an answer names."""
Orders = dict[str, dict[str, list[str]]]


def listed(rt: Runtime) -> list[dict[str, Any]]:
    """Every pool: the operator's own, the oldest first, then the shipped ones."""
    orders = _orders(rt)
    return [_view(rt, pool, orders) for pool in rt.gateway.pools.everyone()]


def one(rt: Runtime, id: str) -> dict[str, Any]:
    """Raises NotFound."""
    return _view(rt, pool_of(rt, id), _orders(rt))


def _orders(rt: Runtime) -> Orders:
    """By pool and capability: who the next ask would be tried with, those left out that rest now."""
    found: Orders = {}
    for capability in Capability:
        sources = [s for s in rt.gateway.ranked(capability) if s.resting(capability) is None]
        for section in rt.gateway.pools.arrange(capability, sources)[1]:
            names = [source.entry.id for source in section.all]
            found.setdefault(section.pool.id, {})[capability.value] = names
    return found


def _view(rt: Runtime, pool: Pool, orders: Orders) -> dict[str, Any]:
    pools = rt.gateway.pools
    members = members_of(rt, pool)
    return {
        "id": pool.id,
        "name": pool.name,
        "category": pool.category,
        "shipped": pool.shipped,
        "changed": not pool.shipped or pool in pools.stored or pool.id in pools.asides,
        "enabled": pool.enabled,
        "strategy": pool.strategy,
        "capabilities": [c.value for c in capabilities_of(rt, pool, members)],
        "created_at": rfc3339(pool.created_ms) if pool.created_ms and not pool.shipped else None,
        "members": [_member(rt, pool, member) for member in members],
        "order": orders.get(pool.id, {}) if pool.enabled else {},
    }


def _member(rt: Runtime, pool: Pool, member: Member) -> dict[str, Any]:
    pools = rt.gateway.pools
    entry = rt.entries.get(member.provider)
    aside = pools.asides.get(pool.id, {}).get(member.provider)
    away = aside is not None and not over(aside, rt.clock.now_ms())
    return {
        "provider": member.provider,
        "name": entry.name if entry is not None else member.provider,
        "priority": member.priority,
        "weight": member.weight,
        "enabled": member.enabled,
        "state": "gone" if entry is None else providers.state(rt, entry),
        "stood_in_for": (pool.id, member.provider) in pools.failing,
        "set_aside": {
            "since": rfc3339(aside.since_ms),
            "until": None if aside.until_ms is None else rfc3339(aside.until_ms),
            "reason": aside.reason,
        }
        if aside is not None and away
        else None,
    }


def state(rt: Runtime) -> dict[str, Any]:
    """The `pools` channel as a subscription begins: each pool, and who of it is not as usual."""
    pools = rt.gateway.pools
    now = rt.clock.now_ms()
    return {
        "pools": [
            {
                "pool": pool.id,
                "strategy": pool.strategy,
                "enabled": pool.enabled,
                "set_aside": sorted(n for n, a in pools.asides.get(pool.id, {}).items() if not over(a, now)),
                "stood_in_for": sorted(name for where, name in pools.failing if where == pool.id),
            }
            for pool in pools.everyone()
        ]
    }


def way(asked: Asked) -> dict[str, Any]:
    """What one ask did, for the `meta` of the answer it was made for."""
    route = asked.route
    return {
        "capability": asked.capability.value,
        "pool": None if route is None else route.pool,
        "strategy": None if route is None else route.strategy,
        "why": _why(route),
        "order": [] if route is None else list(route.order[:SHOWN]),
        "more": 0 if route is None else max(0, len(route.order) - SHOWN),
        "answered": asked.provider,
        "tried": [
            {"provider": t.provider, "failure": t.failure, "elapsed_ms": round(t.elapsed_ms, 1)}
            for t in asked.tried[-SHOWN:]
        ],
    }


def _why(route: Route | None) -> str:
    if route is None:
        return "who was to be asked was named with the ask"
    if route.pool is None or route.strategy is None:
        return "in no pool: by rank"
    words = f"{route.strategy}: {STRATEGIES.get(route.strategy, STRATEGIES[PRIORITY])}"
    return f"{words}; set aside: {', '.join(route.aside)}" if route.aside else words
