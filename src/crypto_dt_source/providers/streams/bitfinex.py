"""Bitfinex, WebSocket v2: data are arrays `[channel id, …]`, events are objects.

https://docs.bitfinex.com/docs/ws-general (conf flags, info codes), https://docs.bitfinex.com/docs/ws-public (25 channels a
connection, 20 connections a minute), https://docs.bitfinex.com/reference/ws-public-ticker,
https://docs.bitfinex.com/reference/ws-public-trades

Two conf flags are asked for: SEQ_ALL, a number at the end of every array of the connection, heartbeats included, and
TIMESTAMP, the venue's time behind it, the only time a ticker has. A jump of the number concerns every topic of the
connection, and which of them missed something cannot be told. A trade comes as `te` and again as `tu`: the first is
taken. The trades sent on subscribing are of before it, and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...model.errors import NotOffered, PayloadChanged
from ..adapters.bitfinex import split, symbol
from ..kit import MEMORY
from ..streaming import Alive, Answer, Channel, Ending, Event, Gap, Refused, Stream, Subscribed, Topic
from ._session import Count, Market, Millis, Number, VenueSession, frames, spoken, text

SEQ_ALL, TIMESTAMP = 65_536, 32_768
CONF = f'{{"event":"conf","flags":{SEQ_ALL + TIMESTAMP}}}'
ENDINGS = (20_051, 20_060, 20_061)
"""Info codes: a restart, maintenance begins, maintenance is over and all is to be subscribed again."""
ALREADY = 10_301
"""The error code for a subscription that exists."""
CHANNELS: dict[str, Channel] = {"ticker": "ticker", "trades": "trades"}
PAYLOAD_WORDS = ("te", "tu", "fte", "ftu", "cs")
"""Words with a payload behind them, before the number."""


class _Ticker(msgspec.Struct, array_like=True, gc=False):
    bid: Number
    bid_size: Number
    ask: Number
    ask_size: Number
    change: Number
    fraction: float | None
    last: Number
    volume: Number
    high: Number
    low: Number


class _TickerFrame(msgspec.Struct, array_like=True, gc=False):
    channel: int
    row: _Ticker
    number: Count | None = None
    time_ms: Millis | None = None


class _Trade(msgspec.Struct, array_like=True, gc=False):
    id: Count
    time_ms: Millis
    amount: float
    price: float


class _TradeFrame(msgspec.Struct, array_like=True, gc=False):
    channel: int
    word: str
    row: _Trade
    number: Count | None = None


class _BeatFrame(msgspec.Struct, array_like=True, gc=False):
    channel: int
    word: str
    number: Count | None = None


class _Platform(msgspec.Struct):
    status: int | None = None


class _Event(msgspec.Struct):
    event: str
    channel: str = ""
    channel_id: Count | None = msgspec.field(name="chanId", default=None)
    symbol: str = ""
    code: int | None = None
    message: str = msgspec.field(name="msg", default="")
    platform: _Platform | None = None


_ticker = frames(_TickerFrame)
_trade = frames(_TradeFrame)
_beat = frames(_BeatFrame)
_array = frames(list[Any])
_event = frames(_Event)


class _Line:
    """One channel of the connection."""

    __slots__ = ("market", "topic")

    def __init__(self, topic: Topic, market: Market) -> None:
        self.topic = topic
        self.market = market


class BitfinexSession(VenueSession):
    """One connection to `wss://api-pub.bitfinex.com/ws/2`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)
        self._configured = False
        self._wanted: dict[tuple[str, str], Topic] = {}
        self._leaving: set[tuple[str, str]] = set()
        self._lines: dict[str, _Line] = {}
        self._last: int | None = None
        self._unnamed: list[Event] = []

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics, one a channel; before the first of the connection, the conf flags. A pair
        that cannot be named here is refused by the next frame that is read."""
        sent = [] if self._configured else [CONF]
        self._configured = True
        for topic in topics:
            try:
                name = self._names(topic.pair)
            except NotOffered as error:
                self._unnamed.append(Refused((topic,), spoken(error.message)))
                continue
            self._wanted[topic.channel, name] = topic
            self._leaving.discard((topic.channel, name))
            sent.append(text({"event": "subscribe", "channel": topic.channel, "symbol": name}))
        return sent

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics. One whose channel id is not known yet is left as soon as it is."""
        sent = []
        for topic in topics:
            channels = [number for number, line in self._lines.items() if line.topic == topic]
            for number in channels:
                del self._lines[number]
                sent.append(_leave(number))
            for key in [key for key, wanted in self._wanted.items() if wanted == topic]:
                del self._wanted[key]
                if not channels:
                    self._leaving.add(key)
        return sent

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        if frame[:1] != "[":
            unnamed, self._unnamed = self._unnamed, []
            return [*unnamed, *self._said(_event(frame))]
        end = frame.find(",", 1, 24)
        line = self._lines.get(frame[1:end])
        if line is None:
            return self._others(frame, received_ms)
        if frame[end + 1 : end + 2] == '"':
            return self._word(frame, frame[end + 2 : end + 4], line.market, received_ms)
        if line.topic[0] == "trades":
            return self._others(frame, received_ms)
        message = _ticker(frame)
        number, row, gaps = message.number, message.row, None
        if number is not None:
            last = self._last
            if last is not None and number != last + 1:
                gaps = self._gaps(number)
                if gaps is None:
                    return []
            self._last = number
        if row.volume == 0:  # no trade in 24 h: the price is older than a day
            return gaps or []
        fraction = row.fraction
        quotes = self._quote(
            line.market,
            row.last,
            row.bid,
            row.ask,
            row.volume,
            None,
            None if fraction is None else fraction * 100,
            row.high,
            row.low,
            message.time_ms,
            received_ms,
        )
        return [*gaps, *quotes] if gaps else quotes

    def _gaps(self, number: int) -> list[Event] | None:
        """What a number that is not the next one means: a gap of every topic, or None for a frame seen before."""
        if self._last is not None and number <= self._last:
            return None
        return [Gap(line.topic, None) for line in self._lines.values()]

    def _sequence(self, number: object) -> list[Event] | None:
        """Takes a frame's number, and gives what it tells; None for a frame seen before."""
        if type(number) is not int:
            return []
        gaps: list[Event] | None = []
        if self._last is not None and number != self._last + 1:
            gaps = self._gaps(number)
            if gaps is None:
                return None
        self._last = number
        return gaps

    def _word(self, frame: str, word: str, market: Market, received_ms: int) -> list[Event]:
        if word == "hb":
            gaps = self._sequence(_beat(frame).number)
            unnamed, self._unnamed = self._unnamed, []
            return [] if gaps is None else [*gaps, Alive(), *unnamed]
        message = _trade(frame)
        gaps = self._sequence(message.number)
        if gaps is None or message.word != "te":
            return gaps or []
        row = message.row
        side = "buy" if row.amount > 0 else "sell"
        trade = self._trade(market, str(row.id), row.price, abs(row.amount), side, row.time_ms, received_ms)
        if trade is None:
            return gaps
        return [*gaps, trade] if gaps else [trade]

    def _others(self, frame: str, received_ms: int) -> list[Event]:
        """An array without a record for us: of it only the number counts. One of our channels that is written another
        way, with blanks, is read again as it is written usually."""
        items = _array(frame)
        channel = items[0] if items else None
        if type(channel) is not int or len(items) < 2:
            raise PayloadChanged("the array does not begin with a channel's id and a payload", path="$[0]")
        payload = items[1]
        if str(channel) in self._lines:
            if not frame.startswith(f"[{channel},"):
                return self._read(text(items), received_ms)
            if not isinstance(payload, list) or not all(isinstance(row, list) for row in payload):
                raise PayloadChanged("neither a snapshot nor an update of trades", path="$[1]")
        place = 3 if isinstance(payload, str) and payload in PAYLOAD_WORDS else 2
        return self._sequence(items[place] if len(items) > place else None) or []

    def _said(self, event: _Event) -> list[Event]:
        key = (event.channel, event.symbol)
        if event.event == "subscribed":
            return self._subscribed(key, event.channel_id)
        if event.event == "unsubscribed":
            self._lines.pop(str(event.channel_id), None)
        elif event.event == "error" and event.code != ALREADY:
            topic = self._wanted.pop(key, None)
            return [Refused(() if topic is None else (topic,), spoken(f"{event.code} {event.message}"))]
        elif event.event == "pong":
            return [Alive()]
        elif event.event == "info":
            if event.code in ENDINGS:
                return [Ending(spoken(f"{event.code} {event.message}".strip()))]
            if event.platform is not None and event.platform.status == 0:
                return [Ending("the platform is in maintenance")]
        return []

    def _subscribed(self, key: tuple[str, str], channel_id: int | None) -> list[Event]:
        channel = CHANNELS.get(key[0])
        if channel is None:
            return []
        if channel_id is None:
            raise PayloadChanged("a subscription has no channel id", path="$.chanId")
        if key in self._leaving:
            self._leaving.discard(key)
            return [Answer(_leave(str(channel_id)))]
        market = self._markets.get(key[1]) or self._learn(key[1])
        if market is None or len(self._lines) >= MEMORY:
            return []
        topic = self._wanted.get(key) or Topic(channel, market.pair)
        self._lines[str(channel_id)] = _Line(topic, market)
        return [Subscribed((topic,))]


def _leave(channel_id: str) -> str:
    return f'{{"event":"unsubscribe","chanId":{channel_id}}}'


STREAM = Stream(
    session=BitfinexSession,
    channels=("ticker", "trades"),
    topics_a_connection=25,
    frames_a_second=5,  # none is published
    silent_s=40,  # every channel has a heartbeat each 15 s
    connections=10,
)
