"""Coinbase Exchange. https://docs.cdp.coinbase.com/exchange/reference

One pair a call. Candles newest first as [s, low, high, open, close, volume], at most 300, else 400; a trade's side is
the maker's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ...clock import parse_rfc3339
from ...model.ask import Capability
from ...model.quote import Pair
from ..market import SimTicker
from . import Call, Route, SimReply, reply, text

STEPS = {str(s): s * 1000 for s in (60, 300, 900, 3600, 21600, 86400)}
MOST_CANDLES = 300
LEVELS = 500


def naming(pair: Pair) -> str:
    return f"{pair.base}-{pair.quote}"


def _error(message: str, status: int) -> SimReply:
    return reply({"message": message}, status)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("Public rate limit exceeded", 429)
    return _error("NotFound", 404)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _pair(call: Call) -> Pair | None:
    return call.view.find(call.path["id"], naming)


def ticker(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    t = call.view.ticker(pair, call.now_ms)
    trade = call.view.trades(pair, 1, call.now_ms)[0]
    return reply(
        {
            "ask": text(t.ask),
            "bid": text(t.bid),
            "volume": text(t.base_volume),
            "trade_id": trade.id,
            "price": text(t.last),
            "size": text(trade.size),
            "time": _iso(call.now_ms),
            "rfq_volume": text(t.base_volume / 100),
        }
    )


def _stats(t: SimTicker) -> dict[str, str]:
    return {
        "open": text(t.open),
        "high": text(t.high),
        "low": text(t.low),
        "last": text(t.last),
        "volume": text(t.base_volume),
        "volume_30day": text(t.base_volume * 29),
    }


def stats(call: Call) -> SimReply:
    pair = _pair(call)
    return ERROR("unknown_symbol") if pair is None else reply(_stats(call.view.ticker(pair, call.now_ms)))


def _moment(value: str | None) -> int | None:
    if not value:
        return None
    if value.isdecimal():
        return int(value) * 1000
    try:
        return parse_rfc3339(value)
    except ValueError:
        return None


def candles(call: Call) -> SimReply:
    pair, step = _pair(call), STEPS.get(call.query.get("granularity", "60"))
    if pair is None:
        return ERROR("unknown_symbol")
    if step is None:
        return _error("Unsupported granularity", 400)
    start, end = _moment(call.query.get("start")), _moment(call.query.get("end"))
    if start is None or end is None:
        end = call.now_ms
        start = end - (MOST_CANDLES - 1) * step
    if (end - start) // step > MOST_CANDLES:
        return _error(
            "granularity too small for the requested time range. Count of aggregations requested exceeds 300",
            400,
        )
    rows = call.view.candles(pair, step, start, end + 1)[-MOST_CANDLES:]
    return reply([[c.open_ms // 1000, c.low, c.high, c.open, c.close, c.volume] for c in reversed(rows)])


def book(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    level = call.whole("level", 1)
    levels = call.view.book(pair, LEVELS if level >= 2 else 1, call.now_ms)
    return reply(
        {
            "bids": [[text(price), text(size), 1] for price, size in levels.bids],
            "asks": [[text(price), text(size), 1] for price, size in levels.asks],
            "sequence": call.now_ms,
            "auction_mode": False,
            "auction": None,
            "time": _iso(call.now_ms),
        }
    )


def trades(call: Call) -> SimReply:
    pair = _pair(call)
    if pair is None:
        return ERROR("unknown_symbol")
    rows = call.view.trades(pair, call.whole("limit", 1000, 1, 1000), call.now_ms)
    return reply(
        [
            {
                "trade_id": t.id,
                "side": "sell" if t.side == "buy" else "buy",
                "size": text(t.size),
                "price": text(t.price),
                "time": _iso(t.time_ms),
            }
            for t in reversed(rows)
        ],
        headers={"cb-before": str(rows[-1].id), "cb-after": str(rows[0].id)},
    )


def _product(pair: Pair) -> dict[str, Any]:
    return {
        "id": naming(pair),
        "base_currency": pair.base,
        "quote_currency": pair.quote,
        "quote_increment": "0.00000001",
        "base_increment": "0.00000001",
        "display_name": f"{pair.base}-{pair.quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "auction_mode": False,
    }


def products(call: Call) -> SimReply:
    return reply([_product(pair) for pair in call.view.pairs()])


def all_stats(call: Call) -> SimReply:
    """`/products/stats`: every product's 24 hours in one call."""
    rows = {}
    for pair, t in call.view.tickers(call.now_ms):
        day = _stats(t)
        month = day.pop("volume_30day")
        rows[naming(pair)] = {"stats_30day": {"volume": month}, "stats_24hour": day}
    return reply(rows)


def time(call: Call) -> SimReply:
    return reply({"iso": _iso(call.now_ms), "epoch": call.now_ms / 1000})


ROUTES = {
    "/products": Route(products, (Capability.INSTRUMENTS,)),
    "/products/stats": Route(all_stats, (Capability.QUOTES,)),
    "/products/{id}/ticker": Route(ticker, (Capability.QUOTES,)),
    "/products/{id}/stats": Route(stats, (Capability.QUOTES,)),
    "/products/{id}/candles": Route(candles, (Capability.CANDLES,)),
    "/products/{id}/book": Route(book, (Capability.BOOK,)),
    "/products/{id}/trades": Route(trades, (Capability.TRADES,)),
    "/time": Route(time, ()),
}
