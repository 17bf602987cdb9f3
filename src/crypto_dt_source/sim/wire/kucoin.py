"""KuCoin spot. https://www.kucoin.com/docs-new/rest/spot-trading/market-data

Every business error is a 200 with another `code`; candles are newest first with the close before the high.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply, text

STEPS = {
    **{f"{n}min": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}hour": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    "1day": DAY_MS,
    "1week": 7 * DAY_MS,
}
MOST_CANDLES = 1500
FEW_CANDLES = 100
"""Rows of an answer to a request without a range."""
FEE = "0.001"
PING_MS = 18_000


def naming(pair: Pair) -> str:
    return f"{pair.base}-{pair.quote}"


def _error(code: str, message: str) -> SimReply:
    return reply({"code": code, "msg": message})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("429000", "Too many requests in a short period of time, please retry later")
    return _error("400100", "This pair is not provided at present")


def _ok(data: Any) -> SimReply:
    return reply({"code": "200000", "data": data})


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.query.get("symbol", ""), naming)


def _stats(pair: Pair, t: SimTicker) -> dict[str, Any]:
    symbol = naming(pair)
    return {
        "symbol": symbol,
        "symbolName": symbol,
        "buy": text(t.bid),
        "bestBidSize": text(t.base_volume / 4000),
        "sell": text(t.ask),
        "bestAskSize": text(t.base_volume / 5000),
        "changeRate": f"{t.change_pct / 100:.4f}",
        "changePrice": text(t.last - t.open),
        "high": text(t.high),
        "low": text(t.low),
        "vol": text(t.base_volume),
        "volValue": text(t.quote_volume),
        "last": text(t.last),
        "averagePrice": text((t.high + t.low) / 2),
        "takerFeeRate": FEE,
        "makerFeeRate": FEE,
        "takerCoefficient": "1",
        "makerCoefficient": "1",
    }


def all_tickers(call: Call) -> SimReply:
    rows = [_stats(pair, ticker) for pair, ticker in call.view.tickers(call.now_ms)]
    return _ok({"time": call.now_ms, "ticker": rows})


def stats(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    row = _stats(pair, call.view.ticker(pair, call.now_ms))
    for name in ("symbolName", "bestBidSize", "bestAskSize"):
        del row[name]
    return _ok({"time": call.now_ms, **row})


def level1(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _ok(None)
    t = call.view.ticker(pair, call.now_ms)
    size = call.view.trades(pair, 1, call.now_ms)[0].size
    return _ok(
        {
            "time": call.now_ms,
            "sequence": str(call.now_ms),
            "price": text(t.last),
            "size": text(size),
            "bestBid": text(t.bid),
            "bestBidSize": text(t.base_volume / 4000),
            "bestAsk": text(t.ask),
            "bestAskSize": text(t.base_volume / 5000),
        }
    )


def candles(call: Call) -> SimReply:
    pair, step = _pair(call), STEPS.get(call.query.get("type", ""))
    if pair is None:
        return ERROR("unknown_symbol")
    if step is None:
        return _error("400100", "This type of Candlestick is currently not provided.")
    # endAt is not part of the answer, and 0 is the API's word for "not given". Weeks open on Thursday here.
    start, end = call.millis("startAt", 1000) or None, call.millis("endAt", 1000) or None
    limit = FEW_CANDLES if start is None and end is None else MOST_CANDLES
    rows = window(call, pair, step, limit, start, end, origin_ms=0)
    return _ok(
        [
            [
                str(c.open_ms // 1000),
                *(text(v) for v in (c.open, c.close, c.high, c.low, c.volume, c.quote_volume)),
            ]
            for c in reversed(rows)
        ]
    )


def histories(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    return _ok(
        [
            {
                "sequence": str(t.id),
                "price": text(t.price),
                "size": text(t.size),
                "side": t.side,
                "time": t.time_ms * 1_000_000 + 140_823,
            }
            for t in call.view.trades(pair, 100, call.now_ms)
        ]
    )


def _level2(call: Call, depth: int) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    book = call.view.book(pair, depth, call.now_ms)
    return _ok(
        {
            "time": call.now_ms,
            "sequence": str(call.now_ms),
            "bids": [[text(price), text(size)] for price, size in book.bids],
            "asks": [[text(price), text(size)] for price, size in book.asks],
        }
    )


def level2_20(call: Call) -> SimReply:
    return _level2(call, 20)


def level2_100(call: Call) -> SimReply:
    return _level2(call, 100)


def bullet_public(call: Call) -> SimReply:
    """The token request of a public socket, which is at the root below the provider's own path here."""
    host = call.headers.get("host", "localhost")
    server = {
        "endpoint": f"ws://{host}/{call.provider}/",
        "encrypt": False,
        "protocol": "websocket",
        "pingInterval": PING_MS,
        "pingTimeout": 10_000,
    }
    return _ok({"token": f"sim-{call.provider}-{call.now_ms}", "instanceServers": [server]})


def symbols(call: Call) -> SimReply:
    return _ok(
        [
            {
                "symbol": naming(pair),
                "name": naming(pair),
                "baseCurrency": pair.base,
                "quoteCurrency": pair.quote,
                "feeCurrency": pair.quote,
                "market": "USDS",
                "baseMinSize": "0.00001",
                "quoteMinSize": "0.1",
                "baseMaxSize": "10000000000",
                "quoteMaxSize": "99999999",
                "baseIncrement": "0.00000001",
                "quoteIncrement": "0.000001",
                "priceIncrement": "0.00000001",
                "priceLimitRate": "0.1",
                "minFunds": "0.1",
                "isMarginEnabled": False,
                "enableTrading": True,
            }
            for pair in call.view.pairs()
        ]
    )


ROUTES = {
    "/api/v1/market/allTickers": Route(all_tickers, (Capability.QUOTES,), lambda query: 15),
    "/api/v1/market/stats": Route(stats, (Capability.QUOTES,), lambda query: 15),
    "/api/v1/market/orderbook/level1": Route(level1, (Capability.QUOTES,), lambda query: 2),
    "/api/v1/market/candles": Route(candles, (Capability.CANDLES,), lambda query: 3),
    "/api/v1/market/histories": Route(histories, (Capability.TRADES,), lambda query: 3),
    "/api/v1/market/orderbook/level2_20": Route(level2_20, (Capability.BOOK,), lambda query: 2),
    "/api/v1/market/orderbook/level2_100": Route(level2_100, (Capability.BOOK,), lambda query: 4),
    "/api/v1/bullet-public": Route(bullet_public, (), lambda query: 10),
    "/api/v2/symbols": Route(symbols, (Capability.INSTRUMENTS,), lambda query: 4),
}
