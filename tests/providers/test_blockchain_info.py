"""Blockchain.com: units of the day's statistics, and a number of blocks that is no height."""

from __future__ import annotations

from typing import Any

import pytest
from chain_desk import NOW, ChainDesk, told

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import NotOffered, PayloadChanged
from crypto_dt_source.model.onchain import GasFee
from crypto_dt_source.providers.adapters.blockchain_info import ADAPTER

DESK = ChainDesk(ADAPTER, "bitcoin")
FEES = {"limits": {"min": 2, "max": 24}, "regular": 4, "priority": 16}
STATS = {
    "timestamp": 1789990000000.0,
    "hash_rate": 1.1e12,
    "difficulty": 1.3e14,
    "minutes_between_blocks": 8.5,
    "n_tx": 872969,
    "totalbc": 2009371875000000,
    "n_blocks_total": 969990,
    "trade_volume_usd": 1.5,
}


def test_fees_of_the_wallet() -> None:
    expected = GasFee("blockchain_info", "bitcoin", "sat/vB", 2, 4, 16, None, None, None, None, NOW)
    assert DESK.gas(FEES) == expected


def test_figures_of_a_day_in_the_service_s_units() -> None:
    assert told(DESK.stats(STATS)) == {
        # 129,990 blocks at 3.125 after 840,000: as many as are counted, and the first has number 0.
        "block": 969_989,
        "block_time_s": 510.0,
        "difficulty": 1.3e14,
        "hashrate": 1.1e21,
        "transactions_24h": 872_969,
        "supply": 20_093_718.75,
        "event_ms": 1_789_990_000_000,
    }


def test_nothing_measured_is_none() -> None:
    stats = DESK.stats({**STATS, "hash_rate": 0, "minutes_between_blocks": 0})
    assert (stats.hashrate, stats.block_time_s) == (None, None)


def test_paths() -> None:
    assert (DESK.ask_gas().path, DESK.ask_stats().path) == ("/mempool/fees", "/stats")
    with pytest.raises(NotOffered):
        DESK.ask_gas("ethereum")
    with pytest.raises(NotOffered):
        DESK.ask_stats("ethereum")


def test_the_shape_is_watched() -> None:
    assert DESK.drifted(Capability.GAS, FEES, "16") == "$.priority"
    assert DESK.drifted(Capability.CHAIN_STATS, STATS, "969990") == "$.n_blocks_total"


@pytest.mark.parametrize("field", ["n_blocks_total", "n_tx", "totalbc", "timestamp"])
@pytest.mark.parametrize("value", ["1", "NaN", None, 10**400, []])
def test_hostile_numbers(field: str, value: Any) -> None:
    assert isinstance(DESK.refused(Capability.CHAIN_STATS, {**STATS, field: value}), PayloadChanged)
