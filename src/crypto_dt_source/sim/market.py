"""The hidden market: one true US dollar price an asset, a function of (seed, asset, time), and shocks from outside."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import exp, isfinite

from ..clock import Clock
from ..model.candle import HOUR_MS, MINUTE_MS
from ..model.quote import Pair
from ..providers import catalog
from ..providers.catalog import Entry
from .assets import DEFAULT, SimAsset
from .noise import DAILY_OCTAVES, Path, key_of
from .venue import HONEST, NOISE, Sight, SimBook, SimCandle, SimCoin, SimTicker, SimTrade, VenueView

__all__ = [
    "HONEST",
    "Market",
    "Sight",
    "SimAsset",
    "SimBook",
    "SimCandle",
    "SimCoin",
    "SimTicker",
    "SimTrade",
    "VenueView",
]

_RANGES_KEPT = 20_000


class Market:
    """True prices of every simulated asset.

    The past needs no state: it is computed. Shocks are remembered and change prices from their time on only, so closed
    candles never move.
    """

    def __init__(
        self,
        seed: int,
        clock: Clock,
        assets: Sequence[SimAsset] = DEFAULT,
        entries: Mapping[str, Entry] | None = None,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.assets: dict[str, SimAsset] = {asset.ticker: asset for asset in assets}
        self.entries = catalog.load() if entries is None else entries
        self.version = 0
        """Counts shocks: a cache of anything priced is stale when this has moved."""
        self._paths = {a.ticker: Path(key_of(seed, a.ticker), DAILY_OCTAVES, a.day_move, 600) for a in assets}
        self._noise: dict[tuple[int, Pair], Path] = {}
        self._shocks: dict[str, tuple[list[int], list[float]]] = {}
        self._ranges: dict[tuple[str, str, int, int], tuple[float, float]] = {}

    def true_price(self, ticker: str, at_ms: int) -> float:
        """US dollars of one unit. Raises KeyError for an asset this market does not have."""
        asset = self.assets[ticker]
        if asset.day_move == 0:
            price = asset.price
        else:
            price = asset.price * exp(self._paths[ticker].at(at_ms))
        shocks = self._shocks.get(ticker)
        if shocks is not None:
            index = bisect_right(shocks[0], at_ms)
            if index:
                price *= shocks[1][index - 1]
        return price

    def set_price(self, ticker: str, price: float) -> None:
        """Move the true price to `price` US dollars from now on; it goes on moving from there. Raises KeyError for an
        unknown asset and ValueError for a price that is not a positive number."""
        if not (isfinite(price) and price > 0):
            raise ValueError("price must be a positive number")
        self.shock(ticker, price / self.true_price(ticker, self.clock.now_ms()))

    def shock(self, ticker: str, factor: float) -> None:
        """Multiply the true price by `factor` from now on. Raises like `set_price`."""
        if not (isfinite(factor) and factor > 0):
            raise ValueError("factor must be a positive number")
        if ticker not in self.assets:
            raise KeyError(ticker)
        times, factors = self._shocks.setdefault(ticker, ([], []))
        now = self.clock.now_ms()
        total = (factors[-1] if factors else 1.0) * factor
        if times and times[-1] >= now:
            factors[-1] = total
        else:
            times.append(now)
            factors.append(total)
        self.version += 1

    def day_range(self, base: str, quote: str, at_ms: int) -> tuple[float, float]:
        """Lowest and highest base/quote of 25 hourly points up to the minute of `at_ms`."""
        minute = at_ms // MINUTE_MS
        key = (base, quote, minute, self.version)
        known = self._ranges.get(key)
        if known is None:
            if len(self._ranges) >= _RANGES_KEPT:
                self._ranges.clear()
            times = [minute * MINUTE_MS - hour * HOUR_MS for hour in range(25)]
            ratios = [self.true_price(base, t) / self.true_price(quote, t) for t in times]
            known = self._ranges[key] = (min(ratios), max(ratios))
        return known

    def noise(self, venue: int, pair: Pair, at_ms: int) -> float:
        """How far, as a fraction of at most `NOISE`, a venue (by its key) is from the truth on a pair."""
        path = self._noise.get((venue, pair))
        if path is None:
            octaves = ((40_000, 0.5), (2 * HOUR_MS, 0.5))
            path = self._noise[venue, pair] = Path(key_of(venue, pair), octaves, NOISE, 48)
        return path.at(at_ms)

    def view(self, provider_id: str, sight: Sight = HONEST) -> VenueView:
        """What one provider shows of this market, honestly or through a fault's `sight`. Raises KeyError for a provider
        that is not in the catalogue."""
        return VenueView(self, self.entries[provider_id], sight)
