"""mempool.space. https://mempool.space/docs/api/rest"""

from __future__ import annotations

from ...model.ask import Capability
from ...model.candle import DAY_MS
from ..chains import RETARGET, seen
from . import Call, Route, SimReply, _esplora, reply

DAYS = {"3d": 3, "1w": 7, "1m": 30, "3m": 90, "6m": 180, "1y": 365}
BLOCKS = 15


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return SimReply(b"Too Many Requests", 429, content_type="text/plain")
    return SimReply(b"Block height out of range", 404, content_type="text/plain")


def recommended(call: Call) -> SimReply:
    view = seen(call)
    fast, half_hour, hour = (round(fee, 3) for fee in view.chain.byte_fees(view.at_ms))
    return reply(
        {
            "fastestFee": fast,
            "halfHourFee": half_hour,
            "hourFee": hour,
            "economyFee": min(1.2, hour),
            "minimumFee": min(1, hour),
        }
    )


def blocks(call: Call) -> SimReply:
    return _esplora.blocks(call, BLOCKS)


def hashrate(call: Call) -> SimReply:
    view = seen(call)
    days = DAYS.get(call.path["period"])
    if days is None:
        return SimReply(b"Invalid interval", 400, content_type="text/plain")
    midnight = view.at_ms - view.at_ms % DAY_MS
    times = [midnight - i * DAY_MS for i in range(days - 1, -1, -1)]
    first = view.newest - view.newest % RETARGET
    difficulty = view.chain.difficulty(view.newest)
    return reply(
        {
            "hashrates": [{"timestamp": t // 1000, "avgHashrate": view.chain.hashrate(t)} for t in times],
            "difficulty": [
                {
                    "timestamp": view.chain.time_ms(first) // 1000,
                    "difficulty": difficulty,
                    "height": first,
                }
            ],
            "currentHashrate": view.chain.hashrate(view.at_ms),
            "currentDifficulty": difficulty,
        }
    )


def difficulty_adjustment(call: Call) -> SimReply:
    view = seen(call)
    done = view.newest % RETARGET
    mean_ms = view.chain.plan.block_ms
    left = RETARGET - done
    return reply(
        {
            "progressPercent": done / RETARGET * 100,
            "difficultyChange": 1.1,
            "estimatedRetargetDate": (view.at_ms + left * mean_ms) // 1000,
            "remainingBlocks": left,
            "remainingTime": left * mean_ms // 1000,
            "previousRetarget": 0.9,
            "nextRetargetHeight": view.newest + left,
            "timeAvg": mean_ms,
            "adjustedTimeAvg": mean_ms,
            "timeOffset": 0,
        }
    )


ROUTES = {
    "/v1/fees/recommended": Route(recommended, (Capability.GAS,)),
    "/v1/blocks": Route(blocks, (Capability.CHAIN_STATS,)),
    "/mempool": Route(_esplora.mempool, (Capability.CHAIN_STATS,)),
    "/v1/mining/hashrate/{period}": Route(hashrate, (Capability.CHAIN_STATS,)),
    "/v1/difficulty-adjustment": Route(difficulty_adjustment, (Capability.CHAIN_STATS,)),
    "/blocks/tip/height": Route(_esplora.tip_height, (Capability.CHAIN_STATS,)),
}
