"""Candles (OHLCV), keyed by open time."""

from __future__ import annotations

from typing import NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

INTERVAL_MS: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "1w": 7 * DAY_MS,
}
"""Every interval the service speaks of, and its length."""

WEEK_ORIGIN_MS = 4 * DAY_MS
"""Weekly candles open on Monday 00:00 UTC; 1970-01-05 was the first Monday."""


class Candle(NamedTuple):
    """Trades of one interval of one pair at one venue.

    Prices are in the quote currency, `volume` in base units, `quote_volume` in quote units. `None`: the upstream does
    not give it. `closed` is False while the interval still runs, by the upstream's flag or by the clock.
    """

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    quote_volume: float | None
    trades: int | None
    closed: bool


def floor_open(ms: int, interval: str) -> int:
    """Open time of the candle that holds `ms`. Raises KeyError for an interval that is not in INTERVAL_MS."""
    step = INTERVAL_MS[interval]
    origin = WEEK_ORIGIN_MS if interval == "1w" else 0
    return (ms - origin) // step * step + origin
