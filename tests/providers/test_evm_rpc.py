"""Nodes of EVM chains: what fees are made of, pace from several blocks, quantities, and the errors of many kinds of node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chain_desk import NOW, ChainDesk, told

from crypto_dt_source.gateway.classify import refusal
from crypto_dt_source.model.ask import Capability, ChainStatsAsk
from crypto_dt_source.model.errors import (
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.onchain import GasFee
from crypto_dt_source.providers.adapters.evm_rpc import ADAPTER
from crypto_dt_source.providers.kit import Request

DESK = ChainDesk(ADAPTER, "ethereum")
GAS, STATS = Capability.GAS, Capability.CHAIN_STATS


def rpc(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def wei(*gwei: float) -> list[str]:
    return [hex(round(amount * 1e9)) for amount in gwei]


def history(**changes: Any) -> dict[str, Any]:
    """Three blocks from 100, the second of them empty; the next base fee is 12 gwei."""
    base = {
        "oldestBlock": "0x64",
        "baseFeePerGas": wei(10, 11, 9, 12),
        "gasUsedRatio": [0.5, 0, 0.9],
        "reward": [wei(1, 2, 5), wei(0, 0, 0), wei(2, 4, 9)],
        "baseFeePerBlobGas": wei(0.5, 0.5, 0.5, 0.25),
        "blobGasUsedRatio": [0, 0, 1],
    }
    return rpc({**base, **changes})


def block(number: int, at_s: int, transactions: int) -> dict[str, Any]:
    hashes = [f"0x{n:064x}" for n in range(transactions)]
    return rpc(
        {
            "number": hex(number),
            "timestamp": hex(at_s),
            "transactions": hashes,
            "difficulty": "0x0",
            "uncles": [],
        }
    )


def sent(request: Request) -> dict[str, Any]:
    assert (request.method, request.path, request.params) == ("POST", "", ())
    assert dict(request.headers) == {"Content-Type": "application/json"}
    assert request.body is not None
    body: dict[str, Any] = json.loads(request.body)
    assert body["jsonrpc"] == "2.0"
    return body


def test_a_fee_is_the_next_base_fee_and_the_median_of_priority_fees() -> None:
    # Medians over the two blocks with transactions: 1.5, 3 and 7 gwei.
    expected = GasFee("evm_rpc", "ethereum", "gwei", 13.5, 15.0, 19.0, 12.0, 0.25, 102, None, NOW)
    assert DESK.gas(history()) == expected
    assert DESK.gas(history(), "base").chain == "base"


def test_what_a_chain_does_not_have_is_none() -> None:
    assert DESK.gas(history(baseFeePerBlobGas=None)).blob_base_fee is None
    # Nodes of chains without blobs fill the list with zeros.
    assert DESK.gas(history(baseFeePerBlobGas=["0x0"] * 4)).blob_base_fee is None
    quiet = DESK.gas(history(gasUsedRatio=[0, 0, 0]))
    assert (quiet.slow, quiet.standard, quiet.fast) == (12.0, 12.0, 12.0)
    # BNB Chain burns nothing: the priority fee is the whole fee.
    free = DESK.gas(history(baseFeePerGas=["0x0"] * 4))
    assert (free.slow, free.base_fee) == (1.5, 0.0)


def test_the_request_asks_for_recent_blocks() -> None:
    body = sent(DESK.ask_gas())
    assert body["method"] == "eth_feeHistory"
    assert body["params"] == ["0x14", "latest", [10, 50, 90]]


@pytest.mark.parametrize(
    "changes",
    [
        {"gasUsedRatio": [0.5, 0]},
        {"gasUsedRatio": [], "reward": [], "baseFeePerGas": ["0x1"]},
        {"baseFeePerGas": wei(10, 11, 9)},
        {"reward": [wei(1, 2, 5)]},
        {"reward": [wei(1, 2), wei(0, 0), wei(2, 4)]},
        {"reward": None},
        {"oldestBlock": 100},
    ],
)
def test_a_history_that_does_not_fit_itself_is_no_history(changes: dict[str, Any]) -> None:
    assert isinstance(DESK.refused(GAS, history(**changes)), PayloadChanged)


@pytest.mark.parametrize(
    "quantity",
    [
        "", "0x", "100", "0X64", "0x064", "-0x1", "0x1g", "0x 1", "0x1\n", " 0x1", "0x1_0", "١", "0x" + "f" * 17,
        "0x" + "1" * 100_000, "1e18", None, 100, 1.5, ["0x1"], {"x": "0x1"},
    ],
)  # fmt: skip
def test_hostile_quantities_are_no_numbers(quantity: Any) -> None:
    error = DESK.refused(GAS, history(baseFeePerGas=[*wei(10, 11, 9), quantity]))
    assert isinstance(error, PayloadChanged)
    assert error.path == "$.result.baseFeePerGas[3]"
    assert len(error.message) < 300
    changed = block(1, 1_789_000_000, 2)
    changed["result"]["timestamp"] = quantity
    assert isinstance(DESK.refused(STATS, changed), PayloadChanged)


def test_the_largest_quantity_is_no_time() -> None:
    largest = (1 << 64) - 1
    error = DESK.refused(STATS, block(1, largest, 2))
    assert isinstance(error, PayloadChanged)
    assert error.path == "$.result.timestamp"
    assert DESK.gas(history(baseFeePerGas=[hex(largest)] * 4)).fast == pytest.approx(largest / 1e9)


def test_the_shape_is_watched() -> None:
    assert DESK.drifted(GAS, history(), '"0x64"') == "$.result.oldestBlock"
    assert DESK.drifted(STATS, block(1, 1_789_000_000, 2), '"0x1"') == "$.result.number"


def test_pace_is_measured_between_the_newest_and_the_oldest_block_read() -> None:
    blocks = [block(1000, 1_789_001_200, 150), block(975, 1_789_000_890, 50), block(950, 1_789_000_600, 100)]
    # 50 blocks in 600 s, 100 transactions a block.
    assert told(DESK.stats(*blocks)) == {
        "block": 1000,
        "block_time_s": 12.0,
        "tps": pytest.approx(100 / 12),
        "event_ms": 1_789_001_200_000,
    }


def test_one_block_alone_has_no_pace() -> None:
    # A chain's first block, or all read within one second.
    alone = {"block": 10, "event_ms": 1_789_000_000_000}
    assert told(DESK.stats(block(10, 1_789_000_000, 5))) == alone
    assert told(DESK.stats(block(10, 1_789_000_000, 5), block(5, 1_789_000_000, 5))) == alone


@pytest.mark.parametrize(
    ("number", "at_s"), [(1000, 1_789_000_900), (1025, 1_789_000_900), (975, 1_789_001_300)]
)
def test_a_block_that_is_not_the_older_one_is_noticed(number: int, at_s: int) -> None:
    replies = [DESK.reply(block(1000, 1_789_001_200, 1)), DESK.reply(block(number, at_s, 1))]
    merge = ADAPTER.endpoints[STATS].merge
    assert merge is not None
    with pytest.raises(PayloadChanged):
        list(merge(replies, ChainStatsAsk("ethereum")))


def test_five_blocks_are_read_one_after_the_other() -> None:
    request: Request | None = DESK.ask_stats()
    number, asked = 2000, []
    while request is not None:
        body = sent(request)
        assert body["method"] == "eth_getBlockByNumber"
        asked.append(tuple(body["params"]))
        request = DESK.following(block(number, 1_789_000_000 + number, 1), request)
        number -= 25
    assert asked == [("latest", False), *((hex(n), False) for n in (1975, 1950, 1925, 1900))]
    assert DESK.following(block(24, 1_789_000_000, 1), DESK.ask_stats()) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": -32005, "message": "x"}, UpstreamRateLimited),
        ({"code": 429, "message": "x"}, UpstreamRateLimited),
        ({"code": -32000, "message": "rate limit exceeded, try again later"}, UpstreamRateLimited),
        ({"code": -32001, "message": "Too Many Requests"}, UpstreamRateLimited),
        ({"code": -32016, "message": "over rate limit"}, UpstreamRateLimited),
        ("daily request count exceeded, request rate limited", UpstreamRateLimited),
        ({"code": -32000, "message": "Unauthorized: You must authenticate your request with an API key."}, KeyRefused),
        ({"code": -32601, "message": "the method eth_feeHistory does not exist/is not available"}, PayloadChanged),
        ({"code": -32000, "message": "Method not found"}, PayloadChanged),
        ({"code": -32602, "message": "missing value for required argument 0"}, UpstreamRejected),
        ({"code": 30, "message": "Request timeout on the free tier, please upgrade your tier"}, UpstreamBroken),
        ({"code": 35, "message": "not supported on freetier, please upgrade your tier"}, PlanRequired),
        ({"code": -32000, "message": "header not found"}, UpstreamBroken),
        ({"code": -32603, "message": "Internal error"}, UpstreamBroken),
        ({"code": -32000}, UpstreamBroken),
        ("Missed `to` address", UpstreamBroken),
        ("", UpstreamBroken),
        ({"code": "-32005", "message": "x"}, PayloadChanged),
        (17, PayloadChanged),
        (["x"], PayloadChanged),
    ],
)  # fmt: skip
def test_errors_of_nodes_are_told_apart(error: Any, kind: type[UpstreamError]) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "error": error}
    assert type(DESK.refused(GAS, body)) is kind
    assert type(DESK.refused(STATS, body)) is kind


def test_a_block_the_node_does_not_have_is_its_failure() -> None:
    assert type(DESK.refused(STATS, rpc(None))) is UpstreamBroken
    assert type(DESK.refused(STATS, {"jsonrpc": "2.0", "id": 1})) is UpstreamBroken


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"code": -32602, "message": "invalid params"}}, "upstream_rejected"),
        (403, {"error": {"code": -32000, "message": "Too many requests from this address"}}, "upstream_rate_limited"),
        (403, {"error": {"code": -32000, "message": "no"}}, "region_blocked"),
        (500, {"error": {"code": 3, "message": "RPC Request failed."}}, "upstream_server_error"),
        (404, {"error": "nothing here"}, "upstream_rejected"),
        (403, b"<html>challenge</html>", "region_blocked"),
        (429, {"error": {"code": -32602, "message": "invalid params"}}, "upstream_rate_limited"),
    ],
)  # fmt: skip
def test_an_error_with_a_status_of_its_own(status: int, body: Any, kind: str) -> None:
    error = refusal(DESK.reply(body, status), ADAPTER)
    assert error is not None
    assert error.code == kind


def test_a_long_message_is_cut() -> None:
    error = DESK.refused(GAS, {"error": {"code": -32000, "message": "x" * 1_000_000}})
    assert len(error.message) < 300


def test_the_recorded_history_and_block(wire: Path) -> None:
    recorded = json.loads((wire / "rpc" / "eth_feeHistory.json").read_bytes())
    # It was asked for two percentiles; a third stands in for ours.
    recorded["result"]["reward"] = [[*row, row[-1]] for row in recorded["result"]["reward"]]
    fee = DESK.gas(recorded)
    assert (fee.block, fee.blob_base_fee) == (0x1B, None)
    assert fee.base_fee == pytest.approx(0.875182170)
    assert fee.slow == fee.fast == pytest.approx(0.875182171)
    raw = (wire / "rpc" / "eth_getBlockByNumber_latest.json").read_bytes()
    (stats,) = ADAPTER.endpoints[STATS].parse(DESK.reply(raw), ChainStatsAsk("ethereum"))
    # The test chain's clock begins in 1970.
    assert told(stats) == {"block": 54, "event_ms": 540_000}  # type: ignore[arg-type]
