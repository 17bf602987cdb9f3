"""BlockCypher: satoshis per kilobyte, wei per gas, and chains whose fees have no unit here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chain_desk import NOW, ChainDesk, told

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import NotOffered, PayloadChanged
from crypto_dt_source.model.onchain import GasFee
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.adapters.blockcypher import ADAPTER, CODES

DESK = ChainDesk(ADAPTER, "bitcoin")
AT = {
    "height": 969_989,
    "time": "2026-09-21T13:36:42.077707853Z",
    "unconfirmed_count": 5120,
    "peer_count": 26,
}
BITCOIN = {**AT, "high_fee_per_kb": 46086, "medium_fee_per_kb": 29500, "low_fee_per_kb": 12045}
ETHER = {
    **AT,
    "high_gas_price": 19055337845,
    "medium_gas_price": 14996659555,
    "low_gas_price": 6362972257,
    "base_fee": 3577270822,
}
EVENT = 1_789_997_802_078


def test_fees_per_kilobyte_become_fees_per_byte() -> None:
    expected = GasFee(
        "blockcypher", "bitcoin", "sat/vB", 12.045, 29.5, 46.086, None, None, 969_989, EVENT, NOW
    )
    assert DESK.gas(BITCOIN) == expected


def test_wei_become_gwei() -> None:
    fee = DESK.gas(ETHER, "ethereum")
    assert (fee.unit, fee.slow, fee.standard, fee.fast) == ("gwei", 6.362972257, 14.996659555, 19.055337845)
    assert (fee.base_fee, fee.block) == (3.577270822, 969_989)


def test_height_and_what_waits() -> None:
    expected = {"block": 969_989, "mempool": 5120, "event_ms": EVENT}
    assert told(DESK.stats(BITCOIN)) == expected
    assert told(DESK.stats({**ETHER, "time": "soon"}, chain="ethereum")) == {
        "block": 969_989,
        "mempool": 5120,
    }


def test_a_page_a_chain() -> None:
    assert DESK.ask_stats("dogecoin").path == "/doge/main"
    assert DESK.ask_gas("ethereum").path == "/eth/main"
    assert set(catalog.load()["blockcypher"].chains) == set(CODES)
    with pytest.raises(NotOffered):
        DESK.ask_gas("litecoin")
    with pytest.raises(NotOffered):
        DESK.ask_stats("solana")


def test_the_shape_is_watched() -> None:
    assert DESK.drifted(Capability.GAS, BITCOIN, "46086") == "$.high_fee_per_kb"
    assert DESK.drifted(Capability.CHAIN_STATS, BITCOIN, "969989") == "$.height"
    # The fees of another kind of chain.
    assert isinstance(DESK.refused(Capability.GAS, ETHER), PayloadChanged)


@pytest.mark.parametrize("value", ["969989", None, -1, 10**400, 1.5])
def test_hostile_heights(value: Any) -> None:
    assert isinstance(DESK.refused(Capability.CHAIN_STATS, {**BITCOIN, "height": value}), PayloadChanged)


def test_the_recorded_chain(wire: Path) -> None:
    raw = (wire / "blockcypher" / "eth_main.json").read_bytes()
    fee = DESK.gas(raw, "ethereum")
    assert (fee.block, fee.event_ms) == (20_290_761, 1_720_791_402_078)
    assert (fee.slow, fee.fast, fee.base_fee) == (6.362972257, 19.055337845, 3.577270822)
    assert DESK.stats(raw, chain="ethereum").mempool == 305
