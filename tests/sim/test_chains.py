"""Simulated chains: blocks come with the clock, all sources tell of the same ones, and every entry is understood."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sim_client import ENTRIES, START_MS, Client
from test_wire_b_recorded import shape_gaps

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability, ChainStatsAsk, GasAsk
from crypto_dt_source.model.errors import (
    KeyRefused,
    NotOffered,
    PlanRequired,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.kit import Reply
from crypto_dt_source.providers.table import specs_of
from crypto_dt_source.sim.chains import PLANS, SimChain, chain_of
from crypto_dt_source.sim.wire.json_table import MOST_MINED

SOURCES = [entry for entry in ENTRIES.values() if entry.chains]
SEED = 7


def offers(capability: Capability) -> list[Any]:
    return [
        pytest.param(entry, chain, id=f"{entry.id}-{chain}")
        for entry in SOURCES
        for chain in entry.chains
        if capability in entry.offers
    ]


def test_every_chain_of_the_catalogue_is_simulated() -> None:
    assert {chain for entry in SOURCES for chain in entry.chains} == set(PLANS)
    assert {entry.category for entry in SOURCES} == {"onchain", "rpc", "explorer"}


@pytest.mark.parametrize("name", PLANS)
def test_blocks_come_in_order_at_the_chains_pace(name: str) -> None:
    chain = SimChain(SEED, name)
    newest = chain.number(START_MS)
    times = [chain.time_ms(newest - 2000 + n) for n in range(2001)]
    assert all(earlier < later for earlier, later in pairwise(times))
    assert times[-1] <= START_MS < chain.time_ms(newest + 1)
    assert (times[-1] - times[0]) / 2000 == pytest.approx(chain.plan.block_ms, rel=0.01)
    assert chain.number(times[-1]) == newest
    assert chain.number(times[-1] - 1) == newest - 1


def test_fees_wander_and_stay_usual() -> None:
    chain = chain_of(SEED, "ethereum")
    newest = chain.number(START_MS)
    fees = [chain.base_fee(newest - 7200 * day) for day in range(60)]
    assert len(set(fees)) == 60
    assert all(0.4 < fee / chain.plan.base_fee < 2.5 for fee in fees)
    neighbours = [chain.base_fee(newest - n) for n in range(100)]
    # EIP-1559 lets a base fee move by an eighth a block.
    assert all(abs(one / other - 1) < 0.125 for one, other in pairwise(neighbours))
    assert fees != [SimChain(8, "ethereum").base_fee(newest - 7200 * day) for day in range(60)]


@pytest.mark.parametrize(("entry", "chain"), offers(Capability.GAS))
async def test_every_source_tells_the_fee(client: Client, entry: Any, chain: str) -> None:
    if entry.id == "blockcypher" and chain in ("litecoin", "dogecoin"):
        with pytest.raises(NotOffered):
            await client.ask(entry, Capability.GAS, GasAsk(chain))
        return
    (fee,) = await client.ask(entry, Capability.GAS, GasAsk(chain))
    assert violation(fee, START_MS) is None
    assert (fee.provider, fee.chain) == (entry.id, chain)
    truth = chain_of(SEED, chain)
    if fee.unit == "sat/vB":
        assert fee.fast == pytest.approx(truth.byte_fees(START_MS)[0], rel=0.2)
        return
    newest = truth.number(START_MS)
    columns = entry.tables["gas"] if entry.adapter == "json_table" else {"block", "base_fee"}
    assert fee.block == (newest if "block" in columns else None)
    base = truth.base_fee(newest + 1) / 1e9
    assert fee.base_fee == (pytest.approx(base) if "base_fee" in columns else None) or base == 0
    tips = [truth.tip(newest - n, 90) for n in range(20)]
    assert base + min(tips) / 1e9 <= fee.fast * 1.000001
    assert fee.fast <= (base + max(tips) / 1e9) * 1.000001
    asked_a_node = entry.adapter == "evm_rpc"
    assert (fee.blob_base_fee is not None) == (asked_a_node and truth.plan.blob_fee > 0)


@pytest.mark.parametrize(("entry", "chain"), offers(Capability.CHAIN_STATS))
async def test_every_source_tells_how_its_chain_stands(client: Client, entry: Any, chain: str) -> None:
    (stats,) = await client.ask(entry, Capability.CHAIN_STATS, ChainStatsAsk(chain))
    assert violation(stats, START_MS) is None
    assert (stats.provider, stats.chain) == (entry.id, chain)
    truth = chain_of(SEED, chain)
    height = truth.number(START_MS) - (20_000_000 if chain == "solana" else 0)
    assert stats.block in (height, None)
    if stats.block_time_s is not None:
        assert stats.block_time_s == pytest.approx(truth.plan.block_ms / 1000, rel=0.15)
    if stats.tps is not None:
        usual = truth.plan.transactions / truth.plan.block_ms * 1000
        assert usual * 0.5 < stats.tps < usual * 1.5
    if stats.difficulty is not None:
        assert stats.difficulty == pytest.approx(truth.difficulty(height % MOST_MINED))
    if stats.hashrate is not None:
        assert stats.hashrate == pytest.approx(truth.hashrate(START_MS))
    known = {name for name, value in stats._asdict().items() if value is not None}
    assert known - {"provider", "chain", "block", "received_ms"} == expected(entry, chain)
    assert "block" in known or entry.adapter == "json_table"


def expected(entry: Any, chain: str) -> set[str]:
    """What a source tells beside the height: of one that is read by a table, its columns."""
    if entry.adapter != "json_table":
        return KNOWN[entry.adapter, chain == "ethereum"]
    columns = set(specs_of(entry)[Capability.CHAIN_STATS].columns) - {"block"}
    return {"event_ms" if name == "time" else name for name in columns}


PACE = {"block_time_s", "tps", "event_ms"}
WORK = {*PACE, "difficulty", "mempool", "mempool_bytes"}
KNOWN = {
    ("evm_rpc", True): PACE,
    ("evm_rpc", False): PACE,
    ("etherscan", True): {"supply"},
    ("etherscan", False): set(),
    ("solana_rpc", False): {"block_time_s", "tps"},
    ("mempool_space", False): {*WORK, "hashrate"},
    ("blockstream", False): WORK,
    ("blockchain_info", False): {
        *("block_time_s", "difficulty", "hashrate", "transactions_24h", "supply", "event_ms"),
    },
    ("blockcypher", True): {"mempool", "event_ms"},
    ("blockcypher", False): {"mempool", "event_ms"},
}


async def test_blocks_advance_with_the_clock(client: Client, clock: ManualClock) -> None:
    entry = ENTRIES["ethereum_publicnode"]
    before = (await client.ask(entry, Capability.GAS, GasAsk("ethereum")))[0]
    await clock.advance(120)
    after = (await client.ask(entry, Capability.GAS, GasAsk("ethereum")))[0]
    assert after.block == before.block + 10
    assert after.base_fee != before.base_fee
    await client.fault("ethereum_publicnode", "frozen")
    await clock.advance(600)
    assert (await client.ask(entry, Capability.GAS, GasAsk("ethereum")))[0].block == after.block
    other = await client.ask(ENTRIES["ethereum_drpc"], Capability.GAS, GasAsk("ethereum"))
    assert other[0].block == after.block + 50


async def post(client: Client, provider: str, body: Any) -> Any:
    return (await client.send("POST", f"/{provider}", json=body)).json()


def call(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 5, "method": method, "params": list(params)}


async def test_a_node_answers_as_recorded(client: Client, wire: Path) -> None:
    for file, request in (
        ("eth_feeHistory", call("eth_feeHistory", "0x1", "latest", [95, 99])),
        ("eth_blobBaseFee", call("eth_blobBaseFee")),
        ("eth_blockNumber", call("eth_blockNumber")),
        ("eth_chainId", call("eth_chainId")),
        ("eth_getBlockByNumber_notfound", call("eth_getBlockByNumber", "0xffffffffff", False)),
        ("eth_getBlockByNumber_latest", call("eth_getBlockByNumber", "latest", False)),
    ):
        recorded = json.loads((wire / "rpc" / f"{file}.json").read_bytes())
        if file.endswith("latest"):
            recorded["result"]["transactions"] = ["0x"]  # recorded with whole transactions
        made = await post(client, "ethereum_publicnode", request)
        assert shape_gaps(recorded, made) == [], file
        assert made["id"] == 5
        assert (made["result"] is None) == (recorded["result"] is None)


async def test_a_node_refuses_what_it_cannot_read(client: Client) -> None:
    node = "bsc_bnbchain"
    assert (await post(client, node, call("eth_nosuch")))["error"]["code"] == -32601
    assert (await post(client, node, call("eth_feeHistory", "x")))["error"]["code"] == -32602
    assert (await post(client, node, call("eth_getBlockByNumber", {})))["error"]["code"] == -32602
    assert (await post(client, node, call("eth_getBlockByNumber")))["error"]["code"] == -32602
    assert (await post(client, node, 5))["error"]["code"] == -32600
    assert (await client.send("POST", f"/{node}", body=b"{")).status == 400
    both = await post(client, node, [call("eth_chainId"), call("eth_blockNumber")])
    assert [answer["result"] for answer in both] == ["0x38", hex(chain_of(SEED, "bsc").number(START_MS))]
    solana = "solana_foundation"
    assert (await post(client, solana, call("getSupply")))["error"]["code"] == -32601
    assert (await client.send("POST", f"/{solana}", body=b"[]")).status == 400


@pytest.mark.parametrize("provider", ["etherscan", "ethereum_publicnode", "solana_foundation"])
async def test_a_limit_inside_200_is_known(client: Client, provider: str) -> None:
    entry = ENTRIES[provider]
    await client.fault(provider, "error_200", error="rate_limited_in_200")
    with pytest.raises(UpstreamRateLimited):
        await client.ask(entry, Capability.CHAIN_STATS, ChainStatsAsk(entry.chains[0]))


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("chainid=1", KeyRefused),
        ("chainid=1&apikey=invalid", KeyRefused),
        ("chainid=56&apikey=k", PlanRequired),
        ("chainid=5&apikey=k", UpstreamRejected),
        ("chainid=42161&apikey=k", UpstreamRejected),
    ],
)
async def test_etherscan_wants_a_key_and_a_chain_of_its_plan(
    client: Client, query: str, kind: type[UpstreamError]
) -> None:
    heard = await client.get(f"/etherscan?module=gastracker&action=gasoracle&{query}")
    assert heard.status == 200
    gas = catalog.adapter("etherscan").endpoints[Capability.GAS]
    with pytest.raises(kind):
        gas.parse(Reply("etherscan", 200, heard.body, START_MS), GasAsk("ethereum"))
