"""The service in numbers, on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import ListMeta, Meta
from .system import ComponentStatus


class StatusLine(BaseModel):
    """The service on one screen."""

    status: ComponentStatus
    version: str
    mode: Literal["live", "demo"]
    preset: Literal["hf_space"] | None = Field(
        description="hf_space: HF_SPACE chose the settings that were not given."
    )
    started_at: str
    uptime_seconds: int
    components: dict[str, ComponentStatus] = Field(description="GET /api/health says why.")
    providers: dict[str, int] = Field(description="Providers of the catalogue, by how they do now.")
    assets_priced: int
    stream_connections: int
    requests_last_hour: int
    upstream_calls: int = Field(description="Since the start.")


class StatusPage(BaseModel):
    data: StatusLine
    meta: Meta


class RequestNumbers(BaseModel):
    since_start: int
    last_hour: int
    last_hour_mean_ms: float | None
    last_24h: int | None = Field(
        description="Out of the store, some seconds behind; null while it cannot be read."
    )
    last_24h_mean_ms: float | None
    refused: dict[str, int] = Field(description="Turned away since the start, by error code.")


class UpstreamNumbers(BaseModel):
    """Upstream calls of one provider in 24 h."""

    provider: str
    calls: int
    failures: int
    success_rate: float | None = Field(description="Share of the calls, 0 to 1.")
    mean_ms: float | None = Field(description="Of the calls that were answered well.")
    last_call: str


class UpstreamTotals(BaseModel):
    calls_since_start: int
    calls_24h: int | None
    failures_24h: int | None
    by_provider_24h: list[UpstreamNumbers] | None


class ProviderTotals(BaseModel):
    total: int
    in_use: int
    by_state: dict[str, int]
    by_category: dict[str, int]


class AssetTotals(BaseModel):
    known: int
    priced: int


class CacheTotals(BaseModel):
    entries: int
    hits: int
    misses: int
    stale: int


class StoreTotals(BaseModel):
    dialect: Literal["sqlite", "postgresql"]
    size_bytes: int | None
    waiting_writes: int


class StreamNumbers(BaseModel):
    connections: int
    subscriptions: int
    published: int
    delivered: int


class Statistics(BaseModel):
    """Counts of one process since its start, and of the last 24 h out of the store."""

    at: str = Field(description="When they were counted; at most 15 s ago.")
    uptime_seconds: int
    requests: RequestNumbers
    upstreams: UpstreamTotals
    providers: ProviderTotals
    assets: AssetTotals
    cache: CacheTotals
    store: StoreTotals
    stream: StreamNumbers
    jobs: dict[str, str] = Field(description="`ok` or the error code of the last run, by job.")


class StatisticsPage(BaseModel):
    data: Statistics
    meta: Meta


class FreshnessRow(BaseModel):
    """One kind of data, as it is held here."""

    kind: str = Field(examples=["prices"])
    ttl_seconds: int
    fetched_at: str | None = Field(description="When the newest of it was fetched; null: nothing is held.")
    age_seconds: int | None
    stale: bool = Field(description="Older than its TTL, or nothing is held.")
    held: int = Field(description="Parts that are held: venues, pages, chains, series, feeds.")
    source: list[str] = Field(
        description="Providers of the newest of it; of prices and news those within the TTL."
    )


class FreshnessList(BaseModel):
    data: list[FreshnessRow]
    meta: ListMeta


class ProviderFailures(BaseModel):
    provider: str
    count: int


class FailureClass(BaseModel):
    """Upstream calls that failed in the same way."""

    code: str
    meaning: str
    what_to_do: str
    count: int
    providers: list[ProviderFailures] = Field(description="The most frequent first.")


class FailuresMeta(ListMeta):
    since: str = Field(description="Calls from then on are counted.")
    hours: int


class FailureList(BaseModel):
    data: list[FailureClass] = Field(description="The most frequent first.")
    meta: FailuresMeta


class Budget(BaseModel):
    """One published limit of an upstream."""

    scope: str = Field(description="The upstream whose limit it is; entries of one upstream share it.")
    keyed: bool = Field(description="Counted by the key that is sent, not by this server's address.")
    providers: list[str]
    amount: int = Field(description="Requests (or weight) allowed.")
    per_seconds: int
    used: int
    left: int
    used_pct: float
    oldest_expires: str | None = Field(
        description="When the oldest use leaves the window; null with nothing used."
    )


class BudgetList(BaseModel):
    data: list[Budget]
    meta: ListMeta
