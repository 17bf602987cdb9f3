"""Kraken's socket, v2. https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker

Each pair of a request is answered by itself; numbers are JSON numbers, times RFC 3339 with microseconds.
"""

from __future__ import annotations

from typing import Any

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire.kraken import readable
from ._wire import Knows, asked, frame, micros, parted, texts

CHANNELS: dict[str, Channel] = {"ticker": "ticker", "trade": "trades"}


class KrakenSim:
    """One client's connection."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows
        self._seen: set[Topic] = set()

    def opened(self, now_ms: int) -> list[Frame]:
        """The state of the system."""
        data = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": now_ms}
        return [frame({"channel": "status", "type": "update", "data": [data]})]

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers subscribe and unsubscribe, once a pair, and ping."""
        request = asked(frame_)
        times = {"time_in": micros(now_ms), "time_out": micros(now_ms)}
        if request is None:
            return [frame({"error": "Malformed request", "success": False, **times})]
        number = {"req_id": request["req_id"]} if isinstance(request.get("req_id"), int) else {}
        method, params = request.get("method"), request.get("params")
        if method == "ping":
            return [frame({"method": "pong", **number, **times})]
        if method not in ("subscribe", "unsubscribe"):
            return [frame({"error": "Method not found", "success": False, **number, **times})]
        names = texts(params.get("symbol")) if isinstance(params, dict) else None
        channel = params.get("channel") if isinstance(params, dict) else None
        if names is None or channel not in CHANNELS:
            error = {"error": "Malformed request", "method": method, "success": False}
            return [frame({**error, **number, **times})]
        return [self._set(method, channel, name, number, times) for name in names]

    def _set(
        self, method: str, channel: str, name: str, number: dict[str, int], times: dict[str, str]
    ) -> str:
        pair = parted(name, "/", self._knows)
        if pair is None:
            words = {"error": f"Currency pair not supported {name}", "method": method}
            return frame({**words, **number, "success": False, "symbol": name, **times})
        topic = Topic(CHANNELS[channel], pair)
        result: dict[str, Any] = {"channel": channel, "symbol": name}
        if method == "subscribe":
            self.topics.add(topic)
            result["snapshot"] = channel == "ticker"
        else:
            self.topics.discard(topic)
            self._seen.discard(topic)
        return frame({"method": method, "result": result, "success": True, **times, **number})

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A row of `ticker`, the first of a pair as a snapshot; `number` is not in it."""
        topic = Topic("ticker", pair)
        kind = "update" if topic in self._seen else "snapshot"
        self._seen.add(topic)
        row = {
            "symbol": readable(pair),
            "bid": ticker.bid,
            "bid_qty": ticker.base_volume / 4000,
            "ask": ticker.ask,
            "ask_qty": ticker.base_volume / 5000,
            "last": ticker.last,
            "volume": ticker.base_volume,
            "vwap": ticker.quote_volume / ticker.base_volume,
            "low": ticker.low,
            "high": ticker.high,
            "change": ticker.last - ticker.open,
            "change_pct": round(ticker.change_pct, 2),
            "timestamp": micros(now_ms),
        }
        return frame({"channel": "ticker", "type": kind, "data": [row]})

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A row of `trade` whose id is `number`."""
        row = {
            "symbol": readable(pair),
            "side": trade.side,
            "price": trade.price,
            "qty": trade.size,
            "ord_type": "market",
            "trade_id": number,
            "timestamp": micros(trade.time_ms),
        }
        return frame({"channel": "trade", "type": "update", "data": [row]})

    def heartbeat(self, now_ms: int) -> Frame | None:
        """Once something was subscribed."""
        return frame({"channel": "heartbeat"}) if self.topics else None


SIM = SimStream(session=KrakenSim, heartbeat_s=1.0)
