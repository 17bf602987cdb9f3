"""Crypto.com Exchange v1, market data: `{id, method, code, result: {channel, instrument_name, data}}`; numbers are text.

https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html#websocket-subscriptions

The venue's heartbeat comes every 30 seconds and is to be answered within 5. Trades come newest first, after a subscription
the last ones made; several of one frame may have one id, so that only a frame tells what is new, and nothing says that ids
follow each other: a gap cannot be seen. A request with an unknown channel is refused, and its words may name all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from ..adapters.crypto_com import SIDES, split, symbol
from ..streaming import Alive, Answer, Channel, Event, Stream, Topic
from ._session import Count, Market, Millis, Number, VenueSession, batches, frames, text

NAMES: dict[Channel, str] = {"ticker": "ticker", "trades": "trade"}
CHANNELS: dict[str, Channel] = {name: channel for channel, name in NAMES.items()}
TOPICS_A_FRAME = 50
"""Nothing is published. Few, because one unknown channel costs its whole frame more tries."""
WRONG_CHANNEL = frozenset({10004, 40003, 40004, 30003})
"""Bad request, unknown symbol, missing or invalid argument, invalid instrument: codes of a refused name."""


class _Ticker(msgspec.Struct, gc=False):
    # Null: a pair without trades (a, c, h, l) or with an empty side (b, k).
    i: str
    t: Millis
    a: Number = None
    b: Number = None
    k: Number = None
    v: Number = None
    vv: Number = None
    c: Number = None
    h: Number = None
    l: Number = None  # noqa: E741 - wire name


class _Trade(msgspec.Struct, gc=False):
    i: str
    d: Count
    s: Literal["BUY", "SELL"]
    p: float
    q: float
    t: Millis


class _Tickers(msgspec.Struct, gc=False):
    data: list[_Ticker]


class _Trades(msgspec.Struct, gc=False):
    data: list[_Trade]


class _TickerFrame(msgspec.Struct, gc=False):
    result: _Tickers
    id: int = -1


class _TradeFrame(msgspec.Struct, gc=False):
    result: _Trades
    id: int = -1


class _Result(msgspec.Struct):
    channel: str = ""


class _Other(msgspec.Struct):
    method: str = ""
    id: int = -1
    code: int = 0
    message: str = ""
    result: _Result | None = None


_ticker = frames(_TickerFrame)
_trade = frames(_TradeFrame)
_other = frames(_Other)


class CryptoComSession(VenueSession):
    """One connection to `/exchange/v1/market`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics."""
        return [
            self._frame("subscribe", part, self._request(part)) for part in batches(topics, TOPICS_A_FRAME)
        ]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics."""
        self._forget(topics)
        return [self._frame("unsubscribe", part, self._request()) for part in batches(topics, TOPICS_A_FRAME)]

    def _frame(self, method: str, topics: Sequence[Topic], request: int) -> str:
        channels = [f"{NAMES[channel]}.{self._symbol(pair)}" for channel, pair in topics]
        return text({"id": request, "method": method, "params": {"channels": channels}})

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        at = frame.find('"channel":"', 0, 256) + 11
        kind = frame[at : at + 7]
        if kind == 'trade",':
            return self._trades(frame, received_ms)
        if kind == 'ticker"':
            return self._tickers(frame, received_ms)
        return self._others(frame, received_ms)

    def _tickers(self, frame: str, received_ms: int) -> list[Event]:
        told = _ticker(frame)
        events: list[Event] = []
        for row in told.result.data:
            # Spot alone has an underscore: perpetuals, futures and indices are no pairs.
            market = self._markets.get(row.i) or self._learn(row.i)
            if market is None:
                continue
            if told.id > 0:
                events += self._granted(told.id, Topic("ticker", market.pair))
            event_ms, fraction = row.t, row.c
            if event_ms <= market.told:
                continue
            market.told = event_ms
            if row.v == 0:  # no trade in 24 h: an old price under a current time
                continue
            events += self._quote(
                market,
                row.a,
                row.b,
                row.k,
                row.v,
                row.vv if market.quote == "USD" else None,  # US dollars, whatever the pair is quoted in
                fraction * 100.0 if isinstance(fraction, float) else None,
                row.h,
                row.l,
                event_ms,
                received_ms,
            )
        return events

    def _trades(self, frame: str, received_ms: int) -> list[Event]:
        told = _trade(frame)
        events: list[Event] = []
        newest: dict[Market, int] = {}
        for row in reversed(told.result.data):
            market = self._markets.get(row.i) or self._learn(row.i)
            number = row.d
            if market is None:
                continue
            if told.id > 0:
                events += self._granted(told.id, Topic("trades", market.pair))
            if market.number is not None and number <= market.number:
                continue
            newest[market] = max(number, newest.get(market, 0))
            trade = self._trade(market, str(number), row.p, row.q, SIDES[row.s], row.t, received_ms)
            if trade is not None:
                events.append(trade)
        for market, number in newest.items():
            market.number = number
        return events

    def _others(self, frame: str, received_ms: int) -> list[Event]:
        other = _other(frame)
        channel = other.result.channel if other.result is not None else ""
        if channel == "trade":
            return self._trades(frame, received_ms)
        if channel == "ticker":
            return self._tickers(frame, received_ms)
        if other.method == "public/heartbeat":
            return [Alive(), Answer(text({"id": other.id, "method": "public/respond-heartbeat"}))]
        if other.code != 0:
            return self._failed(other)
        return self._granted(other.id) if other.method == "subscribe" and other.result is None else []

    def _failed(self, other: _Other) -> list[Event]:
        """A refused name is looked for by halves: the words do not tell it from the good ones of its request."""
        topics = self._asked.get(other.id, [])
        if len(topics) < 2 or other.code not in WRONG_CHANNEL:
            return self._refused(other.id, f"{other.code}: {other.message}")
        del self._asked[other.id]
        half = len(topics) // 2
        return [Answer(again) for part in (topics[:half], topics[half:]) for again in self.subscribe(part)]


STREAM = Stream(
    session=CryptoComSession,
    channels=("ticker", "trades"),
    topics_a_connection=200,
    frames_a_second=10.0,  # 100 are allowed, in equal shares of the first second
    silent_s=45.0,
)
