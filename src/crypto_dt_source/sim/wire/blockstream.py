"""Blockstream's explorer of bitcoin. https://github.com/Blockstream/esplora/blob/master/API.md"""

from __future__ import annotations

from ...model.ask import Capability
from ..chains import seen
from . import Call, Route, SimReply, _esplora, reply

TARGETS = (*range(1, 26), 144, 504, 1008)
BLOCKS = 10
LONGEST = 6
"""Up to so many blocks of waiting the estimates fall; from there on they are the lowest."""


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return SimReply(b"Too Many Requests", 429, content_type="text/plain")
    return SimReply(b"Block not found", 404, content_type="text/plain")


def fee_estimates(call: Call) -> SimReply:
    view = seen(call)
    fast, _, slow = view.chain.byte_fees(view.at_ms)
    fall = (fast - slow) / (LONGEST - 1)
    return reply({str(t): round(fast - fall * (min(t, LONGEST) - 1), 3) for t in TARGETS})


def blocks(call: Call) -> SimReply:
    return _esplora.blocks(call, BLOCKS)


ROUTES = {
    "/fee-estimates": Route(fee_estimates, (Capability.GAS,)),
    "/blocks": Route(blocks, (Capability.CHAIN_STATS,)),
    "/mempool": Route(_esplora.mempool, (Capability.CHAIN_STATS,)),
    "/blocks/tip/height": Route(_esplora.tip_height, (Capability.CHAIN_STATS,)),
}
