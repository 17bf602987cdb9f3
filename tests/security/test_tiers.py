"""Rates as the operator writes them."""

from __future__ import annotations

import pytest

from crypto_dt_source.security.tiers import Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30/minute", Rate(30, 60)),
        (" 5 / Second ", Rate(5, 1)),
        ("999999999/day", Rate(999_999_999, 86_400)),
        ("100/10 seconds", Rate(100, 10)),
        ("100/10second", Rate(100, 10)),
        ("7/ 12 hours", Rate(7, 43_200)),
        ("unlimited", None),
        ("Unlimited", None),
    ],
)
def test_a_rate(text: str, rate: Rate | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "0/minute", "30", "30/", "/minute", "-1/minute", "30/week", "30/0 seconds", "30/1000 seconds", "1.5/minute",
     "1000000000/day", "30/minute/hour", "٣/minute", "30/٣ minutes", "30 per minute"],
)  # fmt: skip
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="30/minute or 100/10 seconds"):
        parse_rate(text)
