"""MEXC spot. https://www.mexc.com/api-docs/spot-v3/market-data-endpoints

Binance's paths with differences: `60m`, eight kline columns, change as a fraction, null counts and trade ids, and an
empty list for the candles or trades of an unknown symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply, text

STEPS = {
    **{f"{n}m": n * MINUTE_MS for n in (1, 5, 15, 30, 60)},
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
    "1W": 7 * DAY_MS,
}


def naming(pair: Pair) -> str:
    return pair.base + pair.quote


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply({"code": 429, "msg": "Too Many Requests"}, 429)
    return reply({"code": -1121, "msg": "Invalid symbol."}, 400)


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.query.get("symbol", ""), naming)


def _day(pair: Pair, t: SimTicker, now_ms: int) -> dict[str, Any]:
    return {
        "symbol": naming(pair),
        "priceChange": text(t.last - t.open),
        "priceChangePercent": f"{t.change_pct / 100:.8f}",
        "prevClosePrice": text(t.open),
        "lastPrice": text(t.last),
        "bidPrice": text(t.bid),
        "bidQty": "",
        "askPrice": text(t.ask),
        "askQty": "",
        "openPrice": text(t.open),
        "highPrice": text(t.high),
        "lowPrice": text(t.low),
        "volume": text(t.base_volume),
        "quoteVolume": text(t.quote_volume),
        "openTime": now_ms - now_ms % DAY_MS,
        "closeTime": now_ms,
        "count": None,
    }


def ticker_24hr(call: Call) -> SimReply:
    now = call.now_ms
    if "symbol" not in call.query:
        return reply([_day(pair, ticker, now) for pair, ticker in call.view.tickers(now)])
    pair = _pair(call)
    return ERROR("unknown_symbol") if pair is None else reply(_day(pair, call.view.ticker(pair, now), now))


def ticker_price(call: Call) -> SimReply:
    now = call.now_ms
    if "symbol" not in call.query:
        return reply([{"symbol": naming(p), "price": text(t.last)} for p, t in call.view.tickers(now)])
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    return reply({"symbol": naming(pair), "price": text(call.view.ticker(pair, now).last)})


def klines(call: Call) -> SimReply:
    pair, step = _pair(call), STEPS.get(call.query.get("interval", ""))
    if step is None:
        return reply({"code": -1121, "msg": "Invalid interval."}, 400)
    if pair is None:
        return reply([])
    start, end = call.millis("startTime"), call.millis("endTime")
    limit = call.whole("limit", 500, 1, 1000)
    rows = window(call, pair, step, limit, start, None if end is None else end + 1, oldest=True)
    return reply(
        [
            [
                c.open_ms,
                *(text(v) for v in (c.open, c.high, c.low, c.close, c.volume)),
                c.open_ms + step,
                text(c.quote_volume),
            ]
            for c in rows
        ]
    )


def depth(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    book = call.view.book(pair, call.whole("limit", 100, 1, 5000), call.now_ms)
    return reply(
        {
            "lastUpdateId": call.now_ms,
            "bids": [[text(price), text(size)] for price, size in book.bids],
            "asks": [[text(price), text(size)] for price, size in book.asks],
            "timestamp": call.now_ms,
        }
    )


def trades(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return reply([])
    rows = call.view.trades(pair, call.whole("limit", 500, 1, 1000), call.now_ms)
    return reply(
        [
            {
                "id": None,
                "price": text(t.price),
                "qty": text(t.size),
                "quoteQty": text(t.price * t.size),
                "time": t.time_ms,
                "isBuyerMaker": t.side == "sell",
                "isBestMatch": True,
                "tradeType": "ASK" if t.side == "sell" else "BID",
            }
            for t in reversed(rows)
        ]
    )


def exchange_info(call: Call) -> SimReply:
    return reply(
        {
            "timezone": "CST",
            "serverTime": call.now_ms,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [
                {
                    "symbol": naming(pair),
                    "status": "1",
                    "baseAsset": pair.base,
                    "baseAssetPrecision": 8,
                    "quoteAsset": pair.quote,
                    "quotePrecision": 8,
                    "quoteAssetPrecision": 8,
                    "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
                    "isSpotTradingAllowed": True,
                    "isMarginTradingAllowed": False,
                    "permissions": ["SPOT"],
                    "filters": [],
                    "fullName": pair.base,
                }
                for pair in call.view.pairs()
            ],
        }
    )


def _day_weight(query: Mapping[str, str]) -> int:
    return 1 if "symbol" in query else 40


def _price_weight(query: Mapping[str, str]) -> int:
    return 1 if "symbol" in query else 2


ROUTES = {
    "/api/v3/ticker/24hr": Route(ticker_24hr, (Capability.QUOTES,), _day_weight),
    "/api/v3/ticker/price": Route(ticker_price, (Capability.QUOTES,), _price_weight),
    "/api/v3/klines": Route(klines, (Capability.CANDLES,), lambda query: 1),
    "/api/v3/depth": Route(depth, (Capability.BOOK,), lambda query: 1),
    "/api/v3/trades": Route(trades, (Capability.TRADES,), lambda query: 5),
    "/api/v3/exchangeInfo": Route(exchange_info, (Capability.INSTRUMENTS,), lambda query: 10),
}
