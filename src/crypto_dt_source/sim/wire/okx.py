"""OKX v5 spot. https://www.okx.com/docs-v5/en/#order-book-trading-market-data

`{code, msg, data}` with 200 for business errors; all numbers are strings, candles newest first with a confirm flag.
Bars of six hours and more are cut by Hong Kong time unless their name ends in `utc`.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_ORIGIN_MS
from ...model.quote import Pair
from ..market import SimTicker
from . import Call, Route, SimReply, reply, text

HONG_KONG_MS = -8 * HOUR_MS
_LONG = {"6H": 6 * HOUR_MS, "12H": 12 * HOUR_MS, "1D": DAY_MS, "1W": 7 * DAY_MS}
BARS: dict[str, tuple[int, int]] = {
    **{f"{n}m": (n * MINUTE_MS, 0) for n in (1, 3, 5, 15, 30)},
    **{f"{n}H": (n * HOUR_MS, 0) for n in (1, 2, 4)},
    **{f"{name}utc": (step, WEEK_ORIGIN_MS if name == "1W" else 0) for name, step in _LONG.items()},
    **{name: (step, HONG_KONG_MS + (WEEK_ORIGIN_MS if name == "1W" else 0)) for name, step in _LONG.items()},
}
"""Length and origin of a bar in ms."""
RECENT_ROWS = 1440


def naming(pair: Pair) -> str:
    return f"{pair.base}-{pair.quote}"


def _error(code: str, message: str) -> SimReply:
    return reply({"code": code, "msg": message, "data": []})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("50011", "Too Many Requests")
    return _error("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def _ok(data: list[Any]) -> SimReply:
    return reply({"code": "0", "msg": "", "data": data})


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.query.get("instId", ""), naming)


def _row(pair: Pair, t: SimTicker, now_ms: int) -> dict[str, str]:
    return {
        "instType": "SPOT",
        "instId": naming(pair),
        "last": text(t.last),
        "lastSz": text(t.base_volume / 90_000),
        "askPx": text(t.ask),
        "askSz": text(t.base_volume / 5000),
        "bidPx": text(t.bid),
        "bidSz": text(t.base_volume / 4000),
        "open24h": text(t.open),
        "high24h": text(t.high),
        "low24h": text(t.low),
        "volCcy24h": text(t.quote_volume),
        "vol24h": text(t.base_volume),
        "ts": str(now_ms),
        "sodUtc0": text(t.open),
        "sodUtc8": text(t.open),
    }


def ticker(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    return _ok([_row(pair, call.view.ticker(pair, call.now_ms), call.now_ms)])


def tickers(call: Call) -> SimReply:
    if call.query.get("instType") != "SPOT":
        return (
            _ok([]) if call.query.get("instType") else _error("50014", "Parameter instType can not be empty")
        )
    return _ok([_row(pair, t, call.now_ms) for pair, t in call.view.tickers(call.now_ms)])


def _candles(call: Call, most: int, recent: int | None) -> SimReply:
    pair, bar = _pair(call), BARS.get(call.query.get("bar", "1m"))
    if pair is None:
        return ERROR("unknown_symbol")
    if bar is None:
        return _error("51000", "Parameter bar error")
    step, origin = bar
    # `after` asks for older, `before` for newer rows than its time; both leave that time out.
    after, before = call.millis("after"), call.millis("before")
    end = min(call.now_ms + 1, call.now_ms + 1 if after is None else after)
    limit = call.whole("limit", 100, 1, most)
    newest = (end - 1 - origin) // step * step + origin
    start = newest - (limit - 1) * step
    if before is not None:
        start = max(start, before + 1)
    if recent is not None:
        start = max(start, call.now_ms - recent * step)
    rows = call.view.candles(pair, step, start, end, origin_ms=origin)
    return _ok(
        [
            [
                str(c.open_ms),
                *(
                    text(v)
                    for v in (c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.quote_volume)
                ),
                "1" if c.open_ms + step <= call.now_ms else "0",
            ]
            for c in reversed(rows)
        ]
    )


def candles(call: Call) -> SimReply:
    return _candles(call, 300, RECENT_ROWS)


def history_candles(call: Call) -> SimReply:
    return _candles(call, 100, None)


def books(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    book = call.view.book(pair, call.whole("sz", 1, 1, 400), call.now_ms)
    return _ok(
        [
            {
                "asks": [[text(price), text(size), "0", "1"] for price, size in book.asks],
                "bids": [[text(price), text(size), "0", "1"] for price, size in book.bids],
                "ts": str(call.now_ms),
            }
        ]
    )


def trades(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    rows = call.view.trades(pair, call.whole("limit", 100, 1, 500), call.now_ms)
    return _ok(
        [
            {
                "instId": naming(pair),
                "side": t.side,
                "sz": text(t.size),
                "px": text(t.price),
                "tradeId": str(t.id),
                "ts": str(t.time_ms),
            }
            for t in reversed(rows)
        ]
    )


def instruments(call: Call) -> SimReply:
    if call.query.get("instType") != "SPOT":
        return (
            _ok([]) if call.query.get("instType") else _error("50014", "Parameter instType can not be empty")
        )
    return _ok(
        [
            {
                "instType": "SPOT",
                "instId": naming(pair),
                "uly": "",
                "instFamily": "",
                "baseCcy": pair.base,
                "quoteCcy": pair.quote,
                "settleCcy": "",
                "ctVal": "",
                "ctMult": "",
                "listTime": "1548133413000",
                "expTime": "",
                "tickSz": "0.00000001",
                "lotSz": "0.00000001",
                "minSz": "0.00001",
                "ctType": "",
                "alias": "",
                "state": "live",
            }
            for pair in call.view.pairs()
        ]
    )


def time(call: Call) -> SimReply:
    return _ok([{"ts": str(call.now_ms)}])


ROUTES = {
    "/api/v5/market/ticker": Route(ticker, (Capability.QUOTES,)),
    "/api/v5/market/tickers": Route(tickers, (Capability.QUOTES,)),
    "/api/v5/market/candles": Route(candles, (Capability.CANDLES,)),
    "/api/v5/market/history-candles": Route(history_candles, (Capability.CANDLES,)),
    "/api/v5/market/books": Route(books, (Capability.BOOK,)),
    "/api/v5/market/trades": Route(trades, (Capability.TRADES,)),
    "/api/v5/public/instruments": Route(instruments, (Capability.INSTRUMENTS,)),
    "/api/v5/public/time": Route(time, ()),
}
