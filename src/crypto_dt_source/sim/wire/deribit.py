"""Deribit v2. https://docs.deribit.com/api-reference/market-data/public-get_book_summary_by_currency

JSON-RPC with numbers as numbers; a currency's dated futures stand beside its perpetual, without funding. Inverse contracts
count dollars, linear ones coins.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.quote import Pair
from .. import derivatives
from ..derivatives import SimPerpetual
from . import Call, Route, SimReply, reply

_CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")


def units(pair: Pair) -> int:
    return 1000 if pair.base in derivatives.THOUSANDS else 1


def coin(pair: Pair) -> str:
    return f"1000{pair.base}" if units(pair) > 1 else pair.base


def naming(pair: Pair) -> str:
    return f"{coin(pair)}-PERPETUAL" if pair.quote == "USD" else f"{coin(pair)}_{pair.quote}-PERPETUAL"


def _error(code: int, message: str, data: dict[str, str] | None = None, status: int = 400) -> SimReply:
    error = {"message": message, "code": code, **({"data": data} if data else {})}
    return reply(
        {"jsonrpc": "2.0", "error": error, "usIn": 0, "usOut": 0, "usDiff": 0, "testnet": False}, status
    )


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error(10028, "too_many_requests", status=200)
    return _error(13020, "not_found")


def _row(call: Call, name: str, p: SimPerpetual, *, perpetual: bool = True) -> dict[str, Any]:
    inverse, size = p.pair.quote == "USD", units(p.pair)
    mark = round(p.mark_price * size, 8)
    row: dict[str, Any] = {
        "high": mark,
        "low": mark,
        "last": mark,
        "instrument_name": name,
        "bid_price": mark,
        "ask_price": mark,
        "open_interest": round(p.value) if inverse else round(p.amount / size, 4),
        "mark_price": mark,
        "creation_timestamp": call.now_ms,
        "price_change": 0.0,
        "volume": round(p.amount / size / 3, 4),
        "estimated_delivery_price": round(p.index_price * size, 8),
        "base_currency": coin(p.pair),
        "quote_currency": p.pair.quote,
        "volume_usd": round(p.value / 3, 2),
        "volume_notional": round(p.value / 3, 2),
        "mid_price": mark,
    }
    if perpetual:
        row |= {"funding_8h": round(p.rate_8h * 0.9, 8), "current_funding": round(p.rate_8h, 8)}
    return row


def book_summary(call: Call) -> SimReply:
    currency = call.query.get("currency", "")
    if currency not in _CURRENCIES:
        return _error(-32602, "Invalid params", {"reason": "invalid currency", "param": "currency"})
    if call.query.get("kind", "future") != "future":
        rows: list[dict[str, Any]] = []
    elif currency in ("BTC", "ETH"):
        pairs = derivatives.listed(call, "USD", (currency,))
        found = [(pair, derivatives.perpetual(call, pair, interval_h=8)) for pair in pairs]
        rows = [_row(call, naming(pair), p) for pair, p in found]
        rows += [_row(call, f"{pair.base}-26MAR27", p, perpetual=False) for pair, p in found]
    elif currency == "USDC":
        pairs = derivatives.listed(call, "USDC")
        rows = [_row(call, naming(p), derivatives.perpetual(call, p, interval_h=8)) for p in pairs]
    else:
        rows = []
    begun = call.now_ms * 1000
    return reply(
        {
            "jsonrpc": "2.0",
            "result": rows,
            "usIn": begun,
            "usOut": begun + 500,
            "usDiff": 500,
            "testnet": False,
        }
    )


ROUTES = {
    "/api/v2/public/get_book_summary_by_currency": Route(
        book_summary, (Capability.FUNDING, Capability.OPEN_INTEREST)
    ),
}
