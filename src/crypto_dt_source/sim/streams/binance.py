"""Binance's combined stream. https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams

A stream of an unknown symbol is confirmed and stays silent; numbers are strings of eight decimals, ids are numbers.
"""

from __future__ import annotations

from typing import Any

from ...model.candle import DAY_MS
from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire.binance import naming
from ._wire import Knows, asked, frame, joined, texts

CHANNELS: dict[str, Channel] = {"ticker": "ticker", "trade": "trades"}
MOST_STREAMS = 1024


def _number(value: float) -> str:
    return f"{value:.8f}" if value >= 1e-4 else f"{value:.12f}"


class BinanceSim:
    """One client's connection to `/stream`."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._streams: set[str] = set()
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS and GET_PROPERTY."""
        request = asked(frame_)
        if request is None:
            return [_error(3, "Invalid JSON: expected value at line 1 column 1", None)]
        number, method = request.get("id"), request.get("method")
        if method == "GET_PROPERTY":
            return [frame({"result": True, "id": number})]
        if method == "LIST_SUBSCRIPTIONS":
            return [frame({"result": sorted(self._streams), "id": number})]
        names = texts(request.get("params"))
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return [_error(2, f"Invalid request: unknown variant `{method}`", number)]
        if names is None:
            return [_error(2, "Invalid request: params must be an array of strings", number)]
        if method == "SUBSCRIBE" and len(self._streams | set(names)) > MOST_STREAMS:
            return [_error(2, "Invalid request: too many streams", number)]
        for name in names:
            self._set(name, method == "SUBSCRIBE")
        return [frame({"result": None, "id": number})]

    def _set(self, name: str, wanted: bool) -> None:
        symbol, _, channel = name.partition("@")
        pair = joined(symbol.upper(), self._knows)
        change = set.add if wanted else set.discard
        change(self._streams, name)
        if pair is not None and channel in CHANNELS:
            change(self.topics, Topic(CHANNELS[channel], pair))

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A `24hrTicker`; nothing in it is a sequence, so `number` is not used."""
        count = 1000 + int(ticker.quote_volume) % 900_000
        return _event(
            pair,
            "ticker",
            {
                "e": "24hrTicker",
                "E": now_ms,
                "s": naming(pair),
                "p": _signed(ticker.last - ticker.open),
                "P": f"{ticker.change_pct:.3f}",
                "w": _number(ticker.quote_volume / ticker.base_volume),
                "x": _number(ticker.open),
                "c": _number(ticker.last),
                "Q": _number(ticker.base_volume / 90_000),
                "b": _number(ticker.bid),
                "B": _number(ticker.base_volume / 4000),
                "a": _number(ticker.ask),
                "A": _number(ticker.base_volume / 5000),
                "o": _number(ticker.open),
                "h": _number(ticker.high),
                "l": _number(ticker.low),
                "v": _number(ticker.base_volume),
                "q": _number(ticker.quote_volume),
                "O": now_ms - DAY_MS,
                "C": now_ms,
                "F": 1,
                "L": count,
                "n": count,
            },
        )

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A `trade` whose id is `number`."""
        return _event(
            pair,
            "trade",
            {
                "e": "trade",
                "E": now_ms,
                "s": naming(pair),
                "t": number,
                "p": _number(trade.price),
                "q": _number(trade.size),
                "T": trade.time_ms,
                "m": trade.side == "sell",
                "M": True,
            },
        )

    def heartbeat(self, now_ms: int) -> Frame | None:
        """Pings are WebSocket frames here."""
        return None


def _signed(value: float) -> str:
    return f"-{_number(-value)}" if value < 0 else _number(value)


def _event(pair: Pair, channel: str, data: dict[str, Any]) -> str:
    return frame({"stream": f"{naming(pair).lower()}@{channel}", "data": data})


def _error(code: int, message: str, number: Any) -> str:
    return frame({"error": {"code": code, "msg": message}, "id": number})


SIM = SimStream(session=BinanceSim)
