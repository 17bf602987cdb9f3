"""OKX v5 perpetual swaps. https://www.okx.com/docs-v5/en/#public-data-rest-api-get-funding-rate

`{code, msg, data}` with 200 for business errors; all numbers are strings. `instId=ANY` is every swap.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import HOUR_MS
from ...model.quote import Pair
from .. import derivatives
from ..derivatives import SimPerpetual
from . import Call, Route, SimReply, reply, text

_COIN_SETTLED = ("BTC", "ETH", "XRP", "SOL", "DOGE")
_USDC = ("BTC", "ETH", "SOL")


def naming(pair: Pair) -> str:
    return f"{pair.base}-{pair.quote}-SWAP"


def _error(code: str, message: str) -> SimReply:
    return reply({"code": code, "msg": message, "data": []})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("50011", "Too Many Requests")
    return _error("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def _listed(call: Call) -> dict[str, Pair]:
    pairs = [
        *derivatives.listed(call, "USDT"),
        *derivatives.listed(call, "USD", _COIN_SETTLED),
        *derivatives.listed(call, "USDC", _USDC),
    ]
    return {naming(pair): pair for pair in pairs}


def _rate(call: Call, name: str, p: SimPerpetual) -> dict[str, Any]:
    step = p.interval_h * HOUR_MS
    return {
        "formulaType": "withRate",
        "fundingRate": f"{p.rate:.16f}",
        "fundingTime": str(p.next_ms),
        "impactValue": "20000.0000000000000000",
        "instId": name,
        "instType": "SWAP",
        "interestRate": f"{derivatives.BASE_RATE:.16f}",
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": str(p.next_ms + step),
        "premium": f"{p.mark_price / p.index_price - 1:.16f}",
        "settFundingRate": f"{p.rate:.16f}",
        "settState": "settled",
        "ts": str(call.now_ms),
    }


def funding_rate(call: Call) -> SimReply:
    listed, name = _listed(call), call.query.get("instId", "")
    if not name:
        return _error("50014", "Parameter instId can not be empty.")
    if name == "ANY":
        rows = [_rate(call, n, derivatives.perpetual(call, pair)) for n, pair in listed.items()]
        return reply({"code": "0", "data": rows, "msg": ""})
    if name not in listed:
        return ERROR("unknown_symbol")
    row = _rate(call, name, derivatives.perpetual(call, listed[name]))
    return reply({"code": "0", "data": [row], "msg": ""})


def open_interest(call: Call) -> SimReply:
    if call.query.get("instType") != "SWAP":
        return _error("51000", "Parameter instType error")
    listed, name = _listed(call), call.query.get("instId")
    if name and name not in listed:
        return ERROR("unknown_symbol")
    rows = []
    for symbol, pair in listed.items():
        if name not in (None, "", symbol):
            continue
        p = derivatives.perpetual(call, pair)
        dollars = p.value * call.market.true_price(pair.quote, call.now_ms)
        # Contracts are of 100 dollars where the coin settles them, else of a hundredth of a coin.
        contracts = p.value / 100 if pair.quote == "USD" else p.amount * 100
        rows.append(
            {
                "instId": symbol,
                "instType": "SWAP",
                "oi": text(contracts),
                "oiCcy": text(p.amount),
                "oiUsd": text(dollars),
                "ts": str(call.now_ms),
            }
        )
    return reply({"code": "0", "data": rows, "msg": ""})


ROUTES = {
    "/api/v5/public/funding-rate": Route(funding_rate, (Capability.FUNDING,), lambda query: 2),
    "/api/v5/public/open-interest": Route(open_interest, (Capability.OPEN_INTEREST,)),
}
