"""The fear and greed index of the simulated market. https://alternative.me/crypto/fear-and-greed-index/#api

Every value is text, the newest day first, a day now and then is missing, and errors come inside a 200.
"""

from __future__ import annotations

from math import tanh

from ...model.ask import Capability
from ...model.candle import DAY_MS
from ...model.quote import Pair
from ..noise import key_of, unit
from . import Call, Route, SimReply, reply

DAYS = 400
"""Days there are, today included."""
MEAN_DAYS = 30
MISSING_SHARE = 0.004
CLASSES = ((25, "Extreme Fear"), (46, "Fear"), (55, "Neutral"), (76, "Greed"), (101, "Extreme Greed"))
"""Values below each bound, and their name."""


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    text = "Too many requests." if kind == "rate_limited_in_200" else "Invalid request."
    return reply({"name": "Fear and Greed Index", "data": [], "metadata": {"error": text}})


def _values(call: Call) -> dict[int, int]:
    """The index by day, the newest first: where bitcoin stands against its mean of the month before, and a draw."""
    today = call.now_ms // DAY_MS
    first = today - DAYS - MEAN_DAYS
    prices = [call.view.price(Pair("BTC", "USD"), day * DAY_MS) for day in range(first, today + 1)]
    key = key_of(call.market.seed, "fear and greed")
    values = {}
    for back in range(DAYS):
        day = today - back
        if back and unit(key, day) < MISSING_SHARE:
            continue
        at = day - first
        mean = sum(prices[at - MEAN_DAYS : at]) / MEAN_DAYS
        mood = 50 + 42 * tanh((prices[at] / mean - 1) / 0.04) + 12 * (unit(key, -day) - 0.5)
        values[day] = min(max(round(mood), 1), 99)
    return values


def fear_greed(call: Call) -> SimReply:
    values = list(_values(call).items())
    limit = call.whole("limit", 1, 0)
    rows = [
        {
            "value": str(value),
            "value_classification": next(name for bound, name in CLASSES if value < bound),
            "timestamp": str(day * DAY_MS // 1000),
        }
        for day, value in (values[:limit] if limit else values)
    ]
    rows[0]["time_until_update"] = str((DAY_MS - call.now_ms % DAY_MS) // 1000)
    return reply({"name": "Fear and Greed Index", "data": rows, "metadata": {"error": None}})


ROUTES = {"/fng/": Route(fear_greed, (Capability.FEAR_GREED,))}
