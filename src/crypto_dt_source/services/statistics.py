"""The service in numbers, for people: in short, in full, told to the stream, and as a file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..clock import rfc3339
from ..model.errors import CdtsError
from ..store import CallStats, RequestStats
from ..store.cache import Cached, Loaded
from ..store.repos import calls as call_repo
from ..stream import Event
from ..telemetry import logger
from . import health, providers
from .runtime import Runtime

log = logger("statistics")
DAY_MS = 86_400_000
CHANNEL = "system"
EVENT = "statistics"
HELD_S = 15.0
WATCH_S = 60.0


async def status(rt: Runtime) -> dict[str, Any]:
    """The service on one screen: how it is, what it collects, since when."""
    found = await health.components(rt)
    now = rt.clock.now_ms()
    return {
        "status": health.overall(found),
        "version": __version__,
        "mode": rt.mode,
        "preset": rt.installation.preset or None,
        "started_at": rfc3339(rt.started_ms),
        "uptime_seconds": (now - rt.started_ms) // 1000,
        "components": {name: component["status"] for name, component in found.items()},
        "providers": states(rt),
        "assets_priced": len(rt.board.quotes),
        "stream_connections": len(rt.sessions.sessions),
        "requests_last_hour": rt.accounts.last_hour()[0],
        "upstream_calls": rt.accounts.total_calls,
    }


def states(rt: Runtime) -> dict[str, int]:
    """How many providers are in each state."""
    counted = Counter(providers.state(rt, entry) for entry in rt.entries.values())
    return {state: counted[state] for state in ("up", "degraded", "down", "idle", "no_key", "off", "gone")}


async def collected(rt: Runtime) -> dict[str, Any]:
    """The full statistics; what is in the store is None while that cannot be read."""
    now = rt.clock.now_ms()
    calls: list[CallStats] | None = None
    asked: RequestStats | None = None
    size: int | None = None
    try:
        calls = await call_repo.call_stats(rt.store, now - DAY_MS)
        asked = await call_repo.request_stats(rt.store, now - DAY_MS)
        size = await rt.store.size_bytes()
    except CdtsError as error:
        log.info("statistics of the store are left out", reason=error.message)
    last_hour, mean_ms = rt.accounts.last_hour()
    by_category = Counter(entry.category for entry in rt.entries.values())
    stream = rt.sessions.stats()
    return {
        "at": rfc3339(now),
        "uptime_seconds": (now - rt.started_ms) // 1000,
        "requests": {
            "since_start": rt.accounts.total_requests,
            "last_hour": last_hour,
            "last_hour_mean_ms": None if mean_ms is None else round(mean_ms, 3),
            "last_24h": None if asked is None else asked.requests,
            "last_24h_mean_ms": None if asked is None or asked.mean_ms is None else round(asked.mean_ms, 3),
            "refused": dict(sorted(rt.access.refused.items())),
        },
        "upstreams": {
            "calls_since_start": rt.accounts.total_calls,
            "calls_24h": None if calls is None else sum(row.calls for row in calls),
            "failures_24h": None if calls is None else sum(row.failures for row in calls),
            "by_provider_24h": None if calls is None else [_calls(row) for row in calls],
        },
        "providers": {
            "total": len(rt.entries),
            "in_use": len(rt.gateway.sources),
            "by_state": states(rt),
            "by_category": dict(sorted(by_category.items())),
        },
        "assets": {"known": len(rt.resolver), "priced": len(rt.board.quotes)},
        "cache": {
            "entries": len(rt.cache),
            "hits": rt.cache.hits,
            "misses": rt.cache.misses,
            "stale": rt.cache.stale,
        },
        "store": {"dialect": rt.store.dialect, "size_bytes": size, "waiting_writes": rt.store.waiting},
        "stream": {name: stream[name] for name in ("connections", "subscriptions", "published", "delivered")},
        "jobs": dict(sorted(rt.tasks.items())),
    }


def _calls(row: CallStats) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "calls": row.calls,
        "failures": row.failures,
        "success_rate": round((row.calls - row.failures) / row.calls, 4) if row.calls else None,
        "mean_ms": None if row.mean_ms is None else round(row.mean_ms, 3),
        "last_call": rfc3339(row.last_ms),
    }


def as_csv(found: Mapping[str, Any]) -> bytes:
    """Statistics as two columns, the name of a figure with its parts joined by dots, and the figure; what is None is
    empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("name", "value"))
    writer.writerows(_flat(found, ""))
    return text.getvalue().encode()


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [row for key, item in value.items() for row in _flat(item, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        return [
            row
            for item in value
            for row in _flat({k: v for k, v in item.items() if k != "provider"}, f"{name}.{item['provider']}")
        ]
    return [(name, value)]


async def broadcast(rt: Runtime) -> int:
    """Tell the stream's `system` channel the totals; gives how many connections there are. Each of them gets it, so that
    what is of single providers and jobs is left to those who ask."""
    found = await collected(rt)
    del found["upstreams"]["by_provider_24h"], found["jobs"]
    data = {"event": EVENT, "status": health.overall(await health.components(rt)), EVENT: found}
    rt.bus.publish(Event(CHANNEL, None, data, rt.clock.now_ms()))
    return len(rt.sessions.sessions)


async def watch(rt: Runtime) -> int:
    """Look at every component and provider, so that health can say since when each is as it is, and log what has changed;
    gives how many providers changed. While nothing can be reached that is one line, and who is down with it is told only
    where it stays so afterwards. Asks no upstream."""
    await health.components(rt)
    seen = rt.vitals.providers
    _tell_outage(rt)
    changed = 0
    for source in rt.gateway.sources.values():
        name, now = source.entry.id, providers.state(rt, source.entry)
        before = seen.get(name)
        if now == "down" and before != now and (source.health.last_failure_ms or 0) <= rt.vitals.cut_off_ms:
            log.debug("a provider is down", provider=name, state=now, before=before)
            continue
        seen[name] = now
        if before == now or (before is None and now in ("idle", "up")):
            continue
        changed += 1
        line = log.bind(provider=name, state=now, before=before)
        if now == "down":
            line.warning("a provider is down", code=source.health.last_failure)
        else:
            line.info("a provider's state has changed")
    return changed


def _tell_outage(rt: Runtime) -> None:
    vitals, total = rt.vitals, rt.gateway.outage.total
    if total:
        vitals.cut_off_ms = rt.clock.now_ms()
    if total == vitals.cut_off:
        return
    vitals.cut_off = total
    if total:
        log.warning(health.CUT_OFF)
    else:
        log.info("the network can be reached again")


async def held(rt: Runtime) -> Cached[dict[str, Any]]:
    """`collected` for whoever asks, made at most every HELD_S."""

    async def load() -> Loaded[dict[str, Any]]:
        return Loaded(await collected(rt), rt.clock.now_ms(), ())

    return await rt.cache.get((EVENT,), HELD_S, HELD_S, load)
