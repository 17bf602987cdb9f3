"""What can be asked of an upstream. Frozen and hashable: an ask is also its own cache key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .quote import Pair


class Capability(str, Enum):
    """What a source can offer. The value is the word used in the catalogue, the CLI and the API."""

    QUOTES = "quotes"
    CANDLES = "candles"
    BOOK = "book"
    TRADES = "trades"
    INSTRUMENTS = "instruments"
    ASSETS = "assets"
    COINS = "coins"
    GLOBAL = "global"
    TRENDING = "trending"
    CATEGORIES = "categories"
    COIN = "coin"
    SEARCH = "search"
    EXCHANGES = "exchanges"


@dataclass(frozen=True, slots=True)
class QuotesAsk:
    """Tickers. No pairs and no ids: everything the source has in one call. Venues read `pairs`, aggregators `ids`
    (their own coin ids)."""

    pairs: tuple[Pair, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandlesAsk:
    """Candles of `pair` with open times in [start_ms, end_ms); None leaves that side open. At most `limit` rows, the
    newest when both sides are open, the oldest from `start_ms` when it is given."""

    pair: Pair
    interval: str
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True)
class BookAsk:
    """`depth` levels a side, at least; a source may answer with more."""

    pair: Pair
    depth: int = 50


@dataclass(frozen=True, slots=True)
class TradesAsk:
    """The newest trades, at most `limit`."""

    pair: Pair
    limit: int = 100


@dataclass(frozen=True, slots=True)
class InstrumentsAsk:
    """Every pair a venue lists."""


@dataclass(frozen=True, slots=True)
class AssetsAsk:
    """Every coin an upstream lists."""


@dataclass(frozen=True, slots=True)
class CoinsAsk:
    """A page of coins by market cap, in US dollars; `page` counts from 1."""

    page: int = 1
    per_page: int = 250


@dataclass(frozen=True, slots=True)
class GlobalAsk:
    """The global market."""


@dataclass(frozen=True, slots=True)
class TrendingAsk:
    """Trending coins."""


@dataclass(frozen=True, slots=True)
class CategoriesAsk:
    """Categories of coins with their capitalisation."""


@dataclass(frozen=True, slots=True)
class CoinAsk:
    """One coin's page by the upstream's own id."""

    native_id: str


@dataclass(frozen=True, slots=True)
class SearchAsk:
    """Coins whose name or ticker matches `text`."""

    text: str


@dataclass(frozen=True, slots=True)
class ExchangesAsk:
    """A page of exchanges; `page` counts from 1."""

    page: int = 1
    per_page: int = 100


Ask = (
    QuotesAsk
    | CandlesAsk
    | BookAsk
    | TradesAsk
    | InstrumentsAsk
    | AssetsAsk
    | CoinsAsk
    | GlobalAsk
    | TrendingAsk
    | CategoriesAsk
    | CoinAsk
    | SearchAsk
    | ExchangesAsk
)

CAPABILITY_OF: dict[type, Capability] = {
    QuotesAsk: Capability.QUOTES,
    CandlesAsk: Capability.CANDLES,
    BookAsk: Capability.BOOK,
    TradesAsk: Capability.TRADES,
    InstrumentsAsk: Capability.INSTRUMENTS,
    AssetsAsk: Capability.ASSETS,
    CoinsAsk: Capability.COINS,
    GlobalAsk: Capability.GLOBAL,
    TrendingAsk: Capability.TRENDING,
    CategoriesAsk: Capability.CATEGORIES,
    CoinAsk: Capability.COIN,
    SearchAsk: Capability.SEARCH,
    ExchangesAsk: Capability.EXCHANGES,
}
