"""Exports on the wire, as JSON. The other formats have the same columns."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import SymbolMeta, TierMeta
from .prices import CandleRow


class ExportedPrice(BaseModel):
    """A consensus price, in US dollars."""

    timestamp: str
    timestamp_ms: int
    price: float | None = Field(description="Null when the sources did not agree.")
    status: Literal["ok", "single_source", "no_consensus"]
    confidence: float | None = Field(description="Half-width of the confidence interval, in US dollars.")
    dispersion_pct: float | None
    sources: int | None = Field(description="Independent sources the price rests on.")
    method: str | None = Field(description="Name and version of the method the price was decided by.")


class ExportedCandle(CandleRow):
    """A candle. Prices are in the pair's quote currency."""

    closed: bool = Field(description="False for one whose end had not been fetched yet.")


class ExportedArticle(BaseModel):
    """An article of one feed."""

    published_at: str
    published_at_ms: int
    id: str
    title: str
    url: str
    source: str = Field(description="Provider id of the feed.")
    sentiment: Literal["bearish", "neutral", "bullish"] | None = Field(
        description="Null until a model has read it."
    )
    confidence: float | None = Field(description="The label's share, 0 to 1.")
    model: str | None
    symbols: list[str] = Field(description="Tickers of the assets named in it, the strongest first.")


class ExportedSnapshot(BaseModel):
    """The whole market as one aggregator counted it. Money is US dollars."""

    timestamp: str
    timestamp_ms: int
    provider: str
    btc_price: float | None
    eth_price: float | None
    market_cap: float | None
    volume_24h: float | None
    btc_dominance_pct: float | None
    eth_dominance_pct: float | None
    active_coins: int | None
    market_cap_change_24h_pct: float | None


class ExportMeta(SymbolMeta, TierMeta):
    """Provenance of an export."""

    dataset: Literal["prices", "ohlcv", "news", "market"]
    symbol: str | None
    id: str | None
    pair: str | None = Field(description="Of candles: base and quote currency at the venue.")
    interval: str | None = Field(description="Of candles.")
    start: str
    end: str = Field(description="Rows are older than this.")
    rows: int


class Historical(BaseModel):
    data: list[ExportedPrice] | list[ExportedCandle] | list[ExportedArticle] | list[ExportedSnapshot] = Field(
        description="Of one dataset, ascending by time."
    )
    meta: ExportMeta
