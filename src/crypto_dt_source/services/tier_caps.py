"""How much of what was asked for a caller's tier gives: the days of a history, the symbols of a call."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..model.candle import DAY_MS, floor_open
from ..security.tiers import NAMES, Tier, Tiers


class Cut(NamedTuple):
    """What a tier left off an answer: `asked` and `given` are symbols, or days back from now, by `limit`."""

    limit: Literal["symbols", "history_days"]
    asked: int
    given: int


def days(asked: int, most: int | None) -> tuple[int, Cut | None]:
    """The days of history that are answered. `most` None: all of them."""
    if most is None or asked <= most:
        return asked, None
    return most, Cut("history_days", asked, most)


def first_open(now_ms: int, interval: str, most: int | None) -> int | None:
    """Open time of the oldest candle that a tier with `most` days of history gives: the one that was running then, so
    that a start reckoned by the caller's own clock a moment ago is not cut. None: without a limit."""
    return None if most is None else floor_open(now_ms - most * DAY_MS, interval)


def days_back(now_ms: int, since_ms: int) -> int:
    """Days from `since_ms` to now, a begun one counted as whole."""
    return -(-(now_ms - since_ms) // DAY_MS)


def with_more_symbols(tiers: Tiers, tier: Tier) -> Tier | None:
    """The lowest tier above that gives more symbols a call; None where none does."""
    if tier.symbols is None:
        return None
    above = (tiers[name] for name in NAMES[NAMES.index(tier.name) + 1 :])
    return next((t for t in above if t.symbols is None or t.symbols > tier.symbols), None)
