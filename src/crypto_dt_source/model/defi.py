"""Decentralised finance. TVL (total value locked), volumes and supplies are US dollars; changes are percent; None: the
upstream does not give it. A TVL of 0 is a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class DefiProtocol(NamedTuple):
    """One row of a list of protocols. `chain` is the one it runs on, `Multi-Chain` for several; `chains` names them."""

    provider: str
    slug: str
    name: str
    symbol: str | None
    category: str | None
    chain: str | None
    chains: tuple[str, ...]
    tvl: float
    change_1h_pct: float | None
    change_1d_pct: float | None
    change_7d_pct: float | None
    market_cap: float | None
    url: str | None
    received_ms: int


class TvlPoint(NamedTuple):
    """The TVL of a subject at a time. The subject is the ask's: a chain, a protocol, or all chains together."""

    at_ms: int
    tvl: float


@dataclass(frozen=True, slots=True)
class DefiProtocolDetail:
    """One protocol's page. `chain_tvl` holds TVL by chain alone (no staking, borrowed, pool2 or mixed keys), `other_tvl`
    the rest by the upstream's own key; `history` is ascending. Texts are plain text."""

    provider: str
    slug: str
    name: str
    symbol: str | None
    category: str | None
    chain: str | None
    chains: tuple[str, ...]
    description: str | None
    url: str | None
    market_cap: float | None
    tvl: float | None
    chain_tvl: tuple[tuple[str, float], ...]
    other_tvl: tuple[tuple[str, float], ...]
    history: tuple[TvlPoint, ...]
    received_ms: int


class ChainTvl(NamedTuple):
    """One chain's TVL now."""

    provider: str
    name: str
    symbol: str | None
    chain_id: int | None
    tvl: float
    received_ms: int


class YieldPool(NamedTuple):
    """One pool that pays a yield. APYs are percent a year; `apy` is base and reward together."""

    provider: str
    pool: str
    project: str
    chain: str
    symbol: str
    tvl: float
    apy: float | None
    apy_base: float | None
    apy_reward: float | None
    apy_mean_30d: float | None
    stablecoin: bool
    exposure: str | None
    il_risk: bool | None
    received_ms: int


class Stablecoin(NamedTuple):
    """One stablecoin. `circulating` is in units of the currency it is pegged to (`pegged_to`: `USD`, `EUR`, …), the
    dated ones a day, a week and a month before; `price` is US dollars."""

    provider: str
    native_id: str
    name: str
    symbol: str
    pegged_to: str
    mechanism: str | None
    price: float | None
    circulating: float
    circulating_1d_ago: float | None
    circulating_7d_ago: float | None
    circulating_30d_ago: float | None
    chains: tuple[str, ...]
    received_ms: int


class DexVolume(NamedTuple):
    """Traded volume of one decentralised exchange."""

    provider: str
    slug: str
    name: str
    chains: tuple[str, ...]
    volume_24h: float
    volume_7d: float | None
    volume_30d: float | None
    change_1d_pct: float | None
    change_7d_pct: float | None
    received_ms: int
