"""The market as aggregators tell it: coins by capitalisation, totals, categories, trending, exchanges, and their keys.

An aggregator lags some seconds behind the market; what it shows at one moment all comes from one earlier moment.
"""

from __future__ import annotations

from typing import NamedTuple

from ..model.quote import Pair
from .assets import SimAsset
from .noise import key_of, unit
from .venue import SimCoin
from .wire import Call

REFUSED_KEY = "invalid"
"""Every key is accepted but this one, so that a test can ask for the answer to a wrong key."""
TREND_MS = 6 * 3_600_000
"""In this time the order of the trending coins is drawn anew."""


def lag_ms(provider: str) -> int:
    """How far behind the market this aggregator is, 3 to 18 seconds."""
    return 3000 + int(15_000 * unit(key_of("lag", provider)))


def seen_ms(call: Call) -> int:
    """The moment an answer given now tells of, by the provider's clock."""
    return call.now_ms - lag_ms(call.provider)


def listing(call: Call) -> list[SimCoin]:
    """Every coin in US dollars, the largest first."""
    return call.view.coins(seen_ms(call))


def change_pct(call: Call, ticker: str, back_ms: int) -> float:
    """Change of a coin's dollar price over the last `back_ms`, in percent."""
    pair, now = Pair(ticker, "USD"), seen_ms(call)
    return round((call.view.price(pair, now) / call.view.price(pair, now - back_ms) - 1) * 100, 5)


def dollars_of(call: Call, currency: str) -> float | None:
    """US dollars of one unit of a currency or coin by ticker in any case, None where the market has none."""
    ticker = currency.upper()
    if ticker not in call.market.assets:
        return None
    return 1.0 if ticker == "USD" else call.view.price(Pair(ticker, "USD"), seen_ms(call))


def number_of(asset: SimAsset) -> int:
    """A made-up numeric id: always the same for an asset, and larger than the ids real providers give."""
    return 1_000_000 + key_of("number", asset.gecko_id) % 900_000_000


class Totals(NamedTuple):
    """Sums over every coin, in US dollars; shares are percent of the market's capitalisation by ticker."""

    market_cap: float
    volume_24h: float
    change_24h_pct: float
    volume_change_24h_pct: float
    shares: dict[str, float]
    coins: int


def totals(call: Call) -> Totals:
    """The whole market as this aggregator counts it."""
    rows = listing(call)
    cap = sum(row.market_cap for row in rows)
    volume = sum(row.volume_24h for row in rows)
    before = sum(row.market_cap / (1 + row.change_24h_pct / 100) for row in rows)
    drift = unit(key_of(call.market.seed, "volume drift"), seen_ms(call) // TREND_MS) * 20 - 10
    shares = {row.asset.ticker: row.market_cap / cap * 100 for row in rows}
    return Totals(cap, volume, round((cap / before - 1) * 100, 5), round(drift, 2), shares, len(rows))


def all_time(coin: SimCoin) -> tuple[float, str, float, str]:
    """Highest price and its date, lowest price and its date; never crossed by the present."""
    key = key_of("all time", coin.asset.gecko_id)
    high = max(coin.high_24h, coin.asset.price * (1.3 + 2 * unit(key, 1)))
    low = min(coin.low_24h, coin.asset.price * 0.02 * (1 + unit(key, 2)))
    return high, "2025-01-19T12:00:00.000Z", low, "2020-03-13T06:00:00.000Z"


def trending(call: Call, count: int) -> list[SimCoin]:
    """The coins people look up now: an order drawn from the seed that drifts over hours."""
    step, rest = divmod(seen_ms(call), TREND_MS)
    share = rest / TREND_MS

    def interest(coin: SimCoin) -> float:
        key = key_of(call.market.seed, "trend", coin.asset.ticker)
        return unit(key, step) * (1 - share) + unit(key, step + 1) * share

    return sorted(listing(call), key=interest, reverse=True)[:count]


def found(call: Call, text: str) -> list[SimCoin]:
    """Coins whose name, ticker or id holds `text`, the largest first."""
    wanted = text.strip().casefold()
    return [
        coin
        for coin in listing(call)
        if wanted
        and any(
            wanted in word.casefold() for word in (coin.asset.name, coin.asset.ticker, coin.asset.gecko_id)
        )
    ]


CATEGORIES: dict[str, tuple[str, frozenset[str]]] = {
    "layer-1": (
        "Layer 1 (L1)",
        frozenset(
            "BTC ETH XRP BNB SOL TRX ADA HYPE AVAX SUI TON DOT NEAR ICP APT ATOM ALGO SEI KAS XTZ".split()
        ),
    ),
    "smart-contract-platform": (
        "Smart Contract Platform",
        frozenset("ETH BNB SOL TRX ADA AVAX SUI TON DOT NEAR APT HBAR ETC XTZ EGLD".split()),
    ),
    "layer-2": ("Layer 2 (L2)", frozenset("MNT ARB OP POL IMX STX".split())),
    "decentralized-finance-defi": (
        "Decentralized Finance (DeFi)",
        frozenset("LINK UNI AAVE MKR CRV LDO COMP SNX RUNE 1INCH INJ ENA JUP ONDO".split()),
    ),
    "stablecoins": ("Stablecoins", frozenset("USDT USDC DAI FDUSD TUSD USDD".split())),
    "meme-token": ("Meme", frozenset("DOGE SHIB PEPE BONK WIF FLOKI".split())),
    "centralized-exchange-token-cex": (
        "Centralized Exchange (CEX) Token",
        frozenset("BNB LEO CRO MNT".split()),
    ),
    "artificial-intelligence": (
        "Artificial Intelligence (AI)",
        frozenset("TAO RENDER FET NEAR GRT WLD ICP".split()),
    ),
    "gaming": ("Gaming (GameFi)", frozenset("SAND MANA AXS IMX FLOKI".split())),
    "privacy-coins": ("Privacy", frozenset("XMR ZEC DASH".split())),
}
"""Category id, its name and its coins."""


class CategoryRow(NamedTuple):
    """One category with its members' sums in US dollars; `coins` in order of capitalisation."""

    id: str
    name: str
    market_cap: float
    change_24h_pct: float
    volume_24h: float
    coins: list[SimCoin]


def categories(call: Call) -> list[CategoryRow]:
    """Every category that has a coin, the largest first."""
    rows = []
    for native_id, (name, members) in CATEGORIES.items():
        coins = [coin for coin in listing(call) if coin.asset.ticker in members]
        if not coins:
            continue
        cap = sum(coin.market_cap for coin in coins)
        before = sum(coin.market_cap / (1 + coin.change_24h_pct / 100) for coin in coins)
        volume = sum(coin.volume_24h for coin in coins)
        rows.append(CategoryRow(native_id, name, cap, round((cap / before - 1) * 100, 5), volume, coins))
    return sorted(rows, key=lambda row: -row.market_cap)


class ExchangeRow(NamedTuple):
    """One simulated venue; volume in US dollars over 24 h. `gecko_id` is the id CoinGecko has for it."""

    id: str
    gecko_id: str
    name: str
    country: str | None
    year: int | None
    url: str
    volume_usd: float
    rank: int


_FOUNDED: dict[str, tuple[str | None, int]] = {
    "binance": (None, 2017),
    "coinbase_exchange": ("United States", 2012),
    "kraken": ("United States", 2011),
    "okx": ("Seychelles", 2013),
    "bybit": ("United Arab Emirates", 2018),
    "kucoin": ("Seychelles", 2014),
    "gate": ("Panama", 2013),
    "bitstamp": ("Luxembourg", 2013),
    "bitfinex": ("British Virgin Islands", 2014),
    "gemini": ("United States", 2014),
    "htx": ("Seychelles", 2013),
}


def exchanges(call: Call) -> list[ExchangeRow]:
    """The simulated venues, the largest first; their volumes share out the market's."""
    names: dict[str, str] = {}
    gecko: dict[str, str] = {}
    for entry in call.market.entries.values():
        if entry.kind == "venue" and entry.status in ("live", "keyed"):
            names.setdefault(entry.source, entry.name.split(" (")[0])
            gecko.setdefault(entry.source, entry.listed_as.get("coingecko", entry.source))
    weights = {source: 0.05 + unit(key_of(call.market.seed, "size", source)) ** 2 for source in names}
    whole, volume = sum(weights.values()), totals(call).volume_24h
    rows = []
    for rank, source in enumerate(sorted(names, key=lambda name: -weights[name]), 1):
        country, year = _FOUNDED.get(source, (None, None))
        url = f"https://{source.replace('_', '-')}.example/"
        rows.append(
            ExchangeRow(
                source,
                gecko[source],
                names[source],
                country,
                year,
                url,
                volume * weights[source] / whole,
                rank,
            )
        )
    return rows


def key_sent(call: Call, header: str, prefix: str = "", query: str = "") -> str | None:
    """The key a request carries in a header (after `prefix`) or a query parameter, None where it has none."""
    value = call.headers.get(header, "")
    if value and value.lower().startswith(prefix.lower()):
        return value[len(prefix) :].strip() or None
    return call.query.get(query) or None if query else None
