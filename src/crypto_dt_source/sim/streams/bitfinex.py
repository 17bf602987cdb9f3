"""Bitfinex's socket: data are arrays `[channel id, …]`, events are objects. https://docs.bitfinex.com/docs/ws-general"""

from __future__ import annotations

from typing import Any

from ...model.quote import Pair
from ...providers.streaming import Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire.bitfinex import NAMES, ticker_row
from ._wire import Knows, asked, frame

SEQ_ALL, TIMESTAMP = 65_536, 32_768
MOST_CHANNELS = 25
FIRST_CHANNEL = 200_001
_COMMON = {native: ticker for ticker, native in NAMES.items()}


def _pair(symbol: str) -> Pair | None:
    base, colon, quote = symbol.removeprefix("t").partition(":")
    if not colon:
        base, quote = base[:3], base[3:]
    return Pair(_COMMON.get(base, base), _COMMON.get(quote, quote)) if base and quote else None


class BitfinexSim:
    """One client's connection. The number at a frame's end counts them all: the records, as the server numbers them, and
    the heartbeats and snapshots sent between."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows
        self._flags = 0
        self._channels: dict[int, Topic] = {}
        self._next = FIRST_CHANNEL
        self._records = 0
        self._between = 0

    def opened(self, now_ms: int) -> list[Frame]:
        """Its version, and that the platform works."""
        server = "5d1f1c3c-0000-4000-8000-000000000000"
        return [frame({"event": "info", "version": 2, "serverId": server, "platform": {"status": 1}})]

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers conf, ping, subscribe (with the id of the channel) and unsubscribe; nothing to what is no JSON."""
        request = asked(frame_)
        if request is None:
            return []  # the venue says nothing to what is no JSON
        event = request.get("event")
        if event == "conf":
            flags = request.get("flags")
            self._flags = flags if isinstance(flags, int) else 0
            return [frame({"event": "conf", "status": "OK", "flags": self._flags})]
        if event == "ping":
            return [frame({"event": "pong", "ts": now_ms, "cid": request.get("cid")})]
        if event == "subscribe":
            return self._subscribe(str(request.get("channel")), str(request.get("symbol")), now_ms)
        if event == "unsubscribe":
            return [self._unsubscribe(request.get("chanId"))]
        return [frame({"event": "error", "msg": f"event: invalid ({event})", "code": 10_000})]

    def _subscribe(self, channel: str, symbol: str, now_ms: int) -> list[Frame]:
        pair = _pair(symbol)
        shown = {"channel": channel, "symbol": symbol, "pair": symbol[1:]}
        error: tuple[str, int] | None = None
        if channel not in ("ticker", "trades"):
            return [frame({"channel": channel, "event": "error", "msg": "channel: unknown", "code": 10_300})]
        topic = Topic("ticker" if channel == "ticker" else "trades", pair or Pair("", ""))
        if pair is None or not self._knows(pair):
            error = ("symbol: invalid", 10_300)
        elif topic in self.topics:
            error = ("subscribe: dup", 10_301)
        elif len(self._channels) >= MOST_CHANNELS:
            error = ("subscribe: limit", 10_305)
        if error is not None:
            return [frame({**shown, "event": "error", "msg": error[0], "code": error[1]})]
        number, self._next = self._next, self._next + 1
        self._channels[number] = topic
        self.topics.add(topic)
        frames: list[Frame] = [frame({"event": "subscribed", "chanId": number, **shown})]
        if channel == "trades":
            self._between += 1
            frames.append(self._array([number, []], now_ms))
        return frames

    def _unsubscribe(self, number: Any) -> Frame:
        topic = self._channels.pop(number, None) if isinstance(number, int) else None
        if topic is None:
            return frame({"event": "error", "msg": "unsubscribe: invalid", "code": 10_400})
        self.topics.discard(topic)
        return frame({"event": "unsubscribed", "status": "OK", "chanId": number})

    def _array(self, items: list[Any], now_ms: int) -> Frame:
        if self._flags & SEQ_ALL:
            items = [*items, self._records + self._between]
        return frame([*items, now_ms] if self._flags & TIMESTAMP else items)

    def _channel(self, topic: Topic) -> int:
        return next((number for number, known in self._channels.items() if known == topic), 0)

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A frame of the ticker channel."""
        self._records = number
        return self._array([self._channel(Topic("ticker", pair)), ticker_row(ticker)], now_ms)

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A frame of the trades channel, as the trade is made (`te`)."""
        self._records = number
        amount = trade.size if trade.side == "buy" else -trade.size
        row = [trade.id, trade.time_ms, amount, trade.price]
        return self._array([self._channel(Topic("trades", pair)), "te", row], now_ms)

    def heartbeat(self, now_ms: int) -> Frame | None:
        """Of the first channel; the venue sends one for each."""
        if not self._channels:
            return None
        self._between += 1
        return self._array([next(iter(self._channels)), "hb"], now_ms)


SIM = SimStream(session=BitfinexSim, heartbeat_s=15, numbers_connection=True)
