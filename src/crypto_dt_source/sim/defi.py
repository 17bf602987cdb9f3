"""Decentralised finance of the simulated market: what protocols hold is worth what the market says, at any time.

A protocol holds a basket of the market's assets in amounts that wander from the seed; its TVL is their worth, shared out
over its chains. A chain's TVL is the sum of what protocols hold there, the whole the sum of the chains. Everything but
the assets is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import exp
from typing import NamedTuple

from ..model.candle import DAY_MS
from ..model.quote import Pair
from .noise import Path, key_of, unit
from .venue import VenueView

HISTORY_DAYS = 180
"""Days of every history, today included."""
_WANDER = ((60 * DAY_MS, 1.0), (9 * DAY_MS, 0.35), (30 * 3_600_000, 0.08))
_MOOD = ((7 * DAY_MS, 0.35), (30 * 3_600_000, 0.3))
_KEPT = 400


class Chain(NamedTuple):
    """One chain. `listed_as` is its name among a protocol's chains where that is another than in the list of chains."""

    name: str
    gecko_id: str | None
    symbol: str | None
    chain_id: int | None
    listed_as: str


def _chain(name: str, gecko: str | None, symbol: str | None, number: int | None, listed: str = "") -> Chain:
    return Chain(name, gecko, symbol, number, listed or name)


CHAINS: tuple[Chain, ...] = (
    _chain("Ethereum", "ethereum", "ETH", 1),
    _chain("Solana", "solana", "SOL", None),
    _chain("BSC", "binancecoin", "BNB", 56, "Binance"),
    _chain("Bitcoin", "bitcoin", "BTC", None),
    _chain("Tron", "tron", "TRX", 728126428),
    _chain("Base", None, None, 8453),
    _chain("Arbitrum", "arbitrum", "ARB", 42161),
    _chain("Hyperliquid L1", "hyperliquid", "HYPE", 999),
    _chain("Avalanche", "avalanche-2", "AVAX", 43114),
    _chain("Sui", "sui", "SUI", None),
    _chain("Polygon", "polygon-ecosystem-token", "POL", 137),
    _chain("OP Mainnet", "optimism", "OP", 10, "Optimism"),
)
_BY_LISTED = {chain.listed_as: chain for chain in CHAINS}


@dataclass(frozen=True, slots=True)
class Protocol:
    """One invented protocol. `worth` is the US dollars around which its TVL moves; `chains` and `basket` are shares
    that sum to 1, by the chain's name among protocols and by ticker. `symbol` None: it has no token."""

    name: str
    symbol: str | None
    category: str
    worth: float
    chains: Mapping[str, float]
    basket: Mapping[str, float]
    slug: str = field(default="")


# name | token | category | millions | chains and their weights | what it holds
_TABLE = """
Harbor Staking|HRBR|Liquid Staking|24500|Ethereum|ETH
Northlight Lend|NLT|Lending|21800|Ethereum 8,Arbitrum 1,Base 1,Avalanche 1,Polygon 1,Optimism 1|ETH 4,USDC 3,BTC 2,USDT 2
Second Tide|TIDE|Restaking|11900|Ethereum|ETH
Quayside Restaked|QUAY|Liquid Restaking|6900|Ethereum 9,Arbitrum 1|ETH
Ledgerstone|LST|CDP|6400|Ethereum|ETH 3,USDC 2,DAI 1
Brass Vault|BRSV|Basis Trading|6100|Ethereum|USDT 2,USDC 2,BTC 1
Anvil BTC|-|Bridge|8200|Ethereum 4,Base 1|BTC
Fathom Notes|-|RWA|2600|Ethereum 5,Avalanche 1,Polygon 1|USDC
Millrace|MILL|Yield|4800|Ethereum 6,Arbitrum 2,Binance 1|ETH 3,USDC 2
Sable Markets|SABL|Lending|4100|Ethereum 3,Base 3|USDC 3,ETH 2,BTC 1
Tern Swap V3|TERN|Dexs|2900|Ethereum 6,Arbitrum 2,Base 2,Polygon 1,Optimism 1,Binance 1|ETH 3,USDC 2,USDT 1,BTC 1
Tern Swap V2|TERN|Dexs|1250|Ethereum 9,Base 1|ETH 3,USDT 1,SHIB 1,PEPE 1
Tern Swap V4|TERN|Dexs|860|Ethereum 4,Base 2,Arbitrum 1|ETH 3,USDC 2
Pebble Curve|PBL|Dexs|2200|Ethereum 8,Arbitrum 1,Polygon 1|USDC 2,USDT 2,DAI 1,ETH 2
Weir Pools|WEIR|Dexs|780|Ethereum 5,Arbitrum 2,Base 1|ETH 3,USDC 1,AAVE 1
Saltmarsh Staked SOL|SALT|Liquid Staking|2800|Solana|SOL
Kestrel|KSTL|Lending|2100|Solana|SOL 3,USDC 3
Kestrel Liquidity|KSTL|Dexs|310|Solana|SOL 2,USDC 2
Raywater AMM|RAYW|Dexs|1900|Solana|SOL 3,USDC 2,BONK 1,WIF 1
Tidepool CLMM|TDPL|Dexs|420|Solana|SOL 3,USDC 2
Comet Book|COMT|Dexs|640|Solana|SOL 2,USDC 3
Sunline Perps|SUNL|Derivatives|1500|Solana|SOL 2,USDC 2,BTC 1
Copper Yard|CPYD|Lending|1850|Binance|BNB 3,USDT 2,BTC 1
Waffle Swap|WFL|Dexs|1950|Binance 8,Ethereum 1,Arbitrum 1|BNB 3,USDT 3,ETH 1
Lantern Staked BNB|LNTN|Liquid Staking|1650|Binance|BNB
Thicket Farm|THKT|Yield Aggregator|190|Binance 4,Polygon 1|BNB 1,USDT 1
Granite Restake|GRNT|Restaking|5200|Bitcoin|BTC
Flint Channels|-|Services|410|Bitcoin|BTC
Cinder Bitcoin|CNDR|Liquid Staking|1300|Bitcoin 2,Ethereum 1|BTC
Juniper Lend|JNPR|Lending|3600|Tron|USDT 3,TRX 2,BTC 1
Junction Swap|JNCT|Dexs|760|Tron|TRX 2,USDT 2,USDD 1
Peg Forge|-|CDP|480|Tron|TRX 2,USDD 1
Aerie|AERI|Dexs|1100|Base|ETH 3,USDC 3
Dune Credit|DUNE|Lending|720|Base|USDC 2,ETH 1
Cobalt Vaults|CBLT|Yield Aggregator|610|Base 2,Ethereum 2|USDC 3,ETH 1
Outrigger|OUTR|Derivatives|560|Arbitrum 6,Avalanche 1|ETH 2,USDC 3,BTC 2
Gale Exchange|GALE|Dexs|130|Arbitrum|ETH 2,USDC 1,ARB 1
Lattice Lend|LATT|Lending|240|Arbitrum 3,Base 1|USDC 2,ETH 1
Meridian Bridge|MRDN|Bridge|3900|Arbitrum|USDC 4,ETH 1
Vesper Vault HLP|-|Derivatives|520|Hyperliquid L1|USDC
Zenith Staked HYPE|ZNTH|Liquid Staking|1450|Hyperliquid L1|HYPE
Halyard Lend|HLYD|Lending|690|Hyperliquid L1|HYPE 2,USDC 1,BTC 1
Spinnaker|SPNK|Dexs|150|Hyperliquid L1|HYPE 1,USDC 1
Glacier Lend|GLAC|Lending|510|Avalanche|AVAX 2,USDC 2,BTC 1
Ridge Swap|RDGE|Dexs|140|Avalanche 4,Arbitrum 1|AVAX 2,USDC 1
Icefall Staked AVAX|ICEF|Liquid Staking|230|Avalanche|AVAX
Current Lend|CURR|Lending|640|Sui|SUI 2,USDC 2
Cetacea|CETA|Dexs|190|Sui|SUI 2,USDC 1
Eddy Stake|EDDY|Liquid Staking|160|Sui|SUI
Bluewater Book|BLWB|Dexs|60|Sui|SUI 1,USDC 1
Lowland Swap|LOWL|Dexs|330|Polygon 5,Base 1|USDC 3,POL 1,ETH 1
Parley Market|-|Prediction Market|340|Polygon|USDC
Orchard Finance|ORCH|Lending|95|Polygon|USDC 2,POL 1
Velvet Exchange|VLVT|Dexs|120|Optimism|ETH 2,USDC 1,OP 1
Perch|PRCH|Derivatives|75|Optimism 3,Base 1|USDC 2,SNX 1
Reed Credit|REED|Lending|88|Optimism|USDC 1,ETH 1
Ox-Bow v1.5|OXB|Dexs|46|Binance 1,Polygon 1|USDT 2,BNB 1
Stilt House|STLT|RWA|980|Ethereum 3,Base 1|USDC
Loam & Co|LOAM|Yield|72|Ethereum 1,Arbitrum 1|ETH 1,CRV 1
Mistral Swap|MIST|Dexs|28|Base 1,Optimism 1|ETH 1,USDC 1
Sextant Swap|SEXT|Dexs|85|Solana|SOL 1,USDC 1
Ballast|BLST|Dexs|260|Ethereum|USDC 1,USDT 1,DAI 1
Fjord Pools|FJRD|Dexs|64|Avalanche 2,Arbitrum 1|AVAX 1,ETH 1,USDC 1
"""


def _shares(text: str) -> dict[str, float]:
    """`Ethereum 8,Base 1` as shares; a single name may stand without a weight."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.rpartition(" ")
        if name and weight.isdigit():
            weights[name] = float(weight)
        else:
            weights[part] = 1.0
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def slug_of(name: str) -> str:
    """A name in an address: lower case, dashes for blanks."""
    return name.lower().replace(" ", "-").replace("'", "")


def _protocol(line: str) -> Protocol:
    name, symbol, category, millions, chains, basket = line.split("|")
    token = None if symbol == "-" else symbol
    worth = float(millions) * 1e6
    return Protocol(name, token, category, worth, _shares(chains), _shares(basket), slug_of(name))


PROTOCOLS: tuple[Protocol, ...] = tuple(map(_protocol, _TABLE.strip().splitlines()))
BY_SLUG = {protocol.slug: protocol for protocol in PROTOCOLS}
COMPANIES: tuple[tuple[str, float], ...] = (("Meridian Custody", 41e9), ("Albion Exchange", 17e9))
"""What exchanges that are companies hold, in US dollars: listed among protocols, and none."""


class SimStable(NamedTuple):
    """One stablecoin: `supply` in units of `peg`, how it is backed, and its chains."""

    id: str
    ticker: str
    name: str
    peg: str
    mechanism: str
    supply: float
    chains: tuple[str, ...]


STABLES: tuple[SimStable, ...] = (
    SimStable("1", "USDT", "Tether", "USD", "fiat-backed", 184e9, ("Ethereum", "Tron", "BSC", "Solana", "Arbitrum")),
    SimStable("2", "USDC", "USD Coin", "USD", "fiat-backed", 74e9, ("Ethereum", "Solana", "Base", "Hyperliquid L1")),
    SimStable("5", "DAI", "Dai", "USD", "crypto-backed", 4.6e9, ("Ethereum", "Polygon", "Arbitrum", "OP Mainnet")),
    SimStable("146", "USDE", "Ethena USDe", "USD", "crypto-backed", 7.4e9, ("Ethereum", "BSC", "Arbitrum")),
    SimStable("209", "USDS", "Sky Dollar", "USD", "crypto-backed", 5.6e9, ("Ethereum", "Base", "Solana")),
    SimStable("262", "USD1", "World Liberty Financial USD", "USD", "fiat-backed", 2.9e9, ("BSC", "Ethereum")),
    SimStable("120", "PYUSD", "PayPal USD", "USD", "fiat-backed", 3.7e9, ("Ethereum", "Solana", "Arbitrum")),
    SimStable("119", "FDUSD", "First Digital USD", "USD", "fiat-backed", 1.02e9, ("BSC", "Ethereum", "Sui")),
    SimStable("14", "USDD", "Decentralized USD", "USD", "crypto-backed", 530e6, ("Tron", "Ethereum", "BSC")),
    SimStable("7", "TUSD", "TrueUSD", "USD", "fiat-backed", 494e6, ("Tron", "Ethereum", "BSC")),
    SimStable("118", "GHO", "GHO", "USD", "crypto-backed", 350e6, ("Ethereum", "Arbitrum", "Base")),
    SimStable("50", "EURC", "Euro Coin", "EUR", "fiat-backed", 310e6, ("Ethereum", "Base", "Avalanche", "Solana")),
)  # fmt: skip


@lru_cache(maxsize=1024)
def _path(seed: int, name: str, what: str, scale: float) -> Path:
    return Path(key_of(seed, "defi", what, name), _WANDER if what == "holds" else _MOOD, scale, _KEPT)


class Snapshot:
    """DeFi at one moment as `view` sees the market. Raises KeyError for a protocol that holds what the market has not."""

    __slots__ = ("_prices", "at_ms", "view")

    def __init__(self, view: VenueView, at_ms: int) -> None:
        self.view = view
        self.at_ms = at_ms
        self._prices: dict[str, float] = {}

    def price(self, ticker: str) -> float:
        """US dollars of one unit."""
        known = self._prices.get(ticker)
        if known is None:
            known = self._prices[ticker] = self.view.price(Pair(ticker, "USD"), self.at_ms)
        return known

    def tvl(self, protocol: Protocol) -> float:
        """US dollars a protocol holds."""
        assets = self.view.market.assets
        worth = sum(
            share * self.price(ticker) / assets[ticker].price for ticker, share in protocol.basket.items()
        )
        held = exp(_path(self.view.market.seed, protocol.slug, "holds", 0.12).at(self.at_ms))
        return protocol.worth * held * worth

    def by_chain(self, protocol: Protocol) -> dict[str, float]:
        """A protocol's TVL by chain, in the names protocols use."""
        whole = self.tvl(protocol)
        return {chain: whole * share for chain, share in protocol.chains.items()}

    def chains(self) -> dict[str, float]:
        """TVL of every chain, in the names of the list of chains."""
        sums = {chain.name: 0.0 for chain in CHAINS}
        for protocol in PROTOCOLS:
            for listed, tvl in self.by_chain(protocol).items():
                sums[_BY_LISTED[listed].name] += tvl
        return sums

    def volume(self, protocol: Protocol) -> float:
        """US dollars traded on an exchange in the 24 h before."""
        seed = self.view.market.seed
        turnover = 0.06 + 0.5 * unit(key_of(seed, "turnover", protocol.slug)) ** 2
        return self.tvl(protocol) * turnover * exp(_path(seed, protocol.slug, "trades", 1.0).at(self.at_ms))

    def supply(self, stable: SimStable) -> float:
        """Units of a stablecoin that circulate."""
        return stable.supply * exp(_path(self.view.market.seed, stable.ticker, "holds", 0.02).at(self.at_ms))

    def stable_price(self, stable: SimStable) -> float:
        """US dollars of one unit of a stablecoin, of the market where it trades there."""
        if stable.ticker in self.view.market.assets:
            return self.price(stable.ticker)
        peg = 1.0 if stable.peg == "USD" else self.price(stable.peg)
        return peg * (1 + _path(self.view.market.seed, stable.ticker, "trades", 0.001).at(self.at_ms))


def days(now_ms: int) -> list[int]:
    """The moments of a history: midnight (UTC) of each day, and now for today."""
    today = now_ms // DAY_MS * DAY_MS
    return [*range(today - (HISTORY_DAYS - 1) * DAY_MS, today, DAY_MS), now_ms]


def chain_named(name: str) -> Chain | None:
    """The chain of either of its names, in any case."""
    wanted = name.casefold()
    return next((c for c in CHAINS if wanted in (c.name.casefold(), c.listed_as.casefold())), None)


def pool_id(seed: int, *parts: str) -> str:
    """An id in the form of a UUID, always the same for a pool."""
    digits = f"{key_of(seed, 'pool', *parts):016x}{key_of('pool', seed, *parts):016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
