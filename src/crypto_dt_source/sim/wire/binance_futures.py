"""Binance USDⓈ-M futures. https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Mark-Price

Numbers are strings with eight decimals; dated futures stand in the same lists as perpetuals, without a funding rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.ask import Capability
from ...model.quote import Pair
from .. import derivatives
from ..derivatives import SimPerpetual
from . import Call, Route, SimReply, reply

_USDC = 8
"""So many of the largest are traded against USDC too."""
_DATED = "BTCUSDT_270326"


def units(pair: Pair) -> int:
    return 1000 if pair.base in derivatives.THOUSANDS else 1


def naming(pair: Pair) -> str:
    return f"{units(pair) if units(pair) > 1 else ''}{pair.base}{pair.quote}"


def _error(code: int, message: str, status: int = 400) -> SimReply:
    return reply({"code": code, "msg": message}, status)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error(-1003, "Too many requests; current limit of IP is 2400 requests per minute.", 429)
    return _error(-1121, "Invalid symbol.")


def _pairs(call: Call) -> dict[str, Pair]:
    pairs = [
        *derivatives.listed(call, "USDT"),
        *derivatives.listed(call, "USDC", derivatives.LISTED[:_USDC]),
    ]
    return {naming(pair): pair for pair in pairs}


def _premium(call: Call, symbol: str, p: SimPerpetual, *, dated: bool = False) -> dict[str, Any]:
    size = units(p.pair)
    return {
        "symbol": symbol,
        "markPrice": f"{p.mark_price * size:.8f}",
        "indexPrice": f"{p.index_price * size:.8f}",
        "estimatedSettlePrice": f"{p.index_price * size:.8f}",
        "lastFundingRate": "" if dated else f"{p.rate:.8f}",
        "interestRate": "" if dated else f"{derivatives.BASE_RATE:.8f}",
        "nextFundingTime": 0 if dated else p.next_ms,
        "time": call.now_ms,
    }


def premium_index(call: Call) -> SimReply:
    pairs = _pairs(call)
    if "symbol" in call.query:
        pair = pairs.get(call.query["symbol"])
        if pair is None:
            return ERROR("unknown_symbol")
        return reply(_premium(call, naming(pair), derivatives.perpetual(call, pair)))
    rows = [_premium(call, name, derivatives.perpetual(call, pair)) for name, pair in pairs.items()]
    bitcoin = derivatives.perpetual(call, Pair("BTC", "USDT"))
    return reply([*rows, _premium(call, _DATED, bitcoin, dated=True)])


def funding_info(call: Call) -> SimReply:
    """Not every contract is in it."""
    rows = [
        {
            "symbol": name,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": derivatives.perpetual(call, pair).interval_h,
            "disclaimer": False,
        }
        for name, pair in _pairs(call).items()
        if pair.quote == "USDT"
    ]
    return reply(rows)


def open_interest(call: Call) -> SimReply:
    name = call.query.get("symbol")
    if not name:
        return _error(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    pair = _pairs(call).get(name)
    if pair is None:
        return ERROR("unknown_symbol")
    p = derivatives.perpetual(call, pair)
    return reply({"symbol": name, "openInterest": f"{p.amount / units(pair):.3f}", "time": call.now_ms})


def _weigh_premium(query: Mapping[str, str]) -> int:
    return 1 if "symbol" in query else 10


ROUTES = {
    "/fapi/v1/premiumIndex": Route(premium_index, (Capability.FUNDING,), _weigh_premium),
    "/fapi/v1/fundingInfo": Route(funding_info, (Capability.FUNDING,)),
    "/fapi/v1/openInterest": Route(open_interest, (Capability.OPEN_INTEREST,)),
}
