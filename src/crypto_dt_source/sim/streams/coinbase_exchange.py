"""Coinbase Exchange's feed. https://docs.cdp.coinbase.com/exchange/websocket-feed/channels

An unknown product refuses its request whole; `subscriptions` names all that the connection has. Numbers are strings, ids
and sequences are numbers, times are ISO 8601 with microseconds. A trade's `side` is the maker's.
"""

from __future__ import annotations

from typing import Any

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire import text
from ..wire.coinbase_exchange import naming
from ._wire import Knows, asked, frame, micros, parted, texts

CHANNELS: dict[str, Channel] = {"ticker": "ticker", "matches": "trades"}
HEARTBEAT = "heartbeat"
SEQUENCE = 5_000_000
"""Where a product's sequence begins: it counts orders too, so it is far beyond the trades."""


class CoinbaseSim:
    """One client's connection."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows
        self._beats: list[str] = []
        self._last: dict[Pair, int] = {}

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing: the venue waits for a subscription."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers `subscribe` and `unsubscribe`."""
        request = asked(frame_)
        if request is None:
            return [_error("Malformed JSON", None)]
        kind = request.get("type")
        if kind not in ("subscribe", "unsubscribe"):
            return [_error("Type has to be either subscribe or unsubscribe", None)]
        wanted = _wanted(request)
        if wanted is None:
            return [_error("Failed to subscribe", "channels is not valid")]
        changes: list[tuple[str, str, Pair]] = []
        for channel, product in wanted:
            pair = parted(product, "-", self._knows)
            if pair is None:
                return [_error("Failed to subscribe", f"{product} is not a valid product")]
            if channel not in CHANNELS and channel != HEARTBEAT:
                return [_error("Failed to subscribe", f"{channel} is not a valid channel")]
            changes.append((channel, product, pair))
        for channel, product, pair in changes:
            self._set(channel, product, pair, kind == "subscribe")
        return [self._subscriptions()]

    def _set(self, channel: str, product: str, pair: Pair, wanted: bool) -> None:
        if channel == HEARTBEAT:
            if product in self._beats:
                self._beats.remove(product)
            if wanted:
                self._beats.append(product)
        elif wanted:
            self.topics.add(Topic(CHANNELS[channel], pair))
        else:
            self.topics.discard(Topic(CHANNELS[channel], pair))

    def _subscriptions(self) -> str:
        channels = [
            {"name": name, "product_ids": products, "account_ids": None}
            for name, channel in CHANNELS.items()
            if (products := sorted(naming(topic.pair) for topic in self.topics if topic.channel == channel))
        ]
        if self._beats:
            channels.append({"name": HEARTBEAT, "product_ids": list(self._beats), "account_ids": None})
        return frame({"type": "subscriptions", "channels": channels})

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A `ticker` whose sequence moves with `number`."""
        return frame(
            {
                "type": "ticker",
                "sequence": SEQUENCE + 7 * number,
                "product_id": naming(pair),
                "price": text(ticker.last),
                "open_24h": text(ticker.open),
                "volume_24h": text(ticker.base_volume),
                "low_24h": text(ticker.low),
                "high_24h": text(ticker.high),
                "volume_30d": text(ticker.base_volume * 27),
                "best_bid": text(ticker.bid),
                "best_bid_size": text(ticker.base_volume / 4000),
                "best_ask": text(ticker.ask),
                "best_ask_size": text(ticker.base_volume / 5000),
                "side": "buy",
                "time": micros(now_ms),
                "trade_id": self._last.get(pair, 1),
                "last_size": text(ticker.base_volume / 90_000),
            }
        )

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A `match` whose id is `number`; the first of a pair is its `last_match`."""
        kind = "match" if pair in self._last else "last_match"
        self._last[pair] = number
        return frame(
            {
                "type": kind,
                "trade_id": number,
                "maker_order_id": f"27fff20b-af29-4f45-8744-{number:012x}",
                "taker_order_id": f"1da6ce16-c8da-4732-9f71-{number:012x}",
                "side": "sell" if trade.side == "buy" else "buy",
                "size": text(trade.size),
                "price": text(trade.price),
                "product_id": naming(pair),
                "sequence": SEQUENCE + 7 * number,
                "time": micros(trade.time_ms),
            }
        )

    def heartbeat(self, now_ms: int) -> Frame | None:
        """Of the product asked for last; None before one was."""
        if not self._beats:
            return None
        product = self._beats[-1]
        last = self._last.get(Pair(*product.split("-")), 0)
        return frame(
            {
                "type": HEARTBEAT,
                "last_trade_id": last,
                "product_id": product,
                "sequence": SEQUENCE + 7 * last,
                "time": micros(now_ms),
            }
        )


def _wanted(request: dict[str, Any]) -> list[tuple[str, str]] | None:
    """(channel, product) of a request: channels are names, or objects with products of their own."""
    shared = texts(request.get("product_ids", []))
    channels = request.get("channels")
    if shared is None or not isinstance(channels, list):
        return None
    wanted: list[tuple[str, str]] = []
    for channel in channels:
        if isinstance(channel, str):
            wanted += [(channel, product) for product in shared]
        elif isinstance(channel, dict) and isinstance(channel.get("name"), str):
            products = texts(channel.get("product_ids", shared))
            if products is None:
                return None
            wanted += [(channel["name"], product) for product in products]
        else:
            return None
    return wanted


def _error(message: str, reason: str | None) -> str:
    payload = {"type": "error", "message": message}
    return frame(payload if reason is None else payload | {"reason": reason})


SIM = SimStream(session=CoinbaseSim, heartbeat_s=1.0)
