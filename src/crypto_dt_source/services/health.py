"""Health: every component with its reason. Degraded is not down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..clock import rfc3339
from ..gateway.feed_events import Status
from ..model.errors import NoDataYet
from ..store import StoreError
from ..store.repos import integrity
from . import archive, backup, jobs, shipping
from .runtime import Runtime
from .vitals import Silent

CUT_OFF = "the network seems unreachable, no upstream answers; look at DNS, the proxy and the firewall"
FRESH_SHARE = 0.5
"""Share of polled venues whose quotes must be younger than the price TTL for the providers to be well."""
DATABASE, LIMITER = "database", "limiter"


def _component(status: str, reason: str | None = None, **facts: Any) -> dict[str, Any]:
    return {"status": status, "reason": reason, **facts}


async def components(rt: Runtime) -> dict[str, dict[str, Any]]:
    """Every component: its status, the reason where it is not well, and since when that is so. Never asks an upstream, and
    waits for nobody longer than `vitals.PATIENCE_S`."""
    database, limiter = await asyncio.gather(_database(rt), _limiter(rt))
    found = {
        DATABASE: database,
        "providers": _providers(rt),
        "models": _models(rt),
        "websocket": _websocket(rt),
        "cache": _component(
            "ok",
            entries=len(rt.cache),
            hits=rt.cache.hits,
            misses=rt.cache.misses,
            stale=rt.cache.stale,
        ),
        "scheduler": _scheduler(rt),
        LIMITER: limiter,
        "streams": _streams(rt),
        "backup": backup.component(rt),
        "shipping": shipping.component(rt),
        "archive": archive.component(rt),
    }
    for name, component in found.items():
        since = rt.vitals.since(name, component["status"], component["reason"], rt.started_ms)
        component["since"] = rfc3339(since)
    return found


def overall(found: Mapping[str, Mapping[str, Any]]) -> str:
    """`ok`, `degraded`, or `down`, which only the database can bring about."""
    if found[DATABASE]["status"] == "down":
        return "down"
    return "degraded" if any(c["status"] != "ok" for c in found.values()) else "ok"


async def report(rt: Runtime) -> dict[str, Any]:
    """The whole health answer. Never asks an upstream."""
    found = await components(rt)
    requests, mean = rt.accounts.last_hour()
    return {
        "status": overall(found),
        "components": found,
        "metrics": {
            "uptime_seconds": (rt.clock.now_ms() - rt.started_ms) // 1000,
            "active_connections": rt.connections() if rt.connections is not None else None,
            "request_count_1h": requests,
            "average_response_time_ms": None if mean is None else round(mean, 3),
            "accounts_dropped": rt.accounts.dropped,
            "upstream_calls": rt.accounts.total_calls,
            "assets_priced": len(rt.board.quotes),
        },
    }


async def _database(rt: Runtime) -> dict[str, Any]:
    try:
        await rt.vitals.ask(DATABASE, lambda: integrity.alive(rt.store))
    except StoreError as error:
        return _component("down", _failed("read", error), dialect=rt.store.dialect)
    except Silent as silent:
        # The service has opened it: a first answer that is only late says nothing yet.
        if silent.hangs:
            return _component("down", f"{silent}; answers come from memory", dialect=rt.store.dialect)
    if not rt.store.writable:
        return _component(
            "degraded", "the writer has stopped; nothing is stored until a restart", dialect=rt.store.dialect
        )
    if rt.store.write_error is not None:
        return _component("degraded", _failed("write", rt.store.write_error), dialect=rt.store.dialect)
    waiting = rt.store.waiting
    if waiting > 100:
        return _component("degraded", f"{waiting} writes wait", dialect=rt.store.dialect)
    return _component("ok", dialect=rt.store.dialect)


async def store_size(rt: Runtime) -> int | None:
    """Bytes of the database; None while it does not tell."""
    try:
        return await rt.vitals.ask("size of the database", rt.store.size_bytes)
    except (StoreError, Silent):
        return None


def _failed(what: str, error: StoreError) -> str:
    """The driver's own words stay in the log."""
    return f"the last {what} failed{f' ({error.kind})' if error.kind else ''}; answers come from memory"


def _providers(rt: Runtime) -> dict[str, Any]:
    now = rt.clock.now_ms()
    polled = rt.board.polled
    fresh = [p for p, at in polled.items() if now - at < 1000 * _fresh_s(rt, p)]
    silent = sorted(p for p, s in rt.gateway.sources.items() if s.breaker.state != "closed")
    facts: dict[str, Any] = {
        "in_use": len(rt.gateway.sources),
        "fresh": len(fresh),
        "resting": silent,
        "newest": rfc3339(max(polled.values())) if polled else None,
    }
    if rt.schedule.leader.standing == "follows":
        old_s = (now - rt.pricer.followed_ms) / 1000
        if old_s > rt.freshness.prices:
            return _component("degraded", "the process that collects leaves no prices in the store", **facts)
        return _component("ok", "another process collects", **facts)
    if not polled:
        said = "no provider has delivered quotes yet"
        return _component("degraded", f"{said}: {CUT_OFF}" if rt.gateway.outage.total else said, **facts)
    if len(fresh) < FRESH_SHARE * len(polled):
        why = f": {CUT_OFF}" if rt.gateway.outage.total else ""
        said = f"most providers are silent; stored prices are served marked stale{why}"
        return _component("degraded", said, **facts)
    return _component("ok", **facts)


def _fresh_s(rt: Runtime, provider: str) -> float:
    """Seconds after which a provider's quotes are overdue: the price TTL, or twice its own period where that is longer."""
    source = rt.gateway.sources.get(provider)
    return max(rt.freshness.prices, 2 * source.entry.poll_s if source else 0)


def _models(rt: Runtime) -> dict[str, Any]:
    states = rt.models.states()
    failed = {state.id: state.reason for state in states if state.state == "failed"}
    facts: dict[str, Any] = {
        "default": rt.models.default,
        "ready": [state.id for state in states if state.state == "ready"],
        "failed": failed,
    }
    if rt.models.default in failed:
        reason = (
            f"{rt.models.default} cannot be loaded; the packaged model answers: {failed[rt.models.default]}"
        )
        return _component("degraded", reason, **facts)
    return _component("ok", **facts)


def _scheduler(rt: Runtime) -> dict[str, Any]:
    # That one upstream does not answer is said of the providers.
    failing = [
        job
        for job, word in rt.tasks.items()
        if word != "ok" and (word == jobs.CRASHED or not job.startswith(jobs.OF_ONE_UPSTREAM))
    ]
    facts: dict[str, Any] = {"leadership": jobs.leadership(rt), "jobs": dict(rt.tasks)}
    if not rt.tasks:
        return _component("ok", "background work is switched off", **facts)
    if rt.schedule.watched and rt.schedule.leader.standing == "unknown":
        return _component("degraded", "nobody is known to run the timetable", **facts)
    if failing:
        return _component("degraded", f"last run failed: {', '.join(sorted(failing))}", **facts)
    return _component("ok", **facts)


async def _limiter(rt: Runtime) -> dict[str, Any]:
    limiter = rt.access.limiter
    try:
        alive = await rt.vitals.ask(LIMITER, limiter.alive)
    except Silent as silent:
        alive = not silent.hangs
    facts: dict[str, Any] = {
        "kind": limiter.kind,
        "failures": limiter.failures,
        "unchecked": limiter.unchecked,
        "refused": dict(sorted(rt.access.refused.items())),
    }
    if not alive:
        return _component("degraded", "Redis does not answer; requests pass uncounted", **facts)
    return _component("ok", **facts)


def _websocket(rt: Runtime) -> dict[str, Any]:
    """The clients' connections to the stream."""
    sessions = rt.sessions
    facts: dict[str, Any] = {
        "connections": len(sessions.sessions),
        "accepted": sessions.accepted,
        "refused": sessions.refused,
    }
    if sessions.stopping:
        return _component("degraded", "the service stops and takes no new connection", **facts)
    if not sessions.beating:
        return _component("degraded", "heartbeats have stopped; silent connections stay open", **facts)
    return _component("ok", **facts)


def stream_row(status: Status) -> dict[str, Any]:
    """A venue's stream on the wire."""
    last = status.last_data_ms
    return {
        "state": status.state,
        "connections": status.connections,
        "wanted": status.wanted,
        "subscribed": status.subscribed,
        "last_data": None if last is None else rfc3339(last),
        "reconnects": status.reconnects,
        "gaps": status.gaps,
        "reason": status.reason or None,
    }


def _streams(rt: Runtime) -> dict[str, Any]:
    """The venues' streams. One that stalls degrades nothing but its own freshness: its venue is polled meanwhile."""
    if rt.feeds is None:
        return _component("ok", "no stream is read", venues={})
    venues = {status.provider: status for status in sorted(rt.feeds.status())}
    rows = {provider: stream_row(status) for provider, status in venues.items()}
    stalled = [provider for provider, status in venues.items() if status.state == "stalled"]
    if stalled:
        return _component("degraded", f"no data now, polled instead: {', '.join(stalled)}", venues=rows)
    return _component("ok", venues=rows)


def ready(rt: Runtime) -> int:
    """How many assets have a price that can be served. Raises NoDataYet with none."""
    count = len({key[0] for key in rt.pricer.last}) or len(rt.board.quotes)
    if not count:
        raise NoDataYet("No price has been collected yet.", retry_after=5)
    return count
