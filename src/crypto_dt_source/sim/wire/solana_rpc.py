"""Nodes of Solana by JSON-RPC. https://solana.com/docs/rpc"""

from __future__ import annotations

from typing import Any

import msgspec

from ...model.ask import Capability
from ..chains import Seen, seen
from . import Call, Route, SimReply, reply

SLOTS_AN_EPOCH = 432_000
SKIPPED = 20_000_000
"""Slots without a block, all in all: the height is behind the slot by so many."""
SAMPLE_S = 60
VOTES_A_SLOT = 1000


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply(_error(1, 429, "Too many requests for a specific RPC call"))
    return reply(_error(1, -32601, "Method not found"))


def _error(request_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": request_id}


def epoch_info(view: Seen) -> dict[str, Any]:
    slot = view.newest
    return {
        "absoluteSlot": slot,
        "blockHeight": slot - SKIPPED,
        "epoch": slot // SLOTS_AN_EPOCH,
        "slotIndex": slot % SLOTS_AN_EPOCH,
        "slotsInEpoch": SLOTS_AN_EPOCH,
        "transactionCount": slot * 1800,
    }


def samples(view: Seen, count: int) -> list[dict[str, Any]]:
    """Minutes that are over, the newest first."""
    rows = []
    for minute in range(min(max(count, 1), 720)):
        end = view.newest - view.newest % 150 - 150 * minute
        slots = round(SAMPLE_S * 1000 / view.chain.plan.block_ms)
        own = view.chain.transactions(end) * slots
        rows.append(
            {
                "slot": end,
                "numSlots": slots,
                "numTransactions": own + VOTES_A_SLOT * slots,
                "numNonVoteTransactions": own,
                "samplePeriodSecs": SAMPLE_S,
            }
        )
    return rows


def answer(call: Call) -> SimReply:
    try:
        asked = msgspec.json.decode(call.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return reply(_error(None, -32700, "Parse error"), 400)
    view, request_id, params = seen(call), asked.get("id"), asked.get("params") or []
    results: dict[str, Any] = {
        "getEpochInfo": lambda: epoch_info(view),
        "getRecentPerformanceSamples": lambda: samples(view, int(params[0]) if params else 720),
        "getSlot": lambda: view.newest,
        "getBlockHeight": lambda: view.newest - SKIPPED,
    }
    make = results.get(str(asked.get("method")))
    if make is None:
        return reply(_error(request_id, -32601, "Method not found"))
    return reply({"jsonrpc": "2.0", "result": make(), "id": request_id})


ROUTES = {"/": Route(answer, (Capability.CHAIN_STATS,))}
