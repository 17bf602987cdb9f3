"""Weights, the cap, the weighted quantile, and the confidence half-width."""

from __future__ import annotations

import math

import pytest

from crypto_dt_source.pricing.consensus import consensus
from crypto_dt_source.pricing.source import Policy, SourceQuote
from crypto_dt_source.pricing.weights import cap, minority, quantile, shares

AT = 1_790_000_000_000
POLICY = Policy()


def test_minority() -> None:
    assert [minority(n) for n in range(1, 10)] == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_volume_counts_by_its_root_and_age_halves() -> None:
    weights = shares(["venue"] * 4, [4e6, 1e6, 1e6, 1e6], [0, 0, 0, 60_000], POLICY)
    assert weights == pytest.approx([x / 4.5 for x in (2, 1, 1, 0.5)])
    assert math.fsum(weights) == pytest.approx(1.0, abs=1e-15)


def test_an_aggregator_weighs_less_than_any_venue() -> None:
    kinds = ["venue", "venue", "venue", "aggregator", "aggregator"]
    weights = shares(kinds, [1e9, 2e8, 1e5, 1e12, None], [0] * 5, POLICY)
    assert max(weights[3:]) < min(weights[:3])
    assert weights[3] == weights[4]


def test_unknown_volume_is_the_smallest_known() -> None:
    weights = shares(["venue"] * 4, [9e6, 4e6, 4e6, None], [0] * 4, POLICY)
    assert weights[3] == weights[1] < weights[0]


def test_without_volumes_all_weigh_the_same() -> None:
    for volumes in ([None] * 4, [0.0] * 4):
        assert shares(["venue"] * 4, volumes, [0] * 4, POLICY) == [0.25] * 4


def test_no_source_that_counts_weighs_nothing() -> None:
    assert min(shares(["venue"] * 3, [1e12, 0.0, 1.0], [0, 10**9, 10**15], POLICY)) > 0.0


def test_cap_leaves_even_weights_and_holds_a_giant() -> None:
    even = [0.2] * 5
    assert cap(even, 0.05) == even
    assert cap([0.9, 0.1], 0.05) == [0.9, 0.1]  # of two sources none may lie
    held = cap([0.96, 0.02, 0.02], 0.05)
    assert held[0] == pytest.approx(0.5 - 0.05 / 3)
    assert held[1] == held[2]
    assert math.fsum(held) == pytest.approx(1.0, abs=1e-15)


def test_cap_blends_no_more_than_needed() -> None:
    for giant in (0.49, 0.6, 0.9, 0.999):
        weights = [giant, *([(1 - giant) / 4] * 4)]
        held = sorted(cap(weights, 0.05), reverse=True)
        assert math.fsum(held[:2]) == pytest.approx(0.49)


def test_quantile_takes_the_middle_of_two_only_at_exactly_half() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    assert quantile(values, [0.25] * 4, 0.5) == 2.5
    assert quantile(values, [0.25] * 4, 0.5, lower=True) == 2.0
    assert quantile(values, [0.25, 0.24, 0.26, 0.25], 0.5) == 3.0
    assert quantile(values, [0.25, 0.26, 0.24, 0.25], 0.5) == 2.0
    assert quantile([7.0], [1.0], 0.5) == 7.0


@pytest.mark.parametrize("n", range(2, 60, 2))
def test_quantile_sees_an_even_half_through_rounding(n: int) -> None:
    assert quantile([float(i) for i in range(n)], [1 / n] * n, 0.5) == (n - 1) / 2


def spread(provider: str, price: float, half: float | None) -> SourceQuote:
    bid, ask = (None, None) if half is None else (price - half, price + half)
    return SourceQuote(provider, provider, "venue", "A", "USD", price, bid, ask, None, AT, AT, AT)


def half_width(quotes: list[SourceQuote], **rates: float) -> float | None:
    return consensus("a", quotes, currency="USD", rates=rates, at_ms=AT).half_width


def test_half_width_is_the_farther_quartile_of_the_votes() -> None:
    prices = (99.8, 100.0, 100.1)
    assert half_width([spread(f"v{i}", p, None) for i, p in enumerate(prices)]) == pytest.approx(0.2)
    assert half_width([spread(f"v{i}", 100.0, 0.03) for i in range(3)]) == pytest.approx(0.03)
    assert half_width([spread(f"v{i}", 100.0, None) for i in range(3)]) == 0.0


def test_half_width_is_in_the_asked_currency() -> None:
    quotes = [spread(f"v{i}", 100.0, 0.03)._replace(currency="EUR") for i in range(3)]
    assert half_width(quotes, EUR=1.5) == pytest.approx(0.045)


def test_a_crossed_or_broken_book_adds_no_width() -> None:
    for bid, ask in ((101.0, 99.0), (0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, math.inf), (None, 5.0)):
        quotes = [spread(f"v{i}", 100.0, None)._replace(bid=bid, ask=ask) for i in range(3)]
        assert half_width(quotes) == 0.0


def test_one_absurd_spread_does_not_widen_the_price() -> None:
    quotes = [spread(f"v{i}", 100.0, 0.01) for i in range(4)]
    assert half_width([*quotes, spread("x", 100.0, 90.0)]) == pytest.approx(0.01)
