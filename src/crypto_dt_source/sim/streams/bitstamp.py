"""Bitstamp's socket. https://www.bitstamp.net/websocket/v2/

It acknowledges any well-spelled channel and stays silent on those of pairs it does not list.
"""

from __future__ import annotations

import re

from ...model.quote import Pair
from ...providers.streaming import Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire import text
from ..wire.bitstamp import naming
from ._wire import Knows, asked, frame, joined

PREFIX = "live_trades_"
MOST_FRAME = 512


def _error(message: str) -> str:
    return frame({"event": "bts:error", "channel": "", "data": {"code": None, "message": message}})


class BitstampSim:
    """One client's connection. Of the two channels the venue has only trades."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers subscribe, unsubscribe and heartbeat; anything else with an error."""
        request = asked(frame_)
        if request is None:
            return [_error("Incorrect JSON format.")]
        event, data = request.get("event"), request.get("data")
        if event == "bts:heartbeat":
            return [frame({"event": event, "channel": "", "data": {"status": "success"}})]
        channel = data.get("channel") if isinstance(data, dict) else None
        known = event in ("bts:subscribe", "bts:unsubscribe") and len(frame_) < MOST_FRAME
        if not known or not isinstance(channel, str):
            return [_error("Bad subscription string.")]
        if not re.fullmatch(r"[a-z0-9_-]+", channel):
            return [_error("Invalid channel provided.")]
        self._change(channel, event == "bts:subscribe")
        done = "subscription" if event == "bts:subscribe" else "unsubscription"
        return [frame({"event": f"bts:{done}_succeeded", "channel": channel, "data": {}})]

    def _change(self, channel: str, added: bool) -> None:
        name = channel.removeprefix(PREFIX).upper()
        pair = joined(name, self._knows) if channel.startswith(PREFIX) else None
        if pair is not None and added:
            self.topics.add(Topic("trades", pair))
        elif pair is not None:
            self.topics.discard(Topic("trades", pair))

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """The venue has none: the trade that made the ticker's price the last one."""
        size = max(ticker.base_volume / 86_400, 1e-8)
        return self.trade(pair, SimTrade(number, ticker.last, size, "buy", now_ms), now_ms, number)

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A frame of the `live_trades_…` channel."""
        order = trade.id * 1_000_000
        return frame(
            {
                "data": {
                    "id": trade.id,
                    "timestamp": str(trade.time_ms // 1000),
                    "amount": trade.size,
                    "amount_str": f"{trade.size:.8f}",
                    "price": trade.price,
                    "price_str": text(trade.price),
                    "type": 0 if trade.side == "buy" else 1,
                    "microtimestamp": str(trade.time_ms * 1000),
                    "buy_order_id": order + 1,
                    "sell_order_id": order + 2,
                },
                "channel": PREFIX + naming(pair),
                "event": "trade",
            }
        )

    def heartbeat(self, now_ms: int) -> Frame | None:
        """Nothing."""
        return None


SIM = SimStream(session=BitstampSim)
