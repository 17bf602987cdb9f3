"""Metrics on the wire, for people."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import Meta
from .system import ComponentStatus


class RouteLatency(BaseModel):
    """Answers of one route since the start."""

    route: str = Field(description="Its template.", examples=["/api/prices/{symbol}"])
    count: int
    errors: int = Field(description="Of these with a status of 500 or more.")
    mean_ms: float
    p50_at_most_ms: float | None = Field(
        description="Upper bound of the histogram's bucket it lies in; null: above 10 s."
    )
    p95_at_most_ms: float | None
    p99_at_most_ms: float | None


class RequestMetrics(BaseModel):
    since_start: int
    last_hour: int
    last_hour_mean_ms: float | None
    connections: int | None = Field(description="Client connections open now; null when not known.")
    by_status: dict[str, int]
    routes: list[RouteLatency] = Field(description="The most asked first.")


class UpstreamMetrics(BaseModel):
    """All providers together, since the start."""

    calls: int
    failures: dict[str, int] = Field(description="By error code.")
    breakers: dict[str, int] = Field(description="Providers by the state of their breaker now.")
    breaker_opened: int
    rejected_records: int
    hedges: int
    takeovers: int


class ScarceBudget(BaseModel):
    scope: str
    per_seconds: int
    amount: int
    left: int
    left_pct: float


class CacheMetrics(BaseModel):
    entries: int
    hits: int
    misses: int
    stale: int


class StoreMetrics(BaseModel):
    dialect: Literal["sqlite", "postgresql"]
    status: ComponentStatus
    waiting_writes: int
    size_bytes: int | None = Field(description="Null while the database does not answer.")


class StreamMetrics(BaseModel):
    connections: int
    accepted: int
    refused: int
    published: int
    delivered: int
    waiting_bytes: int
    conflated: int
    feeds: dict[str, int] = Field(description="The venues' streams, by state.")


class LimiterMetrics(BaseModel):
    kind: Literal["memory", "redis"]
    failures: int
    unchecked: int
    refused: dict[str, int]


class ModelMetrics(BaseModel):
    id: str
    state: str
    memory_mb: float | None
    latency_p50_ms: float | None


class JobMetrics(BaseModel):
    job: str
    outcome: str | None = Field(description="`ok` or the error code of the last run; null before the first.")
    last_end: str | None
    next_start: str | None


class LogMetrics(BaseModel):
    lines: dict[str, int] = Field(description="Since the start, by level.")
    dropped: int


class ProcessMetrics(BaseModel):
    """Of this process; null where the system does not tell (it is Linux that does)."""

    resident_bytes: int | None
    cpu_seconds: float | None
    open_files: int | None


class MetricsNow(BaseModel):
    """Counts are since the start."""

    uptime_seconds: int
    status: ComponentStatus
    requests: RequestMetrics
    upstreams: UpstreamMetrics
    scarce_budgets: list[ScarceBudget] = Field(
        description="The ten with the least left; GET /api/budgets has all."
    )
    cache: CacheMetrics
    store: StoreMetrics
    stream: StreamMetrics
    limiter: LimiterMetrics
    models: list[ModelMetrics]
    jobs: list[JobMetrics]
    log: LogMetrics
    process: ProcessMetrics


class MetricsPage(BaseModel):
    data: MetricsNow
    meta: Meta
