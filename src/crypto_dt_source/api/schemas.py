"""Response schemas of the market routes, for the OpenAPI document. `null` always means: no upstream delivered it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Meta(BaseModel):
    """Provenance of an answer."""

    source: list[str] = Field(description="Providers the answer rests on.", examples=[["binance", "kraken"]])
    fetched_at: str | None = Field(description="When the newest of it was received, RFC 3339 UTC.")
    age_seconds: int | None = Field(description="Whole seconds since fetched_at.")
    stale: bool = Field(
        description="Older than its TTL: a refresh is under way or the upstreams are out of reach."
    )
    cache: Literal["hit", "miss", "stale"]
    mode: Literal["live", "demo"]
    model_config = {"extra": "allow"}


class Page(BaseModel):
    number: int
    size: int
    total: int
    next: int | None
    previous: int | None


class Price(BaseModel):
    symbol: str
    id: str
    name: str
    price: float | None = Field(description="Consensus price in `vs`; null when the sources do not agree.")
    vs: str
    status: Literal["ok", "single_source", "no_consensus"]
    confidence: float | None = Field(description="Half-width of the confidence interval, in `vs`.")
    sources: int = Field(description="Independent sources the price rests on.")
    dispersion_pct: float | None = Field(
        description="Highest less lowest counted quote, percent of the price."
    )
    change_24h_pct: float | None
    volume_24h: float | None = Field(description="Sum over venues, in `vs`.")
    as_of: str
    stale: bool
    providers: list[str]
    method: str


class PriceError(BaseModel):
    symbol: str
    code: str
    error: str
    did_you_mean: list[str] | None = None


class Prices(BaseModel):
    data: list[Price]
    errors: list[PriceError]
    meta: Meta


class OnePrice(BaseModel):
    data: Price
    meta: Meta


class SourceVerdict(BaseModel):
    provider: str
    source: str = Field(description="Unit of independence; two providers with the same source count once.")
    kind: Literal["venue", "aggregator"]
    symbol: str = Field(description="The upstream's own name of the pair or coin.")
    currency: str
    price: float = Field(description="As the upstream gave it, in `currency`.")
    converted: float | None = Field(description="In `vs`, by measured rates.")
    volume: float | None
    age_seconds: float
    weight: float
    deviation_pct: float | None
    excluded: str | None = Field(description="Why it does not count, null when it does.")
    detail: str | None


class Sources(BaseModel):
    symbol: str
    id: str
    vs: str
    price: float | None
    status: Literal["ok", "single_source", "no_consensus", "no_data"]
    confidence: float | None
    sources: int
    dispersion_pct: float | None
    method: str
    data: list[SourceVerdict]
    meta: Meta


class HistoryPoint(BaseModel):
    timestamp: str
    price: float | None
    confidence: float | None
    sources: int | None


class History(BaseModel):
    symbol: str
    id: str
    vs: Literal["usd"]
    data: list[HistoryPoint]
    meta: Meta


class CandleRow(BaseModel):
    open_time: str
    open_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    quote_volume: float | None
    trades: int | None
    closed: bool
    source: str = Field(description="Venue this candle came from.")


class Candles(BaseModel):
    symbol: str
    id: str
    pair: str
    interval: str
    provider: str
    data: list[CandleRow]
    meta: Meta


class GapRange(BaseModel):
    start: str
    end: str
    candles: int


class SeriesCoverage(BaseModel):
    provider: str
    pair: str
    interval: str
    first: str | None
    last: str | None
    candles: int
    gaps: list[GapRange]


class CoverageList(BaseModel):
    symbol: str
    id: str
    interval: str
    data: list[SeriesCoverage]
    meta: Meta


class BookLevel(BaseModel):
    price: float
    size: float


class Book(BaseModel):
    symbol: str
    id: str
    pair: str
    provider: str
    time: str | None = Field(description="The venue's own time of the book, null when it gives none.")
    bids: list[BookLevel]
    asks: list[BookLevel]
    meta: Meta


class TradeRow(BaseModel):
    id: str | None
    price: float
    size: float
    side: Literal["buy", "sell"] | None = Field(description="The taker's side.")
    time: str


class Trades(BaseModel):
    symbol: str
    id: str
    pair: str
    provider: str
    data: list[TradeRow]
    meta: Meta


class Market(BaseModel):
    btc_price: float | None
    eth_price: float | None
    market_cap: float | None
    volume_24h: float | None
    btc_dominance_pct: float | None
    eth_dominance_pct: float | None
    active_coins: int | None
    market_cap_change_24h_pct: float | None
    meta: Meta


class Snapshot(BaseModel):
    timestamp: str
    provider: str
    btc_price: float | None
    eth_price: float | None
    market_cap: float | None
    volume_24h: float | None
    btc_dominance_pct: float | None
    eth_dominance_pct: float | None
    active_coins: int | None
    market_cap_change_24h_pct: float | None


class Snapshots(BaseModel):
    data: list[Snapshot]
    meta: Meta


class Coin(BaseModel):
    id: str
    symbol: str
    name: str
    rank: int | None
    price: float | None
    market_cap: float | None
    volume_24h: float | None
    change_1h_pct: float | None
    change_24h_pct: float | None
    change_7d_pct: float | None
    high_24h: float | None
    low_24h: float | None
    circulating_supply: float | None
    total_supply: float | None
    max_supply: float | None


class Coins(BaseModel):
    data: list[Coin]
    page: Page
    meta: Meta


class CoinList(BaseModel):
    data: list[Coin]
    meta: Meta


class CoinPage(BaseModel):
    data: dict[str, Any]
    meta: Meta


class Found(BaseModel):
    id: str
    symbol: str
    name: str
    rank: int | None


class FoundList(BaseModel):
    data: list[Found]
    meta: Meta


class TrendingRow(BaseModel):
    position: int
    id: str
    symbol: str
    name: str
    rank: int | None
    price: float | None
    change_24h_pct: float | None


class TrendingList(BaseModel):
    data: list[TrendingRow]
    meta: Meta


class CategoryRow(BaseModel):
    id: str
    name: str
    market_cap: float | None
    change_24h_pct: float | None
    volume_24h: float | None
    coins: int | None


class CategoryList(BaseModel):
    data: list[CategoryRow]
    meta: Meta


class Exchange(BaseModel):
    id: str
    name: str
    country: str | None
    year: int | None
    url: str | None
    trust_rank: int | None
    volume_24h_usd: float | None
    volume_24h_btc: float | None


class ExchangeList(BaseModel):
    data: list[Exchange]
    page: Page
    meta: Meta


class ExchangePage(BaseModel):
    data: dict[str, Any]
    meta: Meta


class ProviderList(BaseModel):
    data: list[dict[str, Any]]
    meta: Meta


class ProviderPage(BaseModel):
    data: dict[str, Any]
    meta: Meta


class Health(BaseModel):
    status: Literal["ok", "degraded", "down"]
    mode: Literal["live", "demo"]
    version: str
    components: dict[str, dict[str, Any]]
    metrics: dict[str, float | int | None]


class Live(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    status: Literal["ok"]
    prices: int
