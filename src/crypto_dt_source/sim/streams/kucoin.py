"""KuCoin's socket. https://www.kucoin.com/docs-new/websocket-api/base-info/introduction

A symbol it does not list is acknowledged and stays silent; a topic that does not exist is refused.
"""

from __future__ import annotations

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire import text
from ..wire.kucoin import naming
from ._wire import Knows, asked, frame, parted

TICKER, SNAPSHOT, MATCH = "/market/ticker", "/market/snapshot", "/market/match"
CHANNELS: dict[str, Channel] = {TICKER: "ticker", MATCH: "trades"}
MOST_SYMBOLS = 100
BOOK_STEP = 3
"""How far the book's sequence goes from one record to the next."""
FIGURES_EACH = 8
FIRST_SEQUENCE = 1_600_000_000_000


class KucoinSim:
    """One client's connection."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """The welcome, before which nothing may be asked."""
        return [frame({"id": f"sim{now_ms}", "type": "welcome"})]

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers ping, and acknowledges subscribe and unsubscribe of topics that exist."""
        request = asked(frame_)
        if request is None:
            return [frame({"id": f"sim{now_ms}", "type": "error", "code": 400, "data": "Unrecognized token"})]
        number, kind = str(request.get("id")), request.get("type")
        if kind == "ping":
            return [frame({"id": number, "type": "pong", "timestamp": now_ms * 1000})]
        if kind not in ("subscribe", "unsubscribe"):
            return [frame({"id": number, "type": "error", "code": 415, "data": "type is not supported"})]
        place, _, names = str(request.get("topic")).partition(":")
        symbols = names.split(",")
        if place not in (TICKER, SNAPSHOT, MATCH):
            return [frame({"id": number, "type": "error", "code": 404, "data": "topic does not exist"})]
        if len(symbols) > MOST_SYMBOLS:
            words = "exceed max subscription count limitation of 100 per time"
            return [frame({"id": number, "type": "error", "code": 509, "data": words})]
        if place in CHANNELS:
            for symbol in symbols:
                self._change(CHANNELS[place], symbol, kind == "subscribe")
        return [frame({"id": number, "type": "ack"})] if request.get("response") else []

    def _change(self, channel: Channel, symbol: str, added: bool) -> None:
        pair = parted(symbol, "-", self._knows)
        if pair is not None:
            change = set.add if added else set.discard
            change(self.topics, Topic(channel, pair))

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """Of every FIGURES_EACH records the first is one of the snapshot channel, which has the figures of 24 h."""
        if number % FIGURES_EACH == 1:
            return self._snapshot(pair, ticker, now_ms, number)
        return frame(
            {
                "topic": f"{TICKER}:{naming(pair)}",
                "type": "message",
                "subject": "trade.ticker",
                "data": {
                    "bestAsk": text(ticker.ask),
                    "bestAskSize": text(ticker.base_volume / 5000),
                    "bestBid": text(ticker.bid),
                    "bestBidSize": text(ticker.base_volume / 4000),
                    "price": text(ticker.last),
                    "sequence": str(FIRST_SEQUENCE + number * BOOK_STEP),
                    "size": text(ticker.base_volume / 86_400),
                    "time": now_ms,
                },
            }
        )

    def _snapshot(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        symbol = naming(pair)
        return frame(
            {
                "topic": f"{SNAPSHOT}:{symbol}",
                "type": "message",
                "subject": "trade.snapshot",
                "data": {
                    "sequence": str(FIRST_SEQUENCE + number * BOOK_STEP),
                    "data": {
                        "baseCurrency": pair.base,
                        "quoteCurrency": pair.quote,
                        "board": 0,
                        "buy": ticker.bid,
                        "sell": ticker.ask,
                        "changePrice": ticker.last - ticker.open,
                        "changeRate": ticker.change_pct / 100,
                        "close": ticker.last,
                        "datetime": now_ms,
                        "high": ticker.high,
                        "lastTradedPrice": ticker.last,
                        "low": ticker.low,
                        "market": "USDS",
                        "open": ticker.open,
                        "symbol": symbol,
                        "symbolCode": symbol,
                        "trading": True,
                        "vol": ticker.base_volume,
                        "volValue": ticker.quote_volume,
                    },
                },
            }
        )

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A frame of the match channel."""
        symbol = naming(pair)
        return frame(
            {
                "topic": f"{MATCH}:{symbol}",
                "type": "message",
                "subject": "trade.l3match",
                "data": {
                    "makerOrderId": f"{trade.id:024x}",
                    "price": text(trade.price),
                    "sequence": str(FIRST_SEQUENCE + number * BOOK_STEP),
                    "side": trade.side,
                    "size": text(trade.size),
                    "symbol": symbol,
                    "takerOrderId": f"{trade.id + 1:024x}",
                    "time": str(trade.time_ms * 1_000_000 + 50_725),
                    "tradeId": str(trade.id),
                    "type": "match",
                },
            }
        )

    def heartbeat(self, now_ms: int) -> Frame | None:
        """Nothing."""
        return None


SIM = SimStream(session=KucoinSim)
