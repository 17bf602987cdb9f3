"""Bybit v5 perpetuals and futures. https://bybit-exchange.github.io/docs/v5/market/tickers

`{retCode, retMsg, result, time}` with 200 for business errors; strings throughout; open interest is the sum of both sides,
with one side beside it; inverse contracts count dollars and are worth coins.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS
from ...model.quote import Pair
from .. import derivatives
from ..derivatives import SimPerpetual
from . import Call, Route, SimReply, reply, text

_USDC = ("BTC", "ETH", "SOL")
_INVERSE = ("BTC", "ETH", "XRP", "SOL", "DOT")
_DATED_DAYS = 90


def units(pair: Pair) -> int:
    return 1000 if pair.base in derivatives.THOUSANDS else 1


def naming(pair: Pair) -> str:
    if pair.quote == "USDC":
        return f"{pair.base}PERP"
    if pair.base == "SHIB":
        return f"SHIB1000{pair.quote}"
    return f"{units(pair) if units(pair) > 1 else ''}{pair.base}{pair.quote}"


def _error(code: int, message: str) -> SimReply:
    return reply({"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 0})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error(10006, "Too many visits. Exceeded the API Rate Limit.")
    return _error(10001, "params error: symbol invalid")


def _listed(call: Call, category: str) -> dict[str, Pair]:
    if category == "inverse":
        pairs = derivatives.listed(call, "USD", _INVERSE)
    else:
        pairs = [*derivatives.listed(call, "USDT"), *derivatives.listed(call, "USDC", _USDC)]
    return {naming(pair): pair for pair in pairs}


def _row(symbol: str, p: SimPerpetual, *, inverse: bool, delivery_ms: int = 0) -> dict[str, Any]:
    size = units(p.pair)
    amount, value = (p.value, p.amount) if inverse else (p.amount / size, p.value)
    # A contract of an inverse market is one dollar: there are only whole ones.
    one = float(round(amount)) if inverse else amount
    mark = text(p.mark_price * size)
    return {
        "symbol": symbol,
        "lastPrice": mark,
        "indexPrice": text(p.index_price * size),
        "markPrice": mark,
        "prevPrice24h": mark,
        "price24hPcnt": "0",
        "highPrice24h": mark,
        "lowPrice24h": mark,
        "prevPrice1h": mark,
        "openInterest": text(2 * one),
        "openInterestValue": text(2 * value),
        "singleOpenInterest": text(one),
        "singleOpenInterestValue": text(value),
        "turnover24h": text(value / 3),
        "volume24h": text(one / 3),
        "fundingRate": "" if delivery_ms else f"{p.rate:.8f}",
        "nextFundingTime": "0" if delivery_ms else str(p.next_ms),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": str(delivery_ms),
        "ask1Size": "1",
        "bid1Price": mark,
        "ask1Price": mark,
        "bid1Size": "1",
        "basis": "",
        "fundingIntervalHour": "" if delivery_ms else str(p.interval_h),
        "fundingCap": "" if delivery_ms else "0.005",
    }


def tickers(call: Call) -> SimReply:
    category = call.query.get("category", "")
    if category not in ("linear", "inverse"):
        return _error(10001, "params error: category invalid")
    inverse = category == "inverse"
    listed = _listed(call, category)
    name = call.query.get("symbol")
    if name and name not in listed:
        return ERROR("unknown_symbol")
    rows = [
        _row(symbol, derivatives.perpetual(call, pair), inverse=inverse)
        for symbol, pair in listed.items()
        if name in (None, "", symbol)
    ]
    if not name:
        end = call.now_ms // DAY_MS * DAY_MS + _DATED_DAYS * DAY_MS
        bitcoin = derivatives.perpetual(call, Pair("BTC", "USD" if inverse else "USDT"))
        dated = "BTCUSDH27" if inverse else "BTCUSDT-26MAR27"
        rows.append(_row(dated, bitcoin, inverse=inverse, delivery_ms=end))
    result = {"category": category, "list": rows}
    return reply({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": call.now_ms})


ROUTES = {"/v5/market/tickers": Route(tickers, (Capability.FUNDING, Capability.OPEN_INTEREST))}
