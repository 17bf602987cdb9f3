"""HTX's socket: every frame the venue sends is a gzip member. https://www.htx.com/en-us/opend/newApiPages/

Numbers are JSON numbers, small ones in exponent form.
"""

from __future__ import annotations

import gzip
from typing import Any

import msgspec

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire.htx import day, naming
from ._wire import Knows, asked, joined

PREFIX = "market."
ENDINGS: dict[str, Channel] = {".trade.detail": "trades", ".ticker": "ticker"}


def _packed(payload: Any) -> bytes:
    return gzip.compress(msgspec.json.encode(payload), compresslevel=6, mtime=0)


class HtxSim:
    """One client's connection."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers ping, sub and unsub."""
        request = asked(frame_)
        if request is None:
            return [self._error(None, "not json, is not json string", now_ms)]
        if "pong" in request:
            return []
        if "ping" in request:
            return [_packed({"pong": request["ping"]})]
        for key, answer in (("sub", "subbed"), ("unsub", "unsubbed")):
            if key in request:
                return [self._change(key, answer, request[key], request.get("id"), now_ms)]
        return [self._error(request.get("id"), "invalid request", now_ms)]

    def _change(self, key: str, answer: str, name: Any, number: Any, now_ms: int) -> Frame:
        topic = self._topic(str(name))
        if topic is None:
            return self._error(number, f"invalid topic {name}", now_ms)
        if key == "unsub" and topic not in self.topics:
            return self._error(number, f"unsub with not subbed topic {name}", now_ms)
        change = set.add if key == "sub" else set.discard
        change(self.topics, topic)
        return _packed({"id": number, "status": "ok", answer: name, "ts": now_ms})

    def _topic(self, name: str) -> Topic | None:
        for ending, channel in ENDINGS.items():
            if name.startswith(PREFIX) and name.endswith(ending):
                pair = joined(name[len(PREFIX) : -len(ending)].upper(), self._knows)
                return None if pair is None else Topic(channel, pair)
        return None

    def _error(self, number: Any, message: str, now_ms: int) -> Frame:
        return _packed(
            {"id": number, "status": "error", "err-code": "bad-request", "err-msg": message, "ts": now_ms}
        )

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A frame of `market.….ticker`."""
        tick = {
            **day(ticker),
            "bid": ticker.bid,
            "bidSize": ticker.base_volume / 4000,
            "ask": ticker.ask,
            "askSize": ticker.base_volume / 5000,
            "lastPrice": ticker.last,
            "lastSize": ticker.base_volume / 86_400,
        }
        return _packed({"ch": f"{PREFIX}{naming(pair)}.ticker", "ts": now_ms, "tick": tick})

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A frame of `market.….trade.detail`."""
        row = {
            # The real id does not fit 64 bits either.
            "id": msgspec.Raw(b"%d%013d" % (10_000_000_000 + trade.id, trade.time_ms)),
            "ts": trade.time_ms,
            "tradeId": trade.id,
            "amount": trade.size,
            "price": trade.price,
            "direction": trade.side,
        }
        tick = {"id": 100_000_000_000 + number, "ts": trade.time_ms, "data": [row]}
        return _packed({"ch": f"{PREFIX}{naming(pair)}.trade.detail", "ts": now_ms, "tick": tick})

    def heartbeat(self, now_ms: int) -> Frame | None:
        """The ping that is to be answered."""
        return _packed({"ping": now_ms})


SIM = SimStream(session=HtxSim, heartbeat_s=5)
