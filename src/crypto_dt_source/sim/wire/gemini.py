"""Gemini. https://docs.gemini.com/rest/market-data

Candles come for a fixed stretch of time and nothing can be asked of it; symbols are joined, lower case.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from ..windows import candles as window
from . import Call, Route, SimReply, reply, text

FRAMES: dict[str, tuple[int, int]] = {
    "1m": (MINUTE_MS, 1440),
    "5m": (5 * MINUTE_MS, 1440),
    "15m": (15 * MINUTE_MS, 1344),
    "30m": (30 * MINUTE_MS, 1344),
    "1hr": (HOUR_MS, 1440),
    "6hr": (6 * HOUR_MS, 1460),
    "1day": (DAY_MS, 365),
}
"""Length of a candle, and how many the API answers with (the stretches are not published; these are near them)."""


PERPETUALS = (Pair("BTC", "USD"), Pair("ETH", "USD"))
"""Pairs that also have a perpetual contract, which stands in the same lists."""


def naming(pair: Pair) -> str:
    return (pair.base + pair.quote).lower()


def _error(reason: str, message: str, status: int = 400) -> SimReply:
    return reply({"result": "error", "reason": reason, "message": message}, status)


def _no_symbol(symbol: str) -> SimReply:
    return _error("InvalidSymbol", f"Supplied value '{symbol}' is not a valid symbol")


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("RateLimit", "Requests were made too frequently", 429)
    return _no_symbol("nosuch")


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.path["symbol"].lower(), naming)


def symbols(call: Call) -> SimReply:
    return reply(
        [
            *(naming(pair) for pair in call.view.pairs()),
            *(f"{pair.base.lower()}gusdperp" for pair in PERPETUALS),
        ]
    )


def _details(pair: Pair) -> dict[str, Any]:
    return {
        "symbol": naming(pair).upper(),
        "base_currency": pair.base,
        "quote_currency": pair.quote,
        "tick_size": 1e-8,
        "quote_increment": 0.01,
        "min_order_size": "0.00001",
        "status": "open",
        "wrap_enabled": False,
        "product_type": "spot",
        "contract_type": "vanilla",
        "contract_price_currency": pair.quote,
    }


def _perpetual(base: str) -> dict[str, Any]:
    return {
        **_details(Pair(base, "GUSD")),
        "symbol": f"{base}GUSDPERP",
        "product_type": "swap",
        "contract_type": "linear",
    }


def all_details(call: Call) -> SimReply:
    rows = [_details(pair) for pair in call.view.pairs()]
    return reply([*rows, *(_perpetual(pair.base) for pair in PERPETUALS)])


def details(call: Call) -> SimReply:
    pair = _pair(call)
    return _no_symbol(call.path["symbol"]) if pair is None else reply(_details(pair))


def pubticker(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call.path["symbol"])
    t = call.view.ticker(pair, call.now_ms)
    return reply(
        {
            "bid": text(t.bid),
            "ask": text(t.ask),
            "volume": {
                pair.base: text(t.base_volume),
                pair.quote: text(t.quote_volume),
                "timestamp": call.now_ms // 1000 * 1000,
            },
            "last": text(t.last),
        }
    )


def ticker_v2(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call.path["symbol"])
    t = call.view.ticker(pair, call.now_ms)
    hours = [call.view.price(pair, call.now_ms - n * HOUR_MS) for n in range(24)]
    return reply(
        {
            "symbol": naming(pair).upper(),
            "open": text(t.open),
            "high": text(t.high),
            "low": text(t.low),
            "close": text(t.last),
            "changes": [text(price) for price in hours],
            "bid": text(t.bid),
            "ask": text(t.ask),
        }
    )


def pricefeed(call: Call) -> SimReply:
    rows = []
    for pair, t in call.view.tickers(call.now_ms):
        row = {
            "pair": naming(pair).upper(),
            "price": text(t.last),
            "percentChange24h": f"{t.change_pct / 100:.4f}",
        }
        rows.append(row)
        if pair in PERPETUALS:
            rows.append({**row, "pair": f"{pair.base}GUSDPERP"})
    return reply(rows)


def candles(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call.path["symbol"])
    frame = FRAMES.get(call.path["frame"])
    if frame is None:
        return _error("InvalidTimeInterval", f"Unknown time frame '{call.path['frame']}'")
    rows = window(call, pair, *frame)
    return reply([[c.open_ms, c.open, c.high, c.low, c.close, c.volume] for c in reversed(rows)])


def book(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call.path["symbol"])
    # A limit of 0 is the API's word for the whole book.
    wanted = [call.whole(name, 50, 0, 500) or 500 for name in ("limit_bids", "limit_asks")]
    sides = call.view.book(pair, max(wanted), call.now_ms)
    stamp = str(call.now_ms // 1000)

    def rows(levels: list[tuple[float, float]], count: int) -> list[dict[str, Any]]:
        return [
            {"price": text(price), "amount": text(size), "timestamp": stamp} for price, size in levels[:count]
        ]

    return reply({"bids": rows(sides.bids, wanted[0]), "asks": rows(sides.asks, wanted[1])})


def trades(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_symbol(call.path["symbol"])
    rows = call.view.trades(pair, call.whole("limit_trades", 50, 1, 500), call.now_ms)
    return reply(
        [
            {
                "timestamp": t.time_ms // 1000,
                "timestampms": t.time_ms,
                "tid": t.id,
                "price": text(t.price),
                "amount": text(t.size),
                "exchange": "gemini",
                "type": t.side,
            }
            for t in reversed(rows)
        ]
    )


ROUTES = {
    "/v1/symbols": Route(symbols, (Capability.INSTRUMENTS,)),
    "/v1/symbols/details/all": Route(all_details, (Capability.INSTRUMENTS,)),
    "/v1/symbols/details/{symbol}": Route(details, (Capability.INSTRUMENTS,)),
    "/v1/pubticker/{symbol}": Route(pubticker, (Capability.QUOTES,)),
    "/v2/ticker/{symbol}": Route(ticker_v2, (Capability.QUOTES,)),
    "/v1/pricefeed": Route(pricefeed, (Capability.QUOTES,)),
    "/v2/candles/{symbol}/{frame}": Route(candles, (Capability.CANDLES,)),
    "/v1/book/{symbol}": Route(book, (Capability.BOOK,)),
    "/v1/trades/{symbol}": Route(trades, (Capability.TRADES,)),
}
