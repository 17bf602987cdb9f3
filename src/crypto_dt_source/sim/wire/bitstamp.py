"""Bitstamp v2: joined lower-case pairs, every number a string. https://www.bitstamp.net/api/"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply, text

STEPS_S = (60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 259200)
BOOK_LEVELS = 100
SPANS_S = {"minute": 60, "hour": 3600, "day": 86_400}


def naming(pair: Pair) -> str:
    return (pair.base + pair.quote).lower()


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        body = {"status": "error", "reason": "Rate limit exceeded.", "response_code": "400.002"}
        return reply(body, 429)
    # An unknown pair is an unknown path to this API: its web server's page, not JSON.
    return SimReply(
        b"<!DOCTYPE html><html><head><title>404</title></head><body>Page not found</body></html>",
        404,
        content_type="text/html; charset=utf-8",
    )


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.path.get("pair", ""), naming)


def _ticker(t: SimTicker, now_ms: int) -> dict[str, Any]:
    return {
        "timestamp": str(now_ms // 1000),
        "open": text(t.open),
        "high": text(t.high),
        "low": text(t.low),
        "last": text(t.last),
        "volume": f"{t.base_volume:.8f}",
        "vwap": text(t.quote_volume / t.base_volume),
        "bid": text(t.bid),
        "ask": text(t.ask),
        "side": "0",
        "open_24": text(t.open),
        "percent_change_24": f"{t.change_pct:.2f}",
    }


def tickers(call: Call) -> SimReply:
    return reply(
        [
            {**_ticker(t, call.now_ms), "pair": f"{pair.base}/{pair.quote}", "market_type": "SPOT"}
            for pair, t in call.view.tickers(call.now_ms)
        ]
    )


def ticker(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    return reply(_ticker(call.view.ticker(pair, call.now_ms), call.now_ms))


def ohlc(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    step_s = call.whole("step", 0, 0)
    if step_s not in STEPS_S or "limit" not in call.query:
        return reply({"code": "Missing or invalid step or limit", "errors": [{"field": "step"}]}, 400)
    start, end = call.millis("start", 1000), call.millis("end", 1000)
    # With both sides given the end counts: the newest rows up to it, the start is not looked at.
    rows = window(
        call,
        pair,
        step_s * 1000,
        call.whole("limit", 1000, 1, 1000),
        start if end is None else None,
        None if end is None else end + 1,
        oldest=end is None,
    )
    shown = [
        {
            "timestamp": str(c.open_ms // 1000),
            "open": text(c.open),
            "high": text(c.high),
            "low": text(c.low),
            "close": text(c.close),
            "volume": f"{c.volume:.8f}",
        }
        for c in rows
    ]
    return reply({"data": {"pair": f"{pair.base}/{pair.quote}", "ohlc": shown}})


def order_book(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    book = call.view.book(pair, BOOK_LEVELS, call.now_ms)
    return reply(
        {
            "timestamp": str(call.now_ms // 1000),
            "microtimestamp": str(call.now_ms * 1000),
            "bids": [[text(price), f"{size:.8f}"] for price, size in book.bids],
            "asks": [[text(price), f"{size:.8f}"] for price, size in book.asks],
        }
    )


def transactions(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    since = call.now_ms - SPANS_S.get(call.query.get("time", "hour"), 3600) * 1000
    rows = call.view.trades(pair, 1000, call.now_ms)
    return reply(
        [
            {
                "date": str(t.time_ms // 1000),
                "tid": str(t.id),
                "amount": f"{t.size:.8f}",
                "type": "0" if t.side == "buy" else "1",
                "price": text(t.price),
            }
            for t in reversed(rows)
            if t.time_ms >= since
        ]
    )


def trading_pairs_info(call: Call) -> SimReply:
    names = {asset.ticker: asset.name for asset in call.market.assets.values()}
    return reply(
        [
            {
                "base_decimals": 8,
                "counter_decimals": 8,
                "description": f"{names[pair.base]} / {names[pair.quote]}",
                "instant_and_market_orders": "Enabled",
                "instant_order_counter_decimals": 8,
                "minimum_order": f"10.0 {pair.quote}",
                "name": f"{pair.base}/{pair.quote}",
                "trading": "Enabled",
                "url_symbol": naming(pair),
            }
            for pair in call.view.pairs()
        ]
    )


ROUTES = {
    "/api/v2/ticker/": Route(tickers, (Capability.QUOTES,)),
    "/api/v2/ticker/{pair}/": Route(ticker, (Capability.QUOTES,)),
    "/api/v2/ohlc/{pair}/": Route(ohlc, (Capability.CANDLES,)),
    "/api/v2/order_book/{pair}/": Route(order_book, (Capability.BOOK,)),
    "/api/v2/transactions/{pair}/": Route(transactions, (Capability.TRADES,)),
    "/api/v2/trading-pairs-info/": Route(trading_pairs_info, (Capability.INSTRUMENTS,)),
}
