"""DeFi on the wire. Money is US dollars, changes are percent."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .common import ListMeta, Meta, Page


class Protocol(BaseModel):
    """One protocol of the list."""

    rank: int = Field(description="Place by TVL, 1 is the largest.")
    slug: str
    name: str
    symbol: str | None
    category: str | None
    chain: str | None = Field(description="The chain it runs on, `Multi-Chain` for several.")
    chains: list[str]
    tvl: float
    change_1h_pct: float | None
    change_1d_pct: float | None
    change_7d_pct: float | None
    market_cap: float | None
    url: str | None


class ProtocolList(BaseModel):
    data: list[Protocol]
    meta: ListMeta


class TvlDay(BaseModel):
    """TVL of one UTC day."""

    date: str = Field(description="`2026-11-22`, a UTC day; the last one still runs.")
    timestamp: str = Field(description="Its first moment.")
    tvl: float


class TvlMeta(Meta):
    """Provenance of a chart."""

    subject: str = Field(description="`all`: all chains together; `chain:Ethereum`: one.")
    days: int = Field(description="Days in the answer.")


class TvlChart(BaseModel):
    data: list[TvlDay]
    meta: TvlMeta


class Part(BaseModel):
    """A part of a protocol's TVL."""

    name: str
    tvl: float


class ProtocolDetail(BaseModel):
    """One protocol's page."""

    slug: str
    name: str
    symbol: str | None
    category: str | None
    chain: str | None
    chains: list[str]
    description: str | None
    url: str | None
    market_cap: float | None
    tvl: float | None
    chain_tvl: list[Part] = Field(description="TVL by chain, the largest first.")
    other_tvl: list[Part] = Field(
        description="What the upstream counts apart (staking, borrowed, pool2 …), by its own names; not part of `tvl`."
    )
    history: list[TvlDay] = Field(description="TVL by day, ascending, the newest `days` days.")


class ProtocolPage(BaseModel):
    data: ProtocolDetail
    meta: Meta


class Chain(BaseModel):
    """One chain."""

    rank: int
    name: str
    symbol: str | None
    chain_id: int | None = Field(description="EVM chain id.")
    tvl: float
    share_pct: float = Field(description="Its part of the TVL of all chains.")


class ChainList(BaseModel):
    data: list[Chain]
    meta: ListMeta


class Pool(BaseModel):
    """One pool that pays a yield; APYs are percent a year."""

    pool: str = Field(description="The upstream's id of the pool.")
    project: str
    chain: str
    symbol: str
    tvl: float
    apy: float | None = Field(description="Base and reward together.")
    apy_base: float | None
    apy_reward: float | None
    apy_mean_30d: float | None
    stablecoin: bool
    exposure: str | None
    il_risk: bool | None = Field(description="Whether its value can suffer impermanent loss.")


class PoolList(BaseModel):
    data: list[Pool]
    page: Page
    meta: Meta


class StablecoinRow(BaseModel):
    """One stablecoin. Amounts are units of the currency it is pegged to."""

    id: str
    name: str
    symbol: str
    pegged_to: str
    mechanism: str | None
    price: float | None = Field(description="US dollars.")
    circulating: float
    circulating_usd: float | None = Field(
        description="`circulating` at `price`, what the list is ordered by; null without a price."
    )
    change_1d_pct: float | None
    change_7d_pct: float | None
    change_30d_pct: float | None
    chains: list[str]


class StablecoinList(BaseModel):
    data: list[StablecoinRow]
    meta: ListMeta


class Dex(BaseModel):
    """One decentralised exchange."""

    rank: int
    slug: str
    name: str
    chains: list[str]
    volume_24h: float
    volume_7d: float | None
    volume_30d: float | None
    change_1d_pct: float | None
    change_7d_pct: float | None


class DexMeta(ListMeta):
    """Provenance of a list of exchanges."""

    volume_24h: float = Field(description="Of all exchanges of the list together.")


class DexList(BaseModel):
    data: list[Dex]
    meta: DexMeta
