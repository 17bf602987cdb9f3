"""The providers as the service sees them now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import rfc3339
from ..gateway.source import Source
from ..model.ask import (
    CAPABILITY_OF,
    Ask,
    AssetsAsk,
    BookAsk,
    Capability,
    ChainStatsAsk,
    CoinsAsk,
    DefiChainsAsk,
    FearGreedAsk,
    FundingAsk,
    GasAsk,
    GlobalAsk,
    InstrumentsAsk,
    NewsAsk,
    OpenInterestAsk,
    QuotesAsk,
    StablecoinsAsk,
    YieldsAsk,
)
from ..model.errors import NotFound
from ..model.quote import Pair
from ..providers.catalog import NEEDS_EXTRA, Entry, installed
from . import health, identity
from .runtime import Runtime


def _moment(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)


def state(rt: Runtime, entry: Entry) -> str:
    """`up`, `degraded`, `down`, `idle` (not asked yet), `no_key`, `off` or `gone`."""
    source = rt.gateway.sources.get(entry.id)
    if source is None:
        if entry.status in ("off", "gone"):
            return entry.status
        return "no_key" if installed(entry) and rt.gateway.out_of_reach(entry) is None else "off"
    if not source.enabled:
        return "off"
    if source.breaker.state != "closed" or all(source.resting(c) is not None for c in entry.offers):
        return "down"
    rate = source.health.success_rate
    if rate is None:
        return "idle"
    return "up" if rate >= 0.9 else "degraded" if rate >= 0.5 else "down"


def view(rt: Runtime, entry: Entry) -> dict[str, Any]:
    """One provider on the wire. Latencies are milliseconds of successful calls; absent knowledge is null."""
    source = rt.gateway.sources.get(entry.id)
    found: dict[str, Any] = {
        "id": entry.id,
        "name": entry.name,
        "category": entry.category,
        "kind": entry.kind,
        "source": entry.source,
        "status": entry.status,
        "state": state(rt, entry),
        "needs_key": entry.auth is not None and entry.status == "keyed",
        "has_key": bool(source and source.key),
        "capabilities": {c.value: offer.rank for c, offer in entry.offers.items()},
        "docs": entry.docs or None,
        "attribution": entry.attribution or None,
        "reason": entry.reason or _unused(rt, entry),
        "since": entry.since or None,
        "enabled": source is not None and source.enabled,
        "priority": source.priority if source else None,
        "weight": source.weight if source else None,
        "health_score": None,
        "success_rate": None,
        "latency_p50_ms": None,
        "latency_p95_ms": None,
        "breaker": None,
        "last_success": None,
        "last_failure": None,
        "last_failure_code": None,
        "budget": [],
        "stream": _stream(rt, entry.id),
    }
    if source is not None:
        found.update(_measured(source))
    return found


def _unused(rt: Runtime, entry: Entry) -> str | None:
    """Why an entry that the catalogue would use is not; None where only its key may be missing."""
    return rt.gateway.out_of_reach(entry) if installed(entry) else NEEDS_EXTRA


def _stream(rt: Runtime, provider: str) -> dict[str, Any] | None:
    """Its stream as health shows it; None where none is read."""
    feed = rt.feeds.feeds.get(provider) if rt.feeds is not None else None
    return None if feed is None else health.stream_row(feed.status())


def _measured(source: Source) -> Mapping[str, Any]:
    health = source.health
    return {
        "health_score": health.score,
        "success_rate": health.success_rate,
        "latency_p50_ms": health.overall_percentile(0.5),
        "latency_p95_ms": health.overall_percentile(0.95),
        "breaker": source.breaker.state,
        "last_success": _moment(health.last_success_ms),
        "last_failure": _moment(health.last_failure_ms),
        "last_failure_code": health.last_failure,
        "budget": [
            {
                "amount": line.amount,
                "per_seconds": line.per_s,
                "used": line.used,
                "left": max(0, line.amount - line.used),
                "oldest_expires": rfc3339(line.reset_ms) if line.used else None,
            }
            for line in source.meter.lines()
        ],
    }


def listed(rt: Runtime, *, category: str | None, status: str | None, q: str | None) -> list[dict[str, Any]]:
    """Providers that match every filter given, by id. `status` matches the catalogue's status or the state now."""
    rows = []
    for entry in sorted(rt.entries.values(), key=lambda e: e.id):
        if category is not None and entry.category != category:
            continue
        if q is not None and q.casefold() not in f"{entry.id} {entry.name}".casefold():
            continue
        row = view(rt, entry)
        if status is None or status in (row["status"], row["state"]):
            rows.append(row)
    return rows


def one(rt: Runtime, provider: str) -> dict[str, Any]:
    """Raises NotFound."""
    return view(rt, entry_of(rt, provider))


def entry_of(rt: Runtime, provider: str) -> Entry:
    """The catalogue's entry. Raises NotFound."""
    entry = rt.entries.get(provider)
    if entry is None:
        raise NotFound(
            f"There is no provider {provider!r}; GET /api/providers lists them.",
            details={"provider": provider},
        )
    return entry


def categories(rt: Runtime) -> list[str]:
    """Categories of the catalogue, sorted."""
    return sorted({entry.category for entry in rt.entries.values()})


def stats(rt: Runtime, provider: str) -> dict[str, Any]:
    """Counts since start, by capability and by failure. Raises NotFound."""
    entry = entry_of(rt, provider)
    source = rt.gateway.sources.get(provider)
    if source is None:
        return {
            "id": provider,
            "state": state(rt, entry),
            "calls": 0,
            "successes": 0,
            "failures": {},
            "breaker_opened": 0,
            "limits_in_use_share": None,
            "latency": {},
            "rejected_records": 0,
            "rejected_newest": [],
            "identity": identity.statistics(rt.board, rt.resolver, provider, entry.source),
        }
    health = source.health
    return {
        "id": provider,
        "state": state(rt, entry),
        "calls": health.calls,
        "successes": health.successes,
        "failures": dict(sorted(health.failures.items())),
        "breaker_opened": source.breaker.opened,
        "limits_in_use_share": source.meter.factor,
        "latency": {
            capability.value: {
                "samples": len(samples),
                "p50_ms": health.percentile(capability, 0.5),
                "p95_ms": health.percentile(capability, 0.95),
            }
            for capability, samples in health.latencies.items()
        },
        "rejected_records": health.rejected,
        "rejected_newest": [*reversed(health.rejected_newest)],
        "identity": identity.statistics(rt.board, rt.resolver, provider, entry.source),
    }


def probe_ask(entry: Entry) -> Ask:
    """A cheap ask that shows whether a provider answers."""
    bitcoin = Pair("BTC", entry.quotes_in[0] if entry.quotes_in else "USD")
    if Capability.BOOK in entry.offers:
        return BookAsk(bitcoin, 5)
    if Capability.GLOBAL in entry.offers:
        return GlobalAsk()
    if Capability.COINS in entry.offers:
        return CoinsAsk(1, 10)
    if Capability.QUOTES in entry.offers:
        return QuotesAsk(pairs=(bitcoin,))
    if (ask := _data_ask(entry)) is not None:
        return ask
    return InstrumentsAsk() if Capability.INSTRUMENTS in entry.offers else AssetsAsk()


def _data_ask(entry: Entry) -> Ask | None:
    """The cheapest ask of a source of other data than markets."""
    chain = entry.chains[0] if entry.chains else ""
    asks: tuple[Ask, ...] = (
        NewsAsk(),
        FearGreedAsk(1),
        GasAsk(chain),
        ChainStatsAsk(chain),
        FundingAsk(),
        OpenInterestAsk((Pair("BTC", "USDT"),)),
        DefiChainsAsk(),
        StablecoinsAsk(),
        YieldsAsk(),
    )
    return next((ask for ask in asks if CAPABILITY_OF[type(ask)] in entry.offers), None)
