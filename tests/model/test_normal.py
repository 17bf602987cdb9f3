"""The normal form's bounds: whatever passes can be stored, served and printed."""

from __future__ import annotations

from typing import Any

import pytest

from crypto_dt_source.model.asset import AssetListing, Instrument
from crypto_dt_source.model.book import Level, OrderBook, Trade
from crypto_dt_source.model.bounds import FUTURE_MS
from crypto_dt_source.model.candle import Candle
from crypto_dt_source.model.market import (
    Category,
    CoinDetail,
    CoinMarket,
    ExchangeInfo,
    GlobalMarket,
    SearchHit,
    TrendingCoin,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Quote
from crypto_dt_source.model.unreadable import Unreadable

NOW = 1_790_000_000_000
LATE = NOW + FUTURE_MS + 1
NAN, INF = float("nan"), float("inf")
IDS = ("", "a" * 201, "a\x00b", "a\nb", "a\u202eb")
NAMES = ("", "a" * 201, "a\x00b", "a\x1b[31m", "a\u202eb", "a\u2066b", "\ud800")
TICKERS = ("", "btc", "B" * 41, "B C", "B\tC", "B\x00", "B\u00a0C", "B\u200b")
COUNTS = (-1, 2**53, 10**30, -(10**30))
RANKS = (0, -1, 1_000_000, 10**30, -(10**30))
PRICES = (0.0, -1.0, NAN, INF)
AMOUNTS = (-1.0, NAN, INF)
CHANGES = (NAN, INF, -INF)
MOMENTS = (0, NOW // 1000, NOW * 1000, LATE, 10**30, -(10**30))
NAMED = {"native_id": IDS, "name": NAMES, "ticker": TICKERS, "rank": RANKS}

GOOD: dict[type, Any] = {
    Quote: Quote("p", "BTCUSD", "BTC", "USD", 2.0, 1.9, 2.1, 5.0, 9.0, -3.0, 3.0, 1.0, NOW, NOW),
    Candle: Candle(NOW, 2.0, 3.0, 1.0, 2.0, 5.0, 9.0, 7, True),
    OrderBook: OrderBook("p", "BTCUSD", "BTC", "USD", (Level(1.0, 1.0),), (Level(2.0, 1.0),), NOW, NOW),
    Trade: Trade("p", "BTCUSD", "BTC", "USD", "17", 2.0, 1.0, "buy", NOW),
    CoinMarket: CoinMarket(
        "p", "bitcoin", "BTC", "Bitcoin", 1, 2.0, 9.0, 5.0, 0.1, -1.0, 2.0, 3.0, 1.0, 19e6, 19e6, 21e6, NOW, NOW
    ),
    GlobalMarket: GlobalMarket("p", 2e12, 1e11, 57.0, 12.0, 15_000, -1.0, NOW, NOW),
    TrendingCoin: TrendingCoin("p", "bitcoin", "BTC", "Bitcoin", 1, 1, 2.0, -1.0),
    Category: Category("p", "layer-1", "Layer 1", 1e12, -1.0, 1e11, 300, NOW),
    CoinDetail: CoinDetail("p", "bitcoin", "BTC", "Bitcoin", 1, "Money.\nPlain.", contracts=(("eth", "0xab"),)),
    SearchHit: SearchHit("p", "bitcoin", "BTC", "Bitcoin", 1),
    AssetListing: AssetListing("p", "bitcoin", "BTC", "Bitcoin", None, True),
    Instrument: Instrument("p", "BTCUSD", "BTC", "USD", True),
    ExchangeInfo: ExchangeInfo("p", "kraken", "Kraken", "United States", 2011, "https://k.example", 3, 1e9, None),
}  # fmt: skip
BAD: dict[type, dict[str, tuple[Any, ...]]] = {
    Quote: {
        "symbol": IDS, "base": TICKERS, "quote": TICKERS, "price": PRICES, "bid": PRICES, "ask": PRICES,
        "base_volume": AMOUNTS, "quote_volume": AMOUNTS, "change_pct": CHANGES, "high": PRICES, "low": PRICES,
        "event_ms": MOMENTS, "received_ms": (0, 10**30),
    },
    Candle: {
        "open_ms": MOMENTS, "open": PRICES, "high": PRICES, "low": PRICES, "close": PRICES, "volume": AMOUNTS,
        "quote_volume": AMOUNTS, "trades": COUNTS,
    },
    OrderBook: {
        "symbol": IDS, "base": TICKERS, "event_ms": MOMENTS, "bids": ((Level(NAN, 1.0),), (Level(1.0, INF),)),
    },
    Trade: {"symbol": IDS, "quote": TICKERS, "trade_id": IDS, "price": PRICES, "size": PRICES, "event_ms": MOMENTS},
    CoinMarket: NAMED | {
        "price": PRICES, "market_cap": AMOUNTS, "volume_24h": AMOUNTS, "change_1h_pct": CHANGES,
        "change_24h_pct": CHANGES, "change_7d_pct": CHANGES, "high_24h": AMOUNTS, "low_24h": AMOUNTS,
        "circulating_supply": AMOUNTS, "total_supply": AMOUNTS, "max_supply": PRICES, "event_ms": MOMENTS,
    },
    GlobalMarket: {
        "market_cap": PRICES, "volume_24h": AMOUNTS, "btc_dominance_pct": (-1.0, 101.0, NAN), "active_coins": COUNTS,
        "market_cap_change_24h_pct": CHANGES, "event_ms": MOMENTS,
    },
    TrendingCoin: NAMED | {"position": (0, 10**30), "price": AMOUNTS, "change_24h_pct": CHANGES},
    Category: {
        "native_id": IDS, "name": NAMES, "market_cap": AMOUNTS, "change_24h_pct": CHANGES, "volume_24h": AMOUNTS,
        "coins": COUNTS, "event_ms": (0, 10**30),
    },
    CoinDetail: NAMED | {
        "description": ("a" * 10_001, "\x00", "\u202e"), "homepage": ("a" * 2_001, "\x00"),
        "categories": (("a" * 201,), ("a\x00",), ("a",) * 1_001), "contracts": ((("eth", "\x00"),), (("a", "b"),) * 1_001),
        "genesis_date": ("a" * 201,), "hashing_algorithm": ("\x00",), "ath_date": ("\x00",), "atl_date": ("\x00",),
        "price": AMOUNTS, "market_cap": AMOUNTS, "volume_24h": AMOUNTS, "change_24h_pct": CHANGES, "ath": AMOUNTS,
        "atl": AMOUNTS, "circulating_supply": AMOUNTS, "total_supply": AMOUNTS, "max_supply": AMOUNTS,
        "event_ms": (0, 10**30),
    },
    SearchHit: NAMED,
    AssetListing: NAMED,
    Instrument: {"symbol": IDS, "base": TICKERS, "quote": TICKERS},
    ExchangeInfo: {
        "native_id": IDS, "name": NAMES, "country": ("a" * 201, "\x00"), "year": (0, -(10**30), 10**30),
        "url": ("a" * 2_001, "\x00"), "trust_rank": RANKS, "volume_usd": AMOUNTS, "volume_btc": AMOUNTS,
    },
}  # fmt: skip


def with_(record: Any, field: str, value: Any) -> Any:
    if hasattr(record, "_replace"):
        return record._replace(**{field: value})
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return type(record)(**values | {field: value})


@pytest.mark.parametrize("record", GOOD.values(), ids=lambda r: type(r).__name__)
def test_the_normal_form_passes(record: Any) -> None:
    assert violation(record, NOW) is None


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind, fields in BAD.items() for field in fields],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_each_field_has_its_bounds(kind: type, field: str) -> None:
    passed = [value for value in BAD[kind][field] if violation(with_(GOOD[kind], field, value), NOW) is None]
    assert passed == []


def test_clocks_that_are_a_little_off_are_not_judged_here() -> None:
    assert violation(with_(GOOD[Quote], "event_ms", NOW + FUTURE_MS), NOW) is None
    assert violation(with_(GOOD[Trade], "event_ms", LATE)) is None  # no reply is known


def test_names_in_any_script_pass() -> None:
    for name in (
        "\u5e01\u5b89\u4eba\u751f",
        "Caf\u00e9 \U0001f436",
        "\u0645\u0631\u062d\u0628\u0627",
        "a-b (c) & d",
    ):
        assert violation(with_(GOOD[CoinMarket], "name", name)) is None


def test_a_row_that_could_not_be_read_is_never_in_normal_form() -> None:
    assert (
        violation(Unreadable("BTCUSD", "Expected `float`, got `object`")) == "Expected `float`, got `object`"
    )
