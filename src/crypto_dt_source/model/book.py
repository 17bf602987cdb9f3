"""Order books and trades of one venue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Level(NamedTuple):
    """Price in quote units, size in base units; both > 0."""

    price: float
    size: float


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Bids descending, asks ascending. `event_ms` is the venue's time or None."""

    provider: str
    symbol: str
    base: str
    quote: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    event_ms: int | None
    received_ms: int


class Trade(NamedTuple):
    """One execution. `side` is the taker's (`buy` lifted an ask), None where the venue does not say."""

    provider: str
    symbol: str
    base: str
    quote: str
    trade_id: str | None
    price: float
    size: float
    side: str | None
    event_ms: int
