"""What the simulated market trades. The base levels are invented: this is the only place of the project that makes
a market, and nothing outside the simulator reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class SimAsset:
    """One asset. `price` is the level its path moves around, in US dollars; `supply` is circulating, `max_supply` None
    where there is none; `day_move` is the size of a usual day's move as a fraction."""

    ticker: str
    name: str
    gecko_id: str
    kind: str
    price: float
    supply: float
    max_supply: float | None
    day_move: float


class _Row(NamedTuple):
    ticker: str
    name: str
    gecko_id: str
    price: float
    supply: float
    max_supply: float | None = None


_COINS = (
    _Row("BTC", "Bitcoin", "bitcoin", 91_000, 19.95e6, 21e6),
    _Row("ETH", "Ethereum", "ethereum", 3_050, 120.6e6),
    _Row("XRP", "XRP", "ripple", 2.15, 60.3e9, 100e9),
    _Row("BNB", "BNB", "binancecoin", 880, 137.7e6, 200e6),
    _Row("SOL", "Solana", "solana", 142, 558e6),
    _Row("TRX", "TRON", "tron", 0.284, 94.7e9),
    _Row("DOGE", "Dogecoin", "dogecoin", 0.152, 152e9),
    _Row("ADA", "Cardano", "cardano", 0.46, 36.5e9, 45e9),
    _Row("HYPE", "Hyperliquid", "hyperliquid", 37, 270e6, 1e9),
    _Row("BCH", "Bitcoin Cash", "bitcoin-cash", 515, 19.96e6, 21e6),
    _Row("LINK", "Chainlink", "chainlink", 13.4, 697e6, 1e9),
    _Row("LEO", "LEO Token", "leo-token", 9.3, 922e6),
    _Row("XLM", "Stellar", "stellar", 0.255, 32.2e9, 50e9),
    _Row("XMR", "Monero", "monero", 392, 18.45e6),
    _Row("LTC", "Litecoin", "litecoin", 93, 76.6e6, 84e6),
    _Row("AVAX", "Avalanche", "avalanche-2", 14.9, 427e6, 715.7e6),
    _Row("HBAR", "Hedera", "hedera-hashgraph", 0.148, 42.5e9, 50e9),
    _Row("SUI", "Sui", "sui", 1.74, 3.68e9, 10e9),
    _Row("SHIB", "Shiba Inu", "shiba-inu", 0.0000089, 589.2e12),
    _Row("TON", "Toncoin", "the-open-network", 1.82, 2.45e9),
    _Row("CRO", "Cronos", "crypto-com-chain", 0.107, 36.1e9, 100e9),
    _Row("DOT", "Polkadot", "polkadot", 2.72, 1.63e9, 2.1e9),
    _Row("UNI", "Uniswap", "uniswap", 7.1, 630e6, 1e9),
    _Row("MNT", "Mantle", "mantle", 1.14, 3.25e9, 6.22e9),
    _Row("TAO", "Bittensor", "bittensor", 305, 9.6e6, 21e6),
    _Row("AAVE", "Aave", "aave", 172, 15.2e6, 16e6),
    _Row("NEAR", "NEAR Protocol", "near", 2.16, 1.28e9),
    _Row("ICP", "Internet Computer", "internet-computer", 4.6, 539e6),
    _Row("ETC", "Ethereum Classic", "ethereum-classic", 14.7, 153.6e6, 210.7e6),
    _Row("PEPE", "Pepe", "pepe", 0.0000047, 420.69e12, 420.69e12),
    _Row("ONDO", "Ondo", "ondo-finance", 0.53, 3.16e9, 10e9),
    _Row("APT", "Aptos", "aptos", 2.88, 726e6),
    _Row("ENA", "Ethena", "ethena", 0.27, 7.2e9, 15e9),
    _Row("POL", "POL (ex-MATIC)", "polygon-ecosystem-token", 0.147, 10.5e9),
    _Row("WLD", "Worldcoin", "worldcoin-wld", 0.66, 2.3e9, 10e9),
    _Row("ALGO", "Algorand", "algorand", 0.146, 8.8e9, 10e9),
    _Row("ATOM", "Cosmos Hub", "cosmos", 2.63, 479e6),
    _Row("ARB", "Arbitrum", "arbitrum", 0.226, 5.6e9, 10e9),
    _Row("FIL", "Filecoin", "filecoin", 1.72, 711e6, 1.96e9),
    _Row("VET", "VeChain", "vechain", 0.0137, 85.9e9, 86.7e9),
    _Row("KAS", "Kaspa", "kaspa", 0.046, 26.9e9, 28.7e9),
    _Row("RENDER", "Render", "render-token", 1.85, 518e6, 644e6),
    _Row("SEI", "Sei", "sei-network", 0.141, 6.4e9, 10e9),
    _Row("JUP", "Jupiter", "jupiter-exchange-solana", 0.247, 3.2e9, 10e9),
    _Row("BONK", "Bonk", "bonk", 0.0000098, 82.4e12, 88.8e12),
    _Row("QNT", "Quant", "quant-network", 79, 14.5e6, 14.9e6),
    _Row("XTZ", "Tezos", "tezos", 0.52, 1.06e9),
    _Row("STX", "Stacks", "blockstack", 0.31, 1.82e9, 1.82e9),
    _Row("IMX", "Immutable", "immutable-x", 0.34, 1.98e9, 2e9),
    _Row("INJ", "Injective", "injective-protocol", 5.9, 100e6),
    _Row("OP", "Optimism", "optimism", 0.335, 1.9e9, 4.29e9),
    _Row("TIA", "Celestia", "celestia", 0.66, 840e6),
    _Row("CRV", "Curve DAO", "curve-dao-token", 0.43, 1.42e9, 3.03e9),
    _Row("LDO", "Lido DAO", "lido-dao", 0.68, 897e6, 1e9),
    _Row("GRT", "The Graph", "the-graph", 0.052, 10.6e9),
    _Row("FET", "Artificial Superintelligence Alliance", "fetch-ai", 0.27, 2.3e9, 2.71e9),
    _Row("WIF", "dogwifhat", "dogwifcoin", 0.37, 998.8e6, 998.8e6),
    _Row("FLOKI", "FLOKI", "floki", 0.000048, 9.6e12, 10e12),
    _Row("SAND", "The Sandbox", "the-sandbox", 0.156, 2.6e9, 3e9),
    _Row("MANA", "Decentraland", "decentraland", 0.172, 1.92e9),
    _Row("AXS", "Axie Infinity", "axie-infinity", 1.06, 168e6, 270e6),
    _Row("THETA", "Theta Network", "theta-token", 0.38, 1e9, 1e9),
    _Row("MKR", "Maker", "maker", 1_480, 847e3, 1.005e6),
    _Row("EGLD", "MultiversX", "elrond-erd-2", 8.2, 29e6, 31.4e6),
    _Row("DASH", "Dash", "dash", 58, 12.5e6, 18.9e6),
    _Row("ZEC", "Zcash", "zcash", 560, 16.4e6, 21e6),
    _Row("COMP", "Compound", "compound-governance-token", 31, 9.6e6, 10e6),
    _Row("SNX", "Synthetix", "havven", 0.55, 343e6),
    _Row("RUNE", "THORChain", "thorchain", 0.68, 351e6),
    _Row("1INCH", "1inch", "1inch", 0.19, 1.4e9, 1.5e9),
)
_STABLES = (
    _Row("USDT", "Tether", "tether", 0.9996, 184e9),
    _Row("USDC", "USDC", "usd-coin", 0.9999, 74e9),
    _Row("DAI", "Dai", "dai", 0.9998, 4.6e9),
    _Row("FDUSD", "First Digital USD", "first-digital-usd", 0.9978, 1.02e9),
    _Row("TUSD", "TrueUSD", "true-usd", 0.9971, 494e6),
    _Row("USDD", "USDD", "usdd", 0.9989, 530e6),
)
_FIATS = (
    _Row("USD", "US Dollar", "", 1.0, 0.0),
    _Row("EUR", "Euro", "", 1.08, 0.0),
    _Row("GBP", "Pound Sterling", "", 1.27, 0.0),
    _Row("JPY", "Yen", "", 0.0067, 0.0),
    _Row("KRW", "Won", "", 0.00072, 0.0),
    _Row("AUD", "Australian Dollar", "", 0.66, 0.0),
    _Row("BRL", "Real", "", 0.185, 0.0),
    _Row("CZK", "Czech Koruna", "", 0.043, 0.0),
    _Row("IDR", "Rupiah", "", 0.000061, 0.0),
    _Row("INR", "Indian Rupee", "", 0.0118, 0.0),
    _Row("MXN", "Mexican Peso", "", 0.054, 0.0),
    _Row("PHP", "Philippine Peso", "", 0.0172, 0.0),
    _Row("TRY", "Lira", "", 0.024, 0.0),
    _Row("TWD", "Taiwan Dollar", "", 0.031, 0.0),
    _Row("ZAR", "Rand", "", 0.055, 0.0),
)
TRADED_FIATS = ("EUR", "GBP")
"""Fiat currencies that are sold for dollars at a venue; the others are only paid with."""

STABLE_MOVE = 0.0004
FIAT_MOVE = 0.0009

DEFAULT: tuple[SimAsset, ...] = (
    *(SimAsset(*row[:3], "coin", *row[3:], 0.02 if i < 2 else 0.03) for i, row in enumerate(_COINS)),
    *(SimAsset(*row[:3], "stablecoin", *row[3:], STABLE_MOVE) for row in _STABLES),
    *(SimAsset(*row[:3], "fiat", *row[3:], 0.0 if row.ticker == "USD" else FIAT_MOVE) for row in _FIATS),
)
"""In order of capitalisation within coins, stablecoins and fiat currencies."""
