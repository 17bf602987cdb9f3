"""Bitfinex v2: positional arrays. https://docs.bitfinex.com/reference/rest-public-tickers

`ALL` also holds funding rows (another layout) and derivatives, which a client has to tell apart.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from ..windows import candles as window
from . import Call, Route, SimReply, reply

NAMES = {
    "USDT": "UST",
    "USDC": "UDC",
    "TUSD": "TSD",
    "ALGO": "ALG",
    "ATOM": "ATO",
    "DASH": "DSH",
    "MANA": "MNA",
}
STEPS = {
    **{f"{n}m": n * MINUTE_MS for n in (1, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 3, 6, 12)},
    "1D": DAY_MS,
    "1W": 7 * DAY_MS,
    "14D": 14 * DAY_MS,
    "1M": 30 * DAY_MS,
}
FUNDING = ("USD", "BTC")
DEPTHS = (1, 25, 100, 250)


def joined(pair: Pair) -> str:
    """`BTCUSD`, and `DOGE:USD` where a part has not three letters."""
    base, quote = NAMES.get(pair.base, pair.base), NAMES.get(pair.quote, pair.quote)
    return base + ("" if len(base) == 3 == len(quote) else ":") + quote


def naming(pair: Pair) -> str:
    return "t" + joined(pair)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply(["error", 11010, "ratelimit: error"], 429)
    return reply(["error", 10020, "symbol: invalid"], 500)


def ticker_row(t: SimTicker) -> list[float]:
    size = t.base_volume / 4000
    change = t.last - t.open
    return [
        t.bid, size, t.ask, size * 1.1, change, round(change / t.open, 8), t.last, t.base_volume, t.high, t.low,
    ]  # fmt: skip


def _funding(currency: str) -> list[Any]:
    return [
        "f" + currency, 0.00031, 0.0003, 120, 1_500_000.5, 0.000299, 2, 9_000_000.25, -0.00001, -0.0323, 0.000301,
        120_000_000.5, 0.0006, 0.0001, None, None, 25_000_000.5,
    ]  # fmt: skip


def tickers(call: Call) -> SimReply:
    asked = call.query.get("symbols", "")
    view = call.view
    if asked == "ALL":
        rows: list[list[Any]] = [[naming(pair), *ticker_row(t)] for pair, t in view.tickers(call.now_ms)]
        rows += [["tBTCF0:USTF0", *row[1:]] for row in rows if row[0] == "tBTCUST"]
        return reply(rows + [_funding(currency) for currency in FUNDING])
    found = ((symbol, view.find(symbol, naming)) for symbol in asked.split(","))
    return reply([[symbol, *ticker_row(view.ticker(pair, call.now_ms))] for symbol, pair in found if pair])


def ticker(call: Call) -> SimReply:
    pair = call.view.find(call.path["symbol"], naming)
    return ERROR("unknown_symbol") if pair is None else reply(ticker_row(call.view.ticker(pair, call.now_ms)))


def candles(call: Call) -> SimReply:
    _, frame, symbol, *_ = [*call.path["key"].split(":", 2), "", ""]
    pair, step = call.view.find(symbol, naming), STEPS.get(frame)
    if pair is None:
        return ERROR("unknown_symbol")
    if step is None:
        return reply(["error", 10020, "time_interval: invalid"], 500)
    start, end = call.millis("start"), call.millis("end")
    upward = call.query.get("sort") == "1"
    rows = window(
        call,
        pair,
        step,
        call.whole("limit", 100, 1, 10_000),
        start,
        None if end is None else end + 1,
        oldest=upward,
    )
    shown = [[c.open_ms, c.open, c.close, c.high, c.low, c.volume] for c in rows]
    return reply(shown if upward else shown[::-1])


def book(call: Call) -> SimReply:
    pair = call.view.find(call.path["symbol"], naming)
    if pair is None:
        return ERROR("unknown_symbol")
    depth = call.whole("len", 25)
    if depth not in DEPTHS:
        return reply(["error", 10020, "len: invalid"], 500)
    sides = call.view.book(pair, depth, call.now_ms)
    bids = [[price, 1 + level % 4, size] for level, (price, size) in enumerate(sides.bids)]
    asks = [[price, 1 + level % 3, -size] for level, (price, size) in enumerate(sides.asks)]
    return reply(bids + asks)


def trades(call: Call) -> SimReply:
    pair = call.view.find(call.path["symbol"], naming)
    if pair is None:
        return ERROR("unknown_symbol")
    rows = call.view.trades(pair, call.whole("limit", 125, 1, 10_000), call.now_ms)
    shown = [[t.id, t.time_ms, t.size if t.side == "buy" else -t.size, t.price] for t in rows]
    return reply(shown if call.query.get("sort") == "1" else shown[::-1])


def pairs(call: Call) -> SimReply:
    return reply([sorted(joined(pair) for pair in call.view.pairs())])


ROUTES = {
    "/v2/tickers": Route(tickers, (Capability.QUOTES,)),
    "/v2/ticker/{symbol}": Route(ticker, (Capability.QUOTES,)),
    "/v2/candles/{key}/hist": Route(candles, (Capability.CANDLES,)),
    "/v2/book/{symbol}/P0": Route(book, (Capability.BOOK,)),
    "/v2/trades/{symbol}/hist": Route(trades, (Capability.TRADES,)),
    "/v2/conf/pub:list:pair:exchange": Route(pairs, (Capability.INSTRUMENTS,)),
}
