"""Gate spot v4: bare arrays, no envelope. https://www.gate.com/docs/developers/apiv4/#spot"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply, text

STEPS = {
    "10s": 10_000,
    **{f"{n}m": n * MINUTE_MS for n in (1, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 4, 8)},
    "1d": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
}
MOST_CANDLES = 1000


def naming(pair: Pair) -> str:
    return f"{pair.base}_{pair.quote}"


def _error(label: str, message: str, status: int = 400) -> SimReply:
    return reply({"label": label, "message": message}, status)


def _no_pair(symbol: str) -> SimReply:
    return _error("INVALID_CURRENCY_PAIR", f"Invalid currency pair {symbol}")


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("TOO_MANY_REQUESTS", "Request Rate limit Exceeded", 429)
    return _no_pair("NO_PAIR")


def _asked(call: Call) -> tuple[str, Pair | None]:
    symbol = call.query.get("currency_pair", "")
    return symbol, call.view.find(symbol, naming)


def _ticker(pair: Pair, t: SimTicker) -> dict[str, Any]:
    return {
        "currency_pair": naming(pair),
        "last": text(t.last),
        "lowest_ask": text(t.ask),
        "lowest_size": text(t.base_volume / 5000),
        "highest_bid": text(t.bid),
        "highest_size": text(t.base_volume / 4000),
        "change_percentage": f"{t.change_pct:.2f}",
        "base_volume": text(t.base_volume),
        "quote_volume": text(t.quote_volume),
        "high_24h": text(t.high),
        "low_24h": text(t.low),
    }


def tickers(call: Call) -> SimReply:
    if "currency_pair" not in call.query:
        return reply([_ticker(pair, ticker) for pair, ticker in call.view.tickers(call.now_ms)])
    symbol, pair = _asked(call)
    if pair is None:
        return _no_pair(symbol)
    return reply([_ticker(pair, call.view.ticker(pair, call.now_ms))])


def candlesticks(call: Call) -> SimReply:
    symbol, pair = _asked(call)
    if pair is None:
        return _no_pair(symbol)
    step = STEPS.get(call.query.get("interval", "30m"))
    if step is None:
        return _error("INVALID_PARAM_VALUE", f"Invalid interval {call.query.get('interval')}")
    start, end = call.millis("from", 1000), call.millis("to", 1000)
    if start is None and end is None:
        rows = window(call, pair, step, call.whole("limit", 100, 1, MOST_CANDLES), origin_ms=0)
    elif "limit" in call.query:
        return _error("INVALID_PARAM_VALUE", "limit conflicts with from and to")
    else:
        end = call.now_ms if end is None else end
        start = end - 99 * step if start is None else start
        if (min(end, call.now_ms) - start) // step + 1 > MOST_CANDLES:
            message = "Candlestick range too broad. Maximum 1000 data points are allowed per request"
            return _error("INVALID_PARAM_VALUE", message)
        # `7d` counts from the epoch, a Thursday.
        rows = window(call, pair, step, MOST_CANDLES, start, end + 1, origin_ms=0)
    return reply(
        [
            [
                str(c.open_ms // 1000),
                *(text(v) for v in (c.quote_volume, c.close, c.high, c.low, c.open, c.volume)),
                "true" if c.open_ms + step <= call.now_ms else "false",
            ]
            for c in rows
        ]
    )


def order_book(call: Call) -> SimReply:
    symbol, pair = _asked(call)
    if pair is None:
        return _no_pair(symbol)
    book = call.view.book(pair, call.whole("limit", 10, 1, 1000), call.now_ms)
    shown: dict[str, Any] = {"current": call.now_ms, "update": call.now_ms - 5}
    if call.query.get("with_id") == "true":
        shown = {"id": call.now_ms, **shown}
    shown["asks"] = [[text(price), text(size)] for price, size in book.asks]
    shown["bids"] = [[text(price), text(size)] for price, size in book.bids]
    return reply(shown)


def trades(call: Call) -> SimReply:
    symbol, pair = _asked(call)
    if pair is None:
        return _no_pair(symbol)
    rows = call.view.trades(pair, call.whole("limit", 100, 1, 1000), call.now_ms)
    return reply(
        [
            {
                "id": str(t.id),
                "create_time": str(t.time_ms // 1000),
                "create_time_ms": f"{t.time_ms}.456000",
                "currency_pair": symbol,
                "side": t.side,
                "amount": text(t.size),
                "price": text(t.price),
                "sequence_id": str(t.id),
            }
            for t in reversed(rows)
        ]
    )


def currency_pairs(call: Call) -> SimReply:
    return reply(
        [
            {
                "id": naming(pair),
                "base": pair.base,
                "quote": pair.quote,
                "fee": "0.2",
                "min_base_amount": "0.0001",
                "min_quote_amount": "3",
                "amount_precision": 4,
                "precision": 6,
                "trade_status": "tradable",
                "sell_start": 0,
                "buy_start": 0,
            }
            for pair in call.view.pairs()
        ]
    )


ROUTES = {
    "/api/v4/spot/tickers": Route(tickers, (Capability.QUOTES,)),
    "/api/v4/spot/candlesticks": Route(candlesticks, (Capability.CANDLES,)),
    "/api/v4/spot/order_book": Route(order_book, (Capability.BOOK,)),
    "/api/v4/spot/trades": Route(trades, (Capability.TRADES,)),
    "/api/v4/spot/currency_pairs": Route(currency_pairs, (Capability.INSTRUMENTS,)),
}
