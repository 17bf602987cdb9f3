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
    DEFI_PROTOCOLS = "defi_protocols"
    DEFI_PROTOCOL = "defi_protocol"
    DEFI_CHAINS = "defi_chains"
    TVL_HISTORY = "tvl_history"
    YIELDS = "yields"
    STABLECOINS = "stablecoins"
    DEX_VOLUMES = "dex_volumes"
    FUNDING = "funding"
    OPEN_INTEREST = "open_interest"
    GAS = "gas"
    CHAIN_STATS = "chain_stats"
    FEAR_GREED = "fear_greed"
    NEWS = "news"


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


@dataclass(frozen=True, slots=True)
class DefiProtocolsAsk:
    """Every DeFi protocol with its TVL now."""


@dataclass(frozen=True, slots=True)
class DefiProtocolAsk:
    """One protocol's page with its TVL by day, by the upstream's own slug."""

    slug: str


@dataclass(frozen=True, slots=True)
class DefiChainsAsk:
    """Every chain with its TVL now."""


@dataclass(frozen=True, slots=True)
class TvlHistoryAsk:
    """TVL by day of one chain, by the upstream's own name; of all chains together when None."""

    chain: str | None = None


@dataclass(frozen=True, slots=True)
class YieldsAsk:
    """Every pool that pays a yield."""


@dataclass(frozen=True, slots=True)
class StablecoinsAsk:
    """Every stablecoin with what circulates of it."""


@dataclass(frozen=True, slots=True)
class DexVolumesAsk:
    """Volume of every decentralised exchange."""


@dataclass(frozen=True, slots=True)
class FundingAsk:
    """Funding rates of perpetual contracts on these pairs; of all a venue has when there are none."""

    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenInterestAsk:
    """Open interest of perpetual contracts on these pairs; of all a venue has when there are none."""

    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class GasAsk:
    """What a transaction costs on `chain` (`ethereum`, `bitcoin`, …)."""

    chain: str


@dataclass(frozen=True, slots=True)
class ChainStatsAsk:
    """How `chain` stands."""

    chain: str


@dataclass(frozen=True, slots=True)
class FearGreedAsk:
    """The newest `days` days of the fear and greed index; 0: all there are."""

    days: int = 1


@dataclass(frozen=True, slots=True)
class NewsAsk:
    """What a feed has now. `etag` and `last_modified` are what it sent last: an unchanged feed answers 304."""

    etag: str | None = None
    last_modified: str | None = None


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
    | DefiProtocolsAsk
    | DefiProtocolAsk
    | DefiChainsAsk
    | TvlHistoryAsk
    | YieldsAsk
    | StablecoinsAsk
    | DexVolumesAsk
    | FundingAsk
    | OpenInterestAsk
    | GasAsk
    | ChainStatsAsk
    | FearGreedAsk
    | NewsAsk
)

PairsAsk = QuotesAsk | FundingAsk | OpenInterestAsk
"""Asks that name pairs, for which a source may need a call each."""

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
    DefiProtocolsAsk: Capability.DEFI_PROTOCOLS,
    DefiProtocolAsk: Capability.DEFI_PROTOCOL,
    DefiChainsAsk: Capability.DEFI_CHAINS,
    TvlHistoryAsk: Capability.TVL_HISTORY,
    YieldsAsk: Capability.YIELDS,
    StablecoinsAsk: Capability.STABLECOINS,
    DexVolumesAsk: Capability.DEX_VOLUMES,
    FundingAsk: Capability.FUNDING,
    OpenInterestAsk: Capability.OPEN_INTEREST,
    GasAsk: Capability.GAS,
    ChainStatsAsk: Capability.CHAIN_STATS,
    FearGreedAsk: Capability.FEAR_GREED,
    NewsAsk: Capability.NEWS,
}
