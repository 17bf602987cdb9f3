"""Bybit's public spot socket, v5. https://bybit-exchange.github.io/docs/v5/ws/connect

Ten topics a request; one unknown symbol refuses it whole. Tickers are whole and without bid and ask; numbers are strings.
"""

from __future__ import annotations

from typing import Any

from ...model.quote import Pair
from ...providers.streaming import Channel, Topic
from ..streaming import Frame, SimStream
from ..venue import SimTicker, SimTrade
from ..wire import text
from ..wire.bybit import naming
from ._wire import Knows, asked, frame, joined, texts

CHANNELS: dict[str, Channel] = {"tickers": "ticker", "publicTrade": "trades"}
CONNECTION = "2324d924-aa4d-45b0-a858-7b8be29ab52b"
MOST_TOPICS = 10
FIRST_ID = 2_290_000_000_000_000_000
"""Trade ids of spot have nineteen digits."""


class BybitSim:
    """One client's connection to `/v5/public/spot`."""

    def __init__(self, knows: Knows) -> None:
        self.topics: set[Topic] = set()
        self._knows = knows

    def opened(self, now_ms: int) -> list[Frame]:
        """Nothing."""
        return []

    def received(self, frame_: Frame, now_ms: int) -> list[Frame]:
        """Answers subscribe, unsubscribe and ping."""
        request = asked(frame_)
        if request is None:
            return [_answer(False, "error:invalid json", "", "")]
        op, number = str(request.get("op", "")), str(request.get("req_id", ""))
        if op == "ping":
            return [_answer(True, "pong", number, op)]
        names = texts(request.get("args"))
        if op not in ("subscribe", "unsubscribe") or names is None:
            return [_answer(False, "error:invalid op", number, op)]
        if len(names) > MOST_TOPICS:
            return [_answer(False, f"args size >{MOST_TOPICS}", number, op)]
        topics = []
        for name in names:
            channel, _, symbol = name.partition(".")
            pair = joined(symbol, self._knows)
            if channel not in CHANNELS:
                return [_answer(False, f"error:handler not found,topic:{name}", number, op)]
            if pair is None:
                return [_answer(False, f"Invalid symbol :[{name}]", number, op)]
            topics.append(Topic(CHANNELS[channel], pair))
        change = self.topics.update if op == "subscribe" else self.topics.difference_update
        change(topics)
        return [_answer(True, op, number, op)]

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A snapshot of `tickers`; `cs` is a sequence across symbols and says nothing of one."""
        data = {
            "symbol": naming(pair),
            "lastPrice": text(ticker.last),
            "highPrice24h": text(ticker.high),
            "lowPrice24h": text(ticker.low),
            "prevPrice24h": text(ticker.open),
            "volume24h": text(ticker.base_volume),
            "turnover24h": text(ticker.quote_volume),
            "price24hPcnt": f"{ticker.change_pct / 100:.4f}",
            "usdIndexPrice": "",
        }
        return frame(
            {
                "topic": f"tickers.{naming(pair)}",
                "ts": now_ms,
                "type": "snapshot",
                "cs": now_ms * 10 + number % 10,
                "data": data,
            }
        )

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A `publicTrade` whose id grows with `number`."""
        row = {
            "i": str(FIRST_ID + number),
            "T": trade.time_ms,
            "p": text(trade.price),
            "v": text(trade.size),
            "S": trade.side.capitalize(),
            "seq": now_ms,
            "s": naming(pair),
            "BT": False,
            "RPI": False,
        }
        return frame(
            {"topic": f"publicTrade.{naming(pair)}", "ts": now_ms, "type": "snapshot", "data": [row]}
        )

    def heartbeat(self, now_ms: int) -> Frame | None:
        """The client is the one to ping."""
        return None


def _answer(success: bool, words: str, number: str, op: str) -> str:
    payload: dict[str, Any] = {
        "success": success,
        "ret_msg": words,
        "conn_id": CONNECTION,
        "req_id": number,
        "op": op,
    }
    return frame(payload)


SIM = SimStream(session=BybitSim)
