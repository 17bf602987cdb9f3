"""OKX's public socket, v5. https://www.okx.com/docs-v5/en/#overview-websocket-subscribe

Each argument of a request is answered by itself; numbers and times are strings; the text `ping` gets the text `pong`.
"""

from __future__ import annotations

from typing import Any

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire import text
from ..wire.okx import naming
from ._wire import Knows, asked, frame, parted

CHANNELS: dict[str, Channel] = {"tickers": "ticker", "trades": "trades"}
CONNECTION = "a4d3ae55"


class OkxSim:
    """One client's connection to `/ws/v5/public`."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers subscribe and unsubscribe, once an argument, and ping."""
        if frame_ in ("ping", b"ping"):
            return ["pong"]
        request = asked(frame_)
        arguments = request.get("args") if request is not None else None
        op = request.get("op") if request is not None else None
        if request is None or op not in ("subscribe", "unsubscribe") or not isinstance(arguments, list):
            shown = frame_ if isinstance(frame_, str) else frame_.decode(errors="replace")
            number = request.get("id") if request is not None else None
            return [_error("60012", f"Invalid request: {shown}", number)]
        return [self._set(op, argument, request.get("id")) for argument in arguments]

    def _set(self, op: str, argument: Any, number: Any) -> str:
        argument = argument if isinstance(argument, dict) else {}
        channel, name = str(argument.get("channel")), str(argument.get("instId"))
        pair = parted(name, "-", self._knows)
        if pair is None or channel not in CHANNELS:
            words = (
                f"Wrong URL or channel:{channel},instId:{name} doesn't exist. Please use the correct URL, "
                "channel and parameters referring to API document."
            )
            return _error("60018", words, number)
        change = set.add if op == "subscribe" else set.discard
        change(self.topics, Topic(CHANNELS[channel], pair))
        answer = {"event": op, "arg": {"channel": channel, "instId": name}, "connId": CONNECTION}
        return frame(answer if number is None else {"id": number, **answer})

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A row of `tickers`; `number` is not in it."""
        row = {
            "instType": "SPOT",
            "instId": naming(pair),
            "last": text(ticker.last),
            "lastSz": text(ticker.base_volume / 90_000),
            "askPx": text(ticker.ask),
            "askSz": text(ticker.base_volume / 5000),
            "bidPx": text(ticker.bid),
            "bidSz": text(ticker.base_volume / 4000),
            "open24h": text(ticker.open),
            "high24h": text(ticker.high),
            "low24h": text(ticker.low),
            "sodUtc0": text(ticker.open),
            "sodUtc8": text(ticker.open),
            "volCcy24h": text(ticker.quote_volume),
            "vol24h": text(ticker.base_volume),
            "ts": str(now_ms),
        }
        return _push("tickers", pair, row)

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A row of `trades` whose id is `number`."""
        row = {
            "instId": naming(pair),
            "tradeId": str(number),
            "px": text(trade.price),
            "sz": text(trade.size),
            "side": trade.side,
            "ts": str(trade.time_ms),
            "count": "1",
            "source": "0",
            "seqId": now_ms,
        }
        return _push("trades", pair, row)

    def heartbeat(self, now_ms: int) -> Frame | None:
        """The client is the one to ping."""
        return None


def _push(channel: str, pair: Pair, row: dict[str, Any]) -> str:
    return frame({"arg": {"channel": channel, "instId": naming(pair)}, "data": [row]})


def _error(code: str, message: str, number: Any) -> str:
    answer = {"event": "error", "code": code, "msg": message, "connId": CONNECTION}
    return frame(answer if number is None else {"id": number, **answer})


SIM = SimStream(session=OkxSim)
