"""Kraken spot, socket API v2. Pairs are `BTC/USD` here, not XBT; numbers are JSON numbers.

https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/trade

A request names one channel and many pairs and is answered pair by pair. Trade ids rise by one a pair. Tickers are asked
for on each change of the best prices: by default they come with trades only, and a quiet pair would look dead. A heartbeat
comes every second in which nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from ...model.quote import Pair
from ..kit import Separated
from ..streaming import Alive, Channel, Event, Stream, Topic
from ._session import Count, Moment, Number, VenueSession, batches, frames, millis, text, whole_millis

NAMES: dict[Channel, str] = {"ticker": "ticker", "trades": "trade"}
CHANNELS: dict[str, Channel] = {name: channel for channel, name in NAMES.items()}
PAIRS_A_FRAME = 100
"""Nothing is published."""


def symbol(pair: Pair) -> str:
    """`BTC/USD`."""
    return f"{pair.base}/{pair.quote}"


class _Ticker(msgspec.Struct, gc=False):
    symbol: str
    last: Number = None
    bid: Number = None
    ask: Number = None
    volume: Number = None
    vwap: Number = None
    low: Number = None
    high: Number = None
    change_pct: float | None = None
    timestamp: Moment | None = None


class _Trade(msgspec.Struct, gc=False):
    symbol: str
    side: Literal["buy", "sell"]
    price: float
    qty: float
    trade_id: Count
    timestamp: Moment


class _TickerFrame(msgspec.Struct, gc=False):
    data: list[_Ticker]


class _TradeFrame(msgspec.Struct, gc=False):
    data: list[_Trade]


class _Result(msgspec.Struct):
    channel: str = ""
    symbol: str = ""


class _Other(msgspec.Struct):
    channel: str = ""
    method: str = ""
    success: bool = False
    req_id: int | None = None
    result: _Result | None = None
    error: str = ""
    symbol: str = ""


_ticker = frames(_TickerFrame)
_trade = frames(_TradeFrame)
_other = frames(_Other)


class KrakenSession(VenueSession):
    """One connection."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, Separated("/", {"XBT": "BTC", "XDG": "DOGE"}))
        self._channel: dict[int, Channel] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics, one channel each."""
        found = []
        for channel in NAMES:
            for part in batches([topic for topic in topics if topic.channel == channel], PAIRS_A_FRAME):
                params = {"channel": NAMES[channel], "symbol": [self._symbol(topic.pair) for topic in part]}
                # The last fifty trades would come as if they had just been made.
                extra = {"event_trigger": "bbo"} if channel == "ticker" else {"snapshot": False}
                request = self._request(part)
                self._channel[request] = channel
                found.append(text({"method": "subscribe", "params": params | extra, "req_id": request}))
        return found

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics."""
        self._forget(topics)
        found = []
        for channel in NAMES:
            for part in batches([topic for topic in topics if topic.channel == channel], PAIRS_A_FRAME):
                params = {"channel": NAMES[channel], "symbol": [self._symbol(topic.pair) for topic in part]}
                # A subscription is named by all that it was made with.
                extra = {"event_trigger": "bbo"} if channel == "ticker" else {}
                found.append(
                    text({"method": "unsubscribe", "params": params | extra, "req_id": self._request()})
                )
        return found

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        if frame.startswith('{"channel":"'):
            kind = frame[12:19]
            if kind == 'trade",':
                return self._trades(frame, received_ms)
            if kind == 'ticker"':
                return self._tickers(frame, received_ms)
        return self._others(frame, received_ms)

    def _tickers(self, frame: str, received_ms: int) -> list[Event]:
        events: list[Event] = []
        for row in _ticker(frame).data:
            market = self._markets.get(row.symbol) or self._learn(row.symbol)
            if market is None:
                continue
            moment = row.timestamp
            event_ms = None
            if moment is not None:
                told = moment.timestamp()  # to the microsecond: a busy book changes often in a millisecond
                event_ms = whole_millis(told, "$.data[...].timestamp")
                if told <= market.told:
                    continue
                market.told = told
            volume = row.volume
            if volume == 0:  # no trade in 24 h: an old price under a current time
                continue
            events += self._quote(
                market,
                row.last,
                row.bid,
                row.ask,
                volume,
                volume * row.vwap if volume and row.vwap else None,
                row.change_pct,
                row.high,
                row.low,
                event_ms,
                received_ms,
            )
        return events

    def _trades(self, frame: str, received_ms: int) -> list[Event]:
        events: list[Event] = []
        for row in _trade(frame).data:
            market = self._markets.get(row.symbol) or self._learn(row.symbol)
            number = row.trade_id
            if market is None or (market.number is not None and number <= market.number):
                continue
            event_ms = millis(row.timestamp, "$.data[...].timestamp")
            gap = market.jump(number)
            if gap is not None:
                events.append(gap)
            trade = self._trade(market, str(number), row.price, row.qty, row.side, event_ms, received_ms)
            if trade is not None:
                events.append(trade)
        return events

    def _others(self, frame: str, received_ms: int) -> list[Event]:
        other = _other(frame)
        if other.channel == "trade":
            return self._trades(frame, received_ms)
        if other.channel == "ticker":
            return self._tickers(frame, received_ms)
        if other.channel in ("heartbeat", "status") or other.method == "pong":
            return [Alive()]
        if other.method == "subscribe":
            return self._confirmed(other)
        return []

    def _confirmed(self, other: _Other) -> list[Event]:
        request = other.req_id or 0
        result = other.result or _Result()
        name = result.symbol or other.symbol
        channel = CHANNELS.get(result.channel) or self._channel.get(request)
        topic = self._topic(channel, name) if channel is not None and name else None
        if other.success:
            found = self._granted(request, topic) if topic is not None else []
        else:
            found = self._refused(request, other.error, topic)
        if request not in self._asked:
            self._channel.pop(request, None)
        return found


STREAM = Stream(
    session=KrakenSession,
    channels=("ticker", "trades"),
    topics_a_connection=400,  # nothing is published for these channels
    frames_a_second=5.0,  # nothing is published either
    silent_s=10.0,
)
