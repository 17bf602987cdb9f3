"""Perpetual contracts: funding rates and open interest."""

from __future__ import annotations

from typing import NamedTuple


class FundingRate(NamedTuple):
    """What longs pay shorts (negative: shorts pay longs) at the next settlement of one perpetual contract.

    `rate` is a fraction of the position's value over one interval of `interval_h` hours, as the venue states it; None
    hours: the venue does not say. `base` and `quote` are tickers in normal form (`BTC`, `USDT`; an inverse contract has
    the quote `USD`). Prices are in `quote`. `next_ms` is the next settlement.
    """

    provider: str
    symbol: str
    base: str
    quote: str
    rate: float
    interval_h: float | None
    mark_price: float | None
    index_price: float | None
    next_ms: int | None
    event_ms: int | None
    received_ms: int


class OpenInterest(NamedTuple):
    """Contracts open now of one perpetual. `amount` is in units of the base asset, `value` in units of `quote`,
    exactly one side counted. One of the two may be None: the venue does not give it."""

    provider: str
    symbol: str
    base: str
    quote: str
    amount: float | None
    value: float | None
    event_ms: int | None
    received_ms: int
