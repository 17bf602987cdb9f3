"""HTX (formerly Huobi). https://www.htx.com/en-us/opend/newApiPages/

Numbers are JSON numbers, small ones in exponent form; every error is a 200 with `status: error`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_ORIGIN_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply

STEPS = {
    **{f"{n}min": n * MINUTE_MS for n in (1, 5, 15, 30, 60)},
    "4hour": 4 * HOUR_MS,
    "1day": DAY_MS,
    "1week": 7 * DAY_MS,
    "1mon": 30 * DAY_MS,
    "1year": 365 * DAY_MS,
}
ORIGINS = {"1day": -8 * HOUR_MS, "1week": WEEK_ORIGIN_MS - 8 * HOUR_MS}
"""Days and weeks open at midnight in Singapore."""
DEPTHS = ("5", "10", "20")
WHOLE_BOOK = 150


def naming(pair: Pair) -> str:
    return (pair.base + pair.quote).lower()


def _error(code: str, message: str, now_ms: int | None = None) -> SimReply:
    stamp = {} if now_ms is None else {"ts": now_ms}
    return reply({**stamp, "status": "error", "err-code": code, "err-msg": message})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("too-many-requests", "exceeded the request limit")
    return _error("invalid-parameter", "invalid symbol")


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.query.get("symbol", ""), naming)


def _no_symbol(call: Call) -> SimReply:
    return _error("invalid-parameter", "invalid symbol", call.now_ms)


def day(t: SimTicker) -> dict[str, Any]:
    return {
        "open": t.open,
        "high": t.high,
        "low": t.low,
        "close": t.last,
        "amount": t.base_volume,
        "vol": t.quote_volume,
        "count": 1000 + int(t.quote_volume) % 90_000,
    }


def tickers(call: Call) -> SimReply:
    rows = [
        {
            "symbol": naming(pair),
            **day(t),
            "bid": t.bid,
            "bidSize": t.base_volume / 4000,
            "ask": t.ask,
            "askSize": t.base_volume / 5000,
        }
        for pair, t in call.view.tickers(call.now_ms)
    ]
    return reply({"status": "ok", "ts": call.now_ms, "data": rows})


def merged(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call)
    t = call.view.ticker(pair, call.now_ms)
    tick = {
        "id": call.now_ms // 10,
        "version": call.now_ms // 10,
        **day(t),
        "bid": [t.bid, t.base_volume / 4000],
        "ask": [t.ask, t.base_volume / 5000],
    }
    channel = f"market.{naming(pair)}.detail.merged"
    return reply({"ch": channel, "status": "ok", "ts": call.now_ms, "tick": tick})


def kline(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call)
    period = call.query.get("period", "")
    if period not in STEPS:
        return _error("invalid-parameter", "invalid period", call.now_ms)
    rows = window(
        call, pair, STEPS[period], call.whole("size", 150, 1, 2000), origin_ms=ORIGINS.get(period, 0)
    )
    data = [
        {
            "id": c.open_ms // 1000,
            "open": c.open,
            "close": c.close,
            "low": c.low,
            "high": c.high,
            "amount": c.volume,
            "vol": c.quote_volume,
            "count": c.trades,
        }
        for c in reversed(rows)
    ]
    channel = f"market.{naming(pair)}.kline.{period}"
    return reply({"ch": channel, "status": "ok", "ts": call.now_ms, "data": data})


def depth(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call)
    if call.query.get("type") not in {f"step{n}" for n in range(6)}:
        return _error("invalid-parameter", "invalid type", call.now_ms)
    asked = call.query.get("depth", "")
    book = call.view.book(pair, int(asked) if asked in DEPTHS else WHOLE_BOOK, call.now_ms)
    tick = {"ts": call.now_ms - 30, "version": call.now_ms // 10, "bids": book.bids, "asks": book.asks}
    channel = f"market.{naming(pair)}.depth.{call.query['type']}"
    return reply({"ch": channel, "status": "ok", "ts": call.now_ms, "tick": tick})


def history_trade(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call)
    rows = call.view.trades(pair, call.whole("size", 1, 1, 2000), call.now_ms)
    data = [
        {
            "id": t.id,
            "ts": t.time_ms,
            "data": [
                {
                    # The real trade id does not fit 64 bits either.
                    "id": msgspec.Raw(b"%d%013d" % (10_000_000_000 + t.id, t.time_ms)),
                    "ts": t.time_ms,
                    "trade-id": t.id,
                    "amount": t.size,
                    "price": t.price,
                    "direction": t.side,
                }
            ],
        }
        for t in reversed(rows)
    ]
    channel = f"market.{naming(pair)}.trade.detail"
    return reply({"ch": channel, "status": "ok", "ts": call.now_ms, "data": data})


def symbols(call: Call) -> SimReply:
    rows = [
        {
            "base-currency": pair.base.lower(),
            "quote-currency": pair.quote.lower(),
            "price-precision": 8,
            "amount-precision": 6,
            "symbol-partition": "main",
            "symbol": naming(pair),
            "state": "online",
            "value-precision": 8,
            "min-order-amt": 0.0001,
            "max-order-amt": 1_000_000_000,
            "min-order-value": 5,
            "api-trading": "enabled",
            "tags": "",
        }
        for pair in call.view.pairs()
    ]
    return reply({"status": "ok", "data": rows})


ROUTES = {
    "/market/tickers": Route(tickers, (Capability.QUOTES,)),
    "/market/detail/merged": Route(merged, (Capability.QUOTES,)),
    "/market/history/kline": Route(kline, (Capability.CANDLES,)),
    "/market/depth": Route(depth, (Capability.BOOK,)),
    "/market/history/trade": Route(history_trade, (Capability.TRADES,)),
    "/v1/common/symbols": Route(symbols, (Capability.INSTRUMENTS,)),
}
