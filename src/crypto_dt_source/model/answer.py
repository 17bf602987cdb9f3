"""What the gateway answers: records and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .asset import AssetListing, Instrument
from .book import OrderBook, Trade
from .candle import Candle
from .market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, SearchHit, TrendingCoin
from .quote import Quote
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
    """Records of one provider for one ask. `rejected` names records that broke the normal form and were kept out."""

    provider: str
    records: tuple[R, ...]
    received_ms: int
    tried: tuple[Tried, ...] = ()
    rejected: tuple[str, ...] = ()
