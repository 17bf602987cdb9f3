"""Gate's socket. https://www.gate.com/docs/developers/apiv4/ws/en/

One pair it does not list in a request, and the request is refused as a whole; so is one whose time is off.
"""

from __future__ import annotations

from typing import Any

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire import text
from ..wire.gate import naming
from ._wire import Knows, asked, frame

CHANNELS: dict[str, Channel] = {"spot.tickers": "ticker", "spot.trades": "trades"}
MOST_OFF_S = 60


class GateSim:
    """One client's connection."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers ping, subscribe and unsubscribe, each as a whole."""
        request = asked(frame_)
        if request is None:
            return [self._error({}, 1, "Invalid request body format", now_ms)]
        sent, name, event = request.get("time"), str(request.get("channel")), request.get("event")
        if not isinstance(sent, int) or abs(sent - now_ms // 1000) > MOST_OFF_S:
            return [self._error(request, 2, "request time is missing, or more than 60 s off", now_ms)]
        if name == "spot.ping":
            return [frame({**_times(now_ms), "channel": "spot.pong", "event": "", "result": None})]
        channel, payload = CHANNELS.get(name), request.get("payload")
        if channel is None or event not in ("subscribe", "unsubscribe") or not isinstance(payload, list):
            return [self._error(request, 2, f"unknown channel {name} or event", now_ms)]
        topics = [Topic(channel, Pair(*str(symbol).partition("_")[::2])) for symbol in payload]
        for symbol, topic in zip(payload, topics, strict=True):
            if not self._knows(topic.pair):
                return [self._error(request, 2, f"unknown currency pair: {symbol}", now_ms)]
        if event == "subscribe":
            self.topics.update(topics)
        else:
            self.topics.difference_update(topics)
        return [frame({**self._head(request, now_ms), "result": {"status": "success"}})]

    def _head(self, request: dict[str, Any], now_ms: int) -> dict[str, Any]:
        names: tuple[str, ...] = ("id", "channel", "event", "payload")
        shown = {name: request[name] for name in names if name in request}
        return {**_times(now_ms), "conn_id": "62f2c1dabbe186d7", **shown}

    def _error(self, request: dict[str, Any], code: int, message: str, now_ms: int) -> Frame:
        error = {"code": code, "message": message}
        return frame(
            {
                "channel": "",
                "event": "",
                **self._head(request, now_ms),
                "error": error,
                "result": {"status": "fail"},
            }
        )

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A frame of `spot.tickers`."""
        return frame(
            {
                **_times(now_ms),
                "channel": "spot.tickers",
                "event": "update",
                "result": {
                    "currency_pair": naming(pair),
                    "last": text(ticker.last),
                    "lowest_ask": text(ticker.ask),
                    "highest_bid": text(ticker.bid),
                    "change_percentage": f"{ticker.change_pct:.4f}",
                    "base_volume": text(ticker.base_volume),
                    "quote_volume": text(ticker.quote_volume),
                    "high_24h": text(ticker.high),
                    "low_24h": text(ticker.low),
                },
            }
        )

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A frame of `spot.trades`; `number` is the id within the market."""
        return frame(
            {
                **_times(now_ms),
                "channel": "spot.trades",
                "event": "update",
                "result": {
                    "id": trade.id,
                    "id_market": number,
                    "create_time": trade.time_ms // 1000,
                    "create_time_ms": f"{trade.time_ms}.4578",
                    "side": trade.side,
                    "currency_pair": naming(pair),
                    "amount": text(trade.size),
                    "price": text(trade.price),
                    "range": f"{number}-{number}",
                },
            }
        )

    def heartbeat(self, now_ms: int) -> Frame | None:
        """Nothing."""
        return None


def _times(now_ms: int) -> dict[str, int]:
    return {"time": now_ms // 1000, "time_ms": now_ms}


SIM = SimStream(session=GateSim)
