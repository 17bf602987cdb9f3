"""Bybit v5, spot: `{topic, type, ts, data}`; numbers are text.

https://bybit-exchange.github.io/docs/v5/websocket/public/ticker
https://bybit-exchange.github.io/docs/v5/websocket/public/trade
https://bybit-exchange.github.io/docs/v5/ws/connect

Spot tickers are whole each time and carry no bid or ask; a `delta`, as contracts have it, holds what changed and is laid
over what was known. Trade ids rise, and nothing says that they follow each other within a symbol, so that a gap cannot be
seen in them. A request takes ten topics, all of them together 21 000 characters a connection; one unknown symbol refuses
the request whole. A connection wants a ping every 20 seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ...model.bounds import is_id
from ..adapters.bybit import split, symbol
from ..streaming import Alive, Answer, Channel, Event, Refused, Stream, Topic
from ._session import Millis, Number, VenueSession, batches, frames, request_of, spoken, text

NAMES: dict[Channel, str] = {"ticker": "tickers", "trades": "publicTrade"}
CHANNELS: dict[str, Channel] = {name: channel for channel, name in NAMES.items()}
TOPICS_A_FRAME = 10
ID_DIGITS = 19

_NAMED = re.compile(r"(tickers|publicTrade)\.([0-9A-Z]{2,40})")


WIRE = {
    "last_price": "lastPrice",
    "bid1_price": "bid1Price",
    "ask1_price": "ask1Price",
    "high_price24h": "highPrice24h",
    "low_price24h": "lowPrice24h",
    "price24h_pcnt": "price24hPcnt",
}


class _Ticker(msgspec.Struct, gc=False, rename=WIRE):
    symbol: str
    last_price: Number = None
    bid1_price: Number = None
    ask1_price: Number = None
    high_price24h: Number = None
    low_price24h: Number = None
    volume24h: Number = None
    turnover24h: Number = None
    price24h_pcnt: Number = None


class _TickerFrame(msgspec.Struct, gc=False):
    ts: Millis
    data: _Ticker
    type: Literal["snapshot", "delta"] = "snapshot"


class _Trade(msgspec.Struct, gc=False):
    s: str
    S: Literal["Buy", "Sell"]
    i: str
    p: float
    v: float
    T: Millis


class _TradeFrame(msgspec.Struct, gc=False):
    data: list[_Trade]


class _Other(msgspec.Struct):
    topic: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


_ticker = frames(_TickerFrame)
_trade = frames(_TradeFrame)
_other = frames(_Other)
FIELDS = tuple(name for name in _Ticker.__struct_fields__ if name != "symbol")


class BybitSession(VenueSession):
    """One connection to `/v5/public/spot`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)
        self._rows: dict[str, _Ticker] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics."""
        return [
            self._frame("subscribe", part, self._request(part)) for part in batches(topics, TOPICS_A_FRAME)
        ]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics."""
        self._forget(topics)
        for channel, pair in topics:
            if channel == "ticker":
                self._rows.pop(self._symbol(pair), None)
        return [self._frame("unsubscribe", part, self._request()) for part in batches(topics, TOPICS_A_FRAME)]

    def ping(self) -> str:
        """Answered by a frame of its own."""
        return text({"req_id": str(self._request()), "op": "ping"})

    def _frame(self, op: str, topics: Sequence[Topic], request: int) -> str:
        args = [f"{NAMES[channel]}.{self._symbol(pair)}" for channel, pair in topics]
        payload: dict[str, Any] = {"req_id": str(request), "op": op, "args": args}
        return text(payload)

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        if frame.startswith('{"topic":"'):
            kind = frame[10:18]
            if kind == "publicTr":
                return self._trades(frame, received_ms)
            if kind == "tickers.":
                return self._tickers(frame, received_ms)
        return self._others(frame, received_ms)

    def _tickers(self, frame: str, received_ms: int) -> list[Event]:
        told = _ticker(frame)
        row, event_ms = told.data, told.ts
        market = self._markets.get(row.symbol) or self._learn(row.symbol)
        if market is None or event_ms <= market.told:
            return []
        if told.type == "delta":
            known = self._rows.get(market.symbol)
            if known is None:
                return []
            for name in FIELDS:
                if getattr(row, name) is None:
                    setattr(row, name, getattr(known, name))
        self._rows[market.symbol] = row
        market.told = event_ms
        if row.volume24h == 0:  # no trade in 24 h: an old price under a current time
            return []
        fraction = row.price24h_pcnt
        return self._quote(
            market,
            row.last_price,
            row.bid1_price,
            row.ask1_price,
            row.volume24h,
            row.turnover24h,
            fraction * 100.0 if isinstance(fraction, float) else None,
            row.high_price24h,
            row.low_price24h,
            event_ms,
            received_ms,
        )

    def _trades(self, frame: str, received_ms: int) -> list[Event]:
        events: list[Event] = []
        for row in _trade(frame).data:
            market = self._markets.get(row.s) or self._learn(row.s)
            if market is None:
                continue
            name = row.i
            if name.isdecimal() and len(name) <= ID_DIGITS:
                number = int(name)
                if market.number is not None and number <= market.number:
                    continue
                market.number = number
            elif not is_id(name):
                continue
            side = "buy" if row.S == "Buy" else "sell"
            trade = self._trade(market, name, row.p, row.v, side, row.T, received_ms)
            if trade is not None:
                events.append(trade)
        return events

    def _others(self, frame: str, received_ms: int) -> list[Event]:
        other = _other(frame)
        channel = other.topic.partition(".")[0]
        if channel == "publicTrade":
            return self._trades(frame, received_ms)
        if channel == "tickers":
            return self._tickers(frame, received_ms)
        if other.op in ("ping", "pong"):
            return [Alive()]
        if other.op == "subscribe" and other.success:
            return self._granted(request_of(other.req_id))
        if other.success is False:
            return self._failed(other)
        return []

    def _failed(self, other: _Other) -> list[Event]:
        """A request was refused whole. Where the venue's words name the topics, the rest is asked for again."""
        request = request_of(other.req_id)
        topics = self._asked.get(request, [])
        named = {self._topic(CHANNELS[channel], name) for channel, name in _NAMED.findall(other.ret_msg)}
        bad = [topic for topic in topics if topic in named]
        if not bad:
            return self._refused(request, other.ret_msg)
        del self._asked[request]
        rest = [topic for topic in topics if topic not in named]
        return [
            Refused(tuple(bad), spoken(other.ret_msg)),
            *(Answer(again) for again in self.subscribe(rest)),
        ]


STREAM = Stream(
    session=BybitSession,
    channels=("ticker", "trades"),
    topics_a_connection=400,  # of 40 characters and less, quotes and commas with them: below 21 000
    frames_a_second=10.0,  # nothing is published
    ping_every_s=20.0,
    silent_s=30.0,
)
