"""OKX v5 public channels, spot: `{arg, data}`; numbers are text.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-tickers-channel
https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-trades-channel

One frame of `trades` may stand for several trades at one price: `count` of them, of which `tradeId` is the last. Ids of an
instrument follow each other. Trades of the liquidity programme (`source` "1") come in frames of their own, so that their
ids may lie between those of a frame that came before; they are no gap and not older. The text `ping` is answered with the
text `pong`; a connection without a word for 30 seconds is closed. 480 requests an hour are allowed on a connection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ..adapters.okx import split, symbol
from ..streaming import Alive, Channel, Ending, Event, Stream, Topic
from ._session import Count, Millis, Number, VenueSession, batches, change, frames, request_of, spoken, text

NAMES: dict[Channel, str] = {"ticker": "tickers", "trades": "trades"}
CHANNELS: dict[str, Channel] = {name: channel for channel, name in NAMES.items()}
TOPICS_A_FRAME = 100
"""64 KB are allowed for all channels of a request."""
ENDING = "64008"
"""The connection will soon be closed for an upgrade."""

_WRONG = re.compile(r"channel:([a-z]{1,20}),instId:([0-9A-Z]{1,20}-[0-9A-Z]{1,20}) ")


WIRE = {
    "inst_id": "instId",
    "trade_id": "tradeId",
    "ask_px": "askPx",
    "bid_px": "bidPx",
    "vol_ccy24h": "volCcy24h",
}


class _Ticker(msgspec.Struct, gc=False, rename=WIRE):
    inst_id: str
    ts: Millis
    last: Number = None
    ask_px: Number = None
    bid_px: Number = None
    open24h: Number = None
    high24h: Number = None
    low24h: Number = None
    vol_ccy24h: Number = None
    vol24h: Number = None


class _Trade(msgspec.Struct, gc=False, rename=WIRE):
    inst_id: str
    trade_id: Count
    px: float
    sz: float
    side: Literal["buy", "sell"]
    ts: Millis
    count: Count = 1
    source: str = "0"


class _TickerFrame(msgspec.Struct, gc=False):
    data: list[_Ticker]


class _TradeFrame(msgspec.Struct, gc=False):
    data: list[_Trade]


class _Arg(msgspec.Struct, rename=WIRE):
    channel: str = ""
    inst_id: str = ""


class _Other(msgspec.Struct):
    event: str = ""
    arg: _Arg | None = None
    id: str = ""
    code: str = ""
    msg: str = ""


_ticker = frames(_TickerFrame)
_trade = frames(_TradeFrame)
_other = frames(_Other)


class OkxSession(VenueSession):
    """One connection to `/ws/v5/public`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)
        self._programme: dict[str, int] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics."""
        return [
            text({"id": str(self._request(part)), "op": "subscribe", "args": self._args(part)})
            for part in batches(topics, TOPICS_A_FRAME)
        ]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics."""
        self._forget(topics)
        return [
            text({"id": str(self._request()), "op": "unsubscribe", "args": self._args(part)})
            for part in batches(topics, TOPICS_A_FRAME)
        ]

    def ping(self) -> str:
        """Not JSON."""
        return "ping"

    def _args(self, topics: Sequence[Topic]) -> list[dict[str, Any]]:
        return [{"channel": NAMES[channel], "instId": self._symbol(pair)} for channel, pair in topics]

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        if frame.startswith('{"arg":{"channel":"'):
            kind = frame[19:26]
            if kind == 'trades"':
                return self._trades(frame, received_ms)
            if kind == "tickers":
                return self._tickers(frame, received_ms)
        return [Alive()] if frame == "pong" else self._others(frame, received_ms)

    def _tickers(self, frame: str, received_ms: int) -> list[Event]:
        events: list[Event] = []
        for row in _ticker(frame).data:
            market = self._markets.get(row.inst_id) or self._learn(row.inst_id)
            event_ms = row.ts
            if market is None or event_ms <= market.told:
                continue
            market.told = event_ms
            if row.vol24h == 0:  # no trade in 24 h: an old price under a current time
                continue
            events += self._quote(
                market,
                row.last,
                row.bid_px,
                row.ask_px,
                row.vol24h,
                row.vol_ccy24h,
                change(row.last, row.open24h),
                row.high24h,
                row.low24h,
                event_ms,
                received_ms,
            )
        return events

    def _trades(self, frame: str, received_ms: int) -> list[Event]:
        events: list[Event] = []
        for row in _trade(frame).data:
            market = self._markets.get(row.inst_id) or self._learn(row.inst_id)
            if market is None:
                continue
            number, last = row.trade_id, market.number
            if row.source != "0":
                if number <= self._programme.get(market.symbol, -1):
                    continue
                self._programme[market.symbol] = number
                market.number = number if last is None else max(last, number)
            elif last is not None and number <= last:
                continue
            else:
                gap = market.jump(number, row.count)
                if gap is not None:
                    events.append(gap)
            trade = self._trade(market, str(number), row.px, row.sz, row.side, row.ts, received_ms)
            if trade is not None:
                events.append(trade)
        return events

    def _others(self, frame: str, received_ms: int) -> list[Event]:
        other = _other(frame)
        arg = other.arg or _Arg()
        if not other.event:
            if arg.channel == "trades":
                return self._trades(frame, received_ms)
            return self._tickers(frame, received_ms) if arg.channel == "tickers" else []
        if other.event == "subscribe" and arg.channel in CHANNELS:
            topic = self._topic(CHANNELS[arg.channel], arg.inst_id)
            return self._granted(self._asking(other, topic), topic) if topic is not None else []
        if other.event == "error":
            wrong = _WRONG.search(other.msg)
            channel = CHANNELS.get(wrong[1]) if wrong is not None else None
            topic = self._topic(channel, wrong[2]) if wrong is not None and channel is not None else None
            return self._refused(self._asking(other, topic), f"{other.code}: {other.msg}", topic)
        if other.event == "notice" and other.code == ENDING:
            return [Ending(spoken(other.msg))]
        return []

    def _asking(self, other: _Other, topic: Topic | None) -> int:
        """The request an answer is to: the venue may send it back without its id."""
        request = request_of(other.id)
        if not request and topic is not None:
            request = next((number for number, topics in self._asked.items() if topic in topics), 0)
        return request


STREAM = Stream(
    session=OkxSession,
    channels=("ticker", "trades"),
    topics_a_connection=400,  # nothing is published
    frames_a_second=3.0,
    frames_an_hour=480,
    ping_every_s=20.0,
    silent_s=30.0,
)
