"""What the gateway answers: records and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .asset import AssetListing, Instrument
from .book import OrderBook, Trade
from .candle import Candle
from .defi import ChainTvl, DefiProtocol, DefiProtocolDetail, DexVolume, Stablecoin, TvlPoint, YieldPool
from .derivatives import FundingRate, OpenInterest
from .market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, SearchHit, TrendingCoin
from .news import Article, FeedState
from .onchain import ChainStats, GasFee
from .pool import Route
from .quote import Quote
from .sentiment import FearGreed
from .unreadable import Unreadable

Record = (
    Quote
    | Candle
    | OrderBook
    | Trade
    | Instrument
    | AssetListing
    | CoinMarket
    | GlobalMarket
    | TrendingCoin
    | Category
    | CoinDetail
    | SearchHit
    | ExchangeInfo
    | DefiProtocol
    | DefiProtocolDetail
    | ChainTvl
    | TvlPoint
    | YieldPool
    | Stablecoin
    | DexVolume
    | FundingRate
    | OpenInterest
    | GasFee
    | ChainStats
    | FearGreed
    | Article
    | FeedState
    | Unreadable
)
R = TypeVar("R")


class Tried(NamedTuple):
    """One attempt on the way to an answer. `failure` is an error code, or None for the one that answered."""

    provider: str
    failure: str | None
    elapsed_ms: float
    hedge: bool = False


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """Records of one provider for one ask. `rejected` names records that broke the normal form and were kept out. `route`
    is None where only one provider was to be asked."""

    provider: str
    records: tuple[R, ...]
    received_ms: int
    tried: tuple[Tried, ...] = ()
    rejected: tuple[str, ...] = ()
    route: Route | None = None
