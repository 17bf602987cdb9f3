"""Binance spot, combined stream: `{stream, data}`.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams

`<symbol>@ticker` comes once a second while something changes, with best bid and ask; `<symbol>@trade` is one frame a
trade, its ids rise by one a symbol and are those of the REST API. `@miniTicker` and `@aggTrade` are read as well; what is
in them is the same with less of it. An unknown symbol is confirmed like any other and stays silent.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...model.errors import PayloadChanged
from ..adapters.binance import split, symbol
from ..streaming import Alive, Ending, Event, Stream, Topic
from ._session import Count, Millis, Number, VenueSession, batches, change, frames, text

CHANNELS = {"ticker": "ticker", "trades": "trade"}
STREAMS_A_FRAME = 100
"""Nothing is published; a subscription of this many stays below 4 KB."""
KIND = 7
"""Characters behind the `@` that tell the channels apart."""


class _Ticker(msgspec.Struct, gc=False):
    E: Millis
    s: str
    c: Number = None
    o: Number = None
    h: Number = None
    l: Number = None  # noqa: E741 - wire name
    v: Number = None
    q: Number = None
    P: Number = None
    b: Number = None
    a: Number = None


class _Trade(msgspec.Struct, gc=False):
    # `a` counts aggregated trades; in @trade frames of old it was an order's number, so `t` goes first.
    s: str
    p: float
    q: float
    T: Millis
    m: bool
    t: Count | None = None
    a: Count | None = None


class _TickerFrame(msgspec.Struct, gc=False):
    data: _Ticker


class _TradeFrame(msgspec.Struct, gc=False):
    data: _Trade


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Event(msgspec.Struct):
    e: str = ""


class _Other(msgspec.Struct):
    stream: str = ""
    id: int | str | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""
    e: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


_ticker = frames(_TickerFrame)
_trade = frames(_TradeFrame)
_other = frames(_Other)
_event = msgspec.json.Decoder(_Event)


class BinanceSession(VenueSession):
    """One connection to `/stream`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """SUBSCRIBE frames."""
        return [
            text({"method": "SUBSCRIBE", "params": self._params(part), "id": self._request(part)})
            for part in batches(topics, STREAMS_A_FRAME)
        ]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """UNSUBSCRIBE frames."""
        self._forget(topics)
        return [
            text({"method": "UNSUBSCRIBE", "params": self._params(part), "id": self._request()})
            for part in batches(topics, STREAMS_A_FRAME)
        ]

    def ping(self) -> str:
        """A question with a short answer: the venue's own pings are WebSocket frames, which are no proof to whoever
        reads messages."""
        return text({"method": "GET_PROPERTY", "params": ["combined"], "id": self._request()})

    def _params(self, topics: Sequence[Topic]) -> list[str]:
        return [f"{self._symbol(pair).lower()}@{CHANNELS[channel]}" for channel, pair in topics]

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        at = frame.find("@", 0, 64) + 1
        kind = frame[at : at + KIND]
        if kind in ('trade",', "aggTrad"):
            return self._trades(frame, received_ms)
        if kind in ('ticker"', "miniTic"):
            return self._tickers(frame, received_ms)
        return self._others(frame, received_ms)

    def _tickers(self, frame: str, received_ms: int) -> list[Event]:
        row = _ticker(frame).data
        market = self._markets.get(row.s) or self._learn(row.s)
        event_ms = row.E
        if market is None or event_ms <= market.told:
            return []
        market.told = event_ms
        # No trade in 24 h: an old price under a current time.
        if row.v == 0:
            return []
        return self._quote(
            market,
            row.c,
            row.b,
            row.a,
            row.v,
            row.q,
            row.P if isinstance(row.P, float) else change(row.c, row.o),
            row.h,
            row.l,
            event_ms,
            received_ms,
        )

    def _trades(self, frame: str, received_ms: int) -> list[Event]:
        row = _trade(frame).data
        market = self._markets.get(row.s) or self._learn(row.s)
        number = row.t if row.t is not None else row.a
        if number is None:
            raise PayloadChanged("the trade has no id", path="$.data.t")
        if market is None or (market.number is not None and number <= market.number):
            return []
        gap = market.jump(number)
        trade = self._trade(market, str(number), row.p, row.q, "sell" if row.m else "buy", row.T, received_ms)
        if gap is None:
            return [trade] if trade is not None else []
        return [gap, trade] if trade is not None else [gap]

    def _others(self, frame: str, received_ms: int) -> list[Event]:
        """Answers to requests, the venue's own announcements, and channels that were not asked for."""
        other = _other(frame)
        channel = other.stream.partition("@")[2]
        if channel in ("trade", "aggTrade"):
            return self._trades(frame, received_ms)
        if channel in ("ticker", "miniTicker"):
            return self._tickers(frame, received_ms)
        event = other.e or _name(other.data)
        if event == "serverShutdown":
            return [Ending("serverShutdown")]
        request = other.id if isinstance(other.id, int) else 0
        if other.error is not None:
            return self._refused(request, f"{other.error.code}: {other.error.msg}")
        if other.code is not None:
            return self._refused(request, f"{other.code}: {other.msg}")
        if other.stream or not request:
            return []
        return self._granted(request) or [Alive()]


def _name(data: msgspec.Raw) -> str:
    try:
        return _event.decode(data).e
    except msgspec.ValidationError:  # a list of rows, as some channels send
        return ""


STREAM = Stream(
    session=BinanceSession,
    channels=("ticker", "trades"),
    topics_a_connection=1024,
    frames_a_second=4.0,  # 5 are allowed, and the answers to the venue's pings count as well
    ping_every_s=20.0,
    silent_s=30.0,
    lifetime_s=86_400.0,
)
