"""Metrics: what the services count already, read when somebody asks. Nothing is counted a second time.

The figures are taken on the loop, in one go; they become text in a thread, where those of the process are read too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)

from .. import __version__
from ..clock import parse_rfc3339
from ..gateway.source import Source
from ..store.cache import Loaded
from . import health
from .accounts import BUCKETS_MS
from .metric_names import METRICS
from .runtime import Runtime

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
HELD_S = 1.0
STATUS = {"ok": 1.0, "degraded": 0.5, "down": 0.0}
BREAKER = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
_BOUNDS = (*(str(bound / 1000) for bound in BUCKETS_MS), "+Inf")


class Figures:
    """What was taken at one moment, by metric: label values and the value."""

    def __init__(self) -> None:
        self.values: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        self.histograms: dict[str, list[tuple[tuple[str, ...], list[int], float]]] = {}

    def put(self, name: str, value: float | None, *labels: object) -> None:
        """One figure; None is left out."""
        if value is not None:
            self.values.setdefault(name, []).append((tuple(map(str, labels)), float(value)))

    def put_histogram(self, name: str, counts: list[int], sum_s: float, *labels: str) -> None:
        """Counts by bucket of BUCKETS_MS, and the sum in seconds."""
        self.histograms.setdefault(name, []).append((labels, list(counts), sum_s))

    def collect(self) -> Iterable[Family]:
        """Every metric of METRICS in their order, those of the process read now: a collector of prometheus_client."""
        process = {family.name: family for family in ProcessCollector(registry=None).collect()}
        for name, kind, text, labels in METRICS:
            plain = name.removesuffix("_total")
            if plain in process:
                yield process[plain]
            elif kind == "histogram":
                yield self._histogram(name, text, labels)
            else:
                made: CounterMetricFamily | GaugeMetricFamily
                made = (
                    CounterMetricFamily(plain, text, labels=labels)
                    if kind == "counter"
                    else GaugeMetricFamily(name, text, labels=labels)
                )
                for found, value in self.values.get(name, ()):
                    made.add_metric(found, value)
                yield made

    def _histogram(self, name: str, text: str, labels: tuple[str, ...]) -> Family:
        made = HistogramMetricFamily(name, text, labels=labels)
        for found, counts, sum_s in self.histograms.get(name, ()):
            upto = [(bound, float(count)) for bound, count in zip(_BOUNDS, accumulate(counts), strict=True)]
            made.add_metric(found, upto, sum_s)
        return made


async def figures(rt: Runtime) -> Figures:
    """Everything there is to be told now."""
    found = Figures()
    now = rt.clock.now_ms()
    found.put("cdts_info", 1, __version__, rt.mode)
    found.put("cdts_start_time_seconds", rt.started_ms / 1000)
    components = await health.components(rt)
    for name, component in components.items():
        found.put("cdts_component_status", STATUS[component["status"]], name)
        found.put("cdts_component_since_seconds", parse_rfc3339(component["since"]) / 1000, name)
    found.put("cdts_assets_priced", len(rt.board.quotes))
    _clients(found, rt, components["limiter"])
    for source in rt.gateway.sources.values():
        _upstream(found, rt, source, now)
    _upstreams(found, rt)
    await _store(found, rt, components["database"])
    _stream(found, rt)
    _jobs(found, rt)
    _models(found, rt)
    return found


def _clients(found: Figures, rt: Runtime, limiter: dict[str, Any]) -> None:
    for route, times in rt.accounts.routes.items():
        for status, count in times.statuses.items():
            found.put("cdts_http_requests_total", count, route, status)
        found.put_histogram("cdts_http_request_duration_seconds", times.buckets, times.sum_ms / 1000, route)
    found.put("cdts_http_connections", rt.connections() if rt.connections is not None else None)
    found.put("cdts_accounts_dropped_total", rt.accounts.dropped)
    for code, count in rt.access.refused.items():
        found.put("cdts_access_refused_total", count, code)
    found.put("cdts_limiter_up", limiter["status"] == "ok")
    found.put("cdts_limiter_failures_total", limiter["failures"])
    found.put("cdts_limiter_unchecked_total", limiter["unchecked"])


def _upstream(found: Figures, rt: Runtime, source: Source, now: int) -> None:
    name, did = source.entry.id, source.health
    found.put("cdts_upstream_calls_total", did.calls, name)
    for code, count in did.failures.items():
        found.put("cdts_upstream_failures_total", count, name, code)
    for share in (0.5, 0.95):
        usual_ms = did.overall_percentile(share)
        found.put("cdts_upstream_latency_seconds", None if usual_ms is None else usual_ms / 1000, name, share)
    found.put("cdts_upstream_enabled", source.enabled, name)
    found.put("cdts_upstream_breaker_open", BREAKER[source.breaker.state], name)
    found.put("cdts_upstream_breaker_opened_total", source.breaker.opened, name)
    found.put("cdts_upstream_rejected_records_total", did.rejected, name)
    polled = rt.board.polled.get(name)
    found.put("cdts_upstream_quotes_age_seconds", None if polled is None else (now - polled) / 1000, name)


def _upstreams(found: Figures, rt: Runtime) -> None:
    for line in rt.gateway.budgets():
        labels = (line.scope, line.per_s)
        found.put("cdts_upstream_budget_limit", line.amount, *labels)
        found.put("cdts_upstream_budget_left", max(0, line.amount - line.used), *labels)
    found.put("cdts_upstream_hedges_total", rt.gateway.hedges.hedges)
    found.put("cdts_upstream_takeovers_total", rt.gateway.hedges.takeovers)
    for feed in rt.feeds.status() if rt.feeds is not None else ():
        found.put("cdts_feed_up", feed.state == "live", feed.provider)
        found.put("cdts_feed_frames_total", feed.frames, feed.provider)
        found.put("cdts_feed_unreadable_total", feed.unreadable, feed.provider)
        found.put("cdts_feed_reconnects_total", feed.reconnects, feed.provider)
        found.put("cdts_feed_gaps_total", feed.gaps, feed.provider)
    found.put("cdts_cache_entries", len(rt.cache))
    for outcome, count in (("hit", rt.cache.hits), ("miss", rt.cache.misses), ("stale", rt.cache.stale)):
        found.put("cdts_cache_requests_total", count, outcome)


async def _store(found: Figures, rt: Runtime, database: dict[str, Any]) -> None:
    up = database["status"] != "down"
    found.put("cdts_store_up", up)
    found.put("cdts_store_writable", rt.store.writable and rt.store.write_error is None)
    found.put("cdts_store_waiting_writes", rt.store.waiting)
    found.put("cdts_store_size_bytes", await health.store_size(rt) if up else None)


def _stream(found: Figures, rt: Runtime) -> None:
    stats: dict[str, Any] = rt.sessions.stats()
    for kind in ("websocket", "sse"):
        found.put("cdts_stream_connections", stats["by_kind"].get(kind, 0), kind)
    for code, count in stats["closed_by_code"].items():
        found.put("cdts_stream_closed_total", count, code)
    for name in ("accepted", "refused", "published", "delivered"):
        found.put(f"cdts_stream_{name}_total", stats[name])
    found.put("cdts_stream_waiting_bytes", stats["waiting_bytes"])


def _jobs(found: Figures, rt: Runtime) -> None:
    for job, word in rt.tasks.items():
        found.put("cdts_job_ok", word == "ok", job)
    for job, plan in rt.schedule.plans.items():
        found.put("cdts_job_running", plan.running is not None, job)
        found.put("cdts_job_next_start_seconds", None if plan.next_ms is None else plan.next_ms / 1000, job)
        last = plan.last
        if last is not None and last.ended_ms is not None:
            found.put("cdts_job_last_end_seconds", last.ended_ms / 1000, job)
            found.put("cdts_job_last_duration_seconds", (last.ended_ms - last.started_ms) / 1000, job)
    found.put("cdts_timetable_wanted", rt.schedule.watched)
    found.put("cdts_timetable_runs_here", rt.schedule.watched and rt.schedule.may_run())


def _models(found: Figures, rt: Runtime) -> None:
    for state in rt.models.states():
        found.put("cdts_model_ready", state.state == "ready", state.id)
        found.put("cdts_model_failed", state.state == "failed", state.id)
        found.put(
            "cdts_model_memory_bytes", None if state.memory_mb is None else state.memory_mb * 1e6, state.id
        )
        latency_ms = state.latency_ms
        found.put("cdts_model_latency_seconds", None if latency_ms is None else latency_ms / 1000, state.id)
    for level, count in dict(rt.logs.counts).items():
        found.put("cdts_log_lines_total", count, level)
    found.put("cdts_log_dropped_total", rt.logs.dropped)


async def text(rt: Runtime) -> bytes:
    """Everything in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""
    found = await figures(rt)
    return await asyncio.to_thread(_text, found)


async def held(rt: Runtime) -> bytes:
    """`text` for whoever asks, made once a second however many do."""

    async def load() -> Loaded[bytes]:
        return Loaded(await text(rt), rt.clock.now_ms(), ())

    return (await rt.cache.get(("metrics",), HELD_S, HELD_S, load)).value


def _text(found: Figures) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(found)
    return generate_latest(registry)
