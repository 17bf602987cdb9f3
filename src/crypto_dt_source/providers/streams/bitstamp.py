"""Bitstamp, WebSocket API v2.

https://www.bitstamp.net/websocket/v2/

The venue has no ticker channel. Both of ours come from `live_trades_…`: a trade is a Trade, and its price is the last price,
which is all that the Quote says; bid, ask and the 24 h figures are absent in it. Limits of the venue: 1024 channels a
connection, frames of less than 512 bytes (one channel a frame), 90 days a connection; it publishes no rate of frames. Trade
ids rise within a pair, but count those of all pairs: they show duplicates, not gaps. A pair that is not listed is
acknowledged like any other and stays silent.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...model.errors import PayloadChanged
from ..adapters.bitstamp import SIDES, symbol
from ..kit import Splitter
from ..streaming import Alive, Channel, Ending, Event, Refused, Stream, Subscribed, Topic
from ._session import Count, Number, VenueSession, frames, spoken, text

PREFIX = "live_trades_"
split = Splitter("USD EUR GBP USDT USDC BTC ETH PAX".split())


class _Data(msgspec.Struct, gc=False):
    id: Count | None = None
    price: Number = None
    amount: Number = None
    type: int | None = None
    microtimestamp: Count | None = None


class _Frame(msgspec.Struct, gc=False):
    event: str = ""
    channel: str = ""
    data: _Data | None = None


class _Other(msgspec.Struct):
    event: str
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Error(msgspec.Struct):
    message: str = ""


_frame = frames(_Frame)
_other = frames(_Other)
_error = frames(_Error)


class BitstampSession(VenueSession):
    """One connection to `wss://ws.bitstamp.net`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)
        self._wanted: dict[str, dict[Channel, Topic]] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics: one channel serves both of a pair."""
        names = []
        for topic in topics:
            name = PREFIX + self._names(topic.pair)
            self._wanted.setdefault(name, {})[topic.channel] = topic
            names.append(name)
        # Asking for a channel again is confirmed again, so a second topic of a pair gets its confirmation.
        return [text({"event": "bts:subscribe", "data": {"channel": name}}) for name in dict.fromkeys(names)]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics: a channel is left with its last one."""
        ended = []
        for topic in topics:
            name = PREFIX + symbol(topic.pair)
            wanted = self._wanted.get(name, {})
            if wanted.pop(topic.channel, None) is not None and not wanted:
                del self._wanted[name]
                self._forget([Topic("trades", topic.pair)])
                ended.append(name)
        return [text({"event": "bts:unsubscribe", "data": {"channel": name}}) for name in ended]

    def ping(self) -> str:
        """The venue needs none; its answer shows that the connection lives."""
        return '{"event":"bts:heartbeat"}'

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        try:
            message = _frame(frame)
        except msgspec.ValidationError:
            return self._others(frame, changed=True)
        if message.event != "trade":
            return self._others(frame)
        channel, data = message.channel, message.data
        if not channel.startswith(PREFIX):
            return []
        name = channel[len(PREFIX) :]
        market = self._markets.get(name) or self._learn(name)
        if market is None:
            return []
        if data is None or data.id is None or data.microtimestamp is None or data.type not in SIDES:
            raise PayloadChanged("the trade has no id, time or type", path="$.data")
        number, price, size, side = data.id, data.price, data.amount, SIDES[data.type]
        if market.number is not None and number <= market.number:
            return []
        market.number = number
        if not price or not size:
            return []
        event_ms = data.microtimestamp // 1000
        wanted, events = self._wanted.get(channel), []
        if wanted is not None and "ticker" in wanted:
            events = self._quote(
                market, price, None, None, None, None, None, None, None, event_ms, received_ms
            )
        if wanted is None or "trades" in wanted:  # a channel nobody asked for here has trades
            trade = self._trade(market, str(number), price, size, side, event_ms, received_ms)
            if trade is not None:
                events.append(trade)
        return events

    def _others(self, frame: str, changed: bool = False) -> list[Event]:
        """The venue's own events, and whatever else it may send."""
        other = _other(frame)
        topics = tuple(self._wanted.get(other.channel, {}).values())
        if other.event == "bts:subscription_succeeded":
            return [Subscribed(topics)] if topics else []
        if other.event == "bts:heartbeat":
            return [Alive()]
        if other.event == "bts:request_reconnect":
            return [Ending(other.event)]
        if other.event == "bts:error":
            self._wanted.pop(other.channel, None)
            return [Refused(topics, spoken(_words(other.data)))]
        if changed and other.event == "trade" and other.channel.startswith(PREFIX):
            _frame(frame)  # for the error it raises
        return []


def _words(data: msgspec.Raw) -> str:
    raw = bytes(data).decode()
    try:
        return _error(raw).message
    except msgspec.ValidationError:
        return raw


STREAM = Stream(
    session=BitstampSession,
    channels=("ticker", "trades"),
    topics_a_connection=1024,
    frames_a_second=10,
    silent_s=50,
    ping_every_s=20,
    lifetime_s=90 * 86_400,
)
