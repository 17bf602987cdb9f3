"""The market as a whole, coins, trending, categories, exchanges. Money is in US dollars."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .common import MarketMeta, Meta, Page, SearchMeta, SymbolMeta, TierMeta


class Figures(BaseModel):
    """The whole market as one aggregator counts it, with our consensus prices beside it."""

    btc_price: float | None
    eth_price: float | None
    market_cap: float | None
    volume_24h: float | None
    btc_dominance_pct: float | None
    eth_dominance_pct: float | None
    active_coins: int | None
    market_cap_change_24h_pct: float | None


class Market(Figures):
    meta: MarketMeta


class Snapshot(Figures):
    timestamp: str
    provider: str


class Snapshots(BaseModel):
    data: list[Snapshot] = Field(description="Ascending.")
    meta: TierMeta


class Coin(BaseModel):
    """One row of an aggregator's market list."""

    id: str
    symbol: str
    name: str
    rank: int | None = Field(description="By market cap, 1 is the largest.")
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
    sparkline_7d: list[float] = Field(
        default=[],
        description="Closing prices in US dollars or a dollar stablecoin, one each four hours of the last seven days, the "
        "newest last; from stored candles of one venue, empty where there are none. Only with `sparkline=true`.",
    )


class Coins(BaseModel):
    data: list[Coin]
    page: Page
    meta: Meta


class CoinList(BaseModel):
    data: list[Coin]
    meta: Meta


class FormerTicker(BaseModel):
    ticker: str
    until: str = Field(description="ISO date from which it was no longer used.")


class CoinDetail(BaseModel):
    """One coin's page. Texts are the aggregator's own, kept as plain text."""

    id: str
    symbol: str
    name: str
    rank: int | None
    description: str | None
    homepage: str | None
    categories: list[str]
    genesis_date: str | None
    hashing_algorithm: str | None
    price: float | None = Field(description="Our consensus price.")
    price_sources: int = Field(description="Independent sources behind `price`.")
    market_cap: float | None
    volume_24h: float | None
    change_24h_pct: float | None
    ath: float | None = Field(description="Highest price ever, as the aggregator has it.")
    ath_date: str | None
    atl: float | None = Field(description="Lowest price ever, as the aggregator has it.")
    atl_date: str | None
    circulating_supply: float | None
    total_supply: float | None
    max_supply: float | None
    contracts: dict[str, str] = Field(description="Token address by chain.")
    former_tickers: list[FormerTicker]
    as_of: str | None = Field(description="The aggregator's own time of these figures.")


class CoinPage(BaseModel):
    data: CoinDetail
    meta: SymbolMeta


class Found(BaseModel):
    id: str
    symbol: str
    name: str
    rank: int | None


class FoundList(BaseModel):
    data: list[Found]
    meta: SearchMeta


class TrendingRow(BaseModel):
    position: int = Field(description="1 is the most looked up.")
    id: str | None = Field(description="Null for a coin that fits none of the registry.")
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
    """One exchange as an aggregator lists it: its volume in US dollars or in bitcoin, whichever it gives."""

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


class ExchangeDetail(Exchange):
    read_directly_as: list[str] | None = Field(
        description="Ids of the providers that ask this exchange itself; null while the list comes from an aggregator "
        "whose exchange ids the catalogue does not have."
    )


class ExchangePage(BaseModel):
    data: ExchangeDetail
    meta: Meta
