"""Bybit v5 spot. https://bybit-exchange.github.io/docs/v5/market/tickers

`{retCode, retMsg, result, time}` with 200 for business errors; strings throughout, candles newest first, change as a
fraction.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply, text

STEPS = {
    **{str(n): n * MINUTE_MS for n in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": DAY_MS,
    "W": 7 * DAY_MS,
}


def naming(pair: Pair) -> str:
    return pair.base + pair.quote


def _error(code: int, message: str) -> SimReply:
    return reply({"retCode": code, "retMsg": message, "result": {}})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error(10006, "Too many visits. Exceeded the API Rate Limit.")
    return _error(10001, "Not supported symbols")


def _ok(call: Call, result: dict[str, Any]) -> SimReply:
    return reply({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": call.now_ms})


def _checked(call: Call, *, symbol: bool = True) -> Pair | SimReply | None:
    """The pair asked for (None where it may be left out and is), or the error for a wrong category or symbol."""
    if call.query.get("category") != "spot":
        return _error(10001, "params error: category invalid")
    name = call.query.get("symbol", "")
    if not name and not symbol:
        return None
    return call.view.find(name, naming) or ERROR("unknown_symbol")


def _row(pair: Pair, t: SimTicker) -> dict[str, str]:
    return {
        "symbol": naming(pair),
        "bid1Price": text(t.bid),
        "bid1Size": text(t.base_volume / 4000),
        "ask1Price": text(t.ask),
        "ask1Size": text(t.base_volume / 5000),
        "lastPrice": text(t.last),
        "prevPrice24h": text(t.open),
        "price24hPcnt": f"{t.change_pct / 100:.4f}",
        "highPrice24h": text(t.high),
        "lowPrice24h": text(t.low),
        "turnover24h": text(t.quote_volume),
        "volume24h": text(t.base_volume),
    }


def tickers(call: Call) -> SimReply:
    pair = _checked(call, symbol=False)
    if isinstance(pair, SimReply):
        return pair
    found = call.view.tickers(call.now_ms) if pair is None else [(pair, call.view.ticker(pair, call.now_ms))]
    return _ok(call, {"category": "spot", "list": [_row(p, t) for p, t in found]})


def kline(call: Call) -> SimReply:
    pair, step = _checked(call), STEPS.get(call.query.get("interval", ""))
    if isinstance(pair, SimReply):
        return pair
    if step is None or pair is None:
        return _error(10001, "Invalid period!")
    end = call.millis("end")
    limit = call.whole("limit", 200, 1, 1000)
    rows = window(call, pair, step, limit, call.millis("start"), None if end is None else end + 1)
    table = [
        [str(c.open_ms), *(text(v) for v in (c.open, c.high, c.low, c.close, c.volume, c.quote_volume))]
        for c in reversed(rows)
    ]
    return _ok(call, {"category": "spot", "symbol": naming(pair), "list": table})


def orderbook(call: Call) -> SimReply:
    pair = _checked(call)
    if isinstance(pair, SimReply) or pair is None:
        return pair or ERROR("unknown_symbol")
    book = call.view.book(pair, call.whole("limit", 1, 1, 200), call.now_ms)
    return _ok(
        call,
        {
            "s": naming(pair),
            "b": [[text(price), text(size)] for price, size in book.bids],
            "a": [[text(price), text(size)] for price, size in book.asks],
            "ts": call.now_ms,
            "u": call.now_ms // 20,
            "seq": call.now_ms,
            "cts": call.now_ms,
        },
    )


def recent_trade(call: Call) -> SimReply:
    pair = _checked(call)
    if isinstance(pair, SimReply) or pair is None:
        return pair or ERROR("unknown_symbol")
    rows = [
        {
            "execId": str(2_290_000_000_000 + t.id),
            "symbol": naming(pair),
            "price": text(t.price),
            "size": text(t.size),
            "side": t.side.capitalize(),
            "time": str(t.time_ms),
            "isBlockTrade": False,
            "isRPITrade": False,
        }
        for t in reversed(call.view.trades(pair, call.whole("limit", 60, 1, 60), call.now_ms))
    ]
    return _ok(call, {"category": "spot", "list": rows})


def instruments_info(call: Call) -> SimReply:
    asked = _checked(call, symbol=False)
    if isinstance(asked, SimReply):
        return asked
    rows = [
        {
            "symbol": naming(pair),
            "baseCoin": pair.base,
            "quoteCoin": pair.quote,
            "innovation": "0",
            "status": "Trading",
            "marginTrading": "utaOnly",
            "lotSizeFilter": {"basePrecision": "0.00000001", "quotePrecision": "0.00000001"},
            "priceFilter": {"tickSize": "0.00000001"},
        }
        for pair in (call.view.pairs() if asked is None else [asked])
    ]
    return _ok(call, {"category": "spot", "list": rows})


def time(call: Call) -> SimReply:
    return _ok(call, {"timeSecond": str(call.now_ms // 1000), "timeNano": str(call.now_ms * 1_000_000)})


ROUTES = {
    "/v5/market/tickers": Route(tickers, (Capability.QUOTES,)),
    "/v5/market/kline": Route(kline, (Capability.CANDLES,)),
    "/v5/market/orderbook": Route(orderbook, (Capability.BOOK,)),
    "/v5/market/recent-trade": Route(recent_trade, (Capability.TRADES,)),
    "/v5/market/instruments-info": Route(instruments_info, (Capability.INSTRUMENTS,)),
    "/v5/market/time": Route(time, ()),
}
