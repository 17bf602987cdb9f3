"""One-minute candles built from trades as they come, of the first venue that streams an asset.

A candle that was built is a sketch: it is marked `live` until the venue's own candle takes its place, and `incomplete`
where trades are known to be missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..clock import rfc3339
from ..model.book import Trade
from ..model.candle import MINUTE_MS, Candle
from ..model.quote import Pair
from ..providers.catalog import Entry
from ..providers.resolver import Resolver

LATE_MS = 10_000
"""Trades of a minute that arrive later are the venue's candle's to count."""
SERIES = 1000
"""Assets whose minutes are built at a time, the longest without a trade leaving first."""


class Series(NamedTuple):
    """A venue's pair."""

    provider: str
    pair: Pair


@dataclass(slots=True)
class _Building:
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int
    complete: bool
    last_ms: int


class CandleBuilder:
    """The minute under way of each series."""

    def __init__(self, entries: Mapping[str, Entry], resolver: Resolver) -> None:
        self._entries = entries
        self._resolver = resolver
        self._building: dict[Series, _Building] = {}
        self._of_symbol: OrderedDict[str, Series] = OrderedDict()
        self.closed: list[tuple[str, Series, int]] = []
        """(symbol, series, open time) of minutes that are over, for the venue's own candle to be fetched."""

    def add(self, trade: Trade, symbol: str) -> dict[str, Any] | None:
        """The candle with this trade in it, as the stream shows it; None for a trade of another venue than the one the
        asset's candles are built from, and for one that came too late."""
        series = Series(trade.provider, Pair(trade.base, trade.quote))
        if self._chosen(symbol, series) != series:
            return None
        minute = trade.event_ms // MINUTE_MS * MINUTE_MS
        held = self._building.get(series)
        if held is None or minute > held.open_ms:
            if held is not None:
                self.closed.append((symbol, series, held.open_ms))
                del self.closed[:-SERIES]
            # The first minute of a series began before its first trade was seen.
            held = self._building[series] = _Building(
                minute, trade.price, trade.price, trade.price, trade.price, 0.0, 0.0, 0, held is not None, 0
            )
        elif minute < held.open_ms:
            return None
        held.high, held.low = max(held.high, trade.price), min(held.low, trade.price)
        if trade.event_ms >= held.last_ms:
            held.close, held.last_ms = trade.price, trade.event_ms
        held.volume += trade.size
        held.quote_volume += trade.size * trade.price
        held.trades += 1
        return self._shown(series, held)

    def _chosen(self, symbol: str, series: Series) -> Series:
        """The venue whose catalogue entry ranks first, in the quote currency it prefers; it keeps the asset while it
        streams."""
        held = self._of_symbol.get(symbol)
        if held == series or (held is not None and self._rank(held) <= self._rank(series)):
            self._of_symbol.move_to_end(symbol)
            return held
        self._of_symbol[symbol] = series
        self._of_symbol.move_to_end(symbol)
        if held is not None:
            self._building.pop(held, None)
        elif len(self._of_symbol) > SERIES:
            self._building.pop(self._of_symbol.popitem(last=False)[1], None)
        return series

    def _rank(self, series: Series) -> tuple[int, int, str]:
        entry = self._entries[series.provider]
        preferred = entry.quotes_in
        place = preferred.index(series.pair.quote) if series.pair.quote in preferred else len(preferred)
        return (min((offer.rank for offer in entry.offers.values()), default=99), place, entry.id)

    def missed(self, provider: str, pair: Pair, now_ms: int) -> None:
        """Trades of this pair are missing."""
        held = self._building.get(Series(provider, pair))
        if held is not None and held.open_ms + MINUTE_MS > now_ms - LATE_MS:
            held.complete = False

    def stalled(self, provider: str, pairs: Collection[Pair]) -> None:
        """Another venue may take these over."""
        for symbol, series in list(self._of_symbol.items()):
            if series.provider == provider and series.pair in pairs:
                del self._of_symbol[symbol]
                self._building.pop(series, None)

    def shown(self, symbol: str) -> dict[str, Any] | None:
        """The minute under way of an asset; None where no trade was seen."""
        series = self._of_symbol.get(symbol)
        held = self._building.get(series) if series is not None else None
        return None if series is None or held is None else self._shown(series, held)

    @staticmethod
    def _shown(series: Series, held: _Building) -> dict[str, Any]:
        return {
            "interval": "1m",
            "open_time": rfc3339(held.open_ms),
            "open_time_ms": held.open_ms,
            "open": held.open,
            "high": held.high,
            "low": held.low,
            "close": held.close,
            "volume": held.volume,
            "quote_volume": held.quote_volume,
            "trades": held.trades,
            "closed": False,
            "live": True,
            "incomplete": not held.complete,
            "provider": series.provider,
            "symbol": str(series.pair),
        }


def closed_candle(series: Series, candle: Candle) -> dict[str, Any]:
    """The venue's own candle in the place of the one that was built."""
    return {
        "interval": "1m",
        "open_time": rfc3339(candle.open_ms),
        "open_time_ms": candle.open_ms,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume": candle.volume,
        "quote_volume": candle.quote_volume,
        "trades": candle.trades,
        "closed": candle.closed,
        "live": False,
        "incomplete": False,
        "provider": series.provider,
        "symbol": str(series.pair),
    }
