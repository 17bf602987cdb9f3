"""mempool.space and Blockstream: fees by how long one waits, and three pages that make one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chain_desk import NOW, ChainDesk, told

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import NotOffered, PayloadChanged
from crypto_dt_source.model.onchain import GasFee
from crypto_dt_source.providers.adapters import blockstream, mempool_space

SPACE = ChainDesk(mempool_space.ADAPTER, "bitcoin")
STREAM = ChainDesk(blockstream.ADAPTER, "bitcoin")
GAS, STATS = Capability.GAS, Capability.CHAIN_STATS

RECOMMENDED = {"fastestFee": 9.5, "halfHourFee": 7, "hourFee": 4, "economyFee": 2, "minimumFee": 1}
ESTIMATES = {"1": 9.25, "2": 9.0, "3": 7.5, "4": 7.5, "5": 5.0, "6": 4.125, "144": 1.1, "1008": 1.0}
MEMPOOL = {"count": 3169, "vsize": 1891542.4, "total_fee": 20317481, "fee_histogram": []}
HASHRATE = {
    "hashrates": [],
    "difficulty": [],
    "currentHashrate": 2.5e20,
    "currentDifficulty": 31251101365711.12,
}


def block(height: int, at_s: int, transactions: int) -> dict[str, Any]:
    return {"height": height, "timestamp": at_s, "tx_count": transactions, "difficulty": 3e13, "size": 1}


BLOCKS = [
    block(900_002, 1_789_001_200, 2000),
    block(900_001, 1_789_001_000, 1000),
    block(900_000, 1_789_000_000, 9),
]


def test_fees_by_how_long_one_waits() -> None:
    expected = GasFee("mempool_space", "bitcoin", "sat/vB", 4.0, 7.0, 9.5, None, None, None, None, NOW)
    assert SPACE.gas(RECOMMENDED) == expected
    estimated = GasFee("blockstream", "bitcoin", "sat/vB", 4.125, 7.5, 9.25, None, None, None, None, NOW)
    assert STREAM.gas(ESTIMATES) == estimated


def test_who_waits_longer_never_pays_more() -> None:
    fee = STREAM.gas({"1": 5.0, "3": 6.0, "6": 7.0})
    assert (fee.slow, fee.standard, fee.fast) == (5.0, 5.0, 5.0)
    lower = SPACE.gas({**RECOMMENDED, "hourFee": 8})
    assert (lower.slow, lower.standard, lower.fast) == (7, 7, 9.5)


def test_what_the_last_blocks_and_the_mempool_tell() -> None:
    # Two blocks of 3000 transactions together in 1200 s.
    paced = {
        "block": 900_002,
        "block_time_s": 600.0,
        "tps": 2.5,
        "difficulty": 3e13,
        "event_ms": 1_789_001_200_000,
        "mempool": 3169,
        "mempool_bytes": 1891542,
    }
    assert told(STREAM.stats(BLOCKS, MEMPOOL)) == paced
    assert told(SPACE.stats(BLOCKS, MEMPOOL, HASHRATE)) == {**paced, "hashrate": 2.5e20}


def test_blocks_without_a_pace() -> None:
    backwards = [block(900_001, 1_789_000_000, 5), block(900_000, 1_789_000_100, 5)]
    for blocks in (backwards, backwards[:1], [backwards[0], backwards[0]]):
        stats = STREAM.stats(blocks)
        assert (stats.block, stats.block_time_s, stats.tps) == (900_001, None, None)


@pytest.mark.parametrize(
    ("desk", "pages", "paths"),
    [
        (SPACE, (BLOCKS, MEMPOOL, HASHRATE), ["/v1/blocks", "/mempool", "/v1/mining/hashrate/3d"]),
        (STREAM, (BLOCKS, MEMPOOL), ["/blocks", "/mempool"]),
    ],
    ids=["mempool_space", "blockstream"],
)
def test_pages_are_asked_in_turn(desk: ChainDesk, pages: tuple[Any, ...], paths: list[str]) -> None:
    request = desk.ask_stats()
    asked = [request.path]
    for page in pages:
        following = desk.following(page, request)
        if following is not None:
            asked.append(following.path)
            request = following
    assert asked == paths
    assert following is None


def test_bitcoin_only() -> None:
    assert (SPACE.ask_gas().path, STREAM.ask_gas().path) == ("/v1/fees/recommended", "/fee-estimates")
    for desk in (SPACE, STREAM):
        with pytest.raises(NotOffered):
            desk.ask_gas("ethereum")
        with pytest.raises(NotOffered):
            desk.ask_stats("litecoin")


def test_the_shape_is_watched() -> None:
    assert SPACE.drifted(GAS, RECOMMENDED, "9.5") == "$.fastestFee"
    assert STREAM.drifted(GAS, ESTIMATES, "9.25") == "$[...]"
    assert SPACE.drifted(STATS, BLOCKS, "900002") == "$[0].height"
    assert SPACE.drifted(STATS, MEMPOOL, "3169") == "$.count"
    assert SPACE.drifted(STATS, HASHRATE, "2.5e+20") == "$.currentHashrate"
    missing = STREAM.refused(GAS, {"1": 5.0, "6": 4.0})
    assert isinstance(missing, PayloadChanged)
    assert missing.path == "$[3]"


@pytest.mark.parametrize("value", ["9", "NaN", None, -1, 1 << 60, 10**400, True, 0.5])
def test_hostile_heights(value: Any) -> None:
    assert isinstance(STREAM.refused(STATS, [{**BLOCKS[0], "height": value}]), PayloadChanged)


def test_no_blocks_is_no_answer() -> None:
    error = SPACE.refused(STATS, [])
    assert isinstance(error, PayloadChanged)
    assert error.path == "$[0]"


def test_recorded_pages_make_one_record(wire: Path) -> None:
    folder = wire / "mempool_space"
    pages = [(folder / f"{name}.json").read_bytes() for name in ("blocks", "mempool", "hashrate")]
    assert told(SPACE.stats(*pages)) == {
        "block": 730_000,
        "block_time_s": 503.0,
        "tps": pytest.approx(1627 / 503),
        "difficulty": 28587155782195.1,
        "event_ms": 1_648_829_449_000,
        "mempool": 3169,
        "mempool_bytes": 1_891_542,
        "hashrate": 252033247355212300000.0,
    }
    fee = SPACE.gas((folder / "fees_recommended.json").read_bytes())
    assert (fee.slow, fee.standard, fee.fast) == (1, 1, 1)
