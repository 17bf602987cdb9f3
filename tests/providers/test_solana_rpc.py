"""Nodes of Solana: the height, and the pace of the last minutes without the validators' votes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chain_desk import ChainDesk, told

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import NotOffered, PayloadChanged, UpstreamRateLimited
from crypto_dt_source.providers.adapters.solana_rpc import ADAPTER

DESK = ChainDesk(ADAPTER, "solana")
STATS = Capability.CHAIN_STATS


def rpc(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": result, "id": 1}


EPOCH = rpc(
    {
        "absoluteSlot": 440_000_100,
        "blockHeight": 418_000_000,
        "epoch": 1018,
        "slotIndex": 1,
        "slotsInEpoch": 2,
    }
)


def sample(slots: int, transactions: int, paid: int | None) -> dict[str, Any]:
    return {
        "slot": 440_000_000,
        "numSlots": slots,
        "numTransactions": transactions,
        "numNonVoteTransactions": paid,
        "samplePeriodSecs": 60,
    }


def test_height_and_pace() -> None:
    minutes = rpc([sample(140, 240_000, 60_000), sample(160, 260_000, 90_000)])
    expected = {"block": 418_000_000, "block_time_s": 0.4, "tps": 1250.0}
    assert told(DESK.stats(EPOCH, minutes)) == expected


def test_a_node_that_does_not_tell_votes_apart_has_no_tps() -> None:
    assert told(DESK.stats(rpc([sample(150, 240_000, None)]))) == {"block_time_s": 0.4}


def test_requests() -> None:
    first = DESK.ask_stats()
    second = DESK.following(EPOCH, first)
    assert second is not None
    asked = [json.loads(request.body or b"") for request in (first, second)]
    assert [(body["method"], body["params"]) for body in asked] == [
        ("getEpochInfo", []),
        ("getRecentPerformanceSamples", [5]),
    ]
    assert DESK.following(rpc([sample(150, 1, 1)]), second) is None
    with pytest.raises(NotOffered):
        DESK.ask_stats("ethereum")


@pytest.mark.parametrize(
    "result", [[], [sample(0, 1, 1)], {"blockHeight": -1}, {"blockHeight": 10**400}, {}, "x", 5]
)
def test_nothing_to_measure_by(result: Any) -> None:
    assert isinstance(DESK.refused(STATS, rpc(result)), PayloadChanged)


def test_the_shape_is_watched() -> None:
    assert DESK.drifted(STATS, EPOCH, "418000000") == "$.result.blockHeight"
    assert DESK.drifted(STATS, rpc([sample(150, 1, 77)]), "77") == "$.result[0].numNonVoteTransactions"


def test_a_limit_of_one_method() -> None:
    body = {
        "jsonrpc": "2.0",
        "error": {"code": 429, "message": "Too many requests for a specific RPC call"},
        "id": 1,
    }
    assert type(DESK.refused(STATS, body)) is UpstreamRateLimited
