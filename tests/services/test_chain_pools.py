"""Fees and statistics of chains: each has its own pool of sources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import NotFound
from crypto_dt_source.services import fear_greed, onchain
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp

Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        yield rt, sim, clock


async def test_every_chain_has_its_fee_in_its_own_unit(rig: Rig) -> None:
    rt, _, clock = rig
    found = await harness.drive(clock, onchain.all_gas(rt))
    assert not found.errors
    assert list(found.found)[:2] == ["bitcoin", "ethereum"]
    assert len(found.found) >= 5
    for chain, cached in found.found.items():
        fee = cached.value
        assert fee.chain == chain
        assert fee.unit == ("sat/vB" if chain == "bitcoin" else "gwei")
        assert 0 <= fee.slow <= fee.standard <= fee.fast


async def test_a_dead_node_is_covered_by_the_next_and_a_chain_is_never_answered_by_anothers(rig: Rig) -> None:
    rt, sim, clock = rig
    nodes = [s.entry.id for s in rt.gateway.offering(Capability.GAS) if "ethereum" in s.entry.chains]
    assert len(nodes) >= 4
    for node in nodes[:-1]:
        sim.faults.add(node, "5xx")
    fee = (await harness.drive(clock, onchain.gas(rt, "ethereum"))).value
    assert fee.provider == nodes[-1]
    assert fee.chain == "ethereum"


async def test_one_chain_that_fails_does_not_cost_the_others(rig: Rig) -> None:
    rt, sim, clock = rig
    for source in rt.gateway.offering(Capability.CHAIN_STATS):
        if "base" in source.entry.chains:
            sim.faults.add(source.entry.id, "5xx")
    found = await harness.drive(clock, onchain.all_stats(rt))
    assert "base" not in found.found
    assert found.found["ethereum"].value.block
    assert [chain for chain, _ in found.errors] == ["base"]


async def test_a_chain_nobody_knows_is_named_with_those_that_are(rig: Rig) -> None:
    rt, _, _ = rig
    with pytest.raises(NotFound) as error:
        await onchain.gas(rt, "atlantis")
    assert "ethereum" in error.value.details["allowed"]
    assert not harness.transport_of(rt).calls


async def test_the_last_fee_outlives_a_restart_with_dead_nodes(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        before = await harness.drive(clock, onchain.gas(rt, "ethereum"))
        await harness.drive(clock, onchain.collect(rt))
    await clock.advance(600)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        kept = await onchain.gas(rt, "ethereum")
        assert (kept.value, kept.fetched_ms, kept.state) == (before.value, before.fetched_ms, "stale")
        assert (await onchain.stats(rt, "bitcoin")).value.difficulty
        await harness.settled(rt)


async def test_fear_and_greed_takes_all_of_history_once_then_the_newest_days(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        now = (await harness.drive(clock, fear_greed.now(rt))).value
        assert 0 <= now.value <= 100
        assert "Fear" in now.series
        days = await fear_greed.history(rt, days=90)
        assert len(days) >= 85
        assert days[-1].day_ms == now.day_ms
        assert [day.day_ms for day in days] == sorted({day.day_ms for day in days})
        await clock.advance(3 * 86_400)
        await harness.drive(clock, fear_greed.collect(rt))
        asked = [path for provider, path in harness.transport_of(rt).calls if provider == "alternative_me"]
        assert "limit=0" in asked[0]
        assert "limit=10" in asked[-1]
        assert len(await fear_greed.history(rt, days=4)) >= 3
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        await clock.advance(2 * 86_400)
        kept = await fear_greed.known(rt)
        assert kept is not None
        assert kept.state == "stale"
        await harness.settled(rt)
