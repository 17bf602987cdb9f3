"""Upstreams: each provider, the network as a whole, streams, feeds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from urllib.parse import urlsplit

from ...gateway.names import resolves
from ...gateway.source import Source
from ...model.ask import Capability
from ...model.errors import (
    AddressRefused,
    BodyTooLarge,
    CircuitOpen,
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    RegionBlocked,
    UpstreamBanned,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from ...store.repos import news as news_repo
from .. import fixes
from ..runtime import Runtime
from .finding import CRITICAL, ERROR, INFO, WARNING, Finding, Fix, Scene

UNREACHED = frozenset({UpstreamUnreachable.code, UpstreamTimeout.code})
FEWEST = 4
"""Hosts below which their silence says nothing of the network."""
NETWORK_SHARE = 0.8
RECENT_MS = 900_000
LOOKED_UP = 8
SPENT_S = 600.0
"""A budget that gives nothing for so long is used up."""
SILENT_MS, DEAD_MS = 60_000, 180_000
NEWS_JOB, LATE_FEED = "news", 3
"""The job that reads feeds, and how many of its rounds a feed may miss."""
FAILED_READS = 3

_KNOWN: dict[str, tuple[str, str, str, str, str]] = {
    KeyRefused.code: (
        "provider.key_refused",
        ERROR,
        "the key is refused",
        "It is not asked; others answer where they can.",
        "Set a valid key in {env} and restart; if it was revoked, make a new one at {docs}.",
    ),
    RegionBlocked.code: (
        "provider.region_blocked",
        WARNING,
        "it does not answer addresses of this region",
        "It is asked again in some hours; others answer meanwhile.",
        "Run the service elsewhere, or point CDTS_BASE_URL__{name} at a host that may reach it.",
    ),
    PayloadChanged.code: (
        "provider.schema_drift",
        WARNING,
        "its answers no longer have the form they are read by",
        "What cannot be read is not served; others answer meanwhile.",
        "Look for a newer version of this service; the log has the place in the answer.",
    ),
    BodyTooLarge.code: (
        "provider.schema_drift",
        WARNING,
        "its answers are larger than any it should give",
        "They are not read; others answer meanwhile.",
        "Look at what {docs} says of the endpoint.",
    ),
    UpstreamBroken.code: (
        "provider.broken",
        WARNING,
        "it answers with errors of its own",
        "It rests and is tried again; others answer meanwhile.",
        "Wait; its status page may say more ({docs}).",
    ),
    UpstreamTimeout.code: (
        "provider.silent",
        WARNING,
        "it does not answer in time",
        "It rests and is tried again; others answer meanwhile.",
        "Wait, or raise UPSTREAM_TIMEOUT where the line is slow.",
    ),
    UpstreamUnreachable.code: (
        "provider.unreachable",
        WARNING,
        "no connection can be made to it",
        "It rests and is tried again; others answer meanwhile.",
        "Check whether a firewall or a proxy stands between.",
    ),
    UpstreamRateLimited.code: (
        "provider.rate_limited",
        INFO,
        "it says that it is asked too often",
        "It rests for the time it named, and is asked less often afterwards.",
        "Is another program using the same address or key? Otherwise wait.",
    ),
    UpstreamBanned.code: (
        "provider.banned",
        ERROR,
        "it has banned this address for a while",
        "No call goes to it until the ban is over.",
        "Find what else asks it from this address, and wait.",
    ),
    PlanRequired.code: (
        "provider.plan_required",
        WARNING,
        "it wants a paid plan",
        "What it wants paid is taken from others.",
        "Change the plan of {env}, or switch the provider off.",
    ),
    UpstreamRejected.code: (
        "provider.rejected",
        WARNING,
        "it refuses what it is asked",
        "The address or the API is another one now.",
        "Look for a newer version of this service; {docs} documents the API.",
    ),
    AddressRefused.code: (
        "provider.address_refused",
        WARNING,
        "it redirects to where the service does not go",
        "It is not read.",
        "Look where it has moved, and set that address.",
    ),
}
"""By the code of the failure: id, severity, what is found, what it means, what to do."""


async def providers(at: Scene) -> list[Finding]:
    """Every provider in use that fails or rests, by cause; one finding of the network where all of them do."""
    rt = at.running
    failing = {name: code for name, source in rt.gateway.sources.items() if (code := cause(rt, source))}
    network = _network(rt, failing)
    if network is not None:
        silent = UNREACHED | {CircuitOpen.code}
        failing = {name: code for name, code in failing.items() if code not in silent}
    lost = await _unresolved(rt, [n for n, code in failing.items() if code == UpstreamUnreachable.code])
    found = [_told(rt.gateway.sources[name], code, name in lost) for name, code in sorted(failing.items())]
    fixed = [finding._replace(fix=_probe(rt, finding)) for finding in found]
    return ([network] if network is not None else []) + fixed + list(_spent(rt))


def _probe(rt: Runtime, finding: Finding) -> Fix | None:
    """Asking again is right for what passes by itself; a refusal is not asked about twice."""
    if finding.id not in (
        "provider.broken",
        "provider.silent",
        "provider.unreachable",
        "provider.schema_drift",
    ):
        return None
    return Fix(f"ask {finding.subject} past its rest", partial(fixes.try_again, rt, finding.subject))


def cause(rt: Runtime, source: Source) -> str | None:
    """Why a source is not asked now or its newest call failed, as the code of an error; None for one that is well, was
    never asked, or is a feed (`feeds` looks at those)."""
    if not source.enabled or source.entry.kind == "feed":
        return None
    health, now = source.health, rt.clock.monotonic()
    whole = health.ejections.get(None)
    if whole is not None and now < whole.until:
        return whole.code
    if source.breaker.state != "closed":
        # The breaker is its host's: another entry of the host may have opened it.
        return health.last_failure if health.last_failure in _KNOWN else CircuitOpen.code
    if now < source.meter.blocked_until:
        return UpstreamRateLimited.code
    parts = [rest.code for rest in health.ejections.values() if now < rest.until]
    if parts:
        return parts[0]
    failed_last = bool(health.outcomes) and not health.outcomes[-1]
    return (
        health.last_failure
        if failed_last and health.last_failure in (KeyRefused.code, PlanRequired.code)
        else None
    )


def _told(source: Source, code: str, unresolved: bool) -> Finding:
    entry = source.entry
    if unresolved:
        host = urlsplit(source.base_url).hostname or entry.id
        return Finding(
            "provider.name_unresolved",
            WARNING,
            f"{entry.id}: the name {host} cannot be looked up",
            "It cannot be reached; others answer meanwhile.",
            "Check the name server of this machine, and CDTS_BASE_URL__ where the address is yours.",
            entry.id,
        )
    if code == CircuitOpen.code:
        code = UpstreamUnreachable.code
    ident, severity, found, meaning, advice = _KNOWN.get(code, _KNOWN[UpstreamBroken.code])
    names = {
        "env": entry.auth.env if entry.auth else "its setting",
        "docs": entry.docs or "its documentation",
        "name": entry.id.upper(),
    }
    return Finding(
        ident, severity, f"{entry.id}: {found} ({code})", meaning, advice.format(**names), entry.id
    )


def _network(rt: Runtime, failing: dict[str, str]) -> Finding | None:
    """That nothing is reachable, which is then not said once for each provider."""
    since = rt.clock.now_ms() - RECENT_MS
    asked: dict[str, bool] = {}
    for name, source in rt.gateway.sources.items():
        health = source.health
        newest = max(health.last_success_ms or 0, health.last_failure_ms or 0)
        if newest >= since:
            reached = failing.get(name) not in UNREACHED and _answered_last(source)
            asked[source.entry.source] = asked.get(source.entry.source, False) or reached
    silent = sum(not reached for reached in asked.values())
    if len(asked) < FEWEST or silent < NETWORK_SHARE * len(asked):
        return None
    return Finding(
        "network.down",
        CRITICAL,
        f"{silent} of {len(asked)} upstreams asked lately cannot be reached",
        "Nothing new comes in; what is stored is answered, marked stale.",
        "Check this machine's network, its name server, and whether a firewall or proxy lets HTTPS out.",
    )


def _answered_last(source: Source) -> bool:
    outcomes = source.health.outcomes
    return bool(outcomes and outcomes[-1]) or source.health.last_failure not in UNREACHED


async def _unresolved(rt: Runtime, names: Iterable[str]) -> set[str]:
    """Those whose host's name cannot be looked up, of the first few."""
    chosen = sorted(names)[:LOOKED_UP]
    there = await asyncio.gather(*(resolves(rt.gateway.sources[name].base_url) for name in chosen))
    return {name for name, known in zip(chosen, there, strict=True) if not known}


def _spent(rt: Runtime) -> Iterator[Finding]:
    now = rt.clock.monotonic()
    seen: set[str] = set()
    for name, source in sorted(rt.gateway.sources.items()):
        wait_s = source.meter.wait(1)
        if source.meter.scope in seen or wait_s < SPENT_S or now < source.meter.blocked_until:
            continue
        seen.add(source.meter.scope)
        until = "" if wait_s == float("inf") else f" for {wait_s / 3600:.1f} h"
        yield Finding(
            "provider.budget_spent",
            WARNING,
            f"{name}: its published limit is used up{until}",
            "It is not asked until the window has passed; others answer meanwhile.",
            "Nothing, if others have the data; else a key or plan with a higher limit.",
            name,
        )


async def streams(at: Scene) -> list[Finding]:
    """Venues' streams that stopped."""
    rt = at.running
    if rt.feeds is None:
        return []
    now, found = rt.clock.now_ms(), []
    for status in rt.feeds.status():
        since_ms = now - (status.last_data_ms or rt.started_ms)
        # One that says it is live and brings nothing has lost the task that reads it: its own watch is part of that.
        if not status.wanted or since_ms < (SILENT_MS if status.state != "live" else DEAD_MS):
            continue
        feed = rt.feeds.feeds[status.provider]
        found.append(
            Finding(
                "stream.stalled",
                WARNING,
                f"the stream of {status.provider} has brought nothing for {since_ms // 1000} s ({status.reason or status.state})",
                "Its prices move only as often as it is polled.",
                "Let the diagnosis connect anew (auto_fix); if it stays, look whether the venue is down.",
                status.provider,
                Fix(f"connect to {status.provider} anew", partial(fixes.restart_stream, rt, feed)),
            )
        )
    return found


async def feeds(at: Scene) -> list[Finding]:
    """News feeds that bring nothing any more."""
    rt = at.running
    sources = rt.gateway.offering(Capability.NEWS)
    known = {row.provider: row for row in await news_repo.feeds(rt.store)}
    now, found = rt.clock.now_ms(), []
    due_ms = _read_since(rt, now)
    for source in sources:
        name, health = source.entry.id, source.health
        row = known.get(name)
        recent = list(health.outcomes)[-FAILED_READS:]
        failed = len(recent) == FAILED_READS and not any(recent)
        late = row is not None and due_ms is not None and max(row.checked_ms, rt.started_ms) < due_ms
        if not failed and not (late and rt.first_round is not None):
            continue
        since = "never" if row is None else f"{(now - row.checked_ms) / 3_600_000:.1f} h ago"
        found.append(
            Finding(
                "feed.dead",
                WARNING,
                f"the news feed {name} was last read {since} ({health.last_failure or 'not asked'})",
                "Its articles are missing; other feeds are read.",
                "Let the diagnosis read it (auto_fix); if it stays dead, look where it has moved.",
                name,
                Fix(f"read the feed {name} now", partial(fixes.read_feed_again, rt, name)),
            )
        )
    return found


def _read_since(rt: Runtime, now: int) -> int | None:
    """Since when (ms UTC) every feed should have been read by the timetable; None where that reads none."""
    plan = rt.schedule.plans.get(NEWS_JOB)
    if plan is None or plan.off or plan.paused:
        return None
    if plan.crontab is None:
        return now - round(LATE_FEED * plan.every_s * 1000)
    at: int | None = now
    for _ in range(LATE_FEED + 1):
        at = None if at is None else plan.crontab.latest(at - 1)
    return at
