"""Crypto.com Exchange's market socket, v1. https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html

One unknown channel refuses its request, in words that name all of them. Heartbeats come from the venue and are to be
answered; numbers are strings, times numbers.
"""

from __future__ import annotations

from typing import Any

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire import text
from ..wire.crypto_com import naming
from ._wire import Knows, asked, frame, parted, texts

CHANNELS: dict[str, Channel] = {"ticker": "ticker", "trade": "trades"}
FIRST_ID = 4_611_686_018_400_000_000
"""Trade ids of today have nineteen digits."""


class CryptoComSim:
    """One client's connection to `/exchange/v1/market`. `unanswered` counts heartbeats the client has not answered."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self.unanswered = 0
        self._beat = 0
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers subscribe and unsubscribe; takes the answer to its heartbeat in silence."""
        request = asked(frame_)
        if request is None:
            return [_error(-1, 40001, "BAD_REQUEST", "")]
        number = request.get("id")
        number = number if isinstance(number, int) else -1
        method, params = str(request.get("method", "")), request.get("params")
        if method == "public/respond-heartbeat":
            if number == self._beat:
                self.unanswered = 0
            return []
        names = texts(params.get("channels")) if isinstance(params, dict) else None
        if method not in ("subscribe", "unsubscribe") or names is None:
            return [_error(number, 40001, "BAD_REQUEST", method)]
        topics = []
        for name in names:
            channel, _, symbol = name.partition(".")
            pair = parted(symbol, "_", self._knows)
            if pair is None or channel not in CHANNELS:
                listed = frame({"channels": names})
                return [_error(number, 10004, f"invalid channel {listed}", method)]
            topics.append(Topic(CHANNELS[channel], pair))
        change = self.topics.update if method == "subscribe" else self.topics.difference_update
        change(topics)
        return [frame({"id": number, "method": method, "code": 0})]

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A row of `ticker`; `number` is not in it."""
        row = {
            "h": text(ticker.high),
            "l": text(ticker.low),
            "a": text(ticker.last),
            "c": f"{ticker.change_pct / 100:.4f}",
            "b": text(ticker.bid),
            "bs": text(ticker.base_volume / 4000),
            "k": text(ticker.ask),
            "ks": text(ticker.base_volume / 5000),
            "i": naming(pair),
            "v": text(ticker.base_volume),
            "vv": f"{ticker.quote_volume:.2f}",
            "oi": "0",
            "t": now_ms,
        }
        return _push("ticker", pair, row)

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A row of `trade` whose id grows with `number`."""
        row = {
            "d": str(FIRST_ID + number),
            "t": trade.time_ms,
            "tn": f"{trade.time_ms}523623",
            "p": text(trade.price),
            "q": text(trade.size),
            "s": trade.side.upper(),
            "i": naming(pair),
        }
        return _push("trade", pair, row)

    def heartbeat(self, now_ms: int) -> Frame | None:
        """To be answered within five seconds."""
        self._beat = now_ms
        self.unanswered += 1
        return frame({"id": now_ms, "method": "public/heartbeat", "code": 0})


def _push(channel: str, pair: Pair, row: dict[str, Any]) -> str:
    name = naming(pair)
    result = {
        "channel": channel,
        "subscription": f"{channel}.{name}",
        "instrument_name": name,
        "data": [row],
    }
    return frame({"id": -1, "code": 0, "method": "subscribe", "result": result})


def _error(number: int, code: int, message: str, method: str) -> str:
    return frame({"id": number, "code": code, "method": method, "message": message})


SIM = SimStream(session=CryptoComSim, heartbeat_s=30.0)
