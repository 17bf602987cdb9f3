"""HTX (formerly Huobi) spot market data: every frame of the venue is binary, a gzip member.

https://www.htx.com/en-us/opend/newApiPages/?id=7ec4a4da-7773-11ed-9966-0242ac110003 (connection, ping),
https://www.htx.com/en-us/opend/newApiPages/?id=7ec53a87-7773-11ed-9966-0242ac110003 (`market.$symbol.ticker`, every 100 ms,
figures of a rotating 24 h; `market.$symbol.trade.detail`)

The venue pings every 5 s and closes a connection that does not answer two of them. It publishes no limit of topics or
frames for this socket: the bounds here are cautious ones of our own. `tradeId` rises within a symbol, without a promise
that it does so by one: it shows duplicates, not gaps. In a frame of several trades the newest comes first.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec

from ...model.errors import PayloadChanged
from ..adapters.htx import split, symbol
from ..kit import MEMORY
from ..streaming import Alive, Answer, Channel, Event, Stream, Topic
from ._refusals import number_of
from ._session import Count, Market, Millis, Number, VenueSession, change, frames, text

ENDINGS: dict[Channel, str] = {"ticker": ".ticker", "trades": ".trade.detail"}
PREFIX = "market."
MOST = 1 << 20
"""Bytes of a frame, decompressed. The largest that are asked for have some hundred trades: a tenth of it."""
GZIP = 16 + zlib.MAX_WBITS
FEW = MOST // 1040
"""Bytes of a compressed frame that cannot be a bomb: deflate makes at most 1032 of one (https://zlib.net/zlib_tech.html)."""


class _Row(msgspec.Struct, gc=False):
    ts: Millis
    price: Number
    amount: Number
    direction: str
    trade_id: Count | None = msgspec.field(name="tradeId", default=None)
    # 23 digits, in some frames as an exponent form that has lost the last of them; in old ones the only id.
    id: msgspec.Raw = msgspec.Raw(b"")


class _Tick(msgspec.Struct, gc=False):
    # All that either channel has: one pass over the frame, whichever it is.
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    amount: Number = None
    vol: Number = None
    count: Number = None
    bid: Number = None
    ask: Number = None
    data: list[_Row] | None = None


class _Frame(msgspec.Struct, gc=False):
    ch: str = ""
    ts: Millis | None = None
    tick: _Tick | None = None
    ping: Count | None = None


class _Other(msgspec.Struct, gc=False):
    ch: str = ""
    id: str | int | None = None
    status: str = ""
    pong: Count | None = None
    code: str = msgspec.field(name="err-code", default="")
    message: str = msgspec.field(name="err-msg", default="")


_frame = frames(_Frame)
_other = frames(_Other)


def inflated(frame: bytes) -> bytes:
    """The text of a compressed frame. Raises PayloadChanged for one that is no gzip, is cut short or holds more than MOST
    bytes; never makes more than those."""
    try:
        if len(frame) <= FEW:  # in half the time
            return zlib.decompress(frame, GZIP, 2048)
        stream = zlib.decompressobj(GZIP)
        plain = stream.decompress(frame, MOST)
    except zlib.error as error:
        raise PayloadChanged(f"the frame is not gzip: {error}", path="$") from None
    if not stream.eof:
        raise PayloadChanged(f"the frame is cut short, or of more than {MOST} bytes", path="$")
    return plain


class _Line:
    """One of the venue's topics."""

    __slots__ = ("channel", "market")

    def __init__(self, channel: Channel, market: Market) -> None:
        self.channel = channel
        self.market = market


class HtxSession(VenueSession):
    """One connection to `wss://api.huobi.pro/ws`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)
        self._lines: dict[str, _Line] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics, one each."""
        return [text({"sub": _name(topic), "id": str(self._request([topic]))}) for topic in topics]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics, one each."""
        self._forget(topics)
        return [text({"unsub": _name(topic), "id": str(self._request())}) for topic in topics]

    def read(self, frame: str | bytes, received_ms: int) -> list[Event]:
        """As in `streaming.Session`; also takes the text of a frame that is not compressed."""
        if isinstance(frame, bytes) and frame[:2] == b"\x1f\x8b":
            frame = inflated(frame)
        return super().read(frame, received_ms)

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        try:
            message = _frame(frame)
        except msgspec.ValidationError:
            return self._others(frame, changed=True)
        tick = message.tick
        if tick is None:
            return self._others(frame) if message.ping is None else [Answer(f'{{"pong":{message.ping}}}')]
        line = self._lines.get(message.ch) or self._line(message.ch)
        if line is None:
            return []
        if line.channel == "ticker":
            return self._ticker(line.market, tick, message.ts, received_ms)
        if tick.data is None:
            raise PayloadChanged("the frame has no trades", path="$.tick.data")
        return self._trades(line.market, tick.data, received_ms)

    def _ticker(self, market: Market, tick: _Tick, ts: int | None, received_ms: int) -> list[Event]:
        if ts is None:
            raise PayloadChanged("the ticker has no time", path="$.ts")
        if ts <= market.told:
            return []
        market.told = ts
        if tick.count == 0:  # no trade in 24 h: an old price under a current time
            return []
        return self._quote(
            market,
            tick.close,
            tick.bid,
            tick.ask,
            tick.amount,
            tick.vol,
            change(tick.close, tick.open),
            tick.high,
            tick.low,
            ts,
            received_ms,
        )

    def _trades(self, market: Market, rows: list[_Row], received_ms: int) -> list[Event]:
        events: list[Event] = []
        before = newest = market.number
        for row in reversed(rows):
            number, price, size, side = row.trade_id, row.price, row.amount, row.direction
            if side not in ("buy", "sell"):
                raise PayloadChanged("the trade has no side", path="$.tick.data[...].direction")
            if number is None:
                trade_id = _long_id(row.id)
            else:
                if before is not None and number <= before:
                    continue
                if newest is None or number > newest:
                    newest = number
                trade_id = str(number)
            if price and size:
                trade = self._trade(market, trade_id, price, size, side, row.ts, received_ms)
                if trade is not None:
                    events.append(trade)
        market.number = newest
        return events

    def _line(self, name: str) -> _Line | None:
        for channel, ending in ENDINGS.items():
            if name.startswith(PREFIX) and name.endswith(ending):
                native = name[len(PREFIX) : -len(ending)]
                market = self._markets.get(native) or self._learn(native)
                if market is None:
                    return None
                line = _Line(channel, market)
                if len(self._lines) < MEMORY:
                    self._lines[name] = line
                return line
        return None

    def _others(self, frame: str, changed: bool = False) -> list[Event]:
        """The venue's answers, and whatever else it may send."""
        other = _other(frame)
        if other.ch:
            if changed and self._line(other.ch) is not None:
                _frame(frame)  # for the error it raises
            return []
        if other.pong is not None:
            return [Alive()]
        if other.status == "error":
            return self._refused(number_of(other.id), f"{other.code} {other.message}")
        if other.status:
            return self._granted(number_of(other.id))
        if changed:
            _frame(frame)  # for the error it raises
        raise PayloadChanged("a frame of no known kind", path="$")


def _name(topic: Topic) -> str:
    return f"{PREFIX}{symbol(topic.pair)}{ENDINGS[topic.channel]}"


def _long_id(raw: msgspec.Raw) -> str:
    digits = bytes(raw).decode("ascii", "replace").strip('"')
    if not (digits.isdecimal() and len(digits) <= 40):
        raise PayloadChanged("the trade has no id", path="$.tick.data[...].id")
    return digits


STREAM = Stream(
    session=HtxSession,
    channels=("ticker", "trades"),
    topics_a_connection=100,
    frames_a_second=10,
    silent_s=20,
)
