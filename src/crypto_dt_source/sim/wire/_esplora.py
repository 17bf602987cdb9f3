"""Pages that mempool.space and Blockstream have in common. https://github.com/Blockstream/esplora/blob/master/API.md"""

from __future__ import annotations

from typing import Any

from ..chains import Seen, seen
from . import Call, SimReply, reply

VIRTUAL_SIZE = 420
"""Virtual bytes of a transaction on average."""


def _block(view: Seen, number: int) -> dict[str, Any]:
    chain = view.chain
    at = chain.time_ms(number) // 1000
    return {
        "id": chain.block_hash(number),
        "height": number,
        "version": 536870912,
        "timestamp": at,
        "tx_count": chain.transactions(number),
        "size": 1_600_000,
        "weight": 3_993_000,
        "merkle_root": chain.block_hash(-number),
        "previousblockhash": chain.block_hash(number - 1),
        "mediantime": at - 3000,
        "nonce": 3580664066,
        "bits": 386521239,
        "difficulty": chain.difficulty(number),
    }


def blocks(call: Call, count: int) -> SimReply:
    view = seen(call)
    return reply([_block(view, view.newest - i) for i in range(count)])


def mempool(call: Call) -> SimReply:
    view = seen(call)
    waiting, fee = view.chain.waiting(view.at_ms), view.chain.byte_fees(view.at_ms)[2]
    size = waiting * VIRTUAL_SIZE
    return reply({"count": waiting, "vsize": size, "total_fee": round(size * fee), "fee_histogram": []})


def tip_height(call: Call) -> SimReply:
    return SimReply(str(seen(call).newest).encode(), content_type="text/plain")
