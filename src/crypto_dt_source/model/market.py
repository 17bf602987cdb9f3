"""Market-wide records: coins with capitalisation, the global market, trending, categories, exchanges.

Money is in US dollars unless a field says otherwise; percentages are percent. `None`: the upstream does not give it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class CoinMarket(NamedTuple):
    """One row of an aggregator's market list."""

    provider: str
    native_id: str
    ticker: str
    name: str
    rank: int | None
    price: float
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
    event_ms: int | None
    received_ms: int


@dataclass(frozen=True, slots=True)
class GlobalMarket:
    """The whole market as one aggregator counts it."""

    provider: str
    market_cap: float
    volume_24h: float | None
    btc_dominance_pct: float | None
    eth_dominance_pct: float | None
    active_coins: int | None
    market_cap_change_24h_pct: float | None
    event_ms: int | None
    received_ms: int


class TrendingCoin(NamedTuple):
    """A coin people look up now; `position` counts from 1."""

    provider: str
    native_id: str
    ticker: str
    name: str
    position: int
    rank: int | None
    price: float | None
    change_24h_pct: float | None


class Category(NamedTuple):
    """A theme of coins (`layer-1`), as the aggregator defines it."""

    provider: str
    native_id: str
    name: str
    market_cap: float | None
    change_24h_pct: float | None
    volume_24h: float | None
    coins: int | None
    event_ms: int | None


@dataclass(frozen=True, slots=True)
class CoinDetail:
    """Everything the service keeps of one coin's page. Texts are untrusted upstream text, kept as plain text."""

    provider: str
    native_id: str
    ticker: str
    name: str
    rank: int | None = None
    description: str | None = None
    homepage: str | None = None
    categories: tuple[str, ...] = ()
    genesis_date: str | None = None
    hashing_algorithm: str | None = None
    price: float | None = None
    market_cap: float | None = None
    volume_24h: float | None = None
    change_24h_pct: float | None = None
    ath: float | None = None
    ath_date: str | None = None
    atl: float | None = None
    atl_date: str | None = None
    circulating_supply: float | None = None
    total_supply: float | None = None
    max_supply: float | None = None
    contracts: tuple[tuple[str, str], ...] = field(default=())
    event_ms: int | None = None


class SearchHit(NamedTuple):
    """A coin an upstream's own search found."""

    provider: str
    native_id: str
    ticker: str
    name: str
    rank: int | None


class ExchangeInfo(NamedTuple):
    """An exchange in an aggregator's list. Volume is USD over 24 h, or BTC where `volume_btc` is given instead."""

    provider: str
    native_id: str
    name: str
    country: str | None
    year: int | None
    url: str | None
    trust_rank: int | None
    volume_usd: float | None
    volume_btc: float | None
