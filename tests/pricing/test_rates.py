"""Conversion rates are measured: levels, inversion, a stablecoin off its peg."""

from __future__ import annotations

import math

import pytest

from crypto_dt_source.pricing.consensus import consensus
from crypto_dt_source.pricing.rates import Rate, cross, invert, measure
from crypto_dt_source.pricing.source import Reason, SourceQuote

AT = 1_790_000_000_000
VENUES = ("kraken", "coinbase", "bitstamp", "gemini")


def quote(provider: str, symbol: str, currency: str, price: float, volume: float | None = 1e6) -> SourceQuote:
    bid, ask = price * 0.9999, price * 1.0001
    return SourceQuote(provider, provider, "venue", symbol, currency, price, bid, ask, volume, AT, AT, AT)


def on(venues: tuple[str, ...], base: str, currency: str, price: float) -> list[SourceQuote]:
    return [quote(v, base + currency, currency, price * (1 + i * 1e-5)) for i, v in enumerate(venues)]


def test_the_dollar_alone_is_given() -> None:
    assert measure({}, at_ms=AT) == {"USD": Rate("USD", 1.0, "ok", 0, AT)}


def test_direct_and_inverted_pairs_against_the_dollar() -> None:
    rates = measure(
        {
            "EUR": on(VENUES[:2], "EUR", "USD", 1.16),
            "USDT": on(VENUES, "USDT", "USD", 0.9991),
            "USD": on(VENUES[:2], "USD", "TRY", 40.0),
        },
        at_ms=AT,
    )
    assert rates["EUR"].usd == pytest.approx(1.16, rel=1e-4)
    assert rates["USDT"].usd == pytest.approx(0.9991, rel=1e-4)
    assert rates["TRY"].usd == pytest.approx(1 / 40, rel=1e-4)
    assert {c: r.status for c, r in rates.items()} == dict.fromkeys(("USD", "EUR", "USDT", "TRY"), "ok")
    assert rates["USDT"].sources == 4


def test_second_level_through_a_measured_currency() -> None:
    rates = measure(
        {
            "USDT": [*on(VENUES, "USDT", "USD", 0.90), *on(("binance", "gate"), "USDT", "BRL", 4.86)],
            "FDUSD": on(("binance", "gate"), "FDUSD", "USDT", 1.11),
        },
        at_ms=AT,
    )
    assert rates["BRL"].usd == pytest.approx(0.90 / 4.86, rel=1e-4)
    assert rates["FDUSD"].usd == pytest.approx(0.90 * 1.11, rel=1e-4)


def test_more_sources_through_a_firm_currency_replace_a_single_one() -> None:
    wrong = quote("kraken", "EURUSD", "USD", 1.30)
    through = on(("binance", "gate", "okx"), "EUR", "USDT", 1.16)
    rates = measure({"USDT": on(VENUES, "USDT", "USD", 1.0), "EUR": [wrong, *through]}, at_ms=AT)
    assert (rates["EUR"].status, rates["EUR"].sources) == ("ok", 3)
    assert rates["EUR"].usd == pytest.approx(1.16, rel=1e-4)


def test_a_single_source_is_said_and_carries_only_what_has_nothing_better() -> None:
    rates = measure(
        {
            "USDT": [quote("kraken", "USDTUSD", "USD", 0.99)],
            "UAH": on(("binance", "gate"), "UAH", "USDT", 0.024),
        },
        at_ms=AT,
    )
    assert rates["USDT"] == Rate("USDT", 0.99, "single_source", 1, AT)
    assert rates["UAH"].usd == pytest.approx(0.99 * 0.024, rel=1e-4)


def test_a_stablecoin_without_a_pair_has_no_rate() -> None:
    pairs = {"BTC": on(VENUES, "BTC", "USDT", 60_000.0), "USDC": on(VENUES, "USDC", "USDT", 1.0)}
    assert list(measure(pairs, at_ms=AT)) == ["USD"]


def test_a_coin_never_carries_a_stablecoin() -> None:
    pairs = {"BTC": [*on(VENUES, "BTC", "USD", 60_000.0), *on(("binance", "okx"), "BTC", "USDT", 60_000.0)]}
    assert set(measure(pairs, at_ms=AT)) == {"USD", "BTC"}


def test_a_dispute_is_no_rate() -> None:
    pairs = [quote("kraken", "USDTUSD", "USD", 1.0), quote("gemini", "USDTUSD", "USD", 0.9)]
    assert "USDT" not in measure({"USDT": pairs}, at_ms=AT)


def test_venues_agree_in_dollars_when_tether_is_at_ninety_cents() -> None:
    dollar = on(("kraken", "coinbase"), "BTC", "USD", 60_000.0)
    tether = on(("binance", "okx", "gate"), "BTC", "USDT", 60_000.0 / 0.90)
    rates = measure({"USDT": on(VENUES, "USDT", "USD", 0.90), "BTC": dollar + tether}, at_ms=AT)
    assert rates["BTC"].sources == 5
    assert rates["BTC"].usd == pytest.approx(60_000.0, rel=1e-4)
    found = consensus("bitcoin", dollar + tether, currency="USD", rates=cross(rates, "USD"), at_ms=AT)
    assert (found.status, found.sources) == ("ok", 5)
    assert found.price == pytest.approx(60_000.0, rel=1e-4)
    assert found.dispersion_pct is not None
    assert found.dispersion_pct < 0.01
    pegged = consensus("bitcoin", dollar + tether, currency="USD", rates={"USDT": 1.0}, at_ms=AT)
    assert [v.excluded for v in pegged.verdicts if v.currency == "USD"] == [Reason.OUTLIER] * 2


def test_one_bad_rate_pair_does_not_move_the_rate() -> None:
    liar = quote("zz", "USDTUSD", "USD", 9.99, volume=1e15)
    pairs = on(VENUES, "USDT", "USD", 0.9991)
    assert measure({"USDT": [*pairs, liar]}, at_ms=AT)["USDT"].usd == pytest.approx(0.9991, rel=1e-4)


def test_inverse_of_a_quote() -> None:
    turned = invert(quote("binance", "USDTBRL", "BRL", 4.0, volume=8_000.0), "USDT")
    assert turned is not None
    assert (turned.price, turned.currency, turned.volume) == (0.25, "USDT", 2_000.0)
    assert turned.bid is not None
    assert turned.ask is not None
    assert turned.bid < turned.price < turned.ask
    for price in (0.0, -1.0, math.nan, math.inf, 5e-324):
        assert invert(quote("a", "b", "BRL", price), "USDT") is None


def test_cross_rates() -> None:
    rates = {
        c: Rate(c, usd, "ok", 3, AT)
        for c, usd in (("USD", 1.0), ("EUR", 1.16), ("USDT", 0.999), ("BTC", 6e4))
    }
    euro = cross(rates, "EUR")
    assert euro["EUR"] == 1.0
    assert euro["USD"] == pytest.approx(1 / 1.16)
    assert euro["BTC"] == pytest.approx(6e4 / 1.16)
    assert cross(rates, "USD")["USDT"] == 0.999
    assert cross(rates, "GBP") == {"GBP": 1.0}
