"""Prices, candles, order books and trades."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import CandleMeta, GapRange, HistoryMeta, PricesMeta, SymbolMeta


class Price(BaseModel):
    """One asset's consensus price."""

    symbol: str = Field(description="Ticker.")
    id: str = Field(description="Coin id, the same on every route.")
    name: str
    price: float | None = Field(description="Consensus price in `vs`; null when the sources do not agree.")
    vs: str = Field(description="Currency of this row, in lower case.")
    status: Literal["ok", "single_source", "no_consensus"]
    confidence: float | None = Field(description="Half-width of the confidence interval, in `vs`.")
    sources: int = Field(description="Independent sources the price rests on.")
    dispersion_pct: float | None = Field(
        description="Highest less lowest counted quote, percent of the price."
    )
    change_24h_pct: float | None
    volume_24h: float | None = Field(description="Sum over venues, in `vs`.")
    as_of: str = Field(description="When the newest quote behind it was received.")
    stale: bool = Field(description="No upstream has renewed it within the TTL.")
    providers: list[str] = Field(description="Whose quotes count.")
    method: str = Field(description="Name and version of the method the price was decided by.")


class PriceError(BaseModel):
    """A symbol of the request that has no answer."""

    symbol: str = Field(description="As it was asked for.")
    code: str = Field(
        description="As in an error answer; `tier_limit`: the caller's tier gives fewer symbols a call."
    )
    error: str
    did_you_mean: list[str] | None = Field(description="Near names, for an unknown symbol.")


class Prices(BaseModel):
    data: list[Price] = Field(description="One row for each asset and currency, in the order asked.")
    errors: list[PriceError] = Field(description="One row for each text that has no answer.")
    meta: PricesMeta


class OnePrice(BaseModel):
    data: Price
    meta: SymbolMeta


class SourceVerdict(BaseModel):
    """One provider's quote and what the consensus made of it."""

    provider: str
    source: str = Field(description="Unit of independence; two providers with the same source count once.")
    kind: Literal["venue", "aggregator"]
    symbol: str = Field(description="The upstream's own name of the pair or coin.")
    currency: str = Field(description="Currency of `price`, as the upstream names it.")
    price: float = Field(description="As the upstream gave it, in `currency`.")
    converted: float | None = Field(
        description="In `vs`, by measured rates; null where no rate was measured."
    )
    volume: float | None = Field(
        description="Over 24 h, in `vs`; null where it is not given or not converted."
    )
    age_seconds: float = Field(description="Since it was received; never below zero.", ge=0)
    weight: float = Field(description="Share in the price; 0 when it does not count.")
    deviation_pct: float | None = Field(description="From the consensus price, in percent.")
    excluded: str | None = Field(description="Why it does not count, null when it does.")
    detail: str | None = Field(description="The numbers behind `excluded`.")


class Sources(BaseModel):
    """A price with every quote it was decided from. `status` `no_data`: no quote is fresh enough to count."""

    symbol: str
    id: str
    vs: str
    price: float | None
    status: Literal["ok", "single_source", "no_consensus", "no_data"]
    confidence: float | None
    sources: int
    dispersion_pct: float | None
    method: str
    data: list[SourceVerdict] = Field(description="By weight, the heaviest first.")
    meta: SymbolMeta


class HistoryPoint(BaseModel):
    timestamp: str
    price: float = Field(description="In US dollars.")


class History(BaseModel):
    symbol: str
    id: str
    vs: Literal["usd"]
    data: list[HistoryPoint] = Field(description="Ascending.")
    meta: HistoryMeta


class CandleRow(BaseModel):
    """One candle. Prices are in the pair's quote currency."""

    open_time: str
    open_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None = Field(description="In units of the base.")
    quote_volume: float | None = Field(description="In units of the quote currency.")
    trades: int | None
    closed: bool = Field(description="False while its interval still runs.")
    source: str = Field(description="Venue this candle came from.")


class Candles(BaseModel):
    symbol: str
    id: str
    pair: str
    interval: str
    provider: str = Field(description="Venue of the series.")
    data: list[CandleRow] = Field(description="Ascending by open time.")
    meta: CandleMeta


class SeriesCoverage(BaseModel):
    """One stored series."""

    provider: str
    pair: str
    interval: str
    first: str = Field(description="Open time of the oldest candle.")
    last: str = Field(description="Open time of the newest candle.")
    candles: int
    gaps: list[GapRange]


class CoverageList(BaseModel):
    symbol: str
    id: str
    interval: str
    data: list[SeriesCoverage]
    meta: SymbolMeta


class BookLevel(BaseModel):
    price: float
    size: float = Field(description="In units of the base.")


class Book(BaseModel):
    symbol: str
    id: str
    pair: str
    provider: str
    time: str | None = Field(description="The venue's own time of the book, null when it gives none.")
    bids: list[BookLevel] = Field(description="The highest price first.")
    asks: list[BookLevel] = Field(description="The lowest price first.")
    meta: SymbolMeta


class TradeRow(BaseModel):
    id: str | None = Field(description="The venue's own id.")
    price: float
    size: float = Field(description="In units of the base.")
    side: Literal["buy", "sell"] | None = Field(description="The taker's side.")
    time: str


class Trades(BaseModel):
    symbol: str
    id: str
    pair: str | None = Field(description="Null when the venue had no trade at all.")
    provider: str
    data: list[TradeRow] = Field(description="The newest first.")
    meta: SymbolMeta
