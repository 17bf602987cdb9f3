"""One provider's sight of the market: its listed pairs, its spread and noise, and the lies a fault makes it tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..model.candle import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_ORIGIN_MS
from ..model.quote import Pair
from ..providers.catalog import Entry
from .assets import TRADED_FIATS, SimAsset
from .noise import key_of, unit

if TYPE_CHECKING:
    from .market import Market

NOISE = 0.000_3
"""A venue's price is never further from the true price than this fraction."""
LEVEL = 0.000_1
"""Distance of two book levels, as a fraction of the price."""
FIRST_MS = 1_514_764_800_000
"""2018-01-01: no candle is older."""
MOST_CANDLES = 20_000
LARGE = 20
"""So many of the largest coins are listed against a venue's first quote everywhere."""
FIAT_VENUES = ("binance", "kraken", "bitstamp", "bitfinex")


class SimTicker(NamedTuple):
    """24 h figures of a pair in its quote currency; `open` is the price 24 h ago, `change_pct` percent."""

    last: float
    bid: float
    ask: float
    open: float
    high: float
    low: float
    base_volume: float
    quote_volume: float
    change_pct: float


class SimCandle(NamedTuple):
    """One interval; `volume` in base units."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int


class SimBook(NamedTuple):
    """Bids descending, asks ascending, (price, size) each."""

    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class SimTrade(NamedTuple):
    """One execution; `side` is the taker's."""

    id: int
    price: float
    size: float
    side: str
    time_ms: int


class SimCoin(NamedTuple):
    """One asset as an aggregator lists it, in US dollars; `rank` counts from 1 by capitalisation."""

    asset: SimAsset
    rank: int
    price: float
    market_cap: float
    volume_24h: float
    change_1h_pct: float
    change_24h_pct: float
    change_7d_pct: float
    high_24h: float
    low_24h: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What faults do to a view, all at once. `frozen_ms`: prices stand still from then. `exponent`: times 10^exponent.
    `swaps`: (asked, answered) tickers. `hidden`: tickers that are not listed. `skew_ms`: the provider's clock runs
    ahead by so much."""

    skew_ms: int = 0
    frozen_ms: int | None = None
    exponent: int = 0
    inverted: bool = False
    swaps: tuple[tuple[str, str], ...] = ()
    hidden: frozenset[str] = frozenset()


HONEST = Sight()


def _round(price: float) -> float:
    return float(f"{price:.8g}")


class VenueView:
    """A provider's market data. Prices within `NOISE` of the truth, spread 2 to 20 basis points, all from the seed;
    entries of one `source` see the same. Unlisted pairs raise KeyError everywhere."""

    def __init__(self, market: Market, entry: Entry, sight: Sight) -> None:
        self.market = market
        self.entry = entry
        self.sight = sight
        self._key = key_of(market.seed, "venue", entry.source)
        self._swaps = dict(sight.swaps)
        self._pairs = self._list_pairs()
        self._listed = frozenset(self._pairs)
        self._names: dict[Callable[[Pair], str], dict[str, Pair]] = {}
        self._tickers: tuple[tuple[int, int], list[tuple[Pair, SimTicker]]] | None = None
        self._coins: tuple[tuple[int, int], list[SimCoin]] | None = None

    # --- what is listed ---------------------------------------------------------------------------------------------

    def _lists(self, asset: SimAsset, place: int, quote: str, first: bool) -> bool:
        if asset.ticker == quote or asset.ticker in self.sight.hidden:
            return False
        stable_quote = self.market.assets[quote].kind == "stablecoin"
        if asset.kind == "fiat":
            return first and asset.ticker in TRADED_FIATS and self.entry.source in FIAT_VENUES
        if asset.kind == "stablecoin":
            if quote == "BTC" or (stable_quote and quote != "USDT"):
                return False
            return (
                asset.ticker == "USDC"
                or (asset.ticker == "USDT" and not stable_quote)
                or self._chance(asset, quote) < 0.5
            )
        if quote == "BTC":
            return place < 12
        share = 0.9 if first else 0.45
        return place < (LARGE if first else 10) or self._chance(asset, quote) < share

    def _chance(self, asset: SimAsset, quote: str) -> float:
        return unit(key_of(self._key, "lists", asset.ticker, quote))

    def _list_pairs(self) -> tuple[Pair, ...]:
        assets = list(self.market.assets.values())
        if self.entry.kind != "venue":
            return tuple(Pair(a.ticker, "USD") for a in self.assets())
        quotes = [quote for quote in self.entry.quotes_in if quote in self.market.assets]
        return tuple(
            Pair(asset.ticker, quote)
            for place, asset in enumerate(assets)
            for index, quote in enumerate(quotes)
            if self._lists(asset, place, quote, index == 0)
        )

    def assets(self) -> list[SimAsset]:
        """Every coin and stablecoin shown here (an aggregator's list), without fiat currencies."""
        return [
            a for a in self.market.assets.values() if a.kind != "fiat" and a.ticker not in self.sight.hidden
        ]

    def pairs(self) -> list[Pair]:
        """Every pair listed here, base and quote in the common spelling; an aggregator: each asset in USD."""
        return list(self._pairs)

    def lists(self, pair: Pair) -> bool:
        """Whether `pair` is listed here."""
        return pair in self._listed

    def find(self, symbol: str, naming: Callable[[Pair], str]) -> Pair | None:
        """The listed pair that `naming` gives the name `symbol`, or None. The map is made once a naming function, so
        pass a module-level function, not a lambda of the moment."""
        names = self._names.get(naming)
        if names is None:
            names = self._names[naming] = {naming(pair): pair for pair in self._pairs}
        return names.get(symbol)

    # --- prices -----------------------------------------------------------------------------------------------------

    def price(self, pair: Pair, at_ms: int) -> float:
        """Mid price of any two assets of the market as this provider sees it at its own time `at_ms`."""
        market = self.market
        at_ms = self._seen(at_ms)
        base = self._swaps.get(pair.base, pair.base)
        true = market.true_price(base, at_ms) / market.true_price(pair.quote, at_ms)
        return self._told(true * (1 + market.noise(self._key, pair, at_ms)))

    def _seen(self, at_ms: int) -> int:
        """The true time of the prices shown at the provider's own time `at_ms`."""
        at_ms -= self.sight.skew_ms
        return at_ms if self.sight.frozen_ms is None else min(at_ms, self.sight.frozen_ms)

    def _told(self, price: float) -> float:
        if self.sight.inverted:
            price = 1 / price
        if self.sight.exponent:
            price *= 10.0**self.sight.exponent
        return price

    def _half_spread(self, pair: Pair) -> float:
        return (0.0002 + 0.0018 * unit(key_of(self._key, "spread", pair)) ** 2) / 2

    def _day_volume(self, pair: Pair, at_ms: int) -> float:
        asset = self.market.assets[pair.base]
        capital = asset.price * asset.supply or 2e9
        weight = 0.001 + 0.006 * unit(key_of(self._key, "volume", pair))
        day = at_ms // DAY_MS
        left, right = unit(self._key ^ len(pair.base), day), unit(self._key ^ len(pair.base), day + 1)
        mood = 0.6 + 0.8 * (left + (right - left) * (at_ms % DAY_MS) / DAY_MS)
        return capital * weight * mood / asset.price

    def ticker(self, pair: Pair, at_ms: int) -> SimTicker:
        """24 h figures of a listed pair at the provider's time `at_ms`."""
        if pair not in self._listed:
            raise KeyError(pair)
        last, before = self.price(pair, at_ms), self.price(pair, at_ms - DAY_MS)
        low, high = self.market.day_range(
            self._swaps.get(pair.base, pair.base), pair.quote, self._seen(at_ms)
        )
        ends = (last, before, self._told(low * (1 - NOISE)), self._told(high * (1 + NOISE)))
        half = self._half_spread(pair)
        volume = self._day_volume(pair, at_ms)
        return SimTicker(
            last=_round(last),
            bid=_round(last * (1 - half)),
            ask=_round(last * (1 + half)),
            open=_round(before),
            high=_round(max(ends)),
            low=_round(min(ends)),
            base_volume=_round(volume),
            quote_volume=_round(volume * (last + before) / 2),
            change_pct=round((last / before - 1) * 100, 4),
        )

    def tickers(self, at_ms: int) -> list[tuple[Pair, SimTicker]]:
        """Every listed pair's ticker, in listing order; computed once a second."""
        key = (at_ms // 1000, self.market.version)
        if self._tickers is None or self._tickers[0] != key:
            self._tickers = (key, [(pair, self.ticker(pair, at_ms)) for pair in self._pairs])
        return self._tickers[1]

    def coins(self, at_ms: int) -> list[SimCoin]:
        """Every asset with its capitalisation in US dollars, largest first; computed once a second."""
        key = (at_ms // 1000, self.market.version)
        if self._coins is None or self._coins[0] != key:
            rows = []
            for asset in self.assets():
                pair = Pair(asset.ticker, "USD")
                price = self.price(pair, at_ms)
                past = [self.price(pair, at_ms - back) for back in (HOUR_MS, DAY_MS, 7 * DAY_MS)]
                low, high = self.market.day_range(
                    self._swaps.get(asset.ticker, asset.ticker), "USD", self._seen(at_ms)
                )
                ends = (price, self._told(low), self._told(high))
                rows.append((price * asset.supply, asset, price, past, min(ends), max(ends)))
            rows.sort(key=lambda row: -row[0])
            self._coins = (key, [self._coin(rank, *row, at_ms) for rank, row in enumerate(rows, 1)])
        return self._coins[1]

    def _coin(
        self,
        rank: int,
        cap: float,
        asset: SimAsset,
        price: float,
        past: Sequence[float],
        low: float,
        high: float,
        at_ms: int,
    ) -> SimCoin:
        changes = [round((price / before - 1) * 100, 5) for before in past]
        volume = self._day_volume(Pair(asset.ticker, "USD"), at_ms) * price * 8
        return SimCoin(
            asset,
            rank,
            _round(price),
            _round(cap),
            _round(volume),
            changes[0],
            changes[1],
            changes[2],
            _round(high),
            _round(low),
        )

    # --- history and depth ------------------------------------------------------------------------------------------

    def candles(
        self, pair: Pair, step_ms: int, start_ms: int, end_ms: int, *, origin_ms: int | None = None
    ) -> list[SimCandle]:
        """Candles of a listed pair with open times in [start_ms, end_ms), ascending, the running one included and none
        from the future or before 2018. Closed ones never change. `origin_ms`: where intervals are counted from (0, a
        Monday for weeks). Beyond 20 000 rows the newest are given."""
        if pair not in self._listed:
            raise KeyError(pair)
        if origin_ms is None:
            origin_ms = WEEK_ORIGIN_MS if step_ms == 7 * DAY_MS else 0
        now = self.market.clock.now_ms() + self.sight.skew_ms
        last = (min(end_ms - 1, now) - origin_ms) // step_ms * step_ms + origin_ms
        first = -((origin_ms - max(start_ms, FIRST_MS)) // step_ms) * step_ms + origin_ms
        first = max(first, last - (MOST_CANDLES - 1) * step_ms)
        if first > last:
            return []
        # A candle opens at the price of the millisecond before it: neighbours share that price, whatever the window.
        before = self.price(pair, first - 1)
        rows = []
        for open_ms in range(first, last + 1, step_ms):
            row = self._candle(pair, step_ms, open_ms, before, now)
            rows.append(row[0])
            before = row[1]
        return rows

    def _candle(
        self, pair: Pair, step_ms: int, open_ms: int, before: float, now: int
    ) -> tuple[SimCandle, float]:
        end = open_ms + step_ms - 1
        parts = 4 if step_ms < HOUR_MS else 6
        inside = [open_ms + step_ms * part // parts for part in range(1, parts)]
        close = self.price(pair, min(end, now))
        prices = [before, close, *(self.price(pair, t) for t in inside if t <= now)]
        draw = unit(key_of(self._key, pair, step_ms), open_ms // MINUTE_MS)
        share = step_ms / DAY_MS * (min(now, end) - open_ms + 1) / step_ms
        volume = _round(self._day_volume(pair, open_ms) * share * (0.4 + 1.2 * draw)) or 1e-8
        candle = SimCandle(
            open_ms,
            _round(before),
            _round(max(prices)),
            _round(min(prices)),
            _round(close),
            volume,
            _round(volume * (before + close) / 2),
            1 + int(draw * step_ms / 2000),
        )
        return candle, close

    def book(self, pair: Pair, depth: int, at_ms: int) -> SimBook:
        """`depth` levels a side around the ticker's bid and ask at the provider's time `at_ms`."""
        ticker = self.ticker(pair, at_ms)
        size = ticker.base_volume / 4000
        key = key_of(self._key, "book", pair, at_ms // 1000)

        def side(best: float, step: float) -> list[tuple[float, float]]:
            rows = []
            for level in range(depth):
                rows.append(
                    (_round(best), _round(size * (0.1 + 3 * unit(key, level if step > 0 else -1 - level))))
                )
                best *= 1 + step
            return rows

        return SimBook(side(ticker.bid, -LEVEL), side(ticker.ask, LEVEL))

    def trades(self, pair: Pair, limit: int, at_ms: int) -> list[SimTrade]:
        """The newest `limit` trades up to `at_ms`, newest last; the same trade has the same id in every answer."""
        if pair not in self._listed:
            raise KeyError(pair)
        key = key_of(self._key, "trades", pair)
        gap = 400 + int(4000 * unit(key))
        half, size = self._half_spread(pair), self._day_volume(pair, at_ms) * gap / DAY_MS
        newest = at_ms // gap - 1
        rows = []
        for number in range(newest - limit + 1, newest + 1):
            draw = unit(key, number)
            buys = draw < 0.5
            time_ms = number * gap + int(draw * (gap - 1))
            price = self.price(pair, time_ms) * (1 + (half if buys else -half))
            amount = _round(size * (0.05 + 2 * unit(key, -number)))
            rows.append(SimTrade(number, _round(price), amount, "buy" if buys else "sell", time_ms))
        return rows
