"""Hyperliquid's info endpoint. https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals

One POST path for everything; the answer is two lists that belong together by position. What is delisted keeps its place.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...model.ask import Capability
from ...model.quote import Pair
from .. import derivatives
from . import Call, Route, SimReply, reply, text

_DELISTED = ("MATIC", 5)
"""A coin that is gone, and its place in the lists."""


class _Question(msgspec.Struct):
    type: str


def units(pair: Pair) -> int:
    return 1000 if pair.base in derivatives.THOUSANDS else 1


def naming(pair: Pair) -> str:
    return f"k{pair.base}" if units(pair) > 1 else pair.base


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply(None, 429)
    return SimReply(
        b"Failed to deserialize the JSON body into the target type", 422, {}, "text/plain; charset=utf-8"
    )


def _coin(name: str, **more: bool) -> dict[str, Any]:
    return {"szDecimals": 2, "name": name, "maxLeverage": 20, "marginTableId": 20, **more}


def _context(call: Call, pair: Pair) -> dict[str, Any]:
    p, size = derivatives.perpetual(call, pair, interval_h=1), units(pair)
    mark = text(p.mark_price * size)
    return {
        "funding": f"{p.rate:.10f}",
        "openInterest": text(p.amount / size),
        "prevDayPx": mark,
        "dayNtlVlm": text(p.value / 3),
        "premium": text(p.mark_price / p.index_price - 1),
        "oraclePx": text(p.index_price * size),
        "markPx": mark,
        "midPx": mark,
        "impactPxs": [mark, mark],
        "dayBaseVlm": text(p.amount / size / 3),
    }


def info(call: Call) -> SimReply:
    try:
        question = msgspec.json.decode(call.body, type=_Question)
    except msgspec.DecodeError:
        return ERROR("unknown_symbol")
    if question.type != "metaAndAssetCtxs":
        return ERROR("unknown_symbol")
    pairs = derivatives.listed(call, "USD")
    universe = [_coin(naming(pair)) for pair in pairs]
    contexts = [_context(call, pair) for pair in pairs]
    name, place = _DELISTED
    universe.insert(place, _coin(name, isDelisted=True))
    gone = {"funding": "0.0", "openInterest": "0.0", "prevDayPx": "0.5", "dayNtlVlm": "0.0", "premium": None}
    still = {"oraclePx": "0.5", "markPx": "0.5", "midPx": None, "impactPxs": None, "dayBaseVlm": "0.0"}
    contexts.insert(place, gone | still)
    return reply([{"universe": universe, "marginTables": [], "collateralToken": 0}, contexts])


ROUTES = {"/info": Route(info, (Capability.FUNDING, Capability.OPEN_INTEREST), lambda query: 20)}
