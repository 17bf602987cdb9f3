"""Crypto.com Exchange v1. https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html

One-letter keys, strings for numbers, perpetuals (`BTCUSD-PERP`) in the same lists as spot pairs (`BTC_USD`).
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply, text

_FRAMES = (
    *((f"{n}m", f"M{n}", n * MINUTE_MS) for n in (1, 5, 15, 30)),
    *((f"{n}h", f"H{n}", n * HOUR_MS) for n in (1, 2, 4, 6, 12)),
    ("1D", "D1", DAY_MS),
    ("7D", "7D", 7 * DAY_MS),
    ("14D", "14D", 14 * DAY_MS),
    ("1M", "1M", 30 * DAY_MS),
)
STEPS = {name: step for new, old, step in _FRAMES for name in (new, old)}
PERPETUAL_BASES = ("BTC", "ETH", "SOL")
MOST_CANDLES = 300
NO_INSTRUMENT = 40004


def naming(pair: Pair) -> str:
    return f"{pair.base}_{pair.quote}"


def _error(method: str, code: int, message: str, status: int) -> SimReply:
    return reply({"id": -1, "method": f"public/{method}", "code": code, "message": message}, status)


def _no_instrument(method: str) -> SimReply:
    return _error(method, NO_INSTRUMENT, "Invalid instrument_name", 400)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("get-tickers", 42901, "RATE_LIMIT", 200)
    return _no_instrument("get-tickers")


def _ok(method: str, result: dict[str, Any]) -> SimReply:
    return reply({"id": -1, "method": f"public/{method}", "code": 0, "result": result})


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.query.get("instrument_name", ""), naming)


def _ticker(name: str, t: SimTicker, now_ms: int) -> dict[str, Any]:
    return {
        "i": name,
        "h": text(t.high),
        "l": text(t.low),
        "a": text(t.last),
        "v": text(t.base_volume),
        "vv": f"{t.quote_volume:.2f}",
        "oi": "0",
        "c": f"{t.change_pct / 100:.4f}",
        "b": text(t.bid),
        "k": text(t.ask),
        "t": now_ms,
    }


def get_tickers(call: Call) -> SimReply:
    now = call.now_ms
    if "instrument_name" in call.query:
        pair = _pair(call)
        if pair is None:
            return _no_instrument("get-tickers")
        rows = [_ticker(naming(pair), call.view.ticker(pair, now), now)]
    else:
        rows = []
        for pair, t in call.view.tickers(now):
            rows.append(_ticker(naming(pair), t, now))
            if pair.quote == "USD" and pair.base in PERPETUAL_BASES:
                rows.append({**rows[-1], "i": f"{pair.base}USD-PERP", "oi": "12345.12"})
    return _ok("get-tickers", {"data": rows})


def get_candlestick(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_instrument("get-candlestick")
    frame = call.query.get("timeframe", "M5")
    step = STEPS.get(frame)
    if step is None:
        return _error("get-candlestick", 40004, "Invalid timeframe", 400)
    rows = window(
        call,
        pair,
        step,
        call.whole("count", 25, 1, MOST_CANDLES),
        call.millis("start_ts"),
        call.millis("end_ts"),
    )
    data = [
        {
            "o": text(c.open),
            "h": text(c.high),
            "l": text(c.low),
            "c": text(c.close),
            "v": text(c.volume),
            "t": c.open_ms,
        }
        for c in rows
    ]
    return _ok("get-candlestick", {"instrument_name": naming(pair), "interval": frame, "data": data})


def get_book(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_instrument("get-book")
    depth = call.whole("depth", 50, 1, 150)
    book = call.view.book(pair, depth, call.now_ms)
    shown = {
        "asks": [[text(price), text(size), "1"] for price, size in book.asks],
        "bids": [[text(price), text(size), "1"] for price, size in book.bids],
        "t": call.now_ms,
    }
    return _ok("get-book", {"instrument_name": naming(pair), "depth": depth, "data": [shown]})


def get_trades(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return _no_instrument("get-trades")
    rows = call.view.trades(pair, call.whole("count", 25, 1, 150), call.now_ms)
    data = [
        {
            "d": str(t.id),
            "t": t.time_ms,
            "tn": f"{t.time_ms}523623",
            "q": text(t.size),
            "p": text(t.price),
            "s": t.side.upper(),
            "i": naming(pair),
        }
        for t in reversed(rows)
    ]
    return _ok("get-trades", {"data": data})


def _instrument(pair: Pair, perpetual: bool) -> dict[str, Any]:
    symbol = f"{pair.base}USD-PERP" if perpetual else naming(pair)
    return {
        "symbol": symbol,
        "inst_type": "PERPETUAL_SWAP" if perpetual else "CCY_PAIR",
        "display_name": f"{pair.base}USD Perpetual" if perpetual else f"{pair.base}/{pair.quote}",
        "base_ccy": pair.base,
        "quote_ccy": pair.quote,
        "quote_decimals": 8,
        "quantity_decimals": 5,
        "price_tick_size": "0.00000001",
        "qty_tick_size": "0.00001",
        "max_leverage": "50",
        "tradable": True,
        "expiry_timestamp_ms": 0,
    }


def get_instruments(call: Call) -> SimReply:
    pairs = call.view.pairs()
    rows = [_instrument(pair, False) for pair in pairs]
    rows += [
        _instrument(pair, True) for pair in pairs if pair.quote == "USD" and pair.base in PERPETUAL_BASES
    ]
    return _ok("get-instruments", {"data": rows})


_BASE = "/exchange/v1/public"
ROUTES = {
    f"{_BASE}/get-tickers": Route(get_tickers, (Capability.QUOTES,)),
    f"{_BASE}/get-candlestick": Route(get_candlestick, (Capability.CANDLES,)),
    f"{_BASE}/get-book": Route(get_book, (Capability.BOOK,)),
    f"{_BASE}/get-trades": Route(get_trades, (Capability.TRADES,)),
    f"{_BASE}/get-instruments": Route(get_instruments, (Capability.INSTRUMENTS,)),
}
