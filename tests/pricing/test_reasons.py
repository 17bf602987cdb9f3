"""Every reason a quote can be excluded for, and every status."""

from __future__ import annotations

import math

import pytest

from crypto_dt_source.pricing.consensus import METHOD, consensus
from crypto_dt_source.pricing.source import Consensus, Policy, Reason, SourceQuote, Verdict

AT = 1_790_000_000_000
PRICE = 2_500.0


def quote(provider: str, price: float = PRICE, **changes: object) -> SourceQuote:
    plain = SourceQuote(
        provider, provider, "venue", "ETH-USD", "USD", price, None, None, 1e6, AT - 1_000, AT - 900, AT - 900
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


def honest(count: int = 4) -> list[SourceQuote]:
    return [quote(f"venue{i}", PRICE * (1 + (i - 1) * 1e-4)) for i in range(count)]


def price(quotes: list[SourceQuote], **changes: object) -> Consensus:
    asked: dict[str, object] = {"currency": "USD", "rates": {}, "at_ms": AT}
    return consensus("ethereum", quotes, **(asked | changes))  # type: ignore[arg-type]


def of(result: Consensus, provider: str) -> Verdict:
    return next(v for v in result.verdicts if v.provider == provider)


NEIGHBOURS = ((100.0, "solana"), (1_800.0, "maker"), (60_000.0, "bitcoin"))


@pytest.mark.parametrize(
    ("liar", "reason", "detail"),
    [
        (quote("x", event_ms=AT - 180_001), Reason.STALE, "180 s old"),
        (quote("x", event_ms=None, received_ms=AT - 600_000), Reason.STALE, "600 s old"),
        (quote("x", event_ms=AT + 20_000, received_ms=AT - 600_000), Reason.STALE, "600 s old"),
        (quote("x", event_ms=AT + 30_001), Reason.FUTURE, "30 s ahead"),
        (quote("x", math.nan), Reason.NOT_FINITE, None),
        (quote("x", math.inf), Reason.NOT_FINITE, None),
        (quote("x", 0.0), Reason.NOT_FINITE, None),
        (quote("x", -PRICE), Reason.NOT_FINITE, None),
        (quote("x", currency="XYZ"), Reason.NO_RATE, "no rate for XYZ"),
        (quote("x", PRICE * 1000), Reason.POWER_OF_TEN, "x1000"),
        (quote("x", PRICE * 0.01003), Reason.POWER_OF_TEN, "x0.01"),
        (quote("x", PRICE * 1e18), Reason.POWER_OF_TEN, "x1e18"),
        (quote("x", PRICE * 1e-8), Reason.POWER_OF_TEN, "x1e-8"),
        (quote("x", PRICE * 1e19), Reason.OUTLIER, None),
        (quote("x", 1 / PRICE), Reason.INVERTED, "close to 1/2500 USD"),
        (quote("x", PRICE * 1.02, unchanged_since_ms=AT - 700_000), Reason.FROZEN, "unchanged for 700 s"),
        (quote("x", PRICE * 1.002, unchanged_since_ms=AT - 600_001), Reason.FROZEN, "unchanged for 600 s"),
        (quote("x", 60_010.0), Reason.SWAPPED, "looks like bitcoin"),
        (quote("x", 1_799.0), Reason.SWAPPED, "looks like maker"),
        (quote("x", 1_790.0), Reason.OUTLIER, None),
        (quote("x", PRICE * 1.3), Reason.OUTLIER, None),
        (quote("x", PRICE * 0.98), Reason.OUTLIER, None),
        (quote("x", 5e-324), Reason.OUTLIER, None),
        (quote("x", 1.7e308), Reason.OUTLIER, None),
    ],
)
def test_a_bad_quote_is_named_and_does_not_count(
    liar: SourceQuote, reason: Reason, detail: str | None
) -> None:
    result = price([*honest(), liar], neighbours=NEIGHBOURS)
    verdict = of(result, "x")
    assert (verdict.excluded, verdict.detail, verdict.weight) == (reason, detail, 0.0)
    assert result.status == "ok"
    assert result.sources == 4
    assert result.price == price(honest()).price
    assert result.method == METHOD == "cdts-1"


def test_a_quote_that_is_odd_and_agrees_counts() -> None:
    still = quote("still", PRICE * 1.001, unchanged_since_ms=AT - 90_000_000)
    near = quote("near", PRICE * 1.0045)
    ahead = quote("ahead", PRICE, event_ms=AT + 30_000)
    result = price([*honest(), still, near, ahead], neighbours=((PRICE * 1.0045, "twin"),))
    assert result.sources == 7
    assert all(v.excluded is None for v in result.verdicts)


def test_a_neighbour_close_to_the_price_is_not_a_swap() -> None:
    result = price([*honest(), quote("x", PRICE * 1.03)], neighbours=((PRICE * 1.03, "twin"),))
    assert of(result, "x").excluded is Reason.OUTLIER


def test_one_source_counts_once_by_its_most_liquid_pair() -> None:
    host = quote("binance_data", PRICE * 1.0001, source="binance", volume=5e6)
    main = quote("binance", PRICE * 1.0002, source="binance", volume=5e6)
    thin = quote("binance", PRICE / 1.1, source="binance", symbol="ETHEUR", currency="EUR", volume=None)
    bought = quote("binance", PRICE / 1.3, source="binance", symbol="ETHUSDT", currency="USDT", volume=4e6)
    result = price([main, thin, bought, host, *honest(2)], rates={"EUR": 1.1, "USDT": 1.3})
    verdicts = {(v.provider, v.symbol): v for v in result.verdicts if v.source == "binance"}
    assert (
        verdicts[("binance", "ETHUSDT")].excluded is None
    )  # 4e6 USDT at 1.3 is the most, in the asked currency
    assert verdicts[("binance", "ETH-USD")].excluded is Reason.SAME_SOURCE
    assert verdicts[("binance", "ETH-USD")].detail == "counted: binance ETHUSDT"
    assert verdicts[("binance_data", "ETH-USD")].excluded is Reason.SAME_SOURCE
    assert verdicts[("binance", "ETHEUR")].excluded is Reason.SAME_SOURCE


def test_equal_pairs_of_one_source_are_chosen_by_name() -> None:
    twins = [quote("b", PRICE, source="s"), quote("a", PRICE, source="s")]
    for order in (twins, twins[::-1]):
        result = price([*order, *honest(2)])
        assert of(result, "a").excluded is None
        assert of(result, "b").excluded is Reason.SAME_SOURCE


def test_a_stale_pair_gives_way_to_a_fresh_one_of_its_source() -> None:
    old = quote("a", PRICE, source="s", volume=9e9, event_ms=AT - 10**6)
    new = quote("b", PRICE, source="s", volume=1.0)
    result = price([old, new, *honest(2)])
    assert of(result, "a").excluded is Reason.STALE
    assert of(result, "b").excluded is None


def test_a_disabled_provider_is_shown_and_does_not_count() -> None:
    result = price(honest(), policy=Policy(disabled=frozenset({"venue0"})))
    assert of(result, "venue0").excluded is Reason.BLOCKED
    assert of(result, "venue0").converted == honest()[0].price
    assert result.sources == 3


def test_inversion_is_seen_through_a_conversion() -> None:
    turned = quote("x", 1 / (PRICE / 0.0067), currency="JPY")
    result = price([*honest(), turned], rates={"JPY": 0.0067})
    assert of(result, "x").excluded is Reason.INVERTED


def test_near_one_an_inverted_price_is_a_plain_outlier() -> None:
    coins = [quote(f"v{i}", 1.03) for i in range(4)]
    result = price([*coins, quote("x", 1 / 1.03)])
    assert of(result, "x").excluded is Reason.OUTLIER


def test_power_of_ten_and_inversion_go_to_the_closer_one() -> None:
    coins = [quote(f"v{i}", 100.4) for i in range(4)]
    result = price([*coins, quote("x", 1 / 100.4), quote("y", 0.01004)])
    assert of(result, "x").excluded is Reason.INVERTED
    assert of(result, "y").excluded is Reason.POWER_OF_TEN


def test_no_data_and_single_source() -> None:
    nothing = price([])
    assert (nothing.price, nothing.status, nothing.sources, nothing.verdicts) == (None, "no_data", 0, ())
    spoiled = price([quote("x", math.nan), quote("y", event_ms=1)])
    assert (spoiled.price, spoiled.status) == (None, "no_data")
    assert [v.deviation_pct for v in spoiled.verdicts] == [None, None]
    alone = price([quote("x"), quote("y", event_ms=1)])
    assert (alone.price, alone.status, alone.sources) == (PRICE, "single_source", 1)
    assert (alone.half_width, alone.dispersion_pct) == (None, None)
    assert of(alone, "x").weight == 1.0


@pytest.mark.parametrize("distance", [0.02, 0.3, 3.0, 900.0])
@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 2), (3, 3), (4, 4)])
@pytest.mark.parametrize("volume", [None, 1e6])
def test_two_camps_of_equal_size_have_no_consensus(
    distance: float, first: int, second: int, volume: float | None
) -> None:
    low = [quote(f"low{i}", PRICE * (1 + i * 1e-4), volume=volume) for i in range(first)]
    high = [quote(f"high{i}", PRICE * (1 + distance + i * 1e-4), volume=1e9) for i in range(second)]
    for quotes in (low + high, [q._replace(volume=None) for q in low + high]):
        result = price(quotes)
        assert (result.status, result.price, result.half_width, result.sources) == (
            "no_consensus",
            None,
            None,
            0,
        )
        assert all(v.weight == 0.0 for v in result.verdicts)
        assert any(v.excluded for v in result.verdicts)


def test_three_camps_have_no_consensus() -> None:
    levels = (1.0, 1.0, 1.3, 1.3, 1.7)
    assert price([quote(f"v{i}", PRICE * x) for i, x in enumerate(levels)]).status == "no_consensus"


def test_a_thin_market_scatters_and_still_has_a_price() -> None:
    levels = (0.988, 0.995, 1.0, 1.008, 1.013)
    result = price([quote(f"v{i}", PRICE * x) for i, x in enumerate(levels)])
    assert (result.status, result.sources, result.price) == ("ok", 5, PRICE)
    assert result.dispersion_pct == pytest.approx(2.5)
    assert result.half_width == pytest.approx(PRICE * 0.008)


def test_a_pair_against_money_stands_for_a_venue_before_a_more_traded_one_against_a_coin() -> None:
    in_bitcoin = quote("x", 0.03, symbol="ETH-BTC", currency="BTC", volume=1e6)
    in_dollars = quote("x", PRICE, symbol="ETH-USDT", currency="USDT", volume=10.0)
    rates = {"USD": 1.0, "BTC": 83_000.0, "USDT": 1.0}
    result = price([*honest(), in_bitcoin, in_dollars], rates=rates)
    assert {v.symbol: v.excluded for v in result.verdicts if v.provider == "x"} == {
        "ETH-BTC": Reason.SAME_SOURCE,
        "ETH-USDT": None,
    }
    alone = price([*honest(), in_bitcoin], rates={**rates, "BTC": PRICE / 0.03})
    assert of(alone, "x").excluded is None
