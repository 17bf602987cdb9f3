"""From the venues' streams to the bus: quotes onto the board, prices published when they move.

A price is decided anew when one of its quotes moved, at most every PUBLISH_S. What a stream brought leaves the board the
moment the stream stops, so that a venue that hangs is never counted as fresh.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from typing import Any

from ..clock import Clock, rfc3339
from ..gateway.feed import FeedEvent, Live, Missed, Stalled
from ..model.asset import Asset
from ..model.book import Trade
from ..model.normal import violation
from ..model.quote import Quote
from ..pricing.rates import BASE
from ..providers.resolver import Resolver
from ..providers.streaming import Topic
from ..stream import Bus, Event
from ..telemetry import logger
from .board import Board
from .live_candles import CandleBuilder
from .prices import PricePoint, Pricer

log = logger("live")
PUBLISH_S = 0.25
"""Shortest time between two published prices of an asset."""
IN_VAIN_S = 0.005
"""First rest of an asset after a decision that had nothing new; each further one doubles it, up to PUBLISH_S."""
TURN_S = 0.002
"""How long publishing may go on before frames come in again: assets are often due together, and one in each turn of the loop
would make the last of them wait for as many turns."""
TRADES_SHOWN = 50
"""Trades a snapshot begins with."""
TRADED = 2000
"""Assets whose newest trades are held, the longest without a trade leaving first."""


class LiveMarket:
    """Takes what feeds say. `take` is their sink; `run` publishes until it is cancelled.

    `listened(channel, symbol)` tells whether anybody would see an event.
    """

    def __init__(
        self,
        board: Board,
        pricer: Pricer,
        resolver: Resolver,
        bus: Bus,
        clock: Clock,
        listened: Callable[[str, str | None], bool],
    ) -> None:
        self._board = board
        self._pricer = pricer
        self._resolver = resolver
        self._bus = bus
        self._clock = clock
        self._listened = listened
        self._due: list[tuple[float, str]] = []
        self._waiting: set[str] = set()
        self._rests: dict[str, tuple[float, float]] = {}
        """Until when an asset is not decided again, on the monotonic clock, and the seconds of its last rest in vain."""
        self._published: dict[str, PricePoint] = {}
        self._more = asyncio.Event()
        self._trades: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()
        self.candles = CandleBuilder(board.entries)
        self.rejected: dict[str, int] = {}
        """Records that were not in normal form, by provider."""
        self.stalled: dict[str, str] = {}
        """Why a venue's stream brings nothing now, by provider."""

    def take(self, event: FeedEvent) -> None:
        """One event of a feed."""
        if isinstance(event, Quote | Trade) and self._not_normal(event):
            return
        if isinstance(event, Quote):
            asset = self._board.update_streamed(event)
            if asset is not None:
                self._moved(asset)
        elif isinstance(event, Trade):
            self._trade(event)
        elif isinstance(event, Stalled):
            self._stall(event)
        elif isinstance(event, Live):
            self.stalled.pop(event.provider, None)
        elif isinstance(event, Missed):
            self._missed(event)

    def _not_normal(self, record: Quote | Trade) -> bool:
        """Whether a record breaks the normal form: it is counted by its provider and goes nowhere."""
        reason = violation(record, self._clock.now_ms())
        if reason is None:
            return False
        count = self.rejected.get(record.provider, 0)
        self.rejected[record.provider] = count + 1
        if not count:
            log.warning("a stream brings what is not in normal form", provider=record.provider, reason=reason)
        return True

    def _moved(self, asset: str) -> None:
        if asset in self._waiting:
            return
        due = max(self._clock.monotonic(), self._rests.get(asset, (0.0, 0.0))[0])
        self._waiting.add(asset)
        heapq.heappush(self._due, (due, asset))
        if self._due[0][1] == asset:
            self._more.set()

    def _stall(self, event: Stalled) -> None:
        self.stalled[event.provider] = event.reason
        pairs = {topic.pair for topic in event.topics}
        for asset in self._board.suspend(event.provider, pairs):
            self._pricer.forget(asset)
            self._moved(asset)
        for topic in event.topics:
            # What is traded until the stream is back is not seen.
            self._missed(Missed(event.provider, topic, None))
        self.dropped(event.provider, event.topics)

    def dropped(self, provider: str, topics: Collection[Topic]) -> None:
        """Nothing comes of these topics any more."""
        self.candles.left(provider, {topic.pair for topic in topics if topic.channel == "trades"})

    def _missed(self, event: Missed) -> None:
        """A gap is told to those who see the trades, and marks the candle that is being built."""
        if event.topic.channel != "trades":
            return
        self.candles.missed(event.provider, event.topic.pair, self._clock.now_ms())
        asset = self._resolver.venue_asset(event.provider, event.topic.pair.base)
        if asset is None:
            return
        data = {
            "gap": True,
            "provider": event.provider,
            "symbol": str(event.topic.pair),
            "missing": event.missing,
        }
        self._bus.publish(Event("trades", symbol_of(self._resolver, asset), data, self._clock.now_ms()))

    def _trade(self, trade: Trade) -> None:
        asset = self._resolver.venue_asset(trade.provider, trade.base)
        if asset is None:
            return
        symbol = symbol_of(self._resolver, asset)
        now = self._clock.now_ms()
        data = {
            "provider": trade.provider,
            "symbol": f"{trade.base}/{trade.quote}",
            "id": trade.trade_id,
            "price": trade.price,
            "size": trade.size,
            "side": trade.side,
            "timestamp": rfc3339(trade.event_ms),
        }
        shown = self._trades.get(symbol)
        if shown is None:
            shown = self._trades[symbol] = deque(maxlen=TRADES_SHOWN)
            if len(self._trades) > TRADED:
                self._trades.popitem(last=False)
        self._trades.move_to_end(symbol)
        shown.append(data)
        if self._listened("trades", symbol):
            self._bus.publish(Event("trades", symbol, data, now))
        candle = self.candles.add(trade, symbol, now)
        if candle is not None and self._listened("candles", symbol):
            self._bus.publish(Event("candles", symbol, candle, now))

    def recent_trades(self, symbol: str | None) -> list[dict[str, Any]]:
        """The newest trades of an asset that were seen, oldest first."""
        return list(self._trades.get(symbol or "", ()))

    def candle_of(self, symbol: str | None) -> dict[str, Any] | None:
        """The newest minute of an asset; None where no trade of it was seen."""
        return self.candles.shown(symbol or "")

    async def run(self) -> None:
        """Publish each asset when its time comes."""
        while True:
            while not self._due:
                self._more.clear()
                await self._more.wait()
            now = self._clock.monotonic()
            wait = self._due[0][0] - now
            if wait > 0:
                await self._rest(min(wait, PUBLISH_S))
                continue
            self._publish_due(now, now + TURN_S)
            await self._clock.sleep(0)

    async def _rest(self, seconds: float) -> None:
        """So long, or until an asset is due before those that were known."""
        self._more.clear()
        waits = {
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._more.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _publish_due(self, now: float, until: float) -> None:
        """Publish what is due, the longest due first; stops at `until`."""
        while self._due and self._due[0][0] <= now:
            _, asset = heapq.heappop(self._due)
            self._waiting.discard(asset)
            self.publish(asset)
            now = self._clock.monotonic()
            if now >= until:
                return

    def publish(self, asset_id: str) -> None:
        """Decide the price of an asset and publish it where anything of it is new: a price that stands and was confirmed
        a moment ago is younger than it was told to be."""
        # Not one that a request had computed a moment ago: it would be published as a price that did not move.
        point = self._pricer.newest(asset_id, BASE)
        asset = self._resolver.by_id(asset_id)
        now = self._clock.monotonic()
        if point is None or asset is None or self._published.get(asset_id) == point:
            # A source that counts for nothing may send as much as it likes: soon that is looked at no more often than the
            # rest, and until then does not make a quote that counts wait.
            _, rest_s = self._rests.get(asset_id, (0.0, 0.0))
            rest_s = min(PUBLISH_S, max(IN_VAIN_S, 2 * rest_s))
            self._rests[asset_id] = (now + rest_s, rest_s)
            return
        self._rests[asset_id] = (now + PUBLISH_S, 0.0)
        self._published[asset_id] = point
        symbol = symbol_of(self._resolver, asset)
        if self._listened("prices", symbol):
            row = price_row(symbol, asset.name, point)
            self._bus.publish(Event("prices", symbol, row, self._clock.now_ms()))


def symbol_of(resolver: Resolver, asset: Asset) -> str:
    """What an asset is called on the stream: its ticker, or its id where a larger asset has the ticker."""
    largest = resolver.by_ticker(asset.ticker)[:1]
    return asset.ticker if largest and largest[0].id == asset.id else asset.id


def price_row(ticker: str, name: str | None, point: PricePoint) -> dict[str, Any]:
    """A price as the stream and the prices routes show it."""
    return {
        "symbol": ticker,
        "id": point.asset,
        "name": name,
        "price": point.price,
        "vs": point.vs.lower(),
        "status": point.status,
        "confidence": point.half_width,
        "sources": point.sources,
        "dispersion_pct": point.dispersion_pct,
        "change_24h_pct": point.change_24h_pct,
        "volume_24h": point.volume_24h,
        "as_of": rfc3339(point.as_of_ms),
        "stale": point.stale,
        "providers": list(point.providers),
        "method": point.method,
    }
