"""KuCoin spot, classic public channels.

https://www.kucoin.com/docs-new/websocket-api/base-info/introduction (token, ping, limits),
https://www.kucoin.com/docs-new/3470063w0 (ticker), https://www.kucoin.com/docs-new/3470065w0 (symbol snapshot),
https://www.kucoin.com/docs-new/3470072w0 (trades).

A connection's address and token come from POST /api/v1/bullet-public; the token is good for 24 hours. The ticker channel
has no 24 h figures, so a ticker topic is two of the venue's: `/market/ticker` for the price and `/market/snapshot`, every
2 s, for the figures. `sequence` is that of the order book: it rises from record to record of a topic by more than one, so
it shows duplicates and not gaps. A symbol the venue does not list is acknowledged like any other and stays silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote as encoded

import msgspec

from ...model.errors import PayloadChanged
from ..adapters.kucoin import explain, split, symbol
from ..kit import MEMORY, Reply, Request, decoder, read_reply
from ..streaming import Alive, Channel, Event, Opening, Stream, Topic
from ._refusals import BatchSession, number_of
from ._session import Count, Market, Millis, Number, batches, frames, text

TICKER, SNAPSHOT, MATCH = "/market/ticker:", "/market/snapshot:", "/market/match:"
PLACES: dict[Channel, tuple[str, ...]] = {"ticker": (TICKER, SNAPSHOT), "trades": (MATCH,)}
CHANNELS: dict[str, Channel] = {place: channel for channel, places in PLACES.items() for place in places}
TOPICS_A_FRAME = 100
VENUE_TOPICS = 300
"""Of one connection. The page on limits says 400, the one on error codes 300."""
FIGURES_MS = 300_000
"""24 h figures older than this are no longer given beside a price. The venue sends new ones when something traded."""


class _Figures(msgspec.Struct, gc=False):
    datetime: Millis
    lastTradedPrice: Number = None  # noqa: N815 - the wire's own names
    buy: Number = None
    sell: Number = None
    vol: Number = None
    volValue: Number = None  # noqa: N815
    changeRate: Number = None  # noqa: N815
    high: Number = None
    low: Number = None


class _Data(msgspec.Struct, gc=False):
    # All that any of the three channels has: one pass over the frame, whichever it is.
    sequence: Count | None = None
    price: Number = None
    time: Count = 0
    bestBid: Number = None  # noqa: N815
    bestAsk: Number = None  # noqa: N815
    size: Number = None
    side: str = ""
    tradeId: str = ""  # noqa: N815
    data: _Figures | None = None


class _Frame(msgspec.Struct, gc=False):
    topic: str = ""
    data: _Data | None = None


class _Control(msgspec.Struct, gc=False):
    type: str
    id: str | int | None = None
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


_frame = frames(_Frame)
_control = frames(_Control)


class _Line:
    """One of the venue's topics. `figures` came at `figures_ms`; both are kept by the line of the prices."""

    __slots__ = ("figures", "figures_ms", "last", "market", "place", "prices")

    def __init__(self, place: str, market: Market) -> None:
        self.place = place
        self.market = market
        self.last = -1
        self.prices = self
        self.figures: _Figures | None = None
        self.figures_ms = 0


class KucoinSession(BatchSession):
    """One connection to `wss://ws-api-spot.kucoin.com`."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, split)
        self._lines: dict[str, _Line] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics."""
        return self._ask(topics)

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics."""
        self._forget(topics)
        for channel, pair in topics:
            for place in PLACES[channel]:
                self._lines.pop(place + symbol(pair), None)
        return [
            self._text("unsubscribe", place, part, self._request())
            for channel, places in PLACES.items()
            for part in batches([topic for topic in topics if topic.channel == channel], TOPICS_A_FRAME)
            for place in places
        ]

    def _ask(self, topics: Sequence[Topic]) -> list[str]:
        # What confirms a ticker is the answer for its prices; figures may be missing.
        return [
            self._text("subscribe", place, part, self._request(() if place == SNAPSHOT else part))
            for channel, places in PLACES.items()
            for part in batches([topic for topic in topics if topic.channel == channel], TOPICS_A_FRAME)
            for place in places
        ]

    def _text(self, kind: str, place: str, topics: Sequence[Topic], request: int) -> str:
        names = ",".join(symbol(topic.pair) for topic in topics)
        return text(
            {
                "id": str(request),
                "type": kind,
                "topic": place + names,
                "privateChannel": False,
                "response": True,
            }
        )

    def ping(self) -> str:
        """Every `pingInterval`."""
        return f'{{"id":"{self._request()}","type":"ping"}}'

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        try:
            message = _frame(frame)
        except msgspec.ValidationError:
            return self._others(frame, changed=True)
        line = self._lines.get(message.topic) or self._line(message.topic)
        if line is None:
            return self._others(frame)
        data = message.data
        if data is None or data.sequence is None:
            raise PayloadChanged("the record has no sequence", path="$.data.sequence")
        if data.sequence <= line.last:
            return []
        line.last = data.sequence
        if line.place is TICKER:
            return self._priced(line, data.price, data.bestBid, data.bestAsk, data.time or None, received_ms)
        return (
            self._traded(line, data, received_ms)
            if line.place is MATCH
            else self._figured(line, data.data, received_ms)
        )

    def _priced(
        self,
        line: _Line,
        price: Number,
        bid: Number,
        ask: Number,
        event_ms: int | None,
        received_ms: int,
    ) -> list[Event]:
        market, figures = line.market, line.figures
        if event_ms is not None:
            market.told = event_ms
        if figures is None or received_ms - line.figures_ms > FIGURES_MS:
            return self._quote(market, price, bid, ask, None, None, None, None, None, event_ms, received_ms)
        if figures.vol == 0:  # no trade in 24 h: an old price under a current time
            return []
        rate = figures.changeRate
        return self._quote(
            market,
            price,
            bid,
            ask,
            figures.vol,
            figures.volValue,
            None if rate is None or rate == "" else rate * 100,
            figures.high,
            figures.low,
            event_ms,
            received_ms,
        )

    def _figured(self, line: _Line, figures: _Figures | None, received_ms: int) -> list[Event]:
        if figures is None:
            raise PayloadChanged("the snapshot has no figures", path="$.data.data")
        prices = line.prices
        prices.figures, prices.figures_ms = figures, received_ms
        # Its price is up to 2 s old: of use only where no newer one has come.
        if figures.datetime <= line.market.told:
            return []
        return self._priced(
            prices, figures.lastTradedPrice, figures.buy, figures.sell, figures.datetime, received_ms
        )

    def _traded(self, line: _Line, data: _Data, received_ms: int) -> list[Event]:
        price, size, side = data.price, data.size, data.side
        if not data.time or side not in ("buy", "sell") or not data.tradeId:
            raise PayloadChanged("the trade has no id, time or side", path="$.data")
        if not price or not size:
            return []
        # In nanoseconds.
        trade = self._trade(line.market, data.tradeId, price, size, side, data.time // 1_000_000, received_ms)
        return [] if trade is None else [trade]

    def _line(self, name: str) -> _Line | None:
        head, colon, native = name.partition(":")
        place = next((known for known in CHANNELS if known == head + colon), None)
        market = None if place is None else self._markets.get(native) or self._learn(native)
        if place is None or market is None:
            return None
        line = _Line(place, market)
        if place is SNAPSHOT:
            line.prices = self._lines.get(TICKER + native) or self._line(TICKER + native) or line
        if len(self._lines) < MEMORY:
            self._lines[name] = line
        return line

    def _others(self, frame: str, changed: bool = False) -> list[Event]:
        """The venue's answers, and whatever else it may send."""
        control = _control(frame)
        if control.type == "ack":
            return self._granted(number_of(control.id))
        if control.type in ("pong", "welcome"):
            return [Alive()]
        if control.type == "error":
            return self._declined(number_of(control.id), bytes(control.data).decode().strip('"'))
        if changed and control.topic.startswith(tuple(CHANNELS)):
            _frame(frame)  # for the error it raises
        return []


class _Server(msgspec.Struct):
    endpoint: str
    pingInterval: int | None = None  # noqa: N815


class _Bullet(msgspec.Struct):
    token: str
    instanceServers: list[_Server]  # noqa: N815


class _BulletReply(msgspec.Struct):
    data: _Bullet


_bullet = decoder(_BulletReply)


def opening(reply: Reply) -> Opening:
    """Where the venue's answer to the token request tells to connect. The address holds the token: it is not to be logged.

    Raises the error that the answer's code stands for, PayloadChanged for another shape or an address that is no socket's.
    """
    bullet = read_reply(_bullet, reply, explain).data
    server = next((s for s in bullet.instanceServers if s.endpoint.startswith(("wss://", "ws://"))), None)
    if server is None:
        raise PayloadChanged("no server with a socket's address", path="$.data.instanceServers")
    every_ms = server.pingInterval
    return Opening(
        f"{server.endpoint.partition('?')[0]}?token={encoded(bullet.token, safe='')}",
        every_ms / 1000 if every_ms is not None and 1_000 <= every_ms <= 600_000 else None,
    )


STREAM = Stream(
    session=KucoinSession,
    channels=("ticker", "trades"),
    topics_a_connection=VENUE_TOPICS // 2,
    frames_a_second=10,  # 100 in 10 s
    silent_s=30,  # a ping every 18 s, its pong within 10 s
    ping_every_s=18,
    lifetime_s=86_400,
    token=(Request("/api/v1/bullet-public", method="POST", weight=10), opening),
)
