"""Coinbase Exchange market data.

https://docs.cdp.coinbase.com/exchange/websocket-feed/channels

`ticker` comes with every match and carries the product's sequence, which rises with everything that happens there;
`matches` is one frame a trade with ids that rise by one a product, and begins with `last_match`, the trade before. The
heartbeat of one product a second shows that the connection lives. A request that names an unknown product is refused
whole; `subscriptions` names everything the connection has, each time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ...model.quote import Pair
from ..adapters.coinbase_exchange import symbol
from ..kit import Separated
from ..streaming import Alive, Answer, Channel, Event, Refused, Stream, Subscribed, Topic
from ._session import (
    Count,
    Moment,
    Number,
    VenueSession,
    batches,
    change,
    frames,
    millis,
    spoken,
    text,
)

NAMES: dict[Channel, str] = {"ticker": "ticker", "trades": "matches"}
CHANNELS: dict[str, Channel] = {name: channel for channel, name in NAMES.items()}
TOPICS_A_FRAME = 50
"""Nothing is published. Few, because one unknown product costs its whole frame a second try."""
TAKER: dict[str, str] = {"buy": "sell", "sell": "buy"}
"""The wire's `side` is the maker's."""

_PRODUCT = re.compile(r"[0-9A-Z]{1,20}-[0-9A-Z]{1,20}")


class _Ticker(msgspec.Struct, gc=False):
    product_id: str
    sequence: Count | None = None
    price: Number = None
    open_24h: Number = None
    volume_24h: Number = None
    low_24h: Number = None
    high_24h: Number = None
    best_bid: Number = None
    best_ask: Number = None
    time: Moment | None = None


class _Match(msgspec.Struct, gc=False):
    product_id: str
    trade_id: Count
    side: Literal["buy", "sell"]
    size: float
    price: float
    time: Moment


class _Subscription(msgspec.Struct):
    name: str
    product_ids: list[str] = []


class _Other(msgspec.Struct):
    type: str
    channels: list[_Subscription] = []
    message: str = ""
    reason: str = ""


_ticker = frames(_Ticker)
_match = frames(_Match)
_other = frames(_Other)


class CoinbaseSession(VenueSession):
    """One connection. Answers carry no request id: they come in the order of the requests."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider, symbol, Separated("-"))
        self._beating: Pair | None = None

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics; the first one of a connection asks for a heartbeat too."""
        found = []
        for part in batches(topics, TOPICS_A_FRAME):
            self._request(part)
            channels = self._channels(part)
            if self._beating is None:
                self._beating = part[0].pair
                channels.append({"name": "heartbeat", "product_ids": [self._symbol(self._beating)]})
            found.append(text({"type": "subscribe", "channels": channels}))
        return found

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end these topics; the heartbeat goes on."""
        self._forget(topics)
        return [
            text({"type": "unsubscribe", "channels": self._channels(part)})
            for part in batches(topics, TOPICS_A_FRAME)
        ]

    def _channels(self, topics: Sequence[Topic]) -> list[dict[str, Any]]:
        products: dict[Channel, list[str]] = {}
        for channel, pair in topics:
            products.setdefault(channel, []).append(self._symbol(pair))
        return [{"name": NAMES[channel], "product_ids": names} for channel, names in products.items()]

    def _read(self, frame: str, received_ms: int) -> list[Event]:
        if frame.startswith('{"type":"'):
            kind = frame[9:16]
            if kind in ('match",', "last_ma"):
                return self._trades(frame, received_ms)
            if kind == 'ticker"':
                return self._tickers(frame, received_ms)
        return self._others(frame, received_ms)

    def _tickers(self, frame: str, received_ms: int) -> list[Event]:
        row = _ticker(frame)
        market = self._markets.get(row.product_id) or self._learn(row.product_id)
        if market is None:
            return []
        if row.sequence is not None:
            if row.sequence <= market.told:
                return []
            market.told = row.sequence
        return self._quote(
            market,
            row.price,
            row.best_bid,
            row.best_ask,
            row.volume_24h,
            None,
            change(row.price, row.open_24h),
            row.high_24h,
            row.low_24h,
            millis(row.time, "$.time") if row.time is not None else None,
            received_ms,
        )

    def _trades(self, frame: str, received_ms: int) -> list[Event]:
        row = _match(frame)
        market = self._markets.get(row.product_id) or self._learn(row.product_id)
        number = row.trade_id
        if market is None or (market.number is not None and number <= market.number):
            return []
        event_ms = millis(row.time, "$.time")
        gap = market.jump(number)
        trade = self._trade(market, str(number), row.price, row.size, TAKER[row.side], event_ms, received_ms)
        if gap is None:
            return [trade] if trade is not None else []
        return [gap, trade] if trade is not None else [gap]

    def _others(self, frame: str, received_ms: int) -> list[Event]:
        other = _other(frame)
        if other.type in ("match", "last_match"):
            return self._trades(frame, received_ms)
        if other.type == "ticker":
            return self._tickers(frame, received_ms)
        if other.type == "heartbeat":
            return [Alive()]
        if other.type == "subscriptions":
            return self._confirmed(other.channels)
        if other.type == "error":
            return self._failed(other)
        return []

    def _confirmed(self, subscriptions: list[_Subscription]) -> list[Event]:
        has = {
            (CHANNELS[subscription.name], product)
            for subscription in subscriptions
            if subscription.name in CHANNELS
            for product in subscription.product_ids
        }
        granted = []
        for request in list(self._asked):
            for topic in list(self._asked[request]):
                if (topic.channel, self._symbol(topic.pair)) in has:
                    self._answered(request, topic)
                    granted.append(topic)
        return [Subscribed(tuple(granted))] if granted else []

    def _failed(self, other: _Other) -> list[Event]:
        """The oldest request is the one refused. Where the reason names its product, the rest is asked for again."""
        reason = spoken(f"{other.message}: {other.reason}" if other.reason else other.message)
        if not self._asked:
            return [Refused((), reason)]
        topics = self._asked.pop(next(iter(self._asked)))
        named = set(_PRODUCT.findall(other.reason))
        bad = [topic for topic in topics if self._symbol(topic.pair) in named]
        rest = [topic for topic in topics if topic not in bad]
        if self._beating in [topic.pair for topic in topics]:
            self._beating = None
        if not bad:
            return [Refused(tuple(topics), reason)]
        return [Refused(tuple(bad), reason), *(Answer(again) for again in self.subscribe(rest))]


STREAM = Stream(
    session=CoinbaseSession,
    channels=("ticker", "trades"),
    topics_a_connection=200,  # nothing is published; a connection that is read too slowly is closed
    frames_a_second=8.0,
    silent_s=10.0,
)
