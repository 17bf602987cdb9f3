"""Nodes of EVM chains by JSON-RPC. https://ethereum.github.io/execution-apis/

One address takes every call; several calls in a list are answered in a list. Numbers are hexadecimal text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...model.ask import Capability
from ..chains import Seen, seen
from . import Call, Route, SimReply, reply

CHAIN_IDS = {
    "ethereum": 1,
    "optimism": 10,
    "bsc": 56,
    "gnosis": 100,
    "polygon": 137,
    "base": 8453,
    "arbitrum": 42161,
    "avalanche": 43114,
    "linea": 59144,
}
GAS_LIMIT = 36_000_000
MOST_BLOCKS = 1024
MOST_CALLS = 100
NO_METHOD, WRONG_PARAMS, NOT_JSON = -32601, -32602, -32700


class Wrong(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply(_error(1, -32005, "daily request count exceeded, request rate limited"))
    return reply(_error(1, NO_METHOD, "the method eth_nosuch does not exist/is not available"))


def _error(request_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def _number(view: Seen, tag: Any) -> int:
    if tag in ("latest", "pending"):
        return view.newest
    if tag == "earliest":
        return 0
    try:
        return int(tag, 16)
    except (TypeError, ValueError):
        raise Wrong(WRONG_PARAMS, "invalid argument 0: hex string without 0x prefix") from None


def _tip(view: Seen, number: int, percentile: float) -> str:
    return hex(view.chain.tip(number, percentile))


def fee_history(view: Seen, params: list[Any]) -> Any:
    asked, tag, percentiles = (*params, [], [])[:3]
    count = min(asked if isinstance(asked, int) else int(asked, 16), MOST_BLOCKS)
    newest = min(_number(view, tag), view.newest)
    oldest = max(0, newest - count + 1)
    blocks = range(oldest, newest + 1)
    chain = view.chain
    history: dict[str, Any] = {
        "oldestBlock": hex(oldest),
        "reward": [[_tip(view, number, float(p)) for p in percentiles] for number in blocks],
        "baseFeePerGas": [hex(chain.base_fee(number)) for number in range(oldest, newest + 2)],
        "gasUsedRatio": [chain.filled(number) for number in blocks],
    }
    if chain.plan.blob_fee:
        history["baseFeePerBlobGas"] = [hex(chain.blob_fee(number)) for number in range(oldest, newest + 2)]
        history["blobGasUsedRatio"] = [0.5 for _ in blocks]
    return history


def block_by_number(view: Seen, params: list[Any]) -> Any:
    number = _number(view, params[0])
    if not 0 <= number <= view.newest:
        return None
    chain = view.chain
    used = round(chain.filled(number) * GAS_LIMIT)
    digest = chain.block_hash(number)
    block = {
        "number": hex(number),
        "hash": f"0x{digest}",
        "parentHash": f"0x{chain.block_hash(number - 1)}",
        "timestamp": hex(chain.time_ms(number) // 1000),
        "baseFeePerGas": hex(chain.base_fee(number)),
        "gasLimit": hex(GAS_LIMIT),
        "gasUsed": hex(used),
        "difficulty": "0x0",
        "extraData": "0x",
        "logsBloom": "0x" + "00" * 256,
        "miner": f"0x{digest[:40]}",
        "nonce": "0x0000000000000000",
        "size": hex(300 * chain.transactions(number)),
        "transactions": [f"0x{digest[:56]}{i:08x}" for i in range(chain.transactions(number))],
        "uncles": [],
        "withdrawals": [],
    }
    roots = "mixHash parentBeaconBlockRoot receiptsRoot requestsHash sha3Uncles stateRoot transactionsRoot withdrawalsRoot"
    block |= dict.fromkeys(roots.split(), f"0x{digest}")
    if chain.plan.blob_fee:
        block |= {"blobGasUsed": "0x60000", "excessBlobGas": "0x0"}
    return block


METHODS: dict[str, Callable[[Seen, list[Any]], Any]] = {
    "eth_chainId": lambda view, params: hex(CHAIN_IDS[view.chain.name]),
    "eth_blockNumber": lambda view, params: hex(view.newest),
    "eth_gasPrice": lambda view, params: hex(
        view.chain.base_fee(view.newest + 1) + view.chain.tip(view.newest, 60)
    ),
    "eth_maxPriorityFeePerGas": lambda view, params: _tip(view, view.newest, 60),
    "eth_blobBaseFee": lambda view, params: hex(view.chain.blob_fee(view.newest + 1)),
    "eth_feeHistory": fee_history,
    "eth_getBlockByNumber": block_by_number,
}


def _one(view: Seen, request: Any) -> dict[str, Any]:
    if not isinstance(request, dict) or not isinstance(request.get("params", []), list):
        return _error(None, -32600, "invalid request")
    request_id, method = request.get("id"), METHODS.get(str(request.get("method")))
    if method is None:
        return _error(
            request_id, NO_METHOD, f"the method {request.get('method')} does not exist/is not available"
        )
    try:
        return {"jsonrpc": "2.0", "id": request_id, "result": method(view, request.get("params", []))}
    except Wrong as wrong:
        return _error(request_id, wrong.code, str(wrong))
    except (LookupError, TypeError, ValueError):
        return _error(request_id, WRONG_PARAMS, "missing value for required argument 0")


def answer(call: Call) -> SimReply:
    try:
        asked = msgspec.json.decode(call.body)
    except msgspec.DecodeError:
        return reply(_error(None, NOT_JSON, "parse error"), 400)
    view = seen(call)
    if isinstance(asked, list):
        return reply([_one(view, request) for request in asked[:MOST_CALLS]])
    return reply(_one(view, asked))


ROUTES = {"/": Route(answer, (Capability.GAS, Capability.CHAIN_STATS))}
