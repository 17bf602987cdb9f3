"""Providers and health."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, Field

from .common import ListMeta, Meta
from .jobs import LeaderRow

State = Literal["up", "degraded", "down", "idle", "no_key", "off", "gone"]


class StreamState(BaseModel):
    """A venue's WebSocket stream as it is now. Counts are since start."""

    state: Literal["idle", "connecting", "live", "stalled"] = Field(
        description="That of the connection that does worst. `idle`: nothing is wanted. `connecting`: for the first time. "
        "`stalled`: failed or without data, and made again; what it brought counts in no price."
    )
    connections: int = Field(description="Open now.")
    wanted: int = Field(description="Topics (a channel of a pair) that are wanted.")
    subscribed: int = Field(description="Of these, topics of connections that deliver.")
    last_data: str | None = Field(description="When the newest record came.")
    reconnects: int
    gaps: int = Field(description="Jumps of the venue's sequences.")
    reason: str | None = Field(description="Why it is stalled.")


class BudgetLine(BaseModel):
    """One published limit of an upstream and what is used of it."""

    amount: int = Field(description="Requests (or weight) allowed.")
    per_seconds: int
    used: int
    left: int
    oldest_expires: str | None = Field(
        description="When the oldest use leaves the window; null with nothing used."
    )


class Provider(BaseModel):
    """One provider of the catalogue, and how it does now. Measurements are null until it was asked."""

    id: str
    name: str
    category: str
    kind: str = Field(
        description="`venue`: trades itself. `aggregator`: sums up others. `feed`: publishes news. `data`: gives other data."
    )
    source: str = Field(description="Unit of independence; two providers with the same source count once.")
    status: Literal["live", "keyed", "off", "gone"] = Field(description="The catalogue's word.")
    state: State = Field(description="How it does now; `idle`: not asked yet.")
    needs_key: bool
    has_key: bool
    capabilities: dict[str, int] = Field(
        description="What it offers, and its place in that pool (1 is first)."
    )
    docs: str | None
    attribution: str | None = Field(description="What its terms want shown.")
    reason: str | None = Field(description="Why it is off or gone.")
    since: str | None = Field(description="Since when it is off or gone.")
    enabled: bool = Field(description="In use, and not switched off by an operator.")
    priority: int | None = Field(
        description="An operator's rank for it in every pool, 1 the first; null: that of `capabilities`."
    )
    weight: float | None = Field(
        description="An operator's factor of how much its quotes count in prices; null: 1."
    )
    health_score: float | None = Field(description="0 to 100.")
    success_rate: float | None = Field(description="Share of recent calls, 0 to 1.")
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    breaker: Literal["closed", "open", "half_open"] | None
    last_success: str | None
    last_failure: str | None
    last_failure_code: str | None
    budget: list[BudgetLine]
    stream: StreamState | None = Field(description="Null where no stream of it is read.")


class ProviderList(BaseModel):
    data: list[Provider]
    meta: ListMeta


class ProviderPage(BaseModel):
    data: Provider
    meta: Meta


class ProviderIn(msgspec.Struct):
    """What to change of a provider; what is left out stays."""

    example: ClassVar[dict[str, Any]] = {"enabled": True, "priority": 1, "weight": 0.5}

    enabled: (
        Annotated[bool, msgspec.Meta(description="false: it is not asked, and its quotes do not count.")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    priority: (
        Annotated[int, msgspec.Meta(ge=1, le=1000, description="Rank in every pool, 1 the first.")]
        | msgspec.UnsetType
        | None
    ) = msgspec.UNSET
    weight: (
        Annotated[
            float,
            msgspec.Meta(ge=0.01, le=100, description="Factor of how much its quotes count, before the cap."),
        ]
        | msgspec.UnsetType
        | None
    ) = msgspec.UNSET


class ProviderProbe(BaseModel):
    """How a probe ended."""

    ok: bool
    failure: str | None = Field(description="Error code; null for an answer.")
    elapsed_ms: float
    checked_at: str
    provider: Provider


class ProviderChecked(BaseModel):
    data: ProviderProbe
    meta: Meta


class LatencyStats(BaseModel):
    samples: int
    p50_ms: float | None
    p95_ms: float | None


class UnmappedTickers(BaseModel):
    count: int
    top: list[str]


class UnprovenTicker(BaseModel):
    ticker: str
    asset: str = Field(description="Id of the largest asset with that ticker.")


class UnprovenTickers(BaseModel):
    count: int
    top: list[UnprovenTicker]


class WithdrawnTicker(BaseModel):
    ticker: str
    asset: str = Field(description="Id of the asset it was taken for.")
    ratio: float = Field(description="Last price there, divided by that asset's price.")
    candidates: list[str] = Field(description="Ids of other assets with that ticker, largest first.")


class WithdrawnTickers(BaseModel):
    count: int
    top: list[WithdrawnTicker]


class UnmatchedRow(BaseModel):
    id: str = Field(description="The provider's own id.")
    ticker: str
    name: str


class UnmatchedRows(BaseModel):
    count: int
    top: list[UnmatchedRow]


class IdentityCounts(BaseModel):
    """Names of a provider that are not certain to mean an asset: how many, and up to 20 of each."""

    unmapped: UnmappedTickers = Field(description="Quoted tickers that no known asset has.")
    unproven: UnprovenTickers = Field(
        description="Tickers several assets share, or known from a list alone, whose price has not yet agreed with the "
        "asset's: shown as `unproven_identity` among a price's sources, counted in none."
    )
    withdrawn: WithdrawnTickers = Field(
        description="Tickers whose price kept disagreeing with the asset's; the newest."
    )
    unmatched: UnmatchedRows = Field(
        description="Rows of its list of coins that fit no known asset, or several."
    )


class ProviderCounts(BaseModel):
    """Calls of one provider since start."""

    id: str
    state: State
    calls: int
    successes: int
    failures: dict[str, int] = Field(description="By error code.")
    breaker_opened: int = Field(description="How often the breaker opened.")
    limits_in_use_share: float | None = Field(
        description="Share of the published limits that is used; below 1 after a 429. Null for one not in use."
    )
    latency: dict[str, LatencyStats] = Field(description="Of successful calls, by capability.")
    identity: IdentityCounts
    rejected_records: int = Field(
        description="Records that could not be read or broke the normal form. They are never served."
    )
    rejected_newest: list[str] = Field(
        description="Which they were and why, the newest first, 20 at most. Quotes upstream text."
    )


class ProviderStats(BaseModel):
    data: ProviderCounts
    meta: Meta


ComponentStatus = Literal["ok", "degraded", "down"]


class Component(BaseModel):
    status: ComponentStatus
    reason: str | None = Field(description="Why it is not `ok`, or what is switched off.")
    since: str = Field(description="Since when it has this status, as far as this process has seen.")


class DatabaseHealth(Component):
    dialect: Literal["sqlite", "postgresql"]


class ProvidersHealth(Component):
    in_use: int
    fresh: int = Field(description="Providers whose quotes are younger than the price TTL.")
    resting: list[str] = Field(description="Providers that failed and are not asked now.")
    newest: str | None = Field(description="When the newest quotes came.")


class WebSocketHealth(Component):
    connections: int = Field(description="Clients of the stream now, event streams among them.")
    accepted: int = Field(description="Since the start.")
    refused: int = Field(description="Beyond the number a tier may have, since the start.")


class CacheHealth(Component):
    entries: int
    hits: int
    misses: int
    stale: int = Field(description="Answers past their TTL that were given while a refresh was under way.")


class SchedulerHealth(Component):
    leadership: LeaderRow
    jobs: dict[str, str] = Field(description="`ok` or the error code of the last run, by job.")


class ModelsHealth(Component):
    default: str = Field(description="The model that scores the news.")
    ready: list[str] = Field(description="Models in memory.")
    failed: dict[str, str] = Field(description="Models that could not be loaded, and why.")


class LimiterHealth(Component):
    kind: Literal["memory", "redis"]
    failures: int = Field(description="Times its store did not answer, since start.")
    unchecked: int = Field(description="Requests that passed uncounted meanwhile.")
    refused: dict[str, int] = Field(description="Requests turned away since start, by error code.")


class StreamsHealth(Component):
    venues: dict[str, StreamState] = Field(description="By provider; empty where no stream is read.")


class LastBackup(BaseModel):
    at: str = Field(description="When it began.")
    outcome: str = Field(description="`ok` or what was wrong.")
    size_bytes: int | None = Field(description="Bytes of its files; null for one that failed.")
    target: str = Field(description="Where it was to go, without user, password or query.")


class BackupHealth(Component):
    last: LastBackup | None = Field(description="Null before the first.")


class ShippedState(BaseModel):
    target: str = Field(description="Where the database is shipped to, without user, password or query.")
    epoch: str | None = Field(description="This start's place among all; null before it was taken.")
    confirmed: str | None = Field(description="When everything stored until then was last known to be there.")
    behind_seconds: int = Field(description="Age of the oldest stored row that is not known to be there.")
    segments: int = Field(description="Shipped since the start.")
    copies: int = Field(description="Whole copies shipped since the start.")


class ShippingHealth(Component):
    shipped: ShippedState | None = Field(description="Null where SHIP_URL is not set.")


class ArchiveHealth(Component):
    target: str | None = Field(description="Null where ARCHIVE_URL is not set.")


class Components(BaseModel):
    database: DatabaseHealth
    providers: ProvidersHealth
    models: ModelsHealth
    websocket: WebSocketHealth
    cache: CacheHealth
    scheduler: SchedulerHealth
    limiter: LimiterHealth
    streams: StreamsHealth
    backup: BackupHealth
    shipping: ShippingHealth
    archive: ArchiveHealth


class Metrics(BaseModel):
    uptime_seconds: int
    active_connections: int | None = Field(description="Client connections open now; null when not known.")
    request_count_1h: int
    average_response_time_ms: float | None
    accounts_dropped: int = Field(description="Requests and upstream calls of which no row could be kept.")
    upstream_calls: int = Field(description="Since start.")
    assets_priced: int


class Health(BaseModel):
    status: ComponentStatus
    mode: Literal["live", "demo"]
    version: str
    components: Components
    metrics: Metrics


class Live(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    status: Literal["ok"]
    prices: int = Field(description="Assets with a price that can be served.")
