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

LATE_MS = 10_000
"""Trades of a minute that arrive later are the venue's candle's to count."""
AHEAD_MS = 10_000
"""A trade further ahead of our clock is of a clock that is wrong: the minutes until then would be lost."""
OVER_MS = 2_000
"""A minute is over so long after its end, or with the first trade of a later one."""
QUIET_MS = 300_000
"""Another venue may take an asset over from one that had no trade for so long."""
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
    heard_ms: int
    """When the last trade came, on our clock."""
    missed_ms: int = 0
    """When trades were last missed, on our clock."""
    over: bool = False
    own: dict[str, Any] | None = None
    """The venue's own candle of this minute."""


class CandleBuilder:
    """The minute under way of each series."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._building: dict[Series, _Building] = {}
        self._of_symbol: OrderedDict[str, Series] = OrderedDict()
        self.closed: list[tuple[str, Series, int]] = []
        """(symbol, series, open time) of minutes that are over, for the venue's own candle to be fetched."""

    def add(self, trade: Trade, symbol: str, now_ms: int) -> dict[str, Any] | None:
        """The candle with this trade in it, as the stream shows it; None for a trade of another venue than the one the
        asset's candles are built from, and for one that came too late or of a time to come."""
        series = Series(trade.provider, Pair(trade.base, trade.quote))
        minute = trade.event_ms // MINUTE_MS * MINUTE_MS
        held = self._building.get(series)
        if trade.event_ms > now_ms + AHEAD_MS or minute + MINUTE_MS + LATE_MS < now_ms:
            if held is not None and held.open_ms == minute:
                held.complete = False
            return None
        if self._chosen(symbol, series, now_ms) != series:
            return None
        if held is None or minute > held.open_ms:
            if held is not None and not held.over:
                self._close(symbol, series, held)
            # The first minute of a series began before its first trade was seen.
            whole = held is not None and held.missed_ms < minute
            held = self._building[series] = _Building(
                minute, trade.price, trade.price, trade.price, trade.price, 0.0, 0.0, 0, whole, 0, now_ms
            )
        elif minute < held.open_ms or held.over:
            return None
        held.heard_ms = now_ms
        held.high, held.low = max(held.high, trade.price), min(held.low, trade.price)
        if trade.event_ms >= held.last_ms:
            held.close, held.last_ms = trade.price, trade.event_ms
        held.volume += trade.size
        held.quote_volume += trade.size * trade.price
        held.trades += 1
        return self._shown(series, held)

    def end_minutes(self, now_ms: int) -> None:
        """Close the minutes whose time is over, of pairs that are not traded in the next one."""
        for symbol, series in self._of_symbol.items():
            held = self._building.get(series)
            if held is not None and not held.over and held.open_ms + MINUTE_MS + OVER_MS <= now_ms:
                self._close(symbol, series, held)

    def _close(self, symbol: str, series: Series, held: _Building) -> None:
        held.over = True
        self.closed.append((symbol, series, held.open_ms))
        del self.closed[:-SERIES]

    def reconcile(self, series: Series, candle: Candle) -> dict[str, Any]:
        """The venue's own candle, as the stream shows it, in the place of the one that was built."""
        shown = closed_candle(series, candle)
        held = self._building.get(series)
        if held is not None and held.open_ms == candle.open_ms:
            held.own = shown
        return shown

    def _chosen(self, symbol: str, series: Series, now_ms: int) -> Series:
        """The venue whose catalogue entry ranks first, in the quote currency it prefers; it keeps the asset while it
        streams trades of it."""
        held = self._of_symbol.get(symbol)
        if held == series or (held is not None and self._keeps(held, series, now_ms)):
            self._of_symbol.move_to_end(symbol)
            return held
        if held is not None:
            self._give_up(symbol, held)
        self._of_symbol[symbol] = series
        self._of_symbol.move_to_end(symbol)
        if len(self._of_symbol) > SERIES:
            self._building.pop(self._of_symbol.popitem(last=False)[1], None)
        return series

    def _keeps(self, held: Series, other: Series, now_ms: int) -> bool:
        building = self._building.get(held)
        lately = building is not None and now_ms - building.heard_ms < QUIET_MS
        return lately and self._rank(held) <= self._rank(other)

    def _give_up(self, symbol: str, series: Series) -> None:
        """What was begun of its minute is still to be closed."""
        del self._of_symbol[symbol]
        held = self._building.pop(series, None)
        if held is not None and not held.over:
            self._close(symbol, series, held)

    def _rank(self, series: Series) -> tuple[int, int, str]:
        entry = self._entries[series.provider]
        preferred = entry.quotes_in
        place = preferred.index(series.pair.quote) if series.pair.quote in preferred else len(preferred)
        return (min((offer.rank for offer in entry.offers.values()), default=99), place, entry.id)

    def missed(self, provider: str, pair: Pair, now_ms: int) -> None:
        """Trades of this pair are missing, at the latest those of now."""
        held = self._building.get(Series(provider, pair))
        if held is None:
            return
        held.missed_ms = now_ms
        if held.open_ms + MINUTE_MS > now_ms - LATE_MS:
            held.complete = False

    def left(self, provider: str, pairs: Collection[Pair]) -> None:
        """Trades of these are not seen any more: their stream stalled, or nobody asks for them. Another venue may take the
        assets over."""
        for symbol, series in list(self._of_symbol.items()):
            if series.provider == provider and series.pair in pairs:
                self._give_up(symbol, series)

    def shown(self, symbol: str) -> dict[str, Any] | None:
        """The newest minute of an asset, under way or the venue's own candle of it; None where no trade was seen."""
        series = self._of_symbol.get(symbol)
        held = self._building.get(series) if series is not None else None
        if series is None or held is None:
            return None
        return self._shown(series, held) if held.own is None else held.own

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
