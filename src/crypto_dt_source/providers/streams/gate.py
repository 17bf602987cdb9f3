"""Gate spot, WebSocket v4.

https://www.gate.com/docs/developers/apiv4/ws/en/ (tickers: `spot.tickers`, every second; trades: `spot.trades`)

A request must carry its time within 60 s of the venue's clock: `STREAM.stamp` puts it in. The venue publishes no limit of
subscriptions or frames and closes a connection that does not keep up, so the bounds here are cautious ones of our own; it
recommends at most 100 connections an address. `id_market` counts one market's trades without holes, `id` those of all
markets; frames of before it was added have only `id`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...model.errors import PayloadChanged
from ..adapters.gate import split, symbol
from ..streaming import Alive, Channel, Event, Gap, Stream, Topic
from ._refusals import BatchSession
from ._session import INF, Count, Market, Millis, Number, batches, frames, text

NAMES: dict[Channel, str] = {"ticker": "spot.tickers", "trades": "spot.trades"}
TOPICS_A_FRAME = 100
SECOND = 1000


class _Result(msgspec.Struct, gc=False):
    # All that either channel has: one pass over the frame, whichever it is.
    currency_pair: str = ""
    last: Number = None
    lowest_ask: Number = None
    highest_bid: Number = None
    change_percentage: Number = None
    base_volume: Number = None
    quote_volume: Number = None
    high_24h: Number = None
    low_24h: Number = None
    id: Count | None = None
    id_market: Count | None = None
    create_time_ms: float | None = None
    side: str = ""
    amount: Number = None
    price: Number = None
    range: str = ""


class _Frame(msgspec.Struct, gc=False):
    channel: str = ""
    event: str = ""
    time: Count = 0
    time_ms: Millis | None = None
    result: _Result | None = None


class _Error(msgspec.Struct):
    code: int | None = None
    message: str = ""


class _Other(msgspec.Struct):
    channel: str
    event: str = ""
    id: int | None = None
    error: _Error | None = None


_frame = frames(_Frame)
_other = frames(_Other)


def stamp(frame: str, now_ms: int) -> str:
    """The request with the time it is sent at, in seconds."""
    return f'{{"time":{now_ms // SECOND},{frame[1:]}'


class GateSession(BatchSession):
    """One connection to `wss://api.gateio.ws/ws/v4/`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)
        self._ids: dict[str, int] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics."""
        return self._ask(topics)

    def _ask(self, topics: Sequence[Topic]) -> list[str]:
        return [
            text({"id": self._request(part), "channel": NAMES[part[0].channel], "event": "subscribe",
                  "payload": self._payload(part)})
            for part in _parts(topics)
        ]  # fmt: skip

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics."""
        self._forget(topics)
        for topic in topics:
            if topic.channel == "trades":
                self._ids.pop(symbol(topic.pair), None)
        return [
            text({"id": self._request(), "channel": NAMES[part[0].channel], "event": "unsubscribe",
                  "payload": self._payload(part)})
            for part in _parts(topics)
        ]  # fmt: skip

    def _payload(self, topics: Sequence[Topic]) -> list[str]:
        return [symbol(topic.pair) for topic in topics]

    def ping(self) -> str:
        """The venue needs none; its answer shows that the connection lives."""
        return '{"channel":"spot.ping"}'

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        try:
            message = _frame(frame)
        except msgspec.ValidationError:
            return self._others(frame, changed=True)
        result = message.result
        if message.event != "update" or result is None:
            return self._others(frame)
        if message.channel == "spot.tickers":
            return self._ticker(message, result, received_ms)
        return self._trades(result, received_ms) if message.channel == "spot.trades" else []

    def _ticker(self, message: _Frame, result: _Result, received_ms: int) -> list[Event]:
        market = self._markets.get(result.currency_pair) or self._learn(result.currency_pair)
        if market is None:
            return []
        event_ms = message.time_ms
        if event_ms is None:
            # Only the second is known, and two tickers of one second are two.
            event_ms = message.time * SECOND
            if event_ms < market.told:
                return []
        elif event_ms <= market.told:
            return []
        market.told = event_ms
        change = result.change_percentage
        if result.base_volume == 0:  # no trade in 24 h: an old price under a current time
            return []
        return self._quote(
            market,
            result.last,
            result.highest_bid,
            result.lowest_ask,
            result.base_volume,
            result.quote_volume,
            None if change == "" else change,
            result.high_24h,
            result.low_24h,
            event_ms or None,
            received_ms,
        )

    def _trades(self, result: _Result, received_ms: int) -> list[Event]:
        market = self._markets.get(result.currency_pair) or self._learn(result.currency_pair)
        if market is None:
            return []
        number, price, size, time_ms = result.id, result.price, result.amount, result.create_time_ms
        if number is None or time_ms is None or not 0 < time_ms < INF or result.side not in ("buy", "sell"):
            raise PayloadChanged("the trade has no id, time or side", path="$.result")
        gap = None
        if result.id_market is None:
            if number <= self._ids.get(market.symbol, -1):
                return []
        elif market.number is None:
            market.number = result.id_market
        elif result.id_market <= market.number:
            return []
        else:
            gap = _jump(market, result.id_market, result.range)
        self._ids[market.symbol] = number
        events: list[Event] = [] if gap is None else [gap]
        if price and size:
            trade = self._trade(market, str(number), price, size, result.side, int(time_ms), received_ms)
            if trade is not None:
                events.append(trade)
        return events

    def _others(self, frame: str, changed: bool = False) -> list[Event]:
        """The venue's answers, and whatever else it may send."""
        other = _other(frame)
        if other.channel == "spot.pong":
            return [Alive()]
        if other.event == "update":
            if changed and other.channel in NAMES.values():
                _frame(frame)  # for the error it raises
            return []
        if other.error is not None:
            return self._declined(other.id or 0, f"{other.error.code} {other.error.message}")
        return self._granted(other.id or 0) if other.event == "subscribe" else []


def _parts(topics: Sequence[Topic]) -> list[Sequence[Topic]]:
    """Runs of topics of one channel, each short enough for a frame."""
    return [
        part
        for channel in NAMES
        for part in batches([topic for topic in topics if topic.channel == channel], TOPICS_A_FRAME)
    ]


def _jump(market: Market, number: int, numbers: str) -> Gap | None:
    """Takes `number` as the last. A frame may stand for a range of trades, `2390902-2390905`, the last of which it is."""
    last = market.number
    first = numbers.partition("-")[0]
    gap = market.jump(number)
    if (
        gap is None
        or last is None
        or not (first.isdecimal() and len(first) < 19 and last < int(first) <= number)
    ):
        return gap
    missing = int(first) - last - 1
    return Gap(gap.topic, missing) if missing else None


STREAM = Stream(
    session=GateSession,
    channels=("ticker", "trades"),
    topics_a_connection=200,
    frames_a_second=10,
    silent_s=45,
    ping_every_s=15,
    stamp=stamp,
)
