"""Quotes: what one upstream says one thing costs, in the upstream's own terms."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """Base and quote tickers, upper case, the field's common spelling (`BTC`, not `XBT`)."""

    base: str
    quote: str

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"


class Quote(NamedTuple):
    """One upstream's ticker for one pair. A tuple because tens of thousands are made a minute.

    Absence rule: a field the upstream does not give, or gives as empty or null, is `None`; 0 is a value for volumes
    and change, never for prices.
    """

    provider: str
    """Catalogue id of who said it."""
    symbol: str
    """The upstream's own name of the pair or coin (`XXBTZUSD`, `bitcoin`)."""
    base: str
    """Base ticker, upper case, common spelling."""
    quote: str
    """Ticker of the currency `price` is in."""
    price: float
    """Last traded price (an aggregator: its own average), > 0."""
    bid: float | None
    ask: float | None
    base_volume: float | None
    """Rolling 24 h volume in base units."""
    quote_volume: float | None
    """Rolling 24 h volume in quote units."""
    change_pct: float | None
    """Change over 24 h in percent (5.0 is five percent)."""
    high: float | None
    low: float | None
    event_ms: int | None
    """The upstream's own time of the price, ms UTC; `None` when it gives none."""
    received_ms: int
    """When our request's answer was complete, ms UTC."""
