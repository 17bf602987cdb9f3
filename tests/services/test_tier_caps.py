"""How much of what was asked for a tier gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.model.candle import DAY_MS, INTERVAL_MS
from crypto_dt_source.security.tiers import NAMES, Tier
from crypto_dt_source.services import tier_caps
from crypto_dt_source.services.tier_caps import Cut

NOW = 1_789_983_437_000


@pytest.mark.parametrize(
    ("asked", "most", "expected"),
    [
        (7, 7, (7, None)),
        (8, 7, (7, Cut("history_days", 8, 7))),
        (1, 7, (1, None)),
        (3650, None, (3650, None)),
    ],
)
def test_days(asked: int, most: int | None, expected: tuple[int, Cut | None]) -> None:
    assert tier_caps.days(asked, most) == expected


def test_without_a_limit_there_is_no_oldest_candle() -> None:
    assert tier_caps.first_open(NOW, "1h", None) is None


@given(
    now=st.integers(NOW, NOW * 2), days=st.integers(1, 3650), interval=st.sampled_from(sorted(INTERVAL_MS))
)
def test_the_oldest_candle_is_the_one_in_which_the_days_begin(now: int, days: int, interval: str) -> None:
    first = tier_caps.first_open(now, interval, days)
    assert first is not None
    assert first <= now - days * DAY_MS < first + INTERVAL_MS[interval]
    # What opened before it is always more days back than the tier has, and said so.
    assert tier_caps.days_back(now, first - INTERVAL_MS[interval]) > days


@pytest.mark.parametrize(("back_ms", "days"), [(1, 1), (DAY_MS, 1), (DAY_MS + 1, 2), (0, 0)])
def test_a_begun_day_is_counted(back_ms: int, days: int) -> None:
    assert tier_caps.days_back(NOW, NOW - back_ms) == days


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ((5, 100, None), ("pro", "enterprise", None)),
        ((5, 5, 100), ("enterprise", "enterprise", None)),
        ((5, 3, 4), (None, "enterprise", None)),
        ((None, 5, 5), (None, None, None)),
    ],
)
def test_the_next_tier_that_gives_more_is_named(
    symbols: tuple[int | None, ...], expected: tuple[str | None, ...]
) -> None:
    tiers = {
        name: Tier(name, None, None, most, None, None, None)
        for name, most in zip(NAMES, symbols, strict=True)
    }
    found = [tier_caps.with_more_symbols(tiers, tier) for tier in tiers.values()]
    assert tuple(tier.name if tier else None for tier in found) == expected
