"""Etherscan v2: numbers as text, refusals inside 200, one key for some chains, and what the supply is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chain_desk import NOW, ChainDesk, told

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import (
    KeyRefused,
    NotOffered,
    PayloadChanged,
    PlanRequired,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.onchain import GasFee
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.adapters.etherscan import ADAPTER, CHAIN_IDS

DESK = ChainDesk(ADAPTER, "ethereum")
GAS, STATS = Capability.GAS, Capability.CHAIN_STATS


def ok(result: Any) -> dict[str, Any]:
    return {"status": "1", "message": "OK", "result": result}


def oracle(**changes: Any) -> dict[str, Any]:
    base = {
        "LastBlock": "23467872",
        "SafeGasPrice": "0.496839934",
        "ProposeGasPrice": "0.51",
        "FastGasPrice": "0.75",
        "suggestBaseFee": "0.45",
        "gasUsedRatio": "0.40594255555555,0.9",
    }
    return ok({**base, **changes})


NUMBER = {"jsonrpc": "2.0", "id": 83, "result": "0x1661820"}
SUPPLY = ok(
    {
        "EthSupply": "122000000000000000000000000",
        "Eth2Staking": "3000000000000000000000000",
        "BurntFees": "4500000000000000000000000",
        "WithdrawnTotal": "7618584348954597000000000",
    }
)


def test_the_oracle_tells_three_fees() -> None:
    expected = GasFee(
        "etherscan", "ethereum", "gwei", 0.496839934, 0.51, 0.75, 0.45, None, 23_467_872, None, NOW
    )
    assert DESK.gas(oracle()) == expected
    assert DESK.gas(oracle(suggestBaseFee="0")).base_fee is None


def test_an_oracle_from_before_base_fees(wire: Path) -> None:
    fee = DESK.gas((wire / "etherscan" / "gas_oracle.json").read_bytes())
    assert (fee.slow, fee.standard, fee.fast, fee.base_fee, fee.block) == (62, 82, 89, None, 11_145_141)


def test_requests_name_chain_module_and_action() -> None:
    assert dict(DESK.ask_gas("polygon").params) == {
        "chainid": "137",
        "module": "gastracker",
        "action": "gasoracle",
    }
    first = DESK.ask_stats()
    assert dict(first.params) == {"chainid": "1", "module": "proxy", "action": "eth_blockNumber"}
    second = DESK.following(NUMBER, first)
    assert second is not None
    assert dict(second.params) == {"chainid": "1", "module": "stats", "action": "ethsupply2"}
    assert DESK.following(SUPPLY, second) is None
    # Only Ether's supply is told.
    assert DESK.following(NUMBER, DESK.ask_stats("gnosis"), "gnosis") is None
    with pytest.raises(NotOffered):
        DESK.ask_gas("base")


def test_the_catalogue_lists_the_chains_of_the_adapter() -> None:
    assert set(catalog.load()["etherscan"].chains) == set(CHAIN_IDS)


def test_the_supply_is_what_was_issued_less_what_was_burnt() -> None:
    expected = {"block": 23_468_064, "supply": pytest.approx(120_500_000)}
    assert told(DESK.stats(NUMBER, SUPPLY)) == expected
    assert told(DESK.stats(NUMBER, chain="linea")) == {"block": 23_468_064}


def test_the_shape_is_watched() -> None:
    assert DESK.drifted(GAS, oracle(), '"0.75"') == "$.result.FastGasPrice"
    assert DESK.drifted(STATS, SUPPLY, '"3000000000000000000000000"') == "$.result.Eth2Staking"
    assert isinstance(DESK.refused(GAS, ok("0.5")), PayloadChanged)
    assert isinstance(DESK.refused(GAS, {"status": "1", "message": "OK"}), PayloadChanged)
    for number in ("0x", "24", "0x" + "f" * 17, "0x01", "0x1\n", "x" * 1000, ""):
        assert isinstance(DESK.refused(STATS, {**NUMBER, "result": number}), PayloadChanged)


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("Max rate limit reached, please use API Key for higher rate limit", UpstreamRateLimited),
        ("Max calls per sec rate limit reached (5/sec)", UpstreamRateLimited),
        ("Max daily rate limit reached. 100000 (100.0%) of 100000 day/limit", UpstreamRateLimited),
        ("Invalid API Key (#err2)|etherscan-", KeyRefused),
        ("Missing/Invalid API Key", KeyRefused),
        ("Free API access is not supported for this chain. Please upgrade your api plan", PlanRequired),
        ("Sorry, it looks like you are trying to access an API Pro endpoint.", PlanRequired),
        ("Missing or unsupported chainid parameter (required for v2 api)", UpstreamRejected),
        ("Error! Missing Or invalid Module name", UpstreamRejected),
        ("Query Timeout occured. Please select a smaller result dataset", UpstreamBroken),
        ("Unexpected error, timeout or server too busy. Please try again later", UpstreamBroken),
        ("", UpstreamRejected),
    ],
)  # fmt: skip
def test_a_refusal_inside_200(result: str, kind: type[UpstreamError]) -> None:
    body = {"status": "0", "message": "NOTOK", "result": result}
    for capability in (GAS, STATS):
        error = DESK.refused(capability, body)
        assert type(error) is kind
        assert len(error.message) < 300
    explained = ADAPTER.explain(DESK.reply(body, 403))
    assert type(explained) is (kind if result else type(None))


def test_the_node_behind_the_proxy_may_refuse_too() -> None:
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "invalid argument 0"}}
    assert type(DESK.refused(STATS, body)) is UpstreamRejected
    assert ADAPTER.explain(DESK.reply(b"<html>", 502)) is None
    assert ADAPTER.explain(DESK.reply(oracle(), 502)) is None
