"""An operator's factors of weights: they move shares, and never make a minority rule."""

from __future__ import annotations

import pytest

from crypto_dt_source.pricing.source import Policy
from crypto_dt_source.pricing.weights import minority, shares


def test_no_factors_make_a_minority_rule() -> None:
    policy = Policy()
    for count in range(2, 8):
        for heavy in range(1, count):
            factors = [100.0] * heavy + [0.01] * (count - heavy)
            found = shares(["venue"] * count, [1.0] * count, [0] * count, policy, factors)
            assert sum(found) == pytest.approx(1)
            assert sum(sorted(found, reverse=True)[: minority(count)]) < 0.5
    plain = shares(["venue"] * 3, [1.0, 4.0, 9.0], [0, 0, 0], policy)
    assert shares(["venue"] * 3, [1.0, 4.0, 9.0], [0, 0, 0], policy, [1.0] * 3) == plain
