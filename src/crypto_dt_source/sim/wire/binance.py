"""Binance spot. https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints

Numbers are strings with eight decimals; one unknown symbol fails a whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply

STEPS = {
    "1s": 1000,
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}
_TRADE_MS = 500


def naming(pair: Pair) -> str:
    return pair.base + pair.quote


def _decimals(value: float) -> str:
    return f"{value:.8f}" if value >= 1e-4 else f"{value:.12f}"


def _error(code: int, message: str, status: int = 400) -> SimReply:
    return reply({"code": code, "msg": message}, status)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error(
            -1003, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.", 429
        )
    return _error(-1121, "Invalid symbol.")


def _day(pair: Pair, t: SimTicker, now_ms: int) -> dict[str, Any]:
    count = 1000 + int(t.quote_volume) % 900_000
    return {
        "symbol": naming(pair),
        "priceChange": _decimals(t.last - t.open),
        "priceChangePercent": f"{t.change_pct:.3f}",
        "weightedAvgPrice": _decimals(t.quote_volume / t.base_volume),
        "prevClosePrice": _decimals(t.open),
        "lastPrice": _decimals(t.last),
        "lastQty": _decimals(t.base_volume / 90_000),
        "bidPrice": _decimals(t.bid),
        "bidQty": _decimals(t.base_volume / 4000),
        "askPrice": _decimals(t.ask),
        "askQty": _decimals(t.base_volume / 5000),
        "openPrice": _decimals(t.open),
        "highPrice": _decimals(t.high),
        "lowPrice": _decimals(t.low),
        "volume": _decimals(t.base_volume),
        "quoteVolume": _decimals(t.quote_volume),
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": now_ms // _TRADE_MS - count,
        "lastId": now_ms // _TRADE_MS - 1,
        "count": count,
    }


def _price(pair: Pair, t: SimTicker, now_ms: int) -> dict[str, Any]:
    return {"symbol": naming(pair), "price": _decimals(t.last)}


def _best(pair: Pair, t: SimTicker, now_ms: int) -> dict[str, Any]:
    row = _day(pair, t, now_ms)
    return {name: row[name] for name in ("symbol", "bidPrice", "bidQty", "askPrice", "askQty")}


def _symbols(query: Mapping[str, str]) -> list[str] | None:
    """The batch asked for by `symbols=["…"]`; empty for anything else in it, None without it."""
    if "symbols" not in query:
        return None
    try:
        return msgspec.json.decode(query["symbols"], type=list[str])
    except msgspec.DecodeError:
        return []


def _tickers(call: Call, row: Any) -> SimReply:
    now, view = call.now_ms, call.view
    if "symbol" in call.query:
        pair = view.find(call.query["symbol"], naming)
        return ERROR("unknown_symbol") if pair is None else reply(row(pair, view.ticker(pair, now), now))
    wanted = _symbols(call.query)
    if wanted is None:
        return reply([row(pair, ticker, now) for pair, ticker in view.tickers(now)])
    if not wanted:
        return _error(-1100, "Illegal characters found in parameter 'symbols'.")
    rows = []
    for symbol in wanted:
        pair = view.find(symbol, naming)
        if pair is None:
            return ERROR("unknown_symbol")
        rows.append(row(pair, view.ticker(pair, now), now))
    return reply(rows)


def ticker_24hr(call: Call) -> SimReply:
    return _tickers(call, _day)


def ticker_price(call: Call) -> SimReply:
    return _tickers(call, _price)


def book_ticker(call: Call) -> SimReply:
    return _tickers(call, _best)


def _wanted(call: Call) -> Pair | SimReply:
    symbol = call.query.get("symbol")
    if not symbol:
        return _error(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    return call.view.find(symbol, naming) or ERROR("unknown_symbol")


def klines(call: Call) -> SimReply:
    pair, step = _wanted(call), STEPS.get(call.query.get("interval", ""))
    if isinstance(pair, SimReply):
        return pair
    if step is None:
        return _error(-1120, "Invalid interval.")
    start, end = call.millis("startTime"), call.millis("endTime")
    limit = call.whole("limit", 500, 1, 1000)
    rows = window(call, pair, step, limit, start, None if end is None else end + 1, oldest=True)
    return reply(
        [
            [
                c.open_ms,
                *(_decimals(v) for v in (c.open, c.high, c.low, c.close, c.volume)),
                c.open_ms + step - 1,
                _decimals(c.quote_volume),
                c.trades,
                _decimals(c.volume * 0.49),
                _decimals(c.quote_volume * 0.49),
                "0",
            ]
            for c in rows
        ]
    )


def depth(call: Call) -> SimReply:
    pair = _wanted(call)
    if isinstance(pair, SimReply):
        return pair
    book = call.view.book(pair, call.whole("limit", 100, 1, 5000), call.now_ms)
    return reply(
        {
            "lastUpdateId": call.now_ms,
            "bids": [[_decimals(price), _decimals(size)] for price, size in book.bids],
            "asks": [[_decimals(price), _decimals(size)] for price, size in book.asks],
        }
    )


def trades(call: Call) -> SimReply:
    pair = _wanted(call)
    if isinstance(pair, SimReply):
        return pair
    return reply(
        [
            {
                "id": t.id,
                "price": _decimals(t.price),
                "qty": _decimals(t.size),
                "quoteQty": _decimals(t.price * t.size),
                "time": t.time_ms,
                "isBuyerMaker": t.side == "sell",
                "isBestMatch": True,
            }
            for t in call.view.trades(pair, call.whole("limit", 500, 1, 1000), call.now_ms)
        ]
    )


def exchange_info(call: Call) -> SimReply:
    return reply(
        {
            "timezone": "UTC",
            "serverTime": call.now_ms,
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
            ],
            "exchangeFilters": [],
            "symbols": [
                {
                    "symbol": naming(pair),
                    "status": "TRADING",
                    "baseAsset": pair.base,
                    "baseAssetPrecision": 8,
                    "quoteAsset": pair.quote,
                    "quotePrecision": 8,
                    "quoteAssetPrecision": 8,
                    "orderTypes": ["LIMIT", "MARKET"],
                    "isSpotTradingAllowed": True,
                    "filters": [],
                    "permissions": [],
                }
                for pair in call.view.pairs()
            ],
        }
    )


def ping(call: Call) -> SimReply:
    return reply({})


def time(call: Call) -> SimReply:
    return reply({"serverTime": call.now_ms})


def _batch(one: int, hundred: int, all_: int, query: Mapping[str, str]) -> int:
    if "symbol" in query:
        return one
    count = len(_symbols(query) or ()) or 1000
    return one if count <= 20 else hundred if count <= 100 else all_


def _day_weight(query: Mapping[str, str]) -> int:
    return _batch(2, 40, 80, query)


def _light_weight(query: Mapping[str, str]) -> int:
    return 2 if "symbol" in query else 4


def _depth_weight(query: Mapping[str, str]) -> int:
    text = query.get("limit", "100")
    limit = int(text) if text.isdecimal() else 100
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


ROUTES = {
    "/api/v3/ticker/24hr": Route(ticker_24hr, (Capability.QUOTES,), _day_weight),
    "/api/v3/ticker/price": Route(ticker_price, (Capability.QUOTES,), _light_weight),
    "/api/v3/ticker/bookTicker": Route(book_ticker, (Capability.QUOTES,), _light_weight),
    "/api/v3/klines": Route(klines, (Capability.CANDLES,), lambda query: 2),
    "/api/v3/depth": Route(depth, (Capability.BOOK,), _depth_weight),
    "/api/v3/trades": Route(trades, (Capability.TRADES,), lambda query: 25),
    "/api/v3/exchangeInfo": Route(exchange_info, (Capability.INSTRUMENTS,), lambda query: 20),
    "/api/v3/ping": Route(ping, ()),
    "/api/v3/time": Route(time, ()),
}
