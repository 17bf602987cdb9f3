"""A day's change is only told in the currency it was measured in."""

from __future__ import annotations

from crypto_dt_source.pricing.consensus import consensus
from crypto_dt_source.pricing.source import SourceQuote
from crypto_dt_source.services.day_change import day_change

AT = 1_790_000_000_000


def quote(provider: str, symbol: str, currency: str, price: float, volume: float = 1.0) -> SourceQuote:
    return SourceQuote(provider, provider, "venue", symbol, currency, price, None, None, volume, AT, AT, AT)


def test_a_change_against_bitcoin_is_not_one_against_dollars() -> None:
    quotes = [
        quote("a", "ETH-USD", "USD", 3000.0),
        quote("b", "ETH-USDT", "USDT", 3000.0),
        quote("c", "ETH-BTC", "BTC", 0.03),
    ]
    rates = {"USD": 1.0, "USDT": 1.0, "BTC": 100_000.0}
    result = consensus("ethereum", quotes, currency="USD", rates=rates, at_ms=AT)
    changes = {("a", "ETH-USD"): 10.0, ("b", "ETH-USDT"): 10.2, ("c", "ETH-BTC"): 8.9}
    assert day_change(result, changes, {"USD", "USDT"}) == 10.0
    assert day_change(result, changes, {"USD"}) == 10.0
    assert day_change(result, changes, {"BTC"}) == 8.9
    assert day_change(result, changes, {"EUR"}) is None
    assert day_change(result, {}, {"USD"}) is None


def test_a_source_reports_once_by_its_most_traded_pair_and_a_rejected_quote_not_at_all() -> None:
    quotes = [
        quote("a", "thin", "USD", 3000.0, 1.0),
        quote("a", "deep", "USD", 3000.0, 9.0),
        quote("b", "x", "USD", 3000.0),
        quote("c", "y", "USD", 3000.0),
        quote("liar", "z", "USD", 3_000_000.0),
    ]
    result = consensus("ethereum", quotes, currency="USD", rates={}, at_ms=AT)
    changes = {
        ("a", "thin"): 99.0,
        ("a", "deep"): 2.0,
        ("b", "x"): 1.0,
        ("c", "y"): 3.0,
        ("liar", "z"): -50.0,
    }
    assert day_change(result, changes, {"USD"}) == 2.0
