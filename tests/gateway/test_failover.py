"""No client request fails when a fault begins at the first source of a pool, over real HTTP against the simulator.

How long failover takes is measured by `bench/failover.py`, not asserted here.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import aiohttp
import pytest
from failover_trial import FAULTS, Control, Fault, ask, gateway, trial

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.pool import Member, Pool

ASKS = 40


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """Address of a simulator in a process of its own."""
    command = [sys.executable, "-m", "crypto_dt_source.cli.main", "sim", "--with-parent", "--seed", "7"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_no_request_fails(simulator: str, fault: Fault) -> None:
    async with aiohttp.ClientSession() as session:
        outcome = await trial(
            Control(simulator, session), fault, Capability.BOOK, ASKS, random.Random(fault.name)
        )
    assert outcome.failed == []
    assert len(outcome.fault_ms) == ASKS
    if fault.how != "data":
        # The fault did strike: others answered for the first source.
        assert len(outcome.answered) > 1


@pytest.mark.parametrize("capability", [Capability.TRADES, Capability.GLOBAL], ids=lambda c: c.value)
@pytest.mark.parametrize("name", ["hang", "reset", "wrong schema"])
async def test_other_pools_too(simulator: str, capability: Capability, name: str) -> None:
    fault = next(f for f in FAULTS if f.name == name)
    async with aiohttp.ClientSession() as session:
        outcome = await trial(Control(simulator, session), fault, capability, 20, random.Random(name))
    assert outcome.failed == []
    assert len(outcome.answered) > 1


async def test_in_health_one_call_an_ask(simulator: str) -> None:
    async with aiohttp.ClientSession() as session:
        control = Control(simulator, session)
        gw = gateway(simulator)
        await ask(gw, Capability.BOOK)
        before = sum((await control.requests()).values())
        for _ in range(200):
            await ask(gw, Capability.BOOK)
        calls = sum((await control.requests()).values()) - before
        await gw.close()
    # Takeovers of a machine that stalls aside: those are counted by the gateway.
    assert calls - gw.hedges.takeovers <= 210


async def test_the_first_of_a_pool_is_killed_and_the_next_takes_over(simulator: str) -> None:
    async with aiohttp.ClientSession() as session:
        control = Control(simulator, session)
        gw = gateway(simulator)
        listed = (Member("kraken", priority=1), Member("okx", priority=2))
        gw.pools.take_up(
            [Pool("own", "Own", "x", capabilities=frozenset({Capability.BOOK}), members=listed)], []
        )
        assert (await ask(gw, Capability.BOOK))[0] == "kraken"
        await control.set_fault("kraken", next(f for f in FAULTS if f.name == "reset"))
        assert [(await ask(gw, Capability.BOOK))[0] for _ in range(6)] == ["okx"] * 6
        await control.clear()
        await gw.close()
    found = [(e.pool, e.kind, e.provider, e.other, e.reason) for e in gw.pools.events]
    assert found == [("own", "failed_over", "okx", "kraken", "upstream_unreachable")]
