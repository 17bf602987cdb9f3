"""The metrics for people: the same counts as `metrics`, summed up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import ProcessCollector

from ..clock import rfc3339
from . import health
from .accounts import BUCKETS_MS, RouteTimes
from .runtime import Runtime

SCARCE = 10
"""Budgets that are shown: those of which the least share is left."""


async def summary(rt: Runtime) -> dict[str, Any]:
    """Requests, upstreams, budgets, cache, store, stream, limiter, models, jobs, log and process, now."""
    components = await health.components(rt)
    limiter = components["limiter"]
    return {
        "uptime_seconds": (rt.clock.now_ms() - rt.started_ms) // 1000,
        "status": health.overall(components),
        "requests": _requests(rt),
        "upstreams": _upstreams(rt),
        "scarce_budgets": _budgets(rt),
        "cache": {
            "entries": len(rt.cache),
            "hits": rt.cache.hits,
            "misses": rt.cache.misses,
            "stale": rt.cache.stale,
        },
        "store": {
            "dialect": rt.store.dialect,
            "status": components["database"]["status"],
            "waiting_writes": rt.store.waiting,
            "size_bytes": await health.store_size(rt),
        },
        "stream": _stream(rt),
        "limiter": {name: limiter[name] for name in ("kind", "failures", "unchecked", "refused")},
        "models": [
            {
                "id": state.id,
                "state": state.state,
                "memory_mb": state.memory_mb,
                "latency_p50_ms": state.latency_ms,
            }
            for state in rt.models.states()
        ],
        "jobs": _jobs(rt),
        "log": {"lines": dict(sorted(rt.logs.counts.items())), "dropped": rt.logs.dropped},
        "process": await asyncio.to_thread(_process),
    }


def _requests(rt: Runtime) -> dict[str, Any]:
    last_hour, mean_ms = rt.accounts.last_hour()
    statuses = Counter[int]()
    rows = []
    for route, times in rt.accounts.routes.items():
        statuses.update(times.statuses)
        rows.append(_route(route, times))
    return {
        "since_start": rt.accounts.total_requests,
        "last_hour": last_hour,
        "last_hour_mean_ms": None if mean_ms is None else round(mean_ms, 3),
        "connections": rt.connections() if rt.connections is not None else None,
        "by_status": {str(status): count for status, count in sorted(statuses.items())},
        "routes": sorted(rows, key=lambda row: (-int(row["count"]), str(row["route"]))),
    }


def _route(route: str, times: RouteTimes) -> dict[str, Any]:
    count = sum(times.buckets)
    return {
        "route": route,
        "count": count,
        "errors": sum(n for status, n in times.statuses.items() if status >= 500),
        "mean_ms": round(times.sum_ms / count, 3),
        "p50_at_most_ms": at_most(times.buckets, 0.5),
        "p95_at_most_ms": at_most(times.buckets, 0.95),
        "p99_at_most_ms": at_most(times.buckets, 0.99),
    }


def at_most(buckets: Sequence[int], share: float) -> float | None:
    """The bound (ms) that `share` of what was counted stayed within; None where that is above the last bound, or nothing
    was counted."""
    wanted = share * sum(buckets)
    for bound, upto in zip(BUCKETS_MS, accumulate(buckets), strict=False):
        if upto and upto >= wanted:
            return bound
    return None


def _upstreams(rt: Runtime) -> dict[str, Any]:
    sources = rt.gateway.sources.values()
    failures = Counter[str]()
    for source in sources:
        failures.update(source.health.failures)
    return {
        "calls": sum(source.health.calls for source in sources),
        "failures": dict(failures.most_common()),
        "breakers": dict(Counter(source.breaker.state for source in sources)),
        "breaker_opened": sum(source.breaker.opened for source in sources),
        "rejected_records": sum(source.health.rejected for source in sources),
        "hedges": rt.gateway.hedges.hedges,
        "takeovers": rt.gateway.hedges.takeovers,
    }


def _budgets(rt: Runtime) -> list[dict[str, Any]]:
    rows = [
        {
            "scope": line.scope.partition(":")[0],
            "per_seconds": line.per_s,
            "amount": line.amount,
            "left": max(0, line.amount - line.used),
            "left_pct": round(100 * max(0, line.amount - line.used) / line.amount, 2),
        }
        for line in rt.gateway.budgets()
    ]
    return sorted(rows, key=lambda row: (row["left_pct"], row["scope"], row["per_seconds"]))[:SCARCE]


def _stream(rt: Runtime) -> dict[str, Any]:
    stats = rt.sessions.stats()
    feeds = rt.feeds.status() if rt.feeds is not None else []
    names = ("connections", "accepted", "refused", "published", "delivered", "waiting_bytes", "conflated")
    return {
        **{name: stats[name] for name in names},
        "feeds": dict(Counter(feed.state for feed in feeds)),
    }


def _jobs(rt: Runtime) -> list[dict[str, Any]]:
    rows = []
    for name in sorted({*rt.tasks, *rt.schedule.plans}):
        plan = rt.schedule.plans.get(name)
        last = plan.last if plan else None
        ended_ms = last.ended_ms if last else None
        next_ms = plan.next_ms if plan else None
        rows.append(
            {
                "job": name,
                "outcome": rt.tasks.get(name),
                "last_end": None if ended_ms is None else rfc3339(ended_ms),
                "next_start": None if next_ms is None else rfc3339(next_ms),
            }
        )
    return rows


def _process() -> dict[str, Any]:
    found = {
        sample.name: sample.value
        for family in ProcessCollector(registry=None).collect()
        for sample in family.samples
    }

    def whole(name: str) -> int | None:
        value = found.get(name)
        return None if value is None else int(value)

    return {
        "resident_bytes": whole("process_resident_memory_bytes"),
        "cpu_seconds": found.get("process_cpu_seconds_total"),
        "open_files": whole("process_open_fds"),
    }
